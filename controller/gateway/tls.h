/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's server certificate: a Secret of type kubernetes.io/tls in the hub, copied into the clusters as
 * <gateway>-tls. Only the SHA-256 of the certificate is kept here, and is in the intent of the copy: a renewed
 * certificate is another intent. The key is read when a copy is written, and lives for that call. */
#ifndef CONTROLLER_GATEWAY_TLS_H
#define CONTROLLER_GATEWAY_TLS_H

#include "base/arena.h"
#include "gateway/gateway.h"
#include "plan/plan.h"
#include "runtime/applier.h"

/* How old what is known of a certificate may be. */
enum { GATEWAY_TLS_REREAD_MS = 60000 };

/* The copy's name; and whether a Secret is that copy. */
char *gateway_tls_name(struct arena *a, const char *gateway);
bool gateway_tls_is(const char *gateway, const char *secret);

/* Reads the Secret when it is time (secret NULL: there is none to read). When something changed, the Gateway is put
 * into the queue, and its Mesh. Returns after how many ms to call again; 0: no need. */
int64_t gateway_tls_refresh(struct gateway *g, const char *secret);
void gateway_tls_done(struct gateway_tls *t);

/* SHA-256 of the certificate of a Gateway (key "namespace/name"), or NULL when it was not read well yet. */
const char *gateway_tls_sha256(const struct manager *m, const char *key);

/* Adds the copy to the plan of a cluster; while the certificate is not known nothing is added. */
int gateway_tls_plan(const struct manager *m, const char *ns, const char *gateway,
                     const char *target_ns, const struct plan_owner *owner, struct plan *plan,
                     struct err *err);

/* Sends a copy (content PLAN_TLS_SECRET): reads the hub's Secret o->peer in ns, fills it in. */
void gateway_tls_send(struct manager *m, const char *ns, struct op *op,
                      const struct plan_object *o);

#endif
