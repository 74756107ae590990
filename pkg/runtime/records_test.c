/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/retry.h"

struct fixture {
    struct kube_record_maker *maker;
    struct records r;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->maker = kube_record_maker_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    records_done(&f->r);
    kube_record_maker_free(f->maker);
    xfreep(state);
    return 0;
}

static void value(struct fixture *f, enum kube_slot slot, const char *s)
{
    kube_record_value(f->maker, &(struct kube_value){.slot = slot, .str = s, .len = strlen(s)});
}

static const struct kube_record *made(struct fixture *f, const char *name, const char *uid,
                                      const char *rv)
{
    kube_record_begin(f->maker, KUBE_RECORD_META);
    value(f, KUBE_SLOT_NAMESPACE, "n");
    value(f, KUBE_SLOT_NAME, name);
    value(f, KUBE_SLOT_UID, uid);
    value(f, KUBE_SLOT_VERSION, rv);
    return kube_record_end(f->maker, NULL);
}

static bool put(struct fixture *f, const char *name, const char *uid, const char *rv)
{
    return records_put(&f->r, made(f, name, uid, rv));
}

static void test_empty(void **state)
{
    struct fixture *f = *state;
    assert_null(records_find(&f->r, "n", "a"));
    assert_false(records_remove(&f->r, "n", "a"));
    assert_null(records_next(&f->r, &(size_t){0}));
    records_list_begin(&f->r);
    assert_int_equal(records_list_end(&f->r), 0);
    assert_true(f->r.synced);
}

static void test_newer_replaces_older_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct kube_view v;
    assert_true(put(f, "a", "u", "9"));
    assert_true(put(f, "a", "u", "10"));
    assert_false(put(f, "a", "u", "9"));
    assert_true(records_view(&f->r, "n", "a", &v));
    assert_string_equal(v.meta.rv, "10");
    assert_true(put(f, "a", "v", "5")); /* another object under the same name */
    assert_true(records_view(&f->r, "n", "a", &v));
    assert_string_equal(v.meta.uid, "v");
    assert_int_equal(f->r.n, 1);
    assert_false(records_view(&f->r, NULL, "a", &v));
}

static void test_what_was_verified_goes_with_the_version(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "u", "1");
    const struct kube_record *held = records_find(&f->r, "n", "a");
    assert_false(records_verified(held));
    records_set_verified(&f->r, held);
    assert_false(put(f, "a", "u", "1"));
    assert_true(records_verified(records_find(&f->r, "n", "a")));
    records_list_begin(&f->r);
    put(f, "a", "u", "1");
    records_list_end(&f->r);
    assert_true(records_verified(records_find(&f->r, "n", "a")));
    put(f, "a", "u", "2");
    assert_false(records_verified(records_find(&f->r, "n", "a")));
}

static void test_relist_finds_what_went(void **state)
{
    struct fixture *f = *state;
    put(f, "a", "u", "1");
    put(f, "b", "w", "1");
    records_list_begin(&f->r);
    put(f, "b", "w", "1");
    assert_non_null(records_find(&f->r, "n", "a")); /* nothing goes before the list is complete */
    assert_int_equal(records_list_end(&f->r), 1);
    assert_null(records_find(&f->r, "n", "a"));
    assert_non_null(records_find(&f->r, "n", "b"));
    assert_true(records_remove(&f->r, "n", "b"));
    assert_false(records_remove(&f->r, "n", "b"));
}

static void test_removal_while_going_through(void **state)
{
    struct fixture *f = *state;
    size_t at = 0, seen = 0;
    const struct kube_record *r;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        put(f, name, "u", "1");
    }
    while ((r = records_next(&f->r, &at))) {
        char name[16];
        snprintf(name, sizeof name, "%s", kube_record_name(r));
        seen++;
        if (seen % 3)
            assert_true(records_remove(&f->r, "n", name));
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(f->r.n, 333);
}

/* Another cluster may send what it likes. */
static void test_bounds(void **state)
{
    struct fixture *f = *state;
    char name[RECORDS_KEY_MAX + 1];
    memset(name, 'x', sizeof name);
    name[RECORDS_KEY_MAX - 2] = '\0'; /* with "n" and its NUL, it is exactly the bound */
    assert_true(put(f, name, "u", "1"));
    name[RECORDS_KEY_MAX - 2] = 'x';
    name[RECORDS_KEY_MAX - 1] = '\0';
    assert_false(put(f, name, "u", "1"));
    assert_int_equal(f->r.n, 1);
    size_t bytes = f->r.bytes;
    f->r.bytes = RECORDS_BYTES_MAX; /* as if */
    assert_false(put(f, "a", "u", "1"));
    assert_true(f->r.full);
    f->r.bytes = bytes;
    records_list_begin(&f->r);
    assert_true(f->r.full); /* until a whole list fits */
    size_t n = f->r.n;
    f->r.n = RECORDS_MAX;
    assert_false(put(f, "a", "u", "1"));
    f->r.n = n;
    records_list_end(&f->r);
    assert_true(f->r.full);
    records_list_begin(&f->r);
    assert_true(put(f, "a", "u", "1"));
    records_list_end(&f->r);
    assert_false(f->r.full);
}

static void test_versions_compare_as_numbers(void **state)
{
    (void)state;
    assert_true(records_compare_versions("10", "9") > 0);
    assert_true(records_compare_versions("9", "10") < 0);
    assert_int_equal(records_compare_versions("7", "7"), 0);
    assert_true(records_compare_versions("x", "7") > 0);
    assert_true(records_compare_versions(NULL, "7") > 0);
}

/* --- against a naive model --- */

enum { NAMES = 700 };

struct model {
    bool there, listed, verified;
    unsigned uid, rv;
};

struct game {
    struct fixture *f;
    uint64_t random;
    struct model model[NAMES];
    struct model truth[NAMES]; /* what the server has, listed is not used */
    unsigned rv;
};

static unsigned draw(struct game *g, unsigned below)
{
    return (unsigned)(kube_random(&g->random) % below);
}

static const char *name_of(unsigned i)
{
    static char name[300];
    int n = snprintf(name, sizeof name, "name-%u", i);
    if (i % 5 == 0) {
        memset(name + n, 'x', 200);
        name[n + 200] = '\0';
    }
    return name;
}

static void game_put(struct game *g, unsigned i, unsigned uid, unsigned rv)
{
    struct model *m = &g->model[i];
    bool same = m->there && m->uid == uid;
    bool want = !same || rv > m->rv;
    char u[16], v[16];
    snprintf(u, sizeof u, "%u", uid);
    snprintf(v, sizeof v, "%u", rv);
    assert_int_equal(put(g->f, name_of(i), u, v), want);
    m->listed = true;
    if (want)
        *m = (struct model){true, true, false, uid, rv};
}

static void game_remove(struct game *g, unsigned i)
{
    assert_int_equal(records_remove(&g->f->r, "n", name_of(i)), g->model[i].there);
    g->model[i].there = false;
}

/* The server goes on; the watch tells of it, or not. */
static void game_event(struct game *g, bool told)
{
    unsigned i = draw(g, NAMES);
    struct model *t = &g->truth[i];
    if (t->there && draw(g, 2)) {
        t->there = false;
        if (told)
            game_remove(g, i);
        return;
    }
    if (!t->there)
        t->uid = ++g->rv;
    t->there = true;
    t->rv = ++g->rv;
    if (told)
        game_put(g, i, t->uid, t->rv);
}

static void game_list(struct game *g, bool breaks)
{
    unsigned end = breaks ? draw(g, NAMES) : NAMES;
    size_t gone = 0;
    records_list_begin(&g->f->r);
    for (unsigned i = 0; i < NAMES; i++)
        g->model[i].listed = false;
    for (unsigned i = 0; i < end; i++)
        if (g->truth[i].there)
            game_put(g, i, g->truth[i].uid, g->truth[i].rv);
    if (breaks)
        return;
    for (unsigned i = 0; i < NAMES; i++) {
        gone += g->model[i].there && !g->model[i].listed;
        g->model[i].there &= g->model[i].listed;
    }
    assert_int_equal(records_list_end(&g->f->r), gone);
    for (unsigned i = 0; i < NAMES; i++) {
        assert_int_equal(g->model[i].there, g->truth[i].there);
        if (g->model[i].there)
            assert_int_equal(g->model[i].rv, g->truth[i].rv);
    }
}

static void game_verify(struct game *g, unsigned i)
{
    const struct kube_record *held = records_find(&g->f->r, "n", name_of(i));
    assert_int_equal(held != NULL, g->model[i].there);
    if (!held)
        return;
    assert_int_equal(records_verified(held), g->model[i].verified);
    records_set_verified(&g->f->r, held);
    g->model[i].verified = true;
}

static void game_compare(struct game *g)
{
    size_t n = 0, at = 0, seen = 0;
    const struct kube_record *r;
    for (unsigned i = 0; i < NAMES; i++) {
        const struct model *m = &g->model[i];
        struct kube_view v;
        char want[16];
        n += m->there;
        assert_int_equal(records_view(&g->f->r, "n", name_of(i), &v), m->there);
        if (!m->there)
            continue;
        snprintf(want, sizeof want, "%u", m->rv);
        assert_string_equal(v.meta.rv, want);
        snprintf(want, sizeof want, "%u", m->uid);
        assert_string_equal(v.meta.uid, want);
    }
    while ((r = records_next(&g->f->r, &at)))
        seen++;
    assert_int_equal(seen, n);
    assert_int_equal(g->f->r.n, n);
}

static void play(struct game *g, int steps)
{
    for (int step = 0; step < steps; step++) {
        unsigned what = draw(g, 1000);
        if (what < 800)
            game_event(g, true);
        else if (what < 900)
            game_event(g, false);
        else if (what < 990)
            game_verify(g, draw(g, NAMES));
        else
            game_list(g, what < 997);
        if (what % 100 == 0)
            game_compare(g);
    }
    game_list(g, false);
    game_compare(g);
}

static void test_as_the_model(void **state)
{
    struct fixture *f = *state;
    size_t before = records_memory();
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct game *g = xcalloc(1, sizeof *g);
        g->f = f;
        g->random = seed * 0x9E3779B97F4A7C15ULL;
        play(g, 20000);
        free(g);
        records_done(&f->r);
        assert_int_equal(records_memory(), before);
    }
}

/* --- size --- */

#define META                                                                                       \
    "{\"metadata\":{\"name\":\"service-%06u%s\",\"namespace\":\"namespace-%03u\",\"uid\":"         \
    "\"%08x-%04x-4abc-8def-0123456789ab\",\"resourceVersion\":\"%u\",\"creationTimestamp\":"       \
    "\"2026-01-02T03:04:05Z\",\"generation\":1,\"labels\":{\"app\":\"some-application\"%s}},"

static char *object(unsigned i, bool slice)
{
    auto_free char *owner = xasprintf(",\"kubernetes.io/service-name\":\"service-%06u\"", i);
    auto_free char *meta = xasprintf(META, i, slice ? "-x7k2p" : "", i % 200, i * 2654435761U,
                                     i & 0xffff, 1000000 + i, slice ? owner : "");
    static const char ports[] = "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"},"
                                "{\"name\":\"grpc\",\"port\":9090,\"protocol\":\"TCP\"}]";
    if (!slice)
        return xasprintf("%s\"spec\":{\"clusterIP\":\"10.0.0.1\",\"type\":\"ClusterIP\","
                         "\"selector\":{\"app\":\"a\"},%s}}",
                         meta, ports);
    return xasprintf("%s\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]},"
                     "{\"addresses\":[\"10.1.0.2\"]},{\"addresses\":[\"10.1.0.3\"]},"
                     "{\"addresses\":[\"10.1.0.4\"]}],%s}",
                     meta, ports);
}

static size_t bytes_each(struct fixture *f, bool slice)
{
    enum { N = 7000 };
    size_t before = records_memory();
    for (unsigned i = 0; i < N; i++) {
        auto_free char *text = object(i, slice);
        const struct kube_record *r =
            kube_record_make(f->maker, slice ? KUBE_RECORD_ENDPOINT_SLICE : KUBE_RECORD_SERVICE,
                             KUBE_ENCODING_JSON, text, strlen(text), NULL);
        assert_non_null(r);
        assert_true(records_put(&f->r, r));
    }
    size_t table = f->r.places * (sizeof *f->r.refs + sizeof *f->r.tags);
    size_t each = (records_memory() - before + table) / N;
    records_done(&f->r);
    return each;
}

static void test_small(void **state)
{
    assert_in_range(bytes_each(*state, false), 60, 100);
    assert_in_range(bytes_each(*state, true), 80, 145);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_empty),
        T(test_newer_replaces_older_is_dropped),
        T(test_what_was_verified_goes_with_the_version),
        T(test_relist_finds_what_went),
        T(test_removal_while_going_through),
        T(test_bounds),
        T(test_versions_compare_as_numbers),
        T(test_as_the_model),
        T(test_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
