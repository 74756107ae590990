/* SPDX-License-Identifier: Apache-2.0 */
/* Services that meshes let one another call: pure functions from what there is in the clusters of one mesh to what the
 * other needs. Strings are borrowed, what is made is from the arena. */
#ifndef TOPOLOGY_EXPORTS_H
#define TOPOLOGY_EXPORTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Where a Service answers. */
struct topo_backend {
    const char *address;
    json_t *ports;       /* object: name -> number there; held by the arena */
    const char *network; /* of a machine; NULL: the cluster's */
};

/* A real Service in one cluster of a mesh. */
struct topo_offer {
    const char *ns, *name;
    const char *ports;    /* JSON text, as in the cluster */
    const char *selector; /* likewise; NULL: it selects nothing that we know of */
    const char *cluster, *network;
    struct topo_backend *backends; /* ready ones */
    size_t n_backends, backends_cap;
    const char **accounts; /* service accounts of their pods, and of machines */
    size_t n_accounts, accounts_cap;
};

void topo_offer_add_backend(struct arena *a, struct topo_offer *o, const char *address,
                            json_t *ports);
/* A machine, which may be on a network of its own; NULL: the cluster's. */
void topo_offer_add_machine(struct arena *a, struct topo_offer *o, const char *address,
                            json_t *ports, const char *network);
void topo_offer_add_account(struct arena *a, struct topo_offer *o, const char *account);
/* Whether a Service with this selector selects these labels; an empty one selects nothing. NULL: empty. */
bool topo_offer_selects(const json_t *selector, const json_t *labels);
/* Sorts by namespace, name, cluster; in each offer sorts what is behind it, without doubles. */
void topo_offers_sort(struct topo_offer *all, size_t n);

/* A service of another mesh. */
struct topo_imported {
    const char *ns, *name, *remote_name;
    const struct topo_offer *offers; /* of its clusters, by name; at least one */
    size_t n_offers;
    json_t *ports; /* those of the first cluster, each with a name; held by the arena */
};

/* From sorted offers. suffix: NULL when services keep their names, else they are called <service>-<suffix>; one whose
 * name gets longer than 63 is left out, and counted in *ret_long. */
size_t topo_imports(struct arena *a, const struct topo_offer *offers, size_t n, const char *suffix,
                    struct topo_imported **ret, size_t *ret_long);

/* Whether pods on this network are reached directly from a mesh with these networks, else through their mesh's
 * gateways. One list of endpoints serves all proxies of the importing mesh: those that are not on the pods' network
 * go through their own mesh's gateway there, which knows a service only by the name that it has in this mesh. */
bool topo_direct(const char *network, const char *const *networks, size_t n, bool renamed);

struct topo_endpoint {
    const char *address; /* NULL: whatever is behind the gateways of the network */
    const char *network;
    json_t *ports; /* of an address */
    unsigned weight;
};
/* mesh: the exporting one. */
size_t topo_endpoints(struct arena *a, const struct topo_imported *i, const char *mesh,
                      const char *const *networks, size_t n, struct topo_endpoint **ret);

/* SPIFFE ids of those who may answer: the accounts behind all offers. Sorted, without doubles. When there is none now,
 * one that nobody can have: an empty list would let anybody answer. */
size_t topo_identities(struct arena *a, const char *trust_domain, const struct topo_offer *offers,
                       size_t n, const char ***ret);

/* "<mesh>.<network>": how another mesh's network is called here; a hash in place of what is too long for a label. */
const char *topo_foreign_network(struct arena *a, const char *mesh, const char *network);

/* Names that Istio makes of a service. */
const char *topo_host(struct arena *a, const char *ns, const char *name);
/* Server names by which a gateway finds it: one per port. */
size_t topo_snis(struct arena *a, const struct topo_imported *i, const char ***ret);

/* Sorts, and takes doubles away; returns how many stay. */
size_t topo_unique(const char **list, size_t n);

#endif
