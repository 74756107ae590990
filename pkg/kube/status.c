/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { TEXT_MAX = 200 };

/* A list or watch at a resourceVersion that this replica has not reached yet. */
static bool is_too_large_version(const json_t *status)
{
    size_t i;
    const json_t *cause;
    json_array_foreach (jx_get(status, "details.causes"), i, cause) {
        if (str_eq(jx_str(cause, "reason"), "ResourceVersionTooLarge"))
            return true;
    }
    return str_starts(str_or(jx_str(status, "message"), ""), "Too large resource version");
}

/* A field that the type does not have, in a server-side apply, is answered with 500: trying again is useless. */
static bool is_unknown_field(const json_t *status, int code)
{
    const char *message = str_or(jx_str(status, "message"), "");
    return code == 500 && str_starts(message, "failed to create typed patch object");
}

static enum err_class class_of(const json_t *status, int code)
{
    const char *reason = jx_str(status, "reason");
    if (is_too_large_version(status) || str_eq(reason, "Expired") || str_eq(reason, "Gone"))
        return ERR_EXPIRED;
    if (is_unknown_field(status, code))
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

int kube_status_err(const json_t *status, struct err *err)
{
    int code = (int)jx_int(status, "code", 0);
    enum err_class class = class_of(status, code);
    const char *message = jx_str(status, "message");
    return err_set(err, class == ERR_NONE ? ERR_TRANSIENT : class, code, "%d %s%s%s", code,
                   str_or(jx_str(status, "reason"), reason_of(code)), message ? ": " : "",
                   str_or(message, ""));
}

/* Printable text of an answer that is no Status, as "too many requests"; pages of proxies are not worth showing. */
static char *plain_text(const struct kube_answer *a)
{
    if (a->secret || !a->body || !a->len || a->body[0] == '<' || a->body[0] == '{')
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

static void refused(const struct kube_answer *a, struct err *err)
{
    int code = a->http->status;
    auto_json *status =
        a->body && a->len && a->body[0] == '{' ? jx_load(a->body, a->len, NULL) : NULL;
    if (str_eq(jx_str(status, "kind"), "Status")) {
        const char *reason = str_or(jx_str(status, "reason"), reason_of(code));
        const char *message = a->secret && quotes_values(code) ? NULL : jx_str(status, "message");
        err_set(err, class_of(status, code), code, "%d %s%s%s", code, reason, message ? ": " : "",
                str_or(message, ""));
    } else {
        auto_free char *text = plain_text(a);
        err_set(err, err_class_of_status(code), code, "%d %s%s%s", code, reason_of(code),
                *text ? ": " : "", text);
    }
    if (!err)
        return;
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
