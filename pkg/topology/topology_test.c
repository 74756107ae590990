/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "topology/topology.h"

#define N(x) (sizeof(x) / sizeof *(x))

static void test_claims(void **state)
{
    (void)state;
    const struct topo_claim claims[] = {
        {"young", "u1", "2026-01-02T00:00:00Z", "c1"},
        {"old", "u2", "2026-01-01T00:00:00Z", "c1"},
        {"b", "u3", "2026-01-01T00:00:00Z", "c2"},
        {"a", "u4", "2026-01-01T00:00:00Z", "c2"},
    };
    assert_string_equal(topo_claim_winner(claims, N(claims), "c1")->mesh, "old");
    assert_string_equal(topo_claim_winner(claims, N(claims), "c2")->mesh, "a");
    assert_null(topo_claim_winner(claims, N(claims), "c3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
