/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election by a Lease (coordination.k8s.io/v1), as client-go's leaderelection: duration 15 s, renew deadline
 * 10 s, retry 2 s with jitter for candidates; expiry judged by the local monotonic time of the last observed change. */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include "kube/client.h"

struct kube_lease;
struct kube_lease *kube_lease_start(struct kube_client *c, const char *ns, const char *name,
                                    const char *identity, void (*acquired)(void *arg),
                                    void (*lost)(void *arg), void *arg);
/* Gives the lease up (holder "") when we hold it, then calls done (also when there was nothing to give up, or after 2 s
 * without an answer) and frees. The client has to live until then. */
void kube_lease_release(struct kube_lease *l, void (*done)(void *arg), void *arg);

#endif
