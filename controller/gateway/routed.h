/* SPDX-License-Identifier: Apache-2.0 */
/* Services that a Gateway without a mesh routes to: their selectors and whole ports, which records do not have, are
 * read when the Service's record shows another version. The last one stays as long as the Gateway names the Service. */
#ifndef CONTROLLER_GATEWAY_ROUTED_H
#define CONTROLLER_GATEWAY_ROUTED_H

#include "gateway/gateway.h"

/* {"selector":..., "ports":[...]}, borrowed until the next call; NULL: not read yet, or there is no such Service. */
const json_t *gateway_routed_spec(struct gateway *g, struct cluster *c, const char *ns,
                                  const char *name);
/* Forgets those that were not asked for since the last call. */
void gateway_routed_sweep(struct gateway *g);
void gateway_routed_done(struct gateway *g);

#endif
