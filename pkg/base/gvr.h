/* SPDX-License-Identifier: Apache-2.0 */
/* Names of Kubernetes resource types: what a manifest calls (apiVersion, kind) and a URL (group, version, plural). */
#ifndef BASE_GVR_H
#define BASE_GVR_H

#include <stdbool.h>

struct gvr {
    const char *group;   /* "" = core */
    const char *version; /* "v1" */
    const char *plural;  /* "services" */
    const char *kind;    /* "Service" */
    bool namespaced;
};

/* "apps/v1" or "v1". Owned. */
char *gvr_api_version(const struct gvr *g);

/* "/apis/apps/v1/namespaces/ns/deployments/name", every part percent-encoded; ns NULL: all namespaces or cluster scope;
 * name NULL: the collection. Owned.
 * An empty name, or one too long for a path, gives a path that no server has, never the collection's. */
char *gvr_path(const struct gvr *g, const char *ns, const char *name);

#endif
