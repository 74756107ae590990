/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_reads_bytes_up_to_the_bound(void **state)
{
    (void)state;
    char path[] = "/tmp/meshwright-file-test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a\0b", 3), 3);
    close(fd);
    struct err err = {0};
    size_t len = 0;
    auto_free char *text = file_read(path, 3, &len, &err);
    assert_non_null(text);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_null(file_read(path, 2, &len, &err));
    assert_int_equal(err.class, ERR_INVALID);
    unlink(path);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/meshwright-file-test.XXXXXX";
    assert_non_null(mkdtemp(dir));
    auto_free char *fifo = xasprintf("%s/fifo", dir), *absent = xasprintf("%s/absent", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct err err = {0};
    assert_null(file_read(fifo, 10, NULL, &err));
    assert_null(file_read(dir, 10000, NULL, &err));
    assert_null(file_read(absent, 10, NULL, &err));
    assert_non_null(strstr(err.msg, "absent: No such file"));
    unlink(fifo);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_bytes_up_to_the_bound),
        cmocka_unit_test(test_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
