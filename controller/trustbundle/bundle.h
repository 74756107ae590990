/* SPDX-License-Identifier: Apache-2.0 */
/* Reconciler of TrustBundle. It only tells: what a TrustBundle asks for is a part of the plans of the Meshes that are
 * its members (mesh/trust.c), so deleting one needs no finalizer. */
#ifndef CONTROLLER_TRUSTBUNDLE_BUNDLE_H
#define CONTROLLER_TRUSTBUNDLE_BUNDLE_H

#include "manager.h"

int64_t trustbundle_reconcile(struct manager *m, const char *key);
/* Something that they tell of changed. */
void trustbundle_enqueue_all(struct manager *m, const char *ns);

#endif
