/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kubesim/store.h"
#include "json/jx.h"

static const struct sim_kind *configmaps(void)
{
    return sim_builtin_find("", "configmaps");
}

static json_t *tree(const char *ns, const char *name, const char *value)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:[{s:s}]}, s:{s:s}}", "kind", "ConfigMap",
                     "apiVersion", "v1", "metadata", "namespace", ns, "name", name, "managedFields",
                     "manager", "m", "data", "k", value);
}

static struct sim_object *object(const char *ns, const char *name, const char *value,
                                 uint64_t version)
{
    auto_json *t = tree(ns, name, value);
    return sim_object_new(t, version);
}

/* --- texts --- */

static void test_intern(void **state)
{
    (void)state;
    size_t texts, bytes, after;
    sim_text_count(&texts, &bytes);
    struct sim_object *a = object("n", "a", "same", 1), *b = object("n", "b", "same", 2);
    struct sim_object *c = object("n", "c", "other", 3);
    assert_ptr_equal(a->rest, b->rest);
    assert_ptr_equal(a->fields, c->fields);
    assert_ptr_not_equal(a->rest, c->rest);
    sim_text_count(&after, &bytes);
    assert_int_equal(after, texts + 3);
    sim_object_drop(a);
    assert_string_equal(b->rest->data, "\"data\":{\"k\":\"same\"}");
    sim_object_drop(b);
    sim_object_drop(c);
    sim_text_count(&after, &bytes);
    assert_int_equal(after, texts);
}

static void check_member(const char *text, const char *key, const char *want)
{
    size_t n = 0;
    const char *v = sim_text_member(text, strlen(text), key, &n);
    if (!want) {
        assert_null(v);
        return;
    }
    assert_non_null(v);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(v, want, n);
}

static void test_member(void **state)
{
    (void)state;
    static const char text[] =
        "\"a\":{\"b\":\"}\\\"{\",\"uid\":\"no\"},\"l\":[1,{\"x\":2}],\"uid\":\"u\"";
    check_member(text, "a", "{\"b\":\"}\\\"{\",\"uid\":\"no\"}");
    check_member(text, "l", "[1,{\"x\":2}]");
    check_member(text, "uid", "\"u\"");
    check_member(text, "b", NULL);
    check_member("{\"x\":1}", "x", "1");
    check_member("", "x", NULL);
    check_member("\"x", "x", NULL);
    check_member("\"x\"", "x", "");
}

/* --- objects --- */

static void check_json(const struct sim_object *o, enum sim_view view, const char *want)
{
    auto_buf b = BUF_INIT(4096);
    assert_int_equal(sim_object_json(o, configmaps(), "v1", view, o->version, &b), 0);
    assert_string_equal(b.data, want);
}

static void test_views(void **state)
{
    (void)state;
    struct sim_object *o = object("n", "a", "v", 7);
    assert_string_equal(o->key, "n/a");
    assert_string_equal(sim_object_name(o), "a");
#define META                                                                                       \
    "\"metadata\":{\"name\":\"a\",\"namespace\":\"n\",\"managedFields\":[{\"manager\":\"m\"}],"    \
    "\"resourceVersion\":\"7\"}"
    check_json(o, SIM_VIEW_WHOLE,
               "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"," META ",\"data\":{\"k\":\"v\"}}");
    check_json(o, SIM_VIEW_ITEM, "{" META ",\"data\":{\"k\":\"v\"}}");
    check_json(o, SIM_VIEW_PARTIAL,
               "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\"," META "}");
    auto_json *back = sim_object_tree(o, configmaps(), "v1", SIM_VIEW_WHOLE, 0);
    auto_json *want = tree("n", "a", "v");
    assert_true(json_equal(back, want));
    sim_object_drop(o);
}

static void test_proto_is_kept(void **state)
{
    (void)state;
    struct sim_object *o = object("n", "a", "v", 7);
    auto_buf first = BUF_INIT(4096), again = BUF_INIT(4096);
    assert_null(o->proto);
    assert_int_equal(sim_object_proto(o, configmaps(), "v1", SIM_VIEW_ITEM, 7, &first), 0);
    assert_non_null(o->proto);
    assert_int_equal(sim_object_proto(o, configmaps(), "v1", SIM_VIEW_ITEM, 7, &again), 0);
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.data, again.data, first.len);
    sim_object_drop(o);
}

/* --- collections: against a list of all states --- */

enum { KEYS = 12, STEPS = 400, HISTORY = 50 };

struct model {
    char *at[STEPS + 1]; /* the keys and versions at each version, as text */
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static char *text_of(struct sim_object *const *list, size_t n)
{
    struct buf b = BUF_INIT(65536);
    buf_puts(&b, "");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s@%d ", list[i]->key, (int)list[i]->version);
    return buf_take(&b);
}

static void step(struct sim_collection *c, uint32_t *seed, uint64_t version)
{
    char name[16];
    snprintf(name, sizeof name, "%c%u", next_random(seed) % 2 ? 'a' : '-',
             next_random(seed) % KEYS);
    struct sim_object *o = sim_collection_get(c, "n", name);
    const struct sim_event *e;
    if (o && next_random(seed) % 3 == 0) {
        e = sim_collection_remove(c, o, version);
        assert_int_equal(e->type, SIM_DELETED);
    } else {
        e = sim_collection_put(c, object("n", name, "v", version));
        assert_int_equal(e->type, o ? SIM_MODIFIED : SIM_ADDED);
    }
    assert_int_equal(e->version, version);
}

static void test_history(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct model m = {0};
        uint32_t random = seed;
        struct sim_collection *c = sim_collection_new(configmaps(), HISTORY, 0);
        m.at[0] = xstrdup("");
        for (uint64_t v = 1; v <= STEPS; v++) {
            step(c, &random, v);
            m.at[v] = text_of(c->objects, c->count);
            for (size_t i = 1; i < c->count; i++)
                assert_true(strcmp(c->objects[i - 1]->key, c->objects[i]->key) < 0);
        }
        assert_int_equal(c->nevents, HISTORY);
        assert_int_equal(c->floor, STEPS - HISTORY);
        for (uint64_t v = 0; v <= STEPS; v++) {
            size_t n = 0;
            struct sim_object **past = sim_collection_at(c, v, &n);
            assert_int_equal(past != NULL, v >= c->floor);
            auto_free char *text = text_of(past, n);
            if (past)
                assert_string_equal(text, m.at[v]);
            sim_snapshot_free(past, n);
            free(m.at[v]);
        }
        sim_collection_free(c);
    }
}

/* --- kinds --- */

static void test_crd(void **state)
{
    (void)state;
    auto_json *crd = json_pack(
        "{s:{s:s, s:s, s:{s:s, s:s, s:[s]}, s:[{s:s, s:b, s:b}, {s:s, s:b, s:b, s:{s:{}}}]}}",
        "spec", "group", "x.example", "scope", "Namespaced", "names", "kind", "Foo", "plural",
        "foos", "shortNames", "fo", "versions", "name", "v1", "served", 1, "storage", 0, "name",
        "v2", "served", 1, "storage", 1, "subresources", "status");
    struct sim_kind *k = sim_kind_of_crd(crd);
    assert_non_null(k);
    assert_string_equal(k->crd, "foos.x.example");
    assert_string_equal(k->version, "v2");
    assert_string_equal(k->list_kind, "FooList");
    assert_true(sim_kind_serves(k, "v1", NULL));
    assert_false(sim_kind_serves(k, "v3", NULL));
    assert_false(sim_serves_status(k, "v1"));
    assert_true(sim_serves_status(k, "v2"));
    sim_kind_free(k);
    jx_set_new(crd, "spec.versions", json_array());
    assert_null(sim_kind_of_crd(crd));
    sim_kind_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intern),  cmocka_unit_test(test_member),
        cmocka_unit_test(test_views),   cmocka_unit_test(test_proto_is_kept),
        cmocka_unit_test(test_history), cmocka_unit_test(test_crd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
