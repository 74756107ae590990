/* SPDX-License-Identifier: Apache-2.0 */
#include "http/transfer.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

enum { RETRY_AFTER_MAX_S = 3600 };

static char *put(char *at, const char *s)
{
    size_t n = strlen(s) + 1;
    memcpy(at, s, n);
    return at + n;
}

struct http_transfer *http_transfer_new(const struct http_request *q, const struct http_handler *h,
                                        void *arg)
{
    struct http_transfer *t = xcalloc(1, sizeof *t);
    t->handler = *h;
    t->arg = arg;
    t->body = q->body;
    t->body_len = q->body_len;
    t->timeout_ms = q->timeout_ms;
    t->patient = q->patient;
    size_t len = strlen(q->method) + strlen(q->path) + 3;
    for (const char *const *s = q->headers; s && *s; s++)
        len += strlen(*s) + 1;
    t->request = xmalloc(len);
    t->request_len = len;
    char *at = put(put(t->request, q->method), q->path);
    for (const char *const *s = q->headers; s && *s; s++)
        at = put(at, *s);
    *at = '\0';
    return t;
}

void http_transfer_taken(struct http_transfer *t)
{
    if (t->request)
        explicit_bzero(t->request, t->request_len);
    xfreep(&t->request);
}

void http_transfer_free(struct http_transfer *t)
{
    http_transfer_taken(t);
    http_gunzip_free(t->gunzip);
    free(t->type);
    free(t);
}

const char *http_transfer_method(const struct http_transfer *t)
{
    return t->request;
}

const char *http_transfer_path(const struct http_transfer *t)
{
    return t->request + strlen(t->request) + 1;
}

const char *http_transfer_header(const struct http_transfer *t, const char *h)
{
    if (!h)
        h = http_transfer_path(t);
    h += strlen(h) + 1;
    return *h ? h : NULL;
}

int64_t http_date(const char *value, size_t len)
{
    enum { DATE_MAX = 40 };
    if (len > DATE_MAX)
        return 0;
    auto_free char *text = xstrndup(value, len);
    time_t t = curl_getdate(text, NULL);
    return t > 0 ? (int64_t)t : 0;
}

int64_t http_retry_after(const char *value, size_t len)
{
    auto_free char *text = xstrndup(value, len);
    int64_t s = 0;
    return str_to_i64(text, 0, RETRY_AFTER_MAX_S, &s) == 0 ? s * 1000 : 0;
}
