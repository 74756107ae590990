/* SPDX-License-Identifier: Apache-2.0 */
/* Reconciler of MemberCluster: credentials, connection, identity, status, and the wait for
 * cleanup when it is deleted. */
#ifndef CONTROLLER_MEMBERCLUSTER_MEMBER_H
#define CONTROLLER_MEMBERCLUSTER_MEMBER_H

#include <stdint.h>

#include "manager.h"
#include "membercluster/facts.h"

struct member {
    struct manager *manager;
    char *ns, *name;
    struct kube_call *call; /* reading the Secret */
    bool known;             /* the cluster was read */
    bool leaving;           /* its MemberCluster is being deleted */
    uint64_t seen;          /* hash of what a status says of the cluster, when that changed last */
    uint64_t told;    /* hash of what the status in the hub was made from; 0: of something else */
    int64_t read_ms;  /* when it was read last */
    char wanted[512]; /* where the credentials in use came from */
    char reason[64];  /* why they can't be used: "" when they can */
    bool stalled;     /* only an edit helps */
    char problem[ERR_MSG_MAX];
    int64_t expires;    /* of the credentials, seconds since 1970; 0 unknown */
    int64_t leaving_ms; /* deletion was first seen with the cluster out of reach */
    struct member_facts facts;
    struct set_member *set; /* clusterset/clusterset.h; NULL: in no set */
    UT_hash_handle hh;
    char key[];
};

int64_t member_reconcile(struct manager *m, const char *key);
void member_forget_all(struct manager *m);

#endif
