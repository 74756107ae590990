/* SPDX-License-Identifier: Apache-2.0 */
#include "istio/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/jx.h"

static json_t *load(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    return v;
}

static void test_fills(void **state)
{
    (void)state;
    static const struct {
        const char *doc, *vars, *want;
    } cases[] = {
        {"{\"a\":\"${x}\"}", "{\"x\":\"s\"}", "{\"a\":\"s\"}"},
        {"{\"a\":\"${x}\"}", "{\"x\":3}", "{\"a\":3}"},
        {"{\"a\":\"${x}\"}", "{\"x\":[1,{\"k\":true}]}", "{\"a\":[1,{\"k\":true}]}"},
        {"{\"a\":\"${x}\",\"b\":1}", "{\"x\":null}", "{\"b\":1}"},
        {"[\"${x}\",\"${y}\",\"z\"]", "{\"x\":null,\"y\":{}}", "[{},\"z\"]"},
        {"{\"a\":\"p-${x}-${y}s\"}", "{\"x\":\"1\",\"y\":\"\"}", "{\"a\":\"p-1-s\"}"},
        {"{\"a\":\"${x}${x}\"}", "{\"x\":\"o\"}", "{\"a\":\"oo\"}"},
        {"{\"a\":{\"b\":[{\"c\":\"${x_1}\"}]}}", "{\"x_1\":1.5}", "{\"a\":{\"b\":[{\"c\":1.5}]}}"},
        {"{\"a\":\"$ {{ .X }} $(Y) $z\"}", "{}", "{\"a\":\"$ {{ .X }} $(Y) $z\"}"},
        {"{\"a\":\"${x}\"}", "{\"x\":\"${y}\"}", "{\"a\":\"${y}\"}"},
        {"{\"a\":\"${x}\"}", "{\"x\":{\"b\":\"${x}\"}}", "{\"a\":{\"b\":\"${x}\"}}"},
        {"{\"a\":\"${x}\"}", "{\"x\":\"}, b: [\\n\"}", "{\"a\":\"}, b: [\\n\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *doc = load(cases[i].doc), *vars = load(cases[i].vars);
        assert_int_equal(template_fill(doc, vars, NULL), 0);
        auto_free char *got = jx_dump(doc);
        assert_string_equal(got, cases[i].want);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *doc, *vars, *msg;
    } cases[] = {
        {"{\"a\":\"${x}\"}", "{}", "unknown placeholder \"x\""},
        {"{\"a\":\"b${x}\"}", "{}", "unknown placeholder \"x\""},
        {"{\"a\":1}", "{\"x\":1}", "\"x\" is not used"},
        {"{\"a\":\"b${x}\"}", "{\"x\":1}", "inside a string is no string"},
        {"{\"a\":\"b${x}\"}", "{\"x\":null}", "inside a string is no string"},
        {"{\"a\":\"${x\"}", "{\"x\":1}", "bad placeholder"},
        {"{\"a\":\"${}\"}", "{}", "bad placeholder"},
        {"{\"a\":\"${X}\"}", "{}", "bad placeholder"},
        {"[\"${x y}\"]", "{\"x\":1}", "bad placeholder"},
        {"{\"${x}\":1}", "{\"x\":\"k\"}", "placeholder in the key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        auto_json *doc = load(cases[i].doc), *vars = load(cases[i].vars);
        assert_int_equal(template_fill(doc, vars, &err), -1);
        assert_int_equal(err.class, ERR_BUG);
        assert_non_null(strstr(err.msg, cases[i].msg));
    }
}

/* What is filled in belongs to the document alone. */
static void test_copies(void **state)
{
    (void)state;
    auto_json *doc = load("[\"${x}\",\"${x}\"]"), *vars = load("{\"x\":{\"k\":1}}");
    assert_int_equal(template_fill(doc, vars, NULL), 0);
    json_object_set_new(json_array_get(doc, 0), "k", json_integer(2));
    auto_free char *got = jx_dump(doc), *kept = jx_dump(vars);
    assert_string_equal(got, "[{\"k\":2},{\"k\":1}]");
    assert_string_equal(kept, "{\"x\":{\"k\":1}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
