/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/retry.h"
#include "kube/status.h"
#include "kube/timer.h"
#include "json/jx.h"

struct kube_call {
    struct kube_client *client;
    enum kube_class class;
    struct kube_request q; /* its strings are ours */
    char *method, *path, *content_type, *accept, *body;
    kube_call_cb *cb;
    void *arg;
    struct http_transfer *transfer;
    struct kube_timer *timer;
    struct kube_retry retry;
    struct buf answer;
    bool too_large;
    int64_t began_ms;
    int64_t deadline_ms; /* of all that is sent without an answer */
    struct kube_call *prev, *next;
};

static void wipe_tree(const json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(v))
        explicit_bzero((char *)(uintptr_t)json_string_value(v), json_string_length(v));
    json_array_foreach (v, i, item)
        wipe_tree(item);
    json_object_foreach ((json_t *)(uintptr_t)v, key, item)
        wipe_tree(item);
}

static void call_free(struct kube_call *k)
{
    kube_timer_free(k->timer);
    if (k->q.secret_body) {
        if (k->body)
            explicit_bzero(k->body, k->q.body_len);
        buf_done_secret(&k->answer);
    }
    buf_done(&k->answer);
    free(k->method);
    free(k->path);
    free(k->content_type);
    free(k->accept);
    free(k->body);
    free(k);
}

static int on_data(void *arg, const void *data, size_t len)
{
    struct kube_call *k = arg;
    if (buf_append(&k->answer, data, len) == 0)
        return 0;
    k->too_large = true;
    return -1;
}

static int outcome(struct kube_call *k, const struct http_result *h, json_t **ret, struct err *err)
{
    struct kube_answer a = {k->method, k->path, h, k->answer.data, k->answer.len, k->q.secret_body};
    if (k->too_large)
        return err_set(err, ERR_INVALID, 0, "%s %.*s: the answer is larger than %zu bytes",
                       k->method, (int)strcspn(k->path, "?"), k->path, k->answer.max);
    if (kube_answer_err(&a, err) < 0)
        return -1;
    if (k->q.raw || !k->answer.len)
        return 0;
    *ret = jx_load(k->answer.data, k->answer.len, err);
    if (*ret)
        return 0;
    if (err->class == ERR_INVALID)
        err->class = ERR_TRANSIENT; /* something between us and the API server answered */
    return err_wrap(err, "%s %.*s", k->method, (int)strcspn(k->path, "?"), k->path);
}

/* The client may be gone when the callback returns. */
static void report(struct kube_call *k, const struct http_result *h)
{
    struct err err = {0};
    json_t *body = NULL;
    bool failed = outcome(k, h, &body, &err) < 0;
    struct kube_response r = {
        .status = h->fault == HTTP_OK ? h->status : 0,
        .date_s = h->fault == HTTP_OK ? h->date_s : 0,
        .body = body,
        .raw = k->q.raw ? str_or(k->answer.data, "") : NULL,
        .raw_len = k->q.raw ? k->answer.len : 0,
    };
    DL_DELETE(k->client->calls, k);
    k->cb(k->arg, &r, failed ? &err : NULL);
    if (body && k->q.secret_body)
        wipe_tree(body);
    json_decref(body);
    call_free(k);
}

static void call_send(void *arg);

static void on_done(void *arg, const struct http_result *h)
{
    struct kube_call *k = arg;
    k->transfer = NULL;
    if (h->fault == HTTP_OK && h->status == 401)
        kube_client_unauthorized(k->client, k->began_ms);
    int64_t left = k->deadline_ms - clock_ms(k->client->clock);
    int64_t wait = k->too_large ? -1
                                : kube_retry_delay(&k->retry, str_eq(k->method, "GET"), h, left,
                                                   kube_random(&k->client->random));
    if (wait < 0) {
        report(k, h);
        return;
    }
    if (k->q.secret_body)
        buf_done_secret(&k->answer);
    buf_reset(&k->answer);
    if (h->fault == HTTP_OK)
        k->deadline_ms = 0;
    if (!k->timer)
        k->timer = kube_timer_new(k->client->loop, call_send, k);
    kube_timer_start(k->timer, wait);
}

static void call_send(void *arg)
{
    static const struct http_handler handler = {.data = on_data, .done = on_done};
    struct kube_call *k = arg;
    struct kube_request q = k->q;
    k->began_ms = clock_ms(k->client->clock);
    if (!k->deadline_ms)
        k->deadline_ms = k->began_ms + k->q.timeout_ms;
    q.timeout_ms = (int)(k->deadline_ms > k->began_ms ? k->deadline_ms - k->began_ms : 1);
    k->transfer = kube_client_send(k->client, k->class, &q, &handler, k);
}

struct kube_call *kube_call_in(struct kube_client *c, enum kube_class class,
                               const struct kube_request *q, kube_call_cb *cb, void *arg)
{
    struct kube_call *k = xcalloc(1, sizeof *k);
    k->client = c;
    k->class = class;
    k->cb = cb;
    k->arg = arg;
    k->q = *q;
    k->q.method = k->method = xstrdup(q->method);
    k->q.path = k->path = xstrdup(q->path);
    k->q.content_type = k->content_type = xstrdup0(q->content_type);
    k->q.accept = k->accept = xstrdup0(q->accept);
    if (q->body) {
        k->q.body_len = q->body_len ? q->body_len : strlen(q->body);
        k->body = xmalloc(k->q.body_len + 1);
        memcpy(k->body, q->body, k->q.body_len);
        k->body[k->q.body_len] = '\0';
        k->q.body = k->body;
    }
    if (!q->timeout_ms)
        k->q.timeout_ms = KUBE_CALL_TIMEOUT_MS;
    k->answer = BUF_INIT(q->max_bytes ? q->max_bytes : KUBE_ANSWER_MAX);
    DL_APPEND(c->calls, k);
    call_send(k);
    return k;
}

struct kube_call *kube_call(struct kube_client *c, const struct kube_request *q, kube_call_cb *cb,
                            void *arg)
{
    bool read = str_eq(q->method, "GET");
    return kube_call_in(c, read ? KUBE_CLASS_CALL : KUBE_CLASS_WRITE, q, cb, arg);
}

void kube_call_cancel(struct kube_call *k)
{
    if (k->transfer)
        http_cancel(k->transfer);
    DL_DELETE(k->client->calls, k);
    call_free(k);
}
