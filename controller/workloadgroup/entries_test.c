/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

#define LEFT "2026-01-01T00:00:00Z"
enum { LEFT_S = 1767225600 };

struct fixture {
    struct records records;
    struct kube_record_maker *maker;
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
    records_done(&f->records);
    kube_record_maker_free(f->maker);
    xfreep(state);
    return 0;
}

/* meta: more of the metadata, annotations: more of them, or "". */
static void add(struct fixture *f, const char *name, const char *meta, const char *annotations,
                const char *rest)
{
    auto_free char *text =
        xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"shop\"%s,\"annotations\":{"
                  "\"istio.io/autoRegistrationGroup\":\"db\"%s}}%s}",
                  name, meta, annotations, rest);
    struct err err = {0};
    const struct kube_record *r = kube_record_make(f->maker, KUBE_RECORD_WORKLOAD_ENTRY,
                                                   KUBE_ENCODING_JSON, text, strlen(text), &err);
    assert_non_null(r);
    records_put(&f->records, r);
}

#define ON          ",\"istio.io/connectedAt\":\"2026-01-02T03:04:05.6+01:00\""
#define OFF         ",\"istio.io/disconnectedAt\":\"" LEFT "\""
#define PROBED      ",\"proxy.istio.io/health-checks-enabled\":\"true\""
#define HEALTHY(is) ",\"status\":{\"conditions\":[{\"type\":\"Healthy\",\"status\":\"" is "\"}]}"

static void test_health(void **state)
{
    static const struct {
        const char *name, *annotations, *rest, *health;
    } cases[] = {
        {"a", ON, "", "Healthy"}, /* nobody asks it */
        {"b", ON PROBED, HEALTHY("True"), "Healthy"},
        {"c", ON PROBED, HEALTHY("False"), "Unhealthy"},
        {"d", ON PROBED, "", "Unknown"},
        {"e", OFF PROBED, HEALTHY("True"), "Disconnected"},
        {"f", "", "", "Disconnected"},
        {"g", OFF ON, "", "Healthy"}, /* it came back, and the old word is still there */
    };
    struct fixture *f = *state;
    struct entries e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        add(f, cases[i].name, "", cases[i].annotations, cases[i].rest);
    entries_read(&f->records, "shop", "db", &e);
    assert_int_equal(e.registered, 7);
    assert_int_equal(e.healthy, 3);
    assert_int_equal(json_array_size(e.rows), 7);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json_t *row = json_array_get(e.rows, i);
        assert_string_equal(jx_str(row, "name"), cases[i].name);
        assert_string_equal(jx_str(row, "health"), cases[i].health);
    }
    assert_string_equal(jx_str(json_array_get(e.rows, 0), "connectedSince"),
                        "2026-01-02T02:04:05Z");
    assert_null(jx_str(json_array_get(e.rows, 4), "connectedSince"));
    entries_done(&e);
}

static void test_whose(void **state)
{
    struct fixture *f = *state;
    struct entries e;
    add(f, "a", "", ON, "");
    add(f, "b", ",\"deletionTimestamp\":\"" LEFT "\"", ON, "");
    entries_read(&f->records, "shop", "db", &e);
    assert_int_equal(e.registered, 1);
    entries_done(&e);
    entries_read(&f->records, "shop", "web", &e);
    assert_int_equal(e.registered, 0);
    entries_done(&e);
    entries_read(&f->records, "bank", "db", &e);
    assert_int_equal(e.registered, 0);
    assert_int_equal(json_array_size(e.rows), 0);
    entries_done(&e);
}

/* The status has a bound, the counts have none. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    struct entries e;
    for (int i = 0; i < 100; i++) {
        auto_free char *name = xasprintf("db-%03d", 99 - i);
        add(f, name, "", ON, "");
    }
    entries_read(&f->records, "shop", "db", &e);
    assert_int_equal(e.registered, 100);
    assert_int_equal(e.healthy, 100);
    assert_int_equal(json_array_size(e.rows), ENTRIES_TOLD_MAX);
    assert_string_equal(jx_str(json_array_get(e.rows, 0), "name"), "db-000");
    assert_string_equal(jx_str(json_array_get(e.rows, 63), "name"), "db-063");
    entries_done(&e);
}

/* What is longer than the schema allows would make the status be refused for ever. */
static void test_long_words(void **state)
{
    struct fixture *f = *state;
    struct entries e;
    char longer[400];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    auto_free char *rest =
        xasprintf(",\"spec\":{\"address\":\"%s\",\"network\":\"%.64s\"}", longer, longer);
    auto_free char *annotations = xasprintf(",\"istio.io/connectedAt\":\"%s\"", longer);
    add(f, "a", "", annotations, rest);
    entries_read(&f->records, "shop", "db", &e);
    const json_t *row = json_array_get(e.rows, 0);
    assert_int_equal(json_object_size(row), 2);
    assert_string_equal(jx_str(row, "health"), "Healthy");
    entries_done(&e);
}

static bool stale(struct fixture *f, const char *annotations, int64_t now)
{
    struct kube_view v;
    add(f, "x", "", annotations, "");
    assert_true(entries_is_of(records_find(&f->records, "shop", "x"), "shop", "db", &v));
    bool is = entries_is_stale(&v, now);
    records_remove(&f->records, "shop", "x");
    return is;
}

static void test_stale(void **state)
{
    struct fixture *f = *state;
    assert_false(stale(f, OFF, LEFT_S + ENTRIES_STALE_S - 1));
    assert_true(stale(f, OFF, LEFT_S + ENTRIES_STALE_S));
    assert_false(stale(f, OFF ON, LEFT_S + 100000)); /* an istiod has it */
    assert_false(stale(f, ON, LEFT_S + 100000));
    assert_false(stale(f, "", LEFT_S + 100000)); /* nobody says that it left */
    assert_false(stale(f, ",\"istio.io/disconnectedAt\":\"yesterday\"", LEFT_S + 100000));
}

static void test_next_stale(void **state)
{
    struct fixture *f = *state;
    struct entries e;
    add(f, "a", "", ",\"istio.io/disconnectedAt\":\"2026-01-01T00:01:00Z\"", "");
    add(f, "b", "", OFF, "");
    add(f, "c", "", ON, "");
    entries_read(&f->records, "shop", "db", &e);
    assert_int_equal(e.stale_at_s, LEFT_S + ENTRIES_STALE_S);
    entries_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whose, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_stale, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
