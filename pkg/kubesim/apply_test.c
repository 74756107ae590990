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

/* The time of this step: that of the answer's entry which the live object has not. */
static const char *time_of(const json_t *step)
{
    const char *newest = "";
    const json_t *entry;
    size_t i;
    json_array_foreach (jx_get(step, "live.metadata.managedFields"), i, entry)
        if (strcmp(str_or(jx_str(entry, "time"), ""), newest) > 0)
            newest = jx_str(entry, "time");
    json_array_foreach (jx_get(step, "answer.metadata.managedFields"), i, entry)
        if (strcmp(str_or(jx_str(entry, "time"), ""), newest) > 0)
            return jx_str(entry, "time");
    return now;
}

static struct sim_apply of_step(const json_t *step, const json_t *schema, char **ret_group)
{
    const char *answer =
        json_object_get(step, "live") && !json_is_null(json_object_get(step, "live")) ? "live"
                                                                                      : "body";
    const json_t *like = json_object_get(step, answer);
    const char *version = jx_str(like, "apiVersion"), *slash = strchr(version, '/');
    *ret_group = xstrndup(version, slash ? (size_t)(slash - version) : 0);
    return (struct sim_apply){
        .group = *ret_group,
        .version = slash ? slash + 1 : version,
        .kind = jx_str(like, "kind"),
        .schema = schema,
        .manager = jx_str(step, "manager"),
        .subresource = jx_str(step, "subresource"),
        .force = jx_bool(step, "force", false),
        .has_status = schema != NULL,
        .now = time_of(step),
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

static void play_apply(const struct sim_apply *a, const json_t *step)
{
    const json_t *live = json_object_get(step, "live");
    struct err err = {0};
    json_t *causes = NULL;
    auto_json *before = json_deep_copy(live);
    auto_json *got = sim_apply(a, json_is_null(live) ? NULL : live, json_object_get(step, "body"),
                               &causes, &err);
    assert_true(json_equal(before, live));
    if (jx_int(step, "status", 0) >= 300) {
        check_refusal(step, causes, &err);
    } else {
        if (got)
            check_object(step, got);
        else
            wrong += (unsigned)fprintf(stderr, "%s\n", err.msg);
    }
    json_decref(causes);
}

static void play_update(const struct sim_apply *a, const json_t *step)
{
    const json_t *live = json_object_get(step, "live");
    auto_json *obj = json_deep_copy(json_object_get(step, "answer"));
    json_object_del(json_object_get(obj, "metadata"), "managedFields");
    json_t *given = jx_get(step, "body.metadata.managedFields");
    if (given)
        jx_set_new(obj, "metadata.managedFields", json_deep_copy(given));
    sim_track_update(a, json_is_null(live) ? NULL : live, obj);
    check_object(step, obj);
}

static void play(const char *name)
{
    auto_json *kase = read_case(name);
    const json_t *schema = json_object_get(kase, "schema");
    if (json_is_null(schema))
        schema = NULL;
    const json_t *step;
    size_t i;
    json_array_foreach (json_object_get(kase, "steps"), i, step) {
        auto_free char *group = NULL;
        struct sim_apply a = of_step(step, schema, &group);
        unsigned before = wrong;
        if (str_eq(jx_str(step, "verb"), "apply"))
            play_apply(&a, step);
        else
            play_update(&a, step);
        if (wrong != before)
            fprintf(stderr, "^ %s step %zu\n", name, i);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_server_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
