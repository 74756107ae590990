/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses of ServiceExports (the user's objects) and ServiceImports, by server-side apply of what is ours. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "clusterset/set.h"
#include "json/jx.h"

enum {
    SAY_MIN_MS = 500, /* between two batches; doubles while there is always more to say */
    SAY_MAX_MS = 30000,
    SAY_REST_MS = 2000, /* after so long with nothing to say it begins anew */
    SAY_TOGETHER_MAX = 8,
};

#define REACHABLE "meshwright.dev/Reachable"

/* --- what is to be said of an export --- */

static json_t *condition(const char *type, bool status, const char *reason, const char *message)
{
    return json_pack("{s:s, s:b, s:s, s:s}", "type", type, "status", status, "reason", reason,
                     "message", message);
}

/* A Gateway of our own kind that leads to the service and publishes it everywhere where it is far. */
static bool is_published(const struct set_pass *p, const struct mcs_export *e)
{
    const struct hub_object *o = p->mb->manager->hub.kinds[API_KIND_GATEWAY].all;
    for (; o; o = o->hh.next) {
        size_t i;
        json_t *r;
        if (!str_eq(jx_str(o->obj, "metadata.namespace"), p->mb->ns) ||
            jx_get(o->obj, "spec.meshRef") ||
            json_array_size(jx_get(o->obj, "spec.publishTo")) == 0)
            continue;
        json_array_foreach (jx_get(o->obj, "spec.routes"), i, r) {
            if (str_eq(jx_str(r, "namespace"), e->ns) && str_eq(jx_str(r, "service"), e->name))
                return true;
        }
    }
    return false;
}

static void add_reachable(struct set_pass *p, json_t *list, const struct mcs_export *e,
                          const char *far)
{
    if (is_published(p, e)) {
        json_array_append_new(list, condition(REACHABLE, true, "ThroughGateway",
                                              "a Gateway publishes it on other networks"));
        return;
    }
    const char *message = arena_printf(
        p->arena,
        "clusters %s are on other networks and can't reach its pods; next: in the hub a Gateway "
        "without meshRef, clusters [%s], publishTo [%s], and a route with namespace %s, service %s",
        far, e->cluster, far, e->ns, e->name);
    json_array_append_new(list, condition(REACHABLE, false, "OtherNetwork", message));
}

json_t *set_export_conditions(struct set_pass *p, const struct mcs_export *e,
                              const struct mcs_verdict *v, const char *far)
{
    bool valid = v->validity == MCS_VALID;
    json_t *list = json_array();
    json_array_append_new(list, condition("Valid", valid, mcs_validity_reason(v->validity),
                                          mcs_validity_message(v->validity)));
    if (!valid)
        return list;
    json_array_append_new(list, condition("Conflict", v->conflicts != 0,
                                          mcs_conflict_reason(p->arena, v->conflicts),
                                          mcs_conflict_message(p->arena, v)));
    if (far)
        add_reachable(p, list, e, far);
    return list;
}

/* --- writes --- */

/* It lives with the client's answers. */
struct saying {
    struct cluster_task task; /* first: the two addresses are one */
    struct manager *manager;
    char member[];
};

static struct set_member *set_of(const struct saying *w)
{
    struct member *mb;
    HASH_FIND_STR(w->manager->members, w->member, mb);
    return mb ? mb->set : NULL;
}

static void finish(struct saying *w, bool again)
{
    struct set_member *s = set_of(w);
    if (s) {
        s->saying -= s->saying > 0;
        s->facts.of =
            again ? 0 : s->facts.of; /* it is read anew: what we took for written is not */
    }
    free(w);
}

static void drop(struct cluster_task *t)
{
    finish((struct saying *)(void *)t, true);
}

static void on_said(void *arg, const struct kube_response *r, const struct err *err)
{
    struct saying *w = arg;
    struct cluster *c = w->task.cluster;
    (void)r;
    cluster_task_end(&w->task);
    if (err)
        log_debug("status not written", "cluster", c->name, "error", err->msg);
    else if (c->written)
        c->written(c->arg);
    finish(w, err != NULL);
    cluster_touch(c);
}

static void write_status(struct set_pass *p, const struct gvr *g, const char *key,
                         const json_t *status)
{
    auto_free char *ns = xstrndup(key, strcspn(key, "/"));
    const char *name = key + strlen(ns) + 1;
    auto_json *body =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:O}", "apiVersion", MCS_API_VERSION, "kind", g->kind,
                  "metadata", "namespace", ns, "name", name, "status", (json_t *)(uintptr_t)status);
    auto_free char *text = jx_dump(body);
    struct saying *w = xcalloc(1, sizeof *w + strlen(p->mb->key) + 1);
    memcpy(w->member, p->mb->key, strlen(p->mb->key) + 1);
    w->manager = p->mb->manager;
    p->s->saying++;
    cluster_task_begin(p->c, &w->task, drop);
    kube_apply(p->c->client, g, ns, name, "status", text, strlen(text), false, on_said, w);
}

/* --- what differs --- */

static const json_t *conditions_of(const json_t *known)
{
    return jx_get(known, "status.conditions");
}

/* Ready: once it was exported it stays so while something is being changed. */
static void add_ready(const struct set_pass *p, json_t *list, const json_t *old, bool valid,
                      int64_t generation, int64_t now)
{
    bool exported = p->s->complete || cond_is_true(old, "Ready");
    if (!valid)
        cond_set(list, old, "Ready", COND_FALSE, "Failed", "it is not valid", generation, now);
    else if (exported)
        cond_set(list, old, "Ready", COND_TRUE, "Exported", "the clusters of the set have it",
                 generation, now);
    else
        cond_set(list, old, "Ready", COND_UNKNOWN, "Pending", "it is being exported", generation,
                 now);
}

static json_t *export_status(const struct set_pass *p, const json_t *known, const json_t *said)
{
    const json_t *old = conditions_of(known);
    int64_t now = clock_s(p->mb->manager->clock), generation = jx_int(known, "generation", 0);
    json_t *list = json_array();
    bool valid = false;
    size_t i;
    json_t *v;
    json_array_foreach (said, i, v) {
        bool status = jx_bool(v, "status", false);
        valid |= str_eq(jx_str(v, "type"), "Valid") && status;
        cond_set(list, old, jx_str(v, "type"), status ? COND_TRUE : COND_FALSE, jx_str(v, "reason"),
                 jx_str(v, "message"), generation, now);
    }
    if (said)
        add_ready(p, list, old, valid, generation, now);
    cond_sort(list);
    return json_pack("{s:o}", "conditions", list);
}

/* Everything that we would say is there. */
static bool is_said(const json_t *old, const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach (list, i, v) {
        const json_t *there = cond_find(old, jx_str(v, "type"));
        if (!there || !json_equal(there, v))
            return false;
    }
    return true;
}

static bool may_say(const struct set_pass *p)
{
    return p->s->saying < SAY_TOGETHER_MAX && applier_has_room(p->c);
}

/* What is sent is taken for written until it is read again. */
static void remember(json_t *known, json_t *status)
{
    json_object_set(known, "status", status);
    json_object_set_new(known, "ours", json_true());
}

/* Of an export that is to say nothing of us, ours goes. Returns whether there was something to say. */
static bool say_export(struct set_pass *p, const char *key, json_t *known)
{
    const json_t *said = p->name ? json_object_get(p->s->said, key) : NULL;
    auto_json *status = export_status(p, known, said);
    const json_t *list = json_object_get(status, "conditions");
    bool ours = jx_bool(known, "ours", false);
    bool more = said ? !ours || !is_said(conditions_of(known), list) : ours;
    if (!more || !may_say(p) || (p->name && !said))
        return more;
    auto_json *nothing = json_object();
    write_status(p, set_exports(), key, said ? status : nothing);
    remember(known, status);
    if (!said)
        json_object_set_new(known, "ours", json_false());
    return true;
}

static bool say_import(struct set_pass *p, const char *key, json_t *known)
{
    json_t *status = json_object_get(p->s->status, key);
    const json_t *old = json_object_get(known, "status");
    if (!status ||
        json_equal(json_object_get(old, "clusters"), json_object_get(status, "clusters")))
        return false;
    if (may_say(p)) {
        write_status(p, set_imports(), key, status);
        remember(known, status);
    }
    return true;
}

static bool say_batch(struct set_pass *p)
{
    const char *key;
    json_t *known;
    void *tmp;
    bool more = false;
    json_object_foreach_safe (p->s->facts.exports, tmp, key, known) {
        more |= say_export(p, key, known);
    }
    if (!p->name || p->s->unknown)
        return more;
    json_object_foreach_safe (p->s->facts.imports, tmp, key, known) {
        more |= say_import(p, key, known);
    }
    return more;
}

void set_say_all(struct set_pass *p)
{
    struct set_member *s = p->s;
    int64_t now = clock_ms(p->mb->manager->clock);
    if (!s->facts.read || s->facts.reading || s->saying > 0)
        return;
    if (now < s->say_ms) {
        set_again(p, s->say_ms - now);
        return;
    }
    bool late = now - s->say_ms > SAY_REST_MS;
    s->say_wait_ms = late || s->say_wait_ms < SAY_MIN_MS ? SAY_MIN_MS : s->say_wait_ms;
    if (!say_batch(p))
        return;
    s->say_ms = now + s->say_wait_ms;
    s->say_wait_ms = s->say_wait_ms * 2 > SAY_MAX_MS ? SAY_MAX_MS : s->say_wait_ms * 2;
    set_again(p, s->say_ms - now);
}

bool set_said_nothing(const struct set_member *s)
{
    const char *key;
    json_t *known;
    if (!s->facts.read || s->saying > 0)
        return false;
    json_object_foreach (s->facts.exports, key, known) {
        if (jx_bool(known, "ours", false))
            return false;
    }
    return true;
}
