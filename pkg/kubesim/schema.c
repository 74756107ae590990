/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kubesim/defaults.h"
#include "json/jx.h"

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

/* --- what is allowed --- */

void sim_schema_error_done(struct sim_schema_error *e)
{
    free(e->field);
    free(e->message);
}

static const char *type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool type_fits(const json_t *schema, const json_t *v)
{
    const char *want = jx_str(schema, "type"), *is = type_of(v);
    if (json_is_null(v) || !want)
        return true;
    if (jx_bool(schema, "x-kubernetes-int-or-string", false))
        return json_is_integer(v) || json_is_string(v);
    return str_eq(want, is) || (str_eq(want, "number") && json_is_integer(v));
}

static int refuse(struct sim_schema_error *ret, const char *field, const char *reason,
                  char *message)
{
    *ret = (struct sim_schema_error){xstrdup(field), message, reason};
    return -1;
}

static int check_enum(const json_t *schema, const json_t *v, const char *path,
                      struct sim_schema_error *ret)
{
    size_t i;
    const json_t *value, *list = json_object_get(schema, "enum");
    auto_buf all = BUF_INIT(65536);
    json_array_foreach (list, i, value) {
        auto_free char *text = jx_dump(value);
        if (json_equal(value, v))
            return 0;
        buf_printf(&all, "%s%s", i ? ", " : "", text);
    }
    if (!list)
        return 0;
    auto_free char *text = jx_dump(v);
    return refuse(
        ret, path, "FieldValueNotSupported",
        xasprintf("Unsupported value: %s: supported values: %s", text, str_or(all.data, "")));
}

static int check(const json_t *schema, const json_t *v, const char *path,
                 struct sim_schema_error *ret);

static int check_members(const json_t *schema, const json_t *v, const char *path,
                         struct sim_schema_error *ret)
{
    size_t i;
    json_t *name, *member;
    const char *key, *dot = *path ? "." : "";
    json_array_foreach (json_object_get(schema, "required"), i, name) {
        if (json_object_get(v, str_or(json_string_value(name), "")))
            continue;
        auto_free char *at = xasprintf("%s%s%s", path, dot, json_string_value(name));
        return refuse(ret, at, "FieldValueRequired", xstrdup("Required value"));
    }
    json_object_foreach ((json_t *)(uintptr_t)v, key, member) {
        const json_t *sub = json_object_get(json_object_get(schema, "properties"), key);
        if (!sub)
            sub = json_object_get(schema, "additionalProperties");
        auto_free char *at = xasprintf("%s%s%s", path, dot, key);
        if (json_is_object(sub) && check(sub, member, at, ret) < 0)
            return -1;
    }
    return 0;
}

static int check(const json_t *schema, const json_t *v, const char *path,
                 struct sim_schema_error *ret)
{
    size_t i;
    const json_t *member;
    if (!type_fits(schema, v))
        return refuse(ret, path, "FieldValueTypeInvalid",
                      xasprintf("Invalid value: \"%s\": %s in body must be of type %s: \"%s\"",
                                type_of(v), path, jx_str(schema, "type"), type_of(v)));
    if (check_enum(schema, v, path, ret) < 0)
        return -1;
    json_array_foreach (v, i, member) {
        auto_free char *at = xasprintf("%s[%zu]", path, i);
        if (check(json_object_get(schema, "items"), member, at, ret) < 0)
            return -1;
    }
    return json_is_object(v) ? check_members(schema, v, path, ret) : 0;
}

int sim_schema_check(const json_t *schema, const json_t *tree, struct sim_schema_error *ret)
{
    return schema ? check_members(schema, tree, "", ret) : 0;
}
