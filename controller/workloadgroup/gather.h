/* SPDX-License-Identifier: Apache-2.0 */
/* Reads from a member cluster what a machine's bundle is made from, and asks for the machine's token last, when all
 * else is there. Nothing is written, nothing is kept, nothing waits for more than GATHER_TIMEOUT_MS per request. */
#ifndef CONTROLLER_WORKLOADGROUP_GATHER_H
#define CONTROLLER_WORKLOADGROUP_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kube/client.h"
#include "machine/machine.h"

enum { GATHER_TIMEOUT_MS = 20000, GATHER_BYTES_MAX = 2 * 1048576 };

/* Copied by gather_start but for the client, which outlives the gathering. */
struct gather_request {
    struct kube_client *client;   /* of the member whose control plane the machines attach to */
    const char *namespace, *name; /* of Istio's WorkloadGroup */
    const char *cluster;          /* Istio's name of that cluster: the MemberCluster's */
    const char *revision;         /* "" or NULL: default */
    /* IP addresses of the east-west gateway, separated by a space; NULL: those of its Service in istio-system. */
    const char *istiod_address;
    const char *internal_ip, *external_ip; /* of the machine; NULL: it finds out */
    bool no_dns_capture, no_auto_register;
    int64_t token_s; /* life of the token; the API server may grant another */
};

/* facts live until the callback returns, and the token is wiped then. token_expires: RFC 3339, as the API server said,
 * or NULL. On failure facts is NULL, and *err says what is missing, in which cluster, and what to do; its class is that
 * of the answer: ERR_NOT_FOUND and ERR_TRANSIENT may come right by themselves. */
typedef void gather_cb(void *arg, const struct machine_facts *facts, const char *token_expires,
                       const struct err *err);

/* The callback runs once, on the loop, never before gather_start has returned. The handle is valid until then. Needs of
 * the member: get on workloadgroups.networking.istio.io, ConfigMaps and Services; create on serviceaccounts/token. */
struct gather;
struct gather *gather_start(const struct gather_request *q, gather_cb *cb, void *arg);
/* After this the callback does not run. NULL is fine. Before the client is freed. */
void gather_cancel(struct gather *g);
/* The same after the client was freed, which cancelled its calls. */
void gather_drop(struct gather *g);

#endif
