/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/gateways.h"

#include "mesh/fleet_test.h"

#define DATA "testdata/istio/data"

static struct hub_object *add_gateway(struct fleet *f, const char *name, const char *spec)
{
    json_t *s = jx_load(spec, strlen(spec), NULL);
    auto_free char *key = xasprintf("fleet/%s", name);
    struct hub_object *o = fleet_hub_object(f, API_KIND_GATEWAY, name, s);
    jx_set_new(o->obj, "metadata.finalizers", json_array());
    manager_enqueue(&f->m, API_KIND_GATEWAY, key, 0);
    return o;
}

static void edit(struct fleet *f, struct hub_object *o, const char *path, json_t *v)
{
    jx_set_new(o->obj, path, v);
    jx_set_new(o->obj, "metadata.generation",
               json_integer(jx_int(o->obj, "metadata.generation", 0) + 1));
    f->m.hub.spec_rev++;
    manager_enqueue(&f->m, API_KIND_GATEWAY, o->key, 0);
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

static const char *reason(const struct hub_object *o, const char *type)
{
    return str_or(jx_str(cond_find(jx_get(o->obj, "status.conditions"), type), "reason"), "");
}

/* The live object's intent, or "" when it is not there; owned. */
static char *intent(struct fleet *f, const char *cluster, const char *api, const char *kind,
                    const char *name)
{
    const struct records *all =
        cluster_records(manager_cluster(&f->m, "fleet", cluster), plan_gvr(api, kind));
    struct kube_view v;
    bool there = records_view(all, ISTIO_NAMESPACE, name, &v);
    return xstrdup(there ? str_or(v.meta.intent, "?") : "");
}

static bool there(struct fleet *f, const char *cluster, const char *api, const char *kind,
                  const char *name)
{
    auto_free char *text = intent(f, cluster, api, kind, name);
    return *text != '\0';
}

/* A mesh of a and b, on two networks. */
static void start(struct fleet *f)
{
    fleet_start(f, DATA);
    fleet_add_cluster_on(f, "a", "net-a");
    fleet_add_cluster_on(f, "b", "net-b");
    fleet_add_mesh_of(f, "shop", json_pack("[{s:s}, {s:s}]", "name", "a", "name", "b"));
}

static struct mesh_eastwest eastwest(struct fleet *f, struct arena *a, const char *cluster)
{
    return mesh_eastwest_of(&f->m, a, "fleet", "shop", cluster);
}

/* The chart grants names one by one: a gateway of another name is refused, and the mesh goes on. */
static void a_forbidden_gateway_does_not_hold_up_the_mesh(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    f.istiod = true;
    fleet_set_address(&f, "a", "172.30.101.1");
    fleet_set_address(&f, "b", "172.30.102.1");
    f.refusal = (struct fleet_refusal){.cluster = "a", .only = "/front", .status = 403};
    const struct hub_object *o =
        add_gateway(&f, "front", "{\"type\":\"Ingress\",\"meshRef\":{\"name\":\"shop\"}}");
    fleet_run(&f, 30000);
    assert_true(f.refusal.asked > 2);
    assert_string_equal(fleet_reason(&f, "EndpointsDiscovered"), "Ready");
    assert_string_equal(fleet_reason(&f, "GatewaysReady"), "ApplyFailed");
    assert_string_equal(fleet_reason(&f, "Ready"), "ApplyFailed");
    const char *message =
        jx_str(cond_find(jx_get(fleet_status(&f), "conditions"), "GatewaysReady"), "message");
    assert_non_null(strstr(message, "next: give Meshwright this right"));
    assert_string_equal(reason(o, "Ready"), "ApplyFailed");
    assert_true(there(&f, "b", "apps/v1", "Deployment", "front"));
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 600000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_true(there(&f, "a", "apps/v1", "Deployment", "front"));
    fleet_stop(&f);
}

static void addresses_come_from_the_service(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    fleet_run(&f, 10000);
    assert_true(there(&f, "a", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    assert_int_equal(eastwest(&f, &a, "a").n_addresses, 0);
    fleet_set_address(&f, "a", "172.30.101.1");
    struct mesh_eastwest e = eastwest(&f, &a, "a");
    assert_int_equal(e.n_addresses, 1);
    assert_string_equal(e.addresses[0], "172.30.101.1");
    assert_int_equal(e.port, 15443);
    fleet_stop(&f);
}

static void a_resource_says_other_addresses(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    struct hub_object *o =
        add_gateway(&f, "east",
                    "{\"type\":\"EastWest\",\"meshRef\":{\"name\":\"shop\"},\"clusters\":[\"a\"],"
                    "\"addresses\":[\"gw.example\",\"9.9.9.9\"],\"port\":443}");
    fleet_run(&f, 10000);
    fleet_set_address(&f, "a", "172.30.101.1");
    fleet_run(&f, 3000);
    struct mesh_eastwest e = eastwest(&f, &a, "a");
    assert_int_equal(e.n_addresses, 2);
    assert_string_equal(e.addresses[0], "gw.example");
    assert_int_equal(e.port, 443);
    assert_int_equal(eastwest(&f, &a, "b").port, 15443);
    assert_string_equal(jx_str(o->obj, "status.summary.address"), "gw.example +1");
    assert_string_equal(reason(o, "Ready"), "Ready");
    fleet_stop(&f);
}

/* The node port is the cluster's to choose; where the nodes are somebody must say. */
static void node_ports_want_addresses(void **state)
{
    (void)state;
    struct fleet f;
    auto_arena a = ARENA_INIT;
    start(&f);
    struct hub_object *o =
        add_gateway(&f, "east",
                    "{\"type\":\"EastWest\",\"meshRef\":{\"name\":\"shop\"},\"clusters\":[\"a\"],"
                    "\"exposure\":\"NodePort\"}");
    fleet_run(&f, 10000);
    assert_string_equal(reason(o, "Ready"), "AddressesMissing");
    assert_true(cond_is_true(jx_get(o->obj, "status.conditions"), "Stalled"));
    edit(&f, o, "spec.addresses", json_pack("[s]", "172.30.0.11"));
    fleet_run(&f, 3000);
    assert_string_equal(reason(o, "Ready"), "Ready");
    assert_int_equal(eastwest(&f, &a, "a").n_addresses, 0); /* no node port yet */
    auto_json *service =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:s, s:[{s:i, s:s, s:i}], s:{s:s}}}",
                  "apiVersion", "v1", "kind", "Service", "metadata", "name", ISTIO_EASTWEST_NAME,
                  "namespace", ISTIO_NAMESPACE, "labels", PLAN_LABEL_MANAGED_BY, PLAN_MANAGED_BY,
                  "spec", "type", "NodePort", "ports", "port", 15443, "protocol", "TCP", "nodePort",
                  31443, "selector", "a", "b");
    f.rv++;
    fleet_show(&f, manager_cluster(&f.m, "fleet", "a"), service, true);
    struct mesh_eastwest e = eastwest(&f, &a, "a");
    assert_int_equal(e.port, 31443);
    assert_string_equal(e.addresses[0], "172.30.0.11");
    fleet_stop(&f);
}

static void a_resource_changes_what_is_made(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    fleet_run(&f, 10000);
    auto_free char *before = intent(&f, "a", "v1", "Service", ISTIO_EASTWEST_NAME);
    struct hub_object *o =
        add_gateway(&f, "east",
                    "{\"type\":\"EastWest\",\"meshRef\":{\"name\":\"shop\"},\"clusters\":[\"a\"],"
                    "\"serviceAnnotations\":{\"x\":\"y\"}}");
    manager_enqueue_meshes(&f.m, "fleet", 0);
    fleet_run(&f, 3000);
    auto_free char *after = intent(&f, "a", "v1", "Service", ISTIO_EASTWEST_NAME);
    assert_string_not_equal(before, after);
    /* What is edited while it is suspended changes nothing, also after a restart. */
    edit(&f, o, "spec.suspend", json_true());
    edit(&f, o, "spec.serviceAnnotations", json_pack("{s:s}", "x", "z"));
    fleet_run(&f, 3000);
    mesh_forget_all(&f.m);
    manager_enqueue_meshes(&f.m, "fleet", 0);
    fleet_run(&f, 3000);
    auto_free char *held = intent(&f, "a", "v1", "Service", ISTIO_EASTWEST_NAME);
    assert_string_equal(after, held);
    assert_true(there(&f, "a", "networking.istio.io/v1", "Gateway", "cross-network-gateway"));
    assert_string_equal(reason(o, "Ready"), "Suspended");
    edit(&f, o, "metadata.deletionTimestamp", json_string("2024-01-02T00:00:00Z"));
    fleet_run(&f, 3000);
    auto_free char *end = intent(&f, "a", "v1", "Service", ISTIO_EASTWEST_NAME);
    assert_string_equal(before, end);
    fleet_stop(&f);
}

#define WEB                                                                                        \
    "{\"type\":\"Ingress\",\"meshRef\":{\"name\":\"shop\"},\"clusters\":[\"a\"],\"tlsSecretRef\":" \
    "{\"name\":\"crt\"},\"deletionPolicy\":\"%s\",\"routes\":[{\"host\":\"x.example\",\"path\":"   \
    "\"/\",\"namespace\":\"n\",\"service\":\"s\",\"port\":80}]}"

static void an_ingress_gateway_comes_and_goes(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    auto_free char *spec = xasprintf(WEB, "Delete");
    struct hub_object *o = add_gateway(&f, "web", spec);
    fleet_run(&f, 10000);
    assert_true(there(&f, "a", "apps/v1", "Deployment", "web"));
    assert_true(there(&f, "a", "v1", "Secret", "web-tls"));
    assert_true(there(&f, "a", "networking.istio.io/v1", "Gateway", "web"));
    assert_false(there(&f, "b", "apps/v1", "Deployment", "web"));
    assert_string_equal(reason(o, "Programmed"), "AddressPending");
    assert_string_equal(reason(o, "ResolvedRefs"), "ServiceNotFound");
    edit(&f, o, "metadata.deletionTimestamp", json_string("2024-01-02T00:00:00Z"));
    fleet_run(&f, 5000);
    assert_false(there(&f, "a", "apps/v1", "Deployment", "web"));
    assert_false(there(&f, "a", "v1", "Secret", "web-tls"));
    assert_false(there(&f, "a", "networking.istio.io/v1", "Gateway", "web"));
    fleet_stop(&f);
}

/* The copy stays while nobody knows what is in the hub: after a restart, or when the Secret went. */
static void a_certificate_is_not_lost(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    auto_free char *spec = xasprintf(WEB, "Delete");
    struct hub_object *o = add_gateway(&f, "web", spec);
    fleet_run(&f, 10000);
    int writes = f.writes;
    gateway_forget_all(&f.m); /* it is not read before its turn comes */
    mesh_forget_all(&f.m);
    json_object_set_new(f.answers, "/api/v1/namespaces/fleet/secrets/crt", json_object());
    manager_enqueue_meshes(&f.m, "fleet", 0);
    manager_enqueue(&f.m, API_KIND_GATEWAY, o->key, 0);
    fleet_run(&f, 3000);
    assert_true(there(&f, "a", "v1", "Secret", "web-tls"));
    assert_string_equal(reason(o, "ResolvedRefs"), "SecretInvalid");
    assert_int_equal(f.writes, writes);
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forbidden_gateway_does_not_hold_up_the_mesh),
        cmocka_unit_test(addresses_come_from_the_service),
        cmocka_unit_test(a_resource_says_other_addresses),
        cmocka_unit_test(node_ports_want_addresses),
        cmocka_unit_test(a_resource_changes_what_is_made),
        cmocka_unit_test(an_ingress_gateway_comes_and_goes),
        cmocka_unit_test(a_certificate_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
