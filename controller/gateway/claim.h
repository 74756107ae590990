/* SPDX-License-Identifier: Apache-2.0 */
/* Which Gateway resources concern which mesh and cluster, and which of several is heard. Reads the resources as they
 * are in the hub, without decoding them: a pass over a mesh asks each time. */
#ifndef CONTROLLER_GATEWAY_CLAIM_H
#define CONTROLLER_GATEWAY_CLAIM_H

#include <stdbool.h>

#include "hub.h"

/* Whether it refers to that Mesh, and still counts: a Gateway that is being deleted does not, unless what it made is to
 * stay (deletionPolicy Retain). */
bool gateway_of_mesh(const struct hub_object *o, const char *ns, const char *mesh);
/* Whether it is for that cluster: named in spec.clusters, or none is named. */
bool gateway_for_cluster(const struct hub_object *o, const char *cluster);
bool gateway_is_eastwest(const struct hub_object *o);

/* What it made stays as it is, whatever its spec says: it is suspended, or it is being deleted with deletionPolicy
 * Retain. Nothing is rendered for it and nothing of it is pruned, so that no memory of a former spec is needed, also
 * not after a restart. */
bool gateway_held(const struct hub_object *o);

/* The EastWest Gateway that is heard in a cluster of a mesh: the oldest, then the first by name. NULL: none. */
const struct hub_object *gateway_eastwest_of(const struct hub *h, const char *ns, const char *mesh,
                                             const char *cluster);

/* Why a Gateway of this name can't be made in istio-system, or NULL: the name is one of Istio's own objects. */
const char *gateway_name_taken(const char *name);

/* Whether an object of istio-system is one that is made for the gateway of this name: its name, or one that begins with
 * it and '-'. */
bool gateway_made(const char *gateway, const char *object);

#endif
