/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/fleet_test.h"

#include "runtime/conditions.h"
#include "workloadgroup/entries.h"

#define DATA       "testdata/istio/data"
#define NETWORKING "networking.istio.io/v1"

/* --- helpers --- */

static struct hub_object *group(struct fleet *f, const char *name, const char *spec)
{
    json_t *s = jx_load(spec, strlen(spec), NULL);
    assert_non_null(s);
    struct hub_object *o = fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, name, s);
    manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, o->key, 0);
    manager_enqueue_meshes(&f->m, "fleet", 0);
    return o;
}

/* Somebody edits a group: the Meshes and the other groups hear of it, as the manager does it. */
static void edit(struct fleet *f, struct hub_object *o, const char *path, json_t *v)
{
    jx_set_new(o->obj, path, v);
    jx_set_new(o->obj, "metadata.generation",
               json_integer(jx_int(o->obj, "metadata.generation", 0) + 1));
    f->m.hub.spec_rev++;
    for (struct hub_object *g = f->m.hub.kinds[API_KIND_WORKLOAD_GROUP].all; g; g = g->hh.next)
        manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, g->key, 0);
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

static void delete (struct fleet *f, struct hub_object *o)
{
    edit(f, o, "metadata.deletionTimestamp", json_string("2024-01-02T00:00:00Z"));
}

static void show(struct fleet *f, const char *cluster, const char *text)
{
    auto_json *obj = jx_load(text, strlen(text), NULL);
    assert_non_null(obj);
    f->rv++;
    fleet_show(f, manager_cluster(&f->m, "fleet", cluster), obj, false);
}

/* A machine that registered as a group of namespace shop. */
static void machine(struct fleet *f, const char *cluster, const char *name, const char *of,
                    const char *annotations, const char *healthy)
{
    auto_free char *text = xasprintf(
        "{\"apiVersion\":\"" NETWORKING "\",\"kind\":\"WorkloadEntry\",\"metadata\":{\"name\":"
        "\"%s\",\"namespace\":\"shop\",\"annotations\":{%s%s%s%s}},\"spec\":{\"address\":"
        "\"172.16.0.5\",\"network\":\"dc3\"},\"status\":{\"conditions\":[{\"type\":\"Healthy\","
        "\"status\":\"%s\"}]}}",
        name, *of ? "\"istio.io/autoRegistrationGroup\":\"" : "", of, *of ? "\"," : "", annotations,
        healthy);
    show(f, cluster, text);
}

#define CONNECTED "\"istio.io/connectedAt\":\"2023-11-14T22:00:00.5Z\""
#define PROBED    CONNECTED ",\"proxy.istio.io/health-checks-enabled\":\"true\""

static const char *reason(const struct hub_object *o, const char *type)
{
    return str_or(jx_str(cond_find(jx_get(o->obj, "status.conditions"), type), "reason"), "");
}

static bool there(struct fleet *f, const char *cluster, const char *api, const char *kind,
                  const char *name)
{
    return fleet_find(f, cluster, api, kind, str_eq(kind, "Namespace") ? NULL : "shop", name);
}

static bool all_there(struct fleet *f, const char *cluster, const char *name)
{
    return there(f, cluster, NETWORKING, "WorkloadGroup", name) &&
           there(f, cluster, "v1", "ServiceAccount", name) &&
           there(f, cluster, "v1", "Service", name);
}

static bool none_there(struct fleet *f, const char *cluster, const char *name)
{
    return !there(f, cluster, NETWORKING, "WorkloadGroup", name) &&
           !there(f, cluster, "v1", "ServiceAccount", name) &&
           !there(f, cluster, "v1", "Service", name);
}

/* A namespace of the user's in each cluster of Mesh shop, whose gateways have addresses. */
static void start(struct fleet *f, int clusters)
{
    fleet_start(f, DATA);
    f->owner = "db"; /* no account of others is there: what is read is the group's */
    fleet_add_mesh(f, "shop", clusters);
    for (int i = 0; i < clusters; i++) {
        auto_free char *name = xasprintf("shop-%d", i);
        auto_free char *ip = xasprintf("172.30.10%d.1", i);
        show(f, name,
             "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}");
        fleet_set_address(f, name, ip);
    }
}

#define DB                                                                                         \
    "\"meshRef\":{\"name\":\"shop\"},\"namespace\":\"shop\",\"network\":\"dc3\",\"service\":{},"   \
    "\"ports\":[{\"name\":\"mysql\",\"port\":3306}]"

static struct hub_object *start_db(struct fleet *f, int clusters, const char *spec)
{
    start(f, clusters);
    struct hub_object *o = group(f, "db", spec);
    fleet_run(f, 12000);
    return o;
}

/* --- what is made --- */

static void a_group_is_made(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    assert_true(all_there(&f, "shop-0", "db"));
    assert_string_equal(reason(o, "Ready"), "Ready");
    assert_string_equal(reason(o, "Programmed"), "Programmed");
    assert_string_equal(jx_str(o->obj, "status.cluster"), "shop-0");
    assert_string_equal(jx_str(o->obj, "status.namespace"), "shop");
    assert_string_equal(jx_str(o->obj, "status.serviceAccount"), "db");
    assert_true(jx_bool(o->obj, "status.accountMade", false));
    assert_string_equal(jx_str(o->obj, "status.istiodAddress"), "172.30.100.1");
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "0/0");
    /* the namespace was there */
    assert_null(json_object_get(f.applied, "shop-0 /api/v1/namespaces/shop"));
    fleet_stop(&f);
}

static void what_is_as_wanted_is_silent(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    int writes = f.writes;
    workloadgroup_forget_all(&f.m); /* a restart */
    manager_enqueue(&f.m, API_KIND_WORKLOAD_GROUP, o->key, 0);
    fleet_run(&f, 3000);
    assert_int_equal(f.writes, writes);
    fleet_stop(&f);
}

static void a_missing_namespace_is_made(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, 1);
    struct cluster *c = manager_cluster(&f.m, "fleet", "shop-0");
    records_remove(cluster_records(c, plan_gvr("v1", "Namespace")), NULL, "shop");
    group(&f, "db", "{" DB "}");
    fleet_run(&f, 12000);
    const json_t *made = json_object_get(f.applied, "shop-0 /api/v1/namespaces/shop");
    assert_string_equal(jx_str2(made, "metadata.labels", "istio-injection"), "enabled");
    assert_true(all_there(&f, "shop-0", "db"));
    fleet_stop(&f);
}

/* It was there before, and serves pods: to revoke it would cut them off. */
static void a_users_account_stays_the_users(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, 1);
    f.owner = "somebody";
    struct hub_object *o = group(&f, "db", "{" DB "}");
    fleet_run(&f, 12000);
    assert_false(there(&f, "shop-0", "v1", "ServiceAccount", "db"));
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadGroup", "db"));
    assert_string_equal(reason(o, "Ready"), "Ready");
    assert_false(jx_bool(o->obj, "status.accountMade", false));
    delete (&f, o);
    fleet_run(&f, 5000);
    assert_false(there(&f, "shop-0", NETWORKING, "WorkloadGroup", "db"));
    assert_false(hub_has_finalizer(o)); /* nothing to be revoked */
    fleet_stop(&f);
}

/* Where the group was not so far, its Mesh has made a DNS entry for its Service in another cluster; not where another
 * Mesh did. */
static void a_dns_entry_gives_way(void **state)
{
    (void)state;
    static const char *const meshes[] = {"shop", "bank"};
    for (size_t i = 0; i < 2; i++) {
        struct fleet f;
        start(&f, 1);
        auto_json *entry = json_pack(
            "{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s, s:s}}, s:{s:[{s:i}]}}", "apiVersion", "v1",
            "kind", "Service", "metadata", "name", "db", "namespace", "shop", "labels",
            PLAN_LABEL_MANAGED_BY, "meshwright", PLAN_LABEL_MESH, meshes[i], PLAN_LABEL_OWNER_UID,
            "uid-of-a-mesh", PLAN_LABEL_WAVE, "dns", "spec", "ports", "port", 3306);
        auto_free char *text = jx_dump(entry);
        show(&f, "shop-0", text);
        struct hub_object *o = group(&f, "db", "{" DB "}");
        fleet_run(&f, 12000);
        assert_string_equal(reason(o, "Ready"), i == 0 ? "Ready" : "NotOurs");
        fleet_stop(&f);
    }
}

static void a_group_of_others_is_not_taken(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, 1);
    f.owner = "somebody";
    f.refusal = (struct fleet_refusal){"shop-0", "/workloadgroups/", 409, "", 0, 0};
    struct hub_object *o = group(&f, "db", "{" DB "}");
    machine(&f, "shop-0", "theirs", "db", CONNECTED, "True");
    fleet_run(&f, 12000);
    assert_string_equal(reason(o, "Ready"), "NotOurs");
    assert_int_equal(f.refusal.forced, 0);
    assert_string_equal(fleet_reason(&f, "ControlPlaneReady"), "Ready"); /* no affair of the Mesh */
    assert_null(jx_get(o->obj, "status.machines")); /* nor are its machines ours */
    delete (&f, o);
    fleet_run(&f, 5000);
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "theirs"));
    assert_false(hub_has_finalizer(o));
    fleet_stop(&f);
}

/* --- what is said when it can't be --- */

static void references_are_checked(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, 1);
    fleet_add_cluster(&f, "other");
    struct hub_object *lost = group(&f, "lost", "{\"meshRef\":{\"name\":\"none\"}}");
    struct hub_object *stray =
        group(&f, "stray", "{\"meshRef\":{\"name\":\"shop\"},\"cluster\":\"other\"}");
    fleet_run(&f, 8000);
    assert_string_equal(reason(lost, "Accepted"), "MeshNotFound");
    assert_string_equal(reason(stray, "Accepted"), "ClusterNotInMesh");
    assert_true(cond_is_true(jx_get(stray->obj, "status.conditions"), "Stalled"));
    assert_true(none_there(&f, "other", "stray"));
    fleet_stop(&f);
}

static void without_an_address_nobody_can_join(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    f.owner = "db";
    f.refusal = (struct fleet_refusal){
        .cluster = "shop-0", .only = "/deployments/istio-east", .status = 500};
    fleet_add_mesh(&f, "shop", 1);
    show(&f, "shop-0",
         "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}");
    struct hub_object *o = group(&f, "db", "{" DB "}");
    fleet_run(&f, 12000);
    assert_string_equal(reason(o, "Ready"), "AddressPending");
    fleet_set_address(&f, "shop-0", "172.30.100.9");
    fleet_run(&f, 3000);
    assert_string_equal(reason(o, "Ready"), "GatewayNotAvailable");
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 60000);
    assert_string_equal(reason(o, "Ready"), "Ready");
    assert_string_equal(jx_str(o->obj, "status.istiodAddress"), "172.30.100.9");
    fleet_set_address(&f, "shop-0", "172.30.100.8"); /* the gateway moved */
    fleet_run(&f, 3000);
    assert_string_equal(jx_str(o->obj, "status.istiodAddress"), "172.30.100.8");
    fleet_stop(&f);
}

static void without_istio_it_waits(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, 1);
    struct cluster *c = manager_cluster(&f.m, "fleet", "shop-0");
    struct cluster_watch *w = NULL;
    for (size_t i = 0; i < c->n_watches; i++)
        if (str_eq(c->watches[i].gvr->kind, "WorkloadGroup"))
            w = &c->watches[i];
    w->absent = true;
    struct hub_object *o = group(&f, "db", "{" DB "}");
    fleet_run(&f, 5000);
    assert_string_equal(reason(o, "Programmed"), "WaitingForMesh");
    assert_true(none_there(&f, "shop-0", "db"));
    w->absent = false;
    cluster_touch(c);
    fleet_run(&f, 8000);
    assert_string_equal(reason(o, "Ready"), "Ready");
    fleet_stop(&f);
}

static void suspended_is_left_alone(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    int writes = f.writes;
    edit(&f, o, "spec.suspend", json_true());
    jx_set_new(o->obj, "spec.weight", json_integer(3));
    machine(&f, "shop-0", "m1", "db", CONNECTED, "True");
    fleet_run(&f, 5000);
    assert_int_equal(f.writes, writes);
    assert_string_equal(reason(o, "Ready"), "Suspended");
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "1/1"); /* still told */
    fleet_stop(&f);
}

/* --- machines --- */

static void machines_are_told(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    machine(&f, "shop-0", "db-2", "db", PROBED, "False");
    machine(&f, "shop-0", "db-1", "db", PROBED, "True");
    machine(&f, "shop-0", "web-1", "web", CONNECTED, "True");
    machine(&f, "shop-0", "manual", "", "\"a\":\"b\"", "True");
    fleet_run(&f, 3000);
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "1/2");
    const json_t *rows = jx_get(o->obj, "status.machines");
    assert_int_equal(json_array_size(rows), 2);
    const json_t *first = json_array_get(rows, 0);
    assert_string_equal(jx_str(first, "name"), "db-1");
    assert_string_equal(jx_str(first, "address"), "172.16.0.5");
    assert_string_equal(jx_str(first, "network"), "dc3");
    assert_string_equal(jx_str(first, "connectedSince"), "2023-11-14T22:00:00Z");
    assert_string_equal(jx_str(first, "health"), "Healthy");
    assert_string_equal(jx_str(json_array_get(rows, 1), "health"), "Unhealthy");
    machine(&f, "shop-0", "db-2", "db", PROBED, "True");
    fleet_run(&f, 3000);
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "2/2");
    fleet_stop(&f);
}

/* However often machines turn, the hub is written to once a second. */
static void news_of_machines_is_bounded(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    int told = 0;
    for (int i = 0; i < 30; i++) {
        auto_free char *before = xstrdup0(jx_str(o->obj, "status.summary.workloads"));
        machine(&f, "shop-0", "db-1", "db", PROBED, i % 2 ? "True" : "False");
        fleet_run(&f, 100);
        told += !str_eq(before, jx_str(o->obj, "status.summary.workloads"));
    }
    assert_in_range(told, 1, 5);
    fleet_run(&f, 2000);
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "1/1");
    fleet_stop(&f);
}

static void what_nobody_clears_is_cleared(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    static const char left[] = "\"istio.io/disconnectedAt\":\"2023-11-14T22:13:00Z\","
                               "\"istio.io/workloadController\":\"istiod-0\"";
    assert_true(clock_s(&f.clock.clock) < 1700000000 + 60); /* 22:13:20 and some */
    machine(&f, "shop-0", "gone", "db", left, "True");
    machine(&f, "shop-0", "there", "db", CONNECTED, "True");
    machine(&f, "shop-0", "theirs", "web", left, "True");
    fleet_run(&f, 5000);
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "gone"));
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "1/2");
    fleet_run(&f, ENTRIES_STALE_S * 1000);
    assert_false(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "gone"));
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "there"));
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "theirs"));
    assert_string_equal(jx_str(o->obj, "status.summary.workloads"), "1/1");
    fleet_stop(&f);
}

/* --- another cluster --- */

static void a_group_moves_when_the_new_place_is_ready(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 2, "{" DB ",\"cluster\":\"shop-0\"}");
    assert_true(all_there(&f, "shop-0", "db"));
    machine(&f, "shop-0", "db-1", "db", CONNECTED, "True");
    f.refusal = (struct fleet_refusal){"shop-1", "/workloadgroups/", 500, "", 0, 0};
    edit(&f, o, "spec.cluster", json_string("shop-1"));
    fleet_run(&f, 8000);
    assert_true(all_there(&f, "shop-0", "db")); /* what works goes on */
    assert_string_equal(reason(o, "Ready"), "ApplyFailed");
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 30000);
    assert_true(all_there(&f, "shop-1", "db"));
    assert_true(none_there(&f, "shop-0", "db"));
    assert_false(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "db-1"));
    assert_string_equal(jx_str(o->obj, "status.cluster"), "shop-1");
    assert_string_equal(jx_str(o->obj, "status.istiodAddress"), "172.30.101.1");
    assert_string_equal(reason(o, "Ready"), "Ready");
    fleet_stop(&f);
}

/* --- deletion --- */

static void deletion_takes_all_away(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    f.options.cleanup_grace_s = 300;
    machine(&f, "shop-0", "db-1", "db", CONNECTED, "True");
    machine(&f, "shop-0", "web-1", "web", CONNECTED, "True");
    fleet_run(&f, 1000);
    json_array_clear(f.deleted);
    delete (&f, o);
    fleet_run(&f, 4000);
    assert_true(none_there(&f, "shop-0", "db"));
    assert_false(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "db-1"));
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "web-1"));
    /* nobody registers any more before anything else goes */
    assert_string_equal(json_string_value(json_array_get(f.deleted, 0)),
                        "shop-0 /apis/" NETWORKING "/namespaces/shop/workloadgroups/db");
    fleet_run(&f, 6000);
    assert_false(hub_has_finalizer(o));
    const json_t *revoked = json_array_get(json_object_get(fleet_status(&f), "revoked"), 0);
    assert_string_equal(jx_str(revoked, "namespace"), "shop");
    assert_string_equal(jx_str(revoked, "serviceAccount"), "db");
    assert_non_null(fleet_find(&f, "shop-0", "security.istio.io/v1", "AuthorizationPolicy",
                               ISTIO_NAMESPACE, ISTIO_REVOKED "shop.shop.db"));
    fleet_stop(&f);
}

/* The policy can't be written: the deletion does not end while the machines are let in everywhere. */
static void deletion_waits_for_the_revocation(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    f.options.cleanup_grace_s = 5;
    f.refusal = (struct fleet_refusal){"shop-0", "/authorizationpolicies/", 500, "", 0, 0};
    delete (&f, o);
    fleet_run(&f, 60000);
    assert_true(none_there(&f, "shop-0", "db"));
    assert_true(hub_has_finalizer(o));
    assert_true(jx_bool(o->obj, "status.accountMade", false)); /* by which the Mesh revokes */
    assert_string_equal(jx_str(o->obj, "status.namespace"), "shop");
    assert_string_equal(jx_str(o->obj, "status.serviceAccount"), "db");
    assert_string_equal(reason(o, "Ready"), "Deleting");
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 70000);
    assert_false(hub_has_finalizer(o));
    fleet_stop(&f);
}

static void retain_ends_the_wait(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    f.refusal = (struct fleet_refusal){"shop-0", "/authorizationpolicies/", 500, "", 0, 0};
    delete (&f, o);
    fleet_run(&f, 5000);
    assert_true(hub_has_finalizer(o));
    edit(&f, o, "spec.deletionPolicy", json_string("Retain"));
    fleet_run(&f, 3000);
    assert_false(hub_has_finalizer(o));
    fleet_stop(&f);
}

/* What the Mesh revokes by has to be said before the account goes, or a crash would lose it. */
static void who_is_revoked_is_said_first(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    f.options.cleanup_grace_s = 300;
    json_object_del(jx_get(o->obj, "status"), "accountMade");
    json_array_clear(f.deleted);
    delete (&f, o);
    workloadgroup_reconcile(&f.m, o->key);
    assert_int_equal(f.m.clusters->n_ops, 0);
    fleet_run(&f, 200);
    assert_true(jx_bool(o->obj, "status.accountMade", false));
    fleet_run(&f, 4000);
    assert_true(none_there(&f, "shop-0", "db"));
    fleet_stop(&f);
}

static void an_unreachable_cluster_is_given_up(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    f.options.cleanup_grace_s = 5;
    manager_cluster(&f.m, "fleet", "shop-0")->state = CLUSTER_UNREACHABLE;
    delete (&f, o);
    fleet_run(&f, 3000);
    assert_true(hub_has_finalizer(o));
    assert_string_equal(reason(o, "Ready"), "Deleting");
    fleet_run(&f, 6000);
    assert_false(hub_has_finalizer(o));
    assert_true(all_there(&f, "shop-0", "db"));
    fleet_stop(&f);
}

static const char *metadata(struct fleet *f, const struct cluster *c, const char *path)
{
    (void)f;
    (void)c;
    (void)path;
    return "{\"items\":[],\"metadata\":{\"resourceVersion\":\"1\",\"labels\":{"
           "\"meshwright.dev/owner-uid\":\"db\"}}}";
}

static void retained_is_let_go(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB ",\"deletionPolicy\":\"Retain\"}");
    f.answer = metadata;
    machine(&f, "shop-0", "db-1", "db", CONNECTED, "True");
    json_array_clear(f.deleted);
    delete (&f, o);
    fleet_run(&f, 5000);
    size_t i;
    json_t *gone;
    json_array_foreach (f.deleted, i, gone) { /* the gateway that nobody needs any more */
        assert_null(strstr(json_string_value(gone), "/namespaces/shop/"));
    }
    assert_int_equal(json_array_size(f.released), 3);
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadEntry", "db-1"));
    assert_false(hub_has_finalizer(o));
    fleet_stop(&f);
}

/* Two groups with one identity: the account stays for the other, and the identity is not revoked. */
static void a_shared_account_is_let_go(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start_db(&f, 1, "{" DB "}");
    struct hub_object *more =
        group(&f, "more",
              "{\"meshRef\":{\"name\":\"shop\"},\"namespace\":\"shop\",\"serviceAccount\":\"db\"}");
    edit(&f, o, "spec.weight", json_integer(2));
    fleet_run(&f, 5000);
    assert_false(jx_bool(o->obj, "status.accountMade", false));
    assert_false(jx_bool(more->obj, "status.accountMade", false));
    assert_string_equal(reason(more, "Ready"), "Ready");
    f.answer = metadata;
    json_array_clear(f.deleted);
    jx_set_new(o->obj, "status.accountMade", json_true()); /* as it was told before */
    delete (&f, o);
    fleet_run(&f, 5000);
    assert_false(hub_has_finalizer(o));
    assert_null(json_object_get(fleet_status(&f), "revoked")); /* the other's machines go on */
    assert_int_equal(json_array_size(f.released), 1);
    assert_string_equal(json_string_value(json_array_get(f.released, 0)),
                        "shop-0 /api/v1/namespaces/shop/serviceaccounts/db");
    assert_true(there(&f, "shop-0", NETWORKING, "WorkloadGroup", "more"));
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_made),
        cmocka_unit_test(a_dns_entry_gives_way),
        cmocka_unit_test(what_is_as_wanted_is_silent),
        cmocka_unit_test(a_missing_namespace_is_made),
        cmocka_unit_test(a_users_account_stays_the_users),
        cmocka_unit_test(a_group_of_others_is_not_taken),
        cmocka_unit_test(references_are_checked),
        cmocka_unit_test(without_an_address_nobody_can_join),
        cmocka_unit_test(without_istio_it_waits),
        cmocka_unit_test(suspended_is_left_alone),
        cmocka_unit_test(machines_are_told),
        cmocka_unit_test(news_of_machines_is_bounded),
        cmocka_unit_test(what_nobody_clears_is_cleared),
        cmocka_unit_test(a_group_moves_when_the_new_place_is_ready),
        cmocka_unit_test(deletion_takes_all_away),
        cmocka_unit_test(deletion_waits_for_the_revocation),
        cmocka_unit_test(retain_ends_the_wait),
        cmocka_unit_test(who_is_revoked_is_said_first),
        cmocka_unit_test(an_unreachable_cluster_is_given_up),
        cmocka_unit_test(retained_is_let_go),
        cmocka_unit_test(a_shared_account_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
