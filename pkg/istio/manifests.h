/* SPDX-License-Identifier: Apache-2.0 */
/* The files of pkg/istio/manifests, carried in the binary by hack/embed. They are parsed when they are needed
 * first, and the trees kept (render.c): parsing took most of the time of a render. */
#ifndef ISTIO_MANIFESTS_H
#define ISTIO_MANIFESTS_H

#include <stddef.h>

struct istio_manifest {
    const char *name; /* file name without ".yaml" */
    const char *data; /* NUL-terminated */
    size_t len;       /* without the NUL */
};

/* Sorted by name, ended by name NULL. */
extern const struct istio_manifest istio_manifests[];

#endif
