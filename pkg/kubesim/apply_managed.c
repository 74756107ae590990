/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/apply_managed.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { UPDATERS_MAX = 10 };

static void manager_done(struct sim_manager *m)
{
    xfreep(&m->name);
    xfreep(&m->api_version);
    xfreep(&m->subresource);
    xfreep(&m->time);
    sim_fields_done(&m->set);
}

void sim_managers_done(struct sim_managers *m)
{
    for (size_t i = 0; i < m->n; i++)
        manager_done(&m->v[i]);
    xfreep(&m->v);
    m->n = m->cap = 0;
}

static bool same(const struct sim_manager *a, const struct sim_manager *b)
{
    return a->apply == b->apply && str_eq(a->name, b->name) &&
           str_eq(str_or(a->subresource, ""), str_or(b->subresource, "")) &&
           (a->apply || str_eq(a->api_version, b->api_version));
}

struct sim_manager *sim_managers_find(struct sim_managers *m, const struct sim_manager *like)
{
    for (size_t i = 0; i < m->n; i++)
        if (same(&m->v[i], like))
            return &m->v[i];
    return NULL;
}

struct sim_manager *sim_managers_at(struct sim_managers *m, const struct sim_manager *like)
{
    struct sim_manager *found = sim_managers_find(m, like);
    if (found)
        return found;
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 4;
        m->v = xrealloc(m->v, m->cap * sizeof *m->v);
    }
    m->v[m->n] = (struct sim_manager){
        .name = xstrdup0(like->name),
        .api_version = xstrdup0(like->api_version),
        .subresource = xstrdup0(like->subresource),
        .time = xstrdup0(like->time),
        .apply = like->apply,
    };
    return &m->v[m->n++];
}

static bool read_entry(struct sim_managers *m, const json_t *entry)
{
    const char *operation = jx_str(entry, "operation"), *api_version = jx_str(entry, "apiVersion");
    bool apply = str_eq(operation, "Apply");
    if ((!apply && !str_eq(operation, "Update")) || !api_version || !*api_version ||
        !str_eq(jx_str(entry, "fieldsType"), "FieldsV1"))
        return false;
    auto_json *own = json_deep_copy(entry);
    auto_free char *name = xstrdup(str_or(jx_str(own, "manager"), ""));
    auto_free char *version = xstrdup(api_version);
    auto_free char *subresource = xstrdup0(jx_str(own, "subresource"));
    auto_free char *time = xstrdup0(jx_str(own, "time"));
    struct sim_manager *to =
        sim_managers_at(m, &(struct sim_manager){name, version, subresource, time, apply, {0}});
    auto_fields set = sim_fields_of_json(json_object_get(entry, "fieldsV1"));
    sim_fields_add(&to->set, &set);
    return true;
}

/* The order in which messages name them. */
static int by_name(const void *a, const void *b)
{
    const struct sim_manager *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    if (!c)
        c = y->apply - x->apply;
    if (!c)
        c = strcmp(x->api_version, y->api_version);
    return c ? c : strcmp(str_or(x->subresource, ""), str_or(y->subresource, ""));
}

struct sim_managers sim_managers_of(const json_t *obj)
{
    struct sim_managers m = {0};
    const json_t *entries = jx_get(obj, "metadata.managedFields"), *entry;
    size_t i;
    json_array_foreach (entries, i, entry)
        if (!read_entry(&m, entry)) {
            sim_managers_done(&m);
            break;
        }
    if (m.n)
        qsort(m.v, m.n, sizeof *m.v, by_name);
    return m;
}

static json_t *entry_of(const struct sim_manager *m)
{
    json_t *entry = json_object();
    jx_set_str(entry, "manager", *m->name ? m->name : NULL);
    jx_set_str(entry, "operation", m->apply ? "Apply" : "Update");
    jx_set_str(entry, "apiVersion", m->api_version);
    jx_set_str(entry, "time", m->time);
    jx_set_str(entry, "fieldsType", "FieldsV1");
    json_object_set_new(entry, "fieldsV1", sim_fields_to_json(&m->set));
    jx_set_str(entry, "subresource", m->subresource);
    return entry;
}

static int by_age(const struct sim_manager *a, const struct sim_manager *b)
{
    int c = strcmp(str_or(a->time, ""), str_or(b->time, ""));
    if (!c)
        c = strcmp(a->name, b->name);
    if (!c)
        c = strcmp(a->api_version, b->api_version);
    return c ? c : strcmp(str_or(a->subresource, ""), str_or(b->subresource, ""));
}

static int in_order(const void *a, const void *b)
{
    const struct sim_manager *x = a, *y = b;
    return x->apply != y->apply ? y->apply - x->apply : by_age(x, y);
}

void sim_managers_write(struct sim_managers *m, json_t *obj)
{
    json_t *metadata = json_object_get(obj, "metadata");
    if (!m->n) {
        json_object_del(metadata, "managedFields");
        return;
    }
    qsort(m->v, m->n, sizeof *m->v, in_order);
    json_t *entries = json_array();
    for (size_t i = 0; i < m->n; i++)
        json_array_append_new(entries, entry_of(&m->v[i]));
    jx_set_new(obj, "metadata.managedFields", entries);
}

void sim_managers_tidy(struct sim_managers *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n; i++)
        if (sim_fields_empty(&m->v[i].set))
            manager_done(&m->v[i]);
        else
            m->v[kept++] = m->v[i];
    m->n = kept;
}

static size_t updaters(const struct sim_managers *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += !m->v[i].apply;
    return n;
}

/* The oldest updater of the version but the given one, or NULL. */
static struct sim_manager *oldest(struct sim_managers *m, const char *version,
                                  const struct sim_manager *but)
{
    struct sim_manager *found = NULL;
    for (size_t i = 0; i < m->n; i++) {
        struct sim_manager *v = &m->v[i];
        if (v != but && !v->apply && (!version || str_eq(v->api_version, version)) &&
            (!found || by_age(v, found) < 0))
            found = v;
    }
    return found;
}

/* The two oldest become one. False when no two are of one version. */
static bool join_oldest(struct sim_managers *m)
{
    struct sim_manager *first = oldest(m, NULL, NULL);
    struct sim_manager *second = first ? oldest(m, first->api_version, first) : NULL;
    if (!second)
        return false;
    sim_fields_add(&second->set, &first->set);
    sim_fields_done(&first->set);
    xfreep(&second->name);
    second->name = xstrdup("ancient-changes");
    xfreep(&second->subresource);
    sim_managers_tidy(m);
    return true;
}

void sim_managers_cap(struct sim_managers *m)
{
    while (updaters(m) > UPDATERS_MAX && join_oldest(m))
        ;
}
