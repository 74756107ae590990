/* SPDX-License-Identifier: Apache-2.0 */
/* Reconciler of WorkloadGroup: what a cluster needs so that machines outside Kubernetes can join a mesh
 * (istio/machines.h), in the Primary that they attach to (mesh/machines.h), and what istiod says of them. The Mesh's
 * own plan lets them reach istiod. Deleting a group ends its machines: see leave.c. */
#ifndef CONTROLLER_WORKLOADGROUP_GROUP_H
#define CONTROLLER_WORKLOADGROUP_GROUP_H

#include <stdint.h>

#include "manager.h"

int64_t workloadgroup_reconcile(struct manager *m, const char *key);
void workloadgroup_forget_all(struct manager *m);

#endif
