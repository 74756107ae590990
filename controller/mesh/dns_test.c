/* SPDX-License-Identifier: Apache-2.0 */
/* DNS entries from the Services of three clusters to what is written. What is decided is tested in
 * topology/dns_test.c. */
#include "mesh/fleet_test.h"

#include "runtime/conditions.h"

#define DATA "testdata/istio/data"

static struct cluster *cluster(struct fleet *f, const char *name)
{
    return manager_cluster(&f->m, "fleet", name);
}

static struct cluster_watch *watch(struct fleet *f, const char *name, const char *kind)
{
    struct cluster *c = cluster(f, name);
    for (size_t i = 0; i < c->n_watches; i++)
        if (str_eq(c->watches[i].gvr->kind, kind))
            return &c->watches[i];
    return NULL;
}

/* The record of an object, NULL when it is not there. */
static const struct kube_record *look(struct fleet *f, const char *name, const char *kind,
                                      const char *ns, const char *object)
{
    return records_find(&watch(f, name, kind)->records, ns, object);
}

static const char *entry(struct fleet *f, struct arena *a, const char *name, const char *service)
{
    struct kube_view v;
    const struct kube_record *r = look(f, name, "Service", "web", service);
    if (!r)
        return "";
    kube_record_view(r, &v);
    return v.meta.managed
               ? arena_printf(a, "%s%s %s", v.type, v.headless ? " headless" : "",
                              str_eq(v.type, "ExternalName") ? kube_record_cluster_ips(a, r)
                                                             : kube_record_ports(a, r))
               : "user's";
}

static void show_namespace(struct fleet *f, const char *name, const char *extra)
{
    auto_json *ns =
        json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
                  "metadata", "name", "web", "labels", "istio-injection", "enabled");
    if (extra)
        json_object_set_new(jx_get(ns, "metadata.labels"), extra, json_string("false"));
    f->rv++;
    fleet_show(f, cluster(f, name), ns, false);
}

static void show_service(struct fleet *f, const char *name, const char *service, const char *spec)
{
    auto_json *o = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", "v1", "kind", "Service",
                             "metadata", "name", service, "namespace", "web", "spec",
                             json_loads(spec, 0, NULL));
    f->rv++;
    fleet_show(f, cluster(f, name), o, false);
}

#define CART      "{\"selector\":{\"app\":\"cart\"},\"ports\":[{\"name\":\"http\",\"port\":80}]}"
#define CART_81   "{\"selector\":{\"app\":\"cart\"},\"ports\":[{\"name\":\"http\",\"port\":81}]}"
#define BARE      "{\"ports\":[{\"name\":\"http\",\"port\":80}]}"
#define ELSEWHERE "{\"type\":\"ExternalName\",\"externalName\":\"db.example.com\"}"
#define HEADLESS                                                                                   \
    "{\"selector\":{\"app\":\"db\"},\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":["  \
    "{\"name\":\"tcp\",\"port\":5432}]}"

static const json_t *condition(struct fleet *f, const char *type)
{
    struct hub_object *o = hub_find(&f->m.hub, API_KIND_MESH, "fleet/shop");
    return cond_find(jx_get(o->obj, "status.conditions"), type);
}

static const json_t *member_condition(struct fleet *f, size_t at, const char *type)
{
    struct hub_object *o = hub_find(&f->m.hub, API_KIND_MESH, "fleet/shop");
    return cond_find(jx_get(json_array_get(jx_get(o->obj, "status.clusters"), at), "conditions"),
                     type);
}

/* A mesh of three, with namespace web in the first two. */
static void start(struct fleet *f)
{
    fleet_start(f, DATA);
    f->istiod = true;
    fleet_add_mesh(f, "shop", 3);
    show_namespace(f, "shop-0", NULL);
    show_namespace(f, "shop-1", NULL);
    for (int i = 0; i < 3; i++) {
        auto_free char *name = xasprintf("shop-%d", i);
        struct cluster *c = cluster(f, name);
        struct cluster_watch *w = &c->watches[c->n_watches++];
        *w = (struct cluster_watch){.cluster = c,
                                    .gvr = plan_gvr("discovery.k8s.io/v1", "EndpointSlice"),
                                    .scope = CLUSTER_ALL};
        w->records.synced = true;
    }
    fleet_run(f, 10000);
}

static void edit(struct fleet *f, const char *path, json_t *value)
{
    struct hub_object *o = hub_find(&f->m.hub, API_KIND_MESH, "fleet/shop");
    jx_set_new(o->obj, path, value);
    jx_set_new(o->obj, "metadata.generation",
               json_integer(jx_int(o->obj, "metadata.generation", 1) + 1));
    f->m.hub.spec_rev++;
    manager_enqueue(&f->m, API_KIND_MESH, "fleet/shop", 0);
    fleet_run(f, 3000);
}

static void entries_follow_their_services(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    show_service(&f, "shop-0", "cart", CART);
    show_service(&f, "shop-0", "db", ELSEWHERE);
    fleet_run(&f, 2000);
    assert_non_null(strstr(entry(&f, &a, "shop-1", "cart"), "\"port\":80"));
    assert_string_equal(entry(&f, &a, "shop-1", "db"), "ExternalName db.example.com");
    show_service(&f, "shop-0", "cart", CART_81);
    fleet_run(&f, 2000);
    assert_non_null(strstr(entry(&f, &a, "shop-1", "cart"), "\"port\":81"));
    fleet_hide(watch(&f, "shop-0", "Service"), "web", "cart");
    fleet_hide(watch(&f, "shop-0", "Service"), "web", "db");
    fleet_run(&f, 2000);
    assert_string_equal(entry(&f, &a, "shop-1", "cart"), "");
    assert_string_equal(entry(&f, &a, "shop-1", "db"), "");
    fleet_stop(&f);
}

static void labels_exclude(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    show_service(&f, "shop-0", "cart", CART);
    show_namespace(&f, "shop-0", KUBE_LABEL_DNS_ENTRY);
    fleet_run(&f, 2000);
    assert_string_equal(entry(&f, &a, "shop-1", "cart"), "");
    show_namespace(&f, "shop-0", NULL);
    fleet_run(&f, 2000);
    assert_string_not_equal(entry(&f, &a, "shop-1", "cart"), "");
    fleet_stop(&f);
}

static void a_missing_namespace_is_said(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    assert_string_equal(jx_str(condition(&f, "DNSEntriesReady"), "reason"), "AllMade");
    show_service(&f, "shop-0", "cart", CART);
    fleet_run(&f, 3000);
    assert_string_equal(jx_str(condition(&f, "DNSEntriesReady"), "reason"), "NamespaceMissing");
    assert_non_null(strstr(jx_str(condition(&f, "DNSEntriesReady"), "message"), "cluster shop-2"));
    assert_string_equal(jx_str(member_condition(&f, 2, "DNSEntriesReady"), "reason"),
                        "NamespaceMissing");
    assert_string_equal(jx_str(member_condition(&f, 1, "DNSEntriesReady"), "status"), "True");
    assert_string_equal(jx_str(member_condition(&f, 2, "ControlPlaneReady"), "status"), "True");
    assert_string_not_equal(jx_str(condition(&f, "Ready"), "reason"), "NamespaceMissing");
    edit(&f, "spec.dnsEntries", json_pack("{s:s}", "mode", "None"));
    assert_null(condition(&f, "DNSEntriesReady")); /* nobody asks for any */
    fleet_stop(&f);
}

static const char *answer_discovery(struct fleet *f, const struct cluster *c, const char *path)
{
    (void)c;
    static const char core[] =
        "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{},\"versions\":[{"
        "\"version\":\"v1\",\"resources\":[{\"resource\":\"configmaps\",\"scope\":\"Namespaced\","
        "\"verbs\":[\"list\"]}]}]}]}";
    if (str_eq(path, "/api"))
        return core;
    if (str_eq(path, "/apis"))
        return "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[]}";
    if (!strstr(path, "/namespaces/web/configmaps?"))
        return NULL;
    return f->owner ? "{\"items\":[{\"metadata\":{\"name\":\"settings\"}}]}"
                    : "{\"items\":[{\"metadata\":{\"name\":\"kube-root-ca.crt\"}}]}";
}

static void a_namespace_is_made_and_goes(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    struct kube_view v;
    start(&f);
    f.answer = answer_discovery;
    show_service(&f, "shop-0", "cart", CART);
    edit(&f, "spec.dnsEntries", json_pack("{s:b}", "createNamespaces", 1));
    assert_string_equal(jx_str(condition(&f, "DNSEntriesReady"), "reason"), "AllMade");
    assert_string_not_equal(entry(&f, &a, "shop-2", "cart"), "");
    kube_record_view(look(&f, "shop-2", "Namespace", NULL, "web"), &v);
    assert_true(v.meta.managed && v.meta.created);
    int writes = f.writes;
    fleet_run(&f, 60000);
    assert_int_equal(f.writes, writes);
    fleet_hide(watch(&f, "shop-0", "Service"), "web", "cart");
    fleet_run(&f, 60000);
    assert_null(look(&f, "shop-2", "Service", "web", "cart"));
    assert_null(look(&f, "shop-2", "Namespace", NULL, "web"));
    assert_non_null(look(&f, "shop-1", "Namespace", NULL, "web")); /* not ours */
    fleet_stop(&f);
}

static void a_namespace_that_got_something_stays(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    f.answer = answer_discovery;
    show_service(&f, "shop-0", "cart", CART);
    edit(&f, "spec.dnsEntries", json_pack("{s:b}", "createNamespaces", 1));
    assert_non_null(look(&f, "shop-2", "Namespace", NULL, "web"));
    f.owner = "somebody"; /* put a ConfigMap there */
    size_t deleted = json_array_size(f.deleted);
    edit(&f, "spec.dnsEntries", json_pack("{s:b}", "createNamespaces", 0));
    fleet_run(&f, 60000);
    assert_non_null(look(&f, "shop-2", "Namespace", NULL, "web"));
    for (size_t i = deleted; i < json_array_size(f.deleted); i++)
        assert_false(str_ends(json_string_value(json_array_get(f.deleted, i)), "/namespaces/web"));
    fleet_stop(&f);
}

static void a_users_service_stays(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    show_namespace(&f, "shop-2", NULL);
    show_service(&f, "shop-1", "cart", BARE);
    show_service(&f, "shop-0", "cart", CART);
    int writes = f.writes;
    fleet_run(&f, 3000);
    assert_string_equal(entry(&f, &a, "shop-1", "cart"), "user's");
    assert_string_equal(jx_str(member_condition(&f, 1, "DNSEntriesReady"), "reason"), "NameTaken");
    assert_non_null(strstr(jx_str(condition(&f, "DNSEntriesReady"), "message"), "web/cart"));
    assert_int_equal(f.writes, writes + 1); /* the third cluster's */
    fleet_hide(watch(&f, "shop-1", "Service"), "web", "cart");
    fleet_run(&f, 3000);
    assert_string_not_equal(entry(&f, &a, "shop-1", "cart"), "");
    assert_string_equal(jx_str(condition(&f, "DNSEntriesReady"), "reason"), "AllMade");
    fleet_stop(&f);
}

static void show_pods(struct fleet *f, const char *name, const char *slice, const char *endpoints)
{
    auto_json *o = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:s, s:o, s:[{s:s, s:i}]}",
                             "apiVersion", "discovery.k8s.io/v1", "kind", "EndpointSlice",
                             "metadata", "name", slice, "namespace", "web", "labels",
                             KUBE_LABEL_SERVICE_NAME, "db", "addressType", "IPv4", "endpoints",
                             json_loads(endpoints, 0, NULL), "ports", "name", "tcp", "port", 5432);
    f->rv++;
    fleet_show(f, cluster(f, name), o, false);
}

static const char *pods_in(struct fleet *f, struct arena *a, const char *name)
{
    const struct kube_record *r = look(f, name, "EndpointSlice", "web", "db-ipv4");
    size_t n = 0;
    const char *text = "";
    const struct kube_endpoint *e = r ? kube_record_endpoints(a, r, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        text = arena_printf(a, "%s%s%s=%s", text, i ? " " : "", str_or(e[i].hostname, "-"),
                            e[i].address);
    return text;
}

static void a_headless_entry_has_the_pods(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    show_namespace(&f, "shop-2", NULL);
    show_service(&f, "shop-0", "db", HEADLESS);
    show_pods(
        &f, "shop-0", "db-x",
        "[{\"addresses\":[\"10.1.0.2\"],\"hostname\":\"db-1\"},{\"addresses\":[\"10.1.0.1\"],"
        "\"hostname\":\"db-0\"},{\"addresses\":[\"10.1.0.9\"],\"conditions\":{\"ready\":false}}]");
    fleet_run(&f, 3000);
    assert_true(str_starts(entry(&f, &a, "shop-1", "db"), "ClusterIP headless"));
    assert_string_equal(pods_in(&f, &a, "shop-1"), "db-0=10.1.0.1 db-1=10.1.0.2");
    show_service(&f, "shop-2", "db", HEADLESS); /* pods of two clusters */
    show_pods(&f, "shop-2", "db-y", "[{\"addresses\":[\"10.3.0.1\"]}]");
    fleet_run(&f, 3000);
    assert_string_equal(pods_in(&f, &a, "shop-1"), "db-0=10.1.0.1 db-1=10.1.0.2 -=10.3.0.1");
    show_pods(&f, "shop-0", "db-x", "[]");
    fleet_run(&f, 3000);
    assert_string_equal(pods_in(&f, &a, "shop-1"), "-=10.3.0.1");
    int writes = f.writes;
    fleet_run(&f, 60000);
    assert_int_equal(f.writes, writes);
    fleet_stop(&f);
}

/* That can't be edited in a Service. */
static void an_entry_that_becomes_headless_is_made_anew(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    show_service(&f, "shop-0", "db", CART);
    fleet_run(&f, 3000);
    assert_true(str_starts(entry(&f, &a, "shop-1", "db"), "ClusterIP ["));
    json_array_clear(f.deleted);
    show_service(&f, "shop-0", "db", HEADLESS);
    fleet_run(&f, 5000);
    assert_true(str_starts(entry(&f, &a, "shop-1", "db"), "ClusterIP headless"));
    assert_int_equal(json_array_size(f.deleted), 1);
    assert_string_equal(json_string_value(json_array_get(f.deleted, 0)),
                        "shop-1 /api/v1/namespaces/web/services/db");
    fleet_stop(&f);
}

/* Pods that come and go all the time are looked at once a second. */
static void pods_are_looked_at_once_in_a_while(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    show_service(&f, "shop-0", "db", HEADLESS);
    fleet_run(&f, 3000);
    int writes = f.writes;
    for (int i = 0; i < 50; i++) {
        auto_free char *pod = xasprintf("[{\"addresses\":[\"10.1.0.%d\"]}]", i + 1);
        show_pods(&f, "shop-0", "db-x", pod);
        fleet_run(&f, 100);
    }
    assert_in_range(f.writes - writes, 3, 7);
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_follow_their_services),
        cmocka_unit_test(labels_exclude),
        cmocka_unit_test(a_missing_namespace_is_said),
        cmocka_unit_test(a_namespace_is_made_and_goes),
        cmocka_unit_test(a_namespace_that_got_something_stays),
        cmocka_unit_test(a_users_service_stays),
        cmocka_unit_test(a_headless_entry_has_the_pods),
        cmocka_unit_test(pods_are_looked_at_once_in_a_while),
        cmocka_unit_test(an_entry_that_becomes_headless_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
