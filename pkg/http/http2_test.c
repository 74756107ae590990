/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2.h"

#include <zlib.h>

#include "http/h2_fixture_test.h"

static void test_get(void **state)
{
    struct fixture *f = *state;
    struct result r = {0}, again = {0};
    get(f, &r, "/plain");
    assert_int_equal(r.fault, HTTP_OK);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.text, "hello");
    assert_string_equal(f->method, "GET");
    assert_string_equal(f->path, "/prefix/plain");
    assert_string_equal(f->token, "Bearer t");
    get(f, &again, "/plain");
    assert_int_equal(f->server.accepted, 1);
}

static void test_methods(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};
    struct fixture *f = *state;
    for (size_t i = 0; i < 4; i++) {
        struct result r = {0};
        start_in(f->pool, f, &r, methods[i], "/plain", "{\"a\":1}");
        assert_true(fake_run(&f->loop, &r.done));
        assert_int_equal(r.status, 200);
        assert_string_equal(f->method, methods[i]);
        assert_string_equal(f->body, "{\"a\":1}");
    }
}

static void test_large_body(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    auto_free char *body = xmalloc(1000001);
    memset(body, 'b', 1000000);
    body[1000000] = '\0';
    start_in(f->pool, f, &r, "POST", "/hold", body);
    assert_true(fake_run(&f->loop, &r.opened));
    assert_int_equal(f->held[0]->body.len, 1000000);
}

static void test_retry_after(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    get(f, &r, "/busy");
    assert_int_equal(r.status, 429);
    assert_int_equal(r.retry_after_ms, 7000);
    assert_int_equal(r.date_s, 784111777);
    assert_string_equal(r.type, "text/x");
}

static void test_refused_and_broken(void **state)
{
    struct fixture *f = *state;
    struct result refused = {0}, broken = {0}, dropped = {0}, good = {0};
    get(f, &refused, "/refuse");
    assert_int_equal(refused.fault, HTTP_UNSENT);
    get(f, &broken, "/break");
    assert_int_equal(broken.fault, HTTP_LOST);
    assert_int_equal(f->server.accepted, 1);
    get(f, &dropped, "/drop");
    assert_int_equal(dropped.fault, HTTP_LOST);
    get(f, &good, "/plain");
    assert_int_equal(good.status, 200);
    assert_int_equal(f->server.accepted, 2);
}

static void test_nobody_there(void **state)
{
    struct fixture *f = *state;
    struct result r = {0}, two = {0};
    struct http_pool *p = pool_new(f, (struct http_pool_opts){.server = "https://127.0.0.1:1"});
    start_in(p, f, &r, "GET", "/x", NULL);
    start_in(p, f, &two, "GET", "/x", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_true(fake_run(&f->loop, &two.done));
    assert_int_equal(r.fault, HTTP_UNSENT);
    assert_non_null(strstr(r.message, "refused"));
    http_pool_free(p);
}

static void test_timeout(void **state)
{
    struct fixture *f = *state;
    struct result watch = {0}, r = {.f = f};
    struct http_request q = {.method = "GET", .path = "/hold", .timeout_ms = 50};
    start(f, &watch, "/hold"); /* with it the connection is there, however slow the machine */
    assert_true(fake_run(&f->loop, &watch.opened));
    uv_update_time(&f->loop);
    http_start(f->pool, &q, &handler, &r);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_TIMEOUT);
    assert_false(watch.done);
    assert_int_equal(stats(f->pool).open, 1);
}

static void test_headers_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    get(f, &r, "/huge");
    assert_true(r.fault == HTTP_STOPPED || r.fault == HTTP_LOST);
    assert_false(r.opened);
}

static void test_handler_stops(void **state)
{
    struct fixture *f = *state;
    struct result r = {.stop = true}, next = {0};
    get(f, &r, "/hold");
    assert_int_equal(r.fault, HTTP_STOPPED);
    get(f, &next, "/plain");
    assert_int_equal(f->server.accepted, 1);
}

/* More than the windows hold, in frames that don't fit any buffer. */
static void test_large_answer(void **state)
{
    enum { N = 6 * 1024 * 1024 };
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "/hold");
    assert_true(fake_run(&f->loop, &r.opened));
    auto_free char *data = xcalloc(1, N);
    h2_chunk(f->held[0], data, N, true);
    h2_flush(f->held[0]->conn);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_OK);
    assert_int_equal(r.bytes, N + 3);
}

/* Many streams on one connection: every piece comes without another one having to push it. */
static void test_nothing_is_held_back(void **state)
{
    enum { STREAMS = 8, ROUNDS = 50 };
    struct fixture *f = *state;
    struct result r[STREAMS] = {{0}};
    static const size_t sizes[] = {1, 100, 1024, 4096, 16384, 16385, 40000, 70000};
    auto_free char *data = xcalloc(1, 70000);
    for (int i = 0; i < STREAMS; i++)
        start(f, &r[i], "/hold");
    for (int i = 0; i < STREAMS; i++)
        assert_true(fake_run(&f->loop, &r[i].has_data));
    for (int round = 0; round < ROUNDS; round++) {
        struct result *target = &r[round % STREAMS];
        size_t size = sizes[(round * 5 + round / 8) % 8], want = target->bytes + size;
        for (int i = 0; i < STREAMS; i++) /* held[] is in the order of the requests */
            if (i == round % STREAMS)
                h2_chunk(f->held[i], data, size, false);
        h2_flush(f->held[0]->conn);
        for (int i = 0; i < 200 && target->bytes < want; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_int_equal(target->bytes, want);
    }
    assert_int_equal(f->server.accepted, 1);
}

static size_t compress_to(char *out, size_t size, const char *data, size_t len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
                  .avail_in = (uInt)len,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)size};
    deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return size - z.avail_out;
}

static struct result get_gzip(struct fixture *f, const char *gzip, size_t len, struct result r)
{
    struct http_pool *p = pool_new(f, (struct http_pool_opts){.over = f->pool, .gzip = true});
    f->gzip = gzip;
    f->gzip_len = len;
    start_in(p, f, &r, "GET", "/gzip", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    http_pool_free(p);
    return r;
}

static void test_gzip(void **state)
{
    enum { N = 1000000 };
    struct fixture *f = *state;
    auto_free char *data = xcalloc(1, N), *gzip = xcalloc(1, N);
    for (int i = 0; i < N; i++)
        data[i] = (char)('a' + i % 7 * (i / 1000 % 3));
    size_t len = compress_to(gzip, N - 1, data, N);
    struct result r = get_gzip(f, gzip, len, (struct result){0});
    assert_int_equal(r.fault, HTTP_OK);
    assert_int_equal(r.bytes, N);
    assert_int_equal(get_gzip(f, gzip, len - 1, (struct result){0}).fault, HTTP_LOST);
    assert_int_equal(get_gzip(f, gzip, len + 1, (struct result){0}).fault, HTTP_LOST);
    assert_int_equal(get_gzip(f, "no gzip", 7, (struct result){0}).fault, HTTP_LOST);
    assert_int_equal(get_gzip(f, "", 0, (struct result){0}).fault, HTTP_LOST);
    assert_int_equal(get_gzip(f, gzip, len, (struct result){.stop = true}).fault, HTTP_STOPPED);
    struct result plain = {0}; /* nobody asked for it: the bytes as they are */
    f->gzip = "hello";
    f->gzip_len = 5;
    get(f, &plain, "/gzip");
    assert_string_equal(plain.text, "hello");
}

static void cancel_it(struct result *r)
{
    http_cancel(r->transfer);
    r->transfer = NULL;
    r->piece = NULL;
}

static void test_cancel_in_gzip(void **state)
{
    enum { N = 200000 };
    struct fixture *f = *state;
    struct result r = {.piece = cancel_it}, next = {0};
    auto_free char *data = xcalloc(1, N), *gzip = xcalloc(1, N);
    struct http_pool *p = pool_new(f, (struct http_pool_opts){.over = f->pool, .gzip = true});
    f->gzip = gzip;
    f->gzip_len = compress_to(gzip, N, data, N);
    start_in(p, f, &r, "GET", "/gzip", NULL);
    assert_true(fake_run(&f->loop, &r.has_data));
    get(f, &next, "/plain");
    assert_int_equal(r.pieces, 1);
    assert_false(r.done);
    http_pool_free(p);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct result before = {0}, during = {0}, last = {0};
    start(f, &before, "/plain");
    http_cancel(before.transfer);
    start(f, &during, "/hold");
    assert_true(fake_run(&f->loop, &during.opened));
    http_cancel(during.transfer);
    get(f, &last, "/plain");
    assert_false(before.done);
    assert_false(during.done);
    assert_int_equal(f->server.accepted, 1);
}

static struct result nested;

static void cancel_and_start(struct result *r)
{
    if (!r->transfer)
        return;
    http_cancel(r->transfer);
    r->transfer = NULL;
    nested = (struct result){0};
    start(r->f, &nested, "/plain");
}

static void test_cancel_in_data(void **state)
{
    struct fixture *f = *state;
    struct result r = {.piece = cancel_and_start, .stop = true};
    nested.done = false;
    start(f, &r, "/hold");
    assert_true(fake_run(&f->loop, &nested.done));
    assert_false(r.done);
}

static void free_pool(struct result *r)
{
    http_pool_free(r->f->pool);
    r->f->pool = NULL;
}

static void test_free_in_done(void **state)
{
    struct fixture *f = *state;
    struct result r = {.then = free_pool}, other = {0};
    start(f, &other, "/hold");
    start(f, &r, "/plain");
    assert_true(fake_run(&f->loop, &r.done));
    assert_false(other.done);
}

static void test_free_in_data(void **state)
{
    struct fixture *f = *state;
    struct result r = {.piece = free_pool}, other = {0};
    start(f, &r, "/hold");
    start(f, &other, "/hold");
    while (f->pool)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(r.done);
    assert_false(other.done);
}

static void test_free_while_connecting(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    for (int rounds = 0; rounds < 8; rounds++) {
        struct http_pool *p = pool_new(f, (struct http_pool_opts){0});
        start_in(p, f, &r, "GET", "/plain", NULL);
        for (int i = 0; i < rounds; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        http_pool_free(p);
        r = (struct result){0};
    }
}

static void test_drain(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    start(f, &r, "/hold");
    assert_true(fake_run(&f->loop, &r.opened));
    http_pool_drain(f->pool);
    f->pool = NULL;
    h2_chunk(f->held[0], "two", 3, true);
    h2_flush(f->held[0]->conn);
    assert_true(fake_run(&f->loop, &r.done));
    assert_string_equal(r.text, "onetwo");
}

static void test_reset(void **state)
{
    struct fixture *f = *state;
    struct result lost = {0}, good = {0};
    start(f, &lost, "/hold");
    assert_true(fake_run(&f->loop, &lost.opened));
    http_pool_reset(f->pool);
    assert_false(lost.done);
    assert_true(fake_run(&f->loop, &lost.done));
    assert_int_equal(lost.fault, HTTP_LOST);
    get(f, &good, "/plain");
    assert_int_equal(f->server.accepted, 2);
}

/* GOAWAY: what runs goes on, what begins goes over a new connection. */
static void test_goaway(void **state)
{
    struct fixture *f = *state;
    struct result running = {0}, next = {0};
    start(f, &running, "/hold");
    assert_true(fake_run(&f->loop, &running.opened));
    struct h2_conn *c = f->held[0]->conn;
    nghttp2_submit_goaway(c->session, 0, f->held[0]->id, NGHTTP2_NO_ERROR, NULL, 0);
    h2_flush(c);
    for (int i = 0; i < 50; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    get(f, &next, "/plain");
    assert_int_equal(next.status, 200);
    h2_chunk(f->held[0], "two", 3, true);
    h2_flush(c);
    assert_true(fake_run(&f->loop, &running.done));
    assert_string_equal(running.text, "onetwo");
    assert_int_equal(stats(f->pool).connections, 2);
}

/* One stream too many for a connection: another connection. */
static void test_streams_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct result r[3] = {{0}, {0}, {0}};
    f->server.streams_max = 2;
    get(f, &(struct result){0}, "/plain");
    for (int i = 0; i < 3; i++) {
        start(f, &r[i], "/hold");
        assert_true(fake_run(&f->loop, &r[i].opened));
    }
    assert_int_equal(f->server.accepted, 2);
}

/* Silence: an answer to our PING is enough; without one the watch is over. */
static void test_silence(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    struct http_pool *p = pool_new(f, (struct http_pool_opts){0});
    assert_true(http_pool_watches_life(p));
    http_pool_set_silence(p, 20, 20000);
    start_in(p, f, &r, "GET", "/hold", NULL);
    assert_true(fake_run(&f->loop, &r.opened));
    uint64_t until = uv_now(&f->loop) + 300;
    while (uv_now(&f->loop) < until)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(r.done);
    f->held[0]->conn->deaf = true;
    http_pool_set_silence(p, 20, 50);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_LOST);
    http_pool_free(p);
}

/* A request that is not answered, on a connection that says nothing: the next one goes over another connection, and the
 * watch stays where it is until the server has had its time. */
static void test_suspect(void **state)
{
    struct fixture *f = *state;
    struct result watch = {0}, late = {.f = f}, next = {0};
    struct http_request q = {.method = "GET", .path = "/plain", .timeout_ms = 30};
    start(f, &watch, "/hold");
    assert_true(fake_run(&f->loop, &watch.has_data));
    f->held[0]->conn->deaf = true;
    uv_update_time(&f->loop);
    http_start(f->pool, &q, &handler, &late);
    assert_true(fake_run(&f->loop, &late.done));
    assert_int_equal(late.fault, HTTP_TIMEOUT);
    get(f, &next, "/plain");
    assert_int_equal(next.status, 200);
    assert_int_equal(f->server.accepted, 2);
    assert_false(watch.done);
    http_pool_set_silence(f->pool, 60000, 1);
    assert_true(fake_run(&f->loop, &watch.done));
    assert_int_equal(watch.fault, HTTP_LOST);
}

static void test_idle_is_closed(void **state)
{
    struct fixture *f = *state;
    struct result r = {0}, again = {0};
    struct http_pool *p = pool_new(f, (struct http_pool_opts){.idle_ms = 20});
    start_in(p, f, &r, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    while (stats(p).open)
        uv_run(&f->loop, UV_RUN_ONCE);
    start_in(p, f, &again, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &again.done));
    assert_int_equal(stats(p).connections, 2);
    assert_int_equal(stats(p).resumed, 1);
    assert_int_equal(f->server.resumed, 1);
    http_pool_free(p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get),
        T(test_methods),
        T(test_large_body),
        T(test_retry_after),
        T(test_refused_and_broken),
        T(test_nobody_there),
        T(test_timeout),
        T(test_headers_are_bounded),
        T(test_handler_stops),
        T(test_large_answer),
        T(test_nothing_is_held_back),
        T(test_gzip),
        T(test_cancel_in_gzip),
        T(test_cancel),
        T(test_cancel_in_data),
        T(test_free_in_done),
        T(test_free_in_data),
        T(test_free_while_connecting),
        T(test_drain),
        T(test_reset),
        T(test_goaway),
        T(test_streams_are_bounded),
        T(test_silence),
        T(test_suspect),
        T(test_idle_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
