/* SPDX-License-Identifier: Apache-2.0 */
/* Source: structured-merge-diff, merge/update.go; apimachinery, util/managedfields/internal; GetResetFields of the
 * registry's strategies. All managers are taken to be of one version: kubesim converts none. */
#include "kubesim/apply.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply_managed.h"
#include "kubesim/apply_walk.h"
#include "json/jx.h"

enum { MESSAGE_MAX = 4 * 1024 * 1024 };

static struct sim_type type_of(const struct sim_apply *a)
{
    return sim_type_of(a->group, a->kind, a->schema);
}

static char *api_version(const struct sim_apply *a)
{
    return a->group && *a->group ? xasprintf("%s/%s", a->group, a->version) : xstrdup(a->version);
}

/* --- fields that are nobody's --- */

/* What no manager ever owns. */
static void strip(struct sim_fields *s)
{
    static const char *const names[] = {
        "f:name",       "f:namespace",   "f:creationTimestamp", "f:selfLink",        "f:uid",
        "f:generation", "f:clusterName", "f:managedFields",     "f:resourceVersion",
    };
    auto_fields none = {0};
    sim_fields_at(&none, "f:apiVersion")->member = true;
    sim_fields_at(&none, "f:kind")->member = true;
    struct sim_fields *metadata = sim_fields_at(&none, "f:metadata");
    metadata->member = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        sim_fields_at(metadata, names[i])->member = true;
    sim_fields_remove(s, &none);
}

static bool apart(const struct sim_apply *a)
{
    return a->has_status || (!a->schema && sim_kind_has_status(a->group, a->kind));
}

/* What a write here does not reach, so that it is not owned either. */
static struct sim_fields reset_fields(const struct sim_apply *a)
{
    struct sim_fields s = {0};
    if (!apart(a))
        return s;
    if (!a->subresource) {
        sim_fields_at(&s, "f:status")->member = true;
        return s;
    }
    sim_fields_at(&s, "f:spec")->member = true;
    if (a->schema)
        sim_fields_at(&s, "f:metadata")->member = true;
    else if (str_eq(a->kind, "Deployment"))
        sim_fields_at(sim_fields_at(&s, "f:metadata"), "f:labels")->member = true;
    return s;
}

static void put_back(const json_t *old, json_t *now_obj, const char *name)
{
    json_t *was = json_object_get(old, name);
    if (was)
        json_object_set_new(now_obj, name, json_deep_copy(was));
    else
        json_object_del(now_obj, name);
}

/* A custom resource's status is written alone, with the managedFields that go with it. */
static void keep_all_but_status(const json_t *old, json_t *now_obj)
{
    auto_json *status = json_incref(json_object_get(now_obj, "status"));
    auto_json *managed = json_incref(jx_get(now_obj, "metadata.managedFields"));
    json_object_clear(now_obj);
    auto_json *copy = json_deep_copy(old);
    json_object_update(now_obj, copy);
    if (status)
        json_object_set(now_obj, "status", status);
    else
        json_object_del(now_obj, "status");
    if (managed)
        jx_set_new(now_obj, "metadata.managedFields", json_incref(managed));
}

void sim_keep_apart(const struct sim_apply *a, const json_t *old, json_t *now_obj)
{
    if (!apart(a))
        return;
    if (!a->subresource) {
        put_back(old, now_obj, "status");
    } else if (a->schema && old) {
        keep_all_but_status(old, now_obj);
    } else {
        put_back(old, now_obj, "spec");
        if (str_eq(a->kind, "Deployment"))
            put_back(json_object_get(old, "metadata"), json_object_get(now_obj, "metadata"),
                     "labels");
    }
}

/* --- conflicts --- */

struct conflicts {
    const struct sim_manager *with;
    json_t *causes;
};

static char *manager_text(const struct sim_manager *m)
{
    auto_json *name = json_string(m->name);
    auto_free char *quoted = json_dumps(name, JSON_ENCODE_ANY);
    auto_free char *sub = m->subresource && *m->subresource
                              ? xasprintf(" with subresource \"%s\"", m->subresource)
                              : xstrdup("");
    return m->apply ? xasprintf("%s%s", quoted, sub)
                    : xasprintf("%s%s using %s", quoted, sub, m->api_version);
}

static void add_cause(void *arg, const char *path)
{
    struct conflicts *c = arg;
    auto_free char *text = manager_text(c->with);
    json_t *cause = json_object();
    jx_set_str(cause, "reason", "FieldManagerConflict");
    json_object_set_new(cause, "message", json_sprintf("conflict with %s", text));
    jx_set_str(cause, "field", path);
    json_array_append_new(c->causes, cause);
}

char *sim_conflict_message(const json_t *causes)
{
    auto_buf out = BUF_INIT(MESSAGE_MAX);
    size_t n = json_array_size(causes), i;
    const json_t *cause;
    const char *last = NULL;
    if (n == 1) {
        const json_t *only = json_array_get(causes, 0);
        return xasprintf("Apply failed with 1 conflict: %s: %s", jx_str(only, "message"),
                         jx_str(only, "field"));
    }
    buf_printf(&out, "Apply failed with %zu conflicts: ", n);
    json_array_foreach (causes, i, cause) {
        const char *with = jx_str(cause, "message") + strlen("conflict ");
        if (!str_eq(with, last))
            buf_printf(&out, "%sconflicts %s:", last ? "\n" : "", with);
        buf_printf(&out, "\n- %s", jx_str(cause, "field"));
        last = with;
    }
    return buf_take(&out);
}

static int conflict(json_t *found, json_t **causes, struct err *err)
{
    auto_free char *message = sim_conflict_message(found);
    if (causes)
        *causes = json_incref(found);
    return err_set(err, ERR_CONFLICT, 409, "%s", message);
}

/* Takes from the others what self has changed; unless it may, that is an error. */
static int take(const struct sim_apply *a, struct sim_managers *m, const struct sim_manager *self,
                const struct sim_changes *c, json_t **causes, struct err *err)
{
    auto_json *found = json_array();
    auto_fields changed = sim_fields_copy(&c->modified);
    sim_fields_add(&changed, &c->added);
    for (size_t i = 0; i < m->n && !a->force; i++) {
        auto_fields own = sim_fields_copy(&m->v[i].set);
        sim_fields_keep(&own, &changed);
        if (&m->v[i] != self)
            sim_fields_each(&own, add_cause, &(struct conflicts){&m->v[i], found});
    }
    if (json_array_size(found))
        return conflict(found, causes, err);
    for (size_t i = 0; i < m->n; i++)
        if (&m->v[i] != self) {
            sim_fields_remove(&m->v[i].set, &changed);
            sim_fields_remove(&m->v[i].set, &c->removed);
        }
    return 0;
}

static struct sim_changes changes(const struct sim_apply *a, const struct sim_type *t,
                                  const json_t *from, const json_t *to)
{
    struct sim_changes c = sim_compare(t, from, to);
    auto_fields reset = reset_fields(a);
    sim_fields_remove_below(&c.added, &reset);
    sim_fields_remove_below(&c.modified, &reset);
    sim_fields_remove_below(&c.removed, &reset);
    return c;
}

/* --- apply --- */

/* Fields and items of merged that last named, that now nobody does, and that were nobody else's, are removed. */
static json_t *prune(const struct sim_type *t, const json_t *merged, const struct sim_managers *m,
                     const struct sim_fields *last)
{
    auto_fields gone = sim_fields_copy(last), owned = {0}, all = sim_fields_of(t, merged);
    sim_fields_name(t, &gone);
    sim_fields_name(t, &all);
    for (size_t i = 0; i < m->n; i++)
        sim_fields_add(&owned, &m->v[i].set);
    sim_fields_name(t, &owned);
    auto_json *pruned = sim_without(t, merged, &gone);
    auto_fields left = sim_fields_of(t, pruned), away = sim_fields_copy(&all);
    sim_fields_name(t, &left);
    sim_fields_remove(&away, &left);
    sim_fields_remove(&away, &owned);
    auto_json *with_owned = sim_without(t, merged, &away);
    auto_fields kept = sim_fields_of(t, with_owned);
    sim_fields_name(t, &kept);
    sim_fields_remove(&all, &kept);
    sim_fields_keep(&all, &gone);
    return sim_without(t, merged, &all);
}

/* Puts back what the server owns in metadata. */
static void keep_metadata(const json_t *live, json_t *obj)
{
    static const char *const names[] = {
        "uid",        "resourceVersion",   "creationTimestamp",
        "generation", "deletionTimestamp", "deletionGracePeriodSeconds",
    };
    const json_t *was = json_object_get(live, "metadata");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_back(was, json_object_get(obj, "metadata"), names[i]);
}

/* Empty labels and so on are not stored. */
static void tidy_metadata(json_t *obj)
{
    json_t *metadata = json_object_get(obj, "metadata"), *v;
    const char *key;
    void *next;
    json_object_foreach_safe (metadata, next, key, v)
        if ((json_is_object(v) || json_is_array(v)) && !json_object_size(v) && !json_array_size(v))
            json_object_del(metadata, key);
}

static json_t *without_managed(const json_t *obj)
{
    json_t *copy = obj ? json_deep_copy(obj) : json_object();
    json_object_del(json_object_get(copy, "metadata"), "managedFields");
    return copy;
}

/* Times do not make an object another one. */
static bool same_but_times(const json_t *a, const json_t *b)
{
    auto_json *x = json_deep_copy(a), *y = json_deep_copy(b);
    json_t *const both[] = {x, y};
    size_t i, j;
    json_t *entry;
    for (i = 0; i < 2; i++)
        json_array_foreach (jx_get(both[i], "metadata.managedFields"), j, entry)
            json_object_del(entry, "time");
    return json_equal(x, y);
}

/* What was there before the first apply belongs to a manager of its own. */
static void adopt(const struct sim_apply *a, const struct sim_type *t, const json_t *live,
                  struct sim_managers *m)
{
    if (m->n || !live)
        return;
    auto_free char *version = api_version(a);
    auto_free char *name = xstrdup("before-first-apply"), *now = xstrdup0(a->now);
    auto_json *zero = a->schema ? json_object() : sim_kind_zero(a->group, a->kind);
    auto_changes c = changes(a, t, zero, live);
    struct sim_manager *self = sim_managers_at(
        m, &(struct sim_manager){.name = name, .api_version = version, .time = now});
    sim_fields_add(&self->set, &c.added);
    sim_fields_add(&self->set, &c.modified);
    strip(&self->set);
    sim_managers_tidy(m);
}

static struct sim_manager *applier(const struct sim_apply *a, struct sim_managers *m)
{
    auto_free char *version = api_version(a);
    auto_free char *name = xstrdup(a->manager && *a->manager ? a->manager : "unknown");
    auto_free char *subresource = xstrdup0(a->subresource);
    struct sim_manager *self =
        sim_managers_at(m, &(struct sim_manager){name, version, subresource, NULL, true, {0}});
    xfreep(&self->api_version);
    self->api_version = STEAL(version);
    return self;
}

static json_t *apply(const struct sim_apply *a, const json_t *live, const json_t *applied,
                     struct sim_managers *m, json_t **causes, struct err *err)
{
    struct sim_type t = type_of(a);
    struct sim_manager *self = applier(a, m);
    auto_fields last = self->set, reset = reset_fields(a);
    self->set = sim_fields_of(&t, applied);
    sim_fields_remove_below(&self->set, &reset);
    auto_json *merged = sim_merge(&t, live, applied);
    auto_json *obj = sim_fields_empty(&last) ? json_incref(merged) : prune(&t, merged, m, &last);
    auto_changes c = changes(a, &t, live, obj); /* while what pruning has emptied is null */
    if (take(a, m, self, &c, causes, err) < 0)
        return NULL;
    strip(&self->set);
    if (!json_equal(live, obj)) {
        xfreep(&self->time);
        self->time = xstrdup0(a->now);
    }
    sim_managers_tidy(m);
    sim_drop_nulls(&t, obj);
    return json_incref(obj);
}

static int check_applied(const struct sim_apply *a, const json_t *applied, struct err *err)
{
    struct sim_type t = type_of(a);
    if (!json_is_object(json_object_get(applied, "metadata")))
        return err_set(err, ERR_INVALID, 400, "metadata is no object");
    if (jx_get(applied, "metadata.managedFields"))
        return err_set(err, ERR_INVALID, 400, "metadata.managedFields must be nil");
    auto_free char *twice = sim_find_duplicate(&t, applied);
    if (!twice)
        return 0;
    return err_set(err, ERR_INVALID, 500,
                   "failed to create typed patch object (%s/%s; %s/%s, Kind=%s): %s",
                   str_or(jx_str(applied, "metadata.namespace"), ""),
                   str_or(jx_str(applied, "metadata.name"), ""), str_or(a->group, ""), a->version,
                   a->kind, twice);
}

json_t *sim_apply(const struct sim_apply *a, const json_t *live, const json_t *applied,
                  json_t **causes, struct err *err)
{
    struct sim_type t = type_of(a);
    if (check_applied(a, applied, err) < 0)
        return NULL;
    auto_managers m = sim_managers_of(live);
    auto_json *bare = without_managed(live);
    adopt(a, &t, live ? bare : NULL, &m);
    auto_json *obj = apply(a, bare, applied, &m, causes, err);
    if (!obj)
        return NULL;
    sim_keep_apart(a, live, obj);
    keep_metadata(live, obj);
    tidy_metadata(obj);
    sim_managers_write(&m, obj);
    return live && same_but_times(live, obj) ? json_deep_copy(live) : json_incref(obj);
}

/* --- update --- */

/* The managers before a write: those of the new object when it names any, so that they can be edited. */
static struct sim_managers managers_before(const struct sim_apply *a, const json_t *old,
                                           const json_t *now_obj)
{
    const json_t *given = jx_get(now_obj, "metadata.managedFields");
    if (!a->subresource && json_is_array(given)) {
        const json_t *first = json_array_get(given, 0);
        if (!first || (json_array_size(given) == 1 && !json_object_size(first)))
            return (struct sim_managers){0};
        struct sim_managers m = sim_managers_of(now_obj);
        if (m.n)
            return m;
    }
    return sim_managers_of(old);
}

static void lay_under(json_t *obj, const json_t *zero)
{
    const char *key;
    json_t *v;
    SIM_EACH(zero, key, v)
    {
        json_t *mine = json_object_get(obj, key);
        if (!mine)
            json_object_set_new(obj, key, json_deep_copy(v));
        else if (json_is_object(mine))
            lay_under(mine, v);
    }
}

/* As the server compares it: with the parts that its types always have. */
static json_t *typed(const struct sim_apply *a, const json_t *obj)
{
    json_t *copy = without_managed(obj);
    if (!a->schema) {
        auto_json *zero = sim_kind_zero(a->group, a->kind);
        lay_under(copy, zero);
    }
    return copy;
}

/* The fields that this write changed go to its manager, together with what it has from before. */
static void own_changes(const struct sim_apply *a, struct sim_managers *m,
                        const struct sim_changes *c)
{
    auto_fields own = sim_fields_copy(&c->added);
    sim_fields_add(&own, &c->modified);
    strip(&own);
    if (sim_fields_empty(&own))
        return;
    auto_free char *version = api_version(a);
    auto_free char *name = xstrdup(a->manager && *a->manager ? a->manager : "unknown");
    auto_free char *subresource = xstrdup0(a->subresource);
    struct sim_manager *self =
        sim_managers_at(m, &(struct sim_manager){name, version, subresource, NULL, false, {0}});
    sim_fields_add(&self->set, &own);
    xfreep(&self->time);
    self->time = xstrdup0(a->now);
}

void sim_track_update(const struct sim_apply *a, const json_t *old, json_t *now_obj)
{
    struct sim_type t = type_of(a);
    struct sim_apply forced = *a;
    forced.force = true;
    auto_managers m = managers_before(a, old, now_obj);
    if (m.n || !old) {
        auto_json *from = typed(a, old), *to = typed(a, now_obj);
        auto_changes c = changes(a, &t, from, to);
        take(&forced, &m, NULL, &c, NULL, NULL);
        own_changes(a, &m, &c);
        sim_managers_tidy(&m);
        sim_managers_cap(&m);
    }
    sim_managers_write(&m, now_obj);
}
