/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include "kubesim/call.h"

static void test_query(void **state)
{
    (void)state;
    struct sim_query q;
    sim_query_parse("a=1&b=x%20y%3d+z&c&watch=true&d=&no=0&a=2", &q);
    assert_string_equal(sim_query_get(&q, "a"), "1");
    assert_string_equal(sim_query_get(&q, "b"), "x y= z");
    assert_string_equal(sim_query_get(&q, "c"), "");
    assert_string_equal(sim_query_get(&q, "d"), "");
    assert_null(sim_query_get(&q, "e"));
    assert_true(sim_query_true(&q, "watch"));
    assert_true(sim_query_true(&q, "c"));
    assert_false(sim_query_true(&q, "no"));
    assert_false(sim_query_true(&q, "e"));
    sim_query_done(&q);
    sim_query_parse("", &q);
    assert_int_equal(q.n, 0);
    sim_query_done(&q);
    sim_query_parse("a=%zz%4", &q);
    assert_string_equal(sim_query_get(&q, "a"), "%zz%4");
    sim_query_done(&q);
}

static void test_bound(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(4096);
    struct sim_query q;
    for (int i = 0; i < 3 * SIM_PARAMS_MAX; i++)
        buf_printf(&b, "k%d=1&", i);
    sim_query_parse(b.data, &q);
    assert_int_equal(q.n, SIM_PARAMS_MAX);
    sim_query_done(&q);
}

static void check(const char *header, const struct sim_kind *k, bool ok, bool proto, enum sim_as as)
{
    struct sim_accept a;
    sim_accept_parse(header, k, &a);
    if (a.ok != ok || a.proto != proto || a.as != as)
        fail_msg("%s: %d %d %d", header, a.ok, a.proto, (int)a.as);
}

#define PARTIAL ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define TABLE   ";as=Table;v=v1;g=meta.k8s.io"

static void test_accept(void **state)
{
    (void)state;
    const struct sim_kind *services = sim_builtin_find("", "services");
    struct sim_kind foos = {.group = "x.example", .kind = "Foo", .traits = SIM_CUSTOM};
    check("", services, true, false, SIM_AS_OBJECT);
    check("*/*", services, true, false, SIM_AS_OBJECT);
    check(SIM_JSON, services, true, false, SIM_AS_OBJECT);
    check(SIM_PROTO, services, true, true, SIM_AS_OBJECT);
    check(SIM_PROTO ";stream=watch, " SIM_JSON, services, true, true, SIM_AS_OBJECT);
    check(SIM_PROTO "," SIM_JSON, &foos, true, false, SIM_AS_OBJECT);
    check(SIM_PROTO, &foos, false, false, SIM_AS_OBJECT);
    check(SIM_PROTO PARTIAL "," SIM_JSON, &foos, true, true, SIM_AS_PARTIAL);
    check(SIM_JSON TABLE "," SIM_JSON, services, true, false, SIM_AS_TABLE);
    check(SIM_JSON ";as=Table;g=meta.k8s.io;v=v1beta1," SIM_JSON, services, true, false,
          SIM_AS_OBJECT);
    check("text/html", services, false, false, SIM_AS_OBJECT);
    check(SIM_JSON ";as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2", NULL, false, false,
          SIM_AS_OBJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
