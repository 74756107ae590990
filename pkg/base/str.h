/* SPDX-License-Identifier: Apache-2.0 */
/* Small string helpers that libc lacks. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL equals only NULL. */
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
static inline const char *str_or(const char *s, const char *fallback)
{
    return s ? s : fallback;
}

/* A whole string as a decimal number in [min, max]; 0 on success. No spaces, no sign but '-', no trailing text. */
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

/* strcmp that sorts NULL first; and for arrays of strings with qsort. */
int str_cmp(const char *a, const char *b);
int str_cmp_ptr(const void *a, const void *b);

/* Lower-case hex of n bytes into out, which holds 2 n characters and NUL. */
void str_hex(const void *data, size_t n, char *out);

/* FNV-1a, 64 bits: for jitter and tables, not for anything an attacker must not forge. */
uint64_t str_hash(const char *s);
uint64_t str_hash_more(uint64_t h, const char *s);

#endif
