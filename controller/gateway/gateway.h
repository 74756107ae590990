/* SPDX-License-Identifier: Apache-2.0 */
/* Reconciler of Gateway. With meshRef it only reports: the Mesh's plan has what the Gateway asks for (mesh/gateways.h).
 * Without, it makes what is asked for by itself (plain.h). Either way it reads the server certificate (tls.h). */
#ifndef CONTROLLER_GATEWAY_GATEWAY_H
#define CONTROLLER_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/err.h"
#include "manager.h"
#include "json/jx.h"

/* What the hub's Secret with the server certificate says. The last good one stays when it can't be read. */
struct gateway_tls {
    struct kube_call *call;
    char *secret;               /* name of what is read, or NULL: none yet */
    char sha256[JX_SHA256_HEX]; /* of tls.crt, as text; "" before it was read well */
    int64_t not_after;          /* of it */
    int64_t read_ms;            /* when it was asked for last; 0: never */
    bool answered;              /* since `secret` is that name */
    struct err err;             /* of the last reading */
};

struct gateway_site;
struct gateway_routed;

struct gateway {
    struct manager *manager;
    char *ns, *name, *uid;
    struct gateway_tls tls;
    struct gateway_site *sites;    /* without meshRef: by cluster, see outside.c */
    struct gateway_routed *routed; /* likewise: Services that are routed to */
    int64_t born_ms;               /* first seen by this process */
    int64_t waiting_ms; /* since when its Mesh has not looked at the specs as they are; 0: it has */
    int64_t unready_ms; /* since when it is not ready while its status still says so; 0: it is */
    int64_t leaving_ms; /* deletion: first seen with a cluster out of reach */
    UT_hash_handle hh;
    char key[];
};

int64_t gateway_reconcile(struct manager *m, const char *key);
void gateway_forget_all(struct manager *m);

#endif
