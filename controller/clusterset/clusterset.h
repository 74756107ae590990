/* SPDX-License-Identifier: Apache-2.0 */
/* Cluster sets: MemberClusters of one namespace that say the same clusterSet share services by the Multi-Cluster
 * Services API (pkg/mcs). Each MemberCluster owns what its set needs in its cluster, and settles it in its own passes
 * from what is known of all clusters of the set.
 *
 * What a pass needs beyond records (the exports' ages and conditions, the exported Services, the Corefile) is read when
 * a record of it changed, and every minute. What is known of a cluster that went away stays. */
#ifndef CONTROLLER_CLUSTERSET_CLUSTERSET_H
#define CONTROLLER_CLUSTERSET_CLUSTERSET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "manager.h"
#include "mcs/mcs.h"
#include "mesh/kept.h"
#include "runtime/conditions.h"

struct member;
struct set_reading;

/* What was read of a cluster. */
struct set_facts {
    bool read;   /* once at least */
    uint64_t of; /* hash of the records when the reading began */
    int64_t began_ms;
    struct set_reading *reading;
    char *problem; /* why the last reading broke off, or NULL */
    uint64_t rev;  /* raised when something below changed */
    json_t *
        exports; /* "namespace/name" -> ServiceExport, without managedFields; with "ours": status is ours */
    json_t *imports;    /* likewise: ServiceImports that are ours */
    json_t *services;   /* "namespace/name" -> {"rv", "spec"} of exported Services */
    json_t *corefile;   /* {"rv", "text"}; NULL: there is no such ConfigMap */
    bool dns_forbidden; /* it may not be read */
};

/* A condition as it is now. */
struct set_condition {
    enum cond_status status;
    char reason[32];
    char *message; /* owned; NULL: nothing is said */
};

struct set_member {
    struct set_facts facts;
    struct kept_plan plan;
    bool planned;
    uint64_t planned_of, plan_rev;
    json_t *
        said; /* "namespace/name" -> conditions that exports of this cluster are to have, see say.c */
    json_t *status; /* "namespace/name" -> status that ServiceImports of this cluster are to have */
    size_t exported, imported;
    char *unknown;      /* names of clusters that hold things back, or NULL */
    bool settling;      /* one of them may be known in a moment: after a start */
    int64_t unready_ms; /* since when something is on its way; 0: nothing is */
    /* what the last step found, and when it need not be done again */
    bool settled, complete;
    uint64_t settled_cluster, settled_plan;
    int64_t step_again_ms;
    int64_t say_ms, say_wait_ms; /* statuses: not before, and the wait after the next batch */
    size_t saying;               /* of them on their way */
    bool dns_writing;
    int64_t dns_ms; /* the Corefile is not written before */
    struct set_condition ready, dns;
    uint64_t rev; /* raised when a condition or a count changed */
};

/* One step of a MemberCluster's pass: of its set, or of leaving it (no clusterSet in the spec, or it is being deleted).
 * Returns when to come again at the latest, in ms; 0: nothing to come for. */
int64_t clusterset_step(struct member *mb, struct hub_object *o,
                        const struct api_member_cluster *cr, struct arena *a);
/* Nothing of a set is left in the cluster. */
bool clusterset_left(const struct member *mb, const struct hub_object *o);
/* Adds the set's name and counts to a status; the conditions are in struct set_member. */
void clusterset_report(const struct member *mb, const struct hub_object *o,
                       const struct api_member_cluster *cr, json_t *status);
/* After a start: the set is not read yet, so that what was said before stays said. */
bool clusterset_unread(const struct member *mb, const struct hub_object *o,
                       const struct api_member_cluster *cr);
/* A MemberCluster was edited: for those of its set. */
void clusterset_edited(struct manager *m, const char *key);
void clusterset_forget(struct member *mb);

#endif
