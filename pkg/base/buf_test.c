/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_grows_to_its_ceiling(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append(&b, "x", 1), 0);
    assert_int_equal(b.len, 1000);
    assert_int_equal(strlen(b.data), 1000);
    assert_int_equal(buf_append(&b, "x", 1), -1);
    assert_int_equal(buf_append(&b, "x", (size_t)-1), -1);
    assert_int_equal(buf_append(&b, "", 0), 0);
    assert_int_equal(b.len, 1000);
}

static void test_refused_append_changes_nothing(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(5);
    assert_int_equal(buf_puts(&b, "abc"), 0);
    assert_int_equal(buf_puts(&b, "def"), -1);
    assert_int_equal(buf_printf(&b, "%d", 123), -1);
    assert_string_equal(b.data, "abc");
    assert_int_equal(buf_printf(&b, "%d", 12), 0);
    assert_string_equal(b.data, "abc12");
    auto_buf none = BUF_INIT(0);
    assert_int_equal(buf_puts(&none, ""), 0);
    assert_int_equal(buf_puts(&none, "x"), -1);
}

static void test_shift_and_reset(void **state)
{
    (void)state;
    auto_buf b = BUF_INIT(100);
    buf_shift(&b, 0);
    buf_puts(&b, "hello world");
    buf_shift(&b, 6);
    assert_string_equal(b.data, "world");
    buf_shift(&b, 5);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    buf_puts(&b, "x");
    buf_reset(&b);
    assert_string_equal(b.data, "");
    buf_append(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
}

static void test_take(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    auto_free char *empty = buf_take(&b);
    assert_string_equal(empty, "");
    buf_puts(&b, "x");
    auto_free char *x = buf_take(&b);
    assert_string_equal(x, "x");
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    assert_int_equal(buf_puts(&b, "y"), 0);
    buf_done_secret(&b);
    buf_done_secret(&b);
    assert_int_equal(b.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_ceiling),
        cmocka_unit_test(test_refused_append_changes_nothing),
        cmocka_unit_test(test_shift_and_reset),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
