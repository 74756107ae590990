/* SPDX-License-Identifier: Apache-2.0 */
/* Two installs differ in what is drawn or counted anew each time: UIDs, keys, digests over them, times, addresses.
 * Their places stay, their values go. */
#include "normal.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { UUID_LEN = 36, SHA256_LEN = 64, TIME_LEN = 20 };

static bool is_uuid(const char *s, size_t n)
{
    return n == UUID_LEN && strspn(s, "0123456789abcdef-") == n && s[8] == '-' && s[23] == '-';
}

static bool is_digest(const char *s, size_t n)
{
    return n == SHA256_LEN && strspn(s, "0123456789abcdefABCDEF") == n;
}

/* 2026-01-02T03:04:05Z */
static bool is_time(const char *s, size_t n)
{
    return n >= TIME_LEN && s[4] == '-' && s[10] == 'T' && s[n - 1] == 'Z' &&
           isdigit((unsigned char)*s);
}

static bool is_address(const char *s)
{
    return str_starts(s, "10.96.") || str_starts(s, "https://127.0.0.1:");
}

/* Ports of nodes are given out in the order in which Services come. */
static bool is_drawn(const char *key, const json_t *v)
{
    return str_eq(key, "nodePort") && json_is_integer(v);
}

static const char *placeholder(const char *s)
{
    size_t n = strlen(s);
    if (is_uuid(s, n))
        return "<uid>";
    if (is_digest(s, n))
        return "<digest>";
    if (is_time(s, n))
        return "<time>";
    return is_address(s) ? "<address>" : NULL;
}

static void walk(json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;
    const char *in_place = json_is_string(v) ? placeholder(json_string_value(v)) : NULL;
    if (in_place)
        json_string_set(v, in_place);
    json_array_foreach (v, i, item)
        walk(item);
    json_object_foreach (v, key, item) {
        if (is_drawn(key, item))
            json_integer_set(item, 0);
        walk(item);
    }
}

static void hide_data(json_t *secret)
{
    const char *key;
    json_t *item;
    json_object_foreach (json_object_get(secret, "data"), key, item)
        json_string_set(item, "<secret>");
}

/* Their order is that of their times, whose values are gone. */
static void sort_managers(json_t *obj)
{
    json_t *list = jx_get(obj, "metadata.managedFields"), *v;
    auto_json *by_text = json_object();
    size_t i;
    json_array_foreach (list, i, v) {
        auto_free char *text = jx_dump(v);
        json_object_set(by_text, text, v);
    }
    if (json_object_size(by_text))
        jx_set_new(obj, "metadata.managedFields", json_incref(by_text));
}

/* They tell of the way, which the faults change, and not of its end. */
static bool is_of_the_way(const json_t *obj)
{
    const char *kind = jx_str(obj, "kind");
    return str_eq(kind, "Event") || str_eq(kind, "Lease");
}

void normalise(json_t *objects)
{
    for (size_t i = json_array_size(objects); i-- > 0;) {
        json_t *obj = json_array_get(objects, i);
        if (is_of_the_way(obj)) {
            json_array_remove(objects, i);
            continue;
        }
        if (str_eq(jx_str(obj, "kind"), "Secret"))
            hide_data(obj);
        walk(obj);
        sort_managers(obj);
    }
}
