/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct fixture {
    struct kube_reflector r;
    int64_t now;
    struct kube_output out; /* of the last step */
};

static void step(struct fixture *f, struct kube_input in)
{
    f->out = kube_reflector_step(&f->r, &in, f->now);
}

static void go(struct fixture *f)
{
    step(f, (struct kube_input){.type = KUBE_INPUT_GO});
}

static void opened(struct fixture *f)
{
    step(f, (struct kube_input){.type = KUBE_INPUT_OPENED});
}

static void page(struct fixture *f, const char *version, const char *next)
{
    step(f, (struct kube_input){.type = KUBE_INPUT_PAGE, .version = version, .next_page = next});
}

static void event(struct fixture *f, enum kube_event_type type, const char *version)
{
    step(f, (struct kube_input){.type = KUBE_INPUT_EVENT, .event = type, .version = version});
}

static void ended(struct fixture *f, enum err_class class, int code)
{
    struct err err = {.class = class, .code = code};
    step(f, (struct kube_input){.type = KUBE_INPUT_ENDED, .err = class == ERR_NONE ? NULL : &err});
    f->out.err = NULL;
}

static void error_event(struct fixture *f, enum err_class class, unsigned retry_after_ms)
{
    struct err err = {.class = class, .retry_after_ms = retry_after_ms};
    step(f, (struct kube_input){.type = KUBE_INPUT_EVENT, .event = KUBE_EVENT_ERROR, .err = &err});
    f->out.err = NULL;
}

static void initial_end(struct fixture *f, const char *version)
{
    step(f, (struct kube_input){.type = KUBE_INPUT_EVENT,
                                .event = KUBE_EVENT_BOOKMARK,
                                .version = version,
                                .initial_end = true});
}

static void assert_query(const struct fixture *f, const char *want)
{
    auto_buf q = BUF_INIT(1000);
    kube_reflector_query(&f->r, &q);
    assert_string_equal(q.data, want);
}

static void assert_watch(struct fixture *f, const char *rv)
{
    assert_int_equal(f->out.action, KUBE_ACTION_WATCH);
    assert_in_range(f->r.timeout_s, KUBE_WATCH_LEAST_S, KUBE_WATCH_MOST_S - 1);
    assert_int_equal(kube_reflector_timeout_ms(&f->r), f->r.timeout_s * 1000 + 5000);
    auto_free char *want =
        xasprintf("?watch=true&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=%s",
                  f->r.timeout_s, rv);
    assert_query(f, want);
}

static void assert_waits(struct fixture *f, int64_t least, int64_t most)
{
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    assert_in_range(f->out.wait_ms, least, most);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->now = 1000000;
    kube_reflector_init(&f->r, false, 42);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kube_reflector_done(&f->r);
    xfreep(state);
    return 0;
}

/* A list at version 7, and its watch open. */
static void reach_watch(struct fixture *f)
{
    go(f);
    opened(f);
    page(f, "7", "");
    opened(f);
}

static void test_list_then_watch(void **state)
{
    struct fixture *f = *state;
    go(f);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    assert_query(f, "?limit=500&resourceVersion=0");
    opened(f);
    assert_true(f->out.begin);
    assert_false(f->r.synced);
    page(f, "7", NULL);
    assert_true(f->out.synced);
    assert_true(f->r.synced);
    assert_watch(f, "7");
    opened(f);
    assert_false(f->out.begin);
    assert_int_equal(f->out.action, KUBE_ACTION_NONE);
    event(f, KUBE_EVENT_ADDED, "8");
    assert_true(f->out.upsert);
    event(f, KUBE_EVENT_MODIFIED, "9");
    assert_true(f->out.upsert);
    event(f, KUBE_EVENT_DELETED, "10");
    assert_true(f->out.remove);
    assert_false(f->out.upsert);
    event(f, KUBE_EVENT_BOOKMARK, "20");
    assert_false(f->out.remove || f->out.upsert || f->out.synced);
    f->now += 400000;
    ended(f, ERR_NONE, 0);
    assert_watch(f, "20");
}

static void test_pages(void **state)
{
    struct fixture *f = *state;
    go(f);
    opened(f);
    page(f, "7", "a b");
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    assert_false(f->out.synced);
    assert_query(f, "?limit=500&continue=a%20b");
    opened(f);
    assert_false(f->out.begin);
    page(f, "99", "c"); /* not the list's version, whatever it says */
    opened(f);
    page(f, "", "");
    assert_true(f->out.synced);
    assert_watch(f, "7");
    /* A server that cuts a list at "0" has no watch cache: later lists are cut too. */
    opened(f);
    error_event(f, ERR_EXPIRED, 0);
    go(f);
    assert_query(f, "?limit=500&resourceVersion=7");
}

static void test_continue_expired(void **state)
{
    struct fixture *f = *state;
    go(f);
    opened(f);
    page(f, "7", "next");
    ended(f, ERR_EXPIRED, 410);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    assert_query(f, "?resourceVersion=0");
    opened(f);
    assert_true(f->out.begin);
    page(f, "8", "");
    assert_true(f->out.synced);
    assert_watch(f, "8");
}

static void test_expired_watch(void **state)
{
    struct fixture *f = *state;
    reach_watch(f);
    error_event(f, ERR_EXPIRED, 0);
    assert_true(f->out.cut);
    assert_false(f->out.report); /* that is how it works */
    assert_waits(f, 800, 1600);
    /* Stream's end, told late. */
    ended(f, ERR_TRANSIENT, 0);
    assert_int_equal(f->out.action, KUBE_ACTION_NONE);
    go(f);
    assert_query(f, "?resourceVersion=7");
    ended(f, ERR_EXPIRED, 410);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    assert_query(f, "?limit=500");
    ended(f, ERR_EXPIRED, 410); /* not for ever */
    assert_waits(f, 1600, 3200);
    assert_true(f->out.report);
    go(f);
    assert_query(f, "?limit=500");
    opened(f);
    page(f, "50", "");
    assert_true(f->out.report);
    assert_watch(f, "50");
    ended(f, ERR_EXPIRED, 410); /* when opening */
    assert_waits(f, 3200, 6400);
    go(f);
    assert_query(f, "?resourceVersion=50");
}

static void test_backoff(void **state)
{
    static const int64_t want[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    struct fixture *f = *state;
    go(f);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ended(f, ERR_TRANSIENT, 500);
        assert_waits(f, want[i], 2 * want[i]);
        assert_int_equal(f->out.report, i == 0);
        f->now += f->out.wait_ms;
        go(f);
        assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    }
    f->now += KUBE_BACKOFF_RESET_MS + 1;
    ended(f, ERR_TRANSIENT, 500);
    assert_waits(f, 800, 1600);
}

static void test_jitter(void **state)
{
    struct fixture *f = *state;
    int64_t low = INT64_MAX, high = 0;
    for (uint64_t seed = 1; seed < 200; seed++) {
        kube_reflector_init(&f->r, false, seed * 0x9E3779B97F4A7C15u);
        go(f);
        ended(f, ERR_TRANSIENT, 0);
        assert_waits(f, 800, 1600);
        low = f->out.wait_ms < low ? f->out.wait_ms : low;
        high = f->out.wait_ms > high ? f->out.wait_ms : high;
    }
    assert_true(low < 900 && high > 1500);
}

static void test_wake(void **state)
{
    struct fixture *f = *state;
    go(f);
    for (int i = 0; i < 6; i++) {
        ended(f, ERR_TRANSIENT, 0);
        if (i < 5)
            go(f);
    }
    step(f, (struct kube_input){.type = KUBE_INPUT_WAKE});
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    step(f, (struct kube_input){.type = KUBE_INPUT_WAKE}); /* it is on its way */
    assert_int_equal(f->out.action, KUBE_ACTION_NONE);
    ended(f, ERR_TRANSIENT, 0);
    assert_waits(f, 800, 1600);
}

static void test_forbidden(void **state)
{
    struct fixture *f = *state;
    go(f);
    ended(f, ERR_FORBIDDEN, 403);
    assert_true(f->out.report);
    assert_waits(f, 800, 1600);
    go(f);
    ended(f, ERR_FORBIDDEN, 403);
    assert_false(f->out.report); /* nothing new */
    go(f);
    ended(f, ERR_UNAUTHORIZED, 401);
    assert_true(f->out.report);
    go(f);
    opened(f);
    page(f, "7", "");
    assert_true(f->out.report);
    assert_null(f->out.err);
}

/* The API server is away: the version is kept, nothing is listed. */
static void test_watch_refused(void **state)
{
    static const struct {
        enum err_class class;
        int code;
    } away[] = {{ERR_TRANSIENT, 0}, {ERR_THROTTLED, 429}};
    struct fixture *f = *state;
    reach_watch(f);
    f->now += 2000;
    ended(f, ERR_TRANSIENT, 0); /* broken in the middle */
    assert_watch(f, "7");
    for (size_t i = 0; i < 2; i++) {
        ended(f, away[i].class, away[i].code);
        assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
        assert_true(f->out.report);
        go(f);
        assert_watch(f, "7");
    }
    ended(f, ERR_TRANSIENT, 503);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
}

static void test_retry_after(void **state)
{
    struct fixture *f = *state;
    reach_watch(f);
    error_event(f, ERR_THROTTLED, 9000);
    assert_true(f->out.cut);
    assert_waits(f, 9000, 9000);
    go(f);
    assert_watch(f, "7");
    opened(f);
    error_event(f, ERR_TRANSIENT, 0); /* an internal error: list again */
    assert_true(f->out.report);
    go(f);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
}

static void test_short_watch(void **state)
{
    struct fixture *f = *state;
    reach_watch(f);
    f->now += 999;
    ended(f, ERR_NONE, 0);
    assert_waits(f, 800, 1600);
    go(f);
    assert_query(f, "?resourceVersion=7");
    opened(f);
    page(f, "8", "");
    opened(f);
    event(f, KUBE_EVENT_BOOKMARK, "9"); /* it told something */
    ended(f, ERR_NONE, 0);
    assert_watch(f, "9");
    opened(f);
    event(f, KUBE_EVENT_BOOKMARK, "10");
    ended(f, ERR_TRANSIENT, 0); /* broken at once, again and again: not without a pause */
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    assert_watch(f, "10");
}

static void test_versions(void **state)
{
    struct fixture *f = *state;
    char huge[KUBE_VERSION_MAX + 1];
    memset(huge, '1', sizeof huge);
    huge[sizeof huge - 1] = '\0';
    go(f);
    opened(f);
    page(f, NULL, NULL);
    assert_true(f->out.report);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    page(f, huge, NULL);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    opened(f);
    page(f, "7", NULL);
    opened(f);
    event(f, KUBE_EVENT_ADDED, NULL);
    assert_true(f->out.upsert);
    event(f, KUBE_EVENT_ADDED, huge);
    f->now += 5000;
    ended(f, ERR_NONE, 0);
    assert_watch(f, "7");
}

static void test_watch_list(void **state)
{
    struct fixture *f = *state;
    kube_reflector_init(&f->r, true, 42);
    go(f);
    assert_int_equal(f->out.action, KUBE_ACTION_WATCH);
    auto_free char *want =
        xasprintf("?watch=true&allowWatchBookmarks=true&timeoutSeconds=%u&sendInitialEvents=true&"
                  "resourceVersionMatch=NotOlderThan",
                  f->r.timeout_s);
    assert_query(f, want);
    opened(f);
    assert_true(f->out.begin);
    event(f, KUBE_EVENT_ADDED, "90");
    assert_true(f->out.upsert);
    event(f, KUBE_EVENT_BOOKMARK, "95"); /* not yet the end */
    assert_false(f->out.synced);
    initial_end(f, "100");
    assert_true(f->out.synced);
    assert_int_equal(f->out.action, KUBE_ACTION_NONE);
    event(f, KUBE_EVENT_MODIFIED, "101");
    assert_true(f->out.upsert);
    f->now += 400000;
    ended(f, ERR_NONE, 0);
    assert_watch(f, "101");
    ended(f, ERR_EXPIRED, 410);
    go(f);
    auto_buf q = BUF_INIT(1000);
    kube_reflector_query(&f->r, &q);
    assert_true(str_ends(q.data, "resourceVersionMatch=NotOlderThan&resourceVersion=101"));
}

static void test_watch_list_refused(void **state)
{
    struct fixture *f = *state;
    kube_reflector_init(&f->r, true, 42);
    go(f);
    ended(f, ERR_INVALID, 422);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    assert_query(f, "?limit=500&resourceVersion=0");
    assert_false(f->out.report);
    /* A server that takes it, and closes without the mark. */
    kube_reflector_init(&f->r, true, 42);
    go(f);
    opened(f);
    event(f, KUBE_EVENT_ADDED, "1");
    ended(f, ERR_NONE, 0);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
    /* A server that is away may still have it. */
    kube_reflector_init(&f->r, true, 42);
    go(f);
    ended(f, ERR_TRANSIENT, 0);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    assert_int_equal(f->out.action, KUBE_ACTION_WATCH);
    assert_true(f->r.initial);
    opened(f);
    error_event(f, ERR_INVALID, 0);
    assert_true(f->out.cut);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
}

/* At "0" the server begins with what it has, in no order. */
static void test_watch_from_zero(void **state)
{
    struct fixture *f = *state;
    go(f);
    opened(f);
    page(f, "0", NULL);
    assert_watch(f, "0");
    opened(f);
    event(f, KUBE_EVENT_ADDED, "90");
    event(f, KUBE_EVENT_ADDED, "30");
    assert_true(f->out.upsert);
    f->now += 5000;
    ended(f, ERR_TRANSIENT, 0);
    assert_watch(f, "0");
    opened(f);
    event(f, KUBE_EVENT_ADDED, "90");
    event(f, KUBE_EVENT_MODIFIED, "91");
    event(f, KUBE_EVENT_ADDED, "92");
    f->now += 5000;
    ended(f, ERR_NONE, 0);
    assert_watch(f, "92");
}

static void test_version_does_not_go_back(void **state)
{
    struct fixture *f = *state;
    reach_watch(f);
    event(f, KUBE_EVENT_MODIFIED, "100");
    event(f, KUBE_EVENT_MODIFIED, "99");
    assert_true(f->out.upsert);
    event(f, KUBE_EVENT_BOOKMARK, "9");
    f->now += 5000;
    ended(f, ERR_NONE, 0);
    assert_watch(f, "100");
    opened(f);
    event(f, KUBE_EVENT_BOOKMARK, "abc"); /* can't be compared: the newest */
    f->now += 5000;
    ended(f, ERR_NONE, 0);
    assert_watch(f, "abc");
    /* Another state of the whole: what a list at "" says counts, though it be older. */
    opened(f);
    error_event(f, ERR_EXPIRED, 0);
    go(f);
    ended(f, ERR_EXPIRED, 410);
    opened(f);
    page(f, "5", "");
    assert_watch(f, "5");
}

static void test_retry_after_is_bounded(void **state)
{
    struct fixture *f = *state;
    reach_watch(f);
    error_event(f, ERR_THROTTLED, 4000000000u);
    assert_waits(f, KUBE_RETRY_AFTER_MAX_MS, KUBE_RETRY_AFTER_MAX_MS);
}

/* A server that ends every watch at once, each time with an event: not at the speed of the network. */
static void test_brief_watches_are_not_endless(void **state)
{
    struct fixture *f = *state;
    reach_watch(f);
    int n = 0;
    do {
        event(f, KUBE_EVENT_BOOKMARK, "9");
        ended(f, ERR_NONE, 0);
        if (f->out.action == KUBE_ACTION_WATCH)
            opened(f);
    } while (f->out.action != KUBE_ACTION_WAIT && ++n < 100);
    assert_in_range(n, 1, KUBE_BRIEF_MAX);
    go(f);
    assert_watch(f, "9"); /* and no new list */
    opened(f);
    event(f, KUBE_EVENT_BOOKMARK, "10");
    f->now += 5000;
    ended(f, ERR_NONE, 0); /* a good one */
    opened(f);
    event(f, KUBE_EVENT_BOOKMARK, "11");
    ended(f, ERR_NONE, 0);
    assert_watch(f, "11");
}

static void test_pages_are_not_endless(void **state)
{
    struct fixture *f = *state;
    int n = 0;
    go(f);
    opened(f);
    do
        page(f, "7", "more");
    while (f->out.action == KUBE_ACTION_LIST && ++n <= KUBE_PAGES_MAX);
    assert_int_equal(n, KUBE_PAGES_MAX - 1);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    assert_true(f->out.report);
    f->out.err = NULL;
    go(f);
    assert_query(f, "?limit=500&resourceVersion=0");
    opened(f);
    page(f, "7", "more");
    assert_int_equal(f->out.action, KUBE_ACTION_LIST);
}

/* Whatever else goes wrong with it: a list may work. */
static void test_watch_list_fails(void **state)
{
    struct fixture *f = *state;
    kube_reflector_init(&f->r, true, 42);
    go(f);
    ended(f, ERR_TRANSIENT, 500);
    assert_int_equal(f->out.action, KUBE_ACTION_WAIT);
    go(f);
    assert_query(f, "?limit=500&resourceVersion=0");
    opened(f);
    page(f, "7", "");
    assert_watch(f, "7");
    opened(f);
    error_event(f, ERR_EXPIRED, 0);
    go(f);
    assert_true(f->r.initial); /* tried again the next time */
    opened(f);
    event(f, KUBE_EVENT_ADDED, "8");
    f->now += 600000;
    ended(f, ERR_TRANSIENT, 0); /* never marked the end */
    go(f);
    assert_query(f, "?resourceVersion=7");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_list_then_watch),
        T(test_pages),
        T(test_continue_expired),
        T(test_expired_watch),
        T(test_backoff),
        T(test_jitter),
        T(test_wake),
        T(test_forbidden),
        T(test_watch_refused),
        T(test_retry_after),
        T(test_short_watch),
        T(test_versions),
        T(test_watch_list),
        T(test_watch_list_refused),
        T(test_watch_from_zero),
        T(test_version_does_not_go_back),
        T(test_retry_after_is_bounded),
        T(test_brief_watches_are_not_endless),
        T(test_pages_are_not_endless),
        T(test_watch_list_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
