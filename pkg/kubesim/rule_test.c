/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kubesim/exchange.h"

static void test_all_words(void **state)
{
    (void)state;
    struct sim_rule r;
    assert_int_equal(
        sim_rule_parse("  cluster=c1 method=PATCH path=/secrets  index=17 skip=3 times=1 "
                       "fault=status:429:2 ",
                       &r, NULL),
        0);
    assert_string_equal(r.cluster, "c1");
    assert_string_equal(r.method, "PATCH");
    assert_string_equal(r.path, "/secrets");
    assert_int_equal(r.index, 17);
    assert_int_equal(r.skip, 3);
    assert_int_equal(r.times, 1);
    assert_int_equal(r.fault.kind, SIM_FAULT_STATUS);
    assert_int_equal(r.fault.status, 429);
    assert_int_equal(r.fault.retry_after_s, 2);
    sim_rule_done(&r);
    assert_null(r.cluster);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct sim_fault fault;
    } cases[] = {
        {"fault=delay:250", {.kind = SIM_FAULT_DELAY, .ms = 250}},
        {"fault=drop", {.kind = SIM_FAULT_DROP}},
        {"fault=reset-before", {.kind = SIM_FAULT_RESET_BEFORE}},
        {"fault=reset-after", {.kind = SIM_FAULT_RESET_AFTER}},
        {"fault=truncate:0", {.kind = SIM_FAULT_TRUNCATE}},
        {"fault=truncate:99", {.kind = SIM_FAULT_TRUNCATE, .bytes = 99}},
        {"fault=half-line", {.kind = SIM_FAULT_HALF_LINE}},
        {"fault=status:503", {.kind = SIM_FAULT_STATUS, .status = 503}},
        {"fault=goaway", {.kind = SIM_FAULT_GOAWAY}},
        {"fault=silence", {.kind = SIM_FAULT_SILENCE}},
        {"fault=duplicate", {.kind = SIM_FAULT_DUPLICATE}},
        {"fault=reorder", {.kind = SIM_FAULT_REORDER}},
        {"fault=expire", {.kind = SIM_FAULT_EXPIRE}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rule r;
        const struct sim_fault *want = &cases[i].fault;
        assert_int_equal(sim_rule_parse(cases[i].text, &r, NULL), 0);
        assert_int_equal(r.fault.kind, want->kind);
        assert_int_equal(r.fault.ms, want->ms);
        assert_int_equal(r.fault.bytes, want->bytes);
        assert_int_equal(r.fault.status, want->status);
        assert_int_equal(r.fault.retry_after_s, 0);
        assert_null(r.cluster);
        assert_null(r.method);
        assert_null(r.path);
        sim_rule_done(&r);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no fault="},
        {"cluster=c1 path=/x", "no fault="},
        {"fault=", "\"fault=\""},
        {"fault=melt", "\"fault=melt\""},
        {"fault=dro", "\"fault=dro\""},
        {"fault=drop:1", "\"fault=drop:1\""},
        {"fault=delay", "\"fault=delay\""},
        {"fault=delay:", "\"fault=delay:\""},
        {"fault=delay:-1", "\"fault=delay:-1\""},
        {"fault=delay:1:2", "\"fault=delay:1:2\""},
        {"fault=delay:4294967296", "\"fault=delay:4294967296\""},
        {"fault=status:429:2:3", "\"fault=status:429:2:3\""},
        {"fault=status:99", "\"fault=status:99\""},
        {"fault=status:600", "\"fault=status:600\""},
        {"cluster=a cluster=b fault=drop", "\"cluster=b\""},
        {"method= fault=drop", "\"method=\""},
        {"skip=x fault=drop", "\"skip=x\""},
        {"times=99999999999 fault=drop", "\"times=99999999999\""},
        {"index=-1 fault=drop", "\"index=-1\""},
        {"colour=red fault=drop", "\"colour=red\""},
        {"path=/x\tfault=drop", "no fault="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_rule r;
        struct err err = {0};
        assert_int_equal(sim_rule_parse(cases[i].text, &r, &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
        assert_non_null(strstr(err.msg, cases[i].message));
    }
}

/* Any cut of a good text, and any byte changed, ends in a rule or an error. */
static void test_spoiled(void **state)
{
    (void)state;
    static const char good[] = "cluster=c1 method=GET path=/x skip=3 times=1 fault=status:429:2";
    uint32_t seed = 1;
    for (int i = 0; i < 5000; i++) {
        auto_free char *text = xstrndup(good, (size_t)(i % (int)sizeof good));
        seed = seed * 1664525 + 1013904223;
        if (*text)
            text[seed % strlen(text)] = (char)(seed >> 24);
        struct sim_rule r;
        if (sim_rule_parse(text, &r, NULL) == 0)
            sim_rule_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_words),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_spoiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
