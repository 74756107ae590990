/* SPDX-License-Identifier: Apache-2.0 */
/* Makes what the spec says in the cluster that the machines attach to, and looks at what istiod says of them. */
#include "applyplan.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/istio.h"
#include "mesh/mesh.h"
#include "workloadgroup/objects.h"
#include "workloadgroup/pass.h"
#include "json/jx.h"

/* --- what is wanted --- */

/* One that somebody else made is nobody's to change. */
static bool makes_namespace(const struct workloadgroup_pass *p, struct cluster *c)
{
    const struct gvr *g = plan_gvr("v1", "Namespace");
    const struct records *all = cluster_records(c, g);
    return !all || !records_find(all, NULL, p->ns) || workloadgroup_made(p, c, g, NULL, p->ns);
}

static int plan_of(const struct workloadgroup_pass *p, struct cluster *c, struct plan *plan,
                   struct err *err)
{
    struct workloadgroup_place at = {.network = p->place.network,
                                     .revision = workloadgroup_revision(p),
                                     .makes_namespace = makes_namespace(p, c)};
    return workloadgroup_objects(p->arena, p->cr, &at, plan, err);
}

/* --- whether the cluster can be worked on --- */

static bool has_istio(struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].gvr == workloadgroup_kind())
            return !c->watches[i].absent;
    return false;
}

static struct verdict unreachable(const struct workloadgroup_pass *p, const struct cluster *c)
{
    const char *name = p->place.cluster;
    struct verdict v =
        verdict_no("ClusterUnreachable",
                   arena_printf(p->arena,
                                "cluster %s: not connected, its work is deferred; next: kubectl "
                                "describe membercluster %s -n %s",
                                name, name, p->group->ns));
    v.early = !c || !cluster_settled(c);
    return v;
}

static bool usable(struct workloadgroup_pass *p, struct cluster *c)
{
    auto_free char *key = xasprintf("%s/%s", p->group->ns, p->place.cluster);
    bool listed = hub_find(&workloadgroup_manager(p)->hub, API_KIND_MEMBER_CLUSTER, key) != NULL;
    manager_await_kind(workloadgroup_manager(p), key, API_KIND_WORKLOAD_GROUP, p->group->key);
    if (!listed)
        p->report.programmed =
            verdict_no("ClusterNotFound",
                       arena_printf(p->arena,
                                    "there is no MemberCluster %s in namespace %s; next: create "
                                    "it, or name another Primary in spec.cluster",
                                    p->place.cluster, p->group->ns));
    else if (!c || !cluster_ready(c))
        p->report.programmed = unreachable(p, c);
    else if (!has_istio(c))
        p->report.programmed = verdict_no(
            "WaitingForMesh",
            arena_printf(p->arena,
                         "cluster %s has no Istio yet; next: when it stays so, kubectl describe "
                         "meshes.meshwright.dev %s -n %s",
                         p->place.cluster, p->cr->spec.mesh_ref->name, p->group->ns));
    else
        return true;
    return false;
}

/* --- what is there --- */

static void look_at_machines(struct workloadgroup_pass *p, struct cluster *c)
{
    struct workloadgroup_site *site = workloadgroup_site(p->group, c->name);
    const struct records *all = cluster_records(c, workloadgroup_entry_kind());
    site->grouped |= workloadgroup_made(p, c, workloadgroup_kind(), p->ns, p->group->name);
    if (!all || !site->grouped || !cluster_known(c))
        return;
    if (site->entries_rev != c->machine_rev + 1) {
        entries_done(&site->entries);
        entries_read(all, p->ns, p->group->name, &site->entries);
        site->entries_rev = c->machine_rev + 1;
    }
    p->report.machines = site->entries.rows;
    p->report.registered = site->entries.registered;
    p->report.healthy = site->entries.healthy;
}

static void clear_stale(struct workloadgroup_pass *p, struct cluster *c)
{
    const struct workloadgroup_site *site = workloadgroup_site(p->group, c->name);
    int64_t now = clock_s(workloadgroup_manager(p)->clock), at = site->entries.stale_at_s;
    if (!at)
        return;
    if (at > now)
        workloadgroup_again(p, (at - now) * 1000);
    else
        workloadgroup_clear_stale(p, c);
}

/* Machines that ask before it is, ask in vain. */
static struct verdict closed(const struct workloadgroup_pass *p)
{
    const char *name = p->place.cluster;
    return verdict_no("GatewayNotAvailable",
                      arena_printf(p->arena,
                                   "cluster %s: the east-west gateway, by which machines reach "
                                   "istiod, is not available; next: when it stays so, kubectl "
                                   "describe deployment %s -n %s",
                                   name, ISTIO_EASTWEST_NAME, ISTIO_NAMESPACE));
}

static void look_at_istiod(struct workloadgroup_pass *p)
{
    struct manager *m = workloadgroup_manager(p);
    const char *ns = p->group->ns, *mesh = p->cr->spec.mesh_ref->name;
    struct mesh_eastwest e = mesh_machines_istiod(m, p->arena, ns, mesh, p->place.cluster);
    if (e.n_addresses > 0)
        p->report.istiod_address = e.addresses[0];
    else
        p->report.programmed = verdict_worse(
            p->report.programmed,
            verdict_no("AddressPending",
                       arena_printf(p->arena,
                                    "cluster %s: where machines reach istiod is not known, its "
                                    "east-west gateway has no address yet; next: when none comes, "
                                    "see whether the cluster has a load balancer controller, or "
                                    "write a Gateway of type EastWest with spec.addresses",
                                    p->place.cluster)));
    if (e.n_addresses > 0 && !mesh_gateway_serves(m, ns, mesh, p->place.cluster))
        p->report.programmed = verdict_worse(p->report.programmed, closed(p));
}

static void look(struct workloadgroup_pass *p, struct cluster *c)
{
    look_at_machines(p, c);
    look_at_istiod(p);
    p->report.account_made = workloadgroup_account_alone(p, c);
}

/* --- a step --- */

/* A plan that can't be made leaves what is there as it is. */
static bool make(struct workloadgroup_pass *p, struct cluster *c)
{
    struct workloadgroup_site *site = workloadgroup_site(p->group, c->name);
    struct err err = {0};
    auto_plan plan;
    plan_init(&plan, c->name);
    if (plan_of(p, c, &plan, &err) < 0) {
        p->report.programmed =
            verdict_stalled("Invalid", arena_printf(p->arena, "cluster %s: %s", c->name, err.msg));
        return false;
    }
    kept_take(&workloadgroup_manager(p)->kept, &plan, &site->plan);
    struct applyplan x = {.cluster = c,
                          .arena = p->arena,
                          .owner_uid = p->group->uid,
                          .plan = &site->plan,
                          .entries_of = p->cr->spec.mesh_ref->name};
    applyplan_step(&x);
    workloadgroup_again(p, x.again_ms);
    p->report.programmed = applyplan_verdict(&x, "WorkloadGroup");
    return applyplan_complete(&x) && x.n_foreign == 0;
}

/* Where the machines were before: that goes when they can join where they should be. */
static void empty_others(struct workloadgroup_pass *p)
{
    for (struct cluster *c = workloadgroup_manager(p)->clusters; c; c = c->hh.next) {
        if (!str_eq(c->ns, p->group->ns) || str_eq(c->name, p->place.cluster) ||
            !(cluster_holds(c, p->group->uid) || workloadgroup_was_in(p->group, c->name)))
            continue;
        size_t before = p->leftovers;
        workloadgroup_empty(p, c);
        if (p->leftovers == before && !cluster_holds(c, p->group->uid) && cluster_ready(c))
            workloadgroup_site(p->group, c->name)->grouped = false;
    }
}

void workloadgroup_work(struct workloadgroup_pass *p)
{
    struct cluster *c = manager_cluster(workloadgroup_manager(p), p->group->ns, p->place.cluster);
    bool suspended = p->cr->spec.suspend;
    if (c)
        workloadgroup_look(p, c);
    if (!usable(p, c)) {
        if (c && cluster_known(c))
            look_at_machines(p, c);
        p->report.account_made = jx_bool(p->object->obj, "status.accountMade", false);
        p->report.istiod_address = jx_str(p->object->obj, "status.istiodAddress");
        workloadgroup_bundle_step(p, NULL);
        return;
    }
    p->report.programmed = verdict_yes("Suspended", "what is there stays as it is");
    bool there = !suspended && make(p, c);
    look(p, c);
    if (!suspended)
        clear_stale(p, c);
    there = there && p->report.programmed.status == COND_TRUE;
    workloadgroup_bundle_step(p, there ? c : NULL);
    if (there)
        empty_others(p);
}
