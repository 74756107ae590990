/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "topology/topology.h"

#define N(x)        (sizeof(x) / sizeof *(x))
#define RANGES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct topo_mesh shop = {.name = "shop", .trust_domain = "shop.mesh"};

/* Two clusters with which nothing is wrong; a test changes one thing. */
static void good(struct topo_site s[2])
{
    static const char *const pods_1[] = {"10.1.0.0/16", "fd01::/48", NULL};
    static const char *const pods_2[] = {"10.2.0.0/16", "fd02::/48", NULL};
    static const char *const services[] = {"10.96.0.0/12", NULL};
    s[0] = (struct topo_site){.cluster = "c1",
                              .uid = "u1",
                              .network = "lan",
                              .pod_ranges = pods_1,
                              .service_ranges = services,
                              .minor = 37};
    s[1] = (struct topo_site){.cluster = "c2",
                              .uid = "u2",
                              .network = "lan",
                              .pod_ranges = pods_2,
                              .service_ranges = services,
                              .minor = 37};
}

/* What is found for these sites and other meshes, as "reason cluster, ..."; the first message too. */
static const char *check_all(struct arena *a, const struct topo_site *s, size_t n,
                             const struct topo_mesh *mesh, const struct topo_mesh *others,
                             size_t n_others, const char **message)
{
    struct topo_problem *p;
    const char *text = "";
    size_t found = topo_check(a, mesh, s, n, others, n_others, &p);
    for (size_t i = 0; i < found; i++)
        text = arena_printf(a, "%s%s%s %s", text, i ? ", " : "", p[i].reason,
                            p[i].cluster ? p[i].cluster : "*");
    if (message)
        *message = found ? p[0].message : "";
    return text;
}

static const char *check_sites(struct arena *a, const struct topo_site *s, const char **message)
{
    return check_all(a, s, 2, &shop, NULL, 0, message);
}

static void test_nothing_is_wrong(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_site s[2];
    good(s);
    assert_string_equal(check_sites(&a, s, NULL), "");
    s[0] = (struct topo_site){.cluster = "c1", .network = "lan"}; /* nothing known of it yet */
    assert_string_equal(check_sites(&a, s, NULL), "");
}

static void test_one_cluster_twice(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message;
    struct topo_site s[2];
    good(s);
    s[1].uid = "u1";
    assert_string_equal(check_sites(&a, s, &message), "DuplicateCluster *");
    assert_non_null(strstr(message, "MemberClusters c1 and c2 are the same cluster"));
    good(s);
    s[0].mesh = "bank";
    s[1].uid = "u1";
    assert_string_equal(check_sites(&a, s, &message), "DuplicateCluster c2");
    assert_non_null(strstr(message, "the first in Mesh bank"));
    s[0].yields = true; /* the other one is told */
    assert_string_equal(check_sites(&a, s, NULL), "");
}

static void test_pods_share_addresses(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message;
    struct topo_site s[2];
    good(s);
    s[1].pod_ranges = RANGES("10.9.0.0/16", "10.1.128.0/24");
    assert_string_equal(check_sites(&a, s, &message), "PodRangesOverlap c2");
    assert_non_null(strstr(message, "cluster c1 (10.1.0.0/16)"));
    assert_non_null(strstr(message, "cluster c2 (10.1.128.0/24)"));
    s[0].mesh = "bank";
    assert_string_equal(check_sites(&a, s, &message), "PodRangesOverlap c2");
    assert_non_null(strstr(message, "cluster c1 of Mesh bank"));
    s[1].network = "other";
    assert_string_equal(check_sites(&a, s, NULL), "");
    good(s);
    s[1].pod_ranges = RANGES("fd01::/64");
    assert_string_equal(check_sites(&a, s, NULL), "PodRangesOverlap c2");
}

static void test_pods_have_addresses_of_services(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message;
    struct topo_site s[2];
    good(s);
    s[1].service_ranges = RANGES("10.1.64.0/20");
    assert_string_equal(check_sites(&a, s, &message), "ServiceRangeOverlap c2");
    assert_non_null(strstr(message, "the services of cluster c2 (10.1.64.0/20)"));
    good(s);
    s[0].service_ranges = RANGES("10.2.0.0/16");
    assert_string_equal(check_sites(&a, s, &message), "ServiceRangeOverlap c2");
    assert_non_null(strstr(message, "the services of cluster c1 (10.2.0.0/16)"));
    s[0].network = "other";
    assert_string_equal(check_sites(&a, s, NULL), "");
}

static void test_another_control_plane(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message;
    struct topo_site s[2];
    good(s);
    s[0].foreign_istiod = "istio-system/istiod";
    s[0].in_place = true;
    assert_string_equal(check_sites(&a, s, &message), "ForeignControlPlane c1");
    assert_non_null(strstr(message, "adopt: true"));
    s[0].adopt = true;
    assert_string_equal(check_sites(&a, s, NULL), "");
    s[0].foreign_istiod = "mesh/istiod-canary";
    s[0].in_place = false;
    assert_string_equal(check_sites(&a, s, &message), "ForeignControlPlane c1");
    assert_null(strstr(message, "adopt"));
}

static void test_network_label_of_somebody_else(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_site s[2];
    good(s);
    s[1].live_network = "lan";
    assert_string_equal(check_sites(&a, s, NULL), "");
    s[1].live_network = "dc2";
    assert_string_equal(check_sites(&a, s, NULL), "NetworkMismatch c2");
    s[1].adopt = true;
    assert_string_equal(check_sites(&a, s, NULL), "");
}

static void test_old_kubernetes(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message;
    struct topo_site s[2];
    good(s);
    s[1].minor = TOPO_KUBE_MINOR_MIN;
    assert_string_equal(check_sites(&a, s, NULL), "");
    s[1].minor = TOPO_KUBE_MINOR_MIN - 1;
    assert_string_equal(check_sites(&a, s, &message), "VersionUnsupported c2");
    assert_non_null(strstr(message, "1.31; Istio needs 1.32"));
}

static void test_clocks(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message, *again;
    struct topo_site s[2];
    good(s);
    s[0].skew_s = TOPO_SKEW_MAX_S;
    s[1].skew_s = -TOPO_SKEW_MAX_S;
    assert_string_equal(check_sites(&a, s, NULL), "");
    s[0].skew_s = TOPO_SKEW_MAX_S + 1;
    assert_string_equal(check_sites(&a, s, &message), "ClockSkew c1");
    s[0].skew_s = 86400;
    assert_string_equal(check_sites(&a, s, &again), "ClockSkew c1");
    assert_string_equal(message, again);
    s[1].skew_s = -TOPO_SKEW_MAX_S - 1;
    assert_string_equal(check_sites(&a, s, NULL), "ClockSkew c1, ClockSkew c2");
}

static void test_trust_domains(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const char *message;
    struct topo_mesh bank = {.name = "bank", .trust_domain = "bank.mesh"};
    assert_string_equal(check_all(&a, NULL, 0, &shop, &bank, 1, NULL), "");
    bank.trust_domain = "shop.mesh";
    assert_string_equal(check_all(&a, NULL, 0, &shop, &bank, 1, &message), "TrustDomainInUse *");
    assert_non_null(strstr(message, "Mesh bank"));
    bank.yields = true;
    assert_string_equal(check_all(&a, NULL, 0, &shop, &bank, 1, NULL), "");
    static const char *const bad[] = {"10.0.0.1", "7", "a..b"};
    for (size_t i = 0; i < N(bad); i++) {
        struct topo_mesh m = {.name = "shop", .trust_domain = bad[i]};
        assert_string_equal(check_all(&a, NULL, 0, &m, NULL, 0, NULL), "TrustDomainInvalid *");
    }
}

/* The gravest first: what makes the whole mesh impossible, then single clusters. */
static void test_order_and_bound(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_mesh bank = {.name = "bank", .trust_domain = "shop.mesh"};
    struct topo_site s[2], many[64];
    struct topo_problem *p;
    good(s);
    s[0].skew_s = 1000;
    s[1].uid = "u1";
    s[1].minor = 20;
    assert_string_equal(
        check_all(&a, s, 2, &shop, &bank, 1, NULL),
        "TrustDomainInUse *, DuplicateCluster *, VersionUnsupported c2, ClockSkew c1");
    for (size_t i = 0; i < N(many); i++)
        many[i] = s[1];
    assert_int_equal(topo_check(&a, &shop, many, N(many), NULL, 0, &p), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_wrong),
        cmocka_unit_test(test_one_cluster_twice),
        cmocka_unit_test(test_pods_share_addresses),
        cmocka_unit_test(test_pods_have_addresses_of_services),
        cmocka_unit_test(test_another_control_plane),
        cmocka_unit_test(test_network_label_of_somebody_else),
        cmocka_unit_test(test_old_kubernetes),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_trust_domains),
        cmocka_unit_test(test_order_and_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
