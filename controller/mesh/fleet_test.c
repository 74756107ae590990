/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/fleet_test.h"

#define DATA "testdata/istio/data"

enum { OBJECTS = 19 + 2 }; /* per member of three */

static size_t objects(struct fleet *f, const char *cluster)
{
    size_t n = 0;
    const struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    for (size_t i = 0; i < c->n_watches; i++)
        n += c->watches[i].records.n;
    return n;
}

static void installs_in_order_within_bounds(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 10000);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS);
    assert_int_equal(objects(&f, "shop-2"), OBJECTS);
    assert_int_equal(f.waves_out_of_order, 0);
    assert_true(f.most_in_flight > 1 && f.most_in_flight <= APPLIER_IN_FLIGHT_MAX);
    fleet_stop(&f);
}

/* When all clusters together have enough on their way, each still has one. */
static void all_clusters_together_are_bounded(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    f.m.writes_running = APPLIER_TOGETHER_MAX; /* by others */
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 20000);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS);
    assert_int_equal(objects(&f, "shop-2"), OBJECTS);
    assert_int_equal(f.most_in_flight, 1);
    assert_in_range(f.most_together, APPLIER_TOGETHER_MAX + 1, APPLIER_TOGETHER_MAX + 3);
    assert_int_equal(f.m.writes_running, APPLIER_TOGETHER_MAX);
    fleet_stop(&f);
}

static void what_is_as_wanted_costs_nothing(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 10000);
    int writes = f.writes;
    uint64_t renders = f.m.renders;
    assert_int_equal(writes, 3 * OBJECTS);
    fleet_run(&f, 60000);
    assert_int_equal(f.writes, writes);
    assert_int_equal(f.m.renders, renders);
    fleet_stop(&f);
}

static void a_cluster_that_fails_writes_stops_alone(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    f.refusal = (struct fleet_refusal){.cluster = "shop-1", .only = "rbac.", .status = 500};
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 10000);
    /* Accounts among them succeed, so it takes a second round; then after 1, 2, 4 s. */
    assert_in_range(f.refusal.asked, BREAKER_FAILURES, APPLIER_IN_FLIGHT_MAX + 3 + 4);
    assert_true(manager_cluster(&f.m, "fleet", "shop-1")->breaker.open);
    assert_string_equal(fleet_reason(&f, "ControlPlaneReady"), "WritesPaused");
    assert_int_equal(objects(&f, "shop-0"), OBJECTS - 1); /* the other's token */
    assert_true(objects(&f, "shop-1") < OBJECTS);
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 30000);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS);
    assert_int_equal(objects(&f, "shop-1"), OBJECTS);
    fleet_stop(&f);
}

static void what_a_server_asks_for_is_respected(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    f.refusal = (struct fleet_refusal){
        .cluster = "shop-0", .status = 429, .headers = "Retry-After: 40\r\n"};
    fleet_add_mesh(&f, "shop", 1);
    fleet_run(&f, 39900); /* shorter waits the client itself keeps */
    assert_in_range(f.refusal.asked, 1, APPLIER_IN_FLIGHT_MAX);
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 10000);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS - 2);
    fleet_stop(&f);
}

/* Somebody edited our labels out of our view: the object is ours all the same, and is taken by force. */
static void a_conflict_with_ourselves_is_forced(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    f.owner = "shop";
    f.refusal =
        (struct fleet_refusal){.cluster = "shop-0", .only = "/configmaps/istio?", .status = 409};
    fleet_add_mesh(&f, "shop", 1);
    fleet_run(&f, 10000);
    assert_int_equal(f.refusal.asked, 2);
    assert_int_equal(f.refusal.forced, 1);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS - 2);
    fleet_stop(&f);
}

static void a_conflict_with_others_is_not(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    f.owner = "somebody";
    f.refusal =
        (struct fleet_refusal){.cluster = "shop-0", .only = "/configmaps/istio?", .status = 409};
    fleet_add_mesh(&f, "shop", 1);
    fleet_run(&f, 20000);
    assert_in_range(f.refusal.asked, 4, 8); /* three at once, then ever more seldom */
    assert_int_equal(f.refusal.forced, 0);
    assert_string_equal(fleet_reason(&f, "ControlPlaneReady"), "ApplyFailed");
    fleet_stop(&f);
}

/* --- what is kept between passes must not outlive what it was made from --- */

static const struct kube_record *found(struct fleet *f, const char *cluster, const char *kind,
                                       const char *ns, const char *name)
{
    struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    return records_find(cluster_records(c, plan_gvr("v1", kind)), ns, name);
}

/* The intent that an object in istio-system has; owned. */
static char *intent(struct fleet *f, const char *cluster, const char *kind, const char *name)
{
    const struct kube_record *r = found(f, cluster, kind, ISTIO_NAMESPACE, name);
    struct kube_view v;
    assert_non_null(r);
    kube_record_view(r, &v);
    return xstrdup(str_or(v.meta.intent, ""));
}

static void show_namespace(struct fleet *f, const char *cluster)
{
    auto_json *o =
        json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
                  "metadata", "name", "web", "labels", "istio-injection", "enabled");
    fleet_show(f, manager_cluster(&f->m, "fleet", cluster), o, false);
}

static void a_dns_entry_comes_and_goes_with_its_service(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 3);
    show_namespace(&f, "shop-0");
    show_namespace(&f, "shop-1");
    fleet_run(&f, 10000);
    auto_json *svc =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}, s:[{s:i, s:s}]}}", "apiVersion", "v1",
                  "kind", "Service", "metadata", "name", "cart", "namespace", "web", "spec",
                  "selector", "app", "cart", "ports", "port", 80, "protocol", "TCP");
    struct cluster *c = manager_cluster(&f.m, "fleet", "shop-0");
    fleet_show(&f, c, svc, false);
    fleet_run(&f, 2000);
    assert_non_null(found(&f, "shop-1", "Service", "web", "cart"));
    assert_null(found(&f, "shop-2", "Service", "web", "cart")); /* no such namespace there */
    show_namespace(&f, "shop-2");
    fleet_run(&f, 2000);
    assert_non_null(found(&f, "shop-2", "Service", "web", "cart"));
    fleet_hide(fleet_watch(c, svc), "web", "cart");
    fleet_run(&f, 2000);
    assert_null(found(&f, "shop-1", "Service", "web", "cart"));
    assert_null(found(&f, "shop-2", "Service", "web", "cart"));
    fleet_stop(&f);
}

static void an_edit_reaches_every_member(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 2);
    fleet_run(&f, 10000);
    int writes = f.writes;
    auto_free char *before = intent(&f, "shop-1", "ConfigMap", "istio");
    fleet_edit(&f, "spec.meshConfig", json_pack("{s:s}", "accessLogFile", "/dev/stdout"));
    fleet_run(&f, 2000);
    auto_free char *after = intent(&f, "shop-1", "ConfigMap", "istio");
    assert_string_not_equal(after, before);
    assert_in_range(f.writes - writes, 2, 8); /* what holds the configuration, and no more */
    fleet_stop(&f);
}

static void a_new_account_renews_its_secrets(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 2);
    fleet_run(&f, 10000);
    const char *name = "istio-remote-secret-shop-1";
    auto_free char *before = intent(&f, "shop-0", "Secret", name);
    auto_json *account =
        json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind", "ServiceAccount",
                  "metadata", "name", ISTIO_READER_ACCOUNT, "namespace", ISTIO_NAMESPACE);
    struct cluster *c = manager_cluster(&f.m, "fleet", "shop-1");
    f.rv++;
    f.uid = "another";
    fleet_show(&f, c, account, false);
    fleet_run(&f, 5000);
    auto_free char *after = intent(&f, "shop-0", "Secret", name);
    assert_string_not_equal(after, before);
    fleet_stop(&f);
}

static void who_leaves_the_spec_is_emptied(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 10000);
    fleet_edit(&f, "spec.clusters",
               json_pack("[{s:s}, {s:s}]", "name", "shop-0", "name", "shop-1"));
    fleet_run(&f, 20000);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS - 1);
    assert_int_equal(objects(&f, "shop-2"), 1); /* its CRD is let go: the API is not served here */
    uint64_t passes = f.m.meshes->passes;
    fleet_run(&f, 1000);
    assert_true(f.m.meshes->passes - passes <= 3);
    fleet_stop(&f);
}

/* What a cluster's watch shows is looked at in its own mesh, and nowhere else. */
static void a_change_wakes_its_own_mesh(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 2);
    fleet_add_mesh(&f, "bank", 2);
    fleet_run(&f, 10000);
    int writes = f.writes;
    struct cluster *c = manager_cluster(&f.m, "fleet", "shop-1");
    struct records *maps = cluster_records(c, plan_gvr("v1", "ConfigMap"));
    uint64_t bank;
    assert_string_equal(f.m.meshes->name, "shop");
    records_remove(maps, ISTIO_NAMESPACE, "istio");
    cluster_touch(c);
    fleet_pass(&f);
    clock_virtual_advance(&f.clock, 20);
    uint64_t shop = f.m.meshes->passes;
    bank = ((struct mesh *)f.m.meshes->hh.next)->passes;
    fleet_pass(&f);
    assert_int_equal(f.m.meshes->passes, shop + 1);
    assert_int_equal(((struct mesh *)f.m.meshes->hh.next)->passes, bank);
    fleet_run(&f, 1000);
    assert_int_equal(f.writes, writes + 1); /* put back */
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_in_order_within_bounds),
        cmocka_unit_test(all_clusters_together_are_bounded),
        cmocka_unit_test(what_is_as_wanted_costs_nothing),
        cmocka_unit_test(a_cluster_that_fails_writes_stops_alone),
        cmocka_unit_test(what_a_server_asks_for_is_respected),
        cmocka_unit_test(a_conflict_with_ourselves_is_forced),
        cmocka_unit_test(a_conflict_with_others_is_not),
        cmocka_unit_test(a_dns_entry_comes_and_goes_with_its_service),
        cmocka_unit_test(an_edit_reaches_every_member),
        cmocka_unit_test(a_new_account_renews_its_secrets),
        cmocka_unit_test(who_leaves_the_spec_is_emptied),
        cmocka_unit_test(a_change_wakes_its_own_mesh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
