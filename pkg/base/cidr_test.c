/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cidr.h"

#define N(x) (sizeof(x) / sizeof *(x))

static struct cidr range(const char *text)
{
    struct cidr c;
    assert_int_equal(cidr_parse(text, &c), 0);
    return c;
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"10.1.2.3/16", "10.1.0.0/16"},  {"0.0.0.0/0", "0.0.0.0/0"}, {"10.0.0.1/32", "10.0.0.1/32"},
        {"fd00:1::5/32", "fd00:1::/32"}, {"::/0", "::/0"},           {"fd00::1/128", "fd00::1/128"},
    };
    static const char *const bad[] = {"",    "10.0.0.0",    "10.0.0.0/33", "10.0.0/8",
                                      "x/8", "fd00::/129",  "10.0.0.0/",   "10.0.0.0/-1",
                                      "/8",  "10.0.0.0/8/8"};
    char text[CIDR_TEXT_MAX];
    struct cidr c;
    for (size_t i = 0; i < N(cases); i++) {
        c = range(cases[i].in);
        cidr_format(&c, text);
        assert_string_equal(text, cases[i].out);
    }
    for (size_t i = 0; i < N(bad); i++)
        assert_int_equal(cidr_parse(bad[i], &c), -1);
}

static void test_overlaps(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool yes;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.0/16", true},
        {"10.0.0.0/16", "10.1.0.0/16", false},
        {"10.0.0.0/16", "10.0.255.255/32", true},
        {"0.0.0.0/0", "192.168.1.0/24", true},
        {"0.0.0.0/0", "::/0", false},
        {"fd00::/8", "fd12:3456::/48", true},
        {"fd00::/48", "fd00:0:1::/48", false},
        {"10.0.0.0/9", "10.128.0.0/9", false},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct cidr a = range(cases[i].a), b = range(cases[i].b);
        assert_int_equal(cidr_overlaps(&a, &b), cases[i].yes);
        assert_int_equal(cidr_overlaps(&b, &a), cases[i].yes);
    }
}

static void check_merge(const char *const *in, size_t n, const char *const *out, size_t n_out)
{
    struct cidr v[300];
    char text[CIDR_TEXT_MAX];
    for (size_t i = 0; i < n; i++)
        v[i] = range(in[i]);
    assert_int_equal(cidr_merge(v, n), n_out);
    for (size_t i = 0; i < n_out; i++) {
        cidr_format(&v[i], text);
        assert_string_equal(text, out[i]);
    }
}

static void test_merge(void **state)
{
    (void)state;
    static const char *const nodes[] = {"10.1.3.0/24", "10.1.0.0/24", "10.1.2.0/24", "10.1.1.0/24"};
    static const char *const joined[] = {"10.1.0.0/22"};
    static const char *const holes[] = {"10.1.1.0/24", "10.1.2.0/24", "10.1.2.128/25", "fd00::/64"};
    static const char *const left[] = {"10.1.1.0/24", "10.1.2.0/24", "fd00::/64"};
    check_merge(nodes, N(nodes), joined, 1);
    check_merge(holes, N(holes), left, 3);
    check_merge(NULL, 0, NULL, 0);
}

/* All /24s of a /16, in an order that is none, are that /16. */
static void test_a_whole_range_of_nodes(void **state)
{
    (void)state;
    struct cidr v[256];
    char text[CIDR_TEXT_MAX];
    for (unsigned i = 0; i < 256; i++)
        v[i] = (struct cidr){.bits = 24, .address = {10, 7, (uint8_t)(i * 37 % 256)}};
    assert_int_equal(cidr_merge(v, 256), 1);
    cidr_format(&v[0], text);
    assert_string_equal(text, "10.7.0.0/16");
}

static void test_addresses(void **state)
{
    (void)state;
    assert_int_equal(cidr_address_family("10.0.0.1"), 4);
    assert_int_equal(cidr_address_family("fd00::1"), 6);
    assert_int_equal(cidr_address_family("10.0.0.0/8"), 0);
    assert_int_equal(cidr_address_family("lb.example.com"), 0);
    assert_int_equal(cidr_address_family(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_a_whole_range_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
