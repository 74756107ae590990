/* SPDX-License-Identifier: Apache-2.0 */
/* What goes: everything of a group in a cluster, and entries that nobody clears. */
#include "applyplan.h"
#include "base/mem.h"
#include "base/str.h"
#include "workloadgroup/pass.h"

static bool is_free(struct cluster *c, const struct gvr *g, const struct kube_view *v)
{
    return !v->meta.deleting && applier_state(c, g, v->meta.ns, v->meta.name, NULL) == OP_IDLE &&
           applier_has_room(c);
}

/* --- entries --- */

/* Those of our machines. Their owner is the WorkloadGroup, so the API server's garbage collector takes them as well, in
 * its own time. Returns how many there are still. */
static size_t remove_entries(struct workloadgroup_pass *p, struct cluster *c)
{
    const struct records *all = cluster_records(c, workloadgroup_entry_kind());
    const struct kube_record *r;
    size_t n = 0;
    for (size_t at = 0; all && (r = records_next(all, &at));) {
        struct kube_view v;
        if (!entries_is_of(r, p->ns, p->group->name, &v))
            continue;
        n++;
        if (is_free(c, workloadgroup_entry_kind(), &v))
            applier_delete(c, workloadgroup_entry_kind(), v.meta.ns, v.meta.name, v.meta.uid);
    }
    return n;
}

void workloadgroup_clear_stale(struct workloadgroup_pass *p, struct cluster *c)
{
    const struct records *all = cluster_records(c, workloadgroup_entry_kind());
    int64_t now = clock_s(workloadgroup_manager(p)->clock);
    const struct kube_record *r;
    for (size_t at = 0; all && (r = records_next(all, &at));) {
        struct kube_view v;
        if (entries_is_of(r, p->ns, p->group->name, &v) && entries_is_stale(&v, now) &&
            is_free(c, workloadgroup_entry_kind(), &v))
            applier_delete_unchanged(c, workloadgroup_entry_kind(), &v);
    }
}

/* --- the account --- */

/* Another group uses it as well: it is let go instead of deleted. True while it is still ours. */
static bool release_shared_account(struct workloadgroup_pass *p, struct cluster *c)
{
    const struct gvr *accounts = plan_gvr("v1", "ServiceAccount");
    if (!workloadgroup_made(p, c, accounts, p->ns, p->account) || workloadgroup_account_alone(p, c))
        return false;
    if (applier_state(c, accounts, p->ns, p->account, NULL) == OP_IDLE && applier_has_room(c))
        applier_release(c, accounts, p->ns, p->account);
    return true;
}

/* --- all --- */

static void step(struct workloadgroup_pass *p, struct cluster *c)
{
    struct applyplan x = {.cluster = c, .arena = p->arena, .owner_uid = p->group->uid};
    applyplan_step(&x);
    workloadgroup_again(p, x.again_ms);
    p->leftovers += x.leftovers;
}

/* First the WorkloadGroup, so that nobody registers any more, then the entries, then the rest. */
void workloadgroup_empty(struct workloadgroup_pass *p, struct cluster *c)
{
    struct workloadgroup_site *site = workloadgroup_site(p->group, c->name);
    bool holds = cluster_holds(c, p->group->uid);
    workloadgroup_look(p, c);
    if (!cluster_ready(c)) {
        p->out_of_reach |= holds || site->grouped || !cluster_known(c);
        return;
    }
    bool grouped = workloadgroup_made(p, c, workloadgroup_kind(), p->ns, p->group->name);
    site->grouped |= grouped;
    if (holds && release_shared_account(p, c))
        p->leftovers++;
    else if (holds)
        step(p, c);
    if (site->grouped && !grouped)
        p->leftovers += remove_entries(p, c);
}
