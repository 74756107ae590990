/* SPDX-License-Identifier: Apache-2.0 */
/* What a Gateway without a mesh makes in a cluster: pure, from its spec and what was found to plans. */
#ifndef CONTROLLER_GATEWAY_PLAIN_H
#define CONTROLLER_GATEWAY_PLAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "base/arena.h"
#include "plan/plan.h"

enum { PLAIN_ROUTES_MAX = 64, PLAIN_CLUSTERS_MAX = 64, PLAIN_HTTP_PORT = 80 };

/* A Service that routes name, with the ports that they name. */
struct plain_service {
    const char *ns, *name;
    int ports[PLAIN_ROUTES_MAX];
    size_t n_ports;
};

/* The Services of the routes, each once, in the order of the routes; memory from a. */
size_t plain_services(struct arena *a, const struct api_gateway *cr, struct plain_service **ret);

/* Name of the Service that exposes it: <gateway>-<service>, the end replaced by a hash when that is too long. */
char *plain_exposed_name(struct arena *a, const char *gateway, const char *service);

/* A Service of the type of spec.exposure that leads to the pods of `to`. spec: of the live Service (selector, ports).
 * ERR_INVALID when it has no selector, or none of the ports. */
int plain_expose(const struct api_gateway *cr, const struct plan_owner *owner,
                 const struct plain_service *to, const json_t *spec, struct plan *plan,
                 struct err *err);

/* An Ingress for the routes to Services of one namespace; with publishTo also for the names that those Services have
 * inside a cluster, since that is what clients that come by the DNS entries ask for. */
int plain_ingress(const struct api_gateway *cr, const struct plan_owner *owner, const char *ns,
                  struct plan *plan, struct err *err);

/* Where a Service is exposed by one cluster. */
struct plain_site {
    const char *cluster;
    const char *const *addresses;
    size_t n_addresses;
    const json_t
        *ports; /* [{name?, port, protocol?, appProtocol?, target}]: target is the port there */
};

/* A DNS entry for the Service where it is not: a Service without selector, whose EndpointSlices hold the IP addresses;
 * or, when there are only host names, one of type ExternalName. Nothing while no address is known. */
int plain_publish(const struct plan_owner *owner, const struct plain_service *of,
                  const struct plain_site *sites, size_t n, struct plan *plan, struct err *err);

/* The ports of a DNS entry, as of plain_site; new reference. spec: as of plain_expose, or NULL when all go to
 * `target` (an Ingress). */
json_t *plain_ports(const struct plain_service *of, const json_t *spec, int target);

#endif
