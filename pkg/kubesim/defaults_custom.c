/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "json/jx.h"
#include "kubesim/defaults.h"

static void set_defaults(const json_t *schema, json_t *v)
{
    const char *key;
    json_t *sub, *member;
    size_t i;
    if (json_is_object(v)) {
        json_object_foreach (json_object_get(schema, "properties"), key, sub) {
            json_t *value = json_object_get(sub, "default");
            member = json_object_get(v, key);
            bool absent = !member || (json_is_null(member) && !jx_bool(sub, "nullable", false));
            if (absent && value)
                json_object_set_new(v, key, json_deep_copy(value));
            set_defaults(sub, json_object_get(v, key));
        }
        const json_t *more = json_object_get(schema, "additionalProperties");
        if (json_is_object(more))
            json_object_foreach (v, key, member)
                set_defaults(more, member);
    }
    json_array_foreach (v, i, member)
        set_defaults(json_object_get(schema, "items"), member);
}

static void prune(const json_t *schema, json_t *v)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    const json_t *known = json_object_get(schema, "properties");
    const json_t *more = json_object_get(schema, "additionalProperties");
    bool keeps = jx_bool(schema, "x-kubernetes-preserve-unknown-fields", false) ||
                 json_is_true(more) || jx_bool(schema, "x-kubernetes-int-or-string", false);
    json_object_foreach_safe (v, next, key, member) {
        const json_t *sub = json_object_get(known, key);
        if (!sub && json_is_object(more))
            sub = more;
        if (sub)
            prune(sub, member);
        else if (!keeps)
            json_object_del(v, key);
    }
    json_array_foreach (v, i, member)
        if (json_is_object(json_object_get(schema, "items")))
            prune(json_object_get(schema, "items"), member);
}

void sim_default_custom(const json_t *schema, json_t *tree)
{
    const char *key;
    json_t *member;
    void *next;
    if (!schema)
        return;
    const json_t *known = json_object_get(schema, "properties");
    bool keeps = jx_bool(schema, "x-kubernetes-preserve-unknown-fields", false);
    json_object_foreach_safe (tree, next, key, member) {
        bool head = str_eq(key, "metadata") || str_eq(key, "kind") || str_eq(key, "apiVersion");
        const json_t *sub = json_object_get(known, key);
        if (head)
            continue;
        if (sub)
            prune(sub, member);
        else if (!keeps)
            json_object_del(tree, key);
    }
    json_object_foreach ((json_t *)(uintptr_t)known, key, member) {
        json_t *value = json_object_get(member, "default");
        if (str_eq(key, "metadata") || str_eq(key, "kind") || str_eq(key, "apiVersion"))
            continue;
        if (value && !json_object_get(tree, key))
            json_object_set_new(tree, key, json_deep_copy(value));
        set_defaults(member, json_object_get(tree, key));
    }
}
