/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what others wrote. jansson recurses once per level, refuses a whole document for one integer above 2^63-1,
 * and quotes the text (maybe a secret) in its messages: each is dealt with here. */
#include "json/jx.h"

#include <string.h>

#include "base/buf.h"

enum { LOAD_FLAGS = JSON_ALLOW_NUL | JSON_DECODE_ANY };

/* The index after the string whose opening quote is right before i. */
static size_t skip_string(const char *data, size_t len, size_t i)
{
    while (i < len && data[i] != '"')
        i += data[i] == '\\' ? 2 : 1;
    return i < len ? i + 1 : len;
}

static bool too_deep(const char *data, size_t len)
{
    size_t depth = 0;
    for (size_t i = 0; i < len;) {
        char c = data[i++];
        if (c == '"')
            i = skip_string(data, len, i);
        else if ((c == '{' || c == '[') && ++depth > JX_DEPTH_MAX)
            return true;
        else if ((c == '}' || c == ']') && depth)
            depth--;
    }
    return false;
}

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Is this number an integer that 64 bits can't hold? */
static bool is_large(const char *s, size_t n)
{
    bool neg = *s == '-';
    const char *digits = s + neg, *limit = neg ? "9223372036854775808" : "9223372036854775807";
    size_t m = n - neg, fits = strlen(limit);
    for (size_t i = 0; i < m; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    return m > fits || (m == fits && memcmp(digits, limit, fits) > 0);
}

/* Copies the document with too large integers written as reals (123 -> 123e0), which is how the API server itself
 * reads them. */
static int soften_integers(const char *data, size_t len, struct buf *out)
{
    for (size_t i = 0, end; i < len; i = end) {
        end = i + 1;
        if (data[i] == '"')
            end = skip_string(data, len, end);
        else if (in_number(data[i]))
            while (end < len && in_number(data[end]))
                end++;
        bool large = in_number(data[i]) && is_large(data + i, end - i);
        if (buf_append(out, data + i, end - i) < 0 || (large && buf_puts(out, "e0") < 0))
            return -1;
    }
    return 0;
}

static json_t *load_softened(const char *data, size_t len, json_error_t *ret_error)
{
    auto_buf b = BUF_INIT(2 * (size_t)JX_BYTES_MAX);
    if (soften_integers(data, len, &b) < 0)
        return NULL;
    return json_loadb(b.data, b.len, LOAD_FLAGS, ret_error);
}

json_t *jx_load(const char *data, size_t len, struct err *err)
{
    if (len > JX_BYTES_MAX) {
        err_set(err, ERR_INVALID, 0, "JSON of %zu bytes; at most %d are read", len, JX_BYTES_MAX);
        return NULL;
    }
    if (too_deep(data, len)) {
        err_set(err, ERR_INVALID, 0, "JSON nested deeper than %d levels", JX_DEPTH_MAX);
        return NULL;
    }
    json_error_t e;
    json_t *v = json_loadb(data, len, LOAD_FLAGS, &e);
    if (!v && json_error_code(&e) == json_error_numeric_overflow)
        v = load_softened(data, len, &e);
    if (!v) {
        char *near = strstr(e.text, " near '");
        if (near)
            *near = '\0';
        err_set(err, ERR_INVALID, 0, "not JSON: %s (line %d, column %d)", e.text, e.line, e.column);
    }
    return v;
}
