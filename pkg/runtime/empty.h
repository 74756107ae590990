/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a namespace holds anything of anybody: what to ask, and what does not count. Pure. */
#ifndef RUNTIME_EMPTY_H
#define RUNTIME_EMPTY_H

#include <jansson.h>
#include <stdbool.h>

/* Accept of /api and /apis: all resources in one answer (KEP-3352; Kubernetes 1.30 and newer). */
#define EMPTY_ACCEPT_DISCOVERY                                                                     \
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

/* Paths that list, as metadata, every kind that a namespace can hold: from an answer of discovery. NULL when it is
 * none. Owned. */
json_t *empty_paths(const json_t *discovery, const char *ns);

/* Whether an object of such a list was put there by somebody: not by Kubernetes or Istio, as in every namespace, and
 * not what follows from another object. */
bool empty_counts(const char *path, const json_t *item);

#endif
