/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would render, from files alone: the same graph and the same renderer, and words in the place of what
 * only a run can know (addresses, roots, what is in the clusters). */
#ifndef CONTROLLER_OFFLINE_H
#define CONTROLLER_OFFLINE_H

#include "api/api.h"
#include "base/arena.h"
#include "istio/istio.h"
#include "options.h"
#include "topology/topology.h"

struct offline {
    struct arena arena;
    json_t *meshes, *members, *gateways, *bundles, *groups; /* arrays of objects of our kinds */
};

/* A Mesh with its members, by name. Memory of the arena. */
struct offline_mesh {
    struct offline *in;
    const struct api_mesh *cr;
    struct istio_data *data; /* the caller's */
    const char **names;
    const struct api_member_cluster **members;
    struct topo_member *graph;
    size_t n;
};

/* -1 with *err when a MemberCluster is missing, or something can't be decoded. */
int offline_mesh(struct offline *in, const json_t *obj, struct offline_mesh *ret, struct err *err);
/* What members[at] is to hold. */
int offline_target(struct offline_mesh *m, const struct options *o, size_t at,
                   struct istio_target *t, struct err *err);
/* What a run adds to it, in words; NULL: nothing. */
const char *offline_unknown(const struct offline_mesh *m);

/* What a WorkloadGroup makes in members[at]: 1; 0 when it is not of this mesh, or attaches elsewhere. */
#define OFFLINE_GROUP_UNKNOWN                                                                      \
    "a run makes the namespace and the account only where they are missing"
int offline_group(struct offline_mesh *m, const json_t *group, size_t at, struct plan *plan,
                  struct err *err);

/* What a Gateway without a mesh makes of its spec alone. */
#define OFFLINE_PLAIN_UNKNOWN                                                                      \
    "a run adds what follows from the Services that the routes name, and DNS entries in publishTo"
int offline_plain(struct offline *in, const struct api_gateway *cr, struct plan *plan,
                  struct err *err);

#endif
