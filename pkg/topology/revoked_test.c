/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/revoked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/str.h"

#define TD "shop.mesh"

static struct topo_revoked entry(const char *ns, const char *account, const char *since)
{
    return (struct topo_revoked){{TD, ns, account}, "group", since};
}

/* "ns/account@since " of each. */
static void assert_list(const struct topo_revoked *list, size_t n, const char *want)
{
    char got[512] = "";
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s/%s@%s ", list[i].id.ns,
                                list[i].id.account, list[i].since);
    assert_string_equal(got, want);
}

static void test_what_ended_is_added_and_stays(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_revoked *list;
    bool full;
    const struct topo_revoked old[] = {entry("shop", "b", "1")};
    const struct topo_revoked ended[] = {entry("shop", "b", "2"), entry("shop", "a", "2"),
                                         entry("app", "z", "2")};
    size_t n = topo_revoked_merge(&a, old, 1, ended, 3, NULL, 0, &list, &full);
    assert_list(list, n, "app/z@2 shop/a@2 shop/b@1 "); /* since when it was */
    assert_false(full);
    n = topo_revoked_merge(&a, list, n, NULL, 0, NULL, 0, &list, &full);
    assert_list(list, n, "app/z@2 shop/a@2 shop/b@1 "); /* its group is gone */
}

static void test_who_is_named_is_let_in(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_revoked *list;
    bool full;
    const struct topo_revoked old[] = {entry("shop", "a", "1"), entry("shop", "b", "1")};
    const struct topo_revoked ended[] = {entry("shop", "c", "2")};
    const struct topo_identity named[] = {{TD, "shop", "b"}, {TD, "shop", "c"}, {TD, "app", "a"}};
    size_t n = topo_revoked_merge(&a, old, 2, ended, 1, named, 3, &list, &full);
    assert_list(list, n, "shop/a@1 ");
    const struct topo_identity other = {"bank.mesh", "shop", "a"};
    n = topo_revoked_merge(&a, old, 1, NULL, 0, &other, 1, &list, &full);
    assert_list(list, n, "shop/a@1 "); /* the same account of another domain */
}

/* A policy would take it for more than one identity, or for none. */
static void test_what_is_no_identity_is_left_out(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_revoked *list;
    bool full;
    const struct topo_revoked ended[] = {
        entry("*", "a", "1"),        entry("shop", "*", "1"),   entry("shop", "a/sa/b", "1"),
        entry("shop", "", "1"),      entry(NULL, "a", "1"),     entry("a.b", "a", "1"),
        entry("shop", "A", "1"),     {{"", "shop", "a"}, 0, 0}, {{"*", "shop", "a"}, 0, 0},
        entry("shop", "a.b-c", "1"),
    };
    size_t n =
        topo_revoked_merge(&a, ended, sizeof ended / sizeof *ended, NULL, 0, NULL, 0, &list, &full);
    assert_list(list, n, "shop/a.b-c@1 ");
}

static void test_a_full_list_keeps_what_it_has(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_revoked old[TOPO_REVOKED_MAX], *list;
    bool full;
    for (size_t i = 0; i < TOPO_REVOKED_MAX; i++)
        old[i] = entry("shop", arena_printf(&a, "m%03zu", i), "1");
    const struct topo_revoked ended[] = {entry("app", "a", "2")};
    size_t n = topo_revoked_merge(&a, old, TOPO_REVOKED_MAX, ended, 1, NULL, 0, &list, &full);
    assert_true(full);
    assert_int_equal(n, TOPO_REVOKED_MAX);
    assert_string_equal(list[0].id.ns, "shop");
    const struct topo_identity named = {TD, "shop", "m007"}; /* makes room */
    n = topo_revoked_merge(&a, old, TOPO_REVOKED_MAX, ended, 1, &named, 1, &list, &full);
    assert_false(full);
    assert_int_equal(n, TOPO_REVOKED_MAX);
    assert_string_equal(list[0].id.ns, "app");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_ended_is_added_and_stays),
        cmocka_unit_test(test_who_is_named_is_let_in),
        cmocka_unit_test(test_what_is_no_identity_is_left_out),
        cmocka_unit_test(test_a_full_list_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
