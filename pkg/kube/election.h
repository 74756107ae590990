/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election without I/O: what is known of the Lease goes in, what to do next comes out. After client-go's
 * leaderelection.go. */
#ifndef KUBE_ELECTION_H
#define KUBE_ELECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
    KUBE_LEASE_DURATION_S = 15,
    KUBE_LEASE_RENEW_DEADLINE_MS = 10000,
    KUBE_LEASE_RETRY_MS = 2000,
    KUBE_LEASE_IDENTITY_MAX = 256,
};

enum kube_election_action {
    KUBE_ELECTION_WAIT,   /* wait_ms, then tick */
    KUBE_ELECTION_READ,   /* GET the Lease */
    KUBE_ELECTION_CREATE, /* POST, see kube_election_body */
    KUBE_ELECTION_UPDATE, /* PUT, likewise: with the resourceVersion that was seen */
};

struct kube_election {
    char identity[KUBE_LEASE_IDENTITY_MAX];
    json_t *seen;       /* the Lease as last read or written; NULL: unknown */
    bool absent;        /* it does not exist */
    bool held;          /* we lead */
    int64_t changed_ms; /* local time at which `seen` last changed: expiry is counted from here */
    int64_t renewed_ms; /* local time at which our last successful write began */
    int64_t written_ms; /* local time at which the write that is on its way began */
    uint64_t random;
};

struct kube_election_step {
    bool acquired, lost;
    enum kube_election_action action;
    int64_t wait_ms;
};

/* seed: not 0. */
void kube_election_init(struct kube_election *e, const char *identity, uint64_t seed);
void kube_election_done(struct kube_election *e);

/* At first, and whenever the wait is over. */
struct kube_election_step kube_election_tick(struct kube_election *e, int64_t now_ms);
/* The answer to READ; lease is borrowed, NULL with err. */
struct kube_election_step kube_election_read(struct kube_election *e, const json_t *lease,
                                             const struct err *err, int64_t now_ms);
/* The answer to CREATE and UPDATE, likewise. */
struct kube_election_step kube_election_written(struct kube_election *e, const json_t *lease,
                                                const struct err *err, int64_t now_ms);
/* While we lead and no answer comes: when to give up at the latest (monotonic milliseconds). */
int64_t kube_election_deadline(const struct kube_election *e);
/* Leadership ends by that deadline. */
bool kube_election_expire(struct kube_election *e, int64_t now_ms);

/* What to send for CREATE and UPDATE, or to give the lease up. A new reference. */
json_t *kube_election_body(const struct kube_election *e, const char *ns, const char *name,
                           int64_t wall_us, bool release);

#endif
