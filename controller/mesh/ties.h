/* SPDX-License-Identifier: Apache-2.0 */
/* What ties the meshes of a namespace: who trusts whom, and where each one is. From the hub's resources alone. */
#ifndef CONTROLLER_MESH_TIES_H
#define CONTROLLER_MESH_TIES_H

#include "manager.h"
#include "topology/topology.h"

struct ties {
    struct manager *manager;
    const char *ns;
    struct topo_trust *trusts; /* of every TrustBundle, without members that can't be trusted */
    size_t n_trusts;
};

/* Memory of the arena. */
struct ties *ties_of(struct manager *m, struct arena *a, const char *ns);

/* A Mesh that is there and is not being deleted; NULL when there is none of this name. */
const struct hub_object *ties_mesh(const struct manager *m, const char *ns, const char *name);
/* The state that its own passes keep; NULL before the first of them. */
struct mesh *ties_state(const struct manager *m, const char *ns, const char *name);
const char *ties_trust_domain(struct arena *a, const json_t *mesh);
/* The oldest Mesh of the namespace that has this trust domain: the only one that others can trust by it. */
const struct hub_object *ties_domain_owner(const struct manager *m, struct arena *a, const char *ns,
                                           const char *domain);
/* Whether a TrustBundle of the namespace names it, usable or not. */
bool ties_bound(const struct manager *m, const char *ns, const char *mesh);

/* A cluster of a mesh. */
struct site {
    const char *cluster, *network;
    struct cluster *c; /* NULL: not connected */
    bool leaves;       /* its MemberCluster is not there, or is being deleted */
};
/* By name of the cluster. */
size_t ties_sites(const struct manager *m, struct arena *a, const json_t *mesh, struct site **ret);
bool ties_on_network(const struct site *s, size_t n, const char *network);

static inline const char *ties_name(const struct hub_object *o)
{
    return strchr(o->key, '/') + 1;
}

#endif
