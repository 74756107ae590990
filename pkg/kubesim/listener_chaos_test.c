/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of both versions, faults, clients that go and a listener that is freed, at random: nothing is told twice,
 * nothing is forgotten, and nothing is left (LeakSanitizer). */
#include "kubesim/client_test.h"

enum { STREAMS = 64, GETS = 24, SEEDS = 25, STEPS = 60 };

struct stream {
    struct chaos *chaos;
    struct sim_exchange *x;
};

struct chaos {
    struct fixture *f;
    uint32_t seed;
    struct stream streams[STREAMS]; /* x NULL: free */
    struct sim_exchange *later[STREAMS];
    unsigned begun, over, refs, done;
};

/* xorshift, below n. */
static uint32_t pick(struct chaos *h, uint32_t n)
{
    h->seed ^= h->seed << 13;
    h->seed ^= h->seed >> 17;
    h->seed ^= h->seed << 5;
    return h->seed % n;
}

static void on_gone(void *arg)
{
    struct stream *s = arg;
    assert_non_null(s->x);
    s->x = NULL;
    s->chaos->over++;
}

static void on_done(void *arg)
{
    struct chaos *h = arg;
    h->done++;
}

static void begin_stream(struct chaos *h, struct sim_exchange *x)
{
    struct stream *s = h->streams;
    while (s->x)
        s++;
    *s = (struct stream){h, x};
    h->begun++;
    sim_stream_begin(x, 200, "text/plain", on_gone, s);
    if (pick(h, 2))
        sim_stream_write(x, "first\n", 6);
}

static void answer(struct chaos *h, struct sim_exchange *x)
{
    switch (pick(h, 3)) {
    case 0:
        sim_respond(x, 200, "text/plain", h->f->blob, pick(h, 200000));
        break;
    case 1:
        h->refs++;
        sim_respond_ref(x, 200, "text/plain", h->f->blob, pick(h, BLOB), on_done, h);
        break;
    default:
        begin_stream(h, x);
    }
}

static void handle(void *arg, struct sim_exchange *x, const struct sim_request *q)
{
    struct fixture *f = arg;
    struct chaos *h = (struct chaos *)(void *)f->held; /* the test's, lent */
    (void)q;
    if (pick(h, 3) == 0) {
        struct sim_exchange **p = h->later;
        while (*p)
            p++;
        *p = x;
    } else {
        answer(h, x);
    }
}

static int setup(void **state)
{
    return fixture_setup(state, handle);
}

static void add_rule(struct chaos *h)
{
    struct sim_rule r = {
        .skip = pick(h, 3),
        .times = 1 + pick(h, 2),
        .fault = {.kind = (enum sim_fault_kind)(1 + pick(h, SIM_FAULT_EXPIRE)),
                  .ms = (int)pick(h, 5),
                  .status = 503,
                  .bytes = pick(h, 100000)},
    };
    sim_listener_add_rule(h->f->listener, &r);
}

static void touch_stream(struct chaos *h)
{
    struct stream *s = &h->streams[pick(h, GETS)];
    if (!s->x)
        return;
    if (pick(h, 4) == 0) {
        sim_stream_end(s->x);
        s->x = NULL;
        h->over++;
    } else {
        sim_stream_write(s->x, h->f->blob, pick(h, 100000));
    }
}

static void answer_later(struct chaos *h)
{
    struct sim_exchange **p = &h->later[pick(h, GETS)], *x = *p;
    *p = NULL;
    if (x)
        answer(h, x);
}

static void start_or_stop(struct chaos *h, struct get *g)
{
    if (g->f) {
        get_done(g);
        g->f = NULL;
        return;
    }
    get_init(h->f, g, 1 + (int)pick(h, 2), "/x");
    /* None is slow: LeakSanitizer finds memory of paused transfers that libcurl 7.88 has lost. */
    if (pick(h, 2))
        curl_easy_setopt(g->curl, CURLOPT_ACCEPT_ENCODING, "gzip");
    get_start(g);
}

static void stop_all(struct get *gets)
{
    for (int i = 0; i < GETS; i++) {
        if (gets[i].f)
            get_done(&gets[i]);
        gets[i].f = NULL;
    }
}

static void step(struct chaos *h, struct get *gets)
{
    static void (*const acts[])(struct chaos *) = {add_rule, touch_stream, touch_stream,
                                                   answer_later};
    start_or_stop(h, &gets[pick(h, GETS)]);
    acts[pick(h, 4)](h);
    if (pick(h, 30) == 0) {
        stop_all(gets);
        forget(h->f);
    }
    turn(h->f);
}

static void test_chaos(void **state)
{
    struct fixture *f = *state;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        struct chaos h = {.f = f, .seed = seed * 2654435761U};
        struct get gets[GETS] = {0};
        struct sim_listener_opts o = {
            .cert = f->root.cert, .key = f->root.key, .handler = handle, .arg = f};
        f->held = (struct sim_exchange *)(void *)&h;
        for (int i = 0; i < STEPS; i++)
            step(&h, gets);
        sim_listener_free(f->listener);
        assert_int_equal(h.begun, h.over);
        assert_int_equal(h.refs, h.done);
        stop_all(gets);
        f->listener = sim_listener_new(&f->loop, &o, NULL);
        assert_non_null(f->listener);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chaos, setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
