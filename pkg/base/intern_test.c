/* SPDX-License-Identifier: Apache-2.0 */
#include "base/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void test_same_string_same_number(void **state)
{
    (void)state;
    uint16_t a = intern("default", 7), b = intern("defaults", 8);
    assert_int_not_equal(a, 0);
    assert_int_not_equal(a, b);
    assert_int_equal(intern("default....", 7), a);
    assert_string_equal(intern_text(a), "default");
    assert_string_equal(intern_text(b), "defaults");
    assert_string_equal(intern_text(intern("", 0)), "");
}

static void test_not_taken(void **state)
{
    (void)state;
    char longest[INTERN_TEXT_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(intern(longest, INTERN_TEXT_MAX), 0);
    assert_int_not_equal(intern(longest, INTERN_TEXT_MAX - 1), 0);
    assert_int_equal(intern("a\0b", 3), 0);
}

/* Others choose the strings: there is an end, and what was taken before stays. */
static void test_bounded(void **state)
{
    (void)state;
    unsigned taken = 0;
    char text[240];
    uint16_t first = intern("first", 5);
    for (unsigned i = 0; i < 2 * INTERN_MAX; i++) {
        int n = snprintf(text, sizeof text, "%u", i);
        taken += intern(text, (size_t)n) != 0;
    }
    assert_in_range(taken, INTERN_MAX / 2, INTERN_MAX);
    assert_int_equal(intern("one more", 8), 0);
    assert_int_equal(intern("first", 5), first);
    assert_string_equal(intern_text(intern("59", 2)), "59");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_string_same_number),
        cmocka_unit_test(test_not_taken),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
