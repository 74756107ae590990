/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/applier.h"
#include "runtime/watches.h"
#include "json/jx.h"

static void probe(struct cluster *c);

void cluster_touch(struct cluster *c)
{
    c->rev++;
    if (!c->closing)
        c->changed(c->arg, c);
}

/* --- probe and identity --- */

static void on_timer(uv_timer_t *t)
{
    probe(t->data);
}

static void probe_after(struct cluster *c, uint64_t ms)
{
    if (!c->closing)
        uv_timer_start(&c->timer, on_timer, ms, 0);
}

static void set_state(struct cluster *c, enum cluster_state state, const struct err *err)
{
    bool changed = c->state != state || (err && !str_eq(c->problem.msg, err->msg));
    bool back = state == CLUSTER_REACHABLE && c->state == CLUSTER_UNREACHABLE;
    c->state = state;
    c->problem = err ? *err : (struct err){0};
    if (back) {
        c->breaker = (struct breaker){0};
        cluster_watches_wake(c);
    }
    if (changed)
        cluster_touch(c);
}

static void on_no_answer(struct cluster *c, const struct err *err)
{
    c->failures++;
    bool refused =
        err->class == ERR_UNAUTHORIZED || err->class == ERR_FORBIDDEN || err->class == ERR_INVALID;
    if (refused || c->failures >= CLUSTER_PROBE_FAILURES || c->state == CLUSTER_UNKNOWN)
        set_state(c, CLUSTER_UNREACHABLE, err);
    probe_after(c, CLUSTER_PROBE_AGAIN_MS);
}

/* An answer takes a moment, and Date has whole seconds: small differences are none. */
static void note_skew(struct cluster *c, const struct kube_response *r)
{
    int64_t skew = r->date_s ? r->date_s - clock_s(c->clock) : c->skew_s;
    int64_t step = skew > c->skew_s ? skew - c->skew_s : c->skew_s - skew;
    if (step <= CLUSTER_SKEW_STEP_S)
        return;
    c->skew_s = skew;
    cluster_touch(c);
}

static void check_identity(struct cluster *c, const char *uid)
{
    if (c->pinned && !str_eq(c->pinned, uid)) {
        struct err err;
        err_set(&err, ERR_INVALID, 0,
                "another cluster answers at this address: kube-system has UID %s, pinned is %s",
                uid, c->pinned);
        cluster_watches_stop(c);
        set_state(c, CLUSTER_STRANGER, &err);
        return;
    }
    xfreep(&c->uid);
    c->uid = xstrdup(uid);
    if (!c->pinned)
        c->pinned = xstrdup(uid);
    cluster_watches_start(c);
    set_state(c, CLUSTER_REACHABLE, NULL);
    cluster_watches_attend(c);
}

static void on_identity(void *arg, const struct kube_response *r, const struct err *err)
{
    struct cluster *c = arg;
    c->probe = NULL;
    const char *uid = err ? NULL : jx_str(r->body, "metadata.uid");
    struct err none;
    if (!err && !uid)
        err_set(&none, ERR_TRANSIENT, 0, "namespace kube-system has no UID in the answer");
    if (!uid) {
        on_no_answer(c, err ? err : &none);
        return;
    }
    c->failures = 0;
    note_skew(c, r);
    check_identity(c, uid);
    /* Not all clusters in the same instant: the clock's last digits are as good as a random number. */
    probe_after(c, CLUSTER_PROBE_MS - uv_hrtime() % (CLUSTER_PROBE_MS / 8));
}

static void ask_identity(struct cluster *c)
{
    struct kube_request q = {.method = "GET",
                             .path = "/api/v1/namespaces/kube-system",
                             .accept = KUBE_ACCEPT_METADATA,
                             .timeout_ms = CLUSTER_PROBE_TIMEOUT_MS};
    c->probe = kube_call(c->client, &q, on_identity, c);
}

static void on_version(void *arg, const struct kube_response *r, const struct err *err)
{
    struct cluster *c = arg;
    c->probe = NULL;
    const char *version = err ? NULL : jx_str(r->body, "gitVersion");
    if (!version) {
        on_no_answer(
            c, err ? err
                   : &(struct err){ERR_TRANSIENT, 0, 0, "no gitVersion in the answer of /version"});
        return;
    }
    if (!str_eq(c->version, version)) {
        xfreep(&c->version);
        c->version = xstrndup(version, 64);
        const char *minor = str_or(jx_str(r->body, "minor"), "");
        auto_free char *digits = xstrndup(minor, strspn(minor, "0123456789"));
        int64_t n = 0;
        c->minor = str_to_i64(digits, 0, 1000, &n) == 0 ? (int)n : 0;
        cluster_touch(c);
    }
    c->versioned_ms = clock_ms(c->clock);
    ask_identity(c);
}

/* The identity shows life as well; the version changes seldom, and not without a restart of the API server. */
static void probe(struct cluster *c)
{
    if (c->probe || !c->client || c->closing)
        return;
    int64_t age = clock_ms(c->clock) - c->versioned_ms;
    if (c->version && c->state == CLUSTER_REACHABLE && !c->failures && age < CLUSTER_VERSION_MS) {
        ask_identity(c);
        return;
    }
    struct kube_request q = {
        .method = "GET", .path = "/version", .timeout_ms = CLUSTER_PROBE_TIMEOUT_MS};
    c->probe = kube_call(c->client, &q, on_version, c);
}

/* --- tasks --- */

void cluster_task_begin(struct cluster *c, struct cluster_task *t,
                        void (*drop)(struct cluster_task *t))
{
    *t = (struct cluster_task){.cluster = c, .next = c->tasks, .drop = drop};
    if (c->tasks)
        c->tasks->prev = t;
    c->tasks = t;
}

void cluster_task_end(struct cluster_task *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        t->cluster->tasks = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

static void drop_tasks(struct cluster *c)
{
    while (c->tasks) {
        struct cluster_task *t = c->tasks;
        cluster_task_end(t);
        t->drop(t);
    }
}

/* --- life --- */

static void drop_client(struct cluster *c)
{
    applier_cancel(c);
    cluster_watches_stop(c);
    c->probe = NULL;
    if (c->client)
        kube_client_free(c->client);
    c->client = NULL;
    drop_tasks(c);
}

struct cluster *cluster_new(uv_loop_t *loop, const struct clock *clock, const char *ns,
                            const char *name, cluster_changed_cb *changed, void *arg)
{
    size_t n = strlen(ns) + strlen(name) + 2;
    struct cluster *c = xcalloc(1, sizeof *c + n);
    *c = (struct cluster){.loop = loop, .clock = clock, .changed = changed, .arg = arg};
    snprintf(c->key, n, "%s/%s", ns, name);
    c->ns = xstrdup(ns);
    c->name = xstrdup(name);
    c->born_ms = clock_ms(clock);
    c->running = &c->alone;
    c->rev = 1;
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    return c;
}

int cluster_configure(struct cluster *c, const struct kube_config *config, const char *digest,
                      const char *pinned, struct err *err)
{
    if (pinned && !c->pinned)
        c->pinned = xstrdup(pinned);
    if (c->client && str_eq(c->config_digest, digest))
        return 0;
    if (c->client && str_eq(kube_client_server(c->client), config->server)) {
        if (kube_client_set_config(c->client, config, err) < 0)
            return -1;
        cluster_watches_wake(c);
    } else {
        struct kube_client *fresh = kube_client_new(c->loop, c->clock, config, err);
        if (!fresh)
            return -1;
        drop_client(c);
        c->client = fresh;
    }
    snprintf(c->config_digest, sizeof c->config_digest, "%s", digest);
    c->rev++;
    c->failures = 0;
    probe_after(c, 0);
    return 0;
}

/* --- whose objects it holds --- */

static void forget_owners(struct cluster_owners *o)
{
    for (size_t i = 0; i < o->n; i++)
        free(o->uids[i]);
    free(o->uids);
    *o = (struct cluster_owners){0};
}

static void add_owner(struct cluster_owners *o, const char *uid)
{
    for (size_t i = 0; i < o->n; i++)
        if (str_eq(o->uids[i], uid))
            return;
    o->uids = xrealloc(o->uids, (o->n + 1) * sizeof *o->uids);
    o->uids[o->n++] = xstrdup(uid);
}

static void add_owners(struct cluster_owners *o, const struct records *all)
{
    const struct kube_record *r;
    for (size_t at = 0; (r = records_next(all, &at));) {
        struct kube_view v;
        if (!kube_record_managed(r))
            continue;
        kube_record_view(r, &v);
        if (v.meta.owner_uid && o->n < CLUSTER_OWNERS_MAX)
            add_owner(o, v.meta.owner_uid);
    }
}

const struct cluster_owners *cluster_owners(struct cluster *c)
{
    if (c->owners.rev == c->rev)
        return &c->owners;
    forget_owners(&c->owners);
    for (size_t i = 0; i < c->n_watches; i++)
        add_owners(&c->owners, &c->watches[i].records);
    c->owners.rev = c->rev;
    return &c->owners;
}

bool cluster_holds(struct cluster *c, const char *owner_uid)
{
    const struct cluster_owners *o = cluster_owners(c);
    for (size_t i = 0; i < o->n; i++)
        if (str_eq(o->uids[i], owner_uid))
            return true;
    return o->n == CLUSTER_OWNERS_MAX;
}

static void on_closed(uv_handle_t *h)
{
    struct cluster *c = h->data;
    forget_owners(&c->owners);
    free(c->ns);
    free(c->name);
    free(c->pinned);
    free(c->uid);
    free(c->version);
    free(c);
}

void cluster_free(struct cluster *c)
{
    if (!c)
        return;
    c->closing = true;
    drop_client(c);
    uv_timer_stop(&c->timer);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

bool cluster_settled(const struct cluster *c)
{
    if (clock_ms(c->clock) - c->born_ms >= CLUSTER_SETTLE_MS || c->state == CLUSTER_UNREACHABLE)
        return true;
    return c->state == CLUSTER_STRANGER || cluster_ready(c);
}

bool cluster_known(const struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (!c->watches[i].records.synced || c->watches[i].records.full)
            return false;
    return c->n_watches > 0;
}

const struct cluster_watch *cluster_full_watch(const struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].records.full)
            return &c->watches[i];
    return NULL;
}

bool cluster_ready(const struct cluster *c)
{
    return c->state == CLUSTER_REACHABLE && cluster_known(c);
}

const struct cluster_watch *cluster_broken_watch(const struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].problem)
            return &c->watches[i];
    return NULL;
}
