/* SPDX-License-Identifier: Apache-2.0 */
/* What a client sees of each fault, over both versions of HTTP. */
#include "kubesim/client_test.h"

static void handle(void *arg, struct sim_exchange *x, const struct sim_request *q)
{
    struct fixture *f = arg;
    f->handled++;
    snprintf(f->seen, sizeof f->seen, "%d", (int)q->fault.kind);
    if (strcmp(q->path, "/watch") == 0) {
        f->held = x;
        sim_stream_begin(x, 200, "application/json", fixture_gone, f);
    } else if (strcmp(q->path, "/big") == 0) {
        sim_respond_ref(x, 200, "text/plain", f->blob, BLOB, fixture_done, f);
    } else {
        sim_respond(x, 200, "text/plain", "0123456789", 10);
    }
}

static int setup(void **state)
{
    return fixture_setup(state, handle);
}

/* The next request only. */
static void rule(struct fixture *f, struct sim_fault fault)
{
    struct sim_rule r = {.times = 1, .fault = fault};
    sim_listener_add_rule(f->listener, &r);
}

static void run(struct fixture *f, struct get *g, int version, const char *path)
{
    get_init(f, g, version, path);
    get_run(g);
}

/* The next request, on whatever connection, is served. */
static void expect_served(struct fixture *f, int version, long connects)
{
    struct get g;
    long n = -1;
    run(f, &g, version, "/x");
    assert_int_equal(g.result, CURLE_OK);
    assert_int_equal(g.status, 200);
    curl_easy_getinfo(g.curl, CURLINFO_NUM_CONNECTS, &n);
    assert_int_equal(n, connects);
    get_done(&g);
}

/* A connection that is there already. */
static void warm(struct fixture *f, int version)
{
    forget(f);
    expect_served(f, version, 1);
    f->handled = 0;
}

static void test_delay(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        warm(f, v);
        rule(f, (struct sim_fault){.kind = SIM_FAULT_DELAY, .ms = 20});
        uint64_t begin = uv_hrtime();
        run(f, &g, v, "/x");
        assert_true(uv_hrtime() - begin >= UINT64_C(19000000));
        assert_int_equal(g.status, 200);
        get_done(&g);
    }
}

static void test_drop(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        warm(f, v);
        rule(f, (struct sim_fault){.kind = SIM_FAULT_DROP});
        get_init(f, &g, v, "/x");
        curl_easy_setopt(g.curl, CURLOPT_TIMEOUT_MS, 50L);
        get_run(&g);
        assert_int_equal(g.result, CURLE_OPERATION_TIMEDOUT);
        assert_int_equal(f->handled, 0);
        get_done(&g);
        expect_served(f, v, v == 1);
    }
}

/* HTTP/2 goes on with the connection. A dead kept connection of HTTP/1.1 would be tried again by curl: so a new one. */
static void test_reset(void **state)
{
    struct fixture *f = *state;
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_RESET_BEFORE, SIM_FAULT_RESET_AFTER};
    for (int v = 1; v <= 2; v++) {
        for (int after = 0; after <= 1; after++) {
            struct get g;
            forget(f);
            f->handled = 0;
            rule(f, (struct sim_fault){.kind = kinds[after]});
            run(f, &g, v, after ? "/big" : "/x");
            assert_int_equal(g.result, v == 2 ? CURLE_HTTP2_STREAM : CURLE_RECV_ERROR);
            assert_int_equal(g.body.len, 0);
            assert_int_equal(f->handled, after);
            get_done(&g);
            expect_served(f, v, v == 1);
        }
    }
    assert_int_equal(f->done, 2);
}

static void test_reset_watch(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        forget(f);
        rule(f, (struct sim_fault){.kind = SIM_FAULT_RESET_AFTER});
        run(f, &g, v, "/watch");
        assert_int_equal(g.result, v == 2 ? CURLE_HTTP2_STREAM : CURLE_RECV_ERROR);
        assert_int_equal(f->gone, v);
        get_done(&g);
    }
}

static void test_truncate(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, 4, 9, 10, 100000};
    for (int v = 1; v <= 2; v++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct get g;
            warm(f, v);
            rule(f, (struct sim_fault){.kind = SIM_FAULT_TRUNCATE, .bytes = sizes[i]});
            run(f, &g, v, sizes[i] > 10 ? "/big" : "/x");
            assert_int_equal(g.status, 200);
            assert_int_equal(g.body.len, sizes[i]);
            assert_int_equal(f->handled, 1);
            if (sizes[i] != 10)
                assert_int_not_equal(g.result, CURLE_OK);
            get_done(&g);
            expect_served(f, v, 1);
        }
    }
}

static void test_truncate_watch(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        warm(f, v);
        rule(f, (struct sim_fault){.kind = SIM_FAULT_TRUNCATE, .bytes = 7});
        get_init(f, &g, v, "/watch");
        get_start(&g);
        UNTIL(f, f->held);
        assert_true(sim_stream_write(f->held, "1234\n", 5));
        UNTIL(f, g.body.len == 5);
        assert_true(sim_stream_write(f->held, "1234\n", 5));
        UNTIL(f, g.done);
        assert_int_not_equal(g.result, CURLE_OK);
        assert_string_equal(text_of(&g.body), "1234\n12");
        assert_int_equal(f->gone, v);
        get_done(&g);
    }
}

static void test_half_line(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        warm(f, v);
        rule(f, (struct sim_fault){.kind = SIM_FAULT_HALF_LINE});
        get_init(f, &g, v, "/watch");
        get_start(&g);
        UNTIL(f, f->held);
        assert_true(sim_stream_write(f->held, "12345678\n", 9));
        assert_true(sim_stream_write(f->held, "12345678\n", 9));
        UNTIL(f, g.done);
        assert_int_equal(g.result, CURLE_OK);
        assert_string_equal(text_of(&g.body), "1234");
        assert_int_equal(f->gone, v);
        get_done(&g);
        expect_served(f, v, 0);
    }
}

/* The API ends it itself before the half line is out. */
static void test_half_line_ended(void **state)
{
    struct fixture *f = *state;
    for (int v = 1; v <= 2; v++) {
        struct get g;
        warm(f, v);
        rule(f, (struct sim_fault){.kind = SIM_FAULT_HALF_LINE});
        get_init(f, &g, v, "/watch");
        get_start(&g);
        UNTIL(f, f->held);
        sim_stream_write(f->held, "1", 1);
        sim_stream_end(f->held);
        f->held = NULL;
        UNTIL(f, g.done);
        assert_int_equal(g.body.len, 0);
        get_done(&g);
    }
    assert_int_equal(f->gone, 0);
}

static void test_silence(void **state)
{
    struct fixture *f = *state;
    for (int end = 0; end <= 1; end++) {
        for (int v = 1; v <= 2; v++) {
            struct get g;
            warm(f, v);
            f->gone = 0;
            rule(f, (struct sim_fault){.kind = SIM_FAULT_SILENCE});
            begin_watch(f, &g, v);
            assert_true(sim_stream_write(f->held, "1234\n", 5));
            if (end) {
                sim_stream_end(f->held);
                f->held = NULL;
            }
            for (int i = 0; i < 20; i++)
                turn(f);
            assert_false(g.done);
            assert_int_equal(g.body.len, 0);
            get_done(&g);
            forget(f);
            if (end)
                expect_served(f, v, 1);
            else
                UNTIL(f, f->gone == 1);
            assert_int_equal(f->gone, !end);
        }
    }
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status, retry_after_s;
        const char *reason;
    } cases[] = {
        {429, 2, "TooManyRequests"},
        {500, 0, "InternalError"},
        {503, 1, "ServiceUnavailable"},
        {403, 0, "Forbidden"},
        {418, 0, ""},
    };
    for (int v = 1; v <= 2; v++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct get g;
            curl_off_t retry = 0;
            warm(f, v);
            rule(f, (struct sim_fault){.kind = SIM_FAULT_STATUS,
                                       .status = cases[i].status,
                                       .retry_after_s = cases[i].retry_after_s});
            run(f, &g, v, "/x");
            assert_int_equal(g.result, CURLE_OK);
            assert_int_equal(g.status, cases[i].status);
            curl_easy_getinfo(g.curl, CURLINFO_RETRY_AFTER, &retry);
            assert_int_equal(retry, cases[i].retry_after_s);
            auto_free char *details =
                cases[i].retry_after_s
                    ? xasprintf("\"details\":{\"retryAfterSeconds\":%d},", cases[i].retry_after_s)
                    : xstrdup("");
            auto_free char *want = xasprintf(
                "{\"apiVersion\":\"v1\",\"code\":%d,%s\"kind\":\"Status\",\"message\":\"a "
                "fault was asked for\",\"metadata\":{},\"reason\":\"%s\",\"status\":"
                "\"Failure\"}",
                cases[i].status, details, cases[i].reason);
            assert_string_equal(text_of(&g.body), want);
            assert_int_equal(f->handled, 0);
            get_done(&g);
            expect_served(f, v, 0);
        }
    }
}

/* A watch that was there before goes on; the connection takes nothing new and ends with its last stream. */
static void test_goaway_h2(void **state)
{
    struct fixture *f = *state;
    struct get watch, refused;
    begin_watch(f, &watch, 2);
    rule(f, (struct sim_fault){.kind = SIM_FAULT_GOAWAY});
    run(f, &refused, 2, "/x");
    /* libcurl asks for a refused stream again, on a new connection. */
    assert_int_equal(refused.result, CURLE_OK);
    long connects = 0;
    curl_easy_getinfo(refused.curl, CURLINFO_NUM_CONNECTS, &connects);
    assert_int_equal(connects, 1);
    assert_int_equal(sim_listener_requests(f->listener), 3);
    assert_int_equal(f->handled, 2);
    get_done(&refused);
    assert_true(sim_stream_write(f->held, "one\n", 4));
    UNTIL(f, watch.body.len == 4);
    sim_stream_end(f->held);
    UNTIL(f, watch.done);
    assert_int_equal(watch.result, CURLE_OK);
    assert_string_equal(text_of(&watch.body), "one\n");
    get_done(&watch);
}

static void test_goaway_h1(void **state)
{
    struct fixture *f = *state;
    struct get g;
    rule(f, (struct sim_fault){.kind = SIM_FAULT_GOAWAY});
    run(f, &g, 1, "/x");
    assert_int_equal(g.result, CURLE_GOT_NOTHING);
    assert_int_equal(f->handled, 0);
    get_done(&g);
    expect_served(f, 1, 1);
}

static void test_handed_on(void **state)
{
    struct fixture *f = *state;
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_DUPLICATE, SIM_FAULT_REORDER,
                                                SIM_FAULT_EXPIRE};
    for (int v = 1; v <= 2; v++) {
        for (int i = 0; i < 3; i++) {
            struct get g;
            warm(f, v);
            rule(f, (struct sim_fault){.kind = kinds[i]});
            run(f, &g, v, "/x");
            assert_int_equal(g.status, 200);
            auto_free char *want = xasprintf("%d", (int)kinds[i]);
            assert_string_equal(f->seen, want);
            get_done(&g);
        }
    }
}

/* A rule that is for another cluster, and one that was taken back. */
static void test_other_rules(void **state)
{
    struct fixture *f = *state;
    struct sim_rule r = {.cluster = "c2", .fault = {.kind = SIM_FAULT_STATUS, .status = 500}};
    unsigned id = sim_listener_add_rule(f->listener, &r);
    struct get g;
    run(f, &g, 2, "/clusters/c1/x");
    assert_int_equal(g.status, 200);
    get_done(&g);
    run(f, &g, 2, "/clusters/c2/x");
    assert_int_equal(g.status, 500);
    get_done(&g);
    sim_listener_remove_rule(f->listener, id);
    run(f, &g, 2, "/clusters/c2/x");
    assert_int_equal(g.status, 200);
    get_done(&g);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_delay),     T(test_drop),           T(test_reset),     T(test_reset_watch),
        T(test_truncate),  T(test_truncate_watch), T(test_half_line), T(test_half_line_ended),
        T(test_silence),   T(test_status),         T(test_goaway_h2), T(test_goaway_h1),
        T(test_handed_on), T(test_other_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
