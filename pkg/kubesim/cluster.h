/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the simulated servers, and the only ways to change it: each counts the cluster's resourceVersion up,
 * leaves an event in the collection's history and tells its watches. */
#ifndef KUBESIM_CLUSTER_H
#define KUBESIM_CLUSTER_H

#include <uthash.h>
#include <uv.h>

#include "base/clock.h"
#include "kubesim/kubesim.h"
#include "kubesim/store.h"

enum { SIM_SECRET = 32 };

struct sim_cluster {
    char *name;
    struct kubesim *sim;
    uint64_t version;                   /* the last resourceVersion given */
    struct sim_collection *collections; /* by kind */
    struct sim_kind *custom;            /* by the name of the CustomResourceDefinition */
    struct sim_collection *dropped;     /* of kinds that are no longer served */
    uint32_t number; /* among the clusters, in the order in which they were added */
    uint32_t next_ip, next_port, next_balancer;
    struct kubesim_stats stats;
    UT_hash_handle hh; /* by name */
};

struct kubesim {
    uv_loop_t *loop;
    struct kubesim_opts opts;
    struct sim_listener *listener; /* NULL in tests without a network */
    struct sim_cluster *clusters;
    char *ca;                         /* PEM: what a kubeconfig trusts */
    char *token;                      /* the administrator's bearer token */
    unsigned char secret[SIM_SECRET]; /* signs the tokens of service accounts */
};

/* All of kubesim_new but the listener and its certificate. */
struct kubesim *kubesim_core_new(uv_loop_t *loop, const struct kubesim_opts *o, struct err *err);
struct sim_cluster *kubesim_cluster(const struct kubesim *s, const char *name);

/* The kind of a resource that this cluster serves, or NULL. */
const struct sim_kind *sim_cluster_kind(const struct sim_cluster *c, const char *group,
                                        const char *plural);
/* The collection of a kind, made when there is none yet. */
struct sim_collection *sim_cluster_collection(struct sim_cluster *c, const struct sim_kind *k);
struct sim_collection *sim_cluster_builtin(struct sim_cluster *c, const char *group,
                                           const char *plural);

/* Frees the kinds that are no longer served: a request that ends one still looks at it. Between requests. */
void sim_cluster_tidy(struct sim_cluster *c);

/* Stores a tree as the new state of its object, which is returned, borrowed. */
struct sim_object *sim_cluster_put(struct sim_cluster *c, struct sim_collection *at,
                                   const json_t *tree);
/* Removes an object, and what its end brings about: of a Namespace, of the last object in one that ends, or of the last
 * one of a CustomResourceDefinition that ends. Returns the version of the deletion. */
uint64_t sim_cluster_remove(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o);
/* Deletes an object as DELETE does: with finalizers it only gets a deletionTimestamp. A reference to the last state;
 * *ret_version: the one to show. */
struct sim_object *sim_cluster_delete(struct sim_cluster *c, struct sim_collection *at,
                                      struct sim_object *o, uint64_t *ret_version);

/* What follows from a new state, just stored: kinds of CustomResourceDefinitions; with opts.act what controllers would
 * do. */
void sim_cluster_act(struct sim_cluster *c, struct sim_collection *at, const json_t *tree);

/* With opts.act (istiod.c): an istiod that came, or went. */
void sim_istiod_act(struct sim_cluster *c, const json_t *deployment);
void sim_istiod_gone(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o);

/* The schema (openAPIV3Schema) of a version of a custom kind, borrowed until the next write; or NULL. */
const json_t *sim_cluster_schema(struct sim_cluster *c, const struct sim_kind *k,
                                 const char *version);
void sim_schemas_forget(void);

void sim_now(char out[CLOCK_RFC3339_MAX]);
enum { SIM_UUID = 37 };
void sim_uuid(char out[SIM_UUID]); /* random (RFC 9562, version 4) */

#endif
