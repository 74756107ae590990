/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kubesim/apply.h"
#include "json/jx.h"

static json_t *load(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!v)
        fail_msg("%s", text);
    return v;
}

static void assert_dump(const json_t *v, const char *want)
{
    auto_free char *got = v ? jx_dump(v) : xstrdup("(none)");
    assert_string_equal(got, want);
}

#define DOC "{\"a\":{\"b\":[1,2,3]},\"c/d\":1,\"e~f\":null}"

static void test_json_patch(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", DOC},
        {"[{\"op\":\"add\",\"path\":\"/a/b/1\",\"value\":9},{\"op\":\"remove\",\"path\":\"/"
         "e~0f\"}]",
         "{\"a\":{\"b\":[1,9,2,3]},\"c/d\":1}"},
        {"[{\"op\":\"add\",\"path\":\"/a/b/-\",\"value\":{}},{\"op\":\"replace\",\"path\":\"/"
         "c~1d\",\"value\":2}]",
         "{\"a\":{\"b\":[1,2,3,{}]},\"c/d\":2,\"e~f\":null}"},
        {"[{\"op\":\"move\",\"from\":\"/a/b/0\",\"path\":\"/x\"},{\"op\":\"copy\",\"from\":\"/"
         "a\",\"path\":\"/y\"}]",
         "{\"a\":{\"b\":[2,3]},\"c/d\":1,\"e~f\":null,\"x\":1,\"y\":{\"b\":[2,3]}}"},
        {"[{\"op\":\"test\",\"path\":\"/a/"
         "b\",\"value\":[1,2,3]},{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]",
         "{}"},
        {"[{\"op\":\"test\",\"path\":\"/none\",\"value\":null},{\"op\":\"replace\",\"path\":\"/a/b/"
         "2\",\"value\":0},"
         "{\"op\":\"add\",\"path\":\"/a/b/3\",\"value\":4}]",
         "{\"a\":{\"b\":[1,2,0,4]},\"c/d\":1,\"e~f\":null}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *doc = load(DOC), *patch = load(cases[i][0]);
        struct err err = {0};
        auto_json *got = sim_json_patch(doc, patch, &err);
        if (!got)
            fail_msg("%s", err.msg);
        assert_dump(got, cases[i][1]);
        assert_dump(doc, DOC);
    }
}

static void test_json_patch_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *patch;
        int code;
    } cases[] = {
        {"{}", 400},
        {"[1]", 400},
        {"[{\"op\":\"fly\",\"path\":\"/a\"}]", 400},
        {"[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", 400},
        {"[{\"op\":\"add\",\"path\":\"/a\"}]", 400},
        {"[{\"op\":\"copy\",\"path\":\"/a\"}]", 400},
        {"[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]", 422},
        {"[{\"op\":\"test\",\"path\":\"/e~0f\",\"value\":1}]", 422},
        {"[{\"op\":\"remove\",\"path\":\"/none\"}]", 422},
        {"[{\"op\":\"remove\",\"path\":\"\"}]", 422},
        {"[{\"op\":\"remove\",\"path\":\"/a/b/3\"}]", 422},
        {"[{\"op\":\"remove\",\"path\":\"/a/b/-\"}]", 422},
        {"[{\"op\":\"replace\",\"path\":\"/none\",\"value\":1}]", 422},
        {"[{\"op\":\"add\",\"path\":\"/a/b/4\",\"value\":1}]", 422},
        {"[{\"op\":\"add\",\"path\":\"/a/b/-1\",\"value\":1}]", 422},
        {"[{\"op\":\"add\",\"path\":\"/none/x\",\"value\":1}]", 422},
        {"[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b/0\"}]", 422},
        {"[{\"op\":\"move\",\"from\":\"/none\",\"path\":\"/x\"}]", 422},
        {"[{\"op\":\"copy\",\"from\":\"/none\",\"path\":\"/x\"}]", 422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *doc = load(DOC), *patch = load(cases[i].patch);
        struct err err = {0};
        auto_json *got = sim_json_patch(doc, patch, &err);
        if (got || err.code != cases[i].code)
            fail_msg("%s: %d, %s", cases[i].patch, err.code, err.msg);
        assert_int_equal(err.class, ERR_INVALID);
    }
}

/* A few bytes of patch make no document without bound. */
static void test_json_patch_bounds(void **state)
{
    (void)state;
    auto_json *doc = load("{\"a\":[1]}"), *many = json_array(), *doubling = json_array();
    auto_json *copy = load("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}");
    auto_json *test = load("{\"op\":\"test\",\"path\":\"/a/0\",\"value\":1}");
    for (int i = 0; i < 10001; i++)
        json_array_append(many, test);
    for (int i = 0; i < 70; i++)
        json_array_append(doubling, copy);
    struct err err = {0};
    assert_null(sim_json_patch(doc, many, &err));
    assert_int_equal(err.code, 413);
    assert_null(sim_json_patch(doc, doubling, &err));
    assert_int_equal(err.code, 422);
    /* Deeper with each step, without growth by copies. */
    auto_json *deeper = json_array(), *start = json_object();
    auto_buf path = BUF_INIT(4096);
    for (int i = 0; i < JX_DEPTH_MAX; i++) {
        buf_puts(&path, "/a");
        json_array_append_new(deeper,
                              json_pack("{ss ss s{}}", "op", "add", "path", path.data, "value"));
    }
    assert_null(sim_json_patch(start, deeper, &err));
    assert_int_equal(err.code, 422);
}

static void test_merge_patch(void **state)
{
    (void)state;
    auto_json *doc = load("{\"a\":{\"b\":1,\"c\":2},\"l\":[1]}");
    auto_json *patch = load("{\"a\":{\"b\":null,\"d\":{\"e\":null,\"f\":1}},\"l\":[2]}");
    auto_json *got = sim_merge_patch(doc, patch), *text = load("1");
    assert_dump(got, "{\"a\":{\"c\":2,\"d\":{\"f\":1}},\"l\":[2]}");
    auto_json *whole = sim_merge_patch(doc, text);
    assert_dump(whole, "1");
}

#define POD(spec) "{\"spec\":{\"template\":{\"spec\":" spec "}}}"

static void test_strategic_patch(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        /* obj, patch, want: of a Deployment's pods */
        {POD("{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"}]}"),
         POD("{\"containers\":[{\"name\":\"a\",\"image\":\"2\"},{\"name\":\"c\"}],"
             "\"$setElementOrder/"
             "containers\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}"),
         POD("{\"containers\":[{\"image\":\"2\",\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]"
             "}")},
        {POD("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"),
         POD("{\"containers\":[{\"$patch\":\"delete\",\"name\":\"a\"},{\"$patch\":\"delete\","
             "\"name\":\"x\"}]}"),
         POD("{\"containers\":[{\"name\":\"b\"}]}")},
        {POD("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"),
         POD("{\"containers\":[{\"name\":\"c\"},{\"$patch\":\"replace\"}]}"),
         POD("{\"containers\":[{\"name\":\"c\"}]}")},
        {POD("{\"tolerations\":[{\"key\":\"a\"}]}"), POD("{\"tolerations\":[{\"key\":\"b\"}]}"),
         POD("{\"tolerations\":[{\"key\":\"b\"}]}")},
        {POD("{\"nodeSelector\":{\"a\":\"1\",\"b\":\"1\"}}"),
         POD("{\"nodeSelector\":{\"a\":null,\"c\":\"1\"}}"),
         POD("{\"nodeSelector\":{\"b\":\"1\",\"c\":\"1\"}}")},
        {POD("{\"nodeSelector\":{\"a\":\"1\"}}"),
         POD("{\"nodeSelector\":{\"$patch\":\"replace\",\"c\":\"1\"}}"),
         POD("{\"nodeSelector\":{\"c\":\"1\"}}")},
        {POD("{\"nodeSelector\":{\"a\":\"1\"}}"), POD("{\"nodeSelector\":{\"$patch\":\"delete\"}}"),
         POD("{}")},
        {POD("{\"securityContext\":{\"x\":1,\"y\":2}}"),
         POD("{\"securityContext\":{\"$retainKeys\":[\"y\",\"z\"],\"z\":3}}"),
         POD("{\"securityContext\":{\"y\":2,\"z\":3}}")},
        {"{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
         "{\"metadata\":{\"$deleteFromPrimitiveList/"
         "finalizers\":[\"a\"],\"finalizers\":[\"c\",\"b\"]}}",
         "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}"},
        {"{}", POD("{\"containers\":[{\"name\":\"a\",\"env\":null,\"$retainKeys\":[\"name\"]}]}"),
         POD("{\"containers\":[{\"name\":\"a\"}]}")},
        {"{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", "{\"metadata\":{\"labels\":{\"a\":null}}}",
         "{\"metadata\":{\"labels\":{}}}"},
    };
    struct sim_apply a = {.group = "apps", .version = "v1", .kind = "Deployment"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *obj = load(cases[i][0]), *patch = load(cases[i][1]);
        struct err err = {0};
        auto_json *got = sim_strategic_patch(&a, obj, patch, &err);
        if (!got)
            fail_msg("%s", err.msg);
        assert_dump(got, cases[i][2]);
    }
}

static void test_strategic_patch_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {"[]", POD("{\"containers\":[{\"image\":\"x\"}]}"),
                                        POD("{\"containers\":[1]}")};
    struct sim_apply a = {.group = "apps", .version = "v1", .kind = "Deployment"};
    auto_json *obj = load(POD("{\"containers\":[{\"name\":\"a\"}]}"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *patch = load(cases[i]);
        struct err err = {0};
        assert_null(sim_strategic_patch(&a, obj, patch, &err));
        assert_int_equal(err.code, 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_patch),        cmocka_unit_test(test_json_patch_refuses),
        cmocka_unit_test(test_json_patch_bounds), cmocka_unit_test(test_merge_patch),
        cmocka_unit_test(test_strategic_patch),   cmocka_unit_test(test_strategic_patch_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
