/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a WorkloadGroup, from what was found about it. Pure. */
#ifndef CONTROLLER_WORKLOADGROUP_REPORT_H
#define CONTROLLER_WORKLOADGROUP_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verdict.h"

/* Strings are the pass's; NULL where it is not known. */
struct workloadgroup_report {
    struct verdict accepted, resolved, programmed;
    const char *cluster, *ns, *account;
    bool account_made;
    const char *istiod_address;
    const json_t *machines; /* rows of the status; NULL: not known, what was said before stays */
    size_t registered, healthy;
    struct verdict bundle;              /* without reason: none is asked for */
    const char *secret, *token_expires; /* of the bundle that a Secret holds */
};

/* Why it is not ready, or the good verdict. */
struct verdict workloadgroup_summary(const struct workloadgroup_report *r);

/* New reference. old: the status in the hub, or NULL. */
json_t *workloadgroup_status(const struct workloadgroup_report *r, const json_t *old,
                             int64_t generation, int64_t now_s);

/* Whether they differ in nothing but machines. */
bool workloadgroup_status_same(const json_t *a, const json_t *b);

/* While it is being deleted: Ready=False and Reconciling, reason Deleting. Whom it made stays told, since the Mesh
 * revokes by it. New reference. */
json_t *workloadgroup_status_leaving(const json_t *old, bool account_made, const char *message,
                                     int64_t generation, int64_t now_s);

#endif
