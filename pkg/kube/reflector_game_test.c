/* SPDX-License-Identifier: Apache-2.0 */
/* The reflector against servers that do anything: what must always hold. */
#include "kube/reflector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "base/str.h"
#include "kube/retry.h"

struct game {
    struct kube_reflector r;
    int64_t now;
    struct kube_output out; /* of the last step */
    uint64_t random;
    enum kube_action running; /* LIST, WATCH or NONE: waiting */
    bool open, listing;       /* the sink: between begin and synced */
    int64_t version;          /* the greatest so far */
    int at_once;              /* requests without a pause, pages apart */
};

static unsigned draw(struct game *g, unsigned below)
{
    return (unsigned)(kube_random(&g->random) % below);
}

/* What must hold after any step. */
static void check_step(struct game *g, const struct kube_input *in)
{
    const struct kube_output *out = &g->out;
    bool was_running = g->running != KUBE_ACTION_NONE;
    bool over = in->type == KUBE_INPUT_ENDED || in->type == KUBE_INPUT_PAGE || out->cut;
    if (out->action == KUBE_ACTION_LIST || out->action == KUBE_ACTION_WATCH) {
        assert_true(!was_running || over); /* never two at once */
        assert_false(out->cut);            /* nor from inside the stream's data */
        g->running = out->action;
        g->open = false;
    } else if (out->action == KUBE_ACTION_WAIT) {
        assert_true(over);
        assert_in_range(out->wait_ms, KUBE_BACKOFF_MS, KUBE_RETRY_AFTER_MAX_MS);
        g->running = KUBE_ACTION_NONE;
    } else {
        assert_false(over); /* either waiting or running, always */
    }
    assert_int_equal(g->r.phase == KUBE_REFLECTOR_WAITING, g->running == KUBE_ACTION_NONE);
    if (out->begin)
        g->listing = true;
    if (out->upsert || out->remove) {
        assert_int_equal(in->type, KUBE_INPUT_EVENT);
        assert_true(g->listing || g->r.synced);
    }
    if (out->synced) {
        assert_true(g->listing); /* what is not listed any more is found */
        g->listing = false;
    }
}

static void check_version(struct game *g, bool lost)
{
    int64_t v = 0;
    if (!*g->r.rv)
        return;
    assert_int_equal(str_to_i64(g->r.rv, 0, INT64_MAX, &v), 0);
    assert_true(v >= g->version || (lost && g->out.synced));
    g->version = v;
}

static void give(struct game *g, struct kube_input in)
{
    bool lost = g->r.version_lost;
    g->out = kube_reflector_step(&g->r, &in, g->now);
    check_step(g, &in);
    check_version(g, lost);
    bool goes_on = in.type == KUBE_INPUT_PAGE && in.next_page;
    bool request = g->out.action == KUBE_ACTION_LIST || g->out.action == KUBE_ACTION_WATCH;
    if (g->out.action == KUBE_ACTION_WAIT || in.type == KUBE_INPUT_WAKE)
        g->at_once = 0;
    else if (request && !goes_on)
        g->at_once++;
    assert_in_range(g->at_once, 0, KUBE_BRIEF_MAX + 5);
    g->out.err = NULL;
}

static struct err any_error(struct game *g)
{
    static const struct err errors[] = {
        {.class = ERR_TRANSIENT},
        {.class = ERR_TRANSIENT, .code = 500},
        {.class = ERR_TRANSIENT, .code = 503},
        {.class = ERR_THROTTLED, .code = 429, .retry_after_ms = 5000},
        {.class = ERR_THROTTLED, .code = 429, .retry_after_ms = UINT32_MAX},
        {.class = ERR_EXPIRED, .code = 410},
        {.class = ERR_FORBIDDEN, .code = 403},
        {.class = ERR_INVALID, .code = 400},
    };
    return errors[draw(g, sizeof errors / sizeof *errors)];
}

static void end_request(struct game *g)
{
    struct err err = any_error(g);
    if (draw(g, 4) == 0)
        g->now += draw(g, 600000);
    bool clean = g->running == KUBE_ACTION_WATCH && g->open && draw(g, 2);
    if (g->now % 1000 > 500)
        g->at_once = 0; /* it lasted */
    give(g, (struct kube_input){.type = KUBE_INPUT_ENDED, .err = clean ? NULL : &err});
}

/* At least as new as asked for, when it was asked for. */
static void list_version(struct game *g, char rv[24])
{
    int64_t at = g->r.version_lost ? draw(g, 1000) : g->version + draw(g, 100);
    snprintf(rv, 24, "%lld", (long long)at);
}

static void list_step(struct game *g)
{
    char rv[24];
    list_version(g, rv);
    bool more = draw(g, 3) == 0;
    if (draw(g, 4) == 0) {
        end_request(g);
        return;
    }
    give(g, (struct kube_input){
                .type = KUBE_INPUT_PAGE, .version = rv, .next_page = more ? "next" : NULL});
}

static void watch_step(struct game *g)
{
    char rv[24];
    enum kube_event_type type = draw(g, KUBE_EVENT_ERROR + 1);
    struct err err = any_error(g);
    snprintf(rv, sizeof rv, "%lld", (long long)g->version + draw(g, 30) - 3);
    if (g->r.initial)
        list_version(g, rv);
    struct kube_input in = {.type = KUBE_INPUT_EVENT, .event = type};
    in.version = draw(g, 9) ? rv : NULL;
    in.initial_end = type == KUBE_EVENT_BOOKMARK && draw(g, 2);
    if (type == KUBE_EVENT_ERROR)
        in.err = &err;
    if (draw(g, 6) == 0)
        end_request(g);
    else
        give(g, in);
}

static void game_step(struct game *g)
{
    g->now += draw(g, 50);
    if (g->running == KUBE_ACTION_NONE) {
        g->now += g->out.wait_ms;
        give(g, (struct kube_input){.type = draw(g, 9) ? KUBE_INPUT_GO : KUBE_INPUT_WAKE});
    } else if (draw(g, 40) == 0) {
        give(g, (struct kube_input){.type = draw(g, 2) ? KUBE_INPUT_GO : KUBE_INPUT_WAKE});
    } else if (!g->open && draw(g, 4)) {
        g->open = true;
        give(g, (struct kube_input){.type = KUBE_INPUT_OPENED});
    } else if (!g->open) {
        end_request(g);
    } else if (g->running == KUBE_ACTION_LIST) {
        list_step(g);
    } else {
        watch_step(g);
    }
}

static void test_any_server(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct game g = {.now = 1000000, .random = seed * 0x9E3779B97F4A7C15u};
        kube_reflector_init(&g.r, seed % 2, seed);
        give(&g, (struct kube_input){.type = KUBE_INPUT_GO});
        for (int i = 0; i < 2000; i++)
            game_step(&g);
        kube_reflector_done(&g.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_server)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
