/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct backoff b = {250, 60000};

static int64_t after(int *failures, enum err_class class, unsigned retry_after_ms)
{
    struct err err = {.class = class, .retry_after_ms = retry_after_ms};
    return backoff_after(&b, failures, &err, "mesh/shop");
}

static void doubles_within_bounds(void **state)
{
    (void)state;
    int failures = 0;
    int64_t base = 250;
    for (int i = 0; i < 40; i++) {
        assert_in_range(after(&failures, ERR_TRANSIENT, 0), base * 8 / 10, base * 12 / 10);
        base = base * 2 < 60000 ? base * 2 : 60000;
    }
    assert_int_equal(failures, 40);
    failures = INT_MAX;
    assert_in_range(after(&failures, ERR_TRANSIENT, 0), 48000, 72000);
    assert_int_equal(failures, INT_MAX);
}

static void success_forgets(void **state)
{
    (void)state;
    int failures = 7;
    assert_int_equal(backoff_after(&b, &failures, NULL, "a"), 0);
    assert_int_equal(failures, 0);
    assert_int_equal(backoff_wait(&b, 0, "a"), 0);
    assert_in_range(after(&failures, ERR_TRANSIENT, 0), 200, 300);
}

static void jitter_spreads_and_repeats(void **state)
{
    (void)state;
    int low = 0, high = 0;
    for (int i = 0; i < 400; i++) {
        char seed[24];
        snprintf(seed, sizeof seed, "cluster/c%d", i);
        int64_t ms = backoff_wait(&b, 1, seed);
        assert_int_equal(ms, backoff_wait(&b, 1, seed));
        assert_in_range(ms, 200, 300);
        low += ms < 220;
        high += ms > 280;
    }
    assert_true(low > 40 && high > 40); /* 80 each when even */
}

static void a_server_is_never_asked_too_early(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < 20; i++)
        assert_in_range(after(&failures, ERR_THROTTLED, 7000), 7000, 8400);
    assert_int_equal(failures, 20);
}

static void conflicts_slow_down(void **state)
{
    (void)state;
    int failures = 0;
    for (int i = 0; i < BACKOFF_CONFLICTS; i++)
        assert_int_equal(after(&failures, ERR_CONFLICT, 0), 250);
    assert_in_range(after(&failures, ERR_CONFLICT, 0), 1600, 2400);
}

static void what_only_an_edit_mends_waits_longest(void **state)
{
    (void)state;
    int failures = 0;
    assert_int_equal(after(&failures, ERR_INVALID, 0), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_within_bounds),
        cmocka_unit_test(success_forgets),
        cmocka_unit_test(jitter_spreads_and_repeats),
        cmocka_unit_test(a_server_is_never_asked_too_early),
        cmocka_unit_test(conflicts_slow_down),
        cmocka_unit_test(what_only_an_edit_mends_waits_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
