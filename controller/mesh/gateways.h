/* SPDX-License-Identifier: Apache-2.0 */
/* What Gateway resources with a meshRef make of a mesh's plans: see also mesh.h. */
#ifndef CONTROLLER_MESH_GATEWAYS_H
#define CONTROLLER_MESH_GATEWAYS_H

#include <stdbool.h>

#include "mesh/mesh.h"

/* Whether the graph needs an east-west gateway at all. */
bool mesh_gateway_needed(const struct topo_gateway_need *need);

/* A resource as it is rendered. What depends on the graph (east-west: hosts, istiod) is left out. */
void mesh_gateway_take(struct arena *a, const struct api_gateway *cr, struct istio_gateway *g);

/* Adds what the renderer does not make: the Secrets with the gateways' server certificates. */
int mesh_gateways_plan(struct mesh_pass *p, const struct istio_target *t, struct plan *plan,
                       struct err *err);

/* Whether an object of ours in a member is left as it is though no plan has it: it is of a gateway that is suspended or
 * that can't be decoded, or of a certificate that can't be read in the hub now. */
bool mesh_gateways_hold(const struct mesh_pass *p, const char *cluster, const struct kube_view *v);

#endif
