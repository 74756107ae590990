/* SPDX-License-Identifier: Apache-2.0 */
/* testdata/kubesim/apply/<case>.json: what a real API server answered to sequences of writes (record.py there). */
#include "kubesim/apply.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply_walk.h"
#include "json/jx.h"

#define CASES "testdata/kubesim/apply"

enum { FILE_MAX = 4 * 1024 * 1024, ROUNDS = 300 };

static const char *now = "2030-01-01T00:00:00Z";

static char *read_file(const char *path)
{
    struct err err = {0};
    char *text = file_read(path, FILE_MAX, NULL, &err);
    if (!text)
        fail_msg("%s", err.msg);
    return text;
}

static json_t *read_case(const char *name)
{
    auto_free char *path = xasprintf(CASES "/%s", name);
    auto_free char *text = read_file(path);
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

/* One write: what was stored (NULL: nothing), how it is recorded. */
struct step {
    const json_t *live, *record;
    struct sim_apply a;
    char *group;
};

/* The time of this step: that of the answer's entry which the live object has not. */
static const char *time_of(const struct step *s)
{
    const char *newest = "";
    const json_t *entry;
    size_t i;
    json_array_foreach (jx_get(s->live, "metadata.managedFields"), i, entry)
        if (strcmp(str_or(jx_str(entry, "time"), ""), newest) > 0)
            newest = jx_str(entry, "time");
    json_array_foreach (jx_get(s->record, "answer.metadata.managedFields"), i, entry)
        if (strcmp(str_or(jx_str(entry, "time"), ""), newest) > 0)
            return jx_str(entry, "time");
    return now;
}

static struct sim_apply apply_of(struct step *s, const json_t *schema)
{
    const json_t *like = s->live ? s->live : json_object_get(s->record, "body");
    const char *version = jx_str(like, "apiVersion"), *slash = strchr(version, '/');
    s->group = xstrndup(version, slash ? (size_t)(slash - version) : 0);
    return (struct sim_apply){
        .group = s->group,
        .version = slash ? slash + 1 : version,
        .kind = jx_str(like, "kind"),
        .schema = schema,
        .manager = jx_str(s->record, "manager"),
        .subresource = jx_str(s->record, "subresource"),
        .force = jx_bool(s->record, "force", false),
        .has_status = schema != NULL,
        .now = time_of(s),
    };
}

/* Whether all of part is in whole: the server adds defaults. */
static bool within(const json_t *part, const json_t *whole)
{
    const char *key;
    json_t *v;
    if (json_is_array(part)) {
        if (json_array_size(part) != json_array_size(whole))
            return false;
        for (size_t i = 0; i < json_array_size(part); i++)
            if (!within(json_array_get(part, i), json_array_get(whole, i)))
                return false;
        return true;
    }
    if (!json_is_object(part))
        return json_equal(part, whole);
    SIM_EACH(part, key, v)
    if (!within(v, json_object_get(whole, key)))
        return false;
    return true;
}

static unsigned wrong;

/* Prints the places where two values differ. */
static void print_difference(const char *path, const json_t *got, const json_t *want)
{
    const char *key;
    json_t *v;
    if (json_is_object(got) && json_is_object(want)) {
        auto_json *all = json_copy((json_t *)(uintptr_t)got);
        json_object_update_missing(all, (json_t *)(uintptr_t)want);
        SIM_EACH(all, key, v)
        {
            auto_free char *below = xasprintf("%s/%s", path, key);
            print_difference(below, json_object_get(got, key), json_object_get(want, key));
        }
    } else if (json_is_array(got) && json_array_size(got) == json_array_size(want)) {
        for (size_t i = 0; i < json_array_size(got); i++) {
            auto_free char *below = xasprintf("%s/%zu", path, i);
            print_difference(below, json_array_get(got, i), json_array_get(want, i));
        }
    } else if (!json_equal(got, want)) {
        auto_free char *a = got ? jx_dump(got) : NULL, *b = want ? jx_dump(want) : NULL;
        fprintf(stderr, "  %s: %s, but the server has %s\n", path, str_or(a, "-"), str_or(b, "-"));
    }
}

static void check_same(const json_t *step, const char *what, const json_t *got, const json_t *want)
{
    if (got ? json_equal(got, want) : !want)
        return;
    wrong++;
    fprintf(stderr, "%s by %s: %s\n", jx_str(step, "verb"), jx_str(step, "manager"), what);
    print_difference("", got, want);
}

/* Without what the store counts and what this test compares apart. */
static json_t *content(const json_t *obj)
{
    json_t *copy = json_deep_copy(obj), *metadata = json_object_get(copy, "metadata");
    static const char *const counted[] = {"managedFields",   "generation",        "uid",
                                          "resourceVersion", "creationTimestamp", "namespace"};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        json_object_del(metadata, counted[i]);
    return copy;
}

static void check_object(const json_t *step, const json_t *got)
{
    const json_t *want = json_object_get(step, "answer");
    check_same(step, "managedFields", jx_get(got, "metadata.managedFields"),
               jx_get(want, "metadata.managedFields"));
    auto_json *a = content(got), *b = content(want);
    if (!jx_bool(step, "defaults", false))
        check_same(step, "the object", a, b);
    else if (!within(a, b))
        check_same(step, "the object", a, b);
}

static int by_cause(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    int c = strcmp(jx_str(*x, "message"), jx_str(*y, "message"));
    return c ? c : strcmp(jx_str(*x, "field"), jx_str(*y, "field"));
}

/* The server's order of managers is that of a Go map. */
static json_t *sorted(const json_t *causes)
{
    size_t n = json_array_size(causes);
    auto_free json_t **v = xcalloc(n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = json_array_get(causes, i);
    qsort(v, n, sizeof *v, by_cause);
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append(out, v[i]);
    return out;
}

static void check_refusal(const json_t *step, const json_t *causes, const struct err *err)
{
    const json_t *want = json_object_get(step, "answer");
    auto_json *code = json_integer(err->code);
    check_same(step, "the code", code, json_object_get(want, "code"));
    if (err->code != 409) {
        auto_json *said = json_string(err->msg);
        check_same(step, "the message", said, json_object_get(want, "message"));
        return;
    }
    auto_json *got = sorted(causes), *expected = sorted(jx_get(want, "details.causes"));
    check_same(step, "causes", got, expected);
    auto_free char *message = sim_conflict_message(causes);
    auto_json *text = json_string(message);
    check_same(step, "the message", text, json_object_get(want, "message"));
}

static void play_apply(const struct step *s)
{
    struct err err = {0};
    json_t *causes = NULL;
    auto_json *before = json_deep_copy(s->live);
    auto_json *got = sim_apply(&s->a, s->live, json_object_get(s->record, "body"), &causes, &err);
    assert_true(!s->live || json_equal(before, s->live));
    if (jx_int(s->record, "status", 0) >= 300)
        check_refusal(s->record, causes, &err);
    else if (got)
        check_object(s->record, got);
    else
        wrong += (unsigned)fprintf(stderr, "%s\n", err.msg);
    json_decref(causes);
}

/* The object as the write makes it; where the server adds defaults to it, that is its answer. */
static json_t *written(const struct step *s)
{
    const json_t *body = json_object_get(s->record, "body");
    const char *verb = jx_str(s->record, "verb");
    struct err err = {0};
    json_t *obj;
    if (jx_bool(s->record, "defaults", false) || str_eq(verb, "create") || str_eq(verb, "update"))
        return json_deep_copy(json_object_get(s->record, "answer"));
    if (str_eq(verb, "merge"))
        obj = sim_merge_patch(s->live, body);
    else
        obj = sim_strategic_patch(&s->a, s->live, body, &err);
    sim_keep_apart(&s->a, s->live, obj);
    return obj;
}

static void play_update(const struct step *s)
{
    auto_json *obj = written(s);
    json_object_del(json_object_get(obj, "metadata"), "managedFields");
    json_t *given = jx_get(s->record, "body.metadata.managedFields");
    if (given)
        jx_set_new(obj, "metadata.managedFields", json_deep_copy(given));
    sim_track_update(&s->a, s->live, obj);
    check_object(s->record, obj);
}

static void play_step(const json_t *record, const json_t *schema, const json_t *live)
{
    struct step s = {.live = live, .record = record};
    s.a = apply_of(&s, schema);
    if (str_eq(jx_str(record, "verb"), "apply"))
        play_apply(&s);
    else
        play_update(&s);
    xfreep(&s.group);
}

static void play(const char *name)
{
    auto_json *kase = read_case(name);
    const json_t *schema = json_object_get(kase, "schema"), *step, *live = NULL;
    size_t i;
    json_array_foreach (json_object_get(kase, "steps"), i, step) {
        unsigned before = wrong;
        const json_t *given = json_object_get(step, "live");
        live = given ? given : live;
        play_step(step, json_is_object(schema) ? schema : NULL, live);
        if (wrong != before)
            fprintf(stderr, "^ %s step %zu\n", name, i);
        if (jx_int(step, "status", 0) < 300)
            live = json_object_get(step, "answer");
    }
}

static void test_as_the_server_does(void **state)
{
    (void)state;
    struct dirent **entries;
    int n = scandir(CASES, &entries, NULL, alphasort);
    size_t played = 0;
    for (int i = 0; i < n; i++) {
        if (str_ends(entries[i]->d_name, ".json")) {
            play(entries[i]->d_name);
            played++;
        }
        auto_free void *entry = entries[i];
        (void)entry;
    }
    auto_free void *all = entries;
    (void)all;
    assert_true(played > 0);
    assert_int_equal(wrong, 0);
}

/* --- what holds for any object --- */

static uint64_t seed = 7;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static json_t *some_names(const char *key, unsigned max)
{
    json_t *list = json_array();
    unsigned used = 0;
    for (unsigned n = 1 + below(max); n > 0; n--) {
        unsigned which = below(6);
        if (!(used & 1u << which))
            json_array_append_new(list,
                                  json_pack("{ss si}", key, (const char[2]){(char)('a' + which), 0},
                                            "v", (int)below(3)));
        used |= 1u << which;
    }
    return list;
}

static json_t *some_labels(void)
{
    json_t *labels = json_object();
    for (unsigned n = 1 + below(3); n > 0; n--)
        json_object_set_new(labels, (const char[2]){(char)('a' + below(5)), 0},
                            json_sprintf("%u", below(3)));
    return labels;
}

/* A Deployment that says something of a few fields: maps, sets, whole lists, plain values. */
static json_t *some_intent(void)
{
    json_t *obj = json_pack("{ss ss s{ss}}", "apiVersion", "apps/v1", "kind", "Deployment",
                            "metadata", "name", "d");
    if (below(2))
        jx_set_new(obj, "metadata.labels", some_labels());
    if (below(3) == 0)
        jx_set_new(obj, "metadata.finalizers", json_pack("[s]", below(2) ? "f/a" : "f/b"));
    if (below(2))
        jx_set_new(obj, "spec.replicas", json_integer(below(3)));
    if (below(2))
        jx_set_new(obj, "spec.template.spec.containers", some_names("name", 4));
    if (below(2))
        jx_set_new(obj, "spec.template.spec.tolerations", some_names("key", 2));
    if (below(3) == 0)
        jx_set_new(obj, "spec.template.spec.nodeSelector", some_labels());
    return obj;
}

static json_t *must_apply(const char *manager, const json_t *live, const json_t *intent)
{
    struct sim_apply a = {.group = "apps",
                          .version = "v1",
                          .kind = "Deployment",
                          .manager = manager,
                          .force = true,
                          .now = now};
    struct err err = {0};
    json_t *got = sim_apply(&a, live, intent, NULL, &err);
    if (!got)
        fail_msg("%s", err.msg);
    return got;
}

static void assert_equal(const json_t *a, const json_t *b)
{
    if (!json_equal(a, b)) {
        print_difference("", a, b);
        fail();
    }
}

static void test_apply_again_changes_nothing(void **state)
{
    (void)state;
    auto_json *live = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        auto_json *intent = some_intent();
        const char *manager = below(2) ? "a" : "b";
        json_t *once = must_apply(manager, live, intent);
        auto_json *again = must_apply(manager, once, intent);
        assert_equal(again, once);
        json_decref(live);
        live = once;
    }
}

/* What another manager has stays as it is, and nothing else does. */
static void test_apply_nothing_removes_what_was_owned(void **state)
{
    (void)state;
    auto_json *nothing = json_pack("{ss ss s{ss}}", "apiVersion", "apps/v1", "kind", "Deployment",
                                   "metadata", "name", "d");
    for (int i = 0; i < ROUNDS; i++) {
        auto_json *base = some_intent(), *mine = some_intent();
        auto_json *first = must_apply("base", NULL, base);
        auto_json *both = must_apply("mine", first, mine);
        auto_json *after = must_apply("mine", both, nothing);
        struct sim_type t = sim_type_of("apps", "Deployment", NULL);
        json_object_del(json_object_get(first, "metadata"), "managedFields");
        json_object_del(json_object_get(after, "metadata"), "managedFields");
        auto_fields theirs = sim_fields_of(&t, first);
        auto_fields left = sim_fields_of(&t, after);
        auto_fields owned = sim_fields_of(&t, mine);
        /* All that is left, base had said; what both had said and mine took away, base has no more. */
        sim_fields_remove(&left, &theirs);
        assert_true(sim_fields_empty(&left));
        sim_fields_remove(&theirs, &owned);
        auto_fields kept = sim_fields_of(&t, after);
        sim_fields_remove(&theirs, &kept);
        assert_true(sim_fields_empty(&theirs));
    }
}

/* An apply over an update and back is tracked without loss: each field of the object has an owner. */
static void test_updates_are_owned(void **state)
{
    (void)state;
    struct sim_apply a = {
        .group = "apps", .version = "v1", .kind = "Deployment", .manager = "u", .now = now};
    struct sim_type t = sim_type_of("apps", "Deployment", NULL);
    auto_json *live = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        auto_json *obj = some_intent();
        sim_track_update(&a, live, obj);
        auto_json *bare = json_deep_copy(obj);
        json_object_del(json_object_get(bare, "metadata"), "managedFields");
        json_object_del(json_object_get(bare, "metadata"), "name");
        json_object_del(bare, "apiVersion");
        json_object_del(bare, "kind");
        json_object_del(json_object_size(json_object_get(bare, "metadata")) ? NULL : bare,
                        "metadata");
        auto_fields all = sim_fields_of(&t, bare);
        const json_t *entries = jx_get(obj, "metadata.managedFields"), *entry;
        size_t j;
        json_array_foreach (entries, j, entry) {
            auto_fields set = sim_fields_of_json(json_object_get(entry, "fieldsV1"));
            sim_fields_remove(&all, &set);
        }
        if (json_array_size(entries))
            assert_true(sim_fields_empty(&all));
        json_decref(live);
        live = json_incref(obj);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    struct sim_apply a = {.group = "", .version = "v1", .kind = "ConfigMap", .manager = "m"};
    static const char *const cases[] = {"{}", "{\"metadata\":[]}",
                                        "{\"metadata\":{\"managedFields\":[]}}"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *applied = json_loads(cases[i], 0, NULL);
        struct err err = {0};
        assert_null(sim_apply(&a, NULL, applied, NULL, &err));
        assert_int_equal(err.class, ERR_INVALID);
        assert_int_equal(err.code, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_server_does),
        cmocka_unit_test(test_apply_again_changes_nothing),
        cmocka_unit_test(test_apply_nothing_removes_what_was_owned),
        cmocka_unit_test(test_updates_are_owned),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
