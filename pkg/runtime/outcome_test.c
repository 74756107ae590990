/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    enum err_class class;
    unsigned retry_after_ms;
    int64_t requeue_ms;
    enum outcome_action action;
    int64_t delay_ms;
};

static const struct row rows[] = {
    {ERR_NONE, 0, 0, OUTCOME_DONE, 0},
    {ERR_NONE, 0, 5000, OUTCOME_AFTER, 5000},
    {ERR_NONE, 0, -1, OUTCOME_DONE, 0},
    {ERR_TRANSIENT, 0, 0, OUTCOME_BACKOFF, 0},
    {ERR_TRANSIENT, 0, 5000, OUTCOME_BACKOFF, 0}, /* an error outranks the wish for another run */
    {ERR_THROTTLED, 0, 0, OUTCOME_BACKOFF, 0},
    {ERR_THROTTLED, 7000, 0, OUTCOME_AFTER, 7000},
    {ERR_THROTTLED, 4000000000U, 0, OUTCOME_AFTER, 60000},
    {ERR_CONFLICT, 0, 0, OUTCOME_NOW, 250},
    {ERR_NOT_FOUND, 0, 0, OUTCOME_BACKOFF, 0},
    {ERR_EXPIRED, 0, 0, OUTCOME_BACKOFF, 0},
    {ERR_UNAUTHORIZED, 0, 0, OUTCOME_BACKOFF, 0},
    {ERR_FORBIDDEN, 0, 0, OUTCOME_BACKOFF, 0},
    {ERR_INVALID, 0, 5000, OUTCOME_STOP, 0},
    {ERR_BUG, 0, 0, OUTCOME_BACKOFF, 0},
};

static void every_class_has_its_outcome(void **state)
{
    (void)state;
    bool seen[ERR_BUG + 1] = {false};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct err err = {.class = r->class, .retry_after_ms = r->retry_after_ms};
        struct outcome o = outcome_of(&err, r->requeue_ms);
        if (o.action != r->action || o.delay_ms != r->delay_ms)
            fail_msg("row %zu (%s): action %u, delay %lld", i, err_class_name(r->class), o.action,
                     (long long)o.delay_ms);
        seen[r->class] = true;
    }
    for (size_t c = 0; c <= ERR_BUG; c++)
        assert_true(seen[c]);
}

static void no_error_is_success(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(NULL, 0).action, OUTCOME_DONE);
    struct outcome o = outcome_of(NULL, 30000);
    assert_int_equal(o.action, OUTCOME_AFTER);
    assert_int_equal(o.delay_ms, 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_has_its_outcome),
        cmocka_unit_test(no_error_is_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
