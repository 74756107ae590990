/* SPDX-License-Identifier: Apache-2.0 */
/* What a WorkloadGroup makes of its spec in a cluster. Pure. */
#ifndef CONTROLLER_WORKLOADGROUP_OBJECTS_H
#define CONTROLLER_WORKLOADGROUP_OBJECTS_H

#include <stdbool.h>

#include "api/api.h"
#include "base/arena.h"
#include "plan/plan.h"

/* What the spec does not say. */
struct workloadgroup_place {
    const char *network;  /* that the machines are on */
    const char *revision; /* of the mesh, or NULL */
    bool makes_namespace; /* it is not there, or is this group's */
};
int workloadgroup_objects(struct arena *a, const struct api_workload_group *cr,
                          const struct workloadgroup_place *at, struct plan *plan, struct err *err);

#endif
