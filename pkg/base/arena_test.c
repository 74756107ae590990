/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_zeroed_and_aligned(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    for (size_t size = 0; size < 9000; size += 1 + size / 7) {
        unsigned char *p = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size); /* the next one must not see it */
    }
}

static void test_pieces_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 500 };
    auto_arena a = ARENA_INIT;
    char *pieces[N];
    for (int i = 0; i < N; i++)
        pieces[i] = arena_printf(&a, "piece %d %*s", i, i * 3 % 200, "");
    for (int i = 0; i < N; i++) {
        auto_free char *want = xasprintf("piece %d %*s", i, i * 3 % 200, "");
        assert_string_equal(pieces[i], want);
    }
}

static void test_strings(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    auto_free char *large = xmalloc(100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    assert_string_equal(arena_strdup(&a, ""), "");
    assert_string_equal(arena_strdup(&a, large), large);
    assert_string_equal(arena_printf(&a, "%s", large), large);
    int *numbers = arena_array(&a, 10, sizeof *numbers);
    assert_int_equal(numbers[9], 0);
}

/* In a child, since it ends the process. Sizes near SIZE_MAX must not wrap around to a small block. */
static void test_impossible_sizes_end_the_process(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 31, SIZE_MAX - 64,
                                   SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct arena a = ARENA_INIT;
            close(STDERR_FILENO);
            arena_alloc(&a, sizes[i]);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_not_equal(status, 0);
    }
}

static int released[3], count;

static void release(void *p)
{
    released[count++] = *(int *)p;
}

static void test_holds_go_newest_first(void **state)
{
    (void)state;
    int values[] = {1, 2, 3};
    struct arena a = ARENA_INIT;
    count = 0;
    for (int i = 0; i < 3; i++)
        arena_hold(&a, &values[i], release);
    arena_done(&a);
    assert_int_equal(count, 3);
    assert_int_equal(released[0], 3);
    assert_int_equal(released[2], 1);
    arena_done(&a);
    assert_int_equal(count, 3);
    assert_string_equal(arena_strdup(&a, "again"), "again");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_and_aligned),
        cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_impossible_sizes_end_the_process),
        cmocka_unit_test(test_holds_go_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
