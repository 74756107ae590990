/* SPDX-License-Identifier: Apache-2.0 */
/* Inside exports.c, imports.c and offers.c: services that meshes let one another call. */
#ifndef CONTROLLER_MESH_TRADE_H
#define CONTROLLER_MESH_TRADE_H

#include "mesh/mesh.h"
#include "mesh/ties.h"
#include "topology/exports.h"

/* Services found in clusters, with what is behind them. */
struct offers {
    struct topo_offer *all; /* sorted: see topo_offers_sort */
    size_t n, cap;
    bool unsure;     /* a cluster was not read yet ... */
    bool soon;       /* ... and it was only now begun */
    const char *odd; /* "namespace/name" of one that can't be exported: headless, or ExternalName */
};

typedef bool offer_wanted(const void *arg, const char *ns, const char *name);
/* Adds the wanted Services of a cluster; asks for the watches that it needs. */
void offers_collect(struct arena *a, const struct site *s, offer_wanted *wanted, const void *arg,
                    struct offers *out);
/* Adds the machines of a mesh to the offers of Services that select them; likewise. */
void offers_add_machines(const struct manager *m, struct arena *a, const struct hub_object *mesh,
                         struct offers *out);
/* All that `mesh` offers to the mesh of the name `to`. */
struct offers offers_to(struct ties *t, struct arena *a, const struct hub_object *mesh,
                        const char *to);
/* Entries of spec.exports; memory of the arena. */
size_t offers_exports(struct arena *a, const json_t *mesh, struct topo_export **ret);
bool offers_named(const struct topo_export *e, size_t n, const char *mesh);

/* A mesh that may call exported services of this one, or the other way round. */
struct partner {
    const struct hub_object *o;
    const char *name, *domain;
    struct site *sites;
    size_t n_sites;
    const char *const *machines; /* networks that it has machines on */
    size_t n_machines;
    struct offers offers; /* of the seller to the buyer */
    struct topo_imported *services;
    size_t n_services;
};

struct trade {
    struct partner *buyers, *sellers; /* by name */
    size_t n_buyers, n_sellers;
    bool made; /* offers are filled in */
    /* imports.c */
    struct topo_imported *imports; /* of all sellers, by namespace and name */
    const struct partner **seller_of;
    size_t n_imports;
    struct offers local; /* Services of this mesh of those names */
};

/* Who may trade with this mesh: by resources alone. */
struct trade *trade_partners(struct mesh_pass *p);
/* The same with all that there is in the clusters. */
struct trade *trade_of(struct mesh_pass *p);

/* imports.c */
void trade_import(struct mesh_pass *p, struct trade *t);
void trade_imports_target(struct mesh_pass *p, const struct mesh_member *mm,
                          struct istio_target *t);
void trade_judge_imports(struct mesh_pass *p, const struct trade *t);

/* The first one said counts. */
void trade_claim(struct mesh_claim *c, bool good, const char *reason, const char *message);

#endif
