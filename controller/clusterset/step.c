/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "clusterset/set.h"
#include "json/jx.h"

enum {
    LEAVING_POLL_MS = 1000,
    UNREADY_MS =
        5000, /* pods come and go: what is brought here within this time changes no status */
};

/* --- small things --- */

void set_again(struct set_pass *p, int64_t ms)
{
    if (ms > 0 && (!p->again_ms || ms < p->again_ms))
        p->again_ms = ms;
}

void set_say(struct set_member *s, struct set_condition *c, enum cond_status status,
             const char *reason, const char *message)
{
    if (c->status == status && str_eq(c->reason, reason) && str_eq(c->message, message))
        return;
    c->status = status;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    free(c->message);
    c->message = xstrdup0(message);
    s->rev++;
}

const struct gvr *set_exports(void)
{
    return plan_gvr(MCS_API_VERSION, "ServiceExport");
}

const struct gvr *set_imports(void)
{
    return plan_gvr(MCS_API_VERSION, "ServiceImport");
}

const struct gvr *set_slices(void)
{
    return plan_gvr("discovery.k8s.io/v1", "EndpointSlice");
}

struct records *set_records(struct cluster *c, const char *api_version, const char *kind)
{
    return cluster_records(c, plan_gvr(api_version, kind));
}

/* --- membership --- */

/* The set that the status speaks of: written before anything is made, so what was made is found again. */
static const char *told_set(const struct hub_object *o)
{
    return jx_str(o->obj, "status.clusterSet.name");
}

static const char *wanted_set(const struct api_member_cluster *cr)
{
    return cr->meta.deleting ? NULL : cr->spec.cluster_set;
}

static struct set_member *set_get(struct member *mb)
{
    if (!mb->set)
        mb->set = xcalloc(1, sizeof *mb->set);
    return mb->set;
}

void clusterset_forget(struct member *mb)
{
    struct set_member *s = mb->set;
    if (!s)
        return;
    set_facts_done(&s->facts);
    kept_drop(&mb->manager->kept, &s->plan);
    json_decref(s->said);
    json_decref(s->status);
    free(s->unknown);
    free(s->ready.message);
    free(s->dns.message);
    xfreep(&mb->set);
}

/* --- settling the plan --- */

static bool nothing_new(const struct set_pass *p, int64_t now)
{
    const struct set_member *s = p->s;
    return s->settled && s->settled_cluster == p->c->rev && s->settled_plan == s->plan_rev &&
           cluster_ready(p->c) && (!s->step_again_ms || now < s->step_again_ms);
}

/* Something is on its way, and for so short a time that what was said before stays said. */
static bool is_brief(struct set_pass *p, bool complete)
{
    struct set_member *s = p->s;
    int64_t now = clock_ms(p->mb->manager->clock);
    if (complete || !s->unready_ms)
        s->unready_ms = complete ? 0 : now;
    int64_t left = complete ? 0 : s->unready_ms + UNREADY_MS - now;
    set_again(p, left);
    return left > 0 && (!s->ready.message || s->ready.status == COND_TRUE);
}

static void say_found(struct set_pass *p, const struct applyplan *x)
{
    struct set_condition *c = &p->s->ready;
    if (!x->ready) /* what was true stays true: another condition says that it can't be reached */
        return;
    bool brief = is_brief(p, applyplan_complete(x));
    if (p->s->facts.problem)
        set_say(p->s, c, COND_FALSE, "CannotRead", p->s->facts.problem);
    else if (x->failed)
        set_say(p->s, c, COND_FALSE, "WriteFailed", x->failed);
    else if (x->foreign)
        set_say(p->s, c, COND_FALSE, "ForeignObject",
                arena_printf(p->arena,
                             "%s exists and is not ours (%zu such): it is left alone; next: rename "
                             "or delete it",
                             x->foreign, x->n_foreign));
    else if (brief || (p->s->settling && !c->message))
        return;
    else if (!applyplan_complete(x))
        set_say(p->s, c, COND_FALSE, "Reconciling", "imported services are being brought here");
    else if (p->s->unknown)
        set_say(
            p->s, c, COND_FALSE, "WaitingForCluster",
            arena_printf(p->arena,
                         "clusters %s of the set were not read since the start: what comes from "
                         "them stays as it is",
                         p->s->unknown));
    else
        set_say(p->s, c, COND_TRUE, "Ready", "what the set exports is here");
}

static void settle(struct set_pass *p)
{
    struct set_member *s = p->s;
    int64_t now = clock_ms(p->mb->manager->clock);
    if (nothing_new(p, now)) {
        set_again(p, s->step_again_ms - now);
        return;
    }
    struct applyplan x = {
        .cluster = p->c,
        .arena = p->arena,
        .owner_uid = p->cr->meta.uid,
        .plan = p->name ? &s->plan : NULL,
        .hold = set_hold,
        .hold_arg = p,
    };
    uint64_t at = p->c->rev; /* before: what this step does is a change itself */
    applyplan_step(&x);
    s->complete = applyplan_complete(&x);
    s->settled = s->complete;
    s->settled_cluster = at;
    s->settled_plan = s->plan_rev;
    s->step_again_ms = x.again_ms ? now + x.again_ms : 0;
    set_again(p, x.again_ms);
    say_found(p, &x);
}

/* --- the pass --- */

static void want_kinds(const struct set_pass *p)
{
    cluster_want(p->c, set_exports(), CLUSTER_ALL);
    cluster_want(p->c, set_slices(), CLUSTER_ALL);
    cluster_want(p->c, set_imports(), CLUSTER_OURS);
}

static void work(struct set_pass *p)
{
    struct err err = {0};
    want_kinds(p);
    set_read(p);
    if (p->s->facts.problem)
        set_say(p->s, &p->s->ready, COND_FALSE, "CannotRead", p->s->facts.problem);
    if (!p->s->facts.read || !cluster_known(p->c))
        return;
    size_t before = p->s->exported + p->s->imported;
    if (set_plan(p, &err) < 0) {
        set_say(p->s, &p->s->ready, COND_FALSE, "Invalid", err.msg);
        return;
    }
    p->s->rev += before != p->s->exported + p->s->imported;
    settle(p);
    if (!cluster_ready(p->c))
        return;
    set_say_all(p);
    set_dns(p);
}

static void leave(struct set_pass *p)
{
    want_kinds(p);
    set_again(p, LEAVING_POLL_MS);
    set_read(p);
    set_say(p->s, &p->s->ready, COND_FALSE, "Leaving", "what the set made is being deleted");
    if (!cluster_ready(p->c))
        return;
    p->s->settled = false;
    settle(p);
    set_say(p->s, &p->s->ready, COND_FALSE, "Leaving", "what the set made is being deleted");
    if (!p->s->facts.read)
        return;
    set_say_all(p);
    set_dns(p);
}

bool clusterset_left(const struct member *mb, const struct hub_object *o)
{
    const struct set_member *s = mb->set;
    const struct cluster *c = manager_cluster(mb->manager, mb->ns, mb->name);
    if (!s)
        return !told_set(o);
    return c && cluster_ready(c) && s->complete && set_dns_clean(s) && set_said_nothing(s);
}

int64_t clusterset_step(struct member *mb, struct hub_object *o,
                        const struct api_member_cluster *cr, struct arena *a)
{
    struct cluster *c = manager_cluster(mb->manager, mb->ns, mb->name);
    const char *name = wanted_set(cr);
    if (!c || cr->spec.suspend || (!name && !told_set(o)))
        return 0;
    struct set_pass p = {mb, set_get(mb), o, cr, c, a, name, 0};
    manager_await_kind(mb->manager, c->key, API_KIND_MEMBER_CLUSTER, mb->key);
    if (name && !told_set(o)) {
        set_say(p.s, &p.s->ready, COND_FALSE, "Reconciling", "the cluster joins the set");
        return LEAVING_POLL_MS; /* with the status that says so it begins */
    }
    if (name)
        work(&p);
    else
        leave(&p);
    if (!name && clusterset_left(mb, o))
        clusterset_forget(mb);
    return p.again_ms;
}

/* --- status --- */

bool clusterset_unread(const struct member *mb, const struct hub_object *o,
                       const struct api_member_cluster *cr)
{
    const struct set_member *s = mb->set;
    const struct cluster *c = manager_cluster(mb->manager, mb->ns, mb->name);
    return wanted_set(cr) && told_set(o) && !cr->spec.suspend && c && cluster_ready(c) &&
           !(s && (s->facts.problem || (s->ready.message && s->dns.message)));
}

void clusterset_report(const struct member *mb, const struct hub_object *o,
                       const struct api_member_cluster *cr, json_t *status)
{
    const struct set_member *s = mb->set;
    const char *name = wanted_set(cr);
    bool leaving = !name && told_set(o) && (s || cr->spec.suspend);
    if (!name && !leaving)
        return;
    bool counted = s && s->planned;
    const json_t *old = jx_get(o->obj, "status.clusterSet");
    int64_t exported = counted ? (int64_t)s->exported : jx_int(old, "exported", 0);
    int64_t imported = counted ? (int64_t)s->imported : jx_int(old, "imported", 0);
    jx_set_new(status, "clusterSet",
               json_pack("{s:s, s:I, s:I}", "name", name ? name : told_set(o), "exported",
                         (json_int_t)exported, "imported", (json_int_t)imported));
}

void clusterset_edited(struct manager *m, const char *key)
{
    const struct hub_object *o = hub_find(&m->hub, API_KIND_MEMBER_CLUSTER, key);
    const char *set = o ? jx_str(o->obj, "spec.clusterSet") : NULL;
    size_t n = strcspn(key, "/") + 1;
    if (!set)
        return;
    for (struct hub_object *x = m->hub.kinds[API_KIND_MEMBER_CLUSTER].all; x; x = x->hh.next)
        if (strncmp(x->key, key, n) == 0 && str_eq(jx_str(x->obj, "spec.clusterSet"), set))
            manager_enqueue(m, API_KIND_MEMBER_CLUSTER, x->key, 0);
}
