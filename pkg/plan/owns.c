/* SPDX-License-Identifier: Apache-2.0 */
/* fieldsV1 is a trie of path elements: "f:<name>" a field, "v:<json>" an element of a set, "k:<json object>" an item of
 * an associative list by its keys, "i:<n>" an item by index, "." the node itself. A node without children, {}, is a
 * member: a scalar, an atomic struct or list, or an empty one. */
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/plan.h"
#include "json/jx.h"

/* jansson iterates over json_t *, also where nothing is changed. */
static json_t *unconst(const json_t *v)
{
    return (json_t *)(uintptr_t)v;
}

static bool covers(const json_t *value, const json_t *node);

static bool is_leaf(const json_t *node)
{
    return json_object_size(node) == 0;
}

/* The child "f:<key>" without a heap allocation for keys of usual length. */
static const json_t *field_node(const json_t *node, const char *key)
{
    char short_name[128];
    int n = snprintf(short_name, sizeof short_name, "f:%s", key);
    if (n >= 0 && (size_t)n < sizeof short_name)
        return json_object_get(node, short_name);
    auto_free char *name = xasprintf("f:%s", key);
    return json_object_get(node, name);
}

static bool covers_object(const json_t *obj, const json_t *node)
{
    if (json_object_size(obj) == 0 || is_leaf(node))
        return true;
    const char *key;
    json_t *v;
    json_object_foreach (unconst(obj), key, v) {
        if (!json_is_null(v) && !covers(v, field_node(node, key)))
            return false;
    }
    return true;
}

/* Whether an item has the keys of an entry. A key that the item lacks was filled in by the server (protocol: TCP). */
static bool has_keys(const json_t *item, const json_t *keys)
{
    const char *key;
    json_t *want;
    json_object_foreach (unconst(keys), key, want) {
        const json_t *have = json_object_get(item, key);
        if (have && !json_equal(have, want))
            return false;
    }
    return true;
}

/* An entry that lost all its fields to others is a leaf too, so here a leaf stands only for an item that is all
 * keys. */
static bool covers_item(const json_t *item, const json_t *keys, const json_t *node)
{
    if (!is_leaf(node))
        return covers_object(item, node);
    const char *key;
    json_t *v;
    json_object_foreach (unconst(item), key, v) {
        if (!json_is_null(v) && !json_object_get(keys, key))
            return false;
    }
    return true;
}

static json_t *parse_element(const char *text)
{
    return json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static bool covers_map_item(const json_t *item, const json_t *node)
{
    const char *name;
    json_t *child;
    json_object_foreach (unconst(node), name, child) {
        if (!str_starts(name, "k:"))
            continue;
        auto_json *keys = parse_element(name + 2);
        if (json_is_object(keys) && has_keys(item, keys) && covers_item(item, keys, child))
            return true;
    }
    return false;
}

static bool covers_set_item(const json_t *item, const json_t *node)
{
    const char *name;
    json_t *child;
    json_object_foreach (unconst(node), name, child) {
        if (!str_starts(name, "v:"))
            continue;
        auto_json *value = parse_element(name + 2);
        if (value && json_equal(value, item))
            return true;
    }
    return false;
}

static bool covers_indexed(const json_t *item, size_t i, const json_t *node)
{
    char name[32];
    snprintf(name, sizeof name, "i:%zu", i);
    const json_t *child = json_object_get(node, name);
    return child && covers(item, child);
}

static bool covers_array(const json_t *array, const json_t *node)
{
    if (json_array_size(array) == 0 || is_leaf(node))
        return true;
    size_t i;
    json_t *item;
    json_array_foreach (array, i, item) {
        bool found =
            json_is_object(item) ? covers_map_item(item, node) : covers_set_item(item, node);
        if (!found && !covers_indexed(item, i, node))
            return false;
    }
    return true;
}

static bool covers(const json_t *value, const json_t *node)
{
    if (!json_is_object(node))
        return false;
    if (json_is_object(value))
        return covers_object(value, node);
    if (json_is_array(value))
        return covers_array(value, node);
    return true;
}

static bool is_identity(const char *key)
{
    return str_eq(key, "apiVersion") || str_eq(key, "kind") || str_eq(key, "metadata");
}

/* Labels and annotations are never atomic: a leaf there has lost them all. */
static bool covers_map(const json_t *map, const json_t *node)
{
    if (json_object_size(map) && json_is_object(node) && is_leaf(node))
        return false;
    return covers(map, node);
}

static bool covers_metadata(const json_t *metadata, const json_t *node)
{
    const char *key;
    json_t *v;
    json_object_foreach (unconst(metadata), key, v) {
        if (str_eq(key, "name") || str_eq(key, "namespace") || json_is_null(v))
            continue;
        if (!covers_map(v, field_node(node, key)))
            return false;
    }
    return true;
}

bool plan_owns(const json_t *body, const json_t *fields_v1)
{
    if (!json_is_object(fields_v1) || !json_is_object(body))
        return false;
    const char *key;
    json_t *v;
    json_object_foreach (unconst(body), key, v) {
        if (!is_identity(key) && !json_is_null(v) && !covers(v, field_node(fields_v1, key)))
            return false;
    }
    return covers_metadata(json_object_get(body, "metadata"),
                           json_object_get(fields_v1, "f:metadata"));
}
