/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_blocks_keep_what_they_hold(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 511, 512, 513, 640, 641, 4096, 4097, 100000};
    enum { N = sizeof sizes / sizeof *sizes };
    struct slab s = {0};
    uint32_t ref[N];
    for (size_t i = 0; i < N; i++) {
        ref[i] = slab_alloc(&s, sizes[i]);
        assert_int_not_equal(ref[i], 0);
        memset(slab_at(&s, ref[i]), (int)i, sizes[i]);
    }
    for (size_t i = 0; i < N; i++) {
        const unsigned char *p = slab_at(&s, ref[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(p[k], i);
    }
    slab_free(&s, ref[N - 1], sizes[N - 1]);
    assert_int_equal(slab_alloc(&s, 5000), ref[N - 1]); /* its entry is used again */
    slab_done(&s);
}

static void test_same(void **state)
{
    (void)state;
    assert_true(slab_same(1, 8));
    assert_false(slab_same(8, 9));
    assert_true(slab_same(513, 640));
    assert_false(slab_same(640, 641));
    assert_false(slab_same(5000, 5000));
}

static void test_little_is_lost(void **state)
{
    (void)state;
    enum { N = 10000, SIZE = 100 };
    struct slab s = {0};
    for (int i = 0; i < N; i++)
        slab_alloc(&s, SIZE);
    assert_in_range(s.bytes, N * SIZE, N * SIZE * 106 / 100);
    slab_done(&s);
}

static void test_pages_go_back(void **state)
{
    (void)state;
    enum { N = 20000 };
    static uint32_t ref[N];
    struct slab s = {0};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++)
            ref[i] = slab_alloc(&s, 40 + i % 100);
        size_t regions = s.n_regions;
        for (size_t i = 0; i < N; i++)
            slab_free(&s, ref[i], 40 + i % 100);
        assert_int_equal(s.bytes, 0);
        assert_int_equal(s.n_regions, regions);
    }
    assert_in_range(s.n_regions, 1, 3);
    slab_done(&s);
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

struct block {
    uint32_t ref;
    size_t size;
    unsigned char fill;
};

static void check(const struct slab *s, const struct block *b)
{
    const unsigned char *p = slab_at(s, b->ref);
    for (size_t i = 0; i < b->size; i++)
        assert_int_equal(p[i], b->fill);
}

/* Whatever comes and goes in which order: no block changes another. */
static void test_random(void **state)
{
    (void)state;
    enum { N = 2000 };
    static struct block blocks[N];
    struct slab s = {0};
    uint64_t x = 88172645463325252ULL;
    for (int step = 0; step < 60000; step++) {
        struct block *b = &blocks[next_random(&x) % N];
        if (b->ref) {
            check(&s, b);
            slab_free(&s, b->ref, b->size);
            b->ref = 0;
        } else {
            b->size = next_random(&x) % (next_random(&x) % 20 ? 300 : 6000);
            b->fill = (unsigned char)step;
            b->ref = slab_alloc(&s, b->size);
            memset(slab_at(&s, b->ref), b->fill, b->size);
        }
    }
    for (size_t i = 0; i < N; i++) {
        if (!blocks[i].ref)
            continue;
        check(&s, &blocks[i]);
        slab_free(&s, blocks[i].ref, blocks[i].size);
    }
    assert_int_equal(s.bytes, 0);
    slab_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_keep_what_they_hold),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_little_is_lost),
        cmocka_unit_test(test_pages_go_back),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
