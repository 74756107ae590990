/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

#include "kubesim/selector.h"
#include "json/jx.h"

static bool matches(const char *labels, const char *fields)
{
    const struct sim_kind *k = sim_builtin_find("", "secrets");
    struct sim_selector s;
    struct err err = {0};
    auto_json *tree = json_pack("{s:{s:s, s:s, s:{s:s, s:s}}, s:s}", "metadata", "namespace", "n",
                                "name", "x", "labels", "a", "1", "x.io/b", "", "type", "Opaque");
    struct sim_object *o = sim_object_new(tree, 1);
    if (sim_selector_parse(k, labels, fields, &s, &err) < 0)
        fail_msg("%s", err.msg);
    bool r = sim_selector_matches(&s, k, o);
    sim_selector_done(&s);
    sim_object_drop(o);
    return r;
}

static void test_labels(void **state)
{
    (void)state;
    static const char *const hold[] = {
        "",     "a",           "a=1",          "a==1",         "a!=2",
        "c!=2", "x.io/b",      "x.io/b=",      "a in (1,2)",   "a notin (2, 3)",
        "!c",   "c notin (1)", " a = 1 , !c ", "x.io/b in ()", "in!=3",
    };
    static const char *const fail[] = {
        "c", "a=2", "a!=1", "!a", "a in (2)", "a notin (1)", "c=", "a,c", "a=1,a=2", "c in ()",
    };
    for (size_t i = 0; i < sizeof hold / sizeof *hold; i++)
        if (!matches(hold[i], NULL))
            fail_msg("%s", hold[i]);
    for (size_t i = 0; i < sizeof fail / sizeof *fail; i++)
        if (matches(fail[i], NULL))
            fail_msg("%s", fail[i]);
}

static void test_fields(void **state)
{
    (void)state;
    assert_true(matches(NULL, "metadata.name=x"));
    assert_true(matches(NULL, "metadata.name==x,metadata.namespace=n,type=Opaque"));
    assert_true(matches(NULL, "type!=other"));
    assert_false(matches(NULL, "metadata.name!=x"));
    assert_false(matches(NULL, "type=other"));
    assert_false(matches(NULL, "metadata.name=x\\,y"));
    assert_false(matches("a=1", "metadata.name=y"));
}

static void check_refused(const char *labels, const char *fields, const char *want)
{
    struct sim_selector s;
    struct err err = {0};
    const struct sim_kind *k = sim_builtin_find("", "configmaps");
    assert_int_equal(sim_selector_parse(k, labels, fields, &s, &err), -1);
    assert_string_equal(err.msg, want);
}

/* The words are those of a real server. */
static void test_refused(void **state)
{
    (void)state;
    check_refused("a in", NULL, "unable to parse requirement: found '' expected: '('");
    check_refused("a===b", NULL, "unable to parse requirement: found '=', expected: identifier");
    check_refused("a in (1", NULL, "unable to parse requirement: found '', expected: ',' or ')'");
    check_refused("a=1,,", NULL, "found ',', expected: identifier after ','");
    check_refused("=1", NULL, "found '=', expected: !, identifier, or 'end of string'");
    check_refused(NULL, "foo", "invalid selector: 'foo'; can't understand 'foo'");
    check_refused(NULL, "type=x",
                  "\"type\" is not a known field selector: only \"metadata.name\", "
                  "\"metadata.namespace\"");
}

static void test_bounds(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(1 << 20);
    struct sim_selector s;
    struct err err = {0};
    const struct sim_kind *k = sim_builtin_find("", "configmaps");
    for (int i = 0; i <= SIM_TERMS_MAX; i++)
        buf_puts(&b, i ? ",a" : "a");
    assert_int_equal(sim_selector_parse(k, b.data, NULL, &s, &err), -1);
    buf_reset(&b);
    buf_puts(&b, "a in (");
    for (int i = 0; i <= SIM_VALUES_MAX; i++)
        buf_puts(&b, "v,");
    buf_puts(&b, "v)");
    assert_int_equal(sim_selector_parse(k, b.data, NULL, &s, &err), -1);
    buf_reset(&b);
    for (int i = 0; i <= SIM_TERMS_MAX; i++)
        buf_puts(&b, "metadata.name=a,");
    assert_int_equal(sim_selector_parse(k, NULL, b.data, &s, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
