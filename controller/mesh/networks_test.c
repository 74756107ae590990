/* SPDX-License-Identifier: Apache-2.0 */
/* Meshes over several networks, and Remotes: what is written where, in which order, and how little. */
#include "mesh/deletion_test.h"

#define DATA        "testdata/istio/data"
#define GATEWAY_API "gateway.networking.k8s.io/v1"

static json_t *primary(const char *name)
{
    return json_pack("{s:s, s:s}", "name", name, "role", "Primary");
}

static json_t *remote(const char *name)
{
    return json_pack("{s:s, s:s}", "name", name, "role", "Remote");
}

/* Two clusters, c1 a Primary; each with a load balancer when said so. */
static void start(struct fleet *f, const char *network_of_c2, json_t *c2, bool balanced)
{
    fleet_start(f, DATA);
    f->istiod = true;
    fleet_add_cluster_on(f, "c1", "n1");
    fleet_add_cluster_on(f, "c2", network_of_c2);
    if (balanced) {
        fleet_set_address(f, "c1", "172.30.101.1");
        fleet_set_address(f, "c2", "172.30.102.1");
    }
    fleet_add_mesh_of(f, "shop", json_pack("[o, o]", primary("c1"), c2));
}

static bool has(struct fleet *f, const char *cluster, const char *api, const char *kind,
                const char *name)
{
    return fleet_find(f, cluster, api, kind, ISTIO_NAMESPACE, name) != NULL;
}

/* Everything of ours in a cluster: {"Kind ns/name": intent}. Without CRDs: whether users have resources of one is not
 * answered here, so none is deleted. */
static json_t *holdings(struct fleet *f, const char *cluster)
{
    json_t *all = json_object();
    const struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            struct kube_view v;
            kube_record_view(r, &v);
            if (str_eq(c->watches[i].gvr->kind, "CustomResourceDefinition"))
                continue;
            auto_free char *key =
                xasprintf("%s %s/%s", c->watches[i].gvr->kind, str_or(v.meta.ns, ""), v.meta.name);
            bool secret =
                str_eq(c->watches[i].gvr->kind, "Secret"); /* says where the peer's server is */
            json_object_set_new(all, key, json_string(secret ? "" : str_or(v.meta.intent, "")));
        }
    }
    return all;
}

/* Of b, what is not in a or not as in a; and of a, what is not in b. */
static int differences(const json_t *a, const json_t *b)
{
    int n = 0;
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)b, key, v)
        n += !json_equal(json_object_get(a, key), v);
    json_object_foreach ((json_t *)(uintptr_t)a, key, v)
        n += !json_object_get(b, key);
    return n;
}

static void assert_same(const json_t *got, const json_t *want)
{
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)want, key, v)
        if (!json_equal(json_object_get(got, key), v))
            fail_msg("%s is %s", key, json_object_get(got, key) ? "different" : "missing");
    json_object_foreach ((json_t *)(uintptr_t)got, key, v)
        if (!json_object_get(want, key))
            fail_msg("%s is left over", key);
}

static void assert_silent(struct fleet *f)
{
    int writes = f->writes;
    fleet_run(f, 60000);
    assert_int_equal(f->writes, writes);
}

/* The controller starts again: it finds in the clusters what they hold, and nothing else is left. */
static void restart(struct fleet *f)
{
    mesh_forget_all(&f->m);
    manager_enqueue(&f->m, API_KIND_MESH, "fleet/shop", 0);
}

static void two_networks_become_ready(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2", primary("c2"), true);
    fleet_run(&f, 20000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_string_equal(fleet_member_reason(&f, "c2", "GatewaysReady"), "Available");
    assert_int_equal(jx_int(fleet_status(&f), "summary.networks", 0), 2);
    assert_true(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c2"));
    assert_true(has(&f, "c2", GATEWAY_API, "Gateway", "eastwest-c1"));
    assert_false(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c1"));
    assert_silent(&f);
    restart(&f);
    assert_silent(&f);
    fleet_stop(&f);
}

/* Until then requests go to the pods themselves: a cluster that moves to another network loses none. */
static void a_network_is_led_to_when_its_gateway_is_open(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2", primary("c2"), true);
    f.refusal =
        (struct fleet_refusal){.cluster = "c2", .only = "/deployments/istio-east", .status = 500};
    fleet_run(&f, 20000);
    assert_false(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c2"));
    assert_string_equal(fleet_member_reason(&f, "c1", "GatewaysReady"), "GatewayNotAvailable");
    assert_string_equal(fleet_member_reason(&f, "c2", "GatewaysReady"), "ApplyFailed");
    auto_json *kind = json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "ConfigMap");
    struct cluster_watch *w = fleet_watch(manager_cluster(&f.m, "fleet", "c2"), kind);
    w->records.synced = false; /* being read again is no reason to believe that it is open */
    cluster_touch(manager_cluster(&f.m, "fleet", "c1"));
    fleet_run(&f, 2000);
    assert_false(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c2"));
    w->records.synced = true;
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 120000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_true(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c2"));
    fleet_stop(&f);
}

/* It may only be restarting. */
static void a_network_stays_known_without_its_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2", primary("c2"), true);
    fleet_run(&f, 20000);
    struct cluster *c2 = manager_cluster(&f.m, "fleet", "c2");
    auto_json *kind = json_pack("{s:s, s:s}", "apiVersion", "apps/v1", "kind", "Deployment");
    f.refusal = (struct fleet_refusal){.cluster = "c2", .only = "/deployments/", .status = 500};
    fleet_hide(fleet_watch(c2, kind), ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME);
    cluster_touch(c2);
    fleet_run(&f, 20000);
    assert_true(has(&f, "c1", GATEWAY_API, "Gateway", "eastwest-c2"));
    assert_string_equal(fleet_member_reason(&f, "c1", "GatewaysReady"), "Available");
    fleet_stop(&f);
}

/* istiod takes the identities of a cluster's pods from its configuration, and looks at that once. */
static void who_is_not_configured_is_not_read(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1", primary("c2"), true);
    f.refusal =
        (struct fleet_refusal){.cluster = "c2", .only = "/configmaps/istio?", .status = 500};
    fleet_run(&f, 20000);
    assert_true(has(&f, "c2", "v1", "ServiceAccount", ISTIO_READER_ACCOUNT));
    assert_false(has(&f, "c1", "v1", "Secret", "istio-remote-secret-c2"));
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 120000);
    assert_true(has(&f, "c1", "v1", "Secret", "istio-remote-secret-c2"));
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    fleet_stop(&f);
}

/* What runs is told to run while something of an earlier wave is mended. The patience is over, so all is told. */
static void what_is_mended_does_not_hide_what_runs(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2", remote("c2"), true);
    fleet_run(&f, 20000);
    struct cluster *c1 = manager_cluster(&f.m, "fleet", "c1");
    auto_json *ns = json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "Namespace");
    f.refusal = (struct fleet_refusal){.cluster = "c1", .only = "/namespaces/", .status = 500};
    fleet_hide(fleet_watch(c1, ns), NULL, ISTIO_NAMESPACE);
    cluster_touch(c1);
    fleet_run(&f, 20000);
    assert_string_equal(fleet_member_reason(&f, "c1", "ControlPlaneReady"), "ApplyFailed");
    assert_string_equal(fleet_member_reason(&f, "c1", "TrustDistributed"), "Distributed");
    assert_string_equal(fleet_member_reason(&f, "c2", "ControlPlaneReady"), "Available");
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 120000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    fleet_stop(&f);
}

static void one_network_needs_no_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1", primary("c2"), true);
    fleet_run(&f, 20000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_string_equal(fleet_reason(&f, "GatewaysReady"), "");
    assert_false(has(&f, "c1", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    fleet_stop(&f);
}

static void a_new_address_is_written_where_it_is_used(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2", primary("c2"), true);
    fleet_run(&f, 20000);
    auto_json *c1 = holdings(&f, "c1"), *c2 = holdings(&f, "c2");
    int writes = f.writes;
    fleet_set_address(&f, "c1", "172.30.101.9");
    fleet_run(&f, 5000);
    auto_json *c1_now = holdings(&f, "c1"), *c2_now = holdings(&f, "c2");
    assert_int_equal(f.writes, writes + 1);
    assert_int_equal(differences(c1, c1_now), 0);
    assert_int_equal(differences(c2, c2_now), 1);
    assert_silent(&f);
    fleet_stop(&f);
}

static void a_remote_waits_for_the_address_of_its_primary(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1", remote("c2"), false);
    fleet_run(&f, 20000);
    assert_string_equal(fleet_member_reason(&f, "c2", "ControlPlaneReady"),
                        "GatewayAddressPending");
    assert_string_equal(fleet_member_reason(&f, "c1", "GatewaysReady"), "GatewayAddressPending");
    assert_true(has(&f, "c1", "v1", "Secret", "istio-remote-secret-c2"));
    assert_false(has(&f, "c2", "discovery.k8s.io/v1", "EndpointSlice", "istiod-ipv4"));
    assert_silent(&f);
    fleet_set_address(&f, "c1", "172.30.101.1");
    fleet_run(&f, 10000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_true(has(&f, "c2", "discovery.k8s.io/v1", "EndpointSlice", "istiod-ipv4"));
    assert_false(has(&f, "c2", "apps/v1", "Deployment", "istiod"));
    assert_false(has(&f, "c2", "v1", "Secret", "cacerts"));
    assert_false(has(&f, "c2", "v1", "Secret", "istio-remote-secret-c1"));
    assert_int_equal(f.waves_out_of_order, 0);
    assert_silent(&f);
    restart(&f);
    assert_silent(&f);
    fleet_stop(&f);
}

static void a_remote_follows_the_address_of_its_primary(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1", remote("c2"), true);
    fleet_run(&f, 20000);
    int writes = f.writes;
    fleet_set_address(&f, "c1", "172.30.101.9");
    fleet_run(&f, 5000);
    assert_int_equal(f.writes, writes + 1);
    fleet_stop(&f);
}

/* What an edit of the roles of c2 leaves in both clusters is what a mesh has that was made so, and every object that
 * differs is written once. */
static void becomes(json_t *(*before)(const char *), json_t *(*after)(const char *),
                    const char *network)
{
    struct fleet f, fresh;
    start(&f, network, before("c2"), true);
    start(&fresh, network, after("c2"), true);
    fleet_run(&f, 20000);
    fleet_run(&fresh, 20000);
    auto_json *c1 = holdings(&f, "c1"), *c2 = holdings(&f, "c2");
    auto_json *c1_want = holdings(&fresh, "c1"), *c2_want = holdings(&fresh, "c2");
    int writes = f.writes;
    fleet_edit(&f, "spec.clusters", json_pack("[o, o]", primary("c1"), after("c2")));
    fleet_run(&f, 40000);
    auto_json *c1_now = holdings(&f, "c1"), *c2_now = holdings(&f, "c2");
    assert_same(c1_now, c1_want);
    assert_same(c2_now, c2_want);
    assert_int_equal(f.writes - writes, differences(c1, c1_now) + differences(c2, c2_now));
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_silent(&f);
    fleet_stop(&f);
    fleet_stop(&fresh);
}

static void a_remote_becomes_a_primary(void **state)
{
    (void)state;
    becomes(remote, primary, "n1");
    becomes(remote, primary, "n2");
}

static void a_primary_becomes_a_remote(void **state)
{
    (void)state;
    becomes(primary, remote, "n1");
    becomes(primary, remote, "n2");
}

/* Its istiod serves the proxies of c2 to the end: what it knows of the others goes after it. */
static void a_former_primary_sees_the_others_to_the_end(void **state)
{
    (void)state;
    static const char *const networks[] = {"n1", "n2"};
    for (size_t i = 0; i < 2; i++) {
        struct fleet f;
        start(&f, networks[i], primary("c2"), true);
        fleet_run(&f, 20000);
        fleet_edit(&f, "spec.clusters", json_pack("[o, o]", primary("c1"), remote("c2")));
        fleet_run(&f, 40000);
        size_t istiod =
            fleet_deletion(&f, "c2 /apis/apps/v1/namespaces/istio-system/deployments/istiod");
        assert_true(istiod < json_array_size(f.deleted));
        assert_true(fleet_deletion(&f, "c2 /api/v1/namespaces/istio-system/secrets/istio-remote") >
                    istiod);
        assert_true(i == 0 || fleet_deletion(&f, "c2 /apis/gateway.networking.k8s.io/") > istiod);
        assert_false(has(&f, "c2", "v1", "Secret", "istio-remote-secret-c1"));
        fleet_stop(&f);
    }
}

static void others_let_go_of_who_leaves_first(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2", primary("c2"), true);
    fleet_run(&f, 20000);
    fleet_edit(&f, "spec.clusters", json_pack("[o]", primary("c1")));
    fleet_run(&f, 40000);
    size_t first = fleet_deletion(&f, "c2 ");
    assert_true(first < json_array_size(f.deleted));
    assert_true(fleet_deletion(&f, "c1 /apis/gateway.networking.k8s.io/") < first);
    assert_true(fleet_deletion(&f, "c1 /api/v1/namespaces/istio-system/secrets/") < first);
    assert_true(fleet_deletion(&f, "c1 /apis/apps/") >
                first); /* its own gateway is not needed any more */
    assert_false(has(&f, "c1", "apps/v1", "Deployment", ISTIO_EASTWEST_NAME));
    assert_silent(&f);
    fleet_stop(&f);
}

/* A controller that was started while a cluster is away knows nothing of it. */
static void forget(struct fleet *f, const char *cluster)
{
    struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    c->state = CLUSTER_UNREACHABLE;
    for (size_t i = 0; i < c->n_watches; i++) {
        records_done(&c->watches[i].records);
        c->watches[i].records = (struct records){0};
    }
    cluster_touch(c);
    restart(f);
}

static void who_is_away_changes_nothing_for_others(void **state)
{
    (void)state;
    struct fleet f;
    for (int i = 0; i < 2; i++) {
        start(&f, "n2", i ? remote("c2") : primary("c2"), true);
        fleet_run(&f, 20000);
        assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
        manager_cluster(&f.m, "fleet", "c1")->state = CLUSTER_UNREACHABLE;
        cluster_touch(manager_cluster(&f.m, "fleet", "c1"));
        assert_silent(&f);
        assert_string_equal(fleet_member_reason(&f, "c1", "Reachable"), "ClusterUnreachable");
        forget(&f, "c1");
        assert_silent(&f);
        assert_int_equal(json_array_size(f.deleted), 0);
        fleet_stop(&f);
    }
}

static void who_loses_its_primary_is_left_alone(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1", remote("c2"), true);
    fleet_run(&f, 20000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    auto_json *before = holdings(&f, "c2");
    struct hub_object *o = hub_find(&f.m.hub, API_KIND_MEMBER_CLUSTER, "fleet/c1");
    jx_set_str(o->obj, "metadata.deletionTimestamp", "2024-02-01T00:00:00Z");
    f.m.hub.spec_rev++;
    manager_enqueue(&f.m, API_KIND_MESH, "fleet/shop", 0);
    fleet_run(&f, 20000);
    auto_json *after = holdings(&f, "c2");
    assert_same(after, before);
    assert_string_equal(fleet_reason(&f, "ResolvedRefs"), "PrimaryMissing");
    assert_false(has(&f, "c1", "apps/v1", "Deployment", "istiod"));
    fleet_stop(&f);
}

/* What keeps foreign identities out stays for a moment after the configuration has stopped to trust them. */
static void a_guard_outlives_trust(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1", primary("c2"), true);
    fleet_run(&f, 20000);
    auto_json *guard = json_pack(
        "{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s, s:s}}}", "apiVersion", "security.istio.io/v1",
        "kind", "AuthorizationPolicy", "metadata", "name", "guard", "namespace", ISTIO_NAMESPACE,
        "labels", PLAN_LABEL_MANAGED_BY, PLAN_MANAGED_BY, PLAN_LABEL_MESH, "shop",
        PLAN_LABEL_OWNER_UID, "shop", PLAN_LABEL_WAVE, plan_wave_name(PLAN_GUARD));
    fleet_show(&f, manager_cluster(&f.m, "fleet", "c1"), guard, true);
    fleet_run(&f, 4000);
    assert_true(has(&f, "c1", "security.istio.io/v1", "AuthorizationPolicy", "guard"));
    fleet_run(&f, 4000);
    assert_false(has(&f, "c1", "security.istio.io/v1", "AuthorizationPolicy", "guard"));
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_networks_become_ready),
        cmocka_unit_test(who_is_not_configured_is_not_read),
        cmocka_unit_test(a_network_is_led_to_when_its_gateway_is_open),
        cmocka_unit_test(a_network_stays_known_without_its_gateway),
        cmocka_unit_test(what_is_mended_does_not_hide_what_runs),
        cmocka_unit_test(one_network_needs_no_gateway),
        cmocka_unit_test(a_new_address_is_written_where_it_is_used),
        cmocka_unit_test(a_remote_waits_for_the_address_of_its_primary),
        cmocka_unit_test(a_remote_follows_the_address_of_its_primary),
        cmocka_unit_test(a_remote_becomes_a_primary),
        cmocka_unit_test(a_primary_becomes_a_remote),
        cmocka_unit_test(a_former_primary_sees_the_others_to_the_end),
        cmocka_unit_test(others_let_go_of_who_leaves_first),
        cmocka_unit_test(who_is_away_changes_nothing_for_others),
        cmocka_unit_test(a_guard_outlives_trust),
        cmocka_unit_test(who_loses_its_primary_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
