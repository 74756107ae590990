/* SPDX-License-Identifier: Apache-2.0 */
/* Deletion of a group. Its machines hold certificates that istiod renews by the old certificate, without looking at the
 * account again: so the Mesh refuses the identity (mesh/revoked.h), if the account was made for these machines alone,
 * and the group waits for that. A cluster out of reach is given up after a grace period: the Mesh's record holds for
 * it. */
#include "applyplan.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/revoked.h"
#include "workloadgroup/pass.h"
#include "json/jx.h"

enum { POLL_MS = 1000 };

static bool retained(const struct workloadgroup_pass *p)
{
    return p->cr->spec.deletion_policy == API_WORKLOAD_GROUP_DELETION_POLICY_RETAIN;
}

/* --- Retain --- */

static size_t release_in(struct workloadgroup_pass *p, struct cluster *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct gvr *g = c->watches[i].gvr;
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            struct kube_view v;
            if (!kube_record_managed(r))
                continue;
            kube_record_view(r, &v);
            if (!str_eq(v.meta.owner_uid, p->group->uid))
                continue;
            n++;
            if (applier_state(c, g, v.meta.ns, v.meta.name, NULL) == OP_IDLE && applier_has_room(c))
                applier_release(c, g, v.meta.ns, v.meta.name);
        }
    }
    return n;
}

static void release(struct workloadgroup_pass *p, struct cluster *c)
{
    workloadgroup_look(p, c);
    if (cluster_ready(c))
        p->leftovers += release_in(p, c);
    else
        p->out_of_reach |= cluster_holds(c, p->group->uid) || !cluster_known(c);
}

/* --- Delete --- */

static bool account_made(const struct workloadgroup_pass *p)
{
    if (workloadgroup_identity_shared(p))
        return false;
    if (jx_bool(p->object->obj, "status.accountMade", false))
        return true;
    for (struct cluster *c = workloadgroup_manager(p)->clusters; c; c = c->hh.next)
        if (str_eq(c->ns, p->group->ns) && workloadgroup_account_alone(p, c))
            return true;
    return false;
}

/* What the revocation waits for; NULL: it is done, or not wanted. */
static const char *revocation(const struct workloadgroup_pass *p, bool made)
{
    auto_free char *key = xasprintf("%s/%s", p->group->ns, p->cr->spec.mesh_ref->name);
    return made ? mesh_revoked_waits(workloadgroup_manager(p), key, p->ns, p->account) : NULL;
}

static bool grace_over(struct workloadgroup_pass *p)
{
    struct workloadgroup *g = p->group;
    int64_t now = clock_ms(g->manager->clock);
    if (!g->leaving_ms)
        g->leaving_ms = now;
    return now - g->leaving_ms >= (int64_t)g->manager->options->cleanup_grace_s * 1000;
}

static const char *waiting(const struct workloadgroup_pass *p, const char *revocation)
{
    if (p->leftovers > 0)
        return "what the group made is being deleted";
    if (p->out_of_reach)
        return "waiting for a cluster that can't be reached; it is given up after a while";
    if (revocation)
        return arena_printf(p->arena,
                            "the identity of the machines is not refused yet: %s; next: see the "
                            "conditions of the Mesh, or let the identity go on with "
                            "spec.deletionPolicy Retain",
                            revocation);
    return "what the group made is to be deleted";
}

static void say(struct workloadgroup_pass *p, bool made, const char *message)
{
    auto_json *status = workloadgroup_status_leaving(json_object_get(p->object->obj, "status"),
                                                     made, message, p->cr->meta.generation,
                                                     clock_s(workloadgroup_manager(p)->clock));
    hub_set_status(p->object, status);
}

static void tell_the_end(struct workloadgroup_pass *p, bool made)
{
    if (p->out_of_reach)
        hub_event(p->object, true, "LeftBehind",
                  "a cluster can't be reached; what the group made there was left behind. When it "
                  "is back, delete what has the label " PLAN_LABEL_GROUP " of this group");
    if (made)
        hub_event(p->object, false, "Revoked", "the mesh refuses the identity of the machines");
    else if (!retained(p))
        hub_event(p->object, true, "NotRevoked",
                  "registration and entries ended, but the ServiceAccount is not this group's "
                  "alone, so its identity stays valid: a machine keeps its certificate, and renews "
                  "it. Next: refuse it with an AuthorizationPolicy, or stop its agent");
}

void workloadgroup_take_away(struct workloadgroup_pass *p)
{
    for (struct cluster *c = workloadgroup_manager(p)->clusters; c; c = c->hh.next) {
        bool told = str_eq(jx_str(p->object->obj, "status.cluster"), c->name);
        bool held = cluster_holds(c, p->group->uid) || workloadgroup_was_in(p->group, c->name) ||
                    (told && !cluster_known(c));
        if (str_eq(c->ns, p->group->ns) && held && retained(p))
            release(p, c);
        else if (str_eq(c->ns, p->group->ns) && held)
            workloadgroup_empty(p, c);
    }
}

/* The Mesh revokes by what the status says: that has to be there before the account goes, also after a crash. */
void workloadgroup_leave(struct workloadgroup_pass *p)
{
    if (!hub_has_finalizer(p->object))
        return;
    bool made = !retained(p) && account_made(p);
    workloadgroup_again(p, POLL_MS);
    if (made && !jx_bool(p->object->obj, "status.accountMade", false)) {
        say(p, made, waiting(p, NULL));
        return;
    }
    workloadgroup_bundle_done(&p->group->bundle); /* the Secret goes with its owner */
    workloadgroup_take_away(p);
    const char *revoking = revocation(p, made);
    if (p->leftovers > 0 || revoking || (p->out_of_reach && !grace_over(p))) {
        say(p, made, waiting(p, revoking));
        return;
    }
    tell_the_end(p, made);
    hub_set_finalizer(p->object, false);
}
