/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/conditions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

enum { T0 = 1700000000, T1 = T0 + 60 };
#define T0_TEXT "2023-11-14T22:13:20Z"
#define T1_TEXT "2023-11-14T22:14:20Z"

static const char *get(const json_t *list, const char *type, const char *key)
{
    return json_string_value(json_object_get(cond_find(list, type), key));
}

/* As the object comes back from an API server: keys in another order. */
static json_t *stored(const json_t *list)
{
    auto_free char *s = json_dumps(list, JSON_SORT_KEYS);
    return json_loads(s, 0, NULL);
}

static json_t *one(const json_t *old, enum cond_status status, const char *reason,
                   const char *message, int64_t generation, int64_t now_s)
{
    json_t *list = json_array();
    cond_set(list, old, "Ready", status, reason, message, generation, now_s);
    return list;
}

static void a_condition_has_all_fields(void **state)
{
    (void)state;
    json_t *list = one(NULL, COND_FALSE, "Installing", "wait", 3, T0);
    json_t *want = json_pack("[{s:s,s:s,s:i,s:s,s:s,s:s}]", "type", "Ready", "status", "False",
                             "observedGeneration", 3, "lastTransitionTime", T0_TEXT, "reason",
                             "Installing", "message", "wait");
    assert_true(json_equal(list, want));
    json_decref(list);
    json_decref(want);
}

static void no_change_gives_equal_bytes(void **state)
{
    (void)state;
    json_t *first = one(NULL, COND_TRUE, "Done", "all is well", 1, T0);
    json_t *old = stored(first);
    json_t *again = one(old, COND_TRUE, "Done", "all is well", 1, T1);
    auto_free char *a = json_dumps(old, 0);
    auto_free char *b = json_dumps(again, 0);
    assert_string_equal(a, b);
    json_object_set_new(json_array_get(again, 0), "reason", json_string("Other"));
    assert_string_equal(get(old, "Ready", "reason"), "Done"); /* nothing is shared */
    json_decref(first);
    json_decref(old);
    json_decref(again);
}

static void transition_time_moves_with_status_only(void **state)
{
    (void)state;
    json_t *old = one(NULL, COND_FALSE, "A", "m", 1, T0);
    const struct {
        enum cond_status status;
        const char *reason, *message;
        int64_t generation;
        const char *time;
    } rows[] = {
        {COND_FALSE, "B", "m", 1, T0_TEXT},   {COND_FALSE, "A", "n", 1, T0_TEXT},
        {COND_FALSE, "A", "m", 2, T0_TEXT},   {COND_TRUE, "A", "m", 1, T1_TEXT},
        {COND_UNKNOWN, "A", "m", 1, T1_TEXT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *now =
            one(old, rows[i].status, rows[i].reason, rows[i].message, rows[i].generation, T1);
        assert_string_equal(get(now, "Ready", "lastTransitionTime"), rows[i].time);
        assert_string_equal(get(now, "Ready", "reason"), rows[i].reason);
        assert_string_equal(get(now, "Ready", "message"), rows[i].message);
        assert_int_equal(
            json_integer_value(json_object_get(cond_find(now, "Ready"), "observedGeneration")),
            rows[i].generation);
        json_decref(now);
    }
    json_decref(old);
}

static void an_old_entry_without_time_gets_one(void **state)
{
    (void)state;
    json_t *old = json_pack("[{s:s,s:s,s:i,s:s,s:s}, n, s]", "type", "Ready", "status", "True",
                            "observedGeneration", 1, "reason", "Done", "message", "m", "odd");
    json_t *now = one(old, COND_TRUE, "Done", "m", 1, T1);
    assert_string_equal(get(now, "Ready", "lastTransitionTime"), T1_TEXT);
    json_decref(old);
    json_decref(now);
}

static void setting_twice_replaces(void **state)
{
    (void)state;
    json_t *list = one(NULL, COND_FALSE, "A", "m", 1, T0);
    cond_set(list, NULL, "Reachable", COND_TRUE, "Ok", NULL, 1, T0);
    cond_set(list, NULL, "Ready", COND_TRUE, "", "n", 1, T0);
    assert_int_equal(json_array_size(list), 2);
    assert_true(cond_is_true(list, "Ready"));
    assert_string_equal(get(list, "Ready", "reason"), "Unknown"); /* the schema wants a word */
    assert_string_equal(get(list, "Reachable", "message"), "");
    json_decref(list);
}

static void long_or_broken_messages_are_made_fit(void **state)
{
    (void)state;
    char message[1100];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    memcpy(message + 1022, "\xE2\x82\xAC", 3); /* a euro sign across the limit */
    json_t *list = one(NULL, COND_FALSE, "A", message, 1, T0);
    assert_int_equal(strlen(get(list, "Ready", "message")), 1022);
    cond_set(list, NULL, "Ready", COND_FALSE, "A", "bad \xFF byte", 1, T0);
    assert_string_equal(get(list, "Ready", "message"), "bad ? byte");
    json_t *again = one(list, COND_FALSE, "A", "bad \xFF byte", 1, T1);
    assert_true(json_equal(list, again));
    json_decref(list);
    json_decref(again);
}

static void finding_in_nothing(void **state)
{
    (void)state;
    assert_null(cond_find(NULL, "Ready"));
    assert_false(cond_is_true(NULL, "Ready"));
    json_t *list = one(NULL, COND_UNKNOWN, "A", "m", 1, T0);
    assert_false(cond_is_true(list, "Ready"));
    assert_false(cond_is_true(list, "Stalled"));
    json_decref(list);
}

static void sorted_with_ready_first(void **state)
{
    (void)state;
    static const char *const in[] = {"Stalled", "ControlPlaneReady", "Ready", "Reachable"};
    static const char *const out[] = {"Ready", "ControlPlaneReady", "Reachable", "Stalled"};
    json_t *list = json_array();
    cond_sort(list);
    for (size_t i = 0; i < 4; i++)
        cond_set(list, NULL, in[i], COND_TRUE, "A", "", 1, T0);
    cond_sort(list);
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "type")),
                            out[i]);
    json_decref(list);
}

static void record(void *arg, const char *type, enum cond_status status, const char *reason,
                   const char *message)
{
    buf_printf(arg, "%s=%d %s %s;", type, (int)status, reason, message);
}

static void transitions_are_told_once(void **state)
{
    (void)state;
    json_t *old = one(NULL, COND_UNKNOWN, "Pending", "", 1, T0);
    json_t *now = one(NULL, COND_FALSE, "Installing", "m", 1, T0);
    cond_set(now, NULL, "Reachable", COND_TRUE, "Ok", "", 1, T0);
    cond_set(now, NULL, "TrustDistributed", COND_UNKNOWN, "Waiting", "", 1, T0);
    auto_buf b = BUF_INIT(1000);
    cond_transitions(NULL, now, record, &b);
    assert_string_equal(b.data, "Ready=0 Installing m;");
    buf_reset(&b);
    cond_transitions(old, now, record, &b);
    assert_string_equal(b.data, "Ready=0 Installing m;Reachable=1 Ok ;");
    buf_reset(&b);
    cond_transitions(now, now, record, &b);
    assert_string_equal(b.data, "");
    json_t *reason = json_deep_copy(now);
    cond_set(reason, NULL, "Ready", COND_FALSE, "IstiodNotReady", "other words", 1, T0);
    cond_set(reason, NULL, "Reachable", COND_TRUE, "Ok", "words alone are no flip", 1, T0);
    cond_transitions(now, reason, record, &b);
    assert_string_equal(b.data, "Ready=0 IstiodNotReady other words;");
    json_decref(old);
    json_decref(now);
    json_decref(reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_has_all_fields),
        cmocka_unit_test(no_change_gives_equal_bytes),
        cmocka_unit_test(transition_time_moves_with_status_only),
        cmocka_unit_test(an_old_entry_without_time_gets_one),
        cmocka_unit_test(setting_twice_replaces),
        cmocka_unit_test(long_or_broken_messages_are_made_fit),
        cmocka_unit_test(finding_in_nothing),
        cmocka_unit_test(sorted_with_ready_first),
        cmocka_unit_test(transitions_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
