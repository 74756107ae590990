/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in pages, their versions, and watches. */
#include "kubesim/api_fixture_test.h"

#define MAPS NS "/default/configmaps"

static void make(struct api *f, const char *name, const char *label)
{
    auto_free char *body = xasprintf(
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"l\":\"%s\"}},\"data\":{\"k\":\"v\"}}", name,
        label);
    do_ask(f, 201, "POST", MAPS, NULL, body);
}

static void patch(struct api *f, const char *name, const char *body)
{
    auto_free char *path = xasprintf(MAPS "/%s", name);
    do_ask(f, 200, "PATCH", path, MERGE_PATCH, body);
}

static void erase(struct api *f, const char *name)
{
    auto_free char *path = xasprintf(MAPS "/%s", name);
    do_ask(f, 200, "DELETE", path, NULL, NULL);
}

/* The names in a list, with blanks between them. */
static char *names(const json_t *list)
{
    struct buf b = BUF_INIT(4096);
    size_t i;
    const json_t *v;
    buf_puts(&b, "");
    json_array_foreach (json_object_get(list, "items"), i, v)
        buf_printf(&b, "%s%s", i ? " " : "", jx_str(v, "metadata.name"));
    return buf_take(&b);
}

static void check_names(const json_t *list, const char *want)
{
    auto_free char *have = names(list);
    assert_string_equal(have, want);
}

/* --- lists --- */

/* Pages show the state of the first one, whatever happens meanwhile. */
static void test_pages(void **state)
{
    struct api *f = *state;
    for (const char *n = "abcde"; *n; n++)
        make(f, (char[]){*n, '\0'}, "x");
    auto_json *first = get(f, 200, MAPS "?limit=2");
    check_names(first, "a b");
    assert_int_equal(jx_int(first, "metadata.remainingItemCount", 0), 3);
    erase(f, "c");
    make(f, "bb", "x");
    auto_free char *path =
        xasprintf(MAPS "?limit=2&continue=%s", jx_str(first, "metadata.continue"));
    auto_json *second = get(f, 200, path);
    check_names(second, "c d");
    auto_free char *last =
        xasprintf(MAPS "?limit=2&continue=%s", jx_str(second, "metadata.continue"));
    auto_json *third = get(f, 200, last);
    check_names(third, "e");
    assert_null(jx_str(third, "metadata.continue"));
    check_str(third, "metadata.resourceVersion", jx_str(first, "metadata.resourceVersion"));
    auto_json *now = get(f, 200, MAPS);
    check_names(now, "a b bb d e");
}

static void test_expired_page(void **state)
{
    struct api *f = *state;
    make(f, "a", "x");
    make(f, "b", "x");
    auto_json *first = get(f, 200, MAPS "?limit=1");
    for (int i = 0; i < 21; i++)
        patch(f, "a", i % 2 ? "{\"data\":{\"k\":\"1\"}}" : "{\"data\":{\"k\":\"2\"}}");
    auto_free char *path =
        xasprintf(MAPS "?limit=1&continue=%s", jx_str(first, "metadata.continue"));
    auto_json *expired = get(f, 410, path);
    check_str(expired, "reason", "Expired");
    /* It comes with a token to go on as things are. */
    auto_free char *on =
        xasprintf(MAPS "?limit=1&continue=%s", jx_str(expired, "metadata.continue"));
    auto_json *rest = get(f, 200, on);
    check_names(rest, "b");
    auto_free char *exact = xasprintf(MAPS "?resourceVersion=%s&resourceVersionMatch=Exact",
                                      jx_str(first, "metadata.resourceVersion"));
    do_ask(f, 410, "GET", exact, NULL, NULL);
}

static void test_versions(void **state)
{
    struct api *f = *state;
    make(f, "a", "x");
    auto_json *before = get(f, 200, MAPS);
    make(f, "b", "x");
    const char *v = jx_str(before, "metadata.resourceVersion");
    auto_free char *exact = xasprintf(MAPS "?resourceVersion=%s&resourceVersionMatch=Exact", v);
    auto_json *then = get(f, 200, exact);
    check_names(then, "a");
    auto_free char *newer =
        xasprintf(MAPS "?resourceVersion=%s&resourceVersionMatch=NotOlderThan", v);
    auto_json *now = get(f, 200, newer);
    check_names(now, "a b");
    auto_json *large = get(f, 504, MAPS "?resourceVersion=99999");
    check_str(large, "reason", "Timeout");
    check_str(json_array_get(jx_get(large, "details.causes"), 0), "reason",
              "ResourceVersionTooLarge");
    auto_json *selected = get(f, 200, MAPS "?labelSelector=l%3Dx&fieldSelector=metadata.name%3Db");
    check_names(selected, "b");
    auto_json *everywhere = get(f, 200, "/api/v1/configmaps");
    check_names(everywhere, "a b");
}

/* --- watches --- */

/* The first `lines` events, as "TYPE name" lines. */
static char *events(struct api *f, const char *path, unsigned lines)
{
    auto_ask a = {.method = "GET", .path = path, .lines = lines};
    ask_start(f, &a);
    ask_wait(&a);
    struct buf b = BUF_INIT(65536);
    buf_puts(&b, "");
    unsigned n = 0; /* more than asked for may come at once */
    for (char *s = a.text.data, *end; s && (end = strchr(s, '\n')); s = end + 1) {
        if (lines && n++ == lines)
            break;
        auto_json *e = jx_load(s, (size_t)(end - s), NULL);
        const char *name = jx_str(e, "object.metadata.name");
        buf_printf(&b, "%s %s\n", str_or(jx_str(e, "type"), "?"),
                   name ? name : str_or(jx_str(e, "object.message"), "-"));
    }
    return buf_take(&b);
}

static void check_events(struct api *f, const char *query, unsigned lines, const char *want)
{
    auto_free char *path = xasprintf(MAPS "?watch=1%s", query);
    auto_free char *have = events(f, path, lines);
    assert_string_equal(have, want);
}

static void change_all(struct api *f)
{
    make(f, "a", "x");
    patch(f, "a", "{\"data\":{\"k\":\"2\"}}");
    patch(f, "a", "{\"metadata\":{\"labels\":{\"l\":\"y\"}}}");
    patch(f, "a", "{\"metadata\":{\"labels\":{\"l\":\"x\"}}}");
    erase(f, "a");
    make(f, "b", "x");
}

static void test_events(void **state)
{
    struct api *f = *state;
    change_all(f);
    check_events(f, "&resourceVersion=1", 6,
                 "ADDED a\nMODIFIED a\nMODIFIED a\nMODIFIED a\nDELETED a\nADDED b\n");
    check_events(f, "&resourceVersion=1&labelSelector=l%3Dx", 6,
                 "ADDED a\nMODIFIED a\nDELETED a\nADDED a\nDELETED a\nADDED b\n");
    check_events(f, "&resourceVersion=1&labelSelector=l%3Dy", 2, "ADDED a\nDELETED a\n");
    check_events(f, "&resourceVersion=1&fieldSelector=metadata.name%3Db", 1, "ADDED b\n");
    check_events(f, "", 1, "ADDED b\n");
    check_events(f, "&resourceVersion=0", 1, "ADDED b\n");
}

static void test_too_old(void **state)
{
    struct api *f = *state;
    make(f, "a", "x");
    for (int i = 0; i < 21; i++)
        patch(f, "a", i % 2 ? "{\"data\":{\"k\":\"1\"}}" : "{\"data\":{\"k\":\"2\"}}");
    auto_free char *have = events(f, MAPS "?watch=1&resourceVersion=5", 0);
    assert_non_null(strstr(have, "ERROR too old resource version: 5 ("));
}

static void test_bookmarks(void **state)
{
    struct api *f = *state;
    make(f, "a", "x");
    check_events(f,
                 "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
                 "allowWatchBookmarks=true",
                 3, "ADDED a\nBOOKMARK -\nBOOKMARK -\n");
    check_events(f, "&resourceVersion=99&allowWatchBookmarks=true", 2, "BOOKMARK -\nBOOKMARK -\n");
}

/* A watch from a version that is not reached yet has nothing to tell before. */
static void test_future(void **state)
{
    struct api *f = *state;
    auto_ask a = {.method = "GET", .path = MAPS "?watch=1&resourceVersion=6", .lines = 1};
    struct kubesim_stats n = {0};
    ask_start(f, &a);
    while (n.watches == 0) {
        uv_run(&f->loop, UV_RUN_ONCE);
        kubesim_stats(f->sim, "c", &n);
    }
    make(f, "a", "x"); /* version 6, after four namespaces */
    make(f, "b", "x");
    ask_wait(&a);
    auto_json *e = jx_load(a.text.data, strcspn(a.text.data, "\n"), NULL);
    check_str(e, "object.metadata.name", "b");
}

/* Events that come while it is open, each kind of the ends of a stream. */
static void test_live(void **state)
{
    struct api *f = *state;
    auto_ask a = {.method = "GET", .path = MAPS "?watch=1&resourceVersion=1", .lines = 2};
    struct kubesim_stats n = {0};
    ask_start(f, &a);
    while (n.watches == 0) {
        uv_run(&f->loop, UV_RUN_ONCE);
        kubesim_stats(f->sim, "c", &n);
    }
    make(f, "a", "x");
    assert_false(a.done);
    erase(f, "a");
    ask_wait(&a);
    auto_json *first = jx_load(a.text.data, strcspn(a.text.data, "\n"), NULL);
    check_str(first, "type", "ADDED");
    uv_run(&f->loop, UV_RUN_NOWAIT);
    make(f, "b", "x");
    auto_free char *timeout = events(f, MAPS "?watch=1&resourceVersion=1&timeoutSeconds=1", 0);
    assert_string_equal(timeout, "ADDED a\nDELETED a\nADDED b\n");
}

static void test_partial(void **state)
{
    struct api *f = *state;
    make(f, "a", "x");
    auto_ask a = {.method = "GET",
                  .path = MAPS "?watch=1",
                  .lines = 1,
                  .accept = SIM_JSON ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"};
    ask_start(f, &a);
    ask_wait(&a);
    auto_json *e = jx_load(a.text.data, a.text.len, NULL);
    check_str(e, "object.kind", "PartialObjectMetadata");
    check_str(e, "object.apiVersion", "meta.k8s.io/v1");
    assert_null(jx_get(e, "object.data"));
}

/* --- faults --- */

static void check_fault(struct api *f, enum sim_fault_kind kind, unsigned lines, const char *want)
{
    struct sim_rule r = {.method = "WATCH", .times = 1, .fault = {.kind = kind}};
    unsigned id = kubesim_add_rule(f->sim, &r);
    check_events(f, "&resourceVersion=1", lines, want);
    kubesim_remove_rule(f->sim, id);
}

static void test_faults(void **state)
{
    struct api *f = *state;
    make(f, "a", "x");
    make(f, "b", "x");
    make(f, "c", "x");
    check_fault(f, SIM_FAULT_DUPLICATE, 4, "ADDED a\nADDED a\nADDED b\nADDED b\n");
    check_fault(f, SIM_FAULT_REORDER, 3, "ADDED b\nADDED a\nADDED c\n");
    struct sim_rule alone = {.method = "WATCH", .times = 1, .fault = {.kind = SIM_FAULT_REORDER}};
    unsigned id = kubesim_add_rule(f->sim, &alone);
    check_events(f, "&fieldSelector=metadata.name%3Db&resourceVersion=1", 1, "ADDED b\n");
    kubesim_remove_rule(f->sim, id);
    check_fault(f, SIM_FAULT_EXPIRE, 0,
                "ERROR The resourceVersion for the provided watch is too old.\n");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pages),   TEST(test_expired_page), TEST(test_versions), TEST(test_events),
        TEST(test_too_old), TEST(test_bookmarks),    TEST(test_future),   TEST(test_live),
        TEST(test_partial), TEST(test_faults),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
