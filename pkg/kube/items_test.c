/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/jx.h"

struct seen {
    struct buf text; /* the items, each followed by '|' */
    int n, stop_at;
};

static int on_item(void *arg, const char *text, size_t len)
{
    struct seen *s = arg;
    buf_append(&s->text, text, len);
    buf_puts(&s->text, "|");
    return ++s->n == s->stop_at;
}

static int feed(struct kube_items *s, const char *text, size_t piece, struct seen *seen,
                struct err *err)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        auto_free char *copy = xstrndup(text + at, n);
        int r = kube_items_feed(s, copy, n, on_item, seen, err);
        if (r)
            return r;
    }
    return 0;
}

static const struct {
    const char *text, *items, *rv;
} lists[] = {
    {"{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{\"b\":[{}]}]}"
     "\n",
     "{\"a\":1}|{\"b\":[{}]}|", "7"},
    {"{\"items\":[],\"metadata\":{\"resourceVersion\":\"8\"}}", "", "8"},
    {"{\"items\":null,\"metadata\":{\"resourceVersion\":\"9\"}}", "", "9"},
    {"{ \"items\" : [ {\"s\":\"]}\\\"\\\\\"} , null , {\"i\":{\"items\":[1]}} ] ,"
     "\"metadata\":{\"resourceVersion\":\"10\"}}",
     "{\"s\":\"]}\\\"\\\\\"}|{\"i\":{\"items\":[1]}}|", "10"},
    /* Other arrays, and the word as a value, or deeper, are not the items. */
    {"{\"other\":[{\"x\":1}],\"kind\":\"items\",\"metadata\":{\"items\":[{\"y\":1}],"
     "\"resourceVersion\":\"11\"},\"items\":[{\"z\":1}]}",
     "{\"z\":1}|", "11"},
};

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (size_t piece = 1; piece <= strlen(lists[i].text); piece++) {
            struct kube_items s = KUBE_ITEMS_INIT;
            struct seen seen = {.text = BUF_INIT(1000)};
            buf_puts(&seen.text, "");
            assert_int_equal(feed(&s, lists[i].text, piece, &seen, NULL), 0);
            assert_string_equal(seen.text.data, lists[i].items);
            assert_int_equal(kube_items_complete(&s, NULL), 0);
            auto_json *rest = jx_load(s.rest.data, s.rest.len, NULL);
            assert_string_equal(jx_str(rest, "metadata.resourceVersion"), lists[i].rv);
            kube_items_done(&s);
            buf_done(&seen.text);
        }
    }
}

static void test_incomplete(void **state)
{
    static const char *const texts[] = {"",
                                        "{\"items\":[{\"a\":1}",
                                        "{\"items\":[{\"a\":1}]",
                                        "{\"items\":[{\"a\":\"",
                                        "{\"kind\":\"",
                                        "[]]"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct kube_items s = KUBE_ITEMS_INIT;
        struct seen seen = {.text = BUF_INIT(1000)};
        struct err err = {0};
        assert_int_equal(feed(&s, texts[i], 3, &seen, NULL), 0);
        bool complete = kube_items_complete(&s, &err) == 0;
        assert_null(complete ? jx_load(s.rest.data, s.rest.len, &err) : NULL);
        assert_int_not_equal(err.class, ERR_NONE);
        kube_items_done(&s);
        buf_done(&seen.text);
    }
}

static void test_bounds(void **state)
{
    static const char *const texts[] = {
        "{\"items\":[{\"a\":\"0123456789\"}]}",
        "{\"items\":[{}],\"a\":\"0123456789012345678901234567890\"}",
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (size_t piece = 1; piece < 60; piece += 29) {
            struct kube_items s = {.rest = BUF_INIT(30), .item = BUF_INIT(10)};
            struct seen seen = {.text = BUF_INIT(1000)};
            struct err err = {0};
            assert_int_equal(feed(&s, texts[i], piece, &seen, &err), -1);
            assert_int_equal(err.class, ERR_INVALID);
            kube_items_done(&s);
            buf_done(&seen.text);
        }
    }
}

static void test_depth(void **state)
{
    char text[400] = "{\"items\":[{\"a\":";
    struct kube_items s = KUBE_ITEMS_INIT;
    struct seen seen = {.text = BUF_INIT(1000)};
    (void)state;
    memset(text + strlen(text), '[', 200);
    assert_int_equal(feed(&s, text, 7, &seen, NULL), -1);
    kube_items_done(&s);
}

static void test_stop(void **state)
{
    struct kube_items s = KUBE_ITEMS_INIT;
    struct seen seen = {.text = BUF_INIT(1000), .stop_at = 1};
    (void)state;
    assert_int_equal(feed(&s, lists[0].text, 1000, &seen, NULL), 1);
    assert_int_equal(seen.n, 1);
    kube_items_done(&s);
    buf_done(&seen.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),  cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
