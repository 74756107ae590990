/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

static struct gateway_report good(void)
{
    return (struct gateway_report){.accepted = verdict_yes("Accepted", "a"),
                                   .resolved = verdict_yes("Resolved", "r")};
}

static const char *reason(const json_t *status, const char *type)
{
    return str_or(jx_str(cond_find(json_object_get(status, "conditions"), type), "reason"), "");
}

static void the_worst_counts(void **state)
{
    (void)state;
    struct verdict y = verdict_yes("Y", ""), u = verdict_early("U", ""), n = verdict_no("N", ""),
                   s = verdict_stalled("S", "");
    struct verdict order[] = {y, u, n, s};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            assert_string_equal(verdict_worse(order[i], order[k]).reason,
                                order[i > k ? i : k].reason);
    struct verdict other = verdict_no("M", "");
    assert_string_equal(verdict_worse(n, other).reason, "N"); /* of two alike the first */
}

static void all_well_is_ready(void **state)
{
    (void)state;
    struct gateway_report r = good();
    static const char *const one[] = {"10.0.0.1"}, *const two[] = {"10.0.0.1", "lb.x"};
    struct gateway_row *a = gateway_report_row(&r, "a");
    *a = (struct gateway_row){"a", one, 1, verdict_yes("Programmed", "p")};
    struct gateway_row *b = gateway_report_row(&r, "b");
    *b = (struct gateway_row){"b", two, 2, verdict_yes("Programmed", "p")};
    assert_ptr_equal(gateway_report_row(&r, "a"), a);
    auto_json *status = gateway_status(&r, NULL, 3, 1700000000);
    assert_true(cond_is_true(json_object_get(status, "conditions"), "Ready"));
    assert_null(cond_find(json_object_get(status, "conditions"), "Reconciling"));
    assert_int_equal(jx_int(status, "observedGeneration", 0), 3);
    assert_string_equal(jx_str(status, "summary.address"), "10.0.0.1 +1"); /* each once */
    auto_json *same = gateway_status(&r, status, 3, 1800000000);
    assert_true(json_equal(status, same)); /* nothing to write */
}

static void nothing_looked_at_is_not_ready(void **state)
{
    (void)state;
    struct gateway_report r = good();
    auto_json *status = gateway_status(&r, NULL, 1, 1700000000);
    assert_string_equal(reason(status, "Programmed"), "Waiting");
    assert_false(cond_is_true(json_object_get(status, "conditions"), "Ready"));
    assert_true(gateway_report_summary(&r).early);
}

static void one_bad_cluster_says_why(void **state)
{
    (void)state;
    struct gateway_report r = good();
    gateway_row_judge(gateway_report_row(&r, "a"), verdict_yes("Programmed", "p"));
    struct gateway_row *b = gateway_report_row(&r, "b");
    gateway_row_judge(b, verdict_no("AddressPending", "wait"));
    gateway_row_judge(b, verdict_yes("Programmed", "p")); /* does not cover what is bad */
    auto_json *status = gateway_status(&r, NULL, 1, 1700000000);
    assert_string_equal(reason(status, "Ready"), "AddressPending");
    assert_string_equal(reason(status, "Reconciling"), "AddressPending");
    assert_string_equal(reason(status, "Accepted"), "Accepted");
    gateway_row_judge(b, verdict_stalled("AddressesMissing", "edit"));
    auto_json *stalled = gateway_status(&r, status, 1, 1700000000);
    assert_string_equal(reason(stalled, "Stalled"), "AddressesMissing");
    assert_string_equal(reason(stalled, "Reconciling"), "");
}

static void rows_are_bounded(void **state)
{
    (void)state;
    struct gateway_report r = good();
    auto_arena a = ARENA_INIT;
    for (int i = 0; i < GATEWAY_ROWS_MAX; i++)
        assert_non_null(gateway_report_row(&r, arena_printf(&a, "c%d", i)));
    assert_null(gateway_report_row(&r, "more"));
    assert_non_null(gateway_report_row(&r, "c7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_counts),
        cmocka_unit_test(all_well_is_ready),
        cmocka_unit_test(nothing_looked_at_is_not_ready),
        cmocka_unit_test(one_bad_cluster_says_why),
        cmocka_unit_test(rows_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
