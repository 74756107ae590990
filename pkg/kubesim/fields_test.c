/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "json/jx.h"

#define A                                                                                          \
    "{\"f:a\":{},\"f:b\":{\".\":{},\"f:c\":{}},\"f:l\":{\"k:{\\\"n\\\":1}\":{\".\":{},\"f:v\":{}}" \
    "}}"

static struct sim_fields of(const char *text)
{
    auto_json *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return sim_fields_of_json(v);
}

static void assert_fields(const struct sim_fields *s, const char *want)
{
    auto_json *v = sim_fields_to_json(s);
    auto_free char *got = json_dumps(v, JSON_COMPACT);
    assert_string_equal(got, want);
}

static void test_json(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {A, A},
        {"{\"f:b\":{},\"f:a\":{}}", "{\"f:a\":{},\"f:b\":{}}"},
        /* names, then keys, then values; numbers by size */
        {"{\"v:1\":{},\"k:{\\\"p\\\":443}\":{},\"k:{\\\"p\\\":80}\":{},\"f:z\":{}}",
         "{\"f:z\":{},\"k:{\\\"p\\\":80}\":{},\"k:{\\\"p\\\":443}\":{},\"v:1\":{}}"},
        {"{\"k:{\\\"p\\\":80,\\\"q\\\":\\\"UDP\\\"}\":{},\"k:{\\\"p\\\":80,\\\"q\\\":\\\"TCP\\\"}"
         "\":{}}",
         "{\"k:{\\\"p\\\":80,\\\"q\\\":\\\"TCP\\\"}\":{},\"k:{\\\"p\\\":80,\\\"q\\\":\\\"UDP\\\"}"
         "\":{}}"},
        {"{\"v:\\\"ab\\\"\":{},\"v:\\\"a\\\"\":{},\"v:\\\"a b\\\"\":{}}",
         "{\"v:\\\"a\\\"\":{},\"v:\\\"a b\\\"\":{},\"v:\\\"ab\\\"\":{}}"},
        /* what is no path element is skipped */
        {"{\"x:a\":{},\"\":{},\"f\":{},\"f:a\":{\".\":{}}}", "{\"f:a\":{}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_fields s = of(cases[i][0]);
        assert_fields(&s, cases[i][1]);
    }
}

static void test_algebra(void **state)
{
    (void)state;
    static const struct {
        void (*fn)(struct sim_fields *s, const struct sim_fields *other);
        const char *other, *want;
    } cases[] = {
        {sim_fields_add, "{}", A},
        {sim_fields_add, "{\"f:b\":{},\"f:d\":{\"f:e\":{}}}",
         "{\"f:a\":{},\"f:b\":{\".\":{},\"f:c\":{}},\"f:d\":{\"f:e\":{}},\"f:l\":{\"k:{\\\"n\\\":1}"
         "\":{"
         "\".\":{},\"f:v\":{}}}}"},
        {sim_fields_remove, A, "{}"},
        {sim_fields_remove, "{}", A},
        /* a member goes, what is below it stays */
        {sim_fields_remove, "{\"f:b\":{},\"f:l\":{}}",
         "{\"f:a\":{},\"f:b\":{\"f:c\":{}},\"f:l\":{\"k:{\\\"n\\\":1}\":{\".\":{},\"f:v\":{}}}}"},
        {sim_fields_remove_below, "{\"f:b\":{},\"f:l\":{}}", "{\"f:a\":{}}"},
        {sim_fields_keep, "{\"f:b\":{},\"f:l\":{\"k:{\\\"n\\\":1}\":{\"f:v\":{},\"f:w\":{}}}}",
         "{\"f:b\":{},\"f:l\":{\"k:{\\\"n\\\":1}\":{\"f:v\":{}}}}"},
        {sim_fields_keep, "{}", "{}"},
        {sim_fields_keep, A, A},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_fields s = of(A), other = of(cases[i].other);
        cases[i].fn(&s, &other);
        assert_fields(&s, cases[i].want);
        assert_int_equal(sim_fields_empty(&s), strcmp(cases[i].want, "{}") == 0);
    }
}

static void test_copy_is_its_own(void **state)
{
    (void)state;
    auto_fields a = of(A), b = sim_fields_copy(&a);
    assert_fields(&b, A);
    sim_fields_at(&b, "f:new")->member = true;
    assert_fields(&a, A);
    assert_null(sim_fields_find(&a, "f:new"));
    assert_non_null(sim_fields_find(&b, "f:new"));
}

static void collect(void *arg, const char *path)
{
    buf_printf(arg, "%s;", path);
}

static void test_paths(void **state)
{
    (void)state;
    auto_fields s =
        of("{\"f:l\":{\"k:{\\\"port\\\":1,\\\"q\\\":\\\"T\\\"}\":{\".\":{},\"f:v\":{}}},"
           "\"f:m\":{},\"f:s\":{\"v:\\\"x\\\"\":{},\"i:3\":{}}}");
    auto_buf out = BUF_INIT(1024);
    sim_fields_each(&s, collect, &out);
    assert_string_equal(out.data, ".m;.l[port=1,q=\"T\"];.l[port=1,q=\"T\"].v;.s[=\"x\"];.s[3];");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_algebra),
        cmocka_unit_test(test_copy_is_its_own),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
