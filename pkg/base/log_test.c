/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* What the call writes to stderr, one string. */
#define CAPTURE(call)                                                                              \
    __extension__({                                                                                \
        FILE *to = tmpfile();                                                                      \
        int kept = dup(STDERR_FILENO);                                                             \
        dup2(fileno(to), STDERR_FILENO);                                                           \
        call;                                                                                      \
        dup2(kept, STDERR_FILENO);                                                                 \
        close(kept);                                                                               \
        rewind(to);                                                                                \
        char *text = xcalloc(1, 100000);                                                           \
        (void)!fread(text, 1, 99999, to);                                                          \
        fclose(to);                                                                                \
        text;                                                                                      \
    })

static void assert_line(const char *line, const char *rest)
{
    assert_memory_equal(line, "{\"ts\":\"20", 9);
    assert_string_equal(line + strlen("{\"ts\":\"2026-01-02T03:04:05.678Z\","), rest);
}

static void test_pairs(void **state)
{
    (void)state;
    auto_free char *line = CAPTURE(log_info("started", "a", "1", "b", (char *)NULL));
    assert_line(line, "\"level\":\"info\",\"msg\":\"started\",\"a\":\"1\",\"b\":null}\n");
}

static void test_what_is_escaped(void **state)
{
    (void)state;
    auto_free char *line = CAPTURE(log_warn("x", "k", "a\"b\\c\nd\x1b\x7f"));
    assert_line(line,
                "\"level\":\"warn\",\"msg\":\"x\",\"k\":\"a\\\"b\\\\c\\u000ad\\u001b\\u007f\"}\n");
    auto_free char *odd = CAPTURE(
        log_warn("\xc3\xa9\xe2\x98\xba\xf0\x9f\x98\x80", "k", "\xff|\xc0\x80|\xed\xa0\x80|\xc3"));
    assert_line(odd, "\"level\":\"warn\",\"msg\":\"\xc3\xa9\xe2\x98\xba\xf0\x9f\x98\x80\",\"k\":"
                     "\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\"}\n");
}

static void test_long_lines_end_as_they_should(void **state)
{
    (void)state;
    char large[20000];
    memset(large, '\n', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    auto_free char *line =
        CAPTURE(log_info(large, "a", large, "b", large, "c", large, "d", "small"));
    size_t n = strlen(line);
    assert_true(n > 2000 && n <= 32768);
    assert_string_equal(line + n - 2, "}\n");
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
    assert_non_null(strstr(line, "...\""));
    assert_non_null(strstr(line, ",\"d\":\"small\"}"));
}

static void test_level(void **state)
{
    (void)state;
    enum log_level level = LOG_WARN;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), -1);
    assert_int_equal(log_level_parse(NULL, &level), -1);
    auto_free char *none = CAPTURE(log_debug("quiet"));
    assert_string_equal(none, "");
    log_set_level(LOG_DEBUG);
    auto_free char *some = CAPTURE(log_debug("loud"));
    log_set_level(LOG_ERROR);
    auto_free char *warn = CAPTURE(log_warn("not this"));
    log_set_level(LOG_INFO);
    assert_line(some, "\"level\":\"debug\",\"msg\":\"loud\"}\n");
    assert_string_equal(warn, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_what_is_escaped),
        cmocka_unit_test(test_long_lines_end_as_they_should),
        cmocka_unit_test(test_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
