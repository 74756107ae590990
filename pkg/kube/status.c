/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/decode.h"
#include "kube/wire.h"

enum {
    TEXT_MAX = 200,
    REASON_MAX = 64,
    RETRY_AFTER_MAX_S = 3600, /* as of the header */
};

/* What we read of a Status. Strings are cut where an error's message would be, and "" when absent. */
struct status {
    int code;
    int64_t retry_after_s;
    bool is_status; /* its kind, where it says one */
    bool too_large; /* a list or watch at a resourceVersion that this replica has not reached yet */
    bool has_message;
    char reason[REASON_MAX], message[ERR_MSG_MAX];
};

enum slot {
    SLOT_KIND = 1,
    SLOT_MESSAGE,
    SLOT_REASON,
    SLOT_CODE,
    SLOT_RETRY_AFTER,
    SLOT_CAUSE,
    SLOT_CAUSE_REASON,
};
static const struct kube_field status_cause[] = {
    {1, "reason", KUBE_TYPE_STRING, SLOT_CAUSE_REASON, NULL},
    {0},
};
static const struct kube_field status_details[] = {
    {4, "causes", KUBE_TYPE_LIST, SLOT_CAUSE, status_cause},
    {5, "retryAfterSeconds", KUBE_TYPE_INT, SLOT_RETRY_AFTER, NULL},
    {0},
};
static const struct kube_field status_table[] = {
    {3, "message", KUBE_TYPE_STRING, SLOT_MESSAGE, NULL},
    {4, "reason", KUBE_TYPE_STRING, SLOT_REASON, NULL},
    {5, "details", KUBE_TYPE_MESSAGE, 0, status_details},
    {6, "code", KUBE_TYPE_INT, SLOT_CODE, NULL},
    {UINT32_MAX, "kind", KUBE_TYPE_STRING, SLOT_KIND,
     NULL}, /* no field of protobuf: there it is of the envelope */
    {0},
};

/* Cut when it does not fit. */
static void copy(char *to, size_t size, const char *s, size_t len)
{
    size_t n = len < size ? len : size - 1;
    if (n)
        memcpy(to, s, n);
    to[n] = '\0';
}

static bool is_word(const struct kube_value *v, const char *word)
{
    return v->len == strlen(word) && memcmp(v->str, word, v->len) == 0;
}

static int on_status(void *arg, const struct kube_value *v)
{
    struct status *s = arg;
    if (v->step != KUBE_STEP_VALUE)
        return 0;
    switch ((enum slot)v->slot) {
    case SLOT_KIND:
        s->is_status = is_word(v, "Status");
        break;
    case SLOT_MESSAGE:
        s->has_message = v->len > 0;
        copy(s->message, sizeof s->message, v->str, v->len);
        break;
    case SLOT_REASON:
        copy(s->reason, sizeof s->reason, v->str, v->len);
        break;
    case SLOT_CODE:
        s->code = v->num > 0 && v->num <= 999 ? (int)v->num : 0;
        break;
    case SLOT_RETRY_AFTER:
        s->retry_after_s = v->num > 0 && v->num <= RETRY_AFTER_MAX_S ? v->num : 0;
        break;
    case SLOT_CAUSE_REASON:
        s->too_large |= is_word(v, "ResourceVersionTooLarge");
        break;
    case SLOT_CAUSE:
        break;
    }
    return 0;
}

/* A body in either encoding, with or without envelope. */
static int read_status(enum kube_encoding e, const char *data, size_t len, struct status *ret)
{
    struct kube_wire_envelope envelope = {.raw = data, .raw_len = len};
    *ret = (struct status){0};
    if (e == KUBE_ENCODING_PROTO && kube_wire_is_enveloped(data, len)) {
        if (kube_wire_open(data, len, &envelope, NULL) < 0)
            return -1;
        ret->is_status = envelope.kind_len == 6 && memcmp(envelope.kind, "Status", 6) == 0;
    }
    return kube_read(e, status_table, envelope.raw, envelope.raw_len, on_status, ret, NULL);
}

static bool is_too_large_version(const struct status *s)
{
    return s->too_large || str_starts(s->message, "Too large resource version");
}

/* A field that the type does not have, in a server-side apply, is answered with 500: trying again is useless. */
static bool is_unknown_field(const struct status *s, int code)
{
    return code == 500 && str_starts(s->message, "failed to create typed patch object");
}

static enum err_class class_of(const struct status *s, int code)
{
    if (is_too_large_version(s) || str_eq(s->reason, "Expired") || str_eq(s->reason, "Gone"))
        return ERR_EXPIRED;
    if (is_unknown_field(s, code))
        return ERR_INVALID;
    return err_class_of_status(code);
}

static const char *reason_of(int code)
{
    switch (code) {
    case 400:
        return "BadRequest";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "NotFound";
    case 429:
        return "TooManyRequests";
    case 502:
        return "BadGateway";
    case 503:
        return "ServiceUnavailable";
    case 504:
        return "Timeout";
    default:
        return "Error";
    }
}

static int status_err(const struct status *s, int code, bool show, struct err *err)
{
    show = show && s->has_message;
    err_set(err, class_of(s, code), code, "%d %s%s%s", code,
            *s->reason ? s->reason : reason_of(code), show ? ": " : "", show ? s->message : "");
    if (err)
        err->retry_after_ms = (unsigned)s->retry_after_s * 1000;
    return -1;
}

/* An ERROR event is one, whatever its code is. */
static int event_err(const struct status *s, struct err *err)
{
    status_err(s, s->code, true, err);
    if (err && err->class == ERR_NONE)
        err->class = ERR_TRANSIENT;
    return -1;
}

void kube_read_status(enum kube_encoding e, const char *data, size_t len, struct err *err)
{
    struct status s;
    (void)read_status(e, data, len, &s); /* what is not well-formed says nothing */
    event_err(&s, err);
}

/* Printable text of an answer that is no Status, as "too many requests"; pages of proxies are not worth showing. */
static char *plain_text(const struct kube_answer *a)
{
    if (a->secret || !a->body || !a->len || a->body[0] == '<' || a->body[0] == '{' ||
        kube_wire_is_enveloped(a->body, a->len))
        return xstrdup("");
    char *s = xstrndup(a->body, a->len < TEXT_MAX ? a->len : TEXT_MAX);
    for (char *p = s; *p; p++) {
        if (!isprint((unsigned char)*p))
            *p = ' ';
    }
    for (size_t n = strlen(s); n && s[n - 1] == ' '; n--)
        s[n - 1] = '\0';
    return s;
}

/* These refusals speak of names, users and field paths; the others may quote what was sent. */
static bool quotes_values(int code)
{
    return code != 401 && code != 403 && code != 404 && code != 409 && code != 410 && code != 429;
}

/* 0 when the body is a Status. */
static int body_status(const struct kube_answer *a, struct status *ret)
{
    if (!a->body || !a->len)
        return -1;
    bool proto = kube_wire_is_enveloped(a->body, a->len);
    if (read_status(proto ? KUBE_ENCODING_PROTO : KUBE_ENCODING_JSON, a->body, a->len, ret) < 0)
        return -1;
    return ret->is_status ? 0 : -1;
}

static void refused(const struct kube_answer *a, struct err *err)
{
    int code = a->http->status;
    struct status s;
    if (body_status(a, &s) == 0) {
        status_err(&s, code, !a->secret || !quotes_values(code), err);
    } else {
        auto_free char *text = plain_text(a);
        err_set(err, err_class_of_status(code), code, "%d %s%s%s", code, reason_of(code),
                *text ? ": " : "", text);
    }
    if (!err)
        return;
    if (a->http->retry_after_ms)
        err->retry_after_ms = (unsigned)a->http->retry_after_ms;
    if (code == 503 && err->retry_after_ms)
        err->class = ERR_THROTTLED;
    if (err->class == ERR_NONE) /* 1xx and 3xx are no answers of an API server */
        err->class = ERR_INVALID;
}

int kube_answer_err(const struct kube_answer *a, struct err *err)
{
    const struct http_result *h = a->http;
    if (h->fault == HTTP_OK && h->status >= 200 && h->status < 300)
        return 0;
    if (h->fault == HTTP_OK)
        refused(a, err);
    else
        err_set(err, ERR_TRANSIENT, 0, "%s", h->message);
    return err_wrap(err, "%s %.*s", a->method, (int)strcspn(a->path, "?"), a->path);
}
