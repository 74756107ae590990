/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_format(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_MAX];
    clock_format(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00Z");
    clock_format(1767323045, out);
    assert_string_equal(out, "2026-01-02T03:04:05Z");
    clock_format(INT64_MAX, out);
    assert_string_equal(out, "");
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        int64_t want;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-02T03:04:05Z", 1767323045},
        {"2026-01-02T03:04:05.999999Z", 1767323045},
        {"2026-01-02T05:04:05+02:00", 1767323045},
        {"2026-01-01T21:34:05-05:30", 1767323045},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"1969-12-31T23:59:59Z", -1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t t = 0;
        assert_int_equal(clock_parse(good[i].s, &t), 0);
        assert_true(t == good[i].want);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        NULL,
        "",
        "now",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-1-2T03:04:05Z",
        "2026-01-02T03:04Z",
        "2026-13-02T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-02-30T03:04:05Z",
        "2025-02-29T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05z",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+2:00",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+02:00x",
        " 2026-01-02T03:04:05Z",
        "+026-01-02T03:04:05Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t t = 5;
        if (clock_parse(bad[i], &t) == 0)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(t, 5);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t t = -4000000000; t < 9000000000; t += 86399977) {
        char out[CLOCK_RFC3339_MAX];
        int64_t back = 0;
        clock_format(t, out);
        assert_int_equal(clock_parse(out, &back), 0);
        assert_true(back == t);
    }
}

static void test_virtual(void **state)
{
    (void)state;
    struct clock_virtual v = CLOCK_VIRTUAL(1900, 1700000000);
    assert_int_equal(clock_ms(&v.clock), 1900);
    clock_virtual_advance(&v, 99);
    assert_int_equal(clock_s(&v.clock), 1700000000);
    clock_virtual_advance(&v, 1);
    assert_int_equal(clock_s(&v.clock), 1700000001);
    clock_virtual_advance(&v, 5500);
    assert_int_equal(clock_ms(&v.clock), 7500);
    assert_int_equal(clock_s(&v.clock), 1700000006);
}

static void test_system(void **state)
{
    (void)state;
    int64_t before = clock_ms(&clock_system);
    assert_true(clock_ms(&clock_system) >= before);
    assert_true(clock_s(&clock_system) > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_virtual),       cmocka_unit_test(test_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
