/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster is, where no watch tells: read at contact and every few minutes, with bounds. What may not be read, or
 * is not there, counts as not known. */
#ifndef CONTROLLER_MEMBERCLUSTER_FACTS_H
#define CONTROLLER_MEMBERCLUSTER_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct manager;
struct member;
struct facts_reading;

enum {
    FACTS_EVERY_MS = 300000,
    FACTS_AGAIN_MS = 5000, /* after a reading that broke off */
    FACTS_RANGES_MAX = 64,
    FACTS_STATUS_MAX = 16, /* ranges that a status shows */
    FACTS_ISTIODS_MAX = 8,
};

/* Lists end with NULL. */
struct member_facts {
    bool read; /* once at least */
    int64_t began_ms;
    uint64_t rev;                               /* raised when something below changed */
    char *pod_ranges[FACTS_RANGES_MAX + 1];     /* of its Nodes, joined */
    char *service_ranges[FACTS_RANGES_MAX + 1]; /* of its ServiceCIDRs */
    char *foreign_istiods[FACTS_ISTIODS_MAX +
                          1]; /* Deployments that are not ours: "namespace/name" */
    struct facts_reading *reading;
};

/* Begins to read when it is time and the cluster answers. */
void member_facts_refresh(struct member *mb);
void member_facts_done(struct member_facts *f);

/* Of a MemberCluster ("namespace/name"); NULL when it was never read. */
const struct member_facts *member_facts_of(const struct manager *m, const char *key);
/* Ranges in effect: what the spec says, else what was read; ended by NULL, from a. NULL when none is known. */
const char *const *member_ranges(struct arena *a, const char *const *spec, size_t n,
                                 char *const *read);

#endif
