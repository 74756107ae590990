/* SPDX-License-Identifier: Apache-2.0 */
/* Deletes what no plan holds any more, in an order in which nothing that is still there leads to something that went.
 * */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mesh/gateways.h"
#include "mesh/machines.h"
#include "mesh/revoked.h"
#include "runtime/applier.h"

enum {
    STRAYS_MS = 300000,
    UNBOUND_MS = 3000,   /* until every istiod has told its proxies that a way is gone */
    MACHINES_MS = 10000, /* for machines to leave a mesh that is being deleted */
    GUARD_MS = 5000,     /* likewise, that a root is */
};

/* DNS entries follow from all members' Services: none is removed before all were read. */
static bool all_known(const struct mesh_pass *p)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        bool looked_at = !mm->blocked_reason && mm->cluster && cluster_known(mm->cluster);
        if (!mesh_member_leaves(mm) && !looked_at)
            return false;
    }
    return true;
}

/* Whether the cluster is to hold nothing of this mesh any more. With Retain it keeps what it has. */
static bool leaves(struct mesh_pass *p, const struct cluster *c)
{
    const struct mesh_member *mm = mesh_member_find(p, c->name);
    if (!mm)
        return p->cr->spec.deletion_policy != API_MESH_DELETION_POLICY_RETAIN;
    return mesh_member_leaves(mm) &&
           mm->cr->spec.deletion_policy != API_MEMBER_CLUSTER_DELETION_POLICY_RETAIN;
}

struct pruning {
    struct mesh_pass *p;
    struct cluster *c;
    const struct mesh_member *member; /* NULL: it is none */
    struct kept_index index;
    bool all; /* the cluster is to hold nothing of this mesh */
};

/* The member that an object stands for, by its name; NULL: none that is in the spec and stays. */
static const struct mesh_member *stands_for(const struct mesh_pass *p, const struct kube_view *r,
                                            const char *prefix)
{
    const struct mesh_member *mm = str_starts(r->meta.name, prefix)
                                       ? mesh_member_find(p, r->meta.name + strlen(prefix))
                                       : NULL;
    return mm && !mesh_member_leaves(mm) ? mm : NULL;
}

/* A Remote that was a Primary has its own istiod until that goes as well: it must not lose sight of the others while it
 * still serves the proxies of its cluster. */
static bool has_own_istiod(const struct pruning *x)
{
    const struct mesh_pass *p = x->p;
    const struct records *all = cluster_records(x->c, plan_gvr("apps/v1", "Deployment"));
    struct kube_view v;
    return all && records_view(all, ISTIO_NAMESPACE, mesh_istiod_name(p), &v) &&
           str_eq(v.meta.owner_uid, p->cr->meta.uid);
}

/* Absence of knowledge is not deletion. The remote secret of a member stays while we can't render it; so does what says
 * where its gateway is, while that is not known. */
static bool held_back(const struct pruning *x, enum plan_wave w, const struct kube_view *r)
{
    const struct mesh_pass *p = x->p;
    if (!x->member)
        return false;
    if (x->member->role == ISTIO_REMOTE)
        return (w == PLAN_REMOTE_ACCESS || w == PLAN_NETWORKS) && has_own_istiod(x);
    if (w == PLAN_REMOTE_ACCESS)
        return stands_for(p, r, "istio-remote-secret-") != NULL;
    const struct mesh_member *of =
        w == PLAN_NETWORKS ? stands_for(p, r, MESH_NETWORK_GATEWAY) : NULL;
    return of && of->eastwest.n_addresses == 0 &&
           topo_needs_gateway_of(p->graph, p->n_members, (size_t)(x->member - p->members),
                                 (size_t)(of - p->members));
}

/* A DNS entry, or a namespace that is there for them. */
static bool of_entries(enum plan_wave w, const struct gvr *g, const struct kube_view *r)
{
    return w == PLAN_DNS || (w == PLAN_NAMESPACE && str_eq(g->kind, "Namespace") &&
                             !str_eq(r->meta.name, ISTIO_NAMESPACE));
}

/* The view is set only when it is due. */
static bool due(const struct pruning *x, const struct gvr *g, const struct kube_record *r,
                struct kube_view *ret)
{
    if (!kube_record_managed(r))
        return false;
    kube_record_view(r, ret);
    if (!str_eq(ret->meta.owner_uid, x->p->cr->meta.uid) ||
        kept_has(&x->index, g, ret->meta.ns, ret->meta.name))
        return false;
    enum plan_wave w = plan_wave_of(ret->meta.wave);
    if (x->all)
        return true;
    if (mesh_exports_hold(x->p, w) || mesh_gateways_hold(x->p, x->c->name, ret) ||
        mesh_revoked_holds(x->p, ret))
        return false;
    return !held_back(x, w, ret) && (!of_entries(w, g, ret) || all_known(x->p));
}

/* --- order --- */

/* Its control plane is as wanted, as far as anybody can tell. */
static bool settled(const struct mesh_member *mm)
{
    return mm->has_plan && cluster_ready(mm->cluster) && mm->kept->executed &&
           !(mm->pending && mm->wave <= PLAN_WEBHOOKS);
}

/* The east-west gateway, and what it lets through. */
static bool of_eastwest(const struct kube_view *r)
{
    static const char *const lets[] = {"cross-network-gateway", "istiod-gateway", "istiod-vs"};
    enum plan_wave w = plan_wave_of(r->meta.wave);
    if (w == PLAN_GATEWAYS)
        return str_starts(r->meta.name, ISTIO_EASTWEST_NAME);
    for (size_t i = 0; i < sizeof lets / sizeof *lets; i++)
        if (w == PLAN_EXPOSURE && str_starts(r->meta.name, lets[i]))
            return true;
    return false;
}

/* A way through the east-west gateway stays as long as a member may still use it: until every one is seen to have
 * become what the spec says. */
static bool parked(const struct pruning *x, const struct kube_view *r)
{
    if (x->all || !of_eastwest(r))
        return false;
    for (size_t i = 0; i < x->p->n_members; i++) {
        const struct mesh_member *mm = &x->p->members[i];
        if (!mm->blocked_reason && !settled(mm))
            return true;
    }
    return false;
}

/* Waves go in the opposite order of install; but first of all what leads from one member to another, as it may
 * lead through what is exposed. */
static int rank(int wave)
{
    if (wave == PLAN_REMOTE_ACCESS)
        return PLAN_EXPOSURE;
    return wave == PLAN_EXPOSURE ? PLAN_REMOTE_ACCESS : wave;
}

static bool leads(int wave)
{
    return rank(wave) > rank(PLAN_EXPOSURE);
}

struct found {
    int top;  /* the wave of what may go now; -1: nothing */
    size_t n; /* all that is to go */
};

static struct found find_due(const struct pruning *x)
{
    struct found f = {.top = -1};
    for (size_t i = 0; i < x->c->n_watches; i++) {
        const struct cluster_watch *cw = &x->c->watches[i];
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&cw->records, &at));) {
            struct kube_view v;
            if (!due(x, cw->gvr, r, &v))
                continue;
            int w = parked(x, &v) ? -1 : (int)plan_wave_of(v.meta.wave);
            f.top = rank(w) > rank(f.top) ? w : f.top;
            f.n++;
        }
    }
    return f;
}

static void remove_wave(const struct pruning *x, int wave)
{
    for (size_t i = 0; i < x->c->n_watches; i++) {
        const struct gvr *g = x->c->watches[i].gvr;
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&x->c->watches[i].records, &at));) {
            struct kube_view v;
            if (!due(x, g, r, &v) || (int)plan_wave_of(v.meta.wave) != wave || v.meta.deleting ||
                parked(x, &v))
                continue;
            if (applier_state(x->c, g, v.meta.ns, v.meta.name, NULL) == OP_IDLE &&
                applier_has_room(x->c))
                applier_remove(x->c, g, &v);
        }
    }
}

static struct pruning pruning_of(struct mesh_pass *p, struct cluster *c, bool everything)
{
    const struct mesh_member *mm = mesh_member_find(p, c->name);
    const struct kept_plan *plan = mm && mm->has_plan ? mm->plan : NULL;
    return (struct pruning){p, c, mm, kept_index(p->arena, plan), everything || leaves(p, c)};
}

/* A member without a plan is left as it is: it can't be said what it should not hold. */
static bool prunable(struct mesh_pass *p, struct cluster *c, bool everything)
{
    const struct mesh_member *mm = mesh_member_find(p, c->name);
    return str_eq(c->ns, p->mesh->ns) && cluster_holds(c, p->cr->meta.uid) &&
           (everything || leaves(p, c) || (mm && mm->has_plan));
}

/* Clusters that hold something of the mesh without being members: after a member was taken out of the spec, or put
 * there by others. To look at all clusters is for when that can have changed, and for every few minutes. */
static bool strays_possible(const struct mesh_pass *p)
{
    const struct mesh *mesh = p->mesh;
    const struct manager *m = mesh->manager;
    return mesh->strays_rev != m->hub.spec_rev + m->known_rev + 1 ||
           clock_ms(m->clock) - mesh->strays_ms >= STRAYS_MS;
}

static void add_strays(struct mesh_pass *p, bool everything, struct cluster **out, size_t *n)
{
    struct manager *m = p->mesh->manager;
    size_t before = *n;
    for (struct cluster *c = m->clusters; c; c = c->hh.next)
        if (prunable(p, c, everything) && !mesh_member_find(p, c->name)) {
            manager_await(m, c->key, p->mesh->key);
            out[(*n)++] = c;
        }
    p->mesh->strays_rev = *n == before ? m->hub.spec_rev + m->known_rev + 1 : 0;
    p->mesh->strays_ms = clock_ms(m->clock);
}

/* Members whose objects were all wanted, in a moment like this one, are passed over. */
static bool known_clean(const struct mesh_pass *p, const struct mesh_member *mm)
{
    if (!mm->has_plan || !mm->kept->clean)
        return false;
    struct mesh_moment now = mesh_moment_of(p, mm);
    return mesh_moment_same(&now, &mm->kept->clean_at);
}

static size_t to_prune(struct mesh_pass *p, bool everything, struct cluster ***ret)
{
    struct manager *m = p->mesh->manager;
    bool strays = everything || strays_possible(p);
    size_t n = 0;
    *ret = arena_array(p->arena, p->n_members + (strays ? HASH_COUNT(m->clusters) : 0) + 1,
                       sizeof **ret);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        struct cluster *c = manager_cluster(m, p->mesh->ns, mm->name);
        if (c && (everything || (!known_clean(p, mm) && prunable(p, c, false))))
            (*ret)[n++] = c;
    }
    if (strays)
        add_strays(p, everything, *ret, &n);
    return n;
}

static void note_clean(struct mesh_pass *p, struct cluster *c)
{
    struct mesh_member *mm = mesh_member_find(p, c->name);
    if (!mm || !mm->has_plan)
        return;
    mm->kept->guard_ms = 0;
    mm->kept->clean = true;
    mm->kept->clean_at = mesh_moment_of(p, mm);
}

/* What all clusters together have to get rid of. */
struct bonds {
    bool across; /* something that leads from one member to another */
    bool
        staying; /* in a cluster that stays, of what leads to others: then who leaves is still led to */
    bool telling; /* in a cluster that is emptied, of what its istiod tells its proxies */
    bool
        told; /* that was some time ago; what went before this process began, went long enough ago */
    bool machines; /* they are in the mesh, and reach their istiod through a gateway */
};

/* Machines that are told by nobody go on as they are: what they are called by, and call, has to be gone before the way
 * to their istiod is. Their groups see to that. */
static bool machines_hold(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    int64_t now = clock_ms(mesh->manager->clock);
    if (!mesh_machines_remain(p))
        return false;
    mesh->parting_ms = mesh->parting_ms ? mesh->parting_ms : now;
    return now - mesh->parting_ms < MACHINES_MS;
}

static struct bonds look_for_bonds(struct mesh_pass *p, struct cluster *const *all, size_t n,
                                   bool everything)
{
    struct bonds b = {.machines = everything && machines_hold(p)};
    for (size_t i = 0; i < n; i++) {
        struct pruning x = pruning_of(p, all[i], everything);
        bool ready = cluster_ready(all[i]);
        struct found f = find_due(&x);
        p->leftovers += ready ? f.n : 0;
        p->out_of_reach |= (everything || !x.member) && !ready && (x.member || f.n > 0);
        b.across |= ready && f.top >= PLAN_REMOTE_ACCESS;
        b.staying |= ready && !x.all && leads(f.top);
        b.telling |= ready && x.all && rank(f.top) >= rank(PLAN_GATEWAYS);
        if (f.n == 0)
            note_clean(p, all[i]);
    }
    return b;
}

/* Whether every istiod has had the time to tell its proxies of what went: *last is when something was still to go. */
static bool over(struct mesh_pass *p, int64_t *last, bool going)
{
    int64_t now = clock_ms(p->mesh->manager->clock);
    if (going)
        *last = now;
    int64_t left = *last ? *last + UNBOUND_MS - now : 0;
    pass_again(p, left);
    return left <= 0;
}

/* A root is trusted for a moment longer than the configuration says so. */
static bool unguarded(struct mesh_pass *p, const struct pruning *x, int wave)
{
    struct mesh_kept *k = x->member->kept;
    int64_t now = clock_ms(p->mesh->manager->clock);
    if (wave != PLAN_GUARD) {
        k->guard_ms = 0;
        return true;
    }
    k->guard_ms = k->guard_ms ? k->guard_ms : now;
    int64_t left = k->guard_ms + GUARD_MS - now;
    pass_again(p, left);
    return left <= 0;
}

/* Whether what is in this wave of a cluster may go now. */
static bool may_go(struct mesh_pass *p, const struct pruning *x, int wave, const struct bonds *b,
                   bool cut)
{
    bool below = wave < PLAN_REMOTE_ACCESS;
    if (x->all) /* nobody is led to it any more */
        return cut && !(below && b->across) && (leads(wave) || !b->machines) &&
               (wave != PLAN_CONTROL_PLANE || b->told);
    if (leads(wave))
        return true;
    if (!cut || (below && (b->across || !settled(x->member))))
        return false;
    return unguarded(p, x, wave);
}

void mesh_prune(struct mesh_pass *p, bool everything)
{
    struct cluster **all;
    size_t n = to_prune(p, everything, &all);
    struct bonds b = look_for_bonds(p, all, n, everything);
    bool cut = everything || over(p, &p->mesh->unbound_ms, b.staying);
    b.told = over(p, &p->mesh->told_ms, b.telling || b.machines);
    for (size_t i = 0; i < n; i++) {
        if (!cluster_ready(all[i]))
            continue;
        struct pruning x = pruning_of(p, all[i], everything);
        int wave = find_due(&x).top;
        if (wave >= 0 && may_go(p, &x, wave, &b, cut))
            remove_wave(&x, wave);
        pass_again(p, applier_next_ms(all[i]));
    }
}
