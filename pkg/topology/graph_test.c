/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof *(a))

static const struct topo_member lan[] = {
    {.cluster = "c1", .network = "n1"},
    {.cluster = "c2", .network = "n1"},
};
static const struct topo_member two[] = {
    {.cluster = "c1", .network = "n1"},
    {.cluster = "c2", .network = "n1"},
    {.cluster = "c3", .network = "n2"},
};
/* c2 is a Remote of c1 elsewhere, c3 one of c4 beside it, c5 is on its way out. */
static const struct topo_member mixed[] = {
    {.cluster = "c1", .network = "n1"},
    {.cluster = "c2", .network = "n2", .remote = true, .primary = "c1"},
    {.cluster = "c3", .network = "n2", .remote = true, .primary = "c4"},
    {.cluster = "c4", .network = "n2"},
    {.cluster = "c5", .network = "n3", .remote = true, .primary = "c4", .leaves = true},
};

static void test_primary_of(void **state)
{
    (void)state;
    const struct topo_member only[] = {
        {.cluster = "c1", .remote = true},
        {.cluster = "c2", .leaves = true},
        {.cluster = "c3"},
    };
    assert_int_equal(topo_primary_of(only, 3, 0), 2); /* the only one that stays */
    assert_int_equal(topo_primary_of(mixed, 5, 1), 0);
    assert_int_equal(topo_primary_of(mixed, 5, 2), 3);
    const struct topo_member lost[] = {{.cluster = "c1", .remote = true, .primary = "c9"},
                                       {.cluster = "c2"}};
    assert_int_equal(topo_primary_of(lost, 2, 0), 2);
}

static void test_networks(void **state)
{
    (void)state;
    assert_int_equal(topo_count_networks(lan, N(lan)), 1);
    assert_int_equal(topo_count_networks(two, N(two)), 2);
    assert_int_equal(topo_count_networks(mixed, N(mixed)), 2);
}

static void test_what_a_gateway_is_for(void **state)
{
    (void)state;
    struct topo_gateway_need none = topo_gateway_need(lan, N(lan), 0);
    assert_false(none.whole_mesh || none.istiod || none.exports);
    assert_true(topo_gateway_need(two, N(two), 1).whole_mesh);
    assert_true(topo_gateway_need(mixed, N(mixed), 0).istiod);
    assert_true(topo_gateway_need(mixed, N(mixed), 0).webhooks);
    assert_false(topo_gateway_need(mixed, N(mixed), 1).istiod);
    assert_true(topo_gateway_need(mixed, N(mixed), 3).istiod);
    assert_false(topo_gateway_need(mixed, N(mixed), 4).whole_mesh);
}

/* Which gateways each member must know: "x" in the place of those. */
static void assert_knows(const struct topo_member *m, size_t n, size_t at, const char *want)
{
    char got[16] = "";
    for (size_t i = 0; i < n; i++)
        got[i] = topo_needs_gateway_of(m, n, at, i) ? 'x' : '.';
    assert_string_equal(got, want);
}

static void test_whose_gateways_are_known(void **state)
{
    (void)state;
    assert_knows(lan, N(lan), 0, "..");
    assert_knows(two, N(two), 0, "..x");
    assert_knows(two, N(two), 2, "xx.");
    assert_knows(mixed, N(mixed), 0, "xxxx."); /* its Remote reaches even its own only so */
    assert_knows(mixed, N(mixed), 1, ".....");
    assert_knows(mixed, N(mixed), 3, "x....");
    assert_true(topo_spans(mixed, N(mixed), 0));
    assert_false(topo_spans(mixed, N(mixed), 3));
    assert_false(topo_spans(two, N(two), 0));
}

/* --- machines --- */

static const char *const on_the_lan[] = {"n1", NULL};
static const char *const elsewhere[] = {"dc3", "n1", NULL};

static void test_machines_beside_their_cluster(void **state)
{
    (void)state;
    struct topo_member m[] = {lan[0], lan[1]};
    m[0].machines = on_the_lan;
    struct topo_gateway_need need = topo_gateway_need(m, N(m), 0);
    assert_true(need.istiod);
    assert_false(need.webhooks || need.whole_mesh ||
                 need.exports); /* no API server asks for 15017 */
    need = topo_gateway_need(m, N(m), 1);
    assert_false(need.istiod || need.whole_mesh);
    assert_int_equal(topo_count_networks(m, N(m)), 1);
    assert_false(topo_spans(m, N(m), 0));
    assert_knows(m, N(m), 0, "..");
}

static void test_machines_on_a_network_of_their_own(void **state)
{
    (void)state;
    struct topo_member m[] = {lan[0], lan[1]};
    m[0].machines = elsewhere;
    assert_int_equal(topo_count_networks(m, N(m)), 2);
    assert_true(topo_gateway_need(m, N(m), 1).whole_mesh);
    assert_false(topo_gateway_need(m, N(m), 1).istiod);
    assert_knows(m, N(m), 0,
                 "xx"); /* its machines reach pods only so, those of its own cluster too */
    assert_knows(m, N(m), 1, "..");
    assert_true(topo_spans(m, N(m), 0));
    assert_false(topo_spans(m, N(m), 1));
}

static void test_machines_beside_another_cluster(void **state)
{
    (void)state;
    static const char *const there[] = {"n2", NULL};
    struct topo_member m[] = {two[0], two[1], two[2]};
    m[0].machines = there;
    assert_int_equal(topo_count_networks(m, N(m)), 2);
    assert_knows(m, N(m), 0, "xxx");
    assert_knows(m, N(m), 2, "xx.");
}

static void test_machines_of_who_leaves_or_has_no_istiod(void **state)
{
    (void)state;
    struct topo_member m[] = {lan[0], lan[1]};
    m[0].machines = m[1].machines = elsewhere;
    m[0].leaves = true;
    m[1].remote = true;
    assert_int_equal(topo_count_networks(m, N(m)), 1);
    assert_false(topo_gateway_need(m, N(m), 0).istiod || topo_gateway_need(m, N(m), 1).istiod);
}

static void test_machines_behind_a_gateway(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    static const char *const all[] = {"dc3", "dc4", "n2", NULL};
    struct topo_member m[] = {two[0], two[1], two[2]};
    m[0].machines = all;
    assert_null(
        topo_machines_behind(&a, m, N(m), 0)[0]); /* within the mesh they are reached directly */
    m[0].exports_across = m[1].exports_across = true;
    const char *const *behind = topo_machines_behind(&a, m, N(m), 0);
    assert_string_equal(behind[0], "dc3");
    assert_string_equal(behind[1], "dc4");
    assert_null(behind[2]); /* n2 has a gateway of its own */
    assert_null(topo_machines_behind(&a, m, N(m), 1)[0]);
}

static void test_where_machines_attach(void **state)
{
    (void)state;
    static const struct {
        const char *named, *last;
        size_t want;
        enum topo_machines_trouble why;
    } rows[] = {
        {NULL, NULL, 0, TOPO_MACHINES_FINE},       {NULL, "c4", 3, TOPO_MACHINES_FINE},
        {NULL, "c2", 0, TOPO_MACHINES_FINE},       {NULL, "c9", 0, TOPO_MACHINES_FINE},
        {"c4", "c1", 3, TOPO_MACHINES_FINE},       {"c2", "c1", 5, TOPO_MACHINES_REMOTE},
        {"c9", "c1", 5, TOPO_MACHINES_NOT_MEMBER}, {"c5", NULL, 5, TOPO_MACHINES_REMOTE},
    };
    enum topo_machines_trouble why;
    for (size_t i = 0; i < N(rows); i++) {
        assert_int_equal(topo_machines_primary(mixed, 5, rows[i].named, rows[i].last, &why),
                         rows[i].want);
        assert_int_equal(why, rows[i].why);
    }
    const struct topo_member gone[] = {{.cluster = "c1", .leaves = true}};
    assert_int_equal(topo_machines_primary(gone, 1, "c1", NULL, &why), 1);
    assert_int_equal(why, TOPO_MACHINES_LEAVES);
    assert_int_equal(topo_machines_primary(gone, 1, NULL, "c1", &why), 1);
    assert_int_equal(why, TOPO_MACHINES_NO_PRIMARY);
    assert_int_equal(topo_machines_primary(gone, 0, NULL, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_primary_of),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_what_a_gateway_is_for),
        cmocka_unit_test(test_whose_gateways_are_known),
        cmocka_unit_test(test_machines_beside_their_cluster),
        cmocka_unit_test(test_machines_on_a_network_of_their_own),
        cmocka_unit_test(test_machines_beside_another_cluster),
        cmocka_unit_test(test_machines_of_who_leaves_or_has_no_istiod),
        cmocka_unit_test(test_machines_behind_a_gateway),
        cmocka_unit_test(test_where_machines_attach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
