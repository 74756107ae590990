/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
    (void)state;
    struct err err = {.retry_after_ms = 5};
    assert_int_equal(err_set(&err, ERR_CONFLICT, 409, "%s %d", "a", 1), -1);
    assert_int_equal(err.class, ERR_CONFLICT);
    assert_int_equal(err.code, 409);
    assert_int_equal(err.retry_after_ms, 0);
    assert_string_equal(err.msg, "a 1");
    err_set(&err, ERR_BUG, 0, "again: %s", err.msg);
    assert_string_equal(err.msg, "again: a 1");
    assert_int_equal(err_set(NULL, ERR_BUG, 0, "x"), -1);
    assert_int_equal(err_wrap(NULL, "x"), -1);
}

static void test_wrap(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_NOT_FOUND, 404, "no such pod");
    err.retry_after_ms = 7;
    assert_int_equal(err_wrap(&err, "get %s", "pod/a"), -1);
    assert_string_equal(err.msg, "get pod/a: no such pod");
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_int_equal(err.code, 404);
    assert_int_equal(err.retry_after_ms, 7);
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct err err = {0};
    err_set(&err, ERR_BUG, 0, "%s", text);
    assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
    for (int i = 0; i < 10; i++) {
        err_wrap(&err, "%.*s", i * 60, text);
        assert_true(strlen(err.msg) < ERR_MSG_MAX);
    }
    assert_non_null(strstr(err.msg, ": "));
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum err_class class;
    } cases[] = {{200, ERR_NONE},         {304, ERR_NONE},      {400, ERR_INVALID},
                 {401, ERR_UNAUTHORIZED}, {403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND},
                 {408, ERR_TRANSIENT},    {409, ERR_CONFLICT},  {410, ERR_EXPIRED},
                 {422, ERR_INVALID},      {429, ERR_THROTTLED}, {500, ERR_TRANSIENT},
                 {503, ERR_TRANSIENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(err_class_of_status(cases[i].status), cases[i].class);
    for (enum err_class c = ERR_NONE; c <= ERR_BUG; c++)
        assert_true(*err_class_name(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
