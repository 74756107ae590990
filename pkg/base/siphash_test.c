/* SPDX-License-Identifier: Apache-2.0 */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

/* The paper's example (appendix A) and the first of the reference's vectors: key 00..0f, data 00..n-1. */
static void test_vectors(void **state)
{
    (void)state;
    const struct siphash_key key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    unsigned char data[15];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    assert_true(siphash(&key, data, 15) == 0xa129ca6149be45e5ULL);
    assert_true(siphash(&key, data, 0) == 0x726fdb47dd0e0e31ULL);
}

static void test_process_key(void **state)
{
    (void)state;
    const struct siphash_key *key = siphash_process_key();
    assert_ptr_equal(key, siphash_process_key());
    assert_true(key->k0 || key->k1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_process_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
