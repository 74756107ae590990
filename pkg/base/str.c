/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = s ? strlen(s) : 0, m = strlen(suffix);
    return s && n >= m && memcmp(s + n - m, suffix, m) == 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool neg = s && *s == '-';
    const char *p = neg ? s + 1 : s;
    if (!p || !*p)
        return -1;
    int64_t v = 0;
    for (; *p; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, (int64_t)10, &v) ||
            __builtin_sub_overflow(v, (int64_t)(*p - '0'),
                                   &v)) /* counts downwards: INT64_MIN fits too */
            return -1;
    }
    if (!neg && v == INT64_MIN)
        return -1;
    v = neg ? v : -v;
    if (v < min || v > max)
        return -1;
    *ret = v;
    return 0;
}

int str_cmp(const char *a, const char *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

int str_cmp_ptr(const void *a, const void *b)
{
    return str_cmp(*(const char *const *)a, *(const char *const *)b);
}

void str_hex(const void *data, size_t n, char *out)
{
    const unsigned char *p = data;
    for (; n; n--, p++) {
        *out++ = "0123456789abcdef"[*p >> 4];
        *out++ = "0123456789abcdef"[*p & 15];
    }
    *out = '\0';
}

uint64_t str_hash_more(uint64_t h, const char *s)
{
    for (; s && *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211ULL;
    return h;
}

uint64_t str_hash(const char *s)
{
    return str_hash_more(14695981039346656037ULL, s);
}
