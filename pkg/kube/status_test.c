/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

static const struct {
    int code;
    const char *body;
    enum err_class class;
    const char *msg;
} answers[] = {
    {404,
     "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"x \\\"y\\\" not "
     "found\",\"code\":404}",
     ERR_NOT_FOUND, "PUT /api/v1/x: 404 NotFound: x \"y\" not found"},
    {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"code\":409}", ERR_CONFLICT,
     "PUT /api/v1/x: 409 AlreadyExists"},
    {410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"too old\"}", ERR_EXPIRED,
     "PUT /api/v1/x: 410 Expired: too old"},
    {504,
     "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"message\":\"Too large resource version: 9, "
     "current: 1\"}",
     ERR_EXPIRED, "PUT /api/v1/x: 504 Timeout: Too large resource version: 9, current: 1"},
    {504,
     "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"details\":{\"causes\":[{\"reason\":"
     "\"ResourceVersionTooLarge\"}]}}",
     ERR_EXPIRED, "PUT /api/v1/x: 504 Timeout"},
    {504, "{\"kind\":\"Status\",\"reason\":\"Timeout\"}", ERR_TRANSIENT,
     "PUT /api/v1/x: 504 Timeout"},
    {500,
     "{\"kind\":\"Status\",\"reason\":\"InternalError\",\"message\":\"failed to create typed patch "
     "object (a/b; v1, Kind=Service): .spec.nonsense: field not declared in schema\"}",
     ERR_INVALID, NULL},
    {502, "<html>a proxy\'s page</html>", ERR_TRANSIENT, "PUT /api/v1/x: 502 BadGateway"},
    {401, "", ERR_UNAUTHORIZED, "PUT /api/v1/x: 401 Unauthorized"},
    {429, "Too many requests,\ntry again\n", ERR_THROTTLED,
     "PUT /api/v1/x: 429 TooManyRequests: Too many requests, try again"},
    {403, "{broken", ERR_FORBIDDEN, "PUT /api/v1/x: 403 Forbidden"},
    {302, "", ERR_INVALID, "PUT /api/v1/x: 302 Error"},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct http_result h = {.fault = HTTP_OK, .status = answers[i].code};
        struct kube_answer a = {"PUT",           "/api/v1/x?y=z",         &h,
                                answers[i].body, strlen(answers[i].body), false};
        struct err err = {0};
        assert_int_equal(kube_answer_err(&a, &err), -1);
        assert_int_equal(err.class, answers[i].class);
        assert_int_equal(err.code, answers[i].code);
        if (answers[i].msg)
            assert_string_equal(err.msg, answers[i].msg);
        assert_int_equal(kube_answer_err(&a, NULL), -1);
    }
}

static void test_success(void **state)
{
    struct http_result h = {.fault = HTTP_OK, .status = 201};
    struct kube_answer a = {"PUT", "/x", &h, NULL, 0, false};
    struct err err = {0};
    (void)state;
    assert_int_equal(kube_answer_err(&a, &err), 0);
    assert_int_equal(err.class, ERR_NONE);
}

static void test_no_answer(void **state)
{
    struct http_result h = {.fault = HTTP_LOST, .message = "connection reset"};
    struct kube_answer a = {"GET", "/x", &h, NULL, 0, false};
    struct err err = {0};
    (void)state;
    kube_answer_err(&a, &err);
    assert_int_equal(err.class, ERR_TRANSIENT);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.msg, "GET /x: connection reset");
}

static void test_throttled(void **state)
{
    struct http_result h = {.fault = HTTP_OK, .status = 503, .retry_after_ms = 3000};
    struct kube_answer a = {"GET", "/x", &h, NULL, 0, false};
    struct err err = {0};
    (void)state;
    kube_answer_err(&a, &err);
    assert_int_equal(err.class, ERR_THROTTLED);
    assert_int_equal(err.retry_after_ms, 3000);
}

/* Validation messages quote values. */
static void test_secret(void **state)
{
    static const char body[] = "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"data: "
                               "Invalid value: \\\"hunter2\\\"\"}";
    struct http_result h = {.fault = HTTP_OK, .status = 422};
    struct kube_answer a = {"GET", "/x", &h, body, sizeof body - 1, true};
    struct err err = {0};
    (void)state;
    kube_answer_err(&a, &err);
    assert_string_equal(err.msg, "GET /x: 422 Invalid");
    a.body = "hunter2";
    a.len = 7;
    kube_answer_err(&a, &err);
    assert_null(strstr(err.msg, "hunter2"));
    static const char conflict[] = "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":"
                                   "\"conflict with \\\"x\\\": .data.k\"}";
    h.status = 409;
    a.body = conflict;
    a.len = sizeof conflict - 1;
    kube_answer_err(&a, &err);
    assert_string_equal(err.msg, "GET /x: 409 Conflict: conflict with \"x\": .data.k");
}

static void test_event(void **state)
{
    json_t *s =
        json_pack("{s:s, s:i, s:s}", "reason", "Expired", "code", 410, "message", "too old");
    struct err err = {0};
    (void)state;
    kube_status_err(s, &err);
    assert_int_equal(err.class, ERR_EXPIRED);
    assert_string_equal(err.msg, "410 Expired: too old");
    json_decref(s);
    s = json_object();
    kube_status_err(s, &err);
    assert_int_equal(err.class, ERR_TRANSIENT);
    json_decref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),   cmocka_unit_test(test_success),
        cmocka_unit_test(test_no_answer), cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_secret),    cmocka_unit_test(test_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
