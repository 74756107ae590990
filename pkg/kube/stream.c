/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/status.h"

struct kube_stream {
    struct kube_client *client;
    char *path;
    struct kube_stream_handler handler;
    void *arg;
    struct http_transfer *transfer;
    struct buf error_body;
    bool watch; /* its connection is looked after */
    bool good;  /* the answer is 200 */
    int64_t began_ms;
    struct kube_stream *prev, *next;
};

/* Only then may the owner be told: it may free the client. */
static void stream_leave(struct kube_stream *s)
{
    DL_DELETE(s->client->streams, s);
    if (s->watch)
        kube_pulse_end(s->client);
}

static void stream_free(struct kube_stream *s)
{
    buf_done(&s->error_body);
    free(s->path);
    free(s);
}

static void on_head(void *arg, int status, const char *content_type)
{
    struct kube_stream *s = arg;
    if (s->watch)
        kube_pulse_heard(s->client);
    s->good = status == 200;
    if (s->good && s->handler.opened)
        s->handler.opened(s->arg, content_type);
}

static int on_data(void *arg, const void *data, size_t len)
{
    struct kube_stream *s = arg;
    if (s->watch)
        kube_pulse_heard(s->client);
    if (s->good)
        return s->handler.data(s->arg, data, len);
    return buf_append(&s->error_body, data, len);
}

static void on_done(void *arg, const struct http_result *h)
{
    struct kube_stream *s = arg;
    struct err err = {0};
    if (h->fault == HTTP_OK && h->status == 401)
        kube_client_unauthorized(s->client, s->began_ms);
    struct kube_answer a = {"GET", s->path, h, s->error_body.data, s->error_body.len, false};
    bool failed = kube_answer_err(&a, &err) < 0;
    stream_leave(s);
    s->handler.done(s->arg, failed ? &err : NULL);
    stream_free(s);
}

struct kube_stream *kube_stream_start(struct kube_client *c, enum kube_class class,
                                      const char *path, const char *accept, int timeout_ms,
                                      const struct kube_stream_handler *h, void *arg)
{
    static const struct http_handler handler = {on_head, on_data, on_done};
    struct kube_stream *s = xcalloc(1, sizeof *s);
    s->client = c;
    s->path = xstrdup(path);
    s->handler = *h;
    s->arg = arg;
    s->error_body = BUF_INIT(KUBE_ERROR_BODY_MAX);
    s->began_ms = clock_ms(c->clock);
    s->watch = class == KUBE_CLASS_WATCH;
    DL_APPEND(c->streams, s);
    if (s->watch)
        kube_pulse_begin(c);
    struct kube_request q = {
        .method = "GET", .path = path, .accept = accept, .timeout_ms = timeout_ms};
    s->transfer = kube_client_send(c, class, &q, &handler, s);
    return s;
}

void kube_stream_cancel(struct kube_stream *s)
{
    if (s->transfer)
        http_cancel(s->transfer);
    stream_leave(s);
    stream_free(s);
}
