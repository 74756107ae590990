/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

/* A byte of a value takes at most six in JSON, so one pair of the longest always fits in its buffer. */
enum { VALUE_MAX_BYTES = 2048, LINE_MAX_BYTES = 32768 };

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

static size_t rune_claim(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* How many bytes the character at s takes; 0 when it is not UTF-8 (RFC 3629). */
static size_t rune_bytes(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t n = rune_claim(*p);
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    switch (*p) { /* overlong forms, surrogates, and what is above U+10FFFF */
    case 0xe0:
        return p[1] < 0xa0 ? 0 : n;
    case 0xed:
        return p[1] > 0x9f ? 0 : n;
    case 0xf0:
        return p[1] < 0x90 ? 0 : n;
    case 0xf4:
        return p[1] > 0x8f ? 0 : n;
    default:
        return n;
    }
}

/* Long values are cut, and what is not UTF-8 is replaced: the line stays JSON whatever it reports. */
static void put_quoted(struct buf *b, const char *s)
{
    const char *end = s + strnlen(s, VALUE_MAX_BYTES);
    buf_puts(b, "\"");
    for (size_t n; s < end; s += n ? n : 1) {
        n = rune_bytes(s);
        if (*s == '"' || *s == '\\')
            buf_printf(b, "\\%c", *s);
        else if (n == 1 && (*s < 0x20 || *s == 0x7f))
            buf_printf(b, "\\u%04x", (unsigned)*s);
        else if (n)
            buf_append(b, s, n);
        else
            buf_puts(b, "\\ufffd");
    }
    buf_puts(b, *end ? "...\"" : "\"");
}

/* Appends ,"key":"value"; a pair that has no room is left out, so that the line always ends as it should. */
static void put_pair(struct buf *b, const char *key, const char *value)
{
    auto_buf pair = BUF_INIT(LINE_MAX_BYTES);
    buf_puts(&pair, ",");
    put_quoted(&pair, key);
    buf_puts(&pair, ":");
    if (value)
        put_quoted(&pair, value);
    else
        buf_puts(&pair, "null");
    if (b->len + pair.len + strlen("}\n") <= b->max)
        buf_append(b, pair.data, pair.len);
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
    put_pair(&b, "level", level_names[level]);
    put_pair(&b, "msg", msg);
    va_list ap;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *));)
        put_pair(&b, key, va_arg(ap, const char *));
    va_end(ap);
    buf_puts(&b, "}\n");
    ssize_t n = write(STDERR_FILENO, b.data,
                      b.len); /* a full pipe drops the line rather than blocks the loop */
    (void)n;
}
