/* SPDX-License-Identifier: Apache-2.0 */
/* Tables (meta.k8s.io/v1): of a built-in kind name and age, of a custom one the columns of its definition. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

/* The columns of a custom kind after its name, as its definition has them; NULL: only the age. */
static json_t *columns_of(const struct sim_kind *k)
{
    for (size_t i = 0; i < k->nversions; i++)
        if (k->versions[i].storage && k->versions[i].columns)
            return jx_load(k->versions[i].columns->data, k->versions[i].columns->len, NULL);
    return NULL;
}

static json_t *column(const char *name, const char *type, const char *format,
                      const char *description, int64_t priority)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", name, "type", type, "format", format,
                     "description", description, "priority", (json_int_t)priority);
}

static json_t *definitions_of(const struct sim_kind *k)
{
    auto_json *custom = columns_of(k);
    json_t *list = json_pack("[o]", column("Name", "string", "name", "metadata.name", 0)), *c;
    size_t i;
    json_array_foreach (custom, i, c)
        json_array_append_new(
            list, column(str_or(jx_str(c, "name"), ""), str_or(jx_str(c, "type"), "string"),
                         str_or(jx_str(c, "format"), ""), str_or(jx_str(c, "description"), ""),
                         jx_int(c, "priority", 0)));
    if (!custom)
        json_array_append_new(list, column("Age", "string", "", "metadata.creationTimestamp", 0));
    return list;
}

json_t *sim_table_new(const struct sim_kind *k, uint64_t version, const char *next_page,
                      bool definitions)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, version);
    json_t *t =
        json_pack("{s:s, s:s, s:{s:s}, s:n, s:[]}", "kind", "Table", "apiVersion", "meta.k8s.io/v1",
                  "metadata", "resourceVersion", number, "columnDefinitions", "rows");
    if (next_page)
        jx_set_str(t, "metadata.continue", next_page);
    if (definitions)
        json_object_set_new(t, "columnDefinitions", definitions_of(k));
    return t;
}

/* As kubectl words an age (k8s.io/apimachinery, util/duration). */
static char *age(int64_t s)
{
    if (s < 120)
        return xasprintf("%" PRId64 "s", s < 0 ? 0 : s);
    if (s < 600 && s % 60)
        return xasprintf("%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
    if (s < 3 * 3600)
        return xasprintf("%" PRId64 "m", s / 60);
    if (s < 8 * 3600 && s / 60 % 60)
        return xasprintf("%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
    if (s < 48 * 3600)
        return xasprintf("%" PRId64 "h", s / 3600);
    return xasprintf("%" PRId64 "d", s / 86400);
}

static char *age_of(const char *created)
{
    int64_t since = 0;
    if (!created || clock_parse(created, &since) < 0)
        return xstrdup("<unknown>");
    return age(clock_s(&clock_system) - since);
}

/* The element of a list that [?(@.<key>=="<value>")] selects; *at stands behind it afterwards. */
static const json_t *pick(const json_t *list, const char **at)
{
    static const char open[] = "[?(@.";
    const char *key = *at + strlen(open), *equal = strstr(*at, "==\""), *end = strstr(*at, "\")]");
    size_t i;
    const json_t *v;
    if (!str_starts(*at, open) || !equal || !end || equal > end)
        return NULL;
    auto_free char *name = xstrndup(key, (size_t)(equal - key));
    auto_free char *value = xstrndup(equal + 3, (size_t)(end - equal - 3));
    *at = end + 3;
    json_array_foreach (list, i, v) {
        if (str_eq(jx_str(v, name), value))
            return v;
    }
    return NULL;
}

/* The part of JSONPath that columns use: ".status.conditions[?(@.type==\"Ready\")].reason". Borrowed, or NULL. */
static const json_t *follow(const json_t *v, const char *path)
{
    while (v && *path) {
        if (*path == '[') {
            v = pick(v, &path);
            continue;
        }
        path += *path == '.';
        size_t n = strcspn(path, ".[");
        auto_free char *key = xstrndup(path, n);
        v = json_object_get(v, key);
        path += n;
    }
    return v;
}

static json_t *cell(const json_t *object, const json_t *column)
{
    const json_t *v = follow(object, str_or(jx_str(column, "jsonPath"), ""));
    if (!v)
        return json_null();
    if (!str_eq(jx_str(column, "type"), "date"))
        return json_incref((json_t *)(uintptr_t)v);
    auto_free char *text = age_of(json_string_value(v));
    return json_string(text);
}

static json_t *cells_of(const struct sim_kind *k, const struct sim_object *o)
{
    auto_json *custom = columns_of(k);
    json_t *cells = json_pack("[s]", sim_object_name(o)), *c;
    auto_free char *api_version = sim_api_version(k->group, k->version);
    auto_json *whole = sim_object_tree(o, k, api_version, SIM_VIEW_WHOLE, o->version);
    size_t i;
    json_array_foreach (custom, i, c)
        json_array_append_new(cells, cell(whole, c));
    if (!custom) {
        auto_free char *text = age_of(jx_str(whole, "metadata.creationTimestamp"));
        json_array_append_new(cells, json_string(text));
    }
    return cells;
}

void sim_table_add(json_t *table, const struct sim_kind *k, const struct sim_object *o,
                   uint64_t version)
{
    json_t *object = sim_object_tree(o, NULL, NULL, SIM_VIEW_PARTIAL, version);
    json_array_append_new(json_object_get(table, "rows"),
                          json_pack("{s:o, s:o}", "cells", cells_of(k, o), "object", object));
}
