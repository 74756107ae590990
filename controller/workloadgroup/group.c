/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "membercluster/status.h"
#include "workloadgroup/pass.h"
#include "json/jx.h"

enum {
    BUSY_MS = 500,
    RESYNC_MS = 300000,
    POLL_MS = 1000,
    MACHINES_MS = 1000, /* between two statuses that differ in machines alone: they may be many */
};

/* --- state per group --- */

static struct workloadgroup *find(const struct manager *m, const char *key)
{
    struct workloadgroup *g;
    HASH_FIND_STR(m->workloadgroups, key, g);
    return g;
}

static struct workloadgroup *group_get(struct manager *m, const struct hub_object *o)
{
    struct workloadgroup *g = find(m, o->key);
    if (g)
        return g;
    g = xcalloc(1, sizeof *g + strlen(o->key) + 1);
    *g = (struct workloadgroup){.manager = m};
    memcpy(g->key, o->key, strlen(o->key) + 1);
    g->ns = xstrdup(str_or(jx_str(o->obj, "metadata.namespace"), ""));
    g->name = xstrdup(jx_str(o->obj, "metadata.name"));
    g->uid = xstrdup(str_or(jx_str(o->obj, "metadata.uid"), ""));
    g->born_ms = clock_ms(m->clock);
    HASH_ADD_STR(m->workloadgroups, key, g);
    return g;
}

static void group_free(struct manager *m, struct workloadgroup *g)
{
    HASH_DEL(m->workloadgroups, g);
    workloadgroup_bundle_done(&g->bundle);
    workloadgroup_sites_done(g);
    free(g->ns);
    free(g->name);
    free(g->uid);
    free(g);
}

void workloadgroup_forget_all(struct manager *m)
{
    while (m->workloadgroups)
        group_free(m, m->workloadgroups);
}

/* --- status --- */

/* Machines come, go and fall ill all the time: that is told at most once in a while. */
static bool tells_too_often(struct workloadgroup_pass *p, const json_t *status)
{
    const json_t *old = json_object_get(p->object->obj, "status");
    int64_t now = clock_ms(p->group->manager->clock), left = p->group->told_ms + MACHINES_MS - now;
    if (!p->group->told_ms || left <= 0 || !workloadgroup_status_same(old, status)) {
        p->group->told_ms = now;
        return false;
    }
    workloadgroup_again(p, left);
    return true;
}

static void report(struct workloadgroup_pass *p)
{
    struct workloadgroup *g = p->group;
    struct verdict all = workloadgroup_summary(&p->report);
    int64_t now = clock_ms(g->manager->clock), left;
    bool young = now - g->born_ms < CLUSTER_SETTLE_MS;
    if (all.early && young && hub_has_report(p->object)) {
        workloadgroup_again(p, POLL_MS);
        return;
    }
    bool momentary =
        verdict_is_momentary(&all, hub_was_ready(p->object), now, &g->unready_ms, &left);
    workloadgroup_again(p, left);
    if (momentary)
        return;
    auto_json *status = workloadgroup_status(&p->report, json_object_get(p->object->obj, "status"),
                                             p->cr->meta.generation, clock_s(g->manager->clock));
    if (!json_equal(status, json_object_get(p->object->obj, "status")) &&
        !tells_too_often(p, status))
        hub_set_status(p->object, status);
}

/* --- work --- */

/* What only an edit of some resource helps with. */
static bool resolve(struct workloadgroup_pass *p)
{
    p->report.resolved = verdict_yes("Resolved", "everything that the spec names is there");
    p->report.accepted = verdict_yes("Accepted", "machines can be let in");
    if (p->place.cluster)
        return true;
    p->report.accepted = verdict_stalled(p->place.reason, p->place.message);
    return false;
}

/* The mesh takes istiod and the types of Istio with it: machines that were not told before go on as they are. */
static bool ends_with_mesh(const struct workloadgroup_pass *p)
{
    const struct hub_object *mesh = workloadgroup_mesh(p);
    return mesh && hub_is_going(mesh->obj) && !machines_outlive_mesh(p->object->obj) &&
           !str_eq(jx_str(mesh->obj, "spec.deletionPolicy"), "Retain");
}

static void work(struct workloadgroup_pass *p)
{
    const json_t *status = json_object_get(p->object->obj, "status");
    p->report.ns = p->ns;
    p->report.account = p->account;
    if (resolve(p)) {
        p->report.cluster = p->place.cluster;
        workloadgroup_work(p);
    } else { /* what it made stays until it is told where else to be */
        p->report.cluster = jx_str(status, "cluster");
        p->report.account_made = jx_bool(status, "accountMade", false);
        workloadgroup_bundle_step(p, NULL);
        if (ends_with_mesh(p)) {
            workloadgroup_take_away(p);
            workloadgroup_again(p, p->leftovers > 0 ? POLL_MS : 0);
        }
    }
    if (p->cr->spec.suspend)
        p->report.resolved =
            verdict_no("Suspended", "spec.suspend is true: live objects stay as they are");
    report(p);
    workloadgroup_again(p, RESYNC_MS);
}

/* --- reconcile --- */

static int64_t pass(struct workloadgroup *g, struct hub_object *o,
                    const struct api_workload_group *cr, struct arena *a)
{
    struct workloadgroup_pass *p = arena_new(a, struct workloadgroup_pass);
    *p = (struct workloadgroup_pass){
        .group = g,
        .object = o,
        .cr = cr,
        .arena = a,
        .place = mesh_machines_primary(g->manager, a, o),
        .ns = machines_namespace(o->obj),
        .account = machines_account(o->obj),
    };
    if (cr->meta.deleting)
        workloadgroup_leave(p);
    else if (!hub_has_finalizer(o))
        hub_set_finalizer(o, true); /* before anything is made */
    else
        work(p);
    return p->again_ms;
}

int64_t workloadgroup_reconcile(struct manager *m, const char *key)
{
    struct hub_object *o = hub_find(&m->hub, API_KIND_WORKLOAD_GROUP, key);
    struct workloadgroup *g = find(m, key);
    if (g && (!o || !str_eq(g->uid, jx_str(o->obj, "metadata.uid"))))
        group_free(m, g);
    if (!o)
        return 0;
    if (hub_busy(o))
        return BUSY_MS;
    auto_arena a = ARENA_INIT;
    struct api_workload_group *cr;
    struct err err = {0};
    if (api_workload_group_decode(o->obj, &a, &cr, &err) < 0) {
        auto_json *status = member_status_invalid(o, m->clock, &err);
        hub_set_status(o, status);
        return 0;
    }
    return pass(group_get(m, o), o, cr, &a);
}
