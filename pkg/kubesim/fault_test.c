/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kubesim/target.h"

static struct sim_request request(const char *cluster, const char *method, const char *path,
                                  const char *query, uint64_t index)
{
    return (struct sim_request){
        .cluster = cluster, .method = method, .path = path, .query = query, .index = index};
}

static bool meets(const struct sim_rule *rule, const struct sim_request *q)
{
    struct sim_rules rs = {0};
    struct sim_rule r = *rule;
    r.fault.kind = SIM_FAULT_DROP;
    sim_rules_add(&rs, &r);
    bool met = sim_rules_match(&rs, q).kind == SIM_FAULT_DROP;
    sim_rules_done(&rs);
    return met;
}

static void test_fields(void **state)
{
    (void)state;
    struct sim_request q = request("c1", "PATCH", "/api/v1/namespaces/a/secrets/b", "", 7);
    assert_true(meets(&(struct sim_rule){0}, &q));
    assert_true(meets(&(struct sim_rule){.cluster = "c1"}, &q));
    assert_false(meets(&(struct sim_rule){.cluster = "c"}, &q));
    assert_true(meets(&(struct sim_rule){.method = "PATCH"}, &q));
    assert_false(meets(&(struct sim_rule){.method = "POST"}, &q));
    assert_true(meets(&(struct sim_rule){.path = "/secrets"}, &q));
    assert_false(meets(&(struct sim_rule){.path = "/services"}, &q));
    assert_true(meets(&(struct sim_rule){.index = 7}, &q));
    assert_false(meets(&(struct sim_rule){.index = 6}, &q));
    assert_false(meets(&(struct sim_rule){.cluster = "c1", .method = "GET"}, &q));
}

/* How the API server reads ?watch: by strconv.ParseBool's rules for what is false, all else asks for one. */
static void test_watch(void **state)
{
    (void)state;
    static const struct {
        const char *method, *query;
        bool watch;
    } cases[] = {
        {"GET", "", false},
        {"GET", "watch=true", true},
        {"GET", "watch=1", true},
        {"GET", "limit=5&watch=true&x", true},
        {"GET", "watch", true},
        {"GET", "watch&x=y", true},
        {"GET", "watch=false", false},
        {"GET", "watch=0&limit=1", false},
        {"GET", "watch=falsehood", true},
        {"GET", "rewatch=true", false},
        {"GET", "watcher=true", false},
        {"GET", "a=watch=true", false},
        {"GET", "&&watch=true", true},
        {"DELETE", "watch=true", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_request q = request("", cases[i].method, "/", cases[i].query, 1);
        assert_int_equal(sim_is_watch(&q), cases[i].watch);
        assert_int_equal(meets(&(struct sim_rule){.method = "WATCH"}, &q), cases[i].watch);
        if (cases[i].watch)
            assert_false(meets(&(struct sim_rule){.method = "GET"}, &q));
    }
}

static void test_skip_and_times(void **state)
{
    (void)state;
    struct sim_rules rs = {0};
    struct sim_rule r = {.method = "PUT", .skip = 2, .times = 3, .fault.kind = SIM_FAULT_DROP};
    sim_rules_add(&rs, &r);
    struct sim_request put = request("", "PUT", "/", "", 1), get = request("", "GET", "/", "", 1);
    for (int i = 1; i <= 10; i++) {
        bool hit = sim_rules_match(&rs, &put).kind == SIM_FAULT_DROP;
        assert_int_equal(hit, i >= 3 && i <= 5);
        assert_int_equal(sim_rules_match(&rs, &get).kind, SIM_FAULT_NONE);
    }
    sim_rules_done(&rs);
}

/* The first that matches counts, and one that has had its times leaves the rest to those behind it. */
static void test_order(void **state)
{
    (void)state;
    struct sim_rules rs = {0};
    struct sim_request q = request("", "GET", "/", "", 1);
    struct sim_rule first = {.times = 1, .fault = {.kind = SIM_FAULT_STATUS, .status = 429}};
    struct sim_rule second = {.times = 1, .fault = {.kind = SIM_FAULT_STATUS, .status = 500}};
    struct sim_rule rest = {.fault = {.kind = SIM_FAULT_STATUS, .status = 503}};
    unsigned a = sim_rules_add(&rs, &first), b = sim_rules_add(&rs, &second);
    unsigned c = sim_rules_add(&rs, &rest);
    assert_true(a && b && c && a != b && b != c && a != c);
    assert_int_equal(sim_rules_match(&rs, &q).status, 429);
    assert_int_equal(sim_rules_match(&rs, &q).status, 500);
    assert_int_equal(sim_rules_match(&rs, &q).status, 503);
    assert_int_equal(sim_rules_match(&rs, &q).status, 503);
    sim_rules_remove(&rs, c);
    sim_rules_remove(&rs, 99);
    assert_int_equal(sim_rules_match(&rs, &q).kind, SIM_FAULT_NONE);
    assert_int_not_equal(sim_rules_add(&rs, &rest), c);
    sim_rules_done(&rs);
}

static void test_copies(void **state)
{
    (void)state;
    struct sim_rules rs = {0};
    char text[] = "c1";
    struct sim_rule r = {
        .cluster = text, .method = text, .path = text, .fault.kind = SIM_FAULT_DROP};
    unsigned ids[40];
    for (int i = 0; i < 40; i++)
        ids[i] = sim_rules_add(&rs, &r);
    text[0] = 'x';
    struct sim_request q = request("c1", "c1", "c1", "", 1);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(sim_rules_match(&rs, &q).kind, SIM_FAULT_DROP);
        sim_rules_remove(&rs, ids[(i * 7) % 40]);
    }
    assert_int_equal(sim_rules_match(&rs, &q).kind, SIM_FAULT_NONE);
    sim_rules_done(&rs);
}

static void test_target(void **state)
{
    (void)state;
    static const struct {
        const char *text, *cluster, *path, *query;
    } cases[] = {
        {"/", "", "/", ""},
        {"/api?x=%20&y", "", "/api", "x=%20&y"},
        {"/api?", "", "/api", ""},
        {"/api?a?b", "", "/api", "a?b"},
        {"/clusters/c1/api/v1", "c1", "/api/v1", ""},
        {"/clusters/c1/", "c1", "/", ""},
        {"/clusters/c1", "c1", "/", ""},
        {"/clusters/c1?watch=1", "c1", "/", "watch=1"},
        {"/clusters//api", "", "/api", ""},
        {"/clusters", "", "/clusters", ""},
        {"/clusters/a%2Db/x%2fy%3F", "a-b", "/x/y?", ""},
        {"/apis/x%3A%e4%BD%A0", "", "/apis/x:\xe4\xbd\xa0", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_free char *text = xstrdup(cases[i].text);
        struct sim_target t;
        assert_int_equal(sim_target_split(text, &t), 0);
        assert_string_equal(t.cluster, cases[i].cluster);
        assert_string_equal(t.path, cases[i].path);
        assert_string_equal(t.query, cases[i].query);
    }
    static const char *const bad[] = {"",    "x",    "*",      "https://h/x", "/%",
                                      "/%4", "/%zz", "/a%00b", "/%4g",        "/%%41"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        auto_free char *text = xstrdup(bad[i]);
        struct sim_target t;
        assert_int_equal(sim_target_split(text, &t), -1);
    }
}

static void test_server_name(void **state)
{
    (void)state;
    auto_free char *name = sim_target_of_server_name("c1.kubesim");
    assert_string_equal(name, "c1");
    assert_null(sim_target_of_server_name("localhost"));
    assert_null(sim_target_of_server_name(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),         cmocka_unit_test(test_watch),
        cmocka_unit_test(test_skip_and_times), cmocka_unit_test(test_order),
        cmocka_unit_test(test_copies),         cmocka_unit_test(test_target),
        cmocka_unit_test(test_server_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
