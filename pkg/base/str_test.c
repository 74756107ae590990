/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_equal(void **state)
{
    (void)state;
    assert_true(str_eq(NULL, NULL));
    assert_true(str_eq("a", "a"));
    assert_false(str_eq("a", NULL));
    assert_false(str_eq(NULL, ""));
    assert_true(str_starts("abc", "ab") && str_starts("abc", "") && !str_starts("a", "ab"));
    assert_false(str_starts(NULL, "") || str_ends(NULL, ""));
    assert_true(str_ends("abc", "bc") && str_ends("abc", "") && !str_ends("c", "bc"));
    assert_string_equal(str_or(NULL, "x"), "x");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        int64_t min, max, want;
        int r;
    } cases[] = {
        {"0", 0, 9, 0, 0},
        {"-0", 0, 9, 0, 0},
        {"007", 0, 9, 7, 0},
        {"65535", 1, 65535, 65535, 0},
        {"65536", 1, 65535, 0, -1},
        {"0", 1, 65535, 0, -1},
        {"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, 0},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, 0},
        {"9223372036854775808", INT64_MIN, INT64_MAX, 0, -1},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, 0, -1},
        {"99999999999999999999999", INT64_MIN, INT64_MAX, 0, -1},
        {"", 0, 9, 0, -1},
        {"-", -9, 9, 0, -1},
        {"--1", -9, 9, 0, -1},
        {"+1", 0, 9, 0, -1},
        {" 1", 0, 9, 0, -1},
        {"1 ", 0, 9, 0, -1},
        {"1x", 0, 9, 0, -1},
        {"0x1", 0, 9, 0, -1},
        {NULL, 0, 9, 0, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 77;
        assert_int_equal(str_to_i64(cases[i].s, cases[i].min, cases[i].max, &v), cases[i].r);
        assert_true(v == (cases[i].r ? 77 : cases[i].want));
    }
}

static void test_order(void **state)
{
    (void)state;
    const char *v[] = {"b", NULL, "a", "", "B"};
    qsort(v, 5, sizeof *v, str_cmp_ptr);
    assert_null(v[0]);
    assert_string_equal(v[1], "");
    assert_string_equal(v[2], "B");
    assert_string_equal(v[4], "b");
    assert_int_equal(str_cmp(NULL, NULL), 0);
}

static void test_hex(void **state)
{
    (void)state;
    char out[7];
    str_hex("\x00\xff\x1a", 3, out);
    assert_string_equal(out, "00ff1a");
    str_hex("", 0, out);
    assert_string_equal(out, "");
}

static void test_hash(void **state)
{
    (void)state;
    assert_true(str_hash("") == 0xcbf29ce484222325ULL); /* FNV's own test vectors */
    assert_true(str_hash("a") == 0xaf63dc4c8601ec8cULL);
    assert_true(str_hash("foobar") == 0x85944171f73967e8ULL);
    assert_true(str_hash_more(str_hash("foo"), "bar") == str_hash("foobar"));
    assert_true(str_hash_more(5, NULL) == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal), cmocka_unit_test(test_numbers), cmocka_unit_test(test_order),
        cmocka_unit_test(test_hex),   cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
