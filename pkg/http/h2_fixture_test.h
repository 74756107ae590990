/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of HTTP/2 over TLS: a server, a pool, and what came of a transfer. */
#ifndef HTTP_H2_FIXTURE_TEST_H
#define HTTP_H2_FIXTURE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include "http/fake_test.h"
#include "http/h2_fake_test.h"
#include "http/pool.h"

struct fixture {
    uv_loop_t loop;
    struct h2_pair pair;
    struct h2_fake server;
    struct http_pool *pool;
    struct h2_stream *held[8]; /* whose answers are not finished */
    int n_held;
    char method[16], path[256], token[128], body[256];
    const char *gzip; /* the answer to /gzip */
    size_t gzip_len;
    bool ignore; /* requests are not answered */
};

struct result {
    struct fixture *f;
    struct http_transfer *transfer;
    bool done, opened, has_data, stop;
    int status, pieces;
    enum http_fault fault;
    int64_t retry_after_ms, date_s;
    size_t bytes;
    char text[64], type[64], message[200];
    void (*then)(struct result *r);  /* inside done */
    void (*piece)(struct result *r); /* inside data */
};

static inline void handle(void *arg, struct h2_stream *s)
{
    static const char *const gzip[] = {"content-encoding", "gzip", NULL};
    static const char *const busy[] = {
        "retry-after",  "7",      "date", "Sun, 06 Nov 1994 08:49:37 GMT",
        "content-type", "text/x", NULL};
    struct fixture *f = arg;
    snprintf(f->method, sizeof f->method, "%s", s->method);
    snprintf(f->path, sizeof f->path, "%s", s->path);
    snprintf(f->token, sizeof f->token, "%s", s->token);
    snprintf(f->body, sizeof f->body, "%.*s", (int)s->body.len, str_or(s->body.data, ""));
    if (f->ignore)
        return;
    if (str_eq(s->path, "/prefix/plain")) {
        h2_reply(s, 200, "hello");
    } else if (str_eq(s->path, "/prefix/busy")) {
        h2_begin(s, 429, busy);
        h2_chunk(s, "slow down", 9, true);
    } else if (str_eq(s->path, "/prefix/gzip")) {
        h2_begin(s, 200, gzip);
        h2_chunk(s, f->gzip, f->gzip_len, true);
    } else if (str_eq(s->path, "/prefix/refuse")) {
        nghttp2_submit_rst_stream(s->conn->session, 0, s->id, NGHTTP2_REFUSED_STREAM);
    } else if (str_eq(s->path, "/prefix/break")) {
        nghttp2_submit_rst_stream(s->conn->session, 0, s->id, NGHTTP2_INTERNAL_ERROR);
    } else if (str_eq(s->path, "/prefix/drop")) {
        h2_drop(s->conn);
    } else if (str_eq(s->path, "/prefix/huge")) {
        static char value[4000];
        const char *huge[43] = {NULL};
        memset(value, 'x', sizeof value - 1);
        for (int i = 0; i < 42; i++)
            huge[i] = i % 2 ? value : "x-huge";
        h2_begin(s, 200, huge);
        h2_chunk(s, "", 0, true);
    } else {
        f->held[f->n_held++] = s;
        h2_begin(s, 200, NULL);
        h2_chunk(s, "one", 3, false);
    }
}

static inline void on_head(void *arg, int status, const char *content_type)
{
    struct result *r = arg;
    r->opened = true;
    r->status = status;
    snprintf(r->type, sizeof r->type, "%s", str_or(content_type, ""));
}

static inline int on_data(void *arg, const void *data, size_t len)
{
    struct result *r = arg;
    size_t n = strlen(r->text);
    if (n + len < sizeof r->text)
        snprintf(r->text + n, sizeof r->text - n, "%.*s", (int)len, (const char *)data);
    r->bytes += len;
    r->pieces++;
    r->has_data = true;
    if (r->piece)
        r->piece(r);
    return r->stop;
}

static inline void on_done(void *arg, const struct http_result *h)
{
    struct result *r = arg;
    assert_false(r->done);
    r->done = true;
    r->transfer = NULL;
    r->status = h->status;
    r->fault = h->fault;
    r->retry_after_ms = h->retry_after_ms;
    r->date_s = h->date_s;
    snprintf(r->message, sizeof r->message, "%s", h->message);
    if (r->then)
        r->then(r);
}

static const struct http_handler handler = {on_head, on_data, on_done};

static inline struct http_pool *pool_new(struct fixture *f, struct http_pool_opts o)
{
    auto_free char *url = xasprintf("%s/prefix/", f->server.url);
    o.server = o.server ? o.server : url;
    o.ca = o.ca ? o.ca : f->pair.cert;
    struct http_pool *p = http_pool_new(&f->loop, &o, NULL);
    assert_non_null(p);
    return p;
}

static inline int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    uv_loop_init(&f->loop);
    f->pair = h2_pair_new("server", "IP:127.0.0.1,DNS:api.test");
    h2_start(&f->server, &f->loop, &f->pair, handle, f);
    f->pool = pool_new(f, (struct http_pool_opts){0});
    *state = f;
    return 0;
}

/* Whatever a test leaves behind: nothing may be left in the loop, or in memory. */
static inline int teardown(void **state)
{
    struct fixture *f = *state;
    http_pool_free(f->pool);
    h2_stop(&f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    h2_pair_done(&f->pair);
    free(f);
    return r;
}

static inline void start_in(struct http_pool *p, struct fixture *f, struct result *r,
                            const char *method, const char *path, const char *body)
{
    static const char *const headers[] = {"X-Test: yes", "Authorization: Bearer t", NULL};
    struct http_request q = {.method = method,
                             .path = path,
                             .headers = headers,
                             .body = body,
                             .body_len = body ? strlen(body) : 0};
    r->f = f;
    r->transfer = http_start(p, &q, &handler, r);
    assert_false(r->done);
}

/* A watch: its pieces may come together. */
static inline void watch(struct fixture *f, struct result *r)
{
    struct http_request q = {.method = "GET", .path = "/hold", .patient = true};
    r->f = f;
    r->transfer = http_start(f->pool, &q, &handler, r);
}

static inline void start(struct fixture *f, struct result *r, const char *path)
{
    start_in(f->pool, f, r, "GET", path, NULL);
}

static inline void get(struct fixture *f, struct result *r, const char *path)
{
    start(f, r, path);
    assert_true(fake_run(&f->loop, &r->done));
}

static inline struct http_stats stats(const struct http_pool *p)
{
    struct http_stats s;
    http_pool_stats(p, &s);
    return s;
}

#endif
