/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "mesh/istiod_metrics.h"

#define SYNC(c, s, v)                                                                              \
    "istiod_remote_cluster_sync_status{cluster=\"" c "\",cluster_type=\"remote\",status=\"" s      \
    "\"} " v "\n"

static void add(struct istiod_facts *f, const char *page)
{
    istiod_facts_add(f, page, strlen(page));
}

static void test_one_replica(void **state)
{
    (void)state;
    struct istiod_facts f = {0};
    add(&f, "# HELP pilot_xds x\n# TYPE pilot_xds gauge\npilot_xds{version=\"1.31\"} "
            "3\npilot_xds_pushes{type=\"cds\"} 90\n" SYNC("c2", "synced", "1")
                SYNC("c2", "timeout", "0") SYNC("c3", "syncing", "1") SYNC("c3", "synced", "0"));
    assert_int_equal(f.replicas, 1);
    assert_int_equal(f.proxies, 3);
    assert_int_equal(f.n_synced, 1);
    assert_string_equal(f.synced[0], "c2");
}

static void test_every_replica_must_be_in_sync(void **state)
{
    (void)state;
    struct istiod_facts f = {0};
    add(&f, "pilot_xds{} 1\n" SYNC("c2", "synced", "1") SYNC("c3", "synced", "1"));
    add(&f, "pilot_xds{} 2\n" SYNC("c3", "synced", "1"));
    assert_int_equal(f.replicas, 2);
    assert_int_equal(f.proxies, 3);
    assert_int_equal(f.n_synced, 1);
    assert_string_equal(f.synced[0], "c3");
}

static void test_a_swapped_registry_is_in_sync(void **state)
{
    (void)state;
    struct istiod_facts f = {0};
    add(&f, SYNC("c2", "closed", "1") SYNC("c2", "synced", "0") SYNC("c3", "closed", "1")
                SYNC("c4", "closed", "0") "remote_cluster_sync_timeouts_total{cluster=\"c3\"} 1\n");
    assert_int_equal(f.n_synced, 1);
    assert_string_equal(f.synced[0], "c2");
}

static void test_nonsense_is_ignored(void **state)
{
    (void)state;
    struct istiod_facts f = {0};
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    add(&f, "istiod_remote_cluster_sync_status{cluster=\"c\\\"2\",status=\"synced\"} 1\n"
            "istiod_remote_cluster_sync_status{status=\"synced\"} 1\n"
            "istiod_remote_cluster_sync_status\npilot_xds\npilot_xds{a=\"}\"} -5\npilot_xds "
            "1e300\n\n{}\n");
    assert_int_equal(f.n_synced, 0);
    assert_int_equal(f.proxies, 0);
    add(&f, "");
    assert_int_equal(f.replicas, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_replica),
        cmocka_unit_test(test_every_replica_must_be_in_sync),
        cmocka_unit_test(test_a_swapped_registry_is_in_sync),
        cmocka_unit_test(test_nonsense_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
