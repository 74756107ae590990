/* SPDX-License-Identifier: Apache-2.0 */
#include "hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/backoff.h"
#include "runtime/conditions.h"
#include "runtime/records.h"
#include "topology/topology.h"
#include "json/jx.h"

enum { SEEN_MS = 5000, HOLD_MIN_MS = 250, HOLD_MAX_MS = 60000 };

/* --- the view --- */

static struct hub_object *find(const struct hub_collection *k, const char *key)
{
    struct hub_object *o;
    HASH_FIND_STR(k->all, key, o);
    return o;
}

static void changed(struct hub_collection *k, const char *key)
{
    if (!k->hub->closing)
        k->hub->changed(k->hub->arg, k->kind, key);
}

static void drop(struct hub_collection *k, struct hub_object *o)
{
    HASH_DEL(k->all, o);
    auto_free char *key = xstrdup(o->key);
    json_decref(o->obj);
    free(o);
    k->hub->spec_rev++;
    changed(k, key);
}

static char *key_of(const json_t *obj)
{
    const char *name = jx_str(obj, "metadata.name");
    return name ? xasprintf("%s/%s", str_or(jx_str(obj, "metadata.namespace"), ""), name) : NULL;
}

/* What is kept: metadata without managedFields, spec, status. */
static json_t *strip(const json_t *obj)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)obj);
    json_t *meta = json_copy(json_object_get(obj, "metadata"));
    json_object_del(meta, "managedFields");
    json_object_set_new(copy, "metadata", meta);
    return copy;
}

/* In what other objects' reconcilers look at. Of the status that is who a cluster is, which root a mesh has and whom it
 * keeps out, and where machines are and as whom. */
static bool differs(const json_t *old, const json_t *now)
{
    static const char *const paths[] = {"metadata.uid",      "metadata.generation",
                                        "metadata.labels",   "metadata.deletionTimestamp",
                                        "status.clusterID",  "status.rootSHA256",
                                        "status.revoked",    "status.cluster",
                                        "status.namespace",  "status.serviceAccount",
                                        "status.accountMade"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const json_t *a = jx_get(old, paths[i]), *b = jx_get(now, paths[i]);
        if (a != b && !(a && b && json_equal(a, b)))
            return true;
    }
    return false;
}

static void on_list_begin(void *arg)
{
    struct hub_collection *k = arg;
    for (struct hub_object *o = k->all; o; o = o->hh.next)
        o->listed = false;
}

static void on_upsert(void *arg, const json_t *obj)
{
    struct hub_collection *k = arg;
    auto_free char *key = key_of(obj);
    if (!key)
        return;
    struct hub_object *o = find(k, key);
    if (!o) {
        o = xcalloc(1, sizeof *o + strlen(key) + 1);
        *o = (struct hub_object){.hub = k->hub, .kind = k->kind};
        memcpy(o->key, key, strlen(key) + 1);
        HASH_ADD_STR(k->all, key, o);
    }
    k->hub->spec_rev += differs(o->obj, obj);
    json_decref(o->obj);
    o->obj = strip(obj);
    o->listed = true;
    if (o->awaited[0] &&
        records_compare_versions(jx_str(obj, "metadata.resourceVersion"), o->awaited) >= 0)
        o->awaited[0] = '\0';
    changed(k, key);
}

static void on_remove(void *arg, const json_t *obj)
{
    struct hub_collection *k = arg;
    auto_free char *key = key_of(obj);
    struct hub_object *o = key ? find(k, key) : NULL;
    if (o)
        drop(k, o);
}

static void on_synced(void *arg)
{
    struct hub_collection *k = arg;
    struct hub_object *o, *tmp;
    HASH_ITER (hh, k->all, o, tmp) {
        if (!o->listed)
            drop(k, o);
    }
    k->synced = true;
    changed(k, "");
}

/* One watch works again: the API server is back, so the others need not sit their backoff out. */
static void wake_others(const struct hub_collection *k)
{
    for (int i = 0; i < API_KIND_COUNT; i++) {
        struct hub_collection *other = &k->hub->kinds[i];
        if (other != k && other->broken && other->watch)
            kube_watch_wake(other->watch);
    }
}

static void on_state(void *arg, const struct err *err)
{
    struct hub_collection *k = arg;
    if (err)
        log_warn("watch of the hub does not work", "kind", api_gvrs[k->kind].kind, "error",
                 err->msg);
    else
        log_info("watch of the hub works", "kind", api_gvrs[k->kind].kind);
    k->broken = err != NULL;
    if (!err)
        wake_others(k);
}

static const struct kube_sink sink = {
    .list_begin = on_list_begin,
    .upsert_tree = on_upsert,
    .remove_tree = on_remove,
    .synced = on_synced,
    .state = on_state,
};

void hub_start(struct hub *h, struct kube_client *client, const struct clock *clock, const char *ns)
{
    h->client = client;
    h->clock = clock;
    h->events = kube_events_new(client, "meshwright");
    struct kube_watch_opts opts = {.ns = ns, .trees = true};
    for (int i = 0; i < API_KIND_COUNT; i++) {
        h->kinds[i] = (struct hub_collection){.hub = h, .kind = (enum api_kind)i};
        h->kinds[i].watch = kube_watch_start(client, &api_gvrs[i], &opts, &sink, &h->kinds[i]);
    }
}

void hub_stop(struct hub *h)
{
    h->closing = true;
    for (int i = 0; i < API_KIND_COUNT; i++) {
        struct hub_object *o, *tmp;
        if (h->kinds[i].watch)
            kube_watch_stop(h->kinds[i].watch);
        HASH_ITER (hh, h->kinds[i].all, o, tmp) {
            drop(&h->kinds[i], o);
        }
    }
    if (h->events)
        kube_events_free(h->events);
}

bool hub_synced(const struct hub *h)
{
    for (int i = 0; i < API_KIND_COUNT; i++)
        if (!h->kinds[i].synced)
            return false;
    return true;
}

struct hub_object *hub_find(const struct hub *h, enum api_kind kind, const char *key)
{
    return find(&h->kinds[kind], key);
}

bool hub_is_going(const json_t *obj)
{
    return jx_str(obj, "metadata.deletionTimestamp") != NULL;
}

bool hub_in_namespace(const struct hub_object *o, const char *ns)
{
    size_t n = strlen(ns);
    return strncmp(o->key, ns, n) == 0 && o->key[n] == '/';
}

bool hub_is_older(const struct hub_object *a, const struct hub_object *b)
{
    int age = str_cmp(jx_str(a->obj, "metadata.creationTimestamp"),
                      jx_str(b->obj, "metadata.creationTimestamp"));
    return age ? age < 0
               : str_cmp(jx_str(a->obj, "metadata.name"), jx_str(b->obj, "metadata.name")) < 0;
}

bool hub_mesh_lists(const json_t *mesh, const char *name, const struct hub_object *member)
{
    size_t i;
    json_t *c;
    json_array_foreach (jx_get(mesh, "spec.clusters"), i, c) {
        if (str_eq(jx_str(c, "name"), name))
            return true;
    }
    return member && jx_get(mesh, "spec.clusterSelector") &&
           topo_labels_match(jx_get(member->obj, "metadata.labels"),
                             jx_get(mesh, "spec.clusterSelector.matchLabels"));
}

/* --- writes --- */

bool hub_busy(const struct hub_object *o)
{
    int64_t now = clock_ms(o->hub->clock);
    return o->writing || now < o->hold_until_ms || (o->awaited[0] && now < o->awaited_until_ms);
}

/* What a callback needs when the object may be gone in the meantime. */
struct write {
    struct hub *hub;
    enum api_kind kind;
    json_t *old, *now; /* conditions, for Events */
    char key[];
};

static struct write *write_begin(struct hub_object *o)
{
    struct write *w = xcalloc(1, sizeof *w + strlen(o->key) + 1);
    w->hub = o->hub;
    w->kind = o->kind;
    memcpy(w->key, o->key, strlen(o->key) + 1);
    o->writing = true;
    return w;
}

struct flip {
    struct hub_object *o;
    const json_t *old, *now;
};

/* One Event when a condition turns, none for the reasons it passes through on the way. Still working is no warning. */
static void emit_transition(void *arg, const char *type, enum cond_status status,
                            const char *reason, const char *message)
{
    struct flip *f = arg;
    const json_t *before = cond_find(f->old, type);
    bool was_true = cond_is_true(f->old, type);
    bool turned = status == COND_TRUE ? !was_true : status == COND_FALSE && was_true;
    bool first_refusal = status == COND_FALSE && !str_eq(type, "Ready") && !before;
    if (str_eq(type, "Reconciling") || (!turned && !first_refusal))
        return;
    bool warning = str_eq(type, "Stalled") ? status == COND_TRUE : status == COND_FALSE;
    if (cond_is_true(f->now, "Reconciling") && !str_eq(type, "Reachable"))
        warning = false;
    log_info("condition turned", "controller", api_gvrs[f->o->kind].kind, "object", f->o->key,
             "type", type, "status", status == COND_TRUE ? "True" : "False", "reason", reason,
             "message", message);
    auto_free char *text = xasprintf("%s: %s", type, message);
    hub_event(f->o, warning, reason, text);
}

/* A write that is refused again and again must not become a loop at the speed of the network. */
static void hold(struct hub_object *o, const struct err *err)
{
    static const struct backoff backoff = {HOLD_MIN_MS, HOLD_MAX_MS};
    o->hold_until_ms = clock_ms(o->hub->clock) + backoff_after(&backoff, &o->failures, err, o->key);
}

static void on_written(void *arg, const struct kube_response *r, const struct err *err)
{
    struct write *w = arg;
    struct hub_object *o = w->hub->closing ? NULL : hub_find(w->hub, w->kind, w->key);
    if (o) {
        o->writing = false;
        hold(o, err);
        const char *rv = err ? NULL : jx_str(r->body, "metadata.resourceVersion");
        if (rv && records_compare_versions(jx_str(o->obj, "metadata.resourceVersion"), rv) < 0) {
            snprintf(o->awaited, sizeof o->awaited, "%s", rv);
            o->awaited_until_ms = clock_ms(w->hub->clock) + SEEN_MS;
        }
        if (!err && w->now)
            cond_transitions(w->old, w->now, emit_transition, &(struct flip){o, w->old, w->now});
        if (err && err->class != ERR_CONFLICT && err->class != ERR_NOT_FOUND)
            log_warn("write to the hub failed", "object", w->key, "error", err->msg);
    }
    if (!err && w->hub->written)
        w->hub->written(w->hub->arg);
    if (!w->hub->closing)
        w->hub->changed(w->hub->arg, w->kind, w->key);
    json_decref(w->old);
    json_decref(w->now);
    free(w);
}

void hub_set_status(struct hub_object *o, const json_t *status)
{
    const json_t *old = json_object_get(o->obj, "status");
    if (hub_busy(o) || (old && json_equal(old, status)))
        return;
    const struct gvr *g = &api_gvrs[o->kind];
    const char *ns = jx_str(o->obj, "metadata.namespace"), *name = jx_str(o->obj, "metadata.name");
    auto_free char *api_version = gvr_api_version(g);
    auto_json *body = json_pack("{s:s, s:s, s:{s:s}, s:O}", "apiVersion", api_version, "kind",
                                g->kind, "metadata", "name", name, "status", status);
    auto_free char *text = jx_dump(body);
    log_debug("status", "kind", g->kind, "name", name, "status", text);
    struct write *w = write_begin(o);
    w->old = json_incref(json_object_get(old, "conditions"));
    w->now = json_incref(json_object_get(status, "conditions"));
    kube_apply(o->hub->client, g, ns, name, "status", text, strlen(text), false, on_written, w);
}

void hub_say_leaving(struct hub_object *o, const char *what, bool out_of_reach)
{
    int64_t generation = jx_int(o->obj, "metadata.generation", 0), now = clock_s(o->hub->clock);
    const json_t *old = jx_get(o->obj, "status.conditions");
    auto_free char *message =
        out_of_reach
            ? xstrdup("waiting for a cluster that can't be reached; it is given up after a while")
            : xasprintf("%s is being deleted", what);
    json_t *list = json_array();
    cond_set(list, old, "Ready", COND_FALSE, "Deleting", message, generation, now);
    cond_set(list, old, "Reconciling", COND_TRUE, "Deleting", message, generation, now);
    cond_sort(list);
    auto_json *status =
        json_pack("{s:I, s:o}", "observedGeneration", (json_int_t)generation, "conditions", list);
    hub_set_status(o, status);
}

bool hub_has_report(const struct hub_object *o)
{
    return jx_int(o->obj, "status.observedGeneration", -1) ==
           jx_int(o->obj, "metadata.generation", 0);
}

bool hub_was_ready(const struct hub_object *o)
{
    return hub_has_report(o) && cond_is_true(jx_get(o->obj, "status.conditions"), "Ready");
}

bool hub_has_finalizer(const struct hub_object *o)
{
    size_t i;
    json_t *v;
    json_array_foreach (jx_get(o->obj, "metadata.finalizers"), i, v) {
        if (str_eq(json_string_value(v), HUB_FINALIZER))
            return true;
    }
    return false;
}

void hub_set_finalizer(struct hub_object *o, bool present)
{
    if (hub_busy(o) || hub_has_finalizer(o) == present)
        return;
    json_t *list = json_array(), *v;
    size_t i;
    json_array_foreach (jx_get(o->obj, "metadata.finalizers"), i, v) {
        if (!str_eq(json_string_value(v), HUB_FINALIZER))
            json_array_append(list, v);
    }
    if (present)
        json_array_append_new(list, json_string(HUB_FINALIZER));
    auto_json *patch = json_pack("{s:{s:o, s:O}}", "metadata", "finalizers", list,
                                 "resourceVersion", jx_get(o->obj, "metadata.resourceVersion"));
    auto_free char *body = jx_dump(patch);
    auto_free char *path = gvr_path(&api_gvrs[o->kind], jx_str(o->obj, "metadata.namespace"),
                                    jx_str(o->obj, "metadata.name"));
    struct kube_request q = {.method = "PATCH",
                             .path = path,
                             .content_type = KUBE_MERGE_PATCH,
                             .body = body,
                             .accept = KUBE_ACCEPT_METADATA};
    kube_call(o->hub->client, &q, on_written, write_begin(o));
}

void hub_event(struct hub_object *o, bool warning, const char *reason, const char *message)
{
    auto_free char *api_version = gvr_api_version(&api_gvrs[o->kind]);
    struct kube_event e = {
        .api_version = api_version,
        .kind = api_gvrs[o->kind].kind,
        .ns = jx_str(o->obj, "metadata.namespace"),
        .name = jx_str(o->obj, "metadata.name"),
        .uid = jx_str(o->obj, "metadata.uid"),
        .warning = warning,
        .reason = reason,
        .message = message,
    };
    kube_events_emit(o->hub->events, &e);
}
