/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/fleet_test.h"

#define DATA "testdata/istio/data"

enum { OBJECTS = 19 + 2 }; /* per member of three */

static size_t objects(struct fleet *f, const char *cluster)
{
    size_t n = 0;
    const struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    for (size_t i = 0; i < c->n_watches; i++)
        n += HASH_COUNT(c->watches[i].records.all);
    return n;
}

static void installs_in_order_within_bounds(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 10000);
    assert_int_equal(objects(&f, "shop-0"), OBJECTS);
    assert_int_equal(objects(&f, "shop-2"), OBJECTS);
    assert_int_equal(f.waves_out_of_order, 0);
    assert_true(f.most_in_flight > 1 && f.most_in_flight <= APPLIER_IN_FLIGHT_MAX);
    fleet_stop(&f);
}

static void what_is_as_wanted_costs_nothing(void **state)
{
    (void)state;
    struct fleet f;
    fleet_start(&f, DATA);
    fleet_add_mesh(&f, "shop", 3);
    fleet_run(&f, 10000);
    int writes = f.writes;
    uint64_t renders = f.m.renders;
    assert_int_equal(writes, 3 * OBJECTS);
    fleet_run(&f, 60000);
    assert_int_equal(f.writes, writes);
    assert_int_equal(f.m.renders, renders);
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(installs_in_order_within_bounds),
        cmocka_unit_test(what_is_as_wanted_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
