/* SPDX-License-Identifier: Apache-2.0 */
/* The Secret with a bootstrap bundle, for users whose tools carry it to the machines (spec.bundleSecret): the files of
 * machine/machine.h, in the hub, beside the WorkloadGroup, whose it is, so that it goes with it. A token lies in it,
 * so it is made only where it is asked for. It is renewed at half of the token's life, and when what it is made from
 * changes. A Secret of that name that is not this group's is left alone. What is known of it here is its metadata: it
 * is never read back. */
#ifndef CONTROLLER_WORKLOADGROUP_BUNDLE_H
#define CONTROLLER_WORKLOADGROUP_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kube/client.h"
#include "runtime/cluster.h"
#include "json/jx.h"

struct workloadgroup;
struct gather;

struct workloadgroup_bundle {
    struct cluster_task task;    /* while it gathers; first */
    struct workloadgroup *group; /* while something is on its way */
    char *secret;                /* the name that all below is about, but for `gone`; NULL: none */
    char *gone;                  /* a former one that is not there any more, or NULL */
    struct kube_call *call;      /* to the hub */
    struct gather *gather;       /* in the member */
    bool known, there, ours;     /* what is in the hub, as it was read last or written since */
    bool stale;                  /* it is to be read again */
    char uid[64];
    char intent[JX_SHA256_HEX]; /* of what is there; "": not known */
    int64_t issued_s, expires_s;
    char next_intent[JX_SHA256_HEX]; /* of what is on its way */
    int64_t next_issued_s, next_expires_s;
    struct err err; /* of the last attempt; class ERR_NONE: it went well */
    int failures;
    int64_t retry_ms;
};

/* Ends what is on its way, forgets all. */
void workloadgroup_bundle_done(struct workloadgroup_bundle *b);

#endif
