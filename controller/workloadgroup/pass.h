/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of controller/workloadgroup: what stays of a group between passes, and one pass over it. */
#ifndef CONTROLLER_WORKLOADGROUP_PASS_H
#define CONTROLLER_WORKLOADGROUP_PASS_H

#include <uthash.h>

#include "api/api.h"
#include "base/arena.h"
#include "manager.h"
#include "mesh/kept.h"
#include "mesh/machines.h"
#include "workloadgroup/bundle.h"
#include "workloadgroup/entries.h"
#include "workloadgroup/group.h"
#include "workloadgroup/report.h"

/* What stays of a cluster: the plan, and the machines as they were at a revision of its entries. */
struct workloadgroup_site {
    struct kept_plan plan;
    struct entries entries;
    uint64_t entries_rev; /* the cluster's machine_rev, plus 1; 0: not read yet */
    bool grouped; /* our WorkloadGroup was seen there: entries of its name are of our machines */
    UT_hash_handle hh;
    char cluster[];
};

/* All of it can be found again: it only saves work, and says what is news. */
struct workloadgroup {
    struct manager *manager;
    char *ns, *name, *uid;
    struct workloadgroup_site *sites; /* by cluster */
    struct workloadgroup_bundle bundle;
    int64_t born_ms;    /* first seen by this process */
    int64_t unready_ms; /* since when it is not ready while its status still says so; 0: it is */
    int64_t told_ms;    /* when machines were told last */
    int64_t leaving_ms; /* deletion: first seen with something that may never end */
    UT_hash_handle hh;
    char key[];
};

/* Strings and lists live in the arena. */
struct workloadgroup_pass {
    struct workloadgroup *group;
    struct hub_object *object;
    const struct api_workload_group *cr;
    struct arena *arena;
    struct machines_place place;
    const char *ns, *account; /* the machines' identity */
    struct workloadgroup_report report;
    size_t leftovers;  /* objects that are still to be deleted */
    bool out_of_reach; /* a cluster that holds or may hold some can't be reached */
    int64_t again_ms;  /* next pass at the latest; 0: none asked */
};

/* "Run again after ms": the shortest wins. */
static inline void workloadgroup_again(struct workloadgroup_pass *p, int64_t ms)
{
    if (ms > 0 && (!p->again_ms || ms < p->again_ms))
        p->again_ms = ms;
}

static inline struct manager *workloadgroup_manager(const struct workloadgroup_pass *p)
{
    return p->group->manager;
}

/* site.c: made when it is not there. */
struct workloadgroup_site *workloadgroup_site(struct workloadgroup *g, const char *cluster);
/* Our WorkloadGroup was seen in that cluster, and its machines may still have entries there. */
bool workloadgroup_was_in(const struct workloadgroup *g, const char *cluster);
void workloadgroup_sites_done(struct workloadgroup *g);
/* Istio's kinds. */
const struct gvr *workloadgroup_kind(void);
const struct gvr *workloadgroup_entry_kind(void);
/* Watches what is needed of a cluster, and asks to hear of its next change. */
void workloadgroup_look(struct workloadgroup_pass *p, struct cluster *c);
/* The object of that kind and name in a cluster is there and was made for this group. */
bool workloadgroup_made(const struct workloadgroup_pass *p, struct cluster *c, const struct gvr *g,
                        const char *ns, const char *name);
/* The Mesh that the group names, being deleted or not; NULL: there is none. */
const struct hub_object *workloadgroup_mesh(const struct workloadgroup_pass *p);
/* Its spec.revision; NULL: none, or no Mesh. */
const char *workloadgroup_revision(const struct workloadgroup_pass *p);
/* Another group of the same mesh that stays has the same identity, wherever it attaches. */
bool workloadgroup_identity_shared(const struct workloadgroup_pass *p);
/* The account in a cluster was made for this group, and the identity is no other group's. */
bool workloadgroup_account_alone(const struct workloadgroup_pass *p, struct cluster *c);

/* work.c: makes what the spec says in its cluster, then takes it away in others; fills the report. */
void workloadgroup_work(struct workloadgroup_pass *p);

/* remove.c: takes everything away from a cluster; sets leftovers and out_of_reach. */
void workloadgroup_empty(struct workloadgroup_pass *p, struct cluster *c);
/* Deletes entries that are stale; the next pass comes when one may be. */
void workloadgroup_clear_stale(struct workloadgroup_pass *p, struct cluster *c);

/* bundle.c: keeps the Secret that spec.bundleSecret asks for; c: the cluster, where all that is wanted is there; NULL:
 * it is not. Fills its part of the report. */
void workloadgroup_bundle_step(struct workloadgroup_pass *p, struct cluster *c);

/* leave.c: it is being deleted. */
void workloadgroup_leave(struct workloadgroup_pass *p);
/* Takes everything away from all clusters, or lets it go with Retain; sets leftovers and out_of_reach. */
void workloadgroup_take_away(struct workloadgroup_pass *p);

#endif
