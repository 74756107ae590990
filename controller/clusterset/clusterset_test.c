/* SPDX-License-Identifier: Apache-2.0 */
#include "clusterset/clusterset.h"

#include "mesh/fleet_test.h"

#include "clusterset/set.h"
#include "membercluster/member.h"

#define DATA     "testdata/istio/data"
#define COREFILE ".:53 {\n    errors\n    kubernetes cluster.local {\n    }\n}\n"

/* Clusters of one set. What the fleet does not hold whole is here. */
struct fixture {
    struct fleet f;
    json_t *trees; /* "cluster path" -> object */
    int status_writes, dns_conflicts;
};

static const char *const names[] = {"c1", "c2"};
enum { CLUSTERS = 2 };

static char *tree_key(const struct cluster *c, const char *path)
{
    return xasprintf("%s %.*s", c->name, (int)strcspn(path, "?"), path);
}

static void touch_tree(struct fixture *x, json_t *tree)
{
    auto_free char *rv = xasprintf("%d", x->f.rv);
    jx_set_str(tree, "metadata.resourceVersion", rv);
}

static char *path_of(const json_t *obj)
{
    return gvr_path(plan_gvr(jx_str(obj, "apiVersion"), jx_str(obj, "kind")),
                    jx_str(obj, "metadata.namespace"), jx_str(obj, "metadata.name"));
}

/* Somebody makes an object. */
static void make(struct fixture *x, const char *cluster, json_t *obj)
{
    struct cluster *c = manager_cluster(&x->f.m, "fleet", cluster);
    auto_free char *path = path_of(obj);
    auto_free char *key = tree_key(c, path);
    x->f.rv++;
    fleet_show(&x->f, c, obj, false);
    touch_tree(x, obj);
    json_object_set_new(x->trees, key, obj);
}

static void unmake(struct fixture *x, const char *cluster, const char *api, const char *kind,
                   const char *name)
{
    struct cluster *c = manager_cluster(&x->f.m, "fleet", cluster);
    auto_json *obj = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", api, "kind", kind,
                               "metadata", "name", name, "namespace", "shop");
    auto_free char *path = path_of(obj);
    auto_free char *key = tree_key(c, path);
    json_object_del(x->trees, key);
    fleet_hide(fleet_watch(c, obj), "shop", name);
}

/* --- the API servers --- */

static void answer_list(const struct fixture *x, const struct cluster *c, struct fake_conn *conn,
                        const char *path)
{
    auto_json *list = json_pack("{s:[]}", "items");
    const char *plural = strrchr(path, '/'), *key;
    auto_free char *of = xasprintf("%s ", c->name);
    auto_free char *middle = xasprintf("%.*s/", (int)strcspn(plural, "?"), plural);
    json_t *o;
    json_object_foreach (x->trees, key, o) {
        if (str_starts(key, of) && strstr(key, middle))
            json_array_append(json_object_get(list, "items"), o);
    }
    auto_free char *text = jx_dump(list);
    fake_reply(conn, 200, "", text);
}

static void answer_get(const struct fixture *x, const struct cluster *c, struct fake_conn *conn,
                       const char *path)
{
    auto_free char *key = tree_key(c, path);
    const json_t *o = json_object_get(x->trees, key);
    auto_free char *text = o ? jx_dump(o) : xstrdup("{}");
    fake_reply(conn, o ? 200 : 404, "", text);
}

static void patch_corefile(struct fixture *x, const struct cluster *c, struct fake_conn *conn,
                           const struct fake_request *q)
{
    auto_free char *key = tree_key(c, q->path);
    auto_json *patch = jx_load(q->body, strlen(q->body), NULL);
    json_t *o = json_object_get(x->trees, key);
    if (!str_eq(jx_str(patch, "metadata.resourceVersion"), jx_str(o, "metadata.resourceVersion"))) {
        x->dns_conflicts++;
        fake_reply(conn, 409, "", "{}");
        return;
    }
    x->f.rv++;
    jx_merge(o, patch);
    touch_tree(x, o);
    fake_reply(conn, 200, "", "{}");
}

static void patch_status(struct fixture *x, struct cluster *c, struct fake_conn *conn,
                         const struct fake_request *q)
{
    auto_free char *path = xasprintf("%.*s", (int)(strstr(q->path, "/status") - q->path), q->path);
    auto_free char *key = tree_key(c, path);
    auto_json *patch = jx_load(q->body, strlen(q->body), NULL);
    json_t *o = json_object_get(x->trees, key);
    assert_non_null(o);
    x->status_writes++;
    x->f.rv++;
    bool said = json_object_size(json_object_get(patch, "status")) > 0;
    json_object_set(o, "status", json_object_get(patch, "status"));
    jx_set_new(o, "metadata.managedFields",
               said ? json_pack("[{s:s, s:s}]", "manager", "meshwright", "subresource", "status")
                    : json_array());
    touch_tree(x, o);
    fleet_show(&x->f, c, o, jx_get2(o, "metadata.labels", PLAN_LABEL_OWNER_UID) != NULL);
    fake_reply(conn, 200, "", "{}");
}

/* The API server gives a Service its address. */
static void apply(struct fixture *x, struct cluster *c, struct fake_conn *conn,
                  const struct fake_request *q)
{
    auto_json *obj = jx_load(q->body, strlen(q->body), NULL);
    auto_free char *key = tree_key(c, q->path);
    x->f.rv++;
    x->f.writes++;
    if (str_eq(jx_str(obj, "kind"), "Service"))
        jx_set_new(obj, "spec.clusterIPs", json_pack("[s]", "10.96.0.9"));
    fleet_show(&x->f, c, obj, true);
    touch_tree(x, obj);
    json_t *old = json_object_get(x->trees, key);
    if (old && json_object_get(old, "status"))
        json_object_set(obj, "status", json_object_get(old, "status"));
    json_object_set(x->trees, key, obj);
    auto_free char *text = xasprintf("{\"metadata\":{\"resourceVersion\":\"%d\"}}", x->f.rv);
    fake_reply(conn, 200, "", text);
}

/* A CRD that is let go of: nothing of ours is in it any more. */
static void release(struct cluster *c, struct fake_conn *conn, const struct fake_request *q)
{
    const char *name = strrchr(q->path, '/') + 1;
    auto_free char *crd = xasprintf("%.*s", (int)strcspn(name, "?"), name);
    auto_json *kind = json_pack("{s:s, s:s}", "apiVersion", "apiextensions.k8s.io/v1", "kind",
                                "CustomResourceDefinition");
    fleet_hide(fleet_watch(c, kind), NULL, crd);
    fake_reply(conn, 200, "", "{}");
}

static void answer_crd(struct cluster *c, struct fake_conn *conn, const struct fake_request *q)
{
    const struct records *all =
        set_records(c, "apiextensions.k8s.io/v1", "CustomResourceDefinition");
    bool there = records_find(all, NULL, strrchr(q->path, '/') + 1);
    fake_reply(conn, there ? 200 : 404, "", "{\"metadata\":{\"resourceVersion\":\"1\"}}");
}

static void handle(void *arg, struct fake_conn *conn, const struct fake_request *q)
{
    struct fixture *x = arg;
    struct cluster *c = fleet_cluster_of(&x->f, q->head);
    bool patch = str_eq(q->method, "PATCH");
    if (!c || str_eq(q->method, "DELETE")) {
        auto_free char *key = c ? tree_key(c, q->path) : NULL;
        if (key)
            json_object_del(x->trees, key);
        fleet_handle(&x->f, conn, q);
    } else if (patch && strstr(q->path, "fieldManager=meshwright-release"))
        release(c, conn, q);
    else if (str_eq(q->path, "/apis/" MCS_GROUP))
        fake_reply(conn, 200, "",
                   "{\"preferredVersion\":{\"groupVersion\":\"" MCS_API_VERSION "\"}}");
    else if (str_starts(q->path, "/apis/apiextensions.k8s.io/") && str_eq(q->method, "GET"))
        answer_crd(c, conn, q);
    else if (patch && strstr(q->path, "/configmaps/coredns"))
        patch_corefile(x, c, conn, q);
    else if (patch && strstr(q->path, "/status?"))
        patch_status(x, c, conn, q);
    else if (patch)
        apply(x, c, conn, q);
    else if (strstr(q->path, "/serviceexports/") || strstr(q->path, "/services/") ||
             strstr(q->path, "/configmaps/"))
        answer_get(x, c, conn, q->path);
    else if (strstr(q->path, "/serviceexports") || strstr(q->path, "/serviceimports"))
        answer_list(x, c, conn, q->path);
    else
        fleet_handle(&x->f, conn, q);
}

/* --- */

static struct hub_object *hub_member(struct fixture *x, const char *name)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    return hub_find(&x->f.m.hub, API_KIND_MEMBER_CLUSTER, key);
}

static struct member *member(struct fixture *x, const char *name)
{
    struct member *mb;
    auto_free char *key = xasprintf("fleet/%s", name);
    HASH_FIND_STR(x->f.m.members, key, mb);
    return mb;
}

/* A pass as membercluster/member.c has it, without credentials. */
static void pass(struct fixture *x, const char *name)
{
    auto_arena a = ARENA_INIT;
    struct api_member_cluster *cr;
    struct err err = {0};
    struct hub_object *o = hub_member(x, name);
    assert_int_equal(api_member_cluster_decode(o->obj, &a, &cr, &err), 0);
    clusterset_step(member(x, name), o, cr, &a);
    json_t *status = json_pack("{s:s}", "clusterID", name);
    clusterset_report(member(x, name), o, cr, status);
    json_object_set_new(o->obj, "status", status);
}

static void run(struct fixture *x, int64_t ms)
{
    for (int64_t end = x->f.clock.mono + ms; x->f.clock.mono < end;) {
        for (size_t i = 0; i < CLUSTERS; i++)
            pass(x, names[i]);
        fleet_run(&x->f, 20);
    }
}

static json_t *namespace(void)
{
    return json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata",
                     "name", "shop");
}

static void add_member(struct fixture *x, const char *name)
{
    struct member *mb = xcalloc(1, sizeof *mb + 64);
    fleet_add_cluster(&x->f, name);
    snprintf(mb->key, 64, "fleet/%s", name);
    mb->manager = &x->f.m;
    mb->ns = xstrdup("fleet");
    mb->name = xstrdup(name);
    HASH_ADD_STR(x->f.m.members, key, mb);
    jx_set_str(hub_member(x, name)->obj, "spec.clusterSet", "blue");
    make(x, name, namespace());
    json_t *cm = json_pack("{s:{s:s}, s:{s:s}}", "metadata", "resourceVersion", "5", "data",
                           "Corefile", COREFILE);
    auto_free char *key = xasprintf("%s /api/v1/namespaces/kube-system/configmaps/coredns", name);
    json_object_set_new(x->trees, key, cm);
}

static void start(struct fixture *x)
{
    *x = (struct fixture){0};
    fleet_start(&x->f, DATA);
    x->trees = json_object();
    x->f.server.handle = handle;
    x->f.server.arg = x;
    for (size_t i = 0; i < CLUSTERS; i++)
        add_member(x, names[i]);
}

static void stop(struct fixture *x)
{
    struct member *mb, *tmp;
    HASH_ITER (hh, x->f.m.members, mb, tmp) {
        clusterset_forget(mb);
        HASH_DEL(x->f.m.members, mb);
        free(mb->ns);
        free(mb->name);
        free(mb);
    }
    fleet_stop(&x->f);
    json_decref(x->trees);
}

static void make_service(struct fixture *x, const char *cluster, const char *name, int port)
{
    make(x, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}, s:[{s:s, s:i}]}}", "apiVersion", "v1",
                   "kind", "Service", "metadata", "name", name, "namespace", "shop", "spec",
                   "selector", "app", "cart", "ports", "name", "http", "port", port));
}

static void export(struct fixture *x, const char *cluster, const char *created)
{
    make(x, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "apiVersion", MCS_API_VERSION, "kind",
                   "ServiceExport", "metadata", "name", "cart", "namespace", "shop",
                   "creationTimestamp", created));
}

static const json_t *tree(const struct fixture *x, const char *cluster, const char *api,
                          const char *kind, const char *name)
{
    auto_json *obj = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", api, "kind", kind,
                               "metadata", "name", name, "namespace", "shop");
    auto_free char *path = path_of(obj);
    auto_free char *key = xasprintf("%s %s", cluster, path);
    return json_object_get(x->trees, key);
}

static const json_t *import(const struct fixture *x, const char *cluster)
{
    return tree(x, cluster, MCS_API_VERSION, "ServiceImport", "cart");
}

static const char *said(const struct fixture *x, const char *cluster, const char *type)
{
    const json_t *e = tree(x, cluster, MCS_API_VERSION, "ServiceExport", "cart");
    return str_or(jx_str(cond_find(jx_get(e, "status.conditions"), type), "reason"), "");
}

static const char *corefile(const struct fixture *x, const char *cluster)
{
    auto_free char *key =
        xasprintf("%s /api/v1/namespaces/kube-system/configmaps/coredns", cluster);
    return jx_str(json_object_get(x->trees, key), "data.Corefile");
}

static size_t ours(struct fixture *x, const char *cluster)
{
    struct cluster *c = manager_cluster(&x->f.m, "fleet", cluster);
    size_t n = 0;
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));)
            n += kube_record_managed(r);
    }
    return n;
}

#define OLD "2026-01-01T00:00:00Z"
#define NEW "2026-02-01T00:00:00Z"

static int64_t port_of(const json_t *import_or_service)
{
    return jx_int(json_array_get(jx_get(import_or_service, "spec.ports"), 0), "port", 0);
}

/* --- tests --- */

static void an_export_is_everywhere_and_then_all_is_quiet(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    make_service(&x, "c2", "cart", 80);
    export(&x, "c2", OLD);
    run(&x, 8000);
    for (size_t i = 0; i < CLUSTERS; i++) {
        const json_t *im = import(&x, names[i]);
        assert_int_equal(port_of(im), 80);
        assert_string_equal(jx_str(json_array_get(jx_get(im, "status.clusters"), 0), "cluster"),
                            "c2");
        assert_string_equal(json_string_value(json_array_get(jx_get(im, "spec.ips"), 0)),
                            "10.96.0.9");
        assert_non_null(tree(&x, names[i], "v1", "Service", "mcs-cart"));
        assert_non_null(strstr(corefile(&x, names[i]), "clusterset"));
        assert_int_equal(member(&x, names[i])->set->ready.status, COND_TRUE);
        assert_int_equal(member(&x, names[i])->set->dns.status, COND_TRUE);
    }
    assert_string_equal(said(&x, "c2", "Valid"), "Valid");
    assert_string_equal(said(&x, "c2", "Ready"), "Exported");
    assert_string_equal(said(&x, "c2", "Conflict"), "NoConflicts");
    assert_int_equal(jx_int(hub_member(&x, "c1")->obj, "status.clusterSet.imported", 0), 1);
    assert_int_equal(jx_int(hub_member(&x, "c2")->obj, "status.clusterSet.exported", 0), 1);
    int writes = x.f.writes, statuses = x.status_writes;
    run(&x, 150000);
    assert_int_equal(x.f.writes, writes);
    assert_int_equal(x.status_writes, statuses);
    stop(&x);
}

static void the_oldest_export_decides_and_its_end_is_followed(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    make_service(&x, "c1", "cart", 8000);
    make_service(&x, "c2", "cart", 80);
    export(&x, "c1", NEW);
    export(&x, "c2", OLD);
    run(&x, 8000);
    for (size_t i = 0; i < CLUSTERS; i++) {
        assert_int_equal(port_of(import(&x, names[i])), 80);
        assert_string_equal(said(&x, names[i], "Conflict"), "PortConflict");
    }
    unmake(&x, "c2", MCS_API_VERSION, "ServiceExport", "cart");
    run(&x, 8000);
    assert_int_equal(port_of(import(&x, "c2")), 8000);
    assert_string_equal(said(&x, "c1", "Conflict"), "NoConflicts");
    unmake(&x, "c1", MCS_API_VERSION, "ServiceExport", "cart");
    run(&x, 8000);
    for (size_t i = 0; i < CLUSTERS; i++) {
        assert_null(import(&x, names[i]));
        assert_null(tree(&x, names[i], "v1", "Service", "mcs-cart"));
    }
    stop(&x);
}

static void an_export_without_a_service_says_so(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    export(&x, "c2", OLD);
    run(&x, 4000);
    assert_string_equal(said(&x, "c2", "Valid"), "NoService");
    assert_string_equal(said(&x, "c2", "Ready"), "Failed");
    assert_null(import(&x, "c1"));
    make_service(&x, "c2", "cart", 80);
    run(&x, 8000);
    assert_string_equal(said(&x, "c2", "Valid"), "Valid");
    assert_non_null(import(&x, "c1"));
    stop(&x);
}

/* What is not known is no reason to take anything away: an exporter is away, also over a restart of ours. */
static void absence_is_not_deletion(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    make_service(&x, "c2", "cart", 80);
    export(&x, "c2", OLD);
    run(&x, 8000);
    struct cluster *c2 = manager_cluster(&x.f.m, "fleet", "c2");
    size_t before = ours(&x, "c1");
    c2->state = CLUSTER_UNREACHABLE;
    run(&x, 8000);
    assert_int_equal(ours(&x, "c1"), before);
    clusterset_forget(member(&x, "c1")); /* a restart: nothing was read of c2 since */
    clusterset_forget(member(&x, "c2"));
    run(&x, 30000);
    assert_int_equal(ours(&x, "c1"), before);
    assert_string_equal(member(&x, "c1")->set->ready.reason, "WaitingForCluster");
    c2->state = CLUSTER_REACHABLE;
    unmake(&x, "c2", MCS_API_VERSION, "ServiceExport", "cart");
    run(&x, 8000);
    assert_null(import(&x, "c1"));
    assert_string_equal(member(&x, "c1")->set->ready.reason, "Ready");
    stop(&x);
}

static void who_leaves_the_set_keeps_nothing(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    make_service(&x, "c2", "cart", 80);
    export(&x, "c2", OLD);
    run(&x, 8000);
    json_object_del(json_object_get(hub_member(&x, "c2")->obj, "spec"), "clusterSet");
    x.f.m.hub.spec_rev++;
    run(&x, 20000);
    assert_null(import(&x, "c1")); /* its export is no more a part of the set */
    assert_int_equal(ours(&x, "c2"), 0);
    assert_string_equal(corefile(&x, "c2"), COREFILE);
    assert_string_equal(said(&x, "c2", "Valid"), "");
    assert_null(jx_get(hub_member(&x, "c2")->obj, "status.clusterSet"));
    assert_null(member(&x, "c2")->set);
    assert_non_null(strstr(corefile(&x, "c1"), "clusterset"));
    stop(&x);
}

static void a_users_service_of_the_derived_name_is_left(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    make_service(&x, "c1", "mcs-cart", 1);
    make_service(&x, "c2", "cart", 80);
    export(&x, "c2", OLD);
    run(&x, 8000);
    assert_int_equal(port_of(tree(&x, "c1", "v1", "Service", "mcs-cart")), 1);
    assert_string_equal(member(&x, "c1")->set->ready.reason, "ForeignObject");
    assert_null(import(&x, "c1"));
    assert_non_null(import(&x, "c2"));
    stop(&x);
}

/* Somebody edits the Corefile between our reading and our writing. */
static void the_corefile_is_never_written_over(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    run(&x, 60);
    auto_free char *key = xasprintf("c1 /api/v1/namespaces/kube-system/configmaps/coredns");
    json_t *cm = json_object_get(x.trees, key);
    for (int i = 0; i < 200 && x.dns_conflicts == 0; i++) {
        jx_set_str(cm, "data.Corefile", COREFILE "# mine\n");
        x.f.rv++;
        touch_tree(&x, cm);
        run(&x, 20);
    }
    run(&x, 10000);
    assert_non_null(strstr(corefile(&x, "c1"), "# mine\n"));
    assert_non_null(strstr(corefile(&x, "c1"), "rewrite stop"));
    stop(&x);
}

static void a_corefile_that_is_not_for_us_is_said(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    json_object_del(x.trees, "c1 /api/v1/namespaces/kube-system/configmaps/coredns");
    run(&x, 4000);
    const struct set_condition *dns = &member(&x, "c1")->set->dns;
    assert_int_equal(dns->status, COND_FALSE);
    assert_string_equal(dns->reason, "CoreDNSNotFound");
    assert_non_null(strstr(dns->message, "rewrite stop name regex"));
    assert_int_equal(member(&x, "c1")->set->ready.status, COND_TRUE);
    stop(&x);
}

static void clusters_on_another_network_are_told_what_to_write(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    jx_set_str(hub_member(&x, "c1")->obj, "spec.network", "far");
    make_service(&x, "c2", "cart", 80);
    export(&x, "c2", OLD);
    run(&x, 8000);
    assert_string_equal(said(&x, "c2", "meshwright.dev/Reachable"), "OtherNetwork");
    fleet_hub_object(&x.f, API_KIND_GATEWAY, "cart",
                     json_pack("{s:[s], s:[{s:s, s:s}]}", "publishTo", "c1", "routes", "namespace",
                               "shop", "service", "cart"));
    run(&x, 8000);
    assert_string_equal(said(&x, "c2", "meshwright.dev/Reachable"), "ThroughGateway");
    stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_is_everywhere_and_then_all_is_quiet),
        cmocka_unit_test(the_oldest_export_decides_and_its_end_is_followed),
        cmocka_unit_test(an_export_without_a_service_says_so),
        cmocka_unit_test(absence_is_not_deletion),
        cmocka_unit_test(who_leaves_the_set_keeps_nothing),
        cmocka_unit_test(a_users_service_of_the_derived_name_is_left),
        cmocka_unit_test(the_corefile_is_never_written_over),
        cmocka_unit_test(a_corefile_that_is_not_for_us_is_said),
        cmocka_unit_test(clusters_on_another_network_are_told_what_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
