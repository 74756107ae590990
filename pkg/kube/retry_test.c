/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

enum { LEFT_MS = 10000 };

static void test_losses(void **state)
{
    struct http_result lost = {.fault = HTTP_LOST}, unsent = {.fault = HTTP_UNSENT};
    struct kube_retry reads = {0}, writes = {0};
    (void)state;
    for (int i = 0; i < KUBE_RETRY_LOSSES; i++) {
        int64_t d = kube_retry_delay(&reads, true, &lost, LEFT_MS, (uint64_t)i * 977);
        assert_in_range(d, 100, 1000);
        assert_in_range(kube_retry_delay(&writes, false, &unsent, LEFT_MS, 12345), 100, 1000);
    }
    assert_int_equal(kube_retry_delay(&reads, true, &lost, LEFT_MS, 1), -1);
    assert_int_equal(kube_retry_delay(&writes, false, &unsent, LEFT_MS, 1), -1);
}

/* Or a peer that fails at once, again and again, would hold the call for longer than one that is silent. */
static void test_no_time_left(void **state)
{
    struct http_result unsent = {.fault = HTTP_UNSENT};
    struct kube_retry r = {0};
    (void)state;
    assert_int_equal(kube_retry_delay(&r, true, &unsent, 100, 0), -1);
    assert_int_equal(kube_retry_delay(&r, true, &unsent, -5000, 0), -1);
    assert_int_equal(kube_retry_delay(&r, true, &unsent, 101, 0), 100);
}

/* The server may have done it. */
static void test_writes_are_not_repeated(void **state)
{
    static const enum http_fault faults[] = {HTTP_LOST, HTTP_TIMEOUT, HTTP_STOPPED, HTTP_UNTRUSTED};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct kube_retry r = {0};
        struct http_result h = {.fault = faults[i]};
        assert_int_equal(kube_retry_delay(&r, false, &h, LEFT_MS, 1), -1);
    }
}

static void test_throttles(void **state)
{
    struct kube_retry r = {0};
    struct http_result h = {.fault = HTTP_OK, .status = 429, .retry_after_ms = 1000};
    (void)state;
    for (int i = 0; i < KUBE_RETRY_THROTTLES; i++)
        assert_int_equal(kube_retry_delay(&r, false, &h, LEFT_MS, 1), 1000);
    assert_int_equal(kube_retry_delay(&r, false, &h, LEFT_MS, 1), -1);
    r = (struct kube_retry){0};
    h.retry_after_ms = 20000;
    assert_int_equal(kube_retry_delay(&r, false, &h, LEFT_MS, 1), 20000);
    assert_int_equal(kube_retry_delay(&r, false, &h, LEFT_MS, 1), -1); /* 40 s in all */
    h = (struct http_result){.fault = HTTP_OK, .status = 503, .retry_after_ms = 2000};
    assert_int_equal(kube_retry_delay(&r, false, &h, LEFT_MS, 1), 2000);
}

static void test_answers_are_answers(void **state)
{
    static const int statuses[] = {200, 201, 400, 401, 403, 404, 409, 410, 422, 500, 503, 504};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct kube_retry r = {0};
        struct http_result h = {.fault = HTTP_OK, .status = statuses[i]};
        assert_int_equal(kube_retry_delay(&r, true, &h, LEFT_MS, 1), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_no_time_left),
        cmocka_unit_test(test_writes_are_not_repeated),
        cmocka_unit_test(test_throttles),
        cmocka_unit_test(test_answers_are_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
