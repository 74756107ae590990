/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct err refused = {.class = ERR_TRANSIENT}, broken = {ERR_TRANSIENT, 500, 0, ""},
                        conflict = {ERR_CONFLICT, 409, 0, ""},
                        unsent = {.class = ERR_INVALID, .code = 2};

static void end(struct breaker *b, int object, const struct err *err, int64_t now)
{
    char name[16];
    snprintf(name, sizeof name, "o%d", object);
    breaker_end(b, false, name, err, "c", now);
}

static void trip(struct breaker *b, int64_t now)
{
    for (int i = 0; i < BREAKER_FAILURES; i++) {
        assert_true(breaker_allows(b, now));
        assert_false(breaker_begin(b));
        end(b, i, &broken, now);
    }
    assert_true(b->open);
}

static void opens_after_failures_of_different_objects(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 100; i++)
        end(&b, i % (BREAKER_FAILURES - 1), &refused, 0);
    assert_false(b.open);
    end(&b, 99, &refused, 0);
    assert_true(b.open);
    assert_int_equal(b.code, 0);
    assert_false(breaker_allows(&b, 0));
}

static void an_answer_in_between_is_progress(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 100; i++)
        end(&b, i, i % BREAKER_FAILURES == 0 ? (i % 2 ? NULL : &conflict) : &broken, 0);
    assert_false(b.open);
}

static void one_probe_at_a_time(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, 0);
    int64_t wait = breaker_next_ms(&b, 0);
    assert_in_range(wait, 800, 1200);
    assert_false(breaker_allows(&b, wait - 1));
    assert_true(breaker_allows(&b, wait));
    assert_int_equal(breaker_next_ms(&b, wait), -1); /* nobody is woken again and again */
    assert_true(breaker_begin(&b));
    assert_false(breaker_allows(&b, wait + 1000000));
    breaker_end(&b, true, "o1", NULL, "c", wait);
    assert_false(b.open);
    assert_false(breaker_begin(&b));
}

static void waits_grow(void **state)
{
    (void)state;
    struct breaker b = {0};
    int64_t now = 0, base = BREAKER_MIN_MS;
    trip(&b, now);
    for (int i = 0; i < 20; i++) {
        int64_t wait = breaker_next_ms(&b, now);
        assert_in_range(wait, base * 8 / 10, base * 12 / 10);
        now += wait;
        assert_true(breaker_begin(&b));
        breaker_end(&b, true, "o", &broken, "c", now);
        base = base * 2 < BREAKER_MAX_MS ? base * 2 : BREAKER_MAX_MS;
    }
    assert_int_equal(b.code, 500);
}

static void what_the_server_asks_for_is_kept(void **state)
{
    (void)state;
    struct breaker b = {0};
    struct err slow_down = {ERR_THROTTLED, 429, 30000, ""};
    for (int i = 0; i < BREAKER_FAILURES; i++)
        end(&b, i, &slow_down, 0);
    assert_int_equal(breaker_next_ms(&b, 0), 30000);
}

static void late_answers_count_late_failures_do_not(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, 0);
    int64_t wait = breaker_next_ms(&b, 0);
    end(&b, 77, &broken, 10);
    assert_int_equal(breaker_next_ms(&b, 0), wait);
    end(&b, 78, NULL, 20);
    assert_false(b.open);
}

static void a_probe_that_was_not_sent_frees_the_place(void **state)
{
    (void)state;
    struct breaker b = {0};
    trip(&b, 0);
    assert_true(breaker_begin(&b));
    breaker_end(&b, true, "o", &unsent, "c", 0);
    assert_true(b.open && !b.probing);
    b.probing = true;
    breaker_abandon(&b, false);
    assert_true(b.probing);
    breaker_abandon(&b, true);
    assert_false(b.probing);
}

/* --- any sequence: never more than one write while it is open; after an answer it is closed --- */

enum { STEPS = 50000, OUT = 8 };

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

struct world {
    struct breaker b;
    int64_t now;
    int n;           /* writes out */
    bool probe[OUT]; /* of each: whether it is one */
};

static int probes(const struct world *w)
{
    int n = 0;
    for (int i = 0; i < w->n; i++)
        n += w->probe[i];
    return n;
}

static void send_one(struct world *w)
{
    if (w->n == OUT || !breaker_allows(&w->b, w->now))
        return;
    bool was_open = w->b.open;
    assert_true(!was_open || w->now >= w->b.until_ms);
    w->probe[w->n] = breaker_begin(&w->b);
    assert_int_equal(w->probe[w->n], was_open);
    w->n++;
}

static void answer_one(struct world *w, uint32_t *seed)
{
    static const struct err *const outcomes[] = {&broken, &refused, &broken, &refused,
                                                 &broken, NULL,     &unsent, &conflict};
    if (w->n == 0)
        return;
    int i = (int)(next(seed) % (uint32_t)w->n);
    const struct err *err = outcomes[next(seed) % 8];
    char name[16];
    snprintf(name, sizeof name, "o%u", next(seed) % 20);
    bool probe = w->probe[i];
    w->probe[i] = w->probe[--w->n];
    breaker_end(&w->b, probe, name, err, "c", w->now);
    if (!err || err == &conflict)
        assert_false(w->b.open);
    if (probe && w->b.open && err != &unsent)
        assert_true(w->b.until_ms > w->now);
}

static void holds_for_any_sequence(void **state)
{
    (void)state;
    struct world w = {0};
    uint32_t seed = 7;
    int opened = 0;
    for (int i = 0; i < STEPS; i++) {
        switch (next(&seed) % 3) {
        case 0:
            send_one(&w);
            break;
        case 1:
            answer_one(&w, &seed);
            break;
        default:
            w.now += (int64_t)(next(&seed) % 400);
        }
        opened += w.b.open;
        if (w.b.open && w.b.probing)
            assert_true(probes(&w) >= 1);
        int64_t left = breaker_next_ms(&w.b, w.now);
        assert_true(left == -1 || (left > 0 && left <= BREAKER_MAX_MS * 12 / 10));
    }
    assert_true(opened > STEPS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_of_different_objects),
        cmocka_unit_test(an_answer_in_between_is_progress),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(waits_grow),
        cmocka_unit_test(what_the_server_asks_for_is_kept),
        cmocka_unit_test(late_answers_count_late_failures_do_not),
        cmocka_unit_test(a_probe_that_was_not_sent_frees_the_place),
        cmocka_unit_test(holds_for_any_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
