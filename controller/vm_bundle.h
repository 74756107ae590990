/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's bundle, found from the hub: the WorkloadGroup says in which cluster it is, the MemberCluster how that one
 * is reached. */
#ifndef CONTROLLER_VM_BUNDLE_H
#define CONTROLLER_VM_BUNDLE_H

#include <uv.h>

#include "kube/kubeconfig.h"
#include "machine/machine.h"
#include "options.h"

/* bundle is NULL on failure; what: one line for the user ("... of mesh shop, cluster c1; the token ends at ..."); both
 * live until the callback returns. */
typedef void vm_bundle_cb(void *arg, const struct machine_bundle *bundle, const char *what,
                          const struct err *err);

/* Options, the config of the hub and ns, the namespace of the WorkloadGroup, are borrowed until the callback, which
 * runs once, on the loop. -1 with *err when nothing was started. All clients are gone after it. */
int vm_bundle_start(uv_loop_t *loop, const struct options *o, const struct kube_config *hub,
                    const char *ns, vm_bundle_cb *cb, void *arg, struct err *err);

#endif
