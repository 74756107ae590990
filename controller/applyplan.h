/* SPDX-License-Identifier: Apache-2.0 */
/* Brings one cluster to what one owner wants there: a plan's objects wave by wave, then the removal of what carries the
 * owner's UID and is in no plan. For owners other than a Mesh (controller/mesh/execute.c does it for many members at
 * once). One call is one step of a pass: it issues writes and never waits; call it again when the cluster changed
 * (manager_await_kind) and after again_ms. */
#ifndef CONTROLLER_APPLYPLAN_H
#define CONTROLLER_APPLYPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "mesh/kept.h"
#include "runtime/applier.h"
#include "runtime/cluster.h"
#include "verdict.h"

/* Whether an object that is there is left as it is, neither changed nor deleted: what it follows from is not known at
 * the moment. */
typedef bool applyplan_hold_cb(void *arg, const struct gvr *gvr, const char *ns, const char *name);

struct applyplan {
    /* --- given --- */
    struct cluster *cluster;
    struct arena *arena; /* of the pass: what is found lives there */
    const char *owner_uid;
    /* Made with plan_owner.label; kept with kept_take. NULL: the owner wants nothing there, everything of it goes. */
    const struct kept_plan *plan;
    /* Of this Mesh DNS entries give way: a Service of the name is made here now, so none is needed. NULL: none do. */
    const char *entries_of;
    applyplan_hold_cb *hold; /* or NULL: nothing is held */
    void *hold_arg;
    /* Sends objects of another content than PLAN_PLAIN and PLAN_FILE (op as for applyplan_send); NULL: there are none.
     */
    void (*send)(void *arg, struct op *op, const struct plan_object *o);
    void *send_arg;
    /* --- found --- */
    bool ready;     /* the cluster answers and was read; false: nothing was done */
    size_t pending; /* objects that are not yet as wanted, of the first wave that is not complete */
    enum plan_wave wave; /* of those */
    const char *waiting; /* a Deployment that is waited for: "Deployment ns/name", or NULL */
    const char *foreign; /* the first object that is somebody else's: "Kind ns/name", or NULL */
    size_t n_foreign;
    const char *failed; /* "Kind ns/name: why" of the first write that failed, or NULL */
    size_t leftovers;   /* objects that are still to be deleted */
    int64_t again_ms;   /* step again so soon at the latest; 0: when something changes */
};

/* As much as can be done now. Objects of others are never taken over: they are counted as foreign, and what else is in
 * the plan goes on. Wishes the kinds of the plan (cluster_want). */
void applyplan_step(struct applyplan *x);

/* Everything is as wanted (foreign objects apart), and nothing is left to delete. */
bool applyplan_complete(const struct applyplan *x);

/* What a step found, in words; owner: the kind whose other name would help, as "Gateway". Memory of the arena. */
struct verdict applyplan_verdict(const struct applyplan *x, const char *owner);

/* Sends what a plan holds for an object of content PLAN_PLAIN or PLAN_FILE: op from applier_begin, with its owner,
 * intent and `ours` set. */
void applyplan_send(struct op *op, const struct plan_object *o);

#endif
