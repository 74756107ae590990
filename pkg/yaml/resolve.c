/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/resolve.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum word { WORD_NONE, WORD_NULL, WORD_TRUE, WORD_FALSE, WORD_NUMBERLESS };

static enum word word_of(const char *s)
{
    static const struct {
        const char *text;
        enum word word;
    } words[] = {
        {"", WORD_NULL},     {"~", WORD_NULL},      {"null", WORD_NULL},   {"Null", WORD_NULL},
        {"NULL", WORD_NULL}, {"y", WORD_TRUE},      {"Y", WORD_TRUE},      {"yes", WORD_TRUE},
        {"Yes", WORD_TRUE},  {"YES", WORD_TRUE},    {"true", WORD_TRUE},   {"True", WORD_TRUE},
        {"TRUE", WORD_TRUE}, {"on", WORD_TRUE},     {"On", WORD_TRUE},     {"ON", WORD_TRUE},
        {"n", WORD_FALSE},   {"N", WORD_FALSE},     {"no", WORD_FALSE},    {"No", WORD_FALSE},
        {"NO", WORD_FALSE},  {"false", WORD_FALSE}, {"False", WORD_FALSE}, {"FALSE", WORD_FALSE},
        {"off", WORD_FALSE}, {"Off", WORD_FALSE},   {"OFF", WORD_FALSE},
    };
    static const char *const numberless[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eq(s, words[i].text))
            return words[i].word;
    const char *unsigned_ = *s == '+' || *s == '-' ? s + 1 : s;
    for (size_t i = 0; i < sizeof numberless / sizeof *numberless; i++)
        if (str_eq(unsigned_, numberless[i]))
            return WORD_NUMBERLESS;
    return WORD_NONE;
}

/* The base that a prefix names; *s moves past it. "0" alone is decimal, "0755" octal. */
static unsigned take_base(const char **s)
{
    const char *p = *s;
    if (p[0] != '0' || !p[1])
        return 10;
    int mark = tolower((unsigned char)p[1]);
    unsigned base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    *s += mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1;
    return base;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    int lower = tolower((unsigned char)c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

static bool parse_u64(const char *s, uint64_t *ret)
{
    unsigned base = take_base(&s);
    uint64_t v = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        unsigned digit = (unsigned)digit_value(*s);
        if (digit >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit, &v))
            return false;
    }
    *ret = v;
    return true;
}

static json_t *parse_int(const char *s)
{
    bool neg = *s == '-';
    uint64_t v;
    if (!parse_u64(*s == '+' || neg ? s + 1 : s, &v))
        return NULL;
    if (v <= INT64_MAX)
        return json_integer(neg ? -(int64_t)v : (int64_t)v);
    if (!neg)
        return json_real((double)v);
    return v == (uint64_t)INT64_MAX + 1 ? json_integer(INT64_MIN) : NULL;
}

static const char *skip_digits(const char *s)
{
    return s + strspn(s, "0123456789");
}

static json_t *parse_real(const char *s)
{
    const char *p = *s == '+' || *s == '-' ? s + 1 : s, *start = p;
    p = skip_digits(p);
    bool digits = p > start;
    if (*p == '.') {
        start = ++p;
        p = skip_digits(p);
        digits |= p > start;
    }
    if (digits && (*p == 'e' || *p == 'E')) {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        start = p;
        p = skip_digits(p);
        digits = p > start;
    }
    if (!digits || *p)
        return NULL;
    double v = strtod(s, NULL);
    return isfinite(v) ? json_real(v) : NULL;
}

/* NULL when it is no number. Underscores between digits are allowed and mean nothing. */
static json_t *parse_number(const char *s)
{
    if (!*s || !strchr("+-.0123456789", *s))
        return NULL;
    auto_free char *plain = xstrdup(s);
    char *to = plain;
    for (const char *from = s; *from; from++)
        if (*from != '_')
            *to++ = *from;
    *to = '\0';
    json_t *v = parse_int(plain);
    return v ? v : parse_real(plain);
}

json_t *yaml_resolve(const char *s, size_t n)
{
    if (memchr(s, '\0', n))
        return json_stringn(s, n);
    auto_free char *text = xstrndup(s, n);
    enum word word = word_of(text);
    if (word == WORD_NULL)
        return json_null();
    if (word == WORD_TRUE || word == WORD_FALSE)
        return json_boolean(word == WORD_TRUE);
    if (word == WORD_NUMBERLESS)
        return NULL;
    json_t *number = parse_number(text);
    return number ? number : json_stringn(s, n);
}
