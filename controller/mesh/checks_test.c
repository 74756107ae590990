/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs that are rejected: each with its reason, and nothing written. */
#include "mesh/fleet_test.h"

#include "membercluster/member.h"
#include "runtime/conditions.h"

#define DATA "testdata/istio/data"

static const json_t *condition(struct fleet *f, const char *mesh, const char *type)
{
    auto_free char *key = xasprintf("fleet/%s", mesh);
    struct hub_object *o = hub_find(&f->m.hub, API_KIND_MESH, key);
    return cond_find(jx_get(o->obj, "status.conditions"), type);
}

static json_t *spec_of(struct fleet *f, enum api_kind kind, const char *name)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    struct hub_object *o = hub_find(&f->m.hub, kind, key);
    f->m.hub.spec_rev++;
    return json_object_get(o->obj, "spec");
}

static struct cluster *cluster(struct fleet *f, const char *name)
{
    return manager_cluster(&f->m, "fleet", name);
}

/* The Mesh says why, in both places, and no cluster was written to. */
static void assert_rejected(struct fleet *f, const char *reason, bool stalled)
{
    fleet_run(f, 5000);
    assert_string_equal(jx_str(condition(f, "shop", "ResolvedRefs"), "reason"), reason);
    assert_string_equal(jx_str(condition(f, "shop", "Ready"), "reason"), reason);
    assert_non_null(condition(f, "shop", stalled ? "Stalled" : "Reconciling"));
    assert_non_null(strstr(jx_str(condition(f, "shop", "Ready"), "message"),
                           str_eq(reason, "Checking") ? "before" : ""));
    assert_int_equal(f->writes, 0);
}

static void accept_now(struct fleet *f)
{
    manager_enqueue(&f->m, API_KIND_MESH, "fleet/shop", 0);
    fleet_run(f, 10000);
    assert_string_equal(jx_str(condition(f, "shop", "ResolvedRefs"), "status"), "True");
    assert_true(f->writes > 0);
}

static void start(struct fleet *f)
{
    fleet_start(f, DATA);
    fleet_add_mesh(f, "shop", 2);
}

/* --- a member whose facts are read --- */

static struct member *add_member(struct fleet *f, const char *name)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    struct member *mb = xcalloc(1, sizeof *mb + strlen(key) + 1);
    *mb = (struct member){.manager = &f->m, .ns = xstrdup("fleet"), .name = xstrdup(name)};
    memcpy(mb->key, key, strlen(key) + 1);
    HASH_ADD_STR(f->m.members, key, mb);
    return mb;
}

static void stop(struct fleet *f)
{
    while (f->m.members) {
        struct member *mb = f->m.members;
        HASH_DEL(f->m.members, mb);
        member_facts_done(&mb->facts);
        free(mb->ns);
        free(mb->name);
        free(mb);
    }
    fleet_stop(f);
}

static const char *answer_nodes(struct fleet *f, const struct cluster *c, const char *path)
{
    (void)f;
    if (str_starts(path, "/apis/networking.k8s.io/v1/servicecidrs"))
        return "{\"items\":[{\"spec\":{\"cidrs\":[\"10.96.0.0/16\",\"fd96::/108\"]}}]}";
    if (!str_starts(path, "/api/v1/nodes"))
        return NULL;
    if (str_eq(c->name, "shop-1"))
        return "{\"items\":[{\"spec\":{\"podCIDRs\":[\"10.1.1.0/24\"]}}]}";
    if (strstr(path, "continue=a%2Fb"))
        return "{\"items\":[{\"spec\":{\"podCIDRs\":[\"10.1.1.0/24\"]}}]}";
    return "{\"metadata\":{\"continue\":\"a/b\"},\"items\":[{\"spec\":{\"podCIDRs\":[\"10.1.0.0/"
           "24\","
           "\"fd01::/64\"]}},{\"spec\":{}},{\"spec\":{\"podCIDRs\":[\"nonsense\"]}}]}";
}

static const char *answer_istiods(struct fleet *f, const struct cluster *c, const char *path)
{
    (void)f;
    if (!str_eq(c->name, "shop-1") || !strstr(path, "/deployments?labelSelector=app%3Distiod"))
        return NULL;
    return "{\"items\":[{\"metadata\":{\"namespace\":\"istio-system\",\"name\":\"istiod\"}},"
           "{\"metadata\":{\"namespace\":\"istio-system\",\"name\":\"istiod-x\",\"labels\":{"
           "\"app.kubernetes.io/managed-by\":\"meshwright\",\"meshwright.dev/"
           "owner-uid\":\"u\"}}}]}";
}

static void facts_are_read_before_anything_is_written(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    f.answer = answer_nodes;
    struct member *a = add_member(&f, "shop-0"), *b = add_member(&f, "shop-1");
    assert_rejected(&f, "Checking", false);
    member_facts_refresh(a);
    member_facts_refresh(b);
    assert_rejected(&f, "PodRangesOverlap", true);
    assert_string_equal(a->facts.pod_ranges[0], "10.1.0.0/23"); /* two pages, joined */
    assert_string_equal(a->facts.pod_ranges[1], "fd01::/64");
    assert_null(a->facts.pod_ranges[2]);
    assert_string_equal(a->facts.service_ranges[0], "10.96.0.0/16");
    assert_string_equal(b->facts.pod_ranges[0], "10.1.1.0/24");
    json_object_set_new(spec_of(&f, API_KIND_MEMBER_CLUSTER, "shop-1"), "podCIDRs",
                        json_pack("[s]", "10.2.0.0/16"));
    accept_now(&f);
    stop(&f);
}

static void what_is_read_ends_with_the_member_or_the_client(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct member *a = add_member(&f, "shop-0"), *b = add_member(&f, "shop-1");
    member_facts_refresh(a);
    member_facts_refresh(b);
    assert_non_null(b->facts.reading);
    HASH_DEL(f.m.members, a);
    member_facts_done(&a->facts);
    free(a->ns);
    free(a->name);
    free(a);
    stop(&f);
}

static void facts_are_read_again(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct member *a = add_member(&f, "shop-0");
    member_facts_refresh(a);
    fleet_run(&f, 1000);
    assert_true(a->facts.read && !a->facts.reading);
    assert_null(a->facts.pod_ranges[0]);
    f.answer = answer_nodes;
    member_facts_refresh(a); /* too early */
    assert_null(a->facts.reading);
    clock_virtual_advance(&f.clock, FACTS_EVERY_MS);
    member_facts_refresh(a);
    fleet_run(&f, 1000);
    assert_string_equal(a->facts.pod_ranges[0], "10.1.0.0/23");
    stop(&f);
}

/* --- one test per reason --- */

static void one_cluster_under_two_names(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    free(cluster(&f, "shop-1")->uid);
    cluster(&f, "shop-1")->uid = xstrdup("shop-0");
    assert_rejected(&f, "DuplicateCluster", true);
    fleet_stop(&f);
}

static void one_cluster_in_two_meshes(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    free(cluster(&f, "shop-1")->uid);
    cluster(&f, "shop-1")->uid = xstrdup("bank-0");
    fleet_add_cluster(&f, "bank-0");
    fleet_hub_object(&f, API_KIND_MESH, "bank",
                     json_pack("{s:[{s:s}]}", "clusters", "name", "bank-0"));
    assert_rejected(&f, "DuplicateCluster", true); /* bank is the older one */
    manager_enqueue(&f.m, API_KIND_MESH, "fleet/bank", 0);
    fleet_run(&f, 10000);
    assert_string_equal(jx_str(condition(&f, "bank", "ResolvedRefs"), "status"), "True");
    fleet_stop(&f);
}

static void a_trust_domain_of_two_meshes(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    fleet_hub_object(&f, API_KIND_MESH, "bank",
                     json_pack("{s:[], s:{s:s}}", "clusters", "trust", "domain", "shop.mesh"));
    assert_rejected(&f, "TrustDomainInUse", true);
    json_object_set_new(spec_of(&f, API_KIND_MESH, "bank"), "trust",
                        json_pack("{s:s}", "domain", "bank.mesh"));
    accept_now(&f);
    fleet_stop(&f);
}

static void a_trust_domain_that_is_no_name(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    json_object_set_new(spec_of(&f, API_KIND_MESH, "shop"), "trust",
                        json_pack("{s:s}", "domain", "10.1.2.3"));
    assert_rejected(&f, "TrustDomainInvalid", true);
    fleet_stop(&f);
}

static void set_ranges(struct fleet *f, const char *member, const char *field, const char *range)
{
    json_object_set_new(spec_of(f, API_KIND_MEMBER_CLUSTER, member), field,
                        json_pack("[s]", range));
}

static void pods_of_one_network_share_addresses(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    set_ranges(&f, "shop-0", "podCIDRs", "10.0.0.0/8");
    set_ranges(&f, "shop-1", "podCIDRs", "10.7.0.0/16");
    assert_rejected(&f, "PodRangesOverlap", true);
    set_ranges(&f, "shop-0", "podCIDRs", "10.6.0.0/16");
    accept_now(&f);
    fleet_stop(&f);
}

static void pods_share_addresses_with_services(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    set_ranges(&f, "shop-0", "podCIDRs", "10.6.0.0/16");
    set_ranges(&f, "shop-1", "serviceCIDRs", "10.6.0.0/20");
    assert_rejected(&f, "ServiceRangeOverlap", true);
    set_ranges(&f, "shop-1", "serviceCIDRs", "10.96.0.0/12");
    set_ranges(&f, "shop-0", "serviceCIDRs",
               "10.96.0.0/12"); /* they mean something only within each */
    accept_now(&f);
    fleet_stop(&f);
}

static void pods_of_two_meshes_share_addresses(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    fleet_add_cluster(&f, "bank-0");
    fleet_hub_object(&f, API_KIND_MESH, "bank", json_pack("{s:{}}", "clusterSelector"));
    json_t *bank = spec_of(&f, API_KIND_MESH, "bank");
    json_object_clear(bank);
    json_object_set_new(bank, "clusters", json_pack("[{s:s}]", "name", "bank-0"));
    set_ranges(&f, "bank-0", "podCIDRs", "10.6.0.0/16");
    set_ranges(&f, "shop-1", "podCIDRs", "10.6.128.0/17");
    assert_rejected(&f, "PodRangesOverlap", true);
    json_object_set_new(spec_of(&f, API_KIND_MEMBER_CLUSTER, "bank-0"), "network",
                        json_string("elsewhere"));
    accept_now(&f);
    fleet_stop(&f);
}

static void a_control_plane_of_somebody_else(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    f.answer = answer_istiods;
    member_facts_refresh(add_member(&f, "shop-0"));
    member_facts_refresh(add_member(&f, "shop-1"));
    assert_rejected(&f, "ForeignControlPlane", true);
    assert_non_null(strstr(jx_str(condition(&f, "shop", "Ready"), "message"),
                           "Deployment istio-system/istiod;"));
    json_t *two =
        json_array_get(json_object_get(spec_of(&f, API_KIND_MESH, "shop"), "clusters"), 1);
    json_object_set_new(two, "adopt", json_true());
    f.refusal = (struct fleet_refusal){.cluster = "shop-1", .only = "istiod", .status = 409};
    accept_now(&f); /* the fields of others are taken, which only force does */
    assert_true(f.refusal.forced > 0 && f.refusal.forced == f.refusal.asked);
    stop(&f);
}

static void a_remote_of_somebody_else(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    auto_json *service =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{}}", "apiVersion", "v1", "kind", "Service",
                  "metadata", "namespace", "istio-system", "name", "istiod", "spec");
    fleet_show(&f, cluster(&f, "shop-0"), service, false);
    assert_rejected(&f, "ForeignControlPlane", true);
    fleet_stop(&f);
}

static void a_network_label_of_somebody_else(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    auto_json *ns =
        json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
                  "metadata", "name", "istio-system", "labels", "topology.istio.io/network", "dc7");
    fleet_show(&f, cluster(&f, "shop-1"), ns, false);
    assert_rejected(&f, "NetworkMismatch", true);
    fleet_hide(&cluster(&f, "shop-1")->watches[1], NULL, "istio-system");
    accept_now(&f);
    fleet_stop(&f);
}

static void an_old_kubernetes(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    cluster(&f, "shop-1")->minor = TOPO_KUBE_MINOR_MIN - 1;
    assert_rejected(&f, "VersionUnsupported", true);
    fleet_stop(&f);
}

static void clocks_that_differ(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    cluster(&f, "shop-1")->skew_s = -TOPO_SKEW_MAX_S - 1;
    assert_rejected(&f, "ClockSkew", false);
    cluster(&f, "shop-1")->skew_s = 0;
    accept_now(&f);
    fleet_stop(&f);
}

/* What is installed is kept in order; the condition says what is wrong all the same. */
static void what_is_installed_is_kept(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    fleet_run(&f, 10000);
    int writes = f.writes;
    struct cluster *c = cluster(&f, "shop-1");
    c->skew_s = 4000;
    cluster_touch(c);
    fleet_run(&f, 5000);
    assert_string_equal(jx_str(condition(&f, "shop", "ResolvedRefs"), "reason"), "ClockSkew");
    assert_int_equal(f.writes, writes);
    for (size_t i = 0; i < c->n_watches; i++)
        if (str_eq(c->watches[i].gvr->kind, "Deployment"))
            fleet_hide(&c->watches[i], "istio-system", "istiod");
    fleet_run(&f, 5000);
    assert_int_equal(f.writes, writes + 1);
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_read_before_anything_is_written),
        cmocka_unit_test(what_is_read_ends_with_the_member_or_the_client),
        cmocka_unit_test(facts_are_read_again),
        cmocka_unit_test(one_cluster_under_two_names),
        cmocka_unit_test(one_cluster_in_two_meshes),
        cmocka_unit_test(a_trust_domain_of_two_meshes),
        cmocka_unit_test(a_trust_domain_that_is_no_name),
        cmocka_unit_test(pods_of_one_network_share_addresses),
        cmocka_unit_test(pods_share_addresses_with_services),
        cmocka_unit_test(pods_of_two_meshes_share_addresses),
        cmocka_unit_test(a_control_plane_of_somebody_else),
        cmocka_unit_test(a_remote_of_somebody_else),
        cmocka_unit_test(a_network_label_of_somebody_else),
        cmocka_unit_test(an_old_kubernetes),
        cmocka_unit_test(clocks_that_differ),
        cmocka_unit_test(what_is_installed_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
