/* SPDX-License-Identifier: Apache-2.0 */
/* `meshwright vm bundle NAME -o DIR|-`: what a machine needs to join a mesh, made on demand and stored nowhere else. */
#ifndef CONTROLLER_VM_H
#define CONTROLLER_VM_H

#include "options.h"

/* The hub is that of --kubeconfig, else of $KUBECONFIG, else of ~/.kube/config, else the cluster it runs in; the
 * namespace that of --namespace, else of the kubeconfig, else "default". Exit code: 0, or 1 with a line on stderr. */
int vm_run(const struct options *o);

#endif
