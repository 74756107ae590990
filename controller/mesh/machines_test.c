/* SPDX-License-Identifier: Apache-2.0 */
/* What WorkloadGroups make of the plans of their mesh: which gateways come and go, and that nothing else changes. */
#include "mesh/machines.h"

#include "mesh/fleet_test.h"

#define DATA        "testdata/istio/data"
#define GATEWAY_API "gateway.networking.k8s.io/v1"

static json_t *member(const char *name, const char *role)
{
    return json_pack("{s:s, s:s}", "name", name, "role", role);
}

/* c1 and c2 on one network, with load balancers; c2 as said. */
static void start(struct fleet *f, const char *role_of_c2)
{
    fleet_start(f, DATA);
    f->istiod = true;
    fleet_add_cluster_on(f, "c1", "n1");
    fleet_add_cluster_on(f, "c2", "n1");
    fleet_set_address(f, "c1", "172.30.101.1");
    fleet_set_address(f, "c2", "172.30.102.1");
    fleet_add_mesh_of(f, "shop",
                      json_pack("[o, o]", member("c1", "Primary"), member("c2", role_of_c2)));
    fleet_run(f, 20000);
    assert_string_equal(fleet_reason(f, "Ready"), "Ready");
}

/* Somebody writes a WorkloadGroup of the mesh. */
static struct hub_object *add_group(struct fleet *f, const char *name, const char *network,
                                    const char *cluster)
{
    json_t *spec = json_pack("{s:{s:s}, s:s*, s:s*}", "meshRef", "name", "shop", "network", network,
                             "cluster", cluster);
    struct hub_object *o = fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, name, spec);
    manager_enqueue(&f->m, API_KIND_MESH, "fleet/shop", 0);
    return o;
}

static void remove_group(struct fleet *f, struct hub_object *o)
{
    HASH_DEL(f->m.hub.kinds[API_KIND_WORKLOAD_GROUP].all, o);
    json_decref(o->obj);
    free(o);
    f->m.hub.spec_rev++;
    manager_enqueue(&f->m, API_KIND_MESH, "fleet/shop", 0);
}

static bool has(struct fleet *f, const char *cluster, const char *api, const char *kind,
                const char *name)
{
    return fleet_find(f, cluster, api, kind, ISTIO_NAMESPACE, name) != NULL;
}

static bool exposes_istiod(struct fleet *f, const char *cluster)
{
    return has(f, cluster, "apps/v1", "Deployment", ISTIO_EASTWEST_NAME) &&
           has(f, cluster, "networking.istio.io/v1", "Gateway", "istiod-gateway") &&
           has(f, cluster, "networking.istio.io/v1", "VirtualService", "istiod-vs");
}

static bool passes_services(struct fleet *f, const char *cluster)
{
    return has(f, cluster, "networking.istio.io/v1", "Gateway", "cross-network-gateway");
}

static const json_t *applied(struct fleet *f, const char *where)
{
    const json_t *o = json_object_get(f->applied, where);
    assert_non_null(o);
    return o;
}

/* "15021 15012 ", of the Service of the east-west gateway of c1. */
static void assert_ports(struct fleet *f, const char *want)
{
    const json_t *s =
        applied(f, "c1 /api/v1/namespaces/" ISTIO_NAMESPACE "/services/" ISTIO_EASTWEST_NAME);
    char got[128] = "";
    size_t i, n = 0;
    json_t *v;
    json_array_foreach (jx_get(s, "spec.ports"), i, v) {
        n += (size_t)snprintf(got + n, sizeof got - n, "%lld ", (long long)jx_int(v, "port", 0));
    }
    assert_string_equal(got, want);
}

static void assert_silent(struct fleet *f)
{
    int writes = f->writes;
    fleet_run(f, 60000);
    assert_int_equal(f->writes, writes);
}

static void a_group_beside_its_cluster_opens_istiod_alone(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Primary");
    assert_false(has(&f, "c1", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    add_group(&f, "legacy-db", NULL, NULL);
    fleet_run(&f, 20000);
    assert_true(exposes_istiod(&f, "c1"));
    assert_ports(&f, "15021 15012 ");
    assert_false(passes_services(&f, "c1"));
    assert_false(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c1"));
    assert_false(has(&f, "c2", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_string_equal(fleet_member_reason(&f, "c1", "GatewaysReady"), "Available");
    assert_int_equal(jx_int(fleet_status(&f), "summary.networks", 0), 1);
    assert_silent(&f);
    fleet_stop(&f);
}

static void a_group_on_its_own_network_is_led_through_gateways(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Primary");
    add_group(&f, "legacy-db", "dc3", "c2");
    fleet_run(&f, 20000);
    assert_true(exposes_istiod(&f, "c2"));
    assert_false(exposes_istiod(&f, "c1"));
    assert_true(passes_services(&f, "c1") && passes_services(&f, "c2"));
    assert_true(has(&f, "c2", GATEWAY_API, "Gateway", "eastwest-c1"));
    assert_true(has(&f, "c2", GATEWAY_API, "Gateway", "eastwest-c2")); /* also its own */
    assert_false(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c2"));
    assert_int_equal(jx_int(fleet_status(&f), "summary.networks", 0), 2);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_silent(&f);
    fleet_stop(&f);
}

static void what_a_group_needed_goes_with_it(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Primary");
    struct hub_object *o = add_group(&f, "legacy-db", "dc3", "c1");
    fleet_run(&f, 20000);
    assert_true(exposes_istiod(&f, "c1"));
    remove_group(&f, o);
    fleet_run(&f, 40000);
    assert_false(exposes_istiod(&f, "c1"));
    assert_false(has(&f, "c1", "v1", "Service", ISTIO_EASTWEST_NAME));
    assert_false(has(&f, "c2", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    assert_false(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c1"));
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_int_equal(jx_int(fleet_status(&f), "summary.networks", 0), 1);
    assert_silent(&f);
    fleet_stop(&f);
}

/* One that is being deleted needs nothing more: its machines are cut off. */
static void a_group_that_goes_needs_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Primary");
    struct hub_object *o = add_group(&f, "legacy-db", NULL, NULL);
    fleet_run(&f, 20000);
    jx_set_str(o->obj, "metadata.deletionTimestamp", "2024-02-01T00:00:00Z");
    f.m.hub.spec_rev++;
    manager_enqueue(&f.m, API_KIND_MESH, "fleet/shop", 0);
    fleet_run(&f, 40000);
    assert_false(has(&f, "c1", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    fleet_stop(&f);
}

static void with_remotes_there_is_one_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Remote");
    assert_ports(&f, "15021 15012 15017 ");
    struct hub_object *o = add_group(&f, "legacy-db", NULL, NULL);
    int writes = f.writes;
    fleet_run(&f, 20000);
    assert_int_equal(f.writes, writes); /* all that it needs is there */
    remove_group(&f, o);
    fleet_run(&f, 20000);
    assert_int_equal(f.writes, writes);
    assert_true(exposes_istiod(&f, "c1"));
    fleet_stop(&f);
}

/* A plan is made again exactly when what follows from groups changes. */
static void a_second_group_in_the_same_place_renders_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Primary");
    add_group(&f, "legacy-db", "dc3", "c1");
    fleet_run(&f, 20000);
    uint64_t renders = f.m.renders;
    struct hub_object *o = add_group(&f, "legacy-queue", "dc3", "c1");
    fleet_run(&f, 5000);
    assert_int_equal(f.m.renders, renders);
    jx_set_str(o->obj, "spec.network", "dc4");
    f.m.hub.spec_rev++;
    manager_enqueue(&f.m, API_KIND_MESH, "fleet/shop", 0);
    fleet_run(&f, 5000);
    assert_int_equal(f.m.renders, renders + 2); /* of both members: one input for all */
    assert_int_equal(jx_int(fleet_status(&f), "summary.networks", 0), 3);
    fleet_stop(&f);
}

static void a_new_cluster_moves_no_machines(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "Primary");
    struct hub_object *o = add_group(&f, "legacy-db", NULL, NULL);
    auto_arena a = ARENA_INIT;
    assert_string_equal(mesh_machines_primary(&f.m, &a, o).cluster, "c1");
    fleet_add_cluster_on(&f, "a0", "n1");
    fleet_edit(&f, "spec.clusters",
               json_pack("[o, o, o]", member("c1", "Primary"), member("c2", "Primary"),
                         member("a0", "Primary")));
    assert_string_equal(mesh_machines_primary(&f.m, &a, o).cluster, "a0");
    jx_set_str(o->obj, "status.cluster", "c1");
    assert_string_equal(mesh_machines_primary(&f.m, &a, o).cluster, "c1");
    assert_string_equal(mesh_machines_primary(&f.m, &a, o).network, "n1");
    fleet_stop(&f);
}

static void a_group_without_a_place_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *mesh, *cluster, *reason;
    } rows[] = {
        {"shop", "c2", "ClusterIsRemote"},
        {"shop", "c9", "ClusterNotInMesh"},
        {"bank", NULL, "MeshNotFound"},
        {"shop", "c1", NULL},
    };
    struct fleet f;
    start(&f, "Remote");
    struct hub_object *o = add_group(&f, "legacy-db", NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_arena a = ARENA_INIT;
        jx_set_str(o->obj, "spec.meshRef.name", rows[i].mesh);
        json_object_del(json_object_get(o->obj, "spec"), "cluster");
        jx_set_str(o->obj, "spec.cluster", rows[i].cluster);
        struct machines_place place = mesh_machines_primary(&f.m, &a, o);
        if (!rows[i].reason) {
            assert_string_equal(place.cluster, "c1");
            continue;
        }
        assert_null(place.cluster);
        assert_string_equal(place.reason, rows[i].reason);
        assert_non_null(strstr(place.message, "next: "));
    }
    fleet_stop(&f);
}

static void istiod_is_reached_at_addresses_first(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f, "Primary");
    assert_int_equal(mesh_machines_istiod(&f.m, &a, "fleet", "shop", "c1").n_addresses, 0);
    add_group(&f, "legacy-db", NULL, NULL);
    fleet_run(&f, 20000);
    struct mesh_eastwest e = mesh_machines_istiod(&f.m, &a, "fleet", "shop", "c1");
    assert_int_equal(e.n_addresses, 1);
    assert_string_equal(e.addresses[0], "172.30.101.1");
    assert_int_equal(e.port, 15012);
    fleet_hub_object(&f, API_KIND_GATEWAY, "ew",
                     json_pack("{s:s, s:{s:s}, s:i, s:[s, s]}", "type", "EastWest", "meshRef",
                               "name", "shop", "port", 443, "addresses", "ew.example.com",
                               "192.0.2.7"));
    e = mesh_machines_istiod(&f.m, &a, "fleet", "shop", "c1");
    assert_int_equal(e.n_addresses, 2);
    assert_string_equal(e.addresses[0], "192.0.2.7");
    assert_int_equal(e.port, 15012);
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_beside_its_cluster_opens_istiod_alone),
        cmocka_unit_test(a_group_on_its_own_network_is_led_through_gateways),
        cmocka_unit_test(what_a_group_needed_goes_with_it),
        cmocka_unit_test(a_group_that_goes_needs_nothing),
        cmocka_unit_test(with_remotes_there_is_one_gateway),
        cmocka_unit_test(a_second_group_in_the_same_place_renders_nothing),
        cmocka_unit_test(a_new_cluster_moves_no_machines),
        cmocka_unit_test(a_group_without_a_place_says_why),
        cmocka_unit_test(istiod_is_reached_at_addresses_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
