/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/lists.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/lists_priv.h"
#include "json/jx.h"

static const struct sim_row *row_of(const struct sim_struct *s, const char *name)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (str_eq(s->rows[i].name, name))
            return &s->rows[i];
    return NULL;
}

static struct sim_type of_struct(const struct sim_struct *s, const char *name)
{
    const struct sim_row *r = row_of(s, name);
    struct sim_type t = {.declared = true};
    if (!r)
        return t;
    t.fields = r->type;
    t.keys = r->keys;
    t.whole = r->how == SIM_ROW_WHOLE;
    if (r->how == SIM_ROW_SET)
        t.list = SIM_LIST_SET;
    else if (r->how == SIM_ROW_MAP || r->how == SIM_ROW_ITEMS)
        t.list = SIM_LIST_MAP;
    t.whole_items = r->how == SIM_ROW_ITEMS;
    return t;
}

static struct sim_type of_schema(const json_t *schema, bool declared)
{
    const char *list = json_string_value(json_object_get(schema, "x-kubernetes-list-type"));
    const char *map = json_string_value(json_object_get(schema, "x-kubernetes-map-type"));
    return (struct sim_type){
        .schema = schema,
        .declared = declared,
        .open = !schema,
        .whole = str_eq(map, "atomic"),
        .list = str_eq(list, "map")   ? SIM_LIST_MAP
                : str_eq(list, "set") ? SIM_LIST_SET
                                      : SIM_LIST_ATOMIC,
    };
}

struct sim_type sim_type_of(const char *group, const char *kind, const json_t *schema)
{
    struct sim_type t = {.declared = true};
    const struct sim_kind *k = schema ? NULL : sim_kind_find(group, kind);
    if (schema)
        t = of_schema(schema, true);
    t.fields = k ? k->type : &sim_object;
    return t;
}

/* metadata of a custom resource has the type that it has everywhere. */
static bool is_metadata(const struct sim_type *t, const char *name)
{
    return (t->fields ||
            json_is_true(json_object_get(t->schema, "x-kubernetes-embedded-resource"))) &&
           strcmp(name, "metadata") == 0;
}

struct sim_type sim_type_field(const struct sim_type *t, const char *name)
{
    if (t->open)
        return (struct sim_type){.open = true};
    if (!t->schema)
        return of_struct(t->fields, name);
    if (is_metadata(t, name))
        return of_struct(&sim_object, name);
    const json_t *property = json_object_get(json_object_get(t->schema, "properties"), name);
    if (property)
        return of_schema(property, true);
    const json_t *more = json_object_get(t->schema, "additionalProperties");
    return of_schema(json_is_object(more) ? more : NULL,
                     t->fields && (str_eq(name, "apiVersion") || str_eq(name, "kind")));
}

struct sim_type sim_type_item(const struct sim_type *t)
{
    if (t->open)
        return (struct sim_type){.open = true};
    if (t->schema)
        return of_schema(json_object_get(t->schema, "items"), false);
    return (struct sim_type){.fields = t->fields, .whole = t->whole_items};
}

struct sim_type sim_type_below(const struct sim_type *t, const char *element)
{
    return *element == 'f' ? sim_type_field(t, element + 2) : sim_type_item(t);
}

bool sim_type_nullable(const struct sim_type *t)
{
    return t->open || json_is_true(json_object_get(t->schema, "nullable"));
}

static void add_key(json_t *keys, const json_t *item, const char *name, json_t *fallback)
{
    json_t *v = json_object_get(item, name);
    if (v)
        json_object_set(keys, name, v);
    else if (fallback)
        json_object_set(keys, name, fallback);
    json_decref(fallback);
}

/* "port=0,protocol=TCP": a number when it begins with a digit. */
static void add_table_keys(json_t *keys, const json_t *item, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        auto_free char *name = xstrndup(list, len);
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        add_key(keys, item, name,
                value && *value == '0' ? json_integer(0) : json_string(str_or(value, "")));
        list += len + (list[len] == ',');
    }
}

static void add_schema_keys(json_t *keys, const json_t *item, const json_t *schema)
{
    const json_t *names = json_object_get(schema, "x-kubernetes-list-map-keys"), *name;
    size_t i;
    json_array_foreach (names, i, name) {
        const char *s = str_or(json_string_value(name), "");
        const json_t *properties = jx_get(schema, "items.properties");
        json_t *fallback = json_object_get(json_object_get(properties, s), "default");
        add_key(keys, item, s, json_incref(fallback));
    }
}

static char *map_element(const struct sim_type *t, const json_t *item)
{
    if (!json_is_object(item))
        return NULL;
    auto_json *keys = json_object();
    if (t->keys)
        add_table_keys(keys, item, t->keys);
    else
        add_schema_keys(keys, item, t->schema);
    if (!json_object_size(keys))
        return NULL;
    auto_free char *text = jx_dump(keys);
    return xasprintf("k:%s", text);
}

char *sim_type_element(const struct sim_type *t, const json_t *item)
{
    if (t->list == SIM_LIST_MAP)
        return map_element(t, item);
    if (t->list != SIM_LIST_SET || json_is_object(item) || json_is_array(item) ||
        json_is_null(item))
        return NULL;
    auto_free char *text = jx_dump(item);
    return xasprintf("v:%s", text);
}

char *sim_type_merge_key(const struct sim_type *t)
{
    if (t->list != SIM_LIST_MAP)
        return NULL;
    if (t->keys)
        return xstrndup(t->keys, strcspn(t->keys, "=,"));
    const json_t *names = json_object_get(t->schema, "x-kubernetes-list-map-keys");
    return xstrdup0(json_string_value(json_array_get(names, 0)));
}

bool sim_kind_has_status(const char *group, const char *kind)
{
    const struct sim_kind *k = sim_kind_find(group, kind);
    return k && k->status;
}

json_t *sim_kind_zero(const char *group, const char *kind)
{
    const struct sim_kind *k = sim_kind_find(group, kind);
    return json_loads(k && k->zero ? k->zero : "{\"metadata\":{}}", 0, NULL);
}
