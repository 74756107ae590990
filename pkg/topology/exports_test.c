/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/exports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include "json/jx.h"

#define PORTS "[{\"name\":\"http\",\"port\":80}]"

static struct topo_offer offer(struct arena *a, const char *cluster, const char *network,
                               const char *const *addresses, const char *account)
{
    struct topo_offer o = {
        .ns = "pay", .name = "ledger", .ports = PORTS, .cluster = cluster, .network = network};
    for (; addresses && *addresses; addresses++)
        topo_offer_add_backend(a, &o, *addresses, NULL);
    if (account)
        topo_offer_add_account(a, &o, account);
    return o;
}

static struct topo_imported only(struct arena *a, struct topo_offer *o, size_t n,
                                 const char *suffix)
{
    struct topo_imported *all;
    size_t too_long;
    topo_offers_sort(o, n);
    assert_int_equal(topo_imports(a, o, n, suffix, &all, &too_long), 1);
    assert_int_equal(too_long, 0);
    return all[0];
}

static void test_clusters_of_one_service_are_one_import(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_offer o[] = {offer(&a, "c2", "n", NULL, "b"), offer(&a, "c1", "n", NULL, "a"),
                             offer(&a, "c1", "n", NULL, NULL)};
    o[2].name = "audit";
    o[2].ports = "[{\"port\":7}]";
    struct topo_imported *all;
    size_t too_long;
    topo_offers_sort(o, 3);
    assert_int_equal(topo_imports(&a, o, 3, NULL, &all, &too_long), 2);
    assert_string_equal(all[0].name, "audit");
    assert_string_equal(jx_str(json_array_get(all[0].ports, 0), "name"), "port-7");
    assert_string_equal(all[1].name, "ledger");
    assert_int_equal(all[1].n_offers, 2);
    assert_string_equal(all[1].offers[0].cluster, "c1");
    const char **ids;
    assert_int_equal(topo_identities(&a, "bank.mesh", all[1].offers, all[1].n_offers, &ids), 2);
    assert_string_equal(ids[0], "spiffe://bank.mesh/ns/pay/sa/a");
}

static void test_nobody_answers_for_a_service_without_pods(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_offer o = offer(&a, "c1", "n", NULL, NULL);
    const char **ids;
    assert_int_equal(topo_identities(&a, "bank.mesh", &o, 1, &ids), 1);
    assert_string_equal(ids[0], "spiffe://bank.mesh/ns/pay/sa/-");
}

static void test_foreign_names(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct topo_offer o = offer(&a, "c1", "n", NULL, NULL);
    struct topo_imported i = only(&a, &o, 1, "bank"), *all;
    assert_string_equal(i.name, "ledger-bank");
    assert_string_equal(i.remote_name, "ledger");
    const char **snis;
    assert_int_equal(topo_snis(&a, &i, &snis), 1);
    assert_string_equal(snis[0], "outbound_.80_._.ledger.pay.svc.cluster.local");
    size_t too_long;
    assert_int_equal(topo_imports(&a, &o, 1,
                                  "a-mesh-with-a-name-that-makes-the-services-name-longer-than-63",
                                  &all, &too_long),
                     0);
    assert_int_equal(too_long, 1);
}

static void test_direct(void **state)
{
    (void)state;
    static const char *const one[] = {"n"}, *const twice[] = {"n", "n"},
                             *const two[] = {"n", "other"};
    assert_true(topo_direct("n", one, 1, false));
    assert_true(topo_direct("n", one, 1, true));
    assert_true(topo_direct("n", twice, 2, true));
    assert_true(topo_direct("n", two, 2, false)); /* the others use this mesh's own gateway there */
    assert_false(topo_direct("n", two, 2, true)); /* ... which does not know it by that name */
    assert_false(topo_direct("far", two, 2, false));
    assert_false(topo_direct("n", NULL, 0, false));
}

static void test_endpoints(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    static const char *const near[] = {"10.0.0.2", "10.0.0.1", "10.0.0.2", NULL},
                             *const far[] = {"10.0.0.9", NULL}, *const here[] = {"n"};
    struct topo_offer o[] = {offer(&a, "c1", "n", near, "x"), offer(&a, "c2", "far", far, "x"),
                             offer(&a, "c3", "far", near, "x"), offer(&a, "c4", "off", NULL, NULL)};
    struct topo_imported i = only(&a, o, 4, NULL);
    struct topo_endpoint *e;
    assert_int_equal(topo_endpoints(&a, &i, "bank", here, 1, &e), 3);
    assert_string_equal(e[0].address, "10.0.0.1");
    assert_string_equal(e[0].network, "n");
    assert_string_equal(e[1].address, "10.0.0.2");
    assert_null(e[2].address); /* both clusters on that network are behind the same gateways */
    assert_string_equal(e[2].network, "bank.far");
    assert_int_equal(e[2].weight, 3);
}

static void test_machines_are_on_networks_of_their_own(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    static const char *const pods[] = {"10.0.0.1", NULL}, *const here[] = {"n"},
                             *const there[] = {"far"};
    struct topo_offer o = offer(&a, "c1", "n", pods, "x");
    topo_offer_add_machine(&a, &o, "10.9.0.2", NULL, "vms");
    topo_offer_add_machine(&a, &o, "10.9.0.1", NULL, NULL);
    struct topo_imported i = only(&a, &o, 1, NULL);
    struct topo_endpoint *e;
    assert_int_equal(topo_endpoints(&a, &i, "bank", here, 1, &e), 3);
    assert_string_equal(e[1].network, "n");
    assert_string_equal(e[2].address, "10.9.0.2");
    assert_string_equal(e[2].network, "vms");
    assert_int_equal(topo_endpoints(&a, &i, "bank", there, 1, &e), 1);
    assert_int_equal(e[0].weight, 3); /* behind the gateway they are as good as pods */
}

static void test_selects(void **state)
{
    (void)state;
    auto_json *labels = json_pack("{s:s, s:s}", "app", "db", "tier", "");
    auto_json *one = json_pack("{s:s}", "app", "db"), *both = json_deep_copy(labels),
              *other = json_pack("{s:s, s:s}", "app", "db", "version", "2"),
              *differs = json_pack("{s:s}", "app", "web"), *none = json_object();
    assert_true(topo_offer_selects(one, labels));
    assert_true(topo_offer_selects(both, labels));
    assert_false(topo_offer_selects(other, labels));
    assert_false(topo_offer_selects(differs, labels));
    assert_false(topo_offer_selects(none, labels));
    assert_false(topo_offer_selects(NULL, labels));
    assert_false(topo_offer_selects(one, NULL));
}

static void test_long_networks_stay_apart(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    static const char one[] = "a-network-with-a-long-name-that-does-not-fit-into-a-label-value-1",
                      two[] = "a-network-with-a-long-name-that-does-not-fit-into-a-label-value-2";
    assert_string_equal(topo_foreign_network(&a, "bank", "lan"), "bank.lan");
    const char *x = topo_foreign_network(&a, "bank", one),
               *y = topo_foreign_network(&a, "bank", two);
    assert_true(strlen(x) <= 63 && strlen(y) <= 63);
    assert_string_not_equal(x, y);
    assert_string_equal(x, topo_foreign_network(&a, "bank", one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clusters_of_one_service_are_one_import),
        cmocka_unit_test(test_nobody_answers_for_a_service_without_pods),
        cmocka_unit_test(test_foreign_names),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_machines_are_on_networks_of_their_own),
        cmocka_unit_test(test_selects),
        cmocka_unit_test(test_long_networks_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
