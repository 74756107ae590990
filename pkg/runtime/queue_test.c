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
        queue_add(f.q, "g", keys[i], 0, QUEUE_NORMAL);
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
    queue_add(f.q, "g", key, 0, QUEUE_NORMAL);
    memset(key, 'x', sizeof key - 1);
    expect_run(&f, "mesh/a");
    queue_free(f.q);
}

static void the_earlier_time_wins(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "g", "a", 500, QUEUE_NORMAL);
    queue_add(f.q, "g", "a", 900, QUEUE_NORMAL);
    assert_int_equal(queue_next_ms(f.q), 500);
    queue_add(f.q, "g", "a", 200, QUEUE_NORMAL);
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
    queue_add(f.q, "g", "a", 500, QUEUE_NORMAL);
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    queue_add(f.q, "g", "a", 100, QUEUE_NORMAL); /* waits already for now */
    queue_add(f.q, "g", "b", -5, QUEUE_NORMAL);  /* as good as now */
    queue_add(f.q, "g", "c", INT64_MAX, QUEUE_NORMAL);
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
    queue_add(f.q, "g", "late", 300, QUEUE_NORMAL);
    queue_add(f.q, "g", "soon", 100, QUEUE_NORMAL);
    queue_add(f.q, "g", "soon-too", 100, QUEUE_NORMAL);
    clock_virtual_advance(&f.v, 300);
    queue_add(f.q, "g", "now", 0, QUEUE_NORMAL);
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
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    const char *key = queue_get(f.q);
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    assert_null(queue_get(f.q)); /* never two workers on one key */
    assert_int_equal(queue_next_ms(f.q), -1);
    queue_add(f.q, "g", "b", 0, QUEUE_NORMAL);
    queue_done(f.q, key);
    expect_run(&f, "b");
    expect_run(&f, "a"); /* it was due again only when processing ended */
    expect_run(&f, NULL);
    queue_free(f.q);
}

static void delay_asked_while_processing_starts_at_once(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    const char *key = queue_get(f.q);
    queue_add(f.q, "g", "a", 100, QUEUE_NORMAL);
    queue_add(f.q, "g", "a", 400, QUEUE_NORMAL);
    clock_virtual_advance(&f.v, 60);
    queue_done(f.q, key);
    queue_done(f.q, "a"); /* a second time is harmless */
    assert_int_equal(queue_next_ms(f.q), 40);
    clock_virtual_advance(&f.v, 40);
    expect_run(&f, "a");
    expect_run(&f, NULL);
    queue_free(f.q);
}

static void nothing_is_kept_of_what_is_done(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    queue_add(f.q, "h", "b", 10, QUEUE_NORMAL);
    assert_int_equal(queue_groups(f.q), 2);
    expect_run(&f, "a");
    assert_int_equal(queue_groups(f.q), 1);
    clock_virtual_advance(&f.v, 10);
    expect_run(&f, "b");
    assert_int_equal(queue_groups(f.q), 0);
    queue_free(f.q);
}

/* --- groups --- */

static void groups_take_turns(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 1000; i++) {
        char key[24];
        snprintf(key, sizeof key, "noisy/%d", i);
        queue_add(f.q, "noisy", key, 0, QUEUE_NORMAL);
    }
    queue_add(f.q, "calm", "calm/1", 0, QUEUE_NORMAL);
    queue_add(f.q, "calm", "calm/2", 0, QUEUE_NORMAL);
    expect_run(&f, "noisy/0");
    expect_run(&f, "calm/1");
    expect_run(&f, "noisy/1");
    expect_run(&f, "calm/2");
    expect_run(&f, "noisy/2");
    expect_run(&f, "noisy/3");
    queue_add(f.q, "calm", "calm/3", 0, QUEUE_NORMAL);
    expect_run(&f, "noisy/4");
    expect_run(&f, "calm/3");
    queue_free(f.q);
}

static void a_key_stays_in_its_group(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "g", "a", 0, QUEUE_NORMAL);
    queue_add(f.q, "g", "b", 0, QUEUE_NORMAL);
    queue_add(f.q, "other", "b", 0, QUEUE_NORMAL); /* no way around the queue */
    queue_add(f.q, "h", "c", 0, QUEUE_NORMAL);
    expect_run(&f, "a");
    expect_run(&f, "c");
    expect_run(&f, "b");
    assert_int_equal(queue_groups(f.q), 0);
    queue_free(f.q);
}

/* --- priorities --- */

static void the_first_list_waits_for_news(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "a", "a", 0, QUEUE_LOW);
    queue_add(f.q, "b", "b", 0, QUEUE_LOW);
    queue_add(f.q, "c", "c", 0, QUEUE_NORMAL);
    expect_run(&f, "c");
    expect_run(&f, "a");
    expect_run(&f, "b");
    queue_free(f.q);
}

static void the_higher_priority_and_the_shorter_delay_win(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "a", "a", 0, QUEUE_LOW);
    queue_add(f.q, "b", "b", 0, QUEUE_LOW);
    queue_add(f.q, "b", "b", 500, QUEUE_NORMAL); /* raised, and due all the same */
    queue_add(f.q, "c", "c", 50, QUEUE_NORMAL);
    queue_add(f.q, "c", "c", 20, QUEUE_LOW); /* earlier, and as high as it was */
    assert_int_equal(queue_len(f.q), 3);
    assert_int_equal(queue_adds(f.q), 3);
    clock_virtual_advance(&f.v, 20);
    expect_run(&f, "b");
    expect_run(&f, "c");
    expect_run(&f, "a");
    queue_free(f.q);
}

static void low_is_not_starved(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    queue_add(f.q, "low", "low", 0, QUEUE_LOW);
    int turns = 1;
    for (;; turns++) {
        char key[24];
        snprintf(key, sizeof key, "n%d", turns);
        queue_add(f.q, key, key, 0, QUEUE_NORMAL);
        const char *got = queue_get(f.q);
        bool low = strcmp(got, "low") == 0;
        queue_done(f.q, got);
        if (low)
            break;
    }
    assert_int_equal(turns, QUEUE_LOW_SHARE);
    queue_free(f.q);
}

/* --- against a model: arrays that are searched --- */

enum { KEYS = 40, GROUPS = 5, STEPS = 60000 };

struct model {
    int64_t due[KEYS]; /* -1: not wanted */
    enum queue_priority priority[KEYS];
    bool processing[KEYS];
    int lows_passed;
    int turns[QUEUE_PRIORITIES][GROUPS]
             [GROUPS]; /* [p][g][h]: of h since g's last one, while g waits */
};

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static int group(int key)
{
    return key * key % GROUPS;
}

static bool is_due(const struct fixture *f, const struct model *m, int i)
{
    return m->due[i] >= 0 && !m->processing[i] && m->due[i] <= f->v.mono;
}

static bool any_due(const struct fixture *f, const struct model *m, int p, int g)
{
    for (int i = 0; i < KEYS; i++)
        if ((int)m->priority[i] == p && (g < 0 || group(i) == g) && is_due(f, m, i))
            return true;
    return false;
}

static int64_t model_earliest(const struct model *m)
{
    int64_t best = -1;
    for (int i = 0; i < KEYS; i++)
        if (m->due[i] >= 0 && !m->processing[i] && (best < 0 || m->due[i] < best))
            best = m->due[i];
    return best;
}

static void model_add(struct fixture *f, struct model *m, int i, int64_t delay,
                      enum queue_priority priority)
{
    char key[8], name[8];
    snprintf(key, sizeof key, "k%d", i);
    snprintf(name, sizeof name, "g%d", group(i));
    queue_add(f->q, name, key, delay, priority);
    int64_t due = f->v.mono + delay;
    bool waited = m->due[i] >= 0;
    m->priority[i] = waited && m->priority[i] > priority ? m->priority[i] : priority;
    m->due[i] = waited && m->due[i] < due ? m->due[i] : due;
}

/* Which priority's turn it is. */
static int model_priority(const struct fixture *f, struct model *m)
{
    bool low = any_due(f, m, QUEUE_LOW, -1), normal = any_due(f, m, QUEUE_NORMAL, -1);
    if (low && normal && ++m->lows_passed < QUEUE_LOW_SHARE)
        return QUEUE_NORMAL;
    m->lows_passed = 0;
    return low ? QUEUE_LOW : normal ? QUEUE_NORMAL : -1;
}

/* Between two turns of a group that waits, another has at most one. */
static void count_turn(const struct fixture *f, struct model *m, int p, int g)
{
    for (int other = 0; other < GROUPS; other++) {
        if (other == g || !any_due(f, m, p, other))
            continue;
        assert_true(++m->turns[p][other][g] <= 1);
    }
    memset(m->turns[p][g], 0, sizeof m->turns[p][g]);
}

static void forget_turns(const struct fixture *f, struct model *m)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        for (int g = 0; g < GROUPS; g++)
            if (!any_due(f, m, p, g))
                memset(m->turns[p][g], 0, sizeof m->turns[p][g]);
}

static void model_get(struct fixture *f, struct model *m)
{
    int p = model_priority(f, m);
    const char *key = queue_get(f->q);
    if (p < 0) {
        assert_null(key);
        return;
    }
    assert_non_null(key);
    int64_t k = -1;
    assert_int_equal(str_to_i64(key + 1, 0, KEYS - 1, &k), 0);
    int i = (int)k;
    assert_true(is_due(f, m, i));
    assert_int_equal(m->priority[i], p);
    count_turn(f, m, p, group(i));
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

static size_t model_len(const struct model *m)
{
    size_t n = 0;
    for (int i = 0; i < KEYS; i++)
        n += m->due[i] >= 0 && !m->processing[i];
    return n;
}

static void step(struct fixture *f, struct model *m, uint32_t *seed)
{
    int i = (int)(next(seed) % KEYS);
    switch (next(seed) % 6) {
    case 0:
    case 1:
        model_add(f, m, i, next(seed) % 3 ? (int64_t)(next(seed) % 50) : 0,
                  next(seed) % 3 ? QUEUE_NORMAL : QUEUE_LOW);
        break;
    case 2:
        model_done(f, m, i);
        break;
    case 3:
        clock_virtual_advance(&f->v, (int64_t)(next(seed) % 10));
        break;
    default:
        model_get(f, m);
    }
    forget_turns(f, m);
}

static void agrees_with_a_model(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct model m = {0};
    memset(m.due, 0xff, sizeof m.due);
    uint32_t seed = 42;
    for (int n = 0; n < STEPS; n++) {
        step(&f, &m, &seed);
        int64_t due = model_earliest(&m), wait = due > f.v.mono ? due - f.v.mono : 0;
        assert_int_equal(queue_next_ms(f.q), due < 0 ? -1 : wait);
        assert_int_equal(queue_len(f.q), model_len(&m));
    }
    for (int i = 0; i < KEYS; i++) /* nothing was lost */
        model_done(&f, &m, i);
    clock_virtual_advance(&f.v, 100);
    while (model_earliest(&m) >= 0)
        model_get(&f, &m);
    for (int i = 0; i < KEYS; i++)
        model_done(&f, &m, i);
    assert_int_equal(queue_groups(f.q), 0);
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
        cmocka_unit_test(nothing_is_kept_of_what_is_done),
        cmocka_unit_test(groups_take_turns),
        cmocka_unit_test(a_key_stays_in_its_group),
        cmocka_unit_test(the_first_list_waits_for_news),
        cmocka_unit_test(the_higher_priority_and_the_shorter_delay_win),
        cmocka_unit_test(low_is_not_starved),
        cmocka_unit_test(agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
