/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <unistd.h>

#include "base/str.h"
#include "http/fake_test.h"

struct fixture {
    uv_loop_t loop;
    struct fake server;
    struct http_pool *pool;
    struct fake_conn *held; /* the connection whose answer is not finished */
    char head[4096], body[256];
};

struct result {
    struct fixture *f;
    struct http_transfer *transfer;
    bool done, opened;
    int calls, stop_after; /* pieces taken, and when to stop */
    int status;
    enum http_fault fault;
    int64_t retry_after_ms, date_s;
    struct buf data;
    void (*then)(struct result *r); /* inside done */
    void (*piece)(struct result *r);
};

static void handle(void *arg, struct fake_conn *c, const struct fake_request *q)
{
    struct fixture *f = arg;
    snprintf(f->head, sizeof f->head, "%s", q->head);
    snprintf(f->body, sizeof f->body, "%s", q->body);
    if (strcmp(q->path, "/prefix/plain") == 0)
        fake_reply(c, 200, "", "hello");
    else if (strcmp(q->path, "/prefix/busy") == 0)
        fake_reply(c, 429, "Retry-After: 7\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                   "slow down");
    else if (strcmp(q->path, "/prefix/moved") == 0)
        fake_reply(c, 302, "Location: /prefix/plain\r\n", "");
    else if (strcmp(q->path, "/prefix/drop") == 0)
        fake_drop(c);
    else if (strcmp(q->path, "/prefix/huge") == 0) {
        char value[4096];
        fake_send(c, "HTTP/1.1 200 OK\r\n");
        memset(value, 'x', sizeof value);
        value[sizeof value - 1] = '\0';
        for (int i = 0; i < 20; i++) {
            auto_free char *line = xasprintf("X-%d: %s\r\n", i, value);
            fake_send(c, line);
        }
        fake_send(c, "\r\n");
    } else {
        f->held = c;
        fake_begin(c);
        fake_chunk(c, "one");
    }
}

static void on_head(void *arg, int status, const char *content_type)
{
    (void)content_type;
    struct result *r = arg;
    r->opened = true;
    r->status = status;
}

static int on_data(void *arg, const void *data, size_t len)
{
    struct result *r = arg;
    buf_append(&r->data, data, len);
    if (r->piece)
        r->piece(r);
    return ++r->calls == r->stop_after;
}

static void on_done(void *arg, const struct http_result *h)
{
    struct result *r = arg;
    r->done = true;
    r->transfer = NULL;
    r->status = h->status;
    r->fault = h->fault;
    r->retry_after_ms = h->retry_after_ms;
    r->date_s = h->date_s;
    assert_non_null(h->message);
    if (r->then)
        r->then(r);
}

static const struct http_handler handler = {on_head, on_data, on_done};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    uv_loop_init(&f->loop);
    fake_start(&f->server, &f->loop, handle, f);
    auto_free char *url = xasprintf("%s/prefix/", f->server.url);
    struct http_pool_opts o = {.server = url, .plain = true, .max_running = 2};
    f->pool = http_pool_new(&f->loop, &o, NULL);
    *state = f;
    return f->pool ? 0 : -1;
}

/* Whatever a test leaves behind: nothing may be left in the loop, or in memory. */
static int teardown(void **state)
{
    struct fixture *f = *state;
    http_pool_free(f->pool);
    fake_stop(&f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    free(f);
    return r;
}

static void start(struct fixture *f, struct result *r, const char *method, const char *path,
                  const char *body)
{
    static const char *const headers[] = {"X-Test: yes", "Content-Type: text/x", NULL};
    struct http_request q = {
        .method = method,
        .path = path,
        .headers = headers,
        .body = body,
        .body_len = body ? strlen(body) : 0,
    };
    r->f = f;
    r->data.max = 1000;
    r->transfer = http_start(f->pool, &q, &handler, r);
    assert_false(r->done);
    assert_false(r->opened);
}

static void test_get(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_OK);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.data.data, "hello");
    assert_true(str_starts(f->head, "GET /prefix/plain HTTP/1.1\r\n"));
    assert_non_null(strstr(f->head, "X-Test: yes\r\n"));
    buf_done(&r.data);
}

static void test_methods(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
    struct fixture *f = *state;
    for (size_t i = 0; i < 4; i++) {
        struct result r = {0};
        start(f, &r, methods[i], "/plain", "{\"a\":1}");
        assert_true(fake_run(&f->loop, &r.done));
        assert_int_equal(r.status, 200);
        assert_true(str_starts(f->head, methods[i]));
        assert_string_equal(f->body, "{\"a\":1}");
        assert_non_null(strstr(f->head, "Content-Type: text/x\r\n"));
        assert_null(strstr(f->head, "Expect:"));
        buf_done(&r.data);
    }
    struct result r = {0};
    start(f, &r, "DELETE", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_true(str_starts(f->head, "DELETE "));
    assert_int_equal(f->server.accepted, 1);
    buf_done(&r.data);
}

static void test_retry_after(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "GET", "/busy", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.status, 429);
    assert_int_equal(r.retry_after_ms, 7000);
    assert_int_equal(r.date_s, 784111777);
    buf_done(&r.data);
}

static void test_redirects_stay(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "GET", "/moved", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.status, 302);
    assert_int_equal(f->server.requests, 1);
    buf_done(&r.data);
}

static void test_lost(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "POST", "/drop", "x");
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_LOST);
    buf_done(&r.data);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    struct http_pool *mine = f->pool;
    struct http_pool_opts o = {.server = "http://127.0.0.1:1", .plain = true};
    f->pool = http_pool_new(&f->loop, &o, NULL);
    start(f, &r, "POST", "/x", "x");
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_UNSENT);
    http_pool_free(f->pool);
    f->pool = mine;
}

static void test_timeout(void **state)
{
    struct fixture *f = *state;
    struct result r = {.f = f, .data = BUF_INIT(100)};
    struct result first = {0};
    struct http_request q = {.method = "GET", .path = "/stream", .timeout_ms = 50};
    /* On an open connection: one that takes too long to come is another fault, HTTP_UNSENT. */
    start(f, &first, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &first.done));
    http_start(f->pool, &q, &handler, &r);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_TIMEOUT);
    buf_done(&first.data);
    buf_done(&r.data);
}

static void test_headers_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "GET", "/huge", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_STOPPED);
    buf_done(&r.data);
}

static void test_handler_stops(void **state)
{
    struct fixture *f = *state;
    struct result r = {.stop_after = 1};
    start(f, &r, "GET", "/stream", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_STOPPED);
    assert_true(r.opened);
    buf_done(&r.data);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "GET", "/stream", NULL);
    assert_true(fake_run(&f->loop, &r.opened));
    assert_false(r.done);
    fake_chunk(f->held, "two");
    fake_chunk(f->held, "");
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_OK);
    assert_string_equal(r.data.data, "onetwo");
    buf_done(&r.data);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct result before = {0}, during = {0};
    start(f, &before, "GET", "/plain", NULL);
    http_cancel(before.transfer);
    start(f, &during, "GET", "/stream", NULL);
    assert_true(fake_run(&f->loop, &during.opened));
    http_cancel(during.transfer);
    struct result last = {0};
    start(f, &last, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &last.done));
    assert_false(before.done);
    assert_false(during.done);
    buf_done(&during.data);
    buf_done(&last.data);
}

static struct result nested;

static void start_nested(struct result *r)
{
    nested = (struct result){0};
    start(r->f, &nested, "GET", "/plain", NULL);
}

static void test_start_in_done(void **state)
{
    struct fixture *f = *state;
    struct result r = {.then = start_nested};
    start(f, &r, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_true(fake_run(&f->loop, &nested.done));
    buf_done(&r.data);
    buf_done(&nested.data);
}

static void cancel_and_start(struct result *r)
{
    if (!r->transfer)
        return;
    http_cancel(r->transfer);
    r->transfer = NULL;
    start_nested(r);
}

static void test_cancel_in_data(void **state)
{
    struct fixture *f = *state;
    struct result r = {.piece = cancel_and_start};
    nested.done = false;
    start(f, &r, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &nested.done));
    assert_false(r.done);
    buf_done(&r.data);
    buf_done(&nested.data);
}

static void free_pool(struct result *r)
{
    http_pool_free(r->f->pool);
    r->f->pool = NULL;
    r->opened = true;
}

static void test_free_in_done(void **state)
{
    struct fixture *f = *state;
    struct result r = {.then = free_pool}, other = {0};
    start(f, &r, "GET", "/plain", NULL);
    start(f, &other, "GET", "/stream", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_false(other.done);
    buf_done(&r.data);
    buf_done(&other.data);
}

static void test_free_in_data(void **state)
{
    struct fixture *f = *state;
    struct result r = {.piece = free_pool};
    start(f, &r, "GET", "/stream", NULL);
    while (f->pool)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(r.done);
    buf_done(&r.data);
}

static void test_drain(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "GET", "/stream", NULL);
    assert_true(fake_run(&f->loop, &r.opened));
    http_pool_drain(f->pool);
    f->pool = NULL;
    fake_chunk(f->held, "");
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_OK);
    buf_done(&r.data);
}

/* The third waits until one of two has ended. */
static void test_line(void **state)
{
    struct fixture *f = *state;
    struct result r[3] = {{0}, {0}, {0}};
    start(f, &r[0], "GET", "/stream", NULL);
    start(f, &r[1], "GET", "/stream", NULL);
    start(f, &r[2], "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r[0].opened));
    assert_true(fake_run(&f->loop, &r[1].opened));
    assert_int_equal(f->server.requests, 2);
    assert_false(r[2].done);
    http_cancel(r[0].transfer);
    assert_true(fake_run(&f->loop, &r[2].done));
    for (int i = 0; i < 3; i++)
        buf_done(&r[i].data);
}

static void test_reset(void **state)
{
    struct fixture *f = *state;
    struct result lost = {0}, good = {0};
    start(f, &lost, "GET", "/stream", NULL);
    assert_true(fake_run(&f->loop, &lost.opened));
    http_pool_reset(f->pool);
    assert_false(lost.done);
    assert_true(fake_run(&f->loop, &lost.done));
    assert_int_equal(lost.fault, HTTP_LOST);
    start(f, &good, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &good.done));
    assert_int_equal(good.status, 200);
    assert_int_equal(f->server.accepted, 2);
    buf_done(&lost.data);
    buf_done(&good.data);
}

static void ignore(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

/* The loop can't watch the socket, as when memory runs out: that transfer fails, and the next one works. */
static void test_unwatchable(void **state)
{
    struct fixture *f = *state;
    struct result first = {0}, lost = {0}, good = {0};
    uv_poll_t poll;
    start(f, &first, "GET", "/drop", NULL); /* libcurl has its own sockets then */
    assert_true(fake_run(&f->loop, &first.done));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(uv_poll_init(&f->loop, &poll, fd), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, ignore), 0);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    close(fd); /* libcurl's socket gets its number, which the loop thinks to have */
    start(f, &lost, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &lost.done));
    assert_int_not_equal(lost.fault, HTTP_OK);
    uv_close((uv_handle_t *)&poll, NULL);
    start(f, &good, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &good.done));
    assert_int_equal(good.status, 200);
    buf_done(&good.data);
}

static void test_servers(void **state)
{
    static const char *const bad[] = {
        "",
        "127.0.0.1:6443",
        "http://127.0.0.1",
        "ftp://127.0.0.1",
        "https://user@127.0.0.1",
        "https://u:p@127.0.0.1",
        "https://127.0.0.1/?a=b",
        "https://127.0.0.1/#f",
        "https://127.0.0.1:99999",
        "https://a b/",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        struct http_pool_opts o = {.server = bad[i]};
        assert_null(http_pool_new(&f->loop, &o, &err));
        assert_int_equal(err.class, ERR_INVALID);
    }
    struct http_pool_opts o = {.server = "https://[::1]:6443/p", .tls_server_name = "a/b"};
    assert_null(http_pool_new(&f->loop, &o, NULL));
    o.tls_server_name = "api.test";
    struct http_pool *p = http_pool_new(&f->loop, &o, NULL);
    assert_non_null(p);
    http_pool_free(p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get),
        T(test_methods),
        T(test_retry_after),
        T(test_redirects_stay),
        T(test_lost),
        T(test_refused),
        T(test_timeout),
        T(test_headers_are_bounded),
        T(test_handler_stops),
        T(test_stream),
        T(test_cancel),
        T(test_start_in_done),
        T(test_cancel_in_data),
        T(test_free_in_done),
        T(test_free_in_data),
        T(test_drain),
        T(test_line),
        T(test_unwatchable),
        T(test_reset),
        T(test_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
