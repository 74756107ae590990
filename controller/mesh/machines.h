/* SPDX-License-Identifier: Apache-2.0 */
/* Machines outside Kubernetes, as a Mesh sees them: the WorkloadGroups of its namespace that name it. Their objects
 * in clusters are for their own reconciler to make; here is where they are in the graph. Reads the resources as they
 * are in the hub, without decoding them: a pass over a mesh asks each time. */
#ifndef CONTROLLER_MESH_MACHINES_H
#define CONTROLLER_MESH_MACHINES_H

#include <stdbool.h>
#include <stddef.h>

#include "mesh/mesh.h"

/* Whether a WorkloadGroup refers to that Mesh and still counts: one that is being deleted does not. */
bool machines_of_mesh(const struct hub_object *group, const char *ns, const char *mesh);

/* Whether a group keeps what it has in clusters when its Mesh is deleted: Retain, or suspended. */
bool machines_outlive_mesh(const json_t *group);

/* The identity of a group's machines, as its spec has it: both default to the group's name. Borrowed from it. */
const char *machines_namespace(const json_t *group);
const char *machines_account(const json_t *group);

/* Labels of the machines of a group: what its spec says (NULL: nothing), else app with its name. Memory of the arena.
 */
const json_t *machines_labels(struct arena *a, const json_t *said, const char *name);
/* Object: the names of its ports -> where the machines listen. Memory of the arena. */
json_t *machines_ports(struct arena *a, const json_t *group);

/* Where a group's machines attach. */
struct machines_place {
    const char *cluster; /* a Primary of the mesh; NULL: nowhere, reason and message say why */
    const char *network; /* that the machines are on: what the spec says, else that cluster's */
    const char *reason;  /* one word, of a condition */
    const char *message; /* what to do next */
};
/* What the spec says; else where its status says that it is, as long as that is a Primary, so that a cluster that is
 * added moves no machines; else the first Primary by name. Memory of the arena. */
struct machines_place mesh_machines_primary(const struct manager *m, struct arena *a,
                                            const struct hub_object *group);

/* Where machines reach the istiod of a cluster of a mesh: through its east-west gateway, at the port that comes with it
 * (ISTIO_ISTIOD_PORT, whatever the port of mTLS is). IP addresses come before host names. n_addresses 0: not known yet.
 * Memory of the arena. */
struct mesh_eastwest mesh_machines_istiod(struct manager *m, struct arena *a, const char *ns,
                                          const char *mesh_name, const char *cluster);

/* A group that attaches to a cluster, as others see it. */
struct machines_group {
    const char *cluster, *network;
    const char *ns, *account;
    const json_t *obj; /* its resource */
};
/* Those of a Mesh; memory of the arena. */
size_t mesh_machines_groups(const struct manager *m, struct arena *a, const struct hub_object *mesh,
                            struct machines_group **ret);

/* The networks of all machines of a Mesh, sorted, each once; memory of the arena. */
size_t mesh_machines_networks(const struct manager *m, struct arena *a,
                              const struct hub_object *mesh, const char *const **ret);

/* Whether a group that names the Mesh of the pass, being deleted or not, has something in a cluster that answers. One
 * that outlives the mesh does not count. */
bool mesh_machines_remain(const struct mesh_pass *p);

/* Fills `machines` of the pass's graph. */
void mesh_machines_observe(struct mesh_pass *p);

#endif
