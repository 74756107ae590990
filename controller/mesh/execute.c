/* SPDX-License-Identifier: Apache-2.0 */
/* Issues the writes of a pass: per member the first wave that is not complete, and the deletions that are due. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/mesh.h"
#include "runtime/applier.h"
#include "runtime/diff.h"
#include "json/jx.h"

enum { STRAYS_MS = 300000 };

void pass_again(struct mesh_pass *p, int64_t ms)
{
    if (ms > 0 && (!p->again_ms || ms < p->again_ms))
        p->again_ms = ms;
}

/* The object as it is there. */
struct live {
    struct records *all;
    const struct kube_record *record; /* NULL: it is not */
    struct kube_view view;
};

static bool look(struct cluster *c, const struct plan_object *o, struct live *ret)
{
    ret->all = cluster_records(c, o->gvr);
    ret->record = ret->all ? records_find(ret->all, o->ns, o->name) : NULL;
    if (ret->record)
        kube_record_view(ret->record, &ret->view);
    return ret->record != NULL;
}

static struct mesh_member *find_member(struct mesh_pass *p, const char *name)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (str_eq(p->members[i].name, name))
            return &p->members[i];
    return NULL;
}

static bool account_there(struct cluster *c)
{
    struct records *all = cluster_records(c, plan_gvr("v1", "ServiceAccount"));
    return all && records_find(all, ISTIO_NAMESPACE, ISTIO_READER_ACCOUNT);
}

/* A token comes from the peer: it must answer and have the account whose token it is. */
static bool peer_away(struct mesh_pass *p, const struct plan_object *o)
{
    const struct mesh_member *peer =
        o->content == PLAN_REMOTE_SECRET ? find_member(p, o->peer) : NULL;
    return o->content == PLAN_REMOTE_SECRET &&
           !(peer && peer->cluster && cluster_ready(peer->cluster));
}

static void ask_renewal(struct mesh_pass *p, int64_t renew_at)
{
    int64_t left = renew_at - clock_s(p->mesh->manager->clock);
    if (renew_at > 0 && left > 0 && left < INT64_MAX / 1000)
        pass_again(p, left * 1000);
}

/* Left by a Mesh of this name that is no more (deletionPolicy Retain): taken up again. */
static bool orphan(const struct mesh_pass *p, const struct kube_view *v)
{
    if (!str_eq(v->meta.mesh, p->mesh->name))
        return false;
    for (const struct hub_object *o = p->mesh->manager->hub.kinds[API_KIND_MESH].all; o;
         o = o->hh.next)
        if (str_eq(jx_str(o->obj, "metadata.uid"), v->meta.owner_uid))
            return false;
    return !(v->has_selector && plan_wave_of(v->meta.wave) == PLAN_DNS);
}

/* Remembers the check of ownership with the record; the tree of what is wanted is needed only for it. */
static enum diff_verdict judge(const struct mesh_pass *p, const struct plan_object *o,
                               const struct live *l, int64_t *renew_at)
{
    bool before = l->record && records_verified(l->record), verified = before;
    struct plan_object want = *o;
    auto_json *body = l->record && !verified ? kept_body(o) : NULL;
    want.body = body;
    enum diff_verdict v = diff_object(&want, l->record ? &l->view : NULL, &verified,
                                      p->cr->meta.uid, clock_s(p->mesh->manager->clock), renew_at);
    if (verified && !before)
        records_set_verified(l->all, l->record);
    return v;
}

/* True when the object is as wanted; otherwise it is being written, or can't be for the moment. */
static bool settle_object(struct mesh_pass *p, struct mesh_member *mm, const struct plan_object *o)
{
    enum op_state state = applier_state(mm->cluster, o->gvr, o->ns, o->name, o->intent);
    if (state == OP_RUNNING || state == OP_UNSEEN)
        return false;
    struct live l;
    int64_t renew_at;
    bool there = look(mm->cluster, o, &l);
    enum diff_verdict v = judge(p, o, &l, &renew_at);
    if (v == DIFF_SAME) {
        applier_well(mm->cluster, o->gvr, o->ns, o->name);
        ask_renewal(p, renew_at);
        return true;
    }
    if (v == DIFF_FOREIGN && !orphan(p, &l.view)) {
        mm->foreign = arena_printf(p->arena, "%s %s%s%s", o->gvr->kind, str_or(o->ns, ""),
                                   o->ns ? "/" : "", o->name);
        return o->wave == PLAN_DNS; /* a user's own Service is no reason to wait */
    }
    if (peer_away(p, o)) {
        mm->deferred++;
        return true;
    }
    bool prepared =
        o->content != PLAN_REMOTE_SECRET || account_there(find_member(p, o->peer)->cluster);
    if (state == OP_IDLE && prepared && !(there && l.view.meta.deleting) &&
        applier_has_room(mm->cluster))
        mesh_apply(p, mm, o);
    return false;
}

static bool available(struct mesh_member *mm, const struct plan_object *o)
{
    struct live l;
    return look(mm->cluster, o, &l) && l.view.available;
}

static void note_pending(struct mesh_member *mm, const struct plan_object *o, const char *waiting)
{
    if (mm->pending++ == 0) {
        mm->wave = o->wave;
        mm->waiting = waiting;
    }
}

/* One wave; returns false when it is not complete, so that the next must wait. */
static bool run_wave(struct mesh_pass *p, struct mesh_member *mm, enum plan_wave wave)
{
    bool complete = true;
    for (size_t i = 0; i < mm->plan->n; i++) {
        const struct plan_object *o = mm->plan->objects[i];
        if (o->wave != wave)
            continue;
        if (!settle_object(p, mm, o)) {
            note_pending(mm, o, NULL);
            complete = false;
        } else if (o->wait_available) {
            mm->istiod_available = available(mm, o);
            if (!mm->istiod_available) {
                note_pending(mm, o, "istiod to become available");
                complete = false;
            }
        }
    }
    return complete;
}

/* --- what was looked at before, and did not change --- */

static struct mesh_moment moment_of(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return (struct mesh_moment){p->mesh->world.rev, mm->kept->plan_rev, mm->cluster->rev};
}

static bool same_moment(const struct mesh_moment *a, const struct mesh_moment *b)
{
    return a->world == b->world && a->plan == b->plan && a->cluster == b->cluster;
}

static void recall(struct mesh_member *mm)
{
    const struct mesh_kept *k = mm->kept;
    mm->pending = k->pending;
    mm->deferred = k->deferred;
    mm->wave = k->wave;
    mm->waiting = k->waiting;
    mm->istiod_available = k->istiod_available;
}

/* Whose objects are somebody else's is looked at each time: it depends on more. */
static void remember(struct mesh_member *mm, const struct mesh_moment *at, int64_t again_ms,
                     int64_t now)
{
    struct mesh_kept *k = mm->kept;
    k->looked = !mm->foreign && !mm->unsure;
    k->looked_at = *at;
    k->look_again_ms = again_ms > 0 ? now + again_ms : 0;
    k->pending = mm->pending;
    k->deferred = mm->deferred;
    k->wave = mm->wave;
    k->waiting = mm->waiting;
    k->istiod_available = mm->istiod_available;
}

/* Returns when to look again at the latest, in ms from now; 0: when something changes. */
static int64_t look_at(struct mesh_pass *p, struct mesh_member *mm)
{
    int64_t others = p->again_ms, mine;
    p->again_ms = 0;
    for (enum plan_wave w = 0; w < PLAN_WAVES; w++)
        if (!run_wave(p, mm, w))
            break;
    pass_again(p, applier_next_ms(mm->cluster));
    if (mm->cluster->ops) /* they are dropped when the objects are well for a while */
        pass_again(p, APPLIER_FIGHT_MS + 1);
    mine = p->again_ms;
    p->again_ms = others;
    return mine;
}

static void run_member(struct mesh_pass *p, struct mesh_member *mm)
{
    struct mesh_moment at = moment_of(p, mm); /* before: what this pass does is a change itself */
    const struct mesh_kept *k = mm->kept;
    int64_t now = clock_ms(p->mesh->manager->clock);
    if (k->looked && same_moment(&at, &k->looked_at) &&
        (!k->look_again_ms || now < k->look_again_ms))
        recall(mm);
    else
        remember(mm, &at, look_at(p, mm), now);
    pass_again(p, k->look_again_ms - now);
}

void mesh_execute(struct mesh_pass *p)
{
    for (size_t i = 0; i < p->n_members; i++) {
        struct mesh_member *mm = &p->members[i];
        if (mm->has_plan && cluster_ready(mm->cluster))
            run_member(p, mm);
    }
}

/* --- what no plan holds any more --- */

static int by_key(const void *a, const void *b)
{
    const struct plan_object *x = *(const struct plan_object *const *)a;
    const struct plan_object *y = *(const struct plan_object *const *)b;
    int c = (x->gvr > y->gvr) - (x->gvr < y->gvr);
    c = c ? c : str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

struct index {
    const struct plan_object **sorted;
    size_t n;
};

static struct index index_plan(struct arena *a, const struct mesh_member *mm)
{
    struct index x = {0};
    if (!mm || !mm->has_plan)
        return x;
    x.sorted = arena_array(a, mm->plan->n + 1, sizeof *x.sorted);
    for (; x.n < mm->plan->n; x.n++)
        x.sorted[x.n] = mm->plan->objects[x.n];
    qsort(x.sorted, x.n, sizeof *x.sorted, by_key);
    return x;
}

static bool planned(const struct index *x, const struct gvr *g, const struct kube_view *r)
{
    struct plan_object probe = {.gvr = g, .ns = r->meta.ns, .name = r->meta.name};
    const struct plan_object *key = &probe;
    return x->n && bsearch(&key, x->sorted, x->n, sizeof *x->sorted, by_key);
}

/* A remote secret of a member that is still in the spec stays, also while we can't render it: absence of knowledge is
 * not deletion. */
static bool held_back(struct mesh_pass *p, enum plan_wave w, const struct kube_view *r)
{
    static const char prefix[] = "istio-remote-secret-";
    if (w == PLAN_REMOTE_ACCESS && str_starts(r->meta.name, prefix)) {
        const struct mesh_member *peer = find_member(p, r->meta.name + sizeof prefix - 1);
        return peer && !mesh_member_leaves(peer);
    }
    return false;
}

/* DNS entries follow from all members' Services: none is removed before all were read. */
static bool all_known(const struct mesh_pass *p)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        if (!mesh_member_leaves(mm) && !(mm->cluster && cluster_known(mm->cluster)))
            return false;
    }
    return true;
}

/* Whether the cluster is to hold nothing of this mesh any more. With Retain it keeps what it has. */
static bool leaves(struct mesh_pass *p, const struct cluster *c)
{
    const struct mesh_member *mm = find_member(p, c->name);
    if (!mm)
        return p->cr->spec.deletion_policy != API_MESH_DELETION_POLICY_RETAIN;
    return mesh_member_leaves(mm) &&
           mm->cr->spec.deletion_policy != API_MEMBER_CLUSTER_DELETION_POLICY_RETAIN;
}

struct pruning {
    struct mesh_pass *p;
    struct cluster *c;
    struct index index;
    bool all; /* the cluster is to hold nothing of this mesh */
};

/* The view is set only when it is due. */
static bool due(const struct pruning *x, const struct gvr *g, const struct kube_record *r,
                struct kube_view *ret)
{
    if (!kube_record_managed(r))
        return false;
    kube_record_view(r, ret);
    if (!str_eq(ret->meta.owner_uid, x->p->cr->meta.uid) || planned(&x->index, g, ret))
        return false;
    enum plan_wave w = plan_wave_of(ret->meta.wave);
    return x->all || (!held_back(x->p, w, ret) && (w != PLAN_DNS || all_known(x->p)));
}

/* The highest wave that still has something to go; -1 when there is nothing. */
static int highest(const struct pruning *x, size_t *n)
{
    int top = -1;
    for (size_t i = 0; i < x->c->n_watches; i++) {
        const struct cluster_watch *cw = &x->c->watches[i];
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&cw->records, &at));) {
            struct kube_view v;
            if (!due(x, cw->gvr, r, &v))
                continue;
            int w = (int)plan_wave_of(v.meta.wave);
            top = w > top ? w : top;
            ++*n;
        }
    }
    return top;
}

static void remove_object(struct cluster *c, const struct gvr *g, const struct kube_view *r)
{
    bool users =
        (str_eq(g->kind, "Service") && r->has_selector && plan_wave_of(r->meta.wave) == PLAN_DNS) ||
        (str_eq(g->kind, "Namespace") && !r->meta.created);
    if (users)
        applier_release(c, g, r->meta.ns, r->meta.name);
    else if (str_eq(g->kind, "CustomResourceDefinition"))
        applier_delete_crd(c, g, r->meta.name);
    else if (str_eq(g->kind, "Namespace"))
        applier_delete_istio_namespace(c, g, r->meta.name, r->meta.uid);
    else
        applier_delete(c, g, r->meta.ns, r->meta.name, r->meta.uid);
}

static void remove_wave(const struct pruning *x, int wave)
{
    for (size_t i = 0; i < x->c->n_watches; i++) {
        const struct gvr *g = x->c->watches[i].gvr;
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&x->c->watches[i].records, &at));) {
            struct kube_view v;
            if (!due(x, g, r, &v) || (int)plan_wave_of(v.meta.wave) != wave || v.meta.deleting)
                continue;
            if (applier_state(x->c, g, v.meta.ns, v.meta.name, NULL) == OP_IDLE &&
                applier_has_room(x->c))
                remove_object(x->c, g, &v);
        }
    }
}

static struct pruning pruning_of(struct mesh_pass *p, struct cluster *c, bool everything)
{
    return (struct pruning){p, c, index_plan(p->arena, find_member(p, c->name)),
                            everything || leaves(p, c)};
}

/* A member without a plan is left as it is: it can't be said what it should not hold. */
static bool prunable(struct mesh_pass *p, struct cluster *c, bool everything)
{
    const struct mesh_member *mm = find_member(p, c->name);
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
        if (prunable(p, c, everything) && !find_member(p, c->name)) {
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
    struct mesh_moment now = moment_of(p, mm);
    return same_moment(&now, &mm->kept->clean_at);
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
    struct mesh_member *mm = find_member(p, c->name);
    if (!mm || !mm->has_plan)
        return;
    mm->kept->clean = true;
    mm->kept->clean_at = moment_of(p, mm);
}

void mesh_prune(struct mesh_pass *p, bool everything)
{
    struct cluster **all;
    size_t n = to_prune(p, everything, &all);
    bool across =
        false; /* cross-cluster things of the mesh are still there: what they point at stays until they went */
    for (size_t i = 0; i < n; i++) {
        struct pruning x = pruning_of(p, all[i], everything);
        bool mine = find_member(p, all[i]->name) != NULL, ready = cluster_ready(all[i]);
        int top = highest(&x, ready ? &p->leftovers : &(size_t){0});
        p->out_of_reach |= (everything || !mine) && !ready && (mine || top >= 0);
        across |= ready && top >= PLAN_REMOTE_ACCESS;
        if (top < 0)
            note_clean(p, all[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (!cluster_ready(all[i]))
            continue;
        struct pruning x = pruning_of(p, all[i], everything);
        int wave = highest(&x, &(size_t){0});
        if (wave >= 0 && (!across || wave >= PLAN_REMOTE_ACCESS))
            remove_wave(&x, wave);
        pass_again(p, applier_next_ms(all[i]));
    }
}
