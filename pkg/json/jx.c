/* SPDX-License-Identifier: Apache-2.0 */
#include "json/jx.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* jansson's accessors take json_t * even where they only read. */
static json_t *unconst(const json_t *v)
{
    return (json_t *)(uintptr_t)v;
}

char *jx_dump(const json_t *v)
{
    char *s = v ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : xstrdup("null");
    if (!s)
        abort(); /* out of memory, or a value that contains itself */
    return s;
}

json_t *jx_get(const json_t *v, const char *path)
{
    while (v && *path) {
        size_t n = strcspn(path, ".");
        v = json_object_getn(v, path, n);
        path += n + (path[n] == '.');
    }
    return unconst(v);
}

json_t *jx_get2(const json_t *v, const char *path, const char *last_key)
{
    return json_object_get(jx_get(v, path), last_key);
}

const char *jx_str(const json_t *v, const char *path)
{
    return json_string_value(jx_get(v, path));
}

const char *jx_str2(const json_t *v, const char *path, const char *last_key)
{
    return json_string_value(jx_get2(v, path, last_key));
}

int64_t jx_int(const json_t *v, const char *path, int64_t fallback)
{
    const json_t *at = jx_get(v, path);
    return json_is_integer(at) ? json_integer_value(at) : fallback;
}

bool jx_bool(const json_t *v, const char *path, bool fallback)
{
    const json_t *at = jx_get(v, path);
    return json_is_boolean(at) ? json_is_true(at) : fallback;
}

/* The object under this key; anything else there gives way to a new object. */
static json_t *object_at(json_t *obj, const char *key, size_t n)
{
    json_t *at = json_object_getn(obj, key, n);
    if (json_is_object(at))
        return at;
    json_object_setn_new(obj, key, n, json_object());
    return json_object_getn(obj, key, n);
}

void jx_set_new(json_t *obj, const char *path, json_t *v)
{
    if (!v)
        return;
    for (;;) {
        size_t n = strcspn(path, ".");
        if (!path[n])
            break;
        obj = object_at(obj, path, n);
        path += n + 1;
    }
    json_object_set_new(obj, path, v);
}

void jx_set_str(json_t *obj, const char *path, const char *s)
{
    if (s)
        jx_set_new(obj, path, json_string(s));
}

void jx_merge(json_t *base, const json_t *overlay)
{
    const char *key;
    json_t *v;
    json_object_foreach (unconst(overlay), key, v) {
        if (json_is_null(v))
            json_object_del(base, key);
        else if (json_is_object(v))
            jx_merge(object_at(base, key, strlen(key)), v);
        else
            json_object_set_new(base, key, json_deep_copy(v)); /* shared parts could be edited */
    }
}
