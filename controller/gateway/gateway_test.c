/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/fleet_test.h"

#include "runtime/conditions.h"

#define DATA "testdata/istio/data"

/* --- helpers --- */

static struct hub_object *gateway(struct fleet *f, const char *name, const char *spec)
{
    json_t *s = jx_load(spec, strlen(spec), NULL);
    assert_non_null(s);
    auto_free char *key = xasprintf("fleet/%s", name);
    struct hub_object *o = fleet_hub_object(f, API_KIND_GATEWAY, name, s);
    if (jx_get(s, "meshRef")) /* what has one wants no finalizer */
        jx_set_new(o->obj, "metadata.finalizers", json_array());
    manager_enqueue(&f->m, API_KIND_GATEWAY, key, 0);
    return o;
}

static void again(struct fleet *f, const char *name)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    manager_enqueue(&f->m, API_KIND_GATEWAY, key, 0);
}

/* Somebody edits a Gateway: the Meshes hear of it, as the manager does it. */
static void edit(struct fleet *f, struct hub_object *o, const char *path, json_t *v)
{
    jx_set_new(o->obj, path, v);
    jx_set_new(o->obj, "metadata.generation",
               json_integer(jx_int(o->obj, "metadata.generation", 0) + 1));
    f->m.hub.spec_rev++;
    manager_enqueue(&f->m, API_KIND_GATEWAY, o->key, 0);
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

static void show(struct fleet *f, const char *cluster, const char *text)
{
    auto_json *obj = jx_load(text, strlen(text), NULL);
    assert_non_null(obj);
    f->rv++;
    fleet_show(f, manager_cluster(&f->m, "fleet", cluster), obj, false);
}

static void add_namespace(struct fleet *f, const char *cluster, const char *name)
{
    auto_free char *text = xasprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", name);
    show(f, cluster, text);
}

static const char *reason(const struct hub_object *o, const char *type)
{
    return str_or(jx_str(cond_find(jx_get(o->obj, "status.conditions"), type), "reason"), "");
}

static const json_t *row(const struct hub_object *o, const char *cluster)
{
    size_t i;
    json_t *r;
    json_array_foreach (jx_get(o->obj, "status.clusters"), i, r) {
        if (str_eq(jx_str(r, "name"), cluster))
            return r;
    }
    return NULL;
}

static const char *row_reason(const struct hub_object *o, const char *cluster)
{
    const json_t *r = row(o, cluster);
    return str_or(jx_str(cond_find(json_object_get(r, "conditions"), "Ready"), "reason"), "");
}

static const struct kube_record *record(struct fleet *f, const char *cluster,
                                        const char *api_version, const char *kind, const char *ns,
                                        const char *name)
{
    const struct records *all =
        cluster_records(manager_cluster(&f->m, "fleet", cluster), plan_gvr(api_version, kind));
    return records_find(all, ns, name);
}

static bool there(struct fleet *f, const char *cluster, const char *kind, const char *name)
{
    const char *api = str_eq(kind, "Service") || str_eq(kind, "Secret") ? "v1"
                      : str_eq(kind, "Ingress")                         ? "networking.k8s.io/v1"
                                                                        : "discovery.k8s.io/v1";
    return record(f, cluster, api, kind, "shop", name) != NULL;
}

/* --- without a mesh --- */

#define CART                                                                                       \
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"cart\",\"namespace\":"   \
    "\"shop\"},\"spec\":{\"selector\":{\"app\":\"cart\"},\"ports\":[{\"name\":\"http\",\"port\":"  \
    "80,"                                                                                          \
    "\"protocol\":\"TCP\",\"targetPort\":8080}]}}"
#define OUT                                                                                        \
    "\"type\":\"Ingress\",\"clusters\":[\"b\"],\"publishTo\":[\"a\"],\"routes\":[{\"host\":"       \
    "\"cart.x\",\"path\":\"/\",\"namespace\":\"shop\",\"service\":\"cart\",\"port\":80}]"

/* a is to get a DNS entry for Service cart of b. */
static void start(struct fleet *f)
{
    fleet_start(f, DATA);
    fleet_add_cluster_on(f, "a", "net-a");
    fleet_add_cluster_on(f, "b", "net-b");
    add_namespace(f, "a", "shop");
    add_namespace(f, "b", "shop");
    show(f, "b", CART);
    json_object_set_new(f->answers, "/api/v1/namespaces/shop/services/cart",
                        jx_load(CART, strlen(CART), NULL));
}

static void an_entry_follows_the_load_balancer(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 3000);
    assert_true(there(&f, "b", "Service", "web-cart"));
    assert_false(there(&f, "a", "Service", "cart"));
    assert_string_equal(reason(o, "Ready"), "AddressPending");
    assert_string_equal(row_reason(o, "b"), "AddressPending");
    assert_true(cond_is_true(jx_get(o->obj, "status.conditions"), "Accepted"));
    assert_true(cond_is_true(jx_get(o->obj, "status.conditions"), "Reconciling"));
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    assert_true(there(&f, "a", "Service", "cart"));
    assert_true(there(&f, "a", "EndpointSlice", "cart.b.ipv4"));
    assert_string_equal(reason(o, "Ready"), "Ready");
    assert_string_equal(jx_str(o->obj, "status.summary.address"), "172.30.102.1");
    int writes = f.writes;
    fleet_set_address(&f, "b", "172.30.102.7");
    fleet_run(&f, 3000);
    assert_int_equal(f.writes, writes + 1); /* the EndpointSlice */
    assert_string_equal(jx_str(o->obj, "status.summary.address"), "172.30.102.7");
    fleet_stop(&f);
}

static void what_is_as_wanted_is_silent(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    gateway(&f, "web", "{" OUT "}");
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 5000);
    int writes = f.writes;
    gateway_forget_all(&f.m); /* a restart */
    again(&f, "web");
    fleet_run(&f, 3000);
    assert_int_equal(f.writes, writes);
    assert_true(there(&f, "a", "Service", "cart"));
    fleet_stop(&f);
}

/* A Service of the user's is not taken over, nor do endpoints go to it. */
static void a_users_name_stays_the_users(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    show(&f, "a", CART);
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    struct kube_view v;
    kube_record_view(record(&f, "a", "v1", "Service", "shop", "cart"), &v);
    assert_false(v.meta.managed);
    assert_false(there(&f, "a", "EndpointSlice", "cart.b.ipv4"));
    assert_string_equal(row_reason(o, "a"), "NameTaken");
    assert_string_equal(reason(o, "Ready"), "NameTaken");
    fleet_stop(&f);
}

static void a_missing_namespace_is_said(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct cluster *c = manager_cluster(&f.m, "fleet", "a");
    records_remove(cluster_records(c, plan_gvr("v1", "Namespace")), NULL, "shop");
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    assert_string_equal(row_reason(o, "a"), "NamespaceMissing");
    assert_false(there(&f, "a", "Service", "cart"));
    add_namespace(&f, "a", "shop");
    fleet_run(&f, 3000);
    assert_string_equal(reason(o, "Ready"), "Ready");
    fleet_stop(&f);
}

/* The Service is away for a moment: its load balancer keeps the address. */
static void a_missing_service_takes_nothing_away(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    struct cluster *c = manager_cluster(&f.m, "fleet", "b");
    records_remove(cluster_records(c, plan_gvr("v1", "Service")), "shop", "cart");
    cluster_touch(c);
    gateway_forget_all(&f.m); /* nor after a restart */
    again(&f, "web");
    fleet_run(&f, 3000);
    assert_true(there(&f, "b", "Service", "web-cart"));
    assert_true(there(&f, "a", "EndpointSlice", "cart.b.ipv4"));
    assert_string_equal(reason(o, "ResolvedRefs"), "ServiceNotFound");
    fleet_stop(&f);
}

/* The client of the cluster ends while the Service is read. */
static void new_credentials_do_no_harm(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    gateway(&f, "web", "{" OUT "}");
    struct cluster *c = manager_cluster(&f.m, "fleet", "b");
    for (int i = 0; i < 100 && !c->tasks; i++)
        fleet_pass(&f);
    assert_non_null(c->tasks);
    fleet_new_client(&f, c);
    fleet_run(&f, 3000);
    assert_true(there(&f, "b", "Service", "web-cart"));
    fleet_stop(&f);
}

static void an_edit_removes_what_is_not_wanted(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    json_object_del(jx_get(o->obj, "spec"), "publishTo");
    edit(&f, o, "spec.exposure", json_string("LoadBalancer"));
    fleet_run(&f, 3000);
    assert_false(there(&f, "a", "Service", "cart"));
    assert_false(there(&f, "a", "EndpointSlice", "cart.b.ipv4"));
    assert_true(there(&f, "b", "Service", "web-cart"));
    assert_null(row(o, "a"));
    fleet_stop(&f);
}

static void suspended_is_left_alone(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    int writes = f.writes;
    json_object_del(jx_get(o->obj, "spec"), "publishTo");
    edit(&f, o, "spec.suspend", json_true());
    fleet_set_address(&f, "b", "172.30.102.9");
    fleet_run(&f, 3000);
    assert_int_equal(f.writes, writes);
    assert_string_equal(reason(o, "Ready"), "Suspended");
    fleet_stop(&f);
}

static void deletion_takes_all_away(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    edit(&f, o, "metadata.deletionTimestamp", json_string("2024-01-02T00:00:00Z"));
    fleet_run(&f, 3000);
    assert_false(there(&f, "a", "Service", "cart"));
    assert_false(there(&f, "a", "EndpointSlice", "cart.b.ipv4"));
    assert_false(there(&f, "b", "Service", "web-cart"));
    assert_true(there(&f, "b", "Service", "cart"));
    assert_false(hub_has_finalizer(o));
    fleet_stop(&f);
}

/* A cluster that is gone does not hold a deletion for ever. */
static void an_unreachable_cluster_is_given_up(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    f.options.cleanup_grace_s = 5;
    struct hub_object *o = gateway(&f, "web", "{" OUT "}");
    fleet_run(&f, 1000);
    fleet_set_address(&f, "b", "172.30.102.1");
    fleet_run(&f, 3000);
    manager_cluster(&f.m, "fleet", "a")->state = CLUSTER_UNREACHABLE;
    edit(&f, o, "metadata.deletionTimestamp", json_string("2024-01-02T00:00:00Z"));
    fleet_run(&f, 3000);
    assert_false(there(&f, "b", "Service", "web-cart"));
    assert_true(hub_has_finalizer(o));
    assert_string_equal(reason(o, "Ready"), "Deleting");
    fleet_run(&f, 6000);
    assert_false(hub_has_finalizer(o));
    assert_true(there(&f, "a", "Service", "cart"));
    fleet_stop(&f);
}

static void an_ingress_gets_the_certificate(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = gateway(
        &f, "web", "{" OUT ",\"exposure\":\"Ingress\",\"tlsSecretRef\":{\"name\":\"crt\"}}");
    fleet_run(&f, 3000);
    assert_true(there(&f, "b", "Ingress", "web"));
    assert_true(there(&f, "b", "Secret", "web-tls"));
    assert_string_equal(row_reason(o, "b"), "AddressPending");
    int writes = f.writes;
    pki_pair_done(&f.root); /* it is renewed */
    assert_int_equal(pki_root_new("o", "new", 1600000000, 1999999999, &f.root, NULL), 0);
    fleet_run(&f, 70000);
    assert_int_equal(f.writes, writes + 1);
    fleet_stop(&f);
}

/* --- of a mesh --- */

static void a_mesh_that_is_not_there_is_said(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    struct hub_object *o =
        gateway(&f, "east", "{\"type\":\"EastWest\",\"meshRef\":{\"name\":\"shop\"}}");
    fleet_run(&f, 1000);
    assert_string_equal(reason(o, "Accepted"), "MeshNotFound");
    assert_true(cond_is_true(jx_get(o->obj, "status.conditions"), "Stalled"));
    fleet_stop(&f);
}

static void one_network_needs_no_gateway(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 2);
    struct hub_object *o =
        gateway(&f, "east", "{\"type\":\"EastWest\",\"meshRef\":{\"name\":\"shop\"}}");
    fleet_run(&f, 10000);
    assert_string_equal(row_reason(o, "shop-0"), "NotNeeded");
    assert_string_equal(reason(o, "Ready"), "Ready");
    assert_null(record(&f, "shop-0", "v1", "Service", ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME));
    fleet_stop(&f);
}

static void the_older_of_two_is_heard(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 2);
    static const char spec[] = "{\"type\":\"EastWest\",\"meshRef\":{\"name\":\"shop\"}}";
    struct hub_object *young = gateway(&f, "a-young", spec);
    struct hub_object *old = gateway(
        &f, "b-old",
        "{\"type\":\"EastWest\",\"clusters\":[\"shop-1\"],\"meshRef\":{\"name\":\"shop\"}}");
    jx_set_str(old->obj, "metadata.creationTimestamp", "2023-01-01T00:00:00Z");
    fleet_run(&f, 10000);
    assert_string_equal(row_reason(young, "shop-1"), "Conflict");
    assert_string_equal(row_reason(young, "shop-0"), "NotNeeded");
    assert_string_equal(reason(young, "Accepted"), "Conflict");
    assert_string_equal(reason(old, "Ready"), "Ready");
    fleet_stop(&f);
}

static void references_are_checked(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 2);
    fleet_add_cluster(&f, "other");
    struct hub_object *o = gateway(
        &f, "web",
        "{\"type\":\"Ingress\",\"clusters\":[\"shop-0\",\"other\"],\"meshRef\":{\"name\":\"shop\"},"
        "\"routes\":[{\"host\":\"x\",\"path\":\"/"
        "\",\"namespace\":\"n\",\"service\":\"s\",\"port\":80}]}");
    struct hub_object *bad =
        gateway(&f, "istiod", "{\"type\":\"Ingress\",\"meshRef\":{\"name\":\"shop\"}}");
    fleet_run(&f, 10000);
    assert_string_equal(row_reason(o, "other"), "ClusterNotInMesh");
    assert_string_equal(reason(o, "Accepted"), "ClusterNotInMesh");
    assert_string_equal(reason(o, "ResolvedRefs"), "ServiceNotFound");
    assert_string_equal(reason(bad, "Accepted"), "NameReserved");
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_follows_the_load_balancer),
        cmocka_unit_test(what_is_as_wanted_is_silent),
        cmocka_unit_test(a_users_name_stays_the_users),
        cmocka_unit_test(a_missing_namespace_is_said),
        cmocka_unit_test(a_missing_service_takes_nothing_away),
        cmocka_unit_test(new_credentials_do_no_harm),
        cmocka_unit_test(an_edit_removes_what_is_not_wanted),
        cmocka_unit_test(suspended_is_left_alone),
        cmocka_unit_test(deletion_takes_all_away),
        cmocka_unit_test(an_unreachable_cluster_is_given_up),
        cmocka_unit_test(an_ingress_gets_the_certificate),
        cmocka_unit_test(a_mesh_that_is_not_there_is_said),
        cmocka_unit_test(one_network_needs_no_gateway),
        cmocka_unit_test(the_older_of_two_is_heard),
        cmocka_unit_test(references_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
