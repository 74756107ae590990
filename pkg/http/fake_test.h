/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: an HTTP/1.1 server on loopback, on the loop of the test, whose answers the test writes. */
#ifndef HTTP_FAKE_TEST_H
#define HTTP_FAKE_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

struct fake_conn {
    uv_tcp_t tcp;
    struct fake *server;
    struct buf in;
    char chunk[65536];
    struct fake_conn *prev, *next;
};

struct fake_request {
    const char *method, *path, *head, *body;
};

struct fake {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    char url[64];
    void (*handle)(void *arg, struct fake_conn *c, const struct fake_request *q);
    void *arg;
    struct fake_conn *conns;
    int accepted, requests;
};

struct fake_write {
    uv_write_t req;
    char *data;
};

static void fake_conn_closed(uv_handle_t *h)
{
    struct fake_conn *c = h->data;
    buf_done(&c->in);
    free(c);
}

static inline void fake_drop(struct fake_conn *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    DL_DELETE(c->server->conns, c);
    uv_close((uv_handle_t *)&c->tcp, fake_conn_closed);
}

static void fake_written(uv_write_t *req, int status)
{
    struct fake_write *w = req->data;
    (void)status;
    free(w->data);
    free(w);
}

static inline void fake_send(struct fake_conn *c, const char *text)
{
    struct fake_write *w = xcalloc(1, sizeof *w);
    w->data = xstrdup(text);
    w->req.data = w;
    uv_buf_t b = uv_buf_init(w->data, (unsigned)strlen(text));
    uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, fake_written);
}

/* headers: whole lines, or "". */
static inline void fake_reply(struct fake_conn *c, int status, const char *headers,
                              const char *body)
{
    auto_free char *text = xasprintf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                                     strlen(body), headers, body);
    fake_send(c, text);
}

/* An answer in pieces; the last one is "". */
static inline void fake_begin(struct fake_conn *c)
{
    fake_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static inline void fake_chunk(struct fake_conn *c, const char *body)
{
    auto_free char *text = xasprintf("%zx\r\n%s\r\n", strlen(body), body);
    fake_send(c, text);
}

/* Length of the request at the start of the buffer, 0 when it is not complete. */
static size_t fake_request_len(const struct buf *in, size_t *ret_head)
{
    const char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;
    if (!end)
        return 0;
    const char *length = strstr(in->data, "Content-Length: ");
    size_t head = (size_t)(end - in->data) + 4;
    int64_t body = 0;
    if (length && length < end) {
        auto_free char *digits = xstrndup(length + 16, strspn(length + 16, "0123456789"));
        str_to_i64(digits, 0, 1 << 20, &body);
    }
    *ret_head = head;
    return in->len >= head + (size_t)body ? head + (size_t)body : 0;
}

static void fake_parse(struct fake_conn *c)
{
    size_t head = 0, len;
    while (!uv_is_closing((uv_handle_t *)&c->tcp) && (len = fake_request_len(&c->in, &head))) {
        auto_free char *text = xstrndup(c->in.data, head);
        auto_free char *body = xstrndup(c->in.data + head, len - head);
        buf_shift(&c->in, len);
        auto_free char *line = xstrndup(text, strcspn(text, "\r"));
        char *path = strchr(line, ' ');
        if (!path)
            return;
        *path++ = '\0';
        path[strcspn(path, " ")] = '\0';
        struct fake_request q = {line, path, text, body};
        c->server->requests++;
        c->server->handle(c->server->arg, c, &q);
    }
}

static void fake_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct fake_conn *c = s->data;
    if (n < 0) {
        fake_drop(c);
        return;
    }
    buf_append(&c->in, b->base, (size_t)n);
    fake_parse(c);
}

static void fake_space(uv_handle_t *h, size_t size, uv_buf_t *b)
{
    struct fake_conn *c = h->data;
    (void)size;
    *b = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void fake_accept(uv_stream_t *s, int status)
{
    struct fake *f = s->data;
    if (status < 0)
        return;
    struct fake_conn *c = xcalloc(1, sizeof *c);
    c->server = f;
    c->in = BUF_INIT(1 << 20);
    uv_tcp_init(f->loop, &c->tcp);
    c->tcp.data = c;
    uv_accept(s, (uv_stream_t *)&c->tcp);
    uv_read_start((uv_stream_t *)&c->tcp, fake_space, fake_read);
    DL_APPEND(f->conns, c);
    f->accepted++;
}

static inline void
fake_start(struct fake *f, uv_loop_t *loop,
           void (*handle)(void *, struct fake_conn *, const struct fake_request *), void *arg)
{
    struct sockaddr_in a;
    int len = sizeof a;
    *f = (struct fake){.loop = loop, .handle = handle, .arg = arg};
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_tcp_init(loop, &f->tcp);
    f->tcp.data = f;
    uv_tcp_bind(&f->tcp, (const struct sockaddr *)&a, 0);
    uv_listen((uv_stream_t *)&f->tcp, 64, fake_accept);
    uv_tcp_getsockname(&f->tcp, (struct sockaddr *)&a, &len);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", ntohs(a.sin_port));
}

static inline void fake_stop(struct fake *f)
{
    while (f->conns)
        fake_drop(f->conns);
    uv_close((uv_handle_t *)&f->tcp, NULL);
}

static inline void fake_late(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

/* Runs the loop until *done or for at most twenty seconds; whether it is done. */
static inline bool fake_run(uv_loop_t *loop, const bool *done)
{
    bool late = false;
    uv_timer_t t;
    uv_timer_init(loop, &t);
    t.data = &late;
    uv_timer_start(&t, fake_late, 20000, 0);
    while (!*done && !late)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return *done;
}

#endif
