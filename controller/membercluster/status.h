/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_MEMBERCLUSTER_STATUS_H
#define CONTROLLER_MEMBERCLUSTER_STATUS_H

#include "api/api.h"
#include "member.h"

/* A hash of what a status says of the cluster: most of what changes in a cluster is not in it. */
uint64_t member_status_seen(const struct cluster *c);

/* Computes the status from what is known now, unless that is as it was, and writes it when it differs. */
void member_set_status(struct member *mb, struct hub_object *o, const struct api_member_cluster *cr,
                       const struct cluster *c);

/* The status of a resource that can't be decoded. Owned. */
json_t *member_status_invalid(const struct hub_object *o, const struct clock *clock,
                              const struct err *err);

#endif
