/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials are replaced while watches and calls run: over TLS and HTTP/2. */
#include "kube/client_priv.h"

#include "http/h2_fixture_test.h"

struct rotation {
    struct fixture *f;
    struct kube_client *client;
    struct clock_virtual clock;
    struct kube_stream *watch;
    char seen[64];
    bool ended, failed, answered;
};

static int on_piece(void *arg, const char *data, size_t len)
{
    struct rotation *r = arg;
    size_t n = strlen(r->seen);
    snprintf(r->seen + n, sizeof r->seen - n, "%.*s", (int)len, data);
    r->answered = true;
    return 0;
}

static void on_end(void *arg, const struct err *err)
{
    struct rotation *r = arg;
    r->watch = NULL;
    r->ended = true;
    r->failed = err;
}

static void on_answer(void *arg, const struct kube_response *res, const struct err *err)
{
    struct rotation *r = arg;
    r->answered = true;
    r->failed = err || res->status != 200;
}

static void begin(struct rotation *r, struct fixture *f, const struct kube_config *config)
{
    static const struct kube_stream_handler h = {NULL, on_piece, on_end};
    *r = (struct rotation){.f = f};
    r->clock = CLOCK_VIRTUAL(1000, 1700000000);
    r->client = kube_client_new(&f->loop, &r->clock.clock, config, NULL);
    r->watch = kube_stream_start(r->client, KUBE_CLASS_WATCH, "/watch", NULL, 0, &h, r);
    assert_true(fake_run(&f->loop, &r->answered));
    assert_string_equal(r->seen, "one");
}

static void say(struct rotation *r, const char *what, bool end)
{
    r->answered = false;
    h2_chunk(r->f->held[0], what, strlen(what), end);
    h2_flush(r->f->held[0]->conn);
    assert_true(fake_run(&r->f->loop, end ? &r->ended : &r->answered));
}

static void call(struct rotation *r)
{
    struct kube_request q = {.method = "GET", .path = "/prefix/plain", .raw = true};
    r->answered = false;
    kube_call(r->client, &q, on_answer, r);
    assert_true(fake_run(&r->f->loop, &r->answered));
    assert_false(r->failed);
}

/* A new token: for the next request, on the connection that there is. */
static void test_token(void **state)
{
    struct fixture *f = *state;
    struct rotation r;
    char first[] = "first", second[] = "second";
    struct kube_config config = {.server = f->server.url, .ca = f->pair.cert, .token = first};
    begin(&r, f, &config);
    assert_string_equal(f->token, "Bearer first");
    config.token = second;
    assert_int_equal(kube_client_set_config(r.client, &config, NULL), 0);
    call(&r);
    assert_string_equal(f->token, "Bearer second");
    say(&r, "two", false);
    assert_string_equal(r.seen, "onetwo");
    assert_int_equal(f->server.accepted, 1);
    kube_client_free(r.client);
    assert_false(r.ended);
}

/* A new certificate: a new connection for what begins now. What runs goes on, and loses nothing. */
static void test_certificate(void **state)
{
    struct fixture *f = *state;
    struct rotation r;
    struct h2_pair one = h2_pair_new("one", NULL), two = h2_pair_new("two", NULL);
    struct kube_config config = {.server = f->server.url,
                                 .ca = f->pair.cert,
                                 .client_cert = one.cert,
                                 .client_key = one.key};
    begin(&r, f, &config);
    call(&r);
    assert_int_equal(f->server.accepted, 1);
    assert_string_equal(f->server.conns->cn, "one");
    config.client_cert = two.cert;
    config.client_key = two.key;
    assert_int_equal(kube_client_set_config(r.client, &config, NULL), 0);
    say(&r, "two", false);
    call(&r);
    assert_int_equal(f->server.accepted, 2);
    assert_string_equal(f->server.conns->next->cn, "two");
    say(&r, "three", true);
    assert_string_equal(r.seen, "onetwothree");
    assert_false(r.failed);
    while (f->server.conns->next) /* nobody needs the old connection any more */
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_string_equal(f->server.conns->cn, "two");
    kube_client_free(r.client);
    h2_pair_done(&one);
    h2_pair_done(&two);
}

/* Another authority, which this server's certificate is not of: the server is not trusted any more. */
static void test_authority(void **state)
{
    struct fixture *f = *state;
    struct rotation r;
    struct h2_pair other = h2_pair_new("other", "IP:127.0.0.1");
    struct kube_config config = {.server = f->server.url, .ca = f->pair.cert};
    begin(&r, f, &config);
    config.ca = other.cert;
    assert_int_equal(kube_client_set_config(r.client, &config, NULL), 0);
    int before = f->server.requests;
    struct kube_request q = {.method = "GET", .path = "/prefix/plain", .raw = true};
    r.answered = false;
    kube_call(r.client, &q, on_answer, &r);
    assert_true(fake_run(&f->loop, &r.answered));
    assert_true(r.failed);
    assert_int_equal(f->server.requests, before);
    kube_client_free(r.client);
    h2_pair_done(&other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_token), T(test_certificate), T(test_authority)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
