/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the applier share; not for others. */
#ifndef RUNTIME_APPLIER_PRIV_H
#define RUNTIME_APPLIER_PRIV_H

#include "kube/client.h"
#include "runtime/applier.h"

/* The server answered, or nobody did: the op is over, and waits before it is tried again. */
void op_fail_answered(struct op *op, const struct err *err);
/* Goes on as a release: our labels, annotations and managedFields entry go. */
void op_release(struct op *op);
/* A kube_call_cb: the answer to a deletion. */
void op_on_deleted(void *arg, const struct kube_response *r, const struct err *err);

#endif
