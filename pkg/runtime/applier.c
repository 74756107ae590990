/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/applier_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/istio.h"
#include "runtime/backoff.h"
#include "runtime/release.h"
#include "json/jx.h"

enum { KEY_MAX = 700 };

static void make_key(char out[KEY_MAX], const struct gvr *gvr, const char *ns, const char *name)
{
    /* The group: Istio and the Gateway API each have a Gateway. */
    snprintf(out, KEY_MAX, "%s%s%s/%s/%s", gvr->kind, *gvr->group ? "." : "", gvr->group,
             ns ? ns : "", name);
}

static struct op *find(const struct cluster *c, const char *key)
{
    struct op *op;
    HASH_FIND_STR(c->ops, key, op);
    return op;
}

static void op_free(struct op *op)
{
    HASH_DEL(op->cluster->ops, op);
    free(op->ns);
    free(op->name);
    free(op->uid);
    json_decref(op->sweep);
    free(op);
}

static bool live(const struct op *op, struct kube_view *ret)
{
    const struct records *all = cluster_records(op->cluster, op->gvr);
    return all && records_view(all, op->ns, op->name, ret);
}

/* The version of the live object, "" when there is none. */
static const char *version_of(const struct op *op, struct kube_view *v)
{
    return live(op, v) ? str_or(v->meta.rv, "") : "";
}

static bool seen(struct op *op)
{
    struct kube_view v;
    bool there = live(op, &v);
    if (op->verb == OP_DELETE)
        return !there || v.meta.deleting;
    if (op->verb == OP_RELEASE)
        return !there || !v.meta.managed;
    return there && records_compare_versions(v.meta.rv, op->rv) >= 0;
}

void op_fail_answered(struct op *op, const struct err *err);

/* Moves an op on by time and by what the watch has shown. */
static void settle(struct op *op)
{
    int64_t now = clock_ms(op->cluster->clock);
    if (op->state == OP_UNSEEN && (now >= op->until_ms || seen(op)))
        op->state = OP_IDLE;
    struct kube_view v;
    bool changed_since = !op->contested && !str_eq(version_of(op, &v), op->failed_rv);
    if (op->state == OP_BACKOFF && (now >= op->until_ms || changed_since))
        op->state = OP_IDLE;
    if (op->state == OP_RUNNING && now >= op->until_ms) {
        struct err err;
        err_set(&err, ERR_TRANSIENT, 0, "no answer in time");
        op_fail_answered(op, &err);
    }
}

enum op_state applier_state(struct cluster *c, const struct gvr *gvr, const char *ns,
                            const char *name, const char *intent)
{
    char key[KEY_MAX];
    make_key(key, gvr, ns, name);
    struct op *op = find(c, key);
    if (!op)
        return OP_IDLE;
    settle(op);
    if (op->state == OP_BACKOFF && !op->contested && intent && !str_eq(op->intent, intent))
        op->state = OP_IDLE;
    return op->state;
}

bool applier_has_room(const struct cluster *c)
{
    bool turn = c->n_ops == 0 || *c->running < APPLIER_TOGETHER_MAX;
    return turn && c->n_ops < APPLIER_IN_FLIGHT_MAX &&
           breaker_allows(&c->breaker, clock_ms(c->clock));
}

static void count(struct cluster *c, int n)
{
    c->n_ops += (size_t)n; /* unsigned: -1 wraps as it should */
    *c->running += (size_t)n;
}

static void leave_running(struct op *op)
{
    op->call = NULL;
    if (op->state == OP_RUNNING)
        count(op->cluster, -1);
}

struct op *applier_begin(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name)
{
    char key[KEY_MAX];
    make_key(key, gvr, ns, name);
    cluster_want(c, gvr, CLUSTER_OURS); /* its own watch shows what is written */
    struct op *op = find(c, key);
    if (!op) {
        size_t n = strlen(key) + 1;
        op = xcalloc(1, sizeof *op + n);
        memcpy(op->key, key, n);
        op->cluster = c;
        op->gvr = gvr;
        op->ns = xstrdup0(ns);
        op->name = xstrdup(name);
        HASH_ADD_STR(c->ops, key, op);
    }
    if (op->state != OP_RUNNING) {
        count(c, 1);
        op->probe = breaker_begin(&c->breaker);
    }
    op->state = OP_RUNNING;
    op->verb = OP_APPLY;
    op->ours = false;
    op->intent[0] = 0;
    op->until_ms = clock_ms(c->clock) + APPLIER_RUNNING_MS;
    return op;
}

struct op *applier_running(struct cluster *c, const char *op_key)
{
    struct op *op = find(c, op_key);
    return op && op->state == OP_RUNNING ? op : NULL;
}

static const struct backoff backoff = {APPLIER_BACKOFF_MIN_MS, APPLIER_BACKOFF_MAX_MS};

static void fail(struct op *op, const struct err *err)
{
    struct cluster *c = op->cluster;
    leave_running(op);
    op->err = *err;
    op->state = OP_BACKOFF;
    struct kube_view v;
    snprintf(op->failed_rv, sizeof op->failed_rv, "%s", version_of(op, &v));
    op->until_ms = clock_ms(c->clock) + backoff_after(&backoff, &op->failures, err, op->key);
    log_debug("write failed", "cluster", c->name, "object", op->key, "error", err->msg);
    cluster_touch(c);
}

void applier_fail(struct op *op, const struct err *err)
{
    breaker_abandon(&op->cluster->breaker, op->probe);
    fail(op, err);
}

static void tell_breaker(struct op *op, const struct err *err)
{
    struct cluster *c = op->cluster;
    bool was = c->breaker.open;
    breaker_end(&c->breaker, op->probe, op->key, err, c->key, clock_ms(c->clock));
    if (c->breaker.open != was)
        log_warn(was ? "writes go on" : "writes are paused", "cluster", c->name, "error",
                 err ? err->msg : "");
}

/* The cluster's own answer, or its silence. */
void op_fail_answered(struct op *op, const struct err *err)
{
    tell_breaker(op, err);
    fail(op, err);
}

static void succeed(struct op *op)
{
    struct cluster *c = op->cluster;
    int64_t now = clock_ms(c->clock);
    tell_breaker(op, NULL);
    leave_running(op);
    bool again = op->applied_ms && now - op->applied_ms < APPLIER_FIGHT_MS &&
                 str_eq(op->intent, op->applied);
    op->streak = again ? op->streak + 1 : 0;
    op->applied_ms = now;
    memcpy(op->applied, op->intent, sizeof op->applied);
    op->failures = 0;
    op->place = OP_PLACE_UNKNOWN;
    op->err = (struct err){0};
    op->contested = op->verb == OP_APPLY && op->streak >= APPLIER_FIGHT_TIMES;
    op->state = op->contested ? OP_BACKOFF : OP_UNSEEN;
    op->until_ms =
        now + (op->contested ? backoff_wait(&backoff, op->streak, op->key) : APPLIER_SEEN_MS);
    if (c->written)
        c->written(c->arg);
    cluster_touch(c);
}

/* --- apply --- */

/* Was it a conflict with ourselves? Our labels may have been edited so that no watch of ours shows the object. */
static void on_conflict_read(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    const char *owner = err ? NULL : jx_str2(r->body, "metadata.labels", PLAN_LABEL_OWNER_UID);
    op->known_ours = owner && *op->owner && str_eq(owner, op->owner);
    struct err conflict = op->err;
    op_fail_answered(op, &conflict);
}

static void look_after_conflict(struct op *op, const struct err *err)
{
    op->err = *err;
    auto_free char *path = gvr_path(op->gvr, op->ns, op->name);
    struct kube_request q = {.method = "GET", .path = path, .accept = KUBE_ACCEPT_METADATA};
    op->call = kube_call(op->cluster->client, &q, on_conflict_read, op);
}

static void on_applied(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    if (err && err->class == ERR_CONFLICT && !op->ours) {
        look_after_conflict(op, err);
        return;
    }
    if (err) {
        op_fail_answered(op, err);
        return;
    }
    op->known_ours = false;
    snprintf(op->rv, sizeof op->rv, "%s", str_or(jx_str(r->body, "metadata.resourceVersion"), ""));
    log_debug("applied", "cluster", op->cluster->name, "object", op->key);
    succeed(op);
}

void applier_send(struct op *op, const char *body, size_t len, bool secret)
{
    struct kube_client *client = op->cluster->client;
    if (op->ours)
        op->call =
            kube_apply(client, op->gvr, op->ns, op->name, NULL, body, len, secret, on_applied, op);
    else
        op->call = kube_apply_unforced(client, op->gvr, op->ns, op->name, body, len, secret,
                                       on_applied, op);
}

/* --- places that others may have --- */

static void on_place(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    if (err && err->class != ERR_NOT_FOUND) {
        op_fail_answered(op, err);
        return;
    }
    const char *owner = err ? NULL : jx_str2(r->body, "metadata.labels", PLAN_LABEL_OWNER_UID);
    op->known_ours = owner && str_eq(owner, op->owner);
    op->place = err || op->known_ours ? OP_PLACE_FREE : OP_PLACE_TAKEN;
    op->place_ms = clock_ms(op->cluster->clock);
    op->failures = 0;
    op->err = (struct err){0};
    tell_breaker(op, NULL);
    leave_running(op);
    op->state = OP_IDLE;
    cluster_touch(op->cluster);
}

static void look_at_place(struct cluster *c, const struct gvr *gvr, const char *ns,
                          const char *name, const char *owner)
{
    struct op *op = applier_begin(c, gvr, ns, name);
    snprintf(op->owner, sizeof op->owner, "%s", owner);
    auto_free char *path = gvr_path(gvr, ns, name);
    struct kube_request q = {.method = "GET", .path = path, .accept = KUBE_ACCEPT_METADATA};
    op->call = kube_call(c->client, &q, on_place, op);
}

static bool place_is_known(const struct op *op, int64_t now)
{
    int64_t good_ms = op->place == OP_PLACE_TAKEN ? APPLIER_TAKEN_MS : APPLIER_FREE_MS;
    return op->place != OP_PLACE_UNKNOWN && now - op->place_ms < good_ms;
}

enum op_place applier_place(struct cluster *c, const struct gvr *gvr, const char *ns,
                            const char *name, const char *owner)
{
    char key[KEY_MAX];
    make_key(key, gvr, ns, name);
    const struct op *op = find(c, key);
    bool idle = applier_state(c, gvr, ns, name, NULL) == OP_IDLE;
    if (idle && !(op && place_is_known(op, clock_ms(c->clock))) && applier_has_room(c))
        look_at_place(c, gvr, ns, name, owner);
    op = find(c, key);
    return op && (op->place == OP_PLACE_TAKEN || place_is_known(op, clock_ms(c->clock)))
               ? op->place
               : OP_PLACE_UNKNOWN;
}

bool applier_busy(const struct cluster *c)
{
    for (const struct op *op = c->ops; op; op = op->hh.next)
        if (op->state != OP_IDLE || op->place != OP_PLACE_TAKEN)
            return true;
    return false;
}

/* --- delete --- */

void op_on_deleted(void *arg, const struct kube_response *r, const struct err *err)
{
    (void)r;
    struct op *op = arg;
    if (err && err->class != ERR_NOT_FOUND) {
        op_fail_answered(op, err);
        return;
    }
    log_debug("deleted", "cluster", op->cluster->name, "object", op->key);
    succeed(op);
}

void applier_delete(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name,
                    const char *uid)
{
    struct op *op = applier_begin(c, gvr, ns, name);
    op->verb = OP_DELETE;
    op->call = kube_delete(c->client, gvr, ns, name, uid, op_on_deleted, op);
}

void applier_delete_unchanged(struct cluster *c, const struct gvr *gvr,
                              const struct kube_view *live)
{
    const struct kube_meta *m = &live->meta;
    struct op *op = applier_begin(c, gvr, m->ns, m->name);
    op->verb = OP_DELETE;
    op->call =
        kube_delete_version(c->client, gvr, m->ns, m->name, m->uid, m->rv, op_on_deleted, op);
}

/* --- release --- */

static void on_released(void *arg, const struct kube_response *r, const struct err *err)
{
    (void)r;
    struct op *op = arg;
    if (err && err->class != ERR_NOT_FOUND) {
        op_fail_answered(op, err);
        return;
    }
    log_debug("released", "cluster", op->cluster->name, "object", op->key);
    succeed(op);
}

static void on_release_read(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    if (err || !jx_str(r->body, "metadata.resourceVersion")) {
        on_released(op, r,
                    err ? err : &(struct err){ERR_TRANSIENT, 0, 0, "no metadata in the answer"});
        return;
    }
    auto_json *patch = release_patch(r->body);
    auto_free char *body = jx_dump(patch);
    auto_free char *path = gvr_path(op->gvr, op->ns, op->name);
    auto_free char *url = xasprintf("%s?fieldManager=meshwright-release", path);
    struct kube_request q = {.method = "PATCH",
                             .path = url,
                             .content_type = KUBE_JSON_PATCH,
                             .body = body,
                             .accept = KUBE_ACCEPT_METADATA};
    op->call = kube_call(op->cluster->client, &q, on_released, op);
}

void op_release(struct op *op)
{
    op->verb = OP_RELEASE;
    auto_free char *path = gvr_path(op->gvr, op->ns, op->name);
    struct kube_request q = {.method = "GET", .path = path, .accept = KUBE_ACCEPT_METADATA};
    op->call = kube_call(op->cluster->client, &q, on_release_read, op);
}

void applier_release(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name)
{
    op_release(applier_begin(c, gvr, ns, name));
}

/* --- CustomResourceDefinitions: asked for instances first --- */

/* istiod makes these at its start, and nobody deletes them: they are no reason to keep their definition. */
static bool made_by_istiod(const char *crd, const json_t *instance)
{
    static const char *const classes[] = {"istio", "istio-remote", "istio-waypoint",
                                          "istio-east-west"};
    if (!str_eq(crd, "gatewayclasses.gateway.networking.k8s.io"))
        return false;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (str_eq(jx_str(instance, "metadata.name"), classes[i]))
            return true;
    return false;
}

static bool has_users_instances(const char *crd, const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach (jx_get(list, "items"), i, one) {
        if (!made_by_istiod(crd, one))
            return true;
    }
    return false;
}

static void on_instances(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    if (err && err->class != ERR_NOT_FOUND) {
        op_fail_answered(op, err);
        return;
    }
    if (!err && has_users_instances(op->name, r->body)) {
        op_release(op);
        return;
    }
    op->verb = OP_DELETE;
    op->call = kube_delete(op->cluster->client, op->gvr, NULL, op->name, NULL, op_on_deleted, op);
}

static void on_group(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    const char *gv = err ? NULL : jx_str(r->body, "preferredVersion.groupVersion");
    if (err && err->class != ERR_NOT_FOUND) {
        op_fail_answered(op, err);
        return;
    }
    if (!gv) {
        op_release(op); /* the API is not served: what is stored can't be seen, so keep it */
        return;
    }
    auto_free char *plural = xstrndup(op->name, strcspn(op->name, "."));
    /* more than istiod makes; what is ours goes before its definition does, and may still be seen on its way out */
    auto_free char *path =
        xasprintf("/apis/%s/%s?limit=8&labelSelector=%%21meshwright.dev%%2Fowner-uid", gv, plural);
    struct kube_request q = {.method = "GET", .path = path, .accept = KUBE_ACCEPT_METADATA_LIST};
    op->call = kube_call(op->cluster->client, &q, on_instances, op);
}

void applier_delete_crd(struct cluster *c, const struct gvr *gvr, const char *name)
{
    struct op *op = applier_begin(c, gvr, NULL, name);
    op->verb = OP_DELETE;
    const char *dot = strchr(name, '.');
    auto_free char *path = xasprintf("/apis/%s", dot ? dot + 1 : "");
    struct kube_request q = {.method = "GET", .path = path};
    op->call = kube_call(c->client, &q, on_group, op);
}

/* --- any of them --- */

static void remove_namespace(struct cluster *c, const struct gvr *gvr, const struct kube_meta *m)
{
    if (!m->created)
        applier_release(c, gvr, NULL, m->name);
    else if (str_eq(m->name, ISTIO_NAMESPACE))
        applier_delete_istio_namespace(c, gvr, m->name, m->uid);
    else
        applier_delete_entry_namespace(c, gvr, m->name, m->uid);
}

void applier_remove(struct cluster *c, const struct gvr *gvr, const struct kube_view *live)
{
    const struct kube_meta *m = &live->meta;
    bool users = str_eq(gvr->kind, "Service") && live->has_selector &&
                 plan_wave_of(m->wave) == PLAN_DNS; /* it got a selector */
    if (users)
        applier_release(c, gvr, m->ns, m->name);
    else if (str_eq(gvr->kind, "CustomResourceDefinition"))
        applier_delete_crd(c, gvr, m->name);
    else if (str_eq(gvr->kind, "Namespace"))
        remove_namespace(c, gvr, m);
    else
        applier_delete(c, gvr, m->ns, m->name, m->uid);
}

/* --- for status and timers --- */

void applier_well(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name)
{
    char key[KEY_MAX];
    make_key(key, gvr, ns, name);
    struct op *op = find(c, key);
    if (!op || op->state != OP_IDLE)
        return;
    op->failures = 0;
    op->err = (struct err){0};
    op->contested = false;
    if (clock_ms(c->clock) - op->applied_ms >= APPLIER_FIGHT_MS)
        op_free(op);
}

const struct op *applier_worst(const struct cluster *c, const char *owner)
{
    const struct op *worst = NULL;
    for (const struct op *op = c->ops; op; op = op->hh.next) {
        if ((!op->failures && !op->contested) || (*op->owner && !str_eq(op->owner, owner)))
            continue;
        if (!worst || op->failures > worst->failures)
            worst = op;
    }
    return worst;
}

/* When something is to be done about it by itself; 0: never. */
static int64_t due_ms(const struct op *op)
{
    if (op->state == OP_IDLE)
        return op->place == OP_PLACE_TAKEN ? op->place_ms + APPLIER_TAKEN_MS : 0;
    return op->until_ms;
}

int64_t applier_next_ms(const struct cluster *c)
{
    int64_t now = clock_ms(c->clock), next = breaker_next_ms(&c->breaker, now);
    for (const struct op *op = c->ops; op; op = op->hh.next) {
        int64_t due = due_ms(op);
        if (due <= now && op->state != OP_RUNNING)
            continue; /* idle, whoever looks next will find */
        int64_t left = due > now ? due - now : 1;
        next = next < 0 || left < next ? left : next;
    }
    return next;
}

void applier_cancel(struct cluster *c)
{
    struct op *op, *tmp;
    HASH_ITER (hh, c->ops, op, tmp) {
        if (op->call)
            kube_call_cancel(op->call);
        op_free(op);
    }
    *c->running -= c->n_ops;
    c->n_ops = 0;
    c->breaker = (struct breaker){0};
}
