/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/unknown.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/proto.h"
#include "json/jx.h"

struct walk {
    bool drop;
    char *first;
};

static void note(struct walk *w, const char *path, const char *key)
{
    if (!w->first)
        w->first = xasprintf("%s.%s", path, key);
}

/* --- built-in kinds --- */

static const struct proto_field *field_of(const struct proto_message *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->fields[i].name, name))
            return &m->fields[i];
    return NULL;
}

static void walk_message(struct walk *w, const struct proto_message *m, json_t *v, const char *path)
{
    const char *key;
    json_t *member, *element;
    void *next;
    size_t i;
    json_object_foreach_safe (v, next, key, member) {
        const struct proto_field *f = field_of(m, key);
        bool head = !*path && (str_eq(key, "kind") || str_eq(key, "apiVersion"));
        if (!f && !head) {
            note(w, path, key);
            if (w->drop)
                json_object_del(v, key);
        }
        if (!f || f->type != MESSAGE)
            continue;
        auto_free char *at = xasprintf("%s.%s", path, key);
        if (json_is_object(member))
            walk_message(w, f->message, member, at);
        json_array_foreach (member, i, element) {
            auto_free char *one = xasprintf("%s[%zu]", at, i);
            walk_message(w, f->message, element, one);
        }
    }
}

/* --- custom kinds --- */

static void walk_schema(struct walk *w, const json_t *schema, json_t *v, const char *path)
{
    const char *key;
    json_t *member;
    size_t i;
    const json_t *more = json_object_get(schema, "additionalProperties");
    bool free_form = jx_bool(schema, "x-kubernetes-preserve-unknown-fields", false) ||
                     json_is_true(more) || !json_object_get(schema, "properties");
    json_object_foreach (v, key, member) {
        const json_t *sub = json_object_get(json_object_get(schema, "properties"), key);
        bool head =
            !*path && (str_eq(key, "kind") || str_eq(key, "apiVersion") || str_eq(key, "metadata"));
        if (head)
            continue;
        if (!sub && json_is_object(more))
            sub = more;
        if (!sub && !free_form)
            note(w, path, key);
        auto_free char *at = xasprintf("%s.%s", path, key);
        if (sub)
            walk_schema(w, sub, member, at);
    }
    json_array_foreach (v, i, member) {
        auto_free char *one = xasprintf("%s[%zu]", path, i);
        walk_schema(w, json_object_get(schema, "items"), member, one);
    }
}

char *sim_unknown(const struct sim_kind *k, const json_t *schema, json_t *tree, bool drop)
{
    struct walk w = {.drop = drop};
    const struct proto_message *m = proto_of_kind(k->group, k->kind);
    if (schema)
        walk_schema(&w, schema, tree, "");
    else if (!(k->traits & SIM_CUSTOM) && m)
        walk_message(&w, m, tree, "");
    return w.first;
}
