/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables as a list of {name, value}, in which a name stands once: it is the key of the list. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

/* The place of a variable in a list of them, or its length. */
static size_t find_env(const json_t *env, const char *name)
{
    size_t i = 0;
    while (i < json_array_size(env) && !str_eq(jx_str(json_array_get(env, i), "name"), name))
        i++;
    return i;
}

static void set_env(json_t *env, const char *name, const json_t *value)
{
    size_t i = find_env(env, name);
    bool there = i < json_array_size(env);
    if (json_is_null(value)) {
        if (there)
            json_array_remove(env, i);
        return;
    }
    json_t *entry = json_pack("{s:s, s:s}", "name", name, "value", json_string_value(value));
    if (there)
        json_array_set_new(env, i, entry);
    else
        json_array_append_new(env, entry);
}

/* Names of an object in order, so that the order of input does not matter; free the array, not the names. */
static const char **sorted_names(const json_t *obj)
{
    const char **names = xcalloc(json_object_size(obj) + 1, sizeof *names);
    size_t n = 0;
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)obj, name, v)
        names[n++] = name;
    qsort(names, n, sizeof *names, str_cmp_ptr);
    return names;
}

int render_merge_env(struct render *r, json_t *env, const json_t *values, const char *what)
{
    auto_free const char **names = sorted_names(values);
    for (const char **n = names; *n; n++) {
        const json_t *v = json_object_get(values, *n);
        if (!json_is_string(v) && !json_is_null(v))
            return err_set(r->err, ERR_INVALID, 0, "%s %s is not a string", what, *n);
        set_env(env, *n, v);
    }
    return 0;
}

void render_trim_env(json_t *env)
{
    for (size_t i = json_array_size(env); i-- > 0;) {
        const json_t *v = json_array_get(env, i);
        if (!json_object_get(v, "value") && !json_object_get(v, "valueFrom"))
            json_array_remove(env, i);
    }
}
