/* SPDX-License-Identifier: Apache-2.0 */
/* Writes YAML as kubectl prints it: lists stand under their key at the same column. All returns are those of buf_*. */
#include "yaml/yaml.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "yaml/resolve.h"

enum { STEP = 2, SIMPLE_KEY_MAX = 1000 /* readers stop at 1024 */ };

static int put_value(struct buf *b, const json_t *v, int column);

static int put_spaces(struct buf *b, int n)
{
    return buf_printf(b, "%*s", n, "");
}

/* The code point at s (valid UTF-8, as jansson ensures), and how many bytes it takes. */
static uint32_t rune_at(const char *s, size_t *ret_bytes)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    uint32_t c = more ? *p & (0x3fU >> more) : *p;
    for (size_t i = 1; i <= more; i++)
        c = c << 6 | (p[i] & 0x3fU);
    *ret_bytes = more + 1;
    return c;
}

/* Can it stand as it is? Not controls, the breaks of Unicode, the byte order mark and the non-characters. */
static bool is_printable(uint32_t c)
{
    if (c < 0xa0)
        return c >= 0x20 && c < 0x7f;
    return c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static bool all_printable(const char *s, size_t n, bool multi_line)
{
    for (size_t i = 0, step; i < n; i += step) {
        uint32_t c = rune_at(s + i, &step);
        if (!is_printable(c) && !(multi_line && (c == '\n' || c == '\t')))
            return false;
    }
    return true;
}

/* Base 60 numbers and dates: types of YAML 1.1 that some readers know and ours does not. */
static bool looks_like_time(const char *s)
{
    if (strchr(s, ':') && strspn(s, "+-0123456789_:.") == strlen(s))
        return true;
    return strspn(s, "0123456789") == 4 && s[4] == '-' && s[5] >= '0' && s[5] <= '9';
}

/* Would a plain s be read as the string s? n >= 1 and no NUL in it. */
static bool is_plain(const char *s, size_t n)
{
    if (!n || !all_printable(s, n, false) || s[0] == ' ' || s[n - 1] == ' ' || s[n - 1] == ':')
        return false;
    if (strchr("?:,[]{}#&*!|>'\"%@`=", s[0]) || str_starts(s, "---") || str_starts(s, "..."))
        return false;
    if ((s[0] == '-' && (n == 1 || s[1] == ' ')) || strstr(s, ": ") || strstr(s, " #"))
        return false;
    if (looks_like_time(s) || str_eq(s, "<<"))
        return false;
    json_auto_t *meaning = yaml_resolve(s, n);
    return json_is_string(meaning);
}

static int put_escaped(struct buf *b, uint32_t c, const char *raw, size_t n)
{
    static const char *const short_names[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\t'] = "\\t", ['\r'] = "\\r"};
    if (c < 128 && short_names[c])
        return buf_puts(b, short_names[c]);
    if (is_printable(c))
        return buf_append(b, raw, n);
    return buf_printf(b, "\\u%04" PRIx32, c); /* all that isn't printable is below U+10000 */
}

static int put_quoted(struct buf *b, const char *s, size_t n)
{
    if (buf_puts(b, "\"") < 0)
        return -1;
    for (size_t i = 0, step; i < n; i += step) {
        uint32_t c = rune_at(s + i, &step);
        if (put_escaped(b, c, s + i, step) < 0)
            return -1;
    }
    return buf_puts(b, "\"");
}

static int put_flow_string(struct buf *b, const char *s, size_t n)
{
    return is_plain(s, n) ? buf_append(b, s, n) : put_quoted(b, s, n);
}

/* A literal block keeps every byte of these: several lines of text, the last one not blank. */
static bool is_block(const char *s, size_t n)
{
    if (!memchr(s, '\n', n) || !all_printable(s, n, true))
        return false;
    size_t end = n;
    while (end && s[end - 1] == '\n')
        end--;
    return end && s[end - 1] != ' ' && s[end - 1] != '\t';
}

static int put_block(struct buf *b, const char *s, size_t n, int column)
{
    bool ends = s[n - 1] == '\n', keeps = ends && s[n - 2] == '\n';
    bool hidden_indent = strchr(" \t\n", s[0]);
    if (buf_printf(b, "|%s%s\n", hidden_indent ? "2" : "", keeps ? "+" : ends ? "" : "-") < 0)
        return -1;
    for (size_t i = 0, len; i < n; i += len + 1) {
        const char *line = s + i, *eol = memchr(line, '\n', n - i);
        len = eol ? (size_t)(eol - line) : n - i;
        if ((len && put_spaces(b, column + STEP) < 0) || buf_append(b, line, len) < 0 ||
            buf_puts(b, "\n") < 0)
            return -1;
    }
    return 0;
}

/* The shortest text that reads back as the same double, always with a point. */
static int put_real(struct buf *b, double v)
{
    char s[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    if (strchr(s, '.'))
        return buf_puts(b, s);
    size_t mantissa = strcspn(s, "e");
    return buf_printf(b, "%.*s.0%s", (int)mantissa, s, s + mantissa);
}

static int put_scalar(struct buf *b, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_STRING:
        return put_flow_string(b, json_string_value(v), json_string_length(v));
    case JSON_INTEGER:
        return buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_REAL:
        return put_real(b, json_real_value(v));
    case JSON_TRUE:
        return buf_puts(b, "true");
    case JSON_FALSE:
        return buf_puts(b, "false");
    case JSON_OBJECT:
        return buf_puts(b, "{}");
    case JSON_ARRAY:
        return buf_puts(b, "[]");
    case JSON_NULL:
    default:
        return buf_puts(b, "null");
    }
}

static bool is_nested(const json_t *v)
{
    return json_object_size(v) || json_array_size(v);
}

/* A value on the line that is already begun, and the end of that line. */
static int put_inline(struct buf *b, const json_t *v, int column)
{
    const char *s = json_string_value(v);
    if (s && is_block(s, json_string_length(v)))
        return put_block(b, s, json_string_length(v), column);
    return put_scalar(b, v) < 0 || buf_puts(b, "\n") < 0 ? -1 : 0;
}

static int put_key(struct buf *b, const char *key, int column)
{
    auto_buf text = BUF_INIT(b->max);
    if (put_flow_string(&text, key, strlen(key)) < 0)
        return -1;
    if (text.len <= SIMPLE_KEY_MAX)
        return buf_append(b, text.data, text.len) < 0 || buf_puts(b, ":") < 0 ? -1 : 0;
    return buf_printf(b, "? %s\n%*s:", text.data, column, "");
}

static int put_entry(struct buf *b, const char *key, const json_t *v, int column)
{
    if (put_key(b, key, column) < 0)
        return -1;
    if (!is_nested(v))
        return buf_puts(b, " ") < 0 ? -1 : put_inline(b, v, column);
    int inner = json_is_array(v) ? column : column + STEP;
    return buf_puts(b, "\n") < 0 || put_spaces(b, inner) < 0 ? -1 : put_value(b, v, inner);
}

static int put_object(struct buf *b, const json_t *v, int column)
{
    size_t n = json_object_size(v), i = 0;
    auto_free const char **keys = xcalloc(n, sizeof *keys);
    json_t *obj = (json_t *)(uintptr_t)v;
    for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it))
        keys[i++] = json_object_iter_key(it);
    qsort(keys, n, sizeof *keys, str_cmp_ptr);
    for (i = 0; i < n; i++)
        if ((i && put_spaces(b, column) < 0) ||
            put_entry(b, keys[i], json_object_get(v, keys[i]), column) < 0)
            return -1;
    return 0;
}

static int put_array(struct buf *b, const json_t *v, int column)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if ((i && put_spaces(b, column) < 0) || buf_puts(b, "- ") < 0)
            return -1;
        int failed =
            is_nested(item) ? put_value(b, item, column + STEP) : put_inline(b, item, column);
        if (failed < 0)
            return -1;
    }
    return 0;
}

/* v, begun at this column of a line that is already indented. */
static int put_value(struct buf *b, const json_t *v, int column)
{
    if (json_object_size(v))
        return put_object(b, v, column);
    return json_array_size(v) ? put_array(b, v, column) : put_inline(b, v, column);
}

int yaml_dump(const json_t *v, struct buf *b)
{
    return v ? put_value(b, v, 0) : buf_puts(b, "null\n");
}
