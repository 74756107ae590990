/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

enum { LINE_MAX_BYTES = 16384 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

int log_level_parse(const char *s, enum log_level *ret)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (str_eq(s, level_names[i])) {
            *ret = (enum log_level)i;
            return 0;
        }
    return -1;
}

static void put_quoted(struct buf *b, const char *s)
{
    buf_puts(b, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else
            buf_append(b, s, 1);
    }
    buf_puts(b, "\"");
}

static void put_time(struct buf *b)
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    char day[32];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(b, "{\"ts\":\"%s.%03ldZ\"", day, t.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *msg, ...)
{
    if (level < threshold)
        return;
    auto_buf b = BUF_INIT(LINE_MAX_BYTES);
    put_time(&b);
    buf_printf(&b, ",\"level\":\"%s\",\"msg\":", level_names[level]);
    put_quoted(&b, msg);
    va_list ap;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        buf_puts(&b, ",");
        put_quoted(&b, key);
        buf_puts(&b, ":");
        if (value)
            put_quoted(&b, value);
        else
            buf_puts(&b, "null");
    }
    va_end(ap);
    buf_puts(&b, "}\n");
    ssize_t n = write(STDERR_FILENO, b.data,
                      b.len); /* a full pipe drops the line rather than blocks the loop */
    (void)n;
}
