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
#include "kube/decode.h"
#include "kube/wire_put.h"
#include "json/jx.h"

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
    static const char expired[] = "{\"reason\":\"Expired\",\"code\":410,\"message\":\"too old\"}";
    struct err err = {0};
    (void)state;
    kube_read_status(KUBE_ENCODING_JSON, expired, strlen(expired), &err);
    assert_int_equal(err.class, ERR_EXPIRED);
    assert_string_equal(err.msg, "410 Expired: too old");
    kube_read_status(KUBE_ENCODING_JSON, "{}", 2, &err);
    assert_int_equal(err.class, ERR_TRANSIENT);
}

/* A Status in protobuf; code 0: none. */
static struct buf proto_status(const char *reason, const char *message, int code, int retry_after,
                               const char *cause)
{
    struct buf b = BUF_INIT(4096), details = BUF_INIT(4096), c = BUF_INIT(4096);
    put_str(&b, 2, "Failure");
    put_str(&b, 3, message);
    put_str(&b, 4, reason);
    put_str(&c, 1, cause);
    put_sub(&details, 4, &c);
    put_num(&details, 5, retry_after);
    put_sub(&b, 5, &details);
    put_num(&b, 6, code);
    return b;
}

static const struct {
    const char *reason, *message;
    int code, retry_after;
    const char *cause;
} statuses[] = {
    {"NotFound", "services \"x\" not found", 404, 0, ""},
    {"Expired", "too old", 410, 0, ""},
    {"Timeout", "Too large resource version: 9, current: 1", 504, 1, "ResourceVersionTooLarge"},
    {"Timeout", "", 504, 7, "ResourceVersionTooLarge"},
    {"TooManyRequests", "slow down", 429, 5, ""},
    {"InternalError", "failed to create typed patch object (a)", 500, 0, ""},
    {"", "", 0, 0, ""},
    {"Weird", "x", 200, 1000000, ""},
    {"Weird", "x", -5, -5, ""},
};

static void assert_same(const struct err *a, const struct err *b)
{
    assert_int_equal(a->class, b->class);
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->retry_after_ms, b->retry_after_ms);
    assert_string_equal(a->msg, b->msg);
}

/* The same error out of both encodings, with and without envelope. */
static void test_encodings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        auto_json *s = json_pack("{s:s, s:s, s:s, s:i, s:{s:i, s:[{s:s}]}}", "kind", "Status",
                                 "reason", statuses[i].reason, "message", statuses[i].message,
                                 "code", statuses[i].code, "details", "retryAfterSeconds",
                                 statuses[i].retry_after, "causes", "reason", statuses[i].cause);
        auto_free char *text = jx_dump(s);
        auto_buf raw = proto_status(statuses[i].reason, statuses[i].message, statuses[i].code,
                                    statuses[i].retry_after, statuses[i].cause);
        auto_buf body = BUF_INIT(4096);
        struct err json = {0}, proto = {0}, enveloped = {0};
        put_envelope(&body, "Status", raw.data, raw.len);
        kube_read_status(KUBE_ENCODING_JSON, text, strlen(text), &json);
        kube_read_status(KUBE_ENCODING_PROTO, raw.data, raw.len, &proto);
        kube_read_status(KUBE_ENCODING_PROTO, body.data, body.len, &enveloped);
        assert_same(&json, &proto);
        assert_same(&json, &enveloped);
        assert_int_not_equal(json.class, ERR_NONE);
        bool sane = statuses[i].retry_after > 0 && statuses[i].retry_after < 1000;
        assert_int_equal(json.retry_after_ms, sane ? statuses[i].retry_after * 1000 : 0);
    }
}

static void test_proto_answer(void **state)
{
    struct http_result h = {.fault = HTTP_OK, .status = 404};
    auto_buf raw = proto_status("NotFound", "services \"x\" not found", 404, 0, "");
    auto_buf body = BUF_INIT(4096), other = BUF_INIT(4096);
    struct err err = {0};
    (void)state;
    put_envelope(&body, "Status", raw.data, raw.len);
    put_envelope(&other, "Service", raw.data, raw.len);
    struct kube_answer a = {"GET", "/x", &h, body.data, body.len, false};
    kube_answer_err(&a, &err);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_string_equal(err.msg, "GET /x: 404 NotFound: services \"x\" not found");
    /* Cut short, or something else: only what the status line says. */
    a.len = 30;
    kube_answer_err(&a, &err);
    assert_string_equal(err.msg, "GET /x: 404 NotFound");
    a.body = other.data;
    a.len = other.len;
    kube_answer_err(&a, &err);
    assert_string_equal(err.msg, "GET /x: 404 NotFound");
}

/* What quotes values is not shown of a secret, in protobuf as in JSON. */
static void test_proto_secret(void **state)
{
    struct http_result h = {.fault = HTTP_OK, .status = 422};
    auto_buf raw = proto_status("Invalid", "data: \"hunter2\"", 422, 0, "");
    auto_buf body = BUF_INIT(4096);
    struct err err = {0};
    (void)state;
    put_envelope(&body, "Status", raw.data, raw.len);
    struct kube_answer a = {"GET", "/x", &h, body.data, body.len, true};
    kube_answer_err(&a, &err);
    assert_string_equal(err.msg, "GET /x: 422 Invalid");
}

/* Nothing to read: still an error. */
static void test_unreadable(void **state)
{
    static const char *const texts[] = {"", "{", "k8s", "null"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (enum kube_encoding e = KUBE_ENCODING_JSON; e <= KUBE_ENCODING_PROTO; e++) {
            struct err err = {0};
            kube_read_status(e, texts[i], strlen(texts[i]), &err);
            assert_int_equal(err.class, ERR_TRANSIENT);
            kube_read_status(e, texts[i], strlen(texts[i]), NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_success),
        cmocka_unit_test(test_no_answer),    cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_secret),       cmocka_unit_test(test_event),
        cmocka_unit_test(test_encodings),    cmocka_unit_test(test_proto_answer),
        cmocka_unit_test(test_proto_secret), cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
