/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

enum { GUARD_MS = 20000, CROWD = 40, LINES = 100000 };

struct fixture {
    uv_loop_t loop;
    uv_timer_t guard; /* a test that hangs ends with a message */
    struct serve *serve;
    bool ready;
    int lines;
};

/* A connection to the server that sends text and keeps what comes back, until the server closes. */
struct client {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    const char *text;
    struct buf got;
    char chunk[4096];
    bool connected, ended, deaf;
};

static bool is_healthy(void *arg)
{
    (void)arg;
    return true;
}

static bool is_ready(void *arg)
{
    return ((struct fixture *)arg)->ready;
}

static void write_metrics(void *arg, struct buf *out)
{
    const struct fixture *f = arg;
    metric_head(out, "up", "gauge", "Is it up.");
    for (int i = 0; i < f->lines; i++)
        metric_value(out, "up", i, "cluster", "east", NULL);
}

static void on_guard(uv_timer_t *t)
{
    (void)t;
    fputs("the loop hangs\n", stderr);
    abort();
}

static void setup(struct fixture *f)
{
    struct err err = {0};
    memset(f, 0, sizeof *f);
    f->lines = 1;
    uv_loop_init(&f->loop);
    uv_timer_init(&f->loop, &f->guard);
    uv_timer_start(&f->guard, on_guard, GUARD_MS, 0);
    uv_unref((uv_handle_t *)&f->guard);
    struct serve_hooks hooks = {is_healthy, is_ready, write_metrics, f};
    f->serve = serve_start(&f->loop, "127.0.0.1:0", &hooks, &err);
    assert_string_equal(err.msg, "");
    assert_non_null(f->serve);
    assert_in_range(serve_port(f->serve), 1, 65535);
}

/* The loop must end by itself and be left empty. */
static void teardown(struct fixture *f)
{
    serve_stop(f->serve);
    uv_close((uv_handle_t *)&f->guard, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

/* --- client ---- */

static void client_close(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, NULL);
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *ret)
{
    struct client *c = h->data;
    (void)n;
    *ret = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct client *c = s->data;
    if (n > 0) {
        buf_append(&c->got, b->base, (size_t)n);
        return;
    }
    c->ended = n < 0;
    if (c->ended)
        client_close(c);
}

static void on_connect(uv_connect_t *r, int status)
{
    struct client *c = r->data;
    if (status < 0) {
        c->ended = true;
        client_close(c);
        return;
    }
    c->connected = true;
    if (!c->deaf)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    uv_buf_t b = {.base = (char *)(uintptr_t)c->text, .len = strlen(c->text)};
    uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, NULL);
}

static void client_start(struct fixture *f, struct client *c, const char *text)
{
    struct sockaddr_in to;
    uv_ip4_addr("127.0.0.1", serve_port(f->serve), &to);
    c->text = text;
    c->got = BUF_INIT(64 << 20);
    c->tcp.data = c->connect.data = c;
    uv_tcp_init(&f->loop, &c->tcp);
    uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&to, on_connect);
}

/* What the server says to text until it closes the connection. Free it. */
static char *talk(struct fixture *f, const char *text)
{
    struct client c = {.deaf = false};
    client_start(f, &c, text);
    while (!c.ended)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    return buf_take(&c.got);
}

static char *get(struct fixture *f, const char *path)
{
    auto_free char *text =
        xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    return talk(f, text);
}

static void expect(const char *what, const char *answer, const char *start, const char *part)
{
    if (!str_starts(answer, start) || !strstr(answer, part))
        fail_msg("%s: %.300s", what, answer);
}

/* --- tests ---- */

static void paths_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *path, *status, *part;
    } rows[] = {
        {"/healthz", "HTTP/1.1 200 ", "\r\n\r\nok\n"},
        {"/healthz?verbose=1", "HTTP/1.1 200 ", "\r\n\r\nok\n"},
        {"/readyz", "HTTP/1.1 503 ", "\r\n\r\nnot ok\n"},
        {"/metrics", "HTTP/1.1 200 ", "text/plain; version=0.0.4"},
        {"/metrics", "HTTP/1.1 200 ", "# TYPE up gauge\nup{cluster=\"east\"} 0\n"},
        {"/", "HTTP/1.1 404 ", "/metrics"},
        {"/healthz/", "HTTP/1.1 404 ", "not found"},
        {"/../etc/passwd", "HTTP/1.1 404 ", "not found"},
    };
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_free char *answer = get(&f, rows[i].path);
        expect(rows[i].path, answer, rows[i].status, rows[i].part);
    }
    f.ready = true;
    auto_free char *answer = get(&f, "/readyz");
    expect("/readyz", answer, "HTTP/1.1 200 ", "\r\n\r\nok\n");
    teardown(&f);
}

static void a_big_answer_comes_whole(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.lines = LINES;
    auto_free char *answer = get(&f, "/metrics");
    const char *body = strstr(answer, "\r\n\r\n"), *head = strstr(answer, "content-length: ");
    assert_non_null(body);
    assert_non_null(head);
    auto_free char *length = xstrndup(head + 16, strcspn(head + 16, "\r"));
    int64_t want = 0;
    assert_int_equal(str_to_i64(length, 1, 1 << 30, &want), 0);
    assert_int_equal(strlen(body + 4), want);
    assert_non_null(strstr(body, "up{cluster=\"east\"} 99999\n"));
    teardown(&f);
}

static void only_get_and_head(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    auto_free char *post =
        talk(&f, "POST /healthz HTTP/1.1\r\nHost: l\r\nContent-Length: 3\r\n\r\nabc");
    expect("POST", post, "HTTP/1.1 405 ", "allow: GET, HEAD\r\n");
    expect("POST", post, "HTTP/1.1 405 ", "connection: close\r\n");
    auto_free char *del = talk(&f, "DELETE /metrics HTTP/1.1\r\nHost: l\r\n\r\n");
    expect("DELETE", del, "HTTP/1.1 405 ", "only GET");
    auto_free char *head =
        talk(&f, "HEAD /healthz HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n");
    expect("HEAD", head, "HTTP/1.1 200 ", "content-length: 3\r\n");
    assert_true(str_ends(head, "\r\n\r\n"));
    teardown(&f);
}

static void connections_are_used_again(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    auto_free char *answer =
        talk(&f, "GET /healthz HTTP/1.1\r\nHost: l\r\n\r\n"
                 "GET /nope HTTP/1.1\r\nHost: l\r\n\r\n"
                 "GET /readyz HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n");
    expect("pipeline", answer, "HTTP/1.1 200 ", "HTTP/1.1 404 ");
    expect("pipeline", answer, "HTTP/1.1 200 ", "HTTP/1.1 503 ");
    teardown(&f);
}

/* None of these is worth an answer; what counts is that the connection ends and the next works. */
static void bad_requests_end_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    auto_free char *a = xmalloc(64 * 1024);
    memset(a, 'a', 64 * 1024 - 1);
    a[64 * 1024 - 1] = '\0';
    char *bad[] = {
        xasprintf("GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", a),
        xasprintf("GET /healthz HTTP/1.1\r\nX-Other: %s\r\n\r\n", a),
        xasprintf("GET /%s HTTP/1.1\r\nHost: l\r\n\r\n", a),
        xstrdup("\x16\x03\x01 not HTTP at all\r\n\r\n"),
        xstrdup("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        xstrdup("GET /healthz HTTP/1.1\r\nHost: l\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"),
        xstrdup("GET /healthz HTTP/1.1\r\nHost: l\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                "\r\n"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        auto_free char *own = bad[i];
        auto_free char *answer = talk(&f, own);
        if (str_starts(answer, "HTTP/1.1 2") || str_starts(answer, "HTTP/1.1 101"))
            fail_msg("%.80s: %.80s", own, answer);
        auto_free char *next = get(&f, "/healthz");
        expect("the next", next, "HTTP/1.1 200 ", "ok\n");
    }
    teardown(&f);
}

static int count_ended(const struct client *crowd)
{
    int n = 0;
    for (int i = 0; i < CROWD; i++)
        n += crowd[i].ended;
    return n;
}

static void a_crowd_is_turned_away(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    for (int round = 0; round < 2; round++) { /* the second finds every place free again */
        struct client *crowd = xcalloc(CROWD, sizeof *crowd);
        for (int i = 0; i < CROWD; i++)
            client_start(&f, &crowd[i], "GET /heal");
        while (count_ended(crowd) < CROWD - 32)
            uv_run(&f.loop, UV_RUN_ONCE);
        for (int i = 0; i < 10; i++)
            uv_run(&f.loop, UV_RUN_NOWAIT);
        assert_int_equal(count_ended(crowd), CROWD - 32);
        for (int i = 0; i < CROWD; i++)
            client_close(&crowd[i]);
        char *answer = NULL;
        do { /* until the server has seen them go */
            free(answer);
            answer = get(&f, "/healthz");
        } while (!*answer);
        expect("after the crowd", answer, "HTTP/1.1 200 ", "ok\n");
        free(answer);
        for (int i = 0; i < CROWD; i++)
            buf_done(&crowd[i].got);
        free(crowd);
    }
    teardown(&f);
}

/* Clients that ask for much and read nothing, or never finish asking, must not keep the process
 * from ending. They stay open until the server is gone, without holding the loop. */
static void stopping_drops_busy_connections(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.lines = LINES * 3 / 2; /* more than the sockets hold */
    struct client busy = {.deaf = true}, idle = {.deaf = true};
    client_start(&f, &busy, "GET /metrics HTTP/1.1\r\nHost: l\r\n\r\n");
    client_start(&f, &idle, "GET /met");
    for (int i = 0; i < 200 || !busy.connected || !idle.connected; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);
    uv_unref((uv_handle_t *)&busy.tcp);
    uv_unref((uv_handle_t *)&idle.tcp);
    serve_stop(STEAL(f.serve));
    assert_int_equal(uv_run(&f.loop, UV_RUN_DEFAULT), 0);
    client_close(&idle);
    client_close(&busy);
    teardown(&f);
}

/* Without a descriptor left, whoever comes is turned away at once, and the loop can sleep again. */
static void no_descriptor_left(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct client c = {.deaf = false};
    client_start(&f, &c, "GET /healthz HTTP/1.1\r\nHost: l\r\n\r\n");
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    tight = (struct rlimit){(rlim_t)lowest, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (!c.ended)
        uv_run(&f.loop, UV_RUN_ONCE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(c.got.len, 0);
    auto_free char *answer = get(&f, "/healthz");
    expect("after it", answer, "HTTP/1.1 200 ", "ok\n");
    teardown(&f);
}

static void addresses_that_cannot_be(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    auto_free char *taken = xasprintf("127.0.0.1:%d", serve_port(f.serve));
    const char *const rows[][2] = {
        {"8081", "is not [HOST]:PORT"},      {":99999", "is not [HOST]:PORT"},
        {":", "is not [HOST]:PORT"},         {"localhost:1", "must be an IP address"},
        {"[127.0.0.1:1", "must be an IP"},   {taken, "Address already in use"},
        {"192.0.2.1:0", "cannot listen on"},
    };
    struct serve_hooks hooks = {is_healthy, is_ready, write_metrics, &f};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {0};
        assert_null(serve_start(&f.loop, rows[i][0], &hooks, &err));
        if (err.class != ERR_INVALID || !strstr(err.msg, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], err.msg);
    }
    serve_stop(NULL);
    teardown(&f);
}

static void metric_lines(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(4000);
    metric_head(&b, "a_total", "counter", "One \\ two\nthree \"four\".");
    metric_value(&b, "a_total", 3, NULL);
    metric_value(&b, "a_total", 0.25, "x", "q\"b\\n\nl", "y", "", NULL);
    metric_value(&b, "a_total", 1e300 * 1e300, NULL);
    metric_value(&b, "a_total", -1e300 * 1e300, NULL);
    metric_value(&b, "a_total", (1e300 * 1e300) * 0, NULL);
    metric_value(&b, "a_total", 1700000000, NULL);
    metric_value(&b, "a_total", 9007199254740993.0, NULL);
    assert_string_equal(b.data, "# HELP a_total One \\\\ two\\nthree \"four\".\n"
                                "# TYPE a_total counter\n"
                                "a_total 3\n"
                                "a_total{x=\"q\\\"b\\\\n\\nl\",y=\"\"} 0.25\n"
                                "a_total +Inf\n"
                                "a_total -Inf\n"
                                "a_total NaN\n"
                                "a_total 1700000000\n"
                                "a_total 9007199254740992\n");
}

static void a_full_buffer_holds_whole_lines(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(20);
    for (int i = 0; i < 5; i++)
        metric_value(&b, "a", 1, "b", "c", NULL);
    assert_string_equal(b.data, "a{b=\"c\"} 1\n");
    metric_head(&b, "a", "gauge", "too long for the rest");
    assert_int_equal(b.len, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_answered),
        cmocka_unit_test(a_big_answer_comes_whole),
        cmocka_unit_test(only_get_and_head),
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(bad_requests_end_the_connection),
        cmocka_unit_test(a_crowd_is_turned_away),
        cmocka_unit_test(stopping_drops_busy_connections),
        cmocka_unit_test(no_descriptor_left),
        cmocka_unit_test(addresses_that_cannot_be),
        cmocka_unit_test(metric_lines),
        cmocka_unit_test(a_full_buffer_holds_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
