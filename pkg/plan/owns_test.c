/* SPDX-License-Identifier: Apache-2.0 */
/* testdata/plan/owns holds bodies with the fieldsV1 that a real API server kept for them, as applied and after others
 * wrote: {"owned": what plan_owns should say, "body", "fields"}. */
#include "plan/plan.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

#define SAMPLES "testdata/plan/owns"

static json_t *load(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, 0, &e);
    if (!v)
        fail_msg("%s: %s", text, e.text);
    return v;
}

static void test_hand_made(void **state)
{
    (void)state;
    static const struct {
        const char *body, *fields;
        bool want;
    } rows[] = {
        /* identity is not a field; everything else is */
        {"{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}}",
         "{}", true},
        {"{\"type\":\"Opaque\"}", "{}", false},
        {"{\"type\":\"Opaque\"}", "{\"f:type\":{}}", true},
        {"{\"type\":null}", "{}", true},
        {"{\"metadata\":{\"labels\":{\"a.b/c\":\"1\"}}}",
         "{\"f:metadata\":{\"f:labels\":{\"f:a.b/c\":{}}}}", true},
        {"{\"metadata\":{\"labels\":{\"a.b/c\":\"1\"}}}",
         "{\"f:metadata\":{\"f:labels\":{\"f:a.b\":{\"f:c\":{}}}}}", false},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\"}}}", "{}", false},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\"}}}", "{\"f:metadata\":{\"f:labels\":{\".\":{}}}}",
         false},
        {"{\"metadata\":{\"labels\":{\"a\":\"1\"}}}", "{\"f:metadata\":{\"f:labels\":{}}}", false},
        /* a map whose keys have no schema, with a key that looks like syntax */
        {"{\"data\":{\"k:x\":\"1\",\".\":\"2\"}}", "{\"f:data\":{\"f:k:x\":{},\"f:.\":{}}}", true},
        {"{\"data\":{\".\":\"2\"}}", "{\"f:data\":{\".\":{},\"f:x\":{}}}", false},
        /* empty objects and lists are members */
        {"{\"spec\":{\"emptyDir\":{}}}", "{\"f:spec\":{\"f:emptyDir\":{}}}", true},
        {"{\"spec\":{\"emptyDir\":{}}}", "{\"f:spec\":{}}", true},
        {"{\"spec\":{\"emptyDir\":{}}}", "{\"f:spec\":{\"f:other\":{}}}", false},
        {"{\"spec\":{\"list\":[]}}", "{\"f:spec\":{\"f:list\":{}}}", true},
        {"{\"spec\":{\"list\":[]}}", "{\"f:spec\":{\"f:other\":{}}}", false},
        /* atomic lists and structs */
        {"{\"rules\":[{\"verbs\":[\"get\"]}]}", "{\"f:rules\":{}}", true},
        {"{\"sel\":{\"matchLabels\":{\"a\":\"b\"}}}", "{\"f:sel\":{}}", true},
        /* sets */
        {"{\"fin\":[\"a\",\"b/c\"]}",
         "{\"f:fin\":{\".\":{},\"v:\\\"a\\\"\":{},\"v:\\\"b/c\\\"\":{}}}", true},
        {"{\"fin\":[\"a\",\"b\"]}", "{\"f:fin\":{\"v:\\\"a\\\"\":{}}}", false},
        {"{\"n\":[1]}", "{\"f:n\":{\"v:1\":{}}}", true},
        {"{\"n\":[1]}", "{\"f:n\":{\"v:\\\"1\\\"\":{}}}", false},
        {"{\"n\":[1]}", "{\"f:n\":{\"v:nonsense\":{}}}", false},
        {"{\"n\":[1,{\"a\":2}]}", "{\"f:n\":{\"i:0\":{},\"i:1\":{\"f:a\":{}}}}", true},
        {"{\"n\":[1,{\"a\":2}]}", "{\"f:n\":{\"i:0\":{},\"i:2\":{\"f:a\":{}}}}", false},
        /* associative lists; the server fills in a key that is not said */
        {"{\"p\":[{\"port\":1,\"name\":\"x\"}]}",
         "{\"f:p\":{\"k:{\\\"port\\\":1,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":{},"
         "\"f:port\":{}}}}",
         true},
        {"{\"p\":[{\"port\":1,\"protocol\":\"UDP\"}]}",
         "{\"f:p\":{\"k:{\\\"port\\\":1,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:port\":{},"
         "\"f:protocol\":{}}}}",
         false},
        {"{\"p\":[{\"port\":2}]}", "{\"f:p\":{\"k:{\\\"port\\\":1}\":{\".\":{},\"f:port\":{}}}}",
         false},
        {"{\"p\":[{\"name\":\"x\",\"v\":1}]}",
         "{\"f:p\":{\"k:{\\\"name\\\":\\\"x\\\"}\":{\".\":{},\"f:name\":{}}}}", false},
        /* an item that lost every field, and an atomic one that is all keys */
        {"{\"p\":[{\"name\":\"x\",\"v\":1}]}", "{\"f:p\":{\"k:{\\\"name\\\":\\\"x\\\"}\":{}}}",
         false},
        {"{\"p\":[{\"name\":\"x\"}]}", "{\"f:p\":{\"k:{\\\"name\\\":\\\"x\\\"}\":{}}}", true},
        {"{\"p\":[{\"name\":\"x\"}]}", "{\"f:p\":{\"k:nonsense\":{}}}", false},
        /* values instead of nodes */
        {"{\"a\":1}", "{\"f:a\":null}", false},
        {"{\"a\":{\"b\":1}}", "{\"f:a\":\"x\"}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_json *body = load(rows[i].body), *fields = load(rows[i].fields);
        if (plan_owns(body, fields) != rows[i].want)
            fail_msg("%s in %s: not %d", rows[i].body, rows[i].fields, rows[i].want);
    }
    auto_json *body = load("{}");
    assert_false(plan_owns(body, NULL));
    assert_false(plan_owns(NULL, body));
}

static void for_samples(void (*check)(const char *name, const json_t *sample))
{
    DIR *d = opendir(SAMPLES);
    assert_non_null(d);
    size_t n = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!str_ends(e->d_name, ".json"))
            continue;
        auto_free char *path = xasprintf(SAMPLES "/%s", e->d_name);
        auto_json *sample = json_load_file(path, 0, NULL);
        assert_non_null(sample);
        check(e->d_name, sample);
        n++;
    }
    closedir(d);
    assert_true(n > 20);
}

static void check_sample(const char *name, const json_t *sample)
{
    bool want = jx_bool(sample, "owned", false);
    if (plan_owns(jx_get(sample, "body"), jx_get(sample, "fields")) != want)
        fail_msg("%s: should%s be owned", name, want ? "" : " not");
}

static void test_samples(void **state)
{
    (void)state;
    for_samples(check_sample);
}

static void expect_noticed(const char *name, const json_t *body, const json_t *fields, json_t *node,
                           const char *key)
{
    json_t *kept = json_incref(json_object_get(node, key));
    json_object_del(node, key);
    if (plan_owns(body, fields))
        fail_msg("%s: %s was taken, unnoticed", name, key);
    json_object_set_new(node, key, kept);
}

/* Takes every leaf away in turn; none may be missed. A field whose last leaf goes is no longer there itself, but an
 * item of a list is. Returns how many there were. */
static size_t take_leaves(const char *name, const json_t *body, json_t *fields, json_t *node)
{
    size_t n = 0;
    const char *key;
    const json_t *child;
    auto_json *before = json_copy(node); /* what is put back comes last in node */
    json_object_foreach (before, key, child) {
        bool leaf = json_object_size(child) == 0;
        bool alone = json_object_size(child) == 1 && !str_starts(key, "k:");
        /* the mark of an item itself, and generated content, which bodies don't have */
        if (str_eq(key, ".") || str_eq(key, "f:data"))
            continue;
        if (leaf || alone)
            expect_noticed(name, body, fields, node, key);
        n += leaf || alone ? 1 : take_leaves(name, body, fields, json_object_get(node, key));
    }
    return n;
}

static void check_taken(const char *name, const json_t *sample)
{
    if (!jx_bool(sample, "owned", false))
        return;
    auto_json *fields = json_deep_copy(jx_get(sample, "fields"));
    json_t *copy = json_deep_copy(fields);
    size_t n = take_leaves(name, jx_get(sample, "body"), copy, copy);
    assert_true(n > 4);
    json_decref(copy);
}

static void test_every_leaf(void **state)
{
    (void)state;
    for_samples(check_taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hand_made),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_every_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
