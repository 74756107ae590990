/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "topology/topology.h"

#define INJECTED "{\"istio-injection\":\"enabled\"}"
#define PORTS    "[{\"port\":80}]"
#define N(x)     (sizeof(x) / sizeof *(x))

static const struct topo_dns_rule rule_injected = {.mode = TOPO_DNS_INJECTED, .revision = ""};

static struct topo_namespace demo[] = {{"demo", INJECTED, false}};

static void test_entry_only_where_missing(void **state)
{
    (void)state;
    struct topo_service s1[] = {{"demo", "a", PORTS, false, true}};
    struct topo_service s2[] = {{"demo", "a", PORTS, false, true},
                                {"demo", "b", PORTS, false, true}};
    struct topo_cluster c[] = {{"c1", s1, N(s1), demo, 1}, {"c2", s2, N(s2), demo, 1}};
    auto_arena a = ARENA_INIT;
    struct topo_entry *e;
    assert_int_equal(topo_dns(&a, &rule_injected, c, 2, 0, &e), 1);
    assert_string_equal(e[0].name, "b");
    assert_int_equal(topo_dns(&a, &rule_injected, c, 2, 1, &e), 0);
}

static void test_our_entries_are_not_sources(void **state)
{
    (void)state;
    struct topo_service s1[] = {{"demo", "b", PORTS, true, true}};
    struct topo_cluster c[] = {{"c1", s1, N(s1), demo, 1}, {"c2", NULL, 0, demo, 1}};
    auto_arena a = ARENA_INIT;
    struct topo_entry *e;
    assert_int_equal(topo_dns(&a, &rule_injected, c, 2, 1, &e), 0);
    assert_int_equal(topo_dns(&a, &rule_injected, c, 2, 0, &e), 0);
}

static void test_entry_stays_while_ours_is_there(void **state)
{
    (void)state;
    struct topo_service s1[] = {{"demo", "b", PORTS, true, true}};
    struct topo_service s2[] = {{"demo", "b", PORTS, false, true}};
    struct topo_cluster c[] = {{"c1", s1, N(s1), demo, 1}, {"c2", s2, N(s2), demo, 1}};
    auto_arena a = ARENA_INIT;
    struct topo_entry *e;
    assert_int_equal(topo_dns(&a, &rule_injected, c, 2, 0, &e), 1);
}

static void test_first_cluster_by_name_gives_ports(void **state)
{
    (void)state;
    struct topo_service s2[] = {{"demo", "b", "[{\"port\":2}]", false, true}};
    struct topo_service s3[] = {{"demo", "b", "[{\"port\":3}]", false, true}};
    struct topo_cluster c[] = {
        {"c1", NULL, 0, demo, 1}, {"c3", s3, 1, demo, 1}, {"c2", s2, 1, demo, 1}};
    auto_arena a = ARENA_INIT;
    struct topo_entry *e;
    assert_int_equal(topo_dns(&a, &rule_injected, c, 3, 0, &e), 1);
    assert_string_equal(e[0].ports, "[{\"port\":2}]");
}

static void test_selection(void **state)
{
    (void)state;
    json_t *want = json_pack("{s:s}", "mesh", "yes");
    const struct topo_dns_rule none = {.mode = TOPO_DNS_NONE};
    const struct topo_dns_rule canary = {.mode = TOPO_DNS_INJECTED, .revision = "canary"};
    const struct topo_dns_rule selected = {.mode = TOPO_DNS_SELECTED, .match_labels = want};
    struct {
        const struct topo_dns_rule *rule;
        struct topo_namespace ns;
        bool yes;
    } cases[] = {
        {&rule_injected, {"x", INJECTED, false}, true},
        {&rule_injected, {"x", "{\"istio-injection\":\"disabled\"}", false}, false},
        {&rule_injected, {"x", "{\"istio.io/rev\":\"default\"}", false}, true},
        {&rule_injected, {"x", "{\"istio.io/rev\":\"canary\"}", false}, false},
        {&rule_injected, {"x", NULL, false}, false},
        {&rule_injected, {"x", INJECTED, true}, false},
        {&rule_injected, {"kube-system", INJECTED, false}, false},
        {&canary, {"x", "{\"istio.io/rev\":\"canary\"}", false}, true},
        {&canary, {"x", INJECTED, false}, false},
        {&none, {"x", INJECTED, false}, false},
        {&selected, {"x", "{\"mesh\":\"yes\",\"b\":\"c\"}", false}, true},
        {&selected, {"x", "{\"mesh\":\"no\"}", false}, false},
    };
    for (size_t i = 0; i < N(cases); i++)
        assert_int_equal(topo_selects(cases[i].rule, &cases[i].ns), cases[i].yes);
    json_decref(want);
}

static void test_no_entry_without_namespace_or_for_headless(void **state)
{
    (void)state;
    struct topo_namespace gone[] = {{"demo", INJECTED, true}};
    struct topo_service s2[] = {{"demo", "b", PORTS, false, true}};
    struct topo_service s3[] = {{"demo", "b", PORTS, false, false}};
    struct topo_cluster c[] = {
        {"c1", NULL, 0, NULL, 0}, {"c2", s2, 1, demo, 1}, {"c3", NULL, 0, gone, 1}};
    struct topo_cluster d[] = {{"c1", NULL, 0, demo, 1}, {"c2", s3, 1, demo, 1}};
    auto_arena a = ARENA_INIT;
    struct topo_entry *e;
    assert_int_equal(topo_dns(&a, &rule_injected, c, 3, 0, &e), 0);
    assert_int_equal(topo_dns(&a, &rule_injected, c, 3, 2, &e), 0);
    assert_int_equal(topo_dns(&a, &rule_injected, d, 2, 0, &e), 0);
}

static void test_claims(void **state)
{
    (void)state;
    const struct topo_claim claims[] = {
        {"young", "u1", "2026-01-02T00:00:00Z", "c1"},
        {"old", "u2", "2026-01-01T00:00:00Z", "c1"},
        {"b", "u3", "2026-01-01T00:00:00Z", "c2"},
        {"a", "u4", "2026-01-01T00:00:00Z", "c2"},
    };
    assert_string_equal(topo_claim_winner(claims, N(claims), "c1")->mesh, "old");
    assert_string_equal(topo_claim_winner(claims, N(claims), "c2")->mesh, "a");
    assert_null(topo_claim_winner(claims, N(claims), "c3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry_only_where_missing),
        cmocka_unit_test(test_our_entries_are_not_sources),
        cmocka_unit_test(test_entry_stays_while_ours_is_there),
        cmocka_unit_test(test_first_cluster_by_name_gives_ports),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_no_entry_without_namespace_or_for_headless),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
