/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/text.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

struct entry {
    struct sim_text text;
    UT_hash_handle hh;
    char data[];
};

static struct entry *entries; /* by content */
static size_t bytes;

struct sim_text *sim_text_intern(const char *data, size_t len)
{
    struct entry *e;
    HASH_FIND(hh, entries, data, len, e);
    if (e) {
        e->text.refs++;
        return &e->text;
    }
    e = xmalloc(sizeof *e + len + 1);
    memcpy(e->data, data, len);
    e->data[len] = '\0';
    e->text = (struct sim_text){1, (uint32_t)len, e->data};
    HASH_ADD_KEYPTR(hh, entries, e->data, len, e);
    bytes += len;
    return &e->text;
}

void sim_text_drop(struct sim_text *t)
{
    if (!t || --t->refs)
        return;
    struct entry *e = (struct entry *)t; /* its first member */
    bytes -= t->len;
    HASH_DEL(entries, e);
    free(e);
}

void sim_text_count(size_t *ret_texts, size_t *ret_bytes)
{
    *ret_texts = HASH_COUNT(entries);
    *ret_bytes = bytes;
}

/* Right after the string whose opening quote is at s. */
static const char *after_string(const char *s, const char *end)
{
    for (s++; s < end && *s != '"'; s++)
        s += *s == '\\';
    return s < end ? s + 1 : end;
}

/* Right after the value that begins at s. */
static const char *after_value(const char *s, const char *end)
{
    int depth = 0;
    while (s < end) {
        if (*s == '"') {
            s = after_string(s, end);
        } else if (*s == '{' || *s == '[') {
            depth++, s++;
        } else if (*s == '}' || *s == ']') {
            if (depth-- == 0)
                return s;
            s++;
        } else if (*s == ',' && depth == 0) {
            return s;
        } else {
            s++;
        }
    }
    return end;
}

const char *sim_text_member(const char *text, size_t len, const char *key, size_t *ret_len)
{
    const char *s = text, *end = text + len;
    size_t n = strlen(key);
    if (s < end && *s == '{')
        s++;
    while (s < end && *s == '"') {
        const char *k = s + 1, *colon = after_string(s, end);
        const char *value = colon < end ? colon + 1 : end, *next = after_value(value, end);
        if ((size_t)(colon - k) == n + 1 && memcmp(k, key, n) == 0) {
            *ret_len = (size_t)(next - value);
            return value;
        }
        s = next < end ? next + 1 : end;
    }
    return NULL;
}
