/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/client_test.h"

static void handle(void *arg, struct sim_exchange *x, const struct sim_request *q)
{
    struct fixture *f = arg;
    f->handled++;
    snprintf(f->seen, sizeof f->seen, "%s|%s|%s|%s|%s|%s|%s|%s|%zu|%d", q->cluster, q->method,
             q->path, q->query, q->accept, q->content_type, q->authorization,
             q->client_cn ? q->client_cn : "-", q->body_len, q->gzip);
    if (strcmp(q->path, "/watch") == 0) {
        f->held = x;
        sim_stream_begin(x, 200, "application/json", fixture_gone, f);
    } else if (strcmp(q->path, "/later") == 0) {
        f->held = x;
    } else if (strcmp(q->path, "/big") == 0) {
        sim_respond_ref(x, 200, "text/plain", f->blob, BLOB, fixture_done, f);
    } else if (strcmp(q->path, "/free") == 0) {
        sim_listener_free(f->listener);
        f->listener = NULL;
        f->held = NULL;
    } else {
        sim_header(x, "Audit-Id", "7");
        sim_respond(x, 201, "text/plain", q->body_len ? q->body : "hello",
                    q->body_len ? q->body_len : 5);
    }
}

static int setup(void **state)
{
    return fixture_setup(state, handle);
}

static void test_request(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        get_init(f, &g, v, "/clusters/c1/api/v1/a%20b?x=%20y&z");
        get_header(&g, "Accept: application/json");
        get_header(&g, "Authorization: Bearer t");
        get_header(&g, "Content-Type: application/x");
        curl_easy_setopt(g.curl, CURLOPT_COPYPOSTFIELDS, "a body");
        curl_easy_setopt(g.curl, CURLOPT_CUSTOMREQUEST, "PATCH");
        get_run(&g);
        assert_int_equal(g.result, CURLE_OK);
        assert_int_equal(g.status, 201);
        assert_int_equal(g.version, v == 2 ? CURL_HTTP_VERSION_2_0 : CURL_HTTP_VERSION_1_1);
        assert_string_equal(text_of(&g.body), "a body");
        assert_non_null(strcasestr(text_of(&g.head), "audit-id: 7"));
        assert_non_null(strcasestr(text_of(&g.head), "content-type: text/plain"));
        assert_string_equal(f->seen, "c1|PATCH|/api/v1/a b|x=%20y&z|application/json|application/x|"
                                     "Bearer t|-|6|0");
        get_done(&g);
    }
    assert_int_equal(sim_listener_requests(f->listener), 2);
}

/* The name of the server and the certificate of the client. */
static void test_tls(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        get_init(f, &g, v, "/");
        auto_free char *url =
            xasprintf("https://c7.kubesim:%d/api", sim_listener_port(f->listener));
        auto_free char *place =
            xasprintf("c7.kubesim:%d:127.0.0.1", sim_listener_port(f->listener));
        struct curl_slist *resolve = curl_slist_append(NULL, place);
        struct curl_blob cert = {f->client.cert, strlen(f->client.cert), CURL_BLOB_COPY};
        struct curl_blob key = {f->client.key, strlen(f->client.key), CURL_BLOB_COPY};
        curl_easy_setopt(g.curl, CURLOPT_URL, url);
        curl_easy_setopt(g.curl, CURLOPT_RESOLVE, resolve);
        curl_easy_setopt(g.curl, CURLOPT_SSLCERT_BLOB, &cert);
        curl_easy_setopt(g.curl, CURLOPT_SSLKEY_BLOB, &key);
        get_run(&g);
        assert_int_equal(g.status, 201);
        assert_string_equal(f->seen, "c7|GET|/api||*/*|||somebody|0|0");
        get_done(&g);
        curl_slist_free_all(resolve);
    }
}

/* A certificate of another CA: served, but nobody is named. */
static void test_stranger(void **state)
{
    struct fixture *f = *state;
    struct get g;
    auto_pki_pair other = {0};
    assert_int_equal(pki_root_new("o", "other", 1700000000, 4000000000, &other, NULL), 0);
    struct curl_blob cert = {other.cert, strlen(other.cert), CURL_BLOB_COPY};
    struct curl_blob key = {other.key, strlen(other.key), CURL_BLOB_COPY};
    get_init(f, &g, 2, "/x");
    curl_easy_setopt(g.curl, CURLOPT_SSLCERT_BLOB, &cert);
    curl_easy_setopt(g.curl, CURLOPT_SSLKEY_BLOB, &key);
    get_run(&g);
    assert_int_equal(g.status, 201);
    assert_string_equal(f->seen, "|GET|/x||*/*|||-|0|0");
    get_done(&g);
}

static void test_many_on_one(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g[150];
        long connects = 0;
        forget(f);
        curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L);
        for (int i = 0; i < 150; i++) {
            get_init(f, &g[i], v, "/x");
            get_start(&g[i]);
        }
        for (int i = 0; i < 150; i++) {
            long n = 0;
            UNTIL(f, g[i].done);
            assert_int_equal(g[i].status, 201);
            assert_string_equal(text_of(&g[i].body), "hello");
            curl_easy_getinfo(g[i].curl, CURLINFO_NUM_CONNECTS, &n);
            connects += n;
            get_done(&g[i]);
        }
        assert_int_equal(connects, 1);
        assert_int_equal(sim_listener_accepted(f->listener), v);
    }
    assert_int_equal(f->handled, 300);
}

static void test_big(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        for (int gzip = 0; gzip <= 1; gzip++) {
            struct get g;
            get_init(f, &g, v, "/big");
            if (gzip)
                curl_easy_setopt(g.curl, CURLOPT_ACCEPT_ENCODING, "gzip");
            get_run(&g);
            assert_int_equal(g.result, CURLE_OK);
            assert_int_equal(g.body.len, BLOB);
            assert_memory_equal(g.body.data, f->blob, BLOB);
            assert_int_equal(strcasestr(text_of(&g.head), "content-encoding: gzip") != NULL, gzip);
            get_done(&g);
        }
    }
    assert_int_equal(f->done, 4);
}

/* The client goes in the middle of it. */
static void test_big_gone(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        get_init(f, &g, v, "/big");
        g.slow = true;
        get_start(&g);
        UNTIL(f, f->handled == (unsigned)v);
        for (int i = 0; i < 20; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_int_equal(f->done, v - 1);
        get_done(&g);
        forget(f);
        UNTIL(f, f->done == (unsigned)v);
    }
}

static void test_body_limit(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        for (int over = 0; over <= 1; over++) {
            struct get g;
            auto_free char *body = xcalloc(1, SIM_BODY_MAX + 1);
            get_init(f, &g, v, "/x");
            curl_easy_setopt(g.curl, CURLOPT_POSTFIELDSIZE, (long)SIM_BODY_MAX + over);
            curl_easy_setopt(g.curl, CURLOPT_POSTFIELDS, body);
            get_run(&g);
            assert_int_equal(g.result, CURLE_OK);
            assert_int_equal(g.status, over ? 413 : 201);
            assert_int_equal(g.body.len == SIM_BODY_MAX, !over);
            if (over)
                assert_non_null(strstr(text_of(&g.body), "\"reason\":\"RequestEntityTooLarge\""));
            get_done(&g);
        }
    }
    assert_int_equal(f->handled, 2);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        begin_watch(f, &g, v);
        assert_true(sim_stream_write(f->held, "one\n", 4));
        UNTIL(f, g.body.len == 4);
        assert_true(sim_stream_write(f->held, "two\n", 4));
        assert_true(sim_stream_write(f->held, "", 0));
        assert_true(sim_stream_write(f->held, "three\n", 6));
        sim_stream_end(f->held);
        f->held = NULL;
        UNTIL(f, g.done);
        assert_int_equal(g.result, CURLE_OK);
        assert_string_equal(text_of(&g.body), "one\ntwo\nthree\n");
        get_done(&g);
    }
    assert_int_equal(f->gone, 0);
}

static void test_stream_gone(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        begin_watch(f, &g, v);
        get_done(&g);
        /* libcurl 7.88 keeps the RST_STREAM until the connection is used again. */
        get_init(f, &g, v, "/x");
        get_run(&g);
        get_done(&g);
        UNTIL(f, f->gone == (unsigned)v);
        assert_null(f->held);
    }
}

static void test_stream_slow(void **state)
{
    struct fixture *f = *state;
    struct get g;
    get_init(f, &g, 2, "/watch");
    g.slow = true;
    get_start(&g);
    UNTIL(f, f->held && strstr(text_of(&g.head), "\r\n\r\n"));
    size_t sent = 0;
    while (sent < 2 * (size_t)SIM_STREAM_BEHIND_MAX && sim_stream_write(f->held, f->blob, BLOB)) {
        sent += BLOB;
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_true(sent >= SIM_STREAM_BEHIND_MAX - BLOB);
    assert_true(sent < SIM_STREAM_BEHIND_MAX + 2 * (size_t)BLOB);
    sim_stream_end(f->held);
    get_done(&g);
}

static void test_later(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        get_init(f, &g, v, "/later");
        get_start(&g);
        UNTIL(f, f->held);
        sim_respond(f->held, 200, "text/plain", "now", 3);
        f->held = NULL;
        UNTIL(f, g.done);
        assert_string_equal(text_of(&g.body), "now");
        get_done(&g);
    }
}

/* The API answers someone who has gone: its exchange is still there. */
static void test_later_gone(void **state)
{
    struct fixture *f = *state;
    for (int how = 0; how < 3; how++) {
        for (int v = 1; v <= 2; v++) {
            struct get g;
            unsigned gone = f->gone, done = f->done;
            get_init(f, &g, v, "/later");
            get_start(&g);
            UNTIL(f, f->held);
            struct sim_exchange *x = f->held;
            f->held = NULL;
            get_done(&g);
            forget(f);
            UNTIL(f, sim_listener_open(f->listener) == 0);
            if (how == 0) {
                sim_respond(x, 200, "text/plain", "now", 3);
            } else if (how == 1) {
                sim_respond_ref(x, 200, "text/plain", f->blob, BLOB, fixture_done, f);
                assert_int_equal(f->done, done + 1);
            } else {
                sim_stream_begin(x, 200, "text/plain", fixture_gone, f);
                assert_true(sim_stream_write(x, "now", 3));
                UNTIL(f, f->gone == gone + 1);
            }
        }
    }
}

static void test_free_inside(void **state)
{
    struct fixture *f = *state;
    struct get g[3];
    static const char *const paths[] = {"/watch", "/later", "/free"};
    for (size_t i = 0; i < 3; i++) {
        get_init(f, &g[i], 2, paths[i]);
        get_start(&g[i]);
        UNTIL(f, f->handled == i + 1);
    }
    for (size_t i = 0; i < 3; i++) {
        UNTIL(f, g[i].done);
        assert_int_not_equal(g[i].result, CURLE_OK);
        get_done(&g[i]);
    }
    assert_int_equal(f->gone, 1);
    assert_null(f->listener);
}

static void test_free_in_the_middle(void **state)
{
    struct fixture *f = *state;
    struct get g[8];
    static const char *const paths[] = {"/watch", "/later", "/big", "/clusters/slow/x"};
    struct sim_rule r = {.cluster = "slow", .fault = {.kind = SIM_FAULT_DELAY, .ms = 60000}};
    sim_listener_add_rule(f->listener, &r);
    for (int i = 0; i < 8; i++) {
        get_init(f, &g[i], 1 + i / 4, paths[i % 4]);
        g[i].slow = true;
        get_start(&g[i]);
    }
    UNTIL(f, sim_listener_requests(f->listener) == 8);
    sim_listener_free(f->listener);
    f->listener = NULL;
    assert_int_equal(f->gone, 2);
    assert_int_equal(f->done, 2);
    for (int i = 0; i < 8; i++)
        get_done(&g[i]);
}

static void test_bad_options(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct sim_listener_opts o = {.cert = f->client.cert, .key = f->root.key, .handler = handle};
    assert_null(sim_listener_new(&f->loop, &o, &err));
    assert_int_equal(err.class, ERR_INVALID);
    o.cert = f->root.cert;
    o.port = sim_listener_port(f->listener);
    assert_null(sim_listener_new(&f->loop, &o, &err));
    assert_non_null(strstr(err.msg, "address already in use"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_request),     T(test_tls),
        T(test_stranger),    T(test_many_on_one),
        T(test_big),         T(test_big_gone),
        T(test_body_limit),  T(test_stream),
        T(test_stream_gone), T(test_stream_slow),
        T(test_later),       T(test_later_gone),
        T(test_free_inside), T(test_free_in_the_middle),
        T(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
