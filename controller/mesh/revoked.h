/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of machines whose WorkloadGroup is gone: kept in status.revoked of the Mesh, refused by a policy in
 * every Primary of the mesh and of the meshes that trust it (ADR 14).
 *
 * Order and crashes. As long as the group is there (its finalizer holds it), the identity follows from it, so
 * the policy and the status may be written in any order, and again after a crash. The group lets go when
 * mesh_revoked_settled() says so: then the hub has it on record. What was lost of the hub's record is not lost
 * in the clusters: a policy that no plan has stays, until a group that is there names its identity. */
#ifndef CONTROLLER_MESH_REVOKED_H
#define CONTROLLER_MESH_REVOKED_H

#include <stdbool.h>

#include "mesh/mesh.h"

/* --- for the reconciler of WorkloadGroups --- */

/* An identity is revoked when nobody names it any more and its account was made for the group alone
 * (status.accountMade of the WorkloadGroup). It is: that of a group that is being deleted, unless with
 * deletionPolicy Retain; and what status.namespace and status.serviceAccount still say of a group whose spec
 * says otherwise now. So the group's status keeps the former identity until this is settled, and only then takes
 * the new one. */

/* Whether {ns, account} of the Mesh of this key ("namespace/name") is on record in the hub, and refused in every
 * cluster that can be worked on, those of meshes that trust it included. A cluster out of reach, or a Mesh that
 * is suspended or can't be worked on, is not waited for: the record holds, and they follow it later. True also
 * when a group that is there names the identity, and when the Mesh is gone or going. Never for what is not
 * revoked, see above: that is not to be asked. */
bool mesh_revoked_settled(struct manager *m, const char *mesh_key, const char *ns,
                          const char *account);
/* NULL when it is settled; else what is waited for, a static text. */
const char *mesh_revoked_waits(struct manager *m, const char *mesh_key, const char *ns,
                               const char *account);

/* --- parts of a pass; see mesh.h --- */

void mesh_revoked_note(struct mesh_pass *p, struct buf *b);
void mesh_revoked_target(struct mesh_pass *p, struct istio_target *t);
/* Whether a policy that no plan has stays. */
bool mesh_revoked_holds(struct mesh_pass *p, const struct kube_view *v);
/* Sets `revoked` where there is any; and all that it is made from. */
void mesh_revoked_status(struct mesh_pass *p, json_t *status);
void mesh_revoked_say(struct mesh_pass *p, struct buf *b);
/* After the writes of a pass: wakes the groups that waited for them. */
void mesh_revoked_told(struct mesh_pass *p);

#endif
