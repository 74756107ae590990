/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

struct fixture {
    struct clock_virtual v;
    struct queue *q;
};

static void setup(struct fixture *f)
{
    f->v = CLOCK_VIRTUAL(1000, 1700000000);
    f->q = queue_new(&f->v.clock);
}

/* Takes the next key, which must be `want` (NULL: none is due), and ends it at once. */
static void expect_run(struct fixture *f, const char *want)
{
    const char *key = queue_get(f->q);
    if (!want) {
        assert_null(key);
        return;
    }
    assert_non_null(key);
    assert_string_equal(key, want);
    queue_done(f->q, key);
}

static void empty_queue_never_wakes(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_null(queue_get(f.q));
    assert_int_equal(queue_next_ms(f.q), -1);
    assert_int_equal(queue_len(f.q), 0);
    queue_done(f.q, "never-seen");
    queue_forget(f.q, "never-seen");
    queue_free(f.q);
    queue_free(NULL);
}

static void first_in_first_out_and_each_once(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    const char *keys[] = {"c", "a", "b", "a", "c"};
    for (size_t i = 0; i < 5; i++)
        queue_add(f.q, keys[i]);
    assert_int_equal(queue_len(f.q), 3);
    assert_int_equal(queue_adds(f.q), 3);
    assert_int_equal(queue_next_ms(f.q), 0);
    expect_run(&f, "c");
    expect_run(&f, "a");
    expect_run(&f, "b");
    expect_run(&f, NULL);
    queue_free(f.q);
}

static void keys_are_copied(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    char key[8] = "mesh/a";
    queue_add(f.q, key);
    memset(key, 'x', sizeof key - 1);
    expect_run(&f, "mesh/a");
    queue_free(f.q);
}

static void the_earlier_time_wins(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add_after(f.q, "a", 500);
    queue_add_after(f.q, "a", 900);
    assert_int_equal(queue_next_ms(f.q), 500);
    queue_add_after(f.q, "a", 200);
    assert_int_equal(queue_next_ms(f.q), 200);
    clock_virtual_advance(&f.v, 199);
    expect_run(&f, NULL);
    assert_int_equal(queue_next_ms(f.q), 1);
    clock_virtual_advance(&f.v, 1);
    expect_run(&f, "a");
    clock_virtual_advance(&f.v, 10000); /* the later times are gone */
    expect_run(&f, NULL);
    queue_free(f.q);
}

static void now_beats_a_delay(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add_after(f.q, "a", 500);
    queue_add(f.q, "a");
    queue_add_after(f.q, "a", 100); /* waits already for now */
    queue_add_after(f.q, "b", -5);  /* as good as now */
    queue_add_after(f.q, "c", INT64_MAX);
    expect_run(&f, "a");
    expect_run(&f, "b");
    expect_run(&f, NULL);
    assert_true(queue_next_ms(f.q) > 1000000);
    queue_free(f.q);
}

static void delayed_keys_come_by_time(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add_after(f.q, "late", 300);
    queue_add_after(f.q, "soon", 100);
    queue_add_after(f.q, "soon-too", 100);
    clock_virtual_advance(&f.v, 300);
    queue_add(f.q, "now");
    expect_run(&f, "soon");
    expect_run(&f, "soon-too");
    expect_run(&f, "late");
    expect_run(&f, "now");
    queue_free(f.q);
}

static void dirty_while_processing_runs_again(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "a");
    const char *key = queue_get(f.q);
    queue_add(f.q, "a");
    queue_add(f.q, "a");
    assert_null(queue_get(f.q)); /* never two workers on one key */
    assert_int_equal(queue_next_ms(f.q), -1);
    queue_add(f.q, "b");
    queue_done(f.q, key);
    expect_run(&f, "a");
    expect_run(&f, "b");
    expect_run(&f, NULL);
    queue_free(f.q);
}

static void delay_asked_while_processing_starts_at_once(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "a");
    const char *key = queue_get(f.q);
    queue_add_after(f.q, "a", 100);
    queue_add_after(f.q, "a", 400);
    clock_virtual_advance(&f.v, 60);
    queue_done(f.q, key);
    queue_done(f.q, "a"); /* a second time is harmless */
    assert_int_equal(queue_next_ms(f.q), 40);
    clock_virtual_advance(&f.v, 40);
    expect_run(&f, "a");
    expect_run(&f, NULL);
    queue_free(f.q);
}

static void backoff_doubles_within_bounds(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    int64_t base = 250;
    for (int i = 0; i < 40; i++) {
        int64_t d = queue_failed(f.q, "mesh/shop");
        assert_in_range(d, base * 8 / 10, base * 12 / 10);
        base = base * 2 < 60000 ? base * 2 : 60000;
    }
    queue_forget(f.q, "mesh/shop");
    assert_in_range(queue_failed(f.q, "mesh/shop"), 200, 300);
    assert_int_equal(queue_len(f.q), 0); /* counting is not adding */
    queue_free(f.q);
}

static void jitter_spreads_and_repeats(void **state)
{
    (void)state;
    struct fixture f, g;
    setup(&f);
    setup(&g);
    int low = 0, high = 0;
    for (int i = 0; i < 400; i++) {
        char key[24];
        snprintf(key, sizeof key, "cluster/c%d", i);
        int64_t d = queue_failed(f.q, key);
        assert_int_equal(d, queue_failed(g.q, key));
        assert_in_range(d, 200, 300);
        low += d < 220;
        high += d > 280;
    }
    assert_true(low > 40 && high > 40); /* 80 each when even */
    queue_free(f.q);
    queue_free(g.q);
}

static void failures_outlive_processing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 3; i++) {
        queue_add(f.q, "a");
        const char *key = queue_get(f.q);
        assert_in_range(queue_failed(f.q, key), 200 << i, 300 << i);
        queue_done(f.q, key);
    }
    queue_add(f.q, "a");
    const char *key = queue_get(f.q);
    queue_forget(f.q, key); /* key stays valid until done */
    assert_string_equal(key, "a");
    queue_done(f.q, key);
    queue_free(f.q);
}

/* --- against a model: an array of due times that is searched ---- */

enum { KEYS = 12, STEPS = 20000 };

struct model {
    int64_t due[KEYS]; /* -1: not wanted */
    bool processing[KEYS];
};

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static int64_t model_earliest(const struct model *m)
{
    int64_t best = -1;
    for (int i = 0; i < KEYS; i++)
        if (m->due[i] >= 0 && !m->processing[i] && (best < 0 || m->due[i] < best))
            best = m->due[i];
    return best;
}

static void model_add(struct fixture *f, struct model *m, int i, int64_t delay)
{
    char key[8];
    snprintf(key, sizeof key, "k%d", i);
    queue_add_after(f->q, key, delay);
    int64_t due = f->v.mono + delay;
    if (m->due[i] < 0 || due < m->due[i])
        m->due[i] = due;
}

static void model_get(struct fixture *f, struct model *m)
{
    int64_t earliest = model_earliest(m);
    const char *key = queue_get(f->q);
    if (earliest < 0 || earliest > f->v.mono) {
        assert_null(key);
        return;
    }
    assert_non_null(key);
    int64_t i = -1;
    assert_int_equal(str_to_i64(key + 1, 0, KEYS - 1, &i), 0);
    assert_false(m->processing[i]);
    assert_int_equal(m->due[i], earliest);
    m->processing[i] = true;
    m->due[i] = -1;
}

static void model_done(struct fixture *f, struct model *m, int i)
{
    char key[8];
    snprintf(key, sizeof key, "k%d", i);
    queue_done(f->q, key);
    m->processing[i] = false;
}

static void agrees_with_a_model(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct model m = {0};
    memset(m.due, 0xff, sizeof m.due);
    uint32_t seed = 42;
    for (int step = 0; step < STEPS; step++) {
        int i = (int)(next(&seed) % KEYS);
        switch (next(&seed) % 5) {
        case 0:
            model_add(&f, &m, i, next(&seed) % 3 ? (int64_t)(next(&seed) % 50) : 0);
            break;
        case 1:
            model_done(&f, &m, i);
            break;
        case 2:
            clock_virtual_advance(&f.v, (int64_t)(next(&seed) % 10));
            break;
        default:
            model_get(&f, &m);
        }
        int64_t due = model_earliest(&m), wait = due > f.v.mono ? due - f.v.mono : 0;
        assert_int_equal(queue_next_ms(f.q), due < 0 ? -1 : wait);
    }
    queue_free(f.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_queue_never_wakes),
        cmocka_unit_test(first_in_first_out_and_each_once),
        cmocka_unit_test(keys_are_copied),
        cmocka_unit_test(the_earlier_time_wins),
        cmocka_unit_test(now_beats_a_delay),
        cmocka_unit_test(delayed_keys_come_by_time),
        cmocka_unit_test(dirty_while_processing_runs_again),
        cmocka_unit_test(delay_asked_while_processing_starts_at_once),
        cmocka_unit_test(backoff_doubles_within_bounds),
        cmocka_unit_test(jitter_spreads_and_repeats),
        cmocka_unit_test(failures_outlive_processing),
        cmocka_unit_test(agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
