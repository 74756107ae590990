/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include "http/h2_fixture_test.h"
#include "http/shared.h"

/* Pools over one another share connections; others never do, whatever their credentials. */
static void test_sharing(void **state)
{
    struct fixture *f = *state;
    struct result r[3] = {{0}, {0}, {0}};
    struct http_pool *over = pool_new(f, (struct http_pool_opts){.over = f->pool});
    struct http_pool *other = pool_new(f, (struct http_pool_opts){0});
    get(f, &r[0], "/plain");
    start_in(over, f, &r[1], "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r[1].done));
    assert_int_equal(f->server.accepted, 1);
    start_in(other, f, &r[2], "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r[2].done));
    assert_int_equal(f->server.accepted, 2);
    assert_int_equal(f->server.resumed, 0); /* sessions are not shared either */
    http_pool_free(f->pool);
    f->pool = over;
    r[0] = (struct result){0};
    get(f, &r[0], "/plain");
    assert_int_equal(f->server.accepted, 2);
    http_pool_free(other);
}

static void assert_untrusted(struct fixture *f, struct http_pool_opts o)
{
    struct result r = {0};
    struct http_pool *p = pool_new(f, o);
    start_in(p, f, &r, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &r.done));
    assert_int_equal(r.fault, HTTP_UNTRUSTED);
    assert_int_equal(r.status, 0);
    http_pool_free(p);
}

static void test_trust(void **state)
{
    struct fixture *f = *state;
    struct result r = {0};
    struct h2_pair other = h2_pair_new("server", "IP:127.0.0.1");
    get(f, &r, "/plain"); /* a good connection, and its certificates, are there */
    assert_untrusted(f, (struct http_pool_opts){.ca = other.cert});
    assert_untrusted(f, (struct http_pool_opts){.tls_server_name = "other.test"});
    assert_untrusted(f, (struct http_pool_opts){.tls_server_name = "server"}); /* only the CN */
    assert_untrusted(f, (struct http_pool_opts){.ca = "no certificate"});
    assert_untrusted(f, (struct http_pool_opts){.ca = ""});
    assert_untrusted(f, (struct http_pool_opts){.cert = other.cert, .key = f->pair.key});
    assert_untrusted(f, (struct http_pool_opts){.cert = "x", .key = "y"});
    assert_int_equal(f->server.requests, 1);
    auto_free char *both = xasprintf("%s%s", other.cert, f->pair.cert);
    struct http_pool *p =
        pool_new(f, (struct http_pool_opts){.ca = both, .tls_server_name = "api.test"});
    struct result named = {0};
    start_in(p, f, &named, "GET", "/plain", NULL);
    assert_true(fake_run(&f->loop, &named.done));
    assert_int_equal(named.status, 200);
    http_pool_free(p);
    h2_pair_done(&other);
}

static void test_client_certificates(void **state)
{
    struct fixture *f = *state;
    struct h2_pair pairs[2] = {h2_pair_new("first", NULL), h2_pair_new("second", NULL)};
    struct http_pool *pools[2];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            struct result r = {0};
            if (!round)
                pools[i] = pool_new(
                    f, (struct http_pool_opts){.cert = pairs[i].cert, .key = pairs[i].key});
            start_in(pools[i], f, &r, "GET", "/hold", NULL);
            assert_true(fake_run(&f->loop, &r.opened));
            assert_string_equal(f->held[f->n_held - 1]->conn->cn, i ? "second" : "first");
            http_cancel(r.transfer);
        }
    }
    assert_int_equal(f->server.accepted, 2);
    for (int i = 0; i < 2; i++) {
        http_pool_free(pools[i]);
        h2_pair_done(&pairs[i]);
    }
}

/* A server without HTTP/2: over HTTP/1.1, which this one does not speak either. */
static void test_no_http2(void **state)
{
    struct fixture *f = *state;
    struct result r = {0}, next = {0};
    f->server.no_alpn = true;
    get(f, &r, "/plain");
    assert_int_not_equal(r.fault, HTTP_OK);
    get(f, &next, "/plain");
    assert_int_not_equal(next.fault, HTTP_OK);
    assert_int_equal(f->server.accepted, 3); /* only the first one was for HTTP/2 */
}

/* No more than a few handshakes at a time, and all have their turn. */
static void test_line_to_connect(void **state)
{
    enum { N = HTTP_CONNECTING_MAX * 2 + 3 };
    struct fixture *f = *state;
    struct http_pool *pools[N];
    static struct result r[N];
    for (int i = 0; i < N; i++) {
        r[i] = (struct result){0};
        pools[i] = pool_new(f, (struct http_pool_opts){0});
        start_in(pools[i], f, &r[i], "GET", "/plain", NULL);
    }
    http_pool_free(pools[N - 1]); /* while it waits in line */
    for (int i = 0; i < N - 1; i++) {
        assert_true(fake_run(&f->loop, &r[i].done));
        assert_int_equal(r[i].status, 200);
    }
    for (int i = 0; i < N - 1; i++)
        http_pool_free(pools[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_sharing),  T(test_trust),           T(test_client_certificates),
        T(test_no_http2), T(test_line_to_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
