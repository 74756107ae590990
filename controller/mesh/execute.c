/* SPDX-License-Identifier: Apache-2.0 */
/* Issues the writes of a pass: per member the first wave that is not complete, and the deletions that are due. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "machine/machine.h"
#include "mesh/mesh.h"
#include "runtime/applier.h"
#include "runtime/diff.h"
#include "json/jx.h"

enum { GATEWAY_MS = 250 }; /* between two looks at one that does not let requests in yet */

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

static bool is_there(struct cluster *c, const char *kind, const char *name)
{
    struct records *all = cluster_records(c, plan_gvr("v1", kind));
    return all && records_find(all, ISTIO_NAMESPACE, name);
}

static bool account_there(struct cluster *c)
{
    return is_there(c, "ServiceAccount", ISTIO_READER_ACCOUNT);
}

bool mesh_member_configured(const struct mesh_pass *p, const struct mesh_member *mm)
{
    auto_free char *map = machine_mesh_map(p->cr->spec.revision);
    return mm->cluster && is_there(mm->cluster, "ConfigMap", map);
}

/* A token comes from the peer: it must answer and have the account whose token it is. It is not used before the peer
 * has its configuration: istiod reads that first and only once, and without it takes cluster.local for the trust domain
 * of the peer's pods, until each of them changes. */
static bool peer_away(struct mesh_pass *p, const struct plan_object *o)
{
    const struct mesh_member *peer =
        o->content == PLAN_REMOTE_SECRET ? mesh_member_find(p, o->peer) : NULL;
    return o->content == PLAN_REMOTE_SECRET &&
           !(peer && peer->cluster && cluster_ready(peer->cluster) &&
             mesh_member_configured(p, peer));
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

/* A Remote's pods and webhooks are led to its Primary only when that one answers them; what leads there already
 * follows it at once. */
static bool too_early(const struct mesh_pass *p, const struct mesh_member *mm,
                      const struct plan_object *o, const struct live *l)
{
    bool leads = o->wave == PLAN_CONTROL_PLANE || o->wave == PLAN_WEBHOOKS;
    return mm->role == ISTIO_REMOTE && leads && (!l->record || l->view.has_selector) &&
           !mesh_networks_served(p, mm);
}

/* The way into another network is shown to istiod when it is open: until then requests go to the pods themselves, as is
 * right while a cluster is about to move to that network. What is there stays. */
static bool leads_nowhere(const struct mesh_pass *p, const struct plan_object *o,
                          const struct live *l)
{
    return o->wave == PLAN_NETWORKS && !l->record &&
           !mesh_gateway_open(p, o->name + strlen(MESH_NETWORK_GATEWAY));
}

static void wait_for_gateway(struct mesh_pass *p, struct mesh_member *mm)
{
    mm->aside++;
    mm->waiting = mm->waiting ? mm->waiting : MESH_WAIT_GATEWAY;
    mm->unsure = true;
    pass_again(p, GATEWAY_MS);
}

/* Somebody else's object of that name, which serves as well. Our own is in our records. */
static enum op_place place_of(const struct mesh_pass *p, const struct mesh_member *mm,
                              const struct plan_object *o)
{
    struct live l;
    if (!o->yields || look(mm->cluster, o, &l))
        return OP_PLACE_FREE;
    return applier_place(mm->cluster, o->gvr, o->ns, o->name, p->cr->meta.uid);
}

/* What other clusters offer, of other meshes and of this one, is not all known. */
static bool trade_holds(const struct mesh_pass *p, const struct plan_object *o)
{
    bool follows = o->wave == PLAN_IMPORTS || o->wave == PLAN_GUARD || o->wave == PLAN_EXPOSURE;
    return follows && !str_starts(o->name, ISTIO_REVOKED) && mesh_exports_hold(p, o->wave);
}

/* True when the object is as wanted; otherwise it is being written, or can't be for the moment. */
static bool settle_object(struct mesh_pass *p, struct mesh_member *mm, const struct plan_object *o)
{
    enum op_place place = place_of(p, mm, o);
    enum op_state state = applier_state(mm->cluster, o->gvr, o->ns, o->name, o->intent);
    if (place == OP_PLACE_TAKEN)
        return true;
    if (place == OP_PLACE_UNKNOWN || state == OP_RUNNING || state == OP_UNSEEN)
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
    if (there && (mesh_trust_holds(p, o) || trade_holds(p, o)))
        return true;
    if (v == DIFF_FOREIGN && !orphan(p, &l.view)) {
        if (o->yields)
            return true;
        mm->foreign = arena_printf(p->arena, "%s %s%s%s", o->gvr->kind, str_or(o->ns, ""),
                                   o->ns ? "/" : "", o->name);
        mm->foreign_wave = o->wave;
        return o->wave == PLAN_DNS; /* a user's own Service is no reason to wait */
    }
    if (too_early(p, mm, o, &l)) {
        mm->waiting = MESH_WAIT_PRIMARY;
        return false;
    }
    if (leads_nowhere(p, o, &l)) {
        wait_for_gateway(p, mm);
        return true;
    }
    if (peer_away(p, o)) {
        mm->deferred++;
        return true;
    }
    bool prepared =
        o->content != PLAN_REMOTE_SECRET || account_there(mesh_member_find(p, o->peer)->cluster);
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

static void note_pending(struct mesh_member *mm, enum plan_wave wave)
{
    if (mm->pending++ == 0)
        mm->wave = wave;
}

/* istiod, before what needs it. */
static bool settle_available(struct mesh_member *mm, const struct plan_object *o)
{
    bool ok = available(mm, o);
    if (o->wave == PLAN_CONTROL_PLANE)
        mm->istiod_available = ok;
    if (!ok)
        mm->waiting = MESH_WAIT_ISTIOD;
    return ok;
}

/* One wave; returns false when it is not complete, so that the next must wait. */
static bool run_wave(struct mesh_pass *p, struct mesh_member *mm, enum plan_wave wave)
{
    bool complete = true;
    for (size_t i = 0; i < mm->plan->n; i++) {
        const struct plan_object *o = mm->plan->objects[i];
        if (o->wave != wave)
            continue;
        if (settle_object(p, mm, o) && (!o->wait_available || settle_available(mm, o)))
            continue;
        if (o->side) {
            mm->aside++;
            continue;
        }
        note_pending(mm, wave);
        complete = false;
    }
    return complete;
}

/* As long as it is not known where its Primary's istiod is reached, nothing in the plan leads there. */
static bool lacks_address(const struct mesh_pass *p, struct mesh_member *mm)
{
    const struct mesh_member *primary = mesh_primary_of(p, mm);
    if (mm->role != ISTIO_REMOTE || (primary && primary->eastwest.n_addresses > 0))
        return false;
    note_pending(mm, PLAN_CONTROL_PLANE);
    mm->waiting = MESH_WAIT_ADDRESS;
    return true;
}

static void run_waves(struct mesh_pass *p, struct mesh_member *mm)
{
    for (enum plan_wave w = 0; w < PLAN_WAVES; w++)
        if (!run_wave(p, mm, w) || (w == PLAN_CONFIG && lacks_address(p, mm)))
            return;
}

/* --- what was looked at before, and did not change --- */

struct mesh_moment mesh_moment_of(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return (struct mesh_moment){p->mesh->world.rev, mm->kept->plan_rev, mm->cluster->rev};
}

bool mesh_moment_same(const struct mesh_moment *a, const struct mesh_moment *b)
{
    return a->world == b->world && a->plan == b->plan && a->cluster == b->cluster;
}

static void recall(struct mesh_member *mm)
{
    const struct mesh_kept *k = mm->kept;
    mm->pending = k->pending;
    mm->aside = k->aside;
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
    k->executed = true;
    k->looked = !mm->foreign && !mm->unsure;
    k->looked_at = *at;
    k->look_again_ms = again_ms > 0 ? now + again_ms : 0;
    k->pending = mm->pending;
    k->aside = mm->aside;
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
    run_waves(p, mm);
    pass_again(p, applier_next_ms(mm->cluster));
    if (applier_busy(mm->cluster)) /* they are dropped when the objects are well for a while */
        pass_again(p, APPLIER_FIGHT_MS + 1);
    mine = p->again_ms;
    p->again_ms = others;
    return mine;
}

/* Nothing is decided about a kind that only some members hold before it is watched. False: then it is not yet. */
static bool kinds_are_watched(const struct mesh_member *mm)
{
    for (size_t i = 0; i < mm->plan->n; i++)
        cluster_want(mm->cluster, mm->plan->objects[i]->gvr, CLUSTER_OURS);
    return cluster_ready(mm->cluster);
}

static void run_member(struct mesh_pass *p, struct mesh_member *mm)
{
    struct mesh_moment at =
        mesh_moment_of(p, mm); /* before: what this pass does is a change itself */
    const struct mesh_kept *k = mm->kept;
    int64_t now = clock_ms(p->mesh->manager->clock);
    if (k->looked && mesh_moment_same(&at, &k->looked_at) &&
        (!k->look_again_ms || now < k->look_again_ms))
        recall(mm);
    else if (kinds_are_watched(mm))
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
    for (size_t i = 0; i < p->n_members; i++) /* the Primary may have come to it only now */
        if (p->members[i].waiting == MESH_WAIT_PRIMARY && mesh_networks_served(p, &p->members[i]))
            pass_again(p, 1);
}
