/* SPDX-License-Identifier: Apache-2.0 */
/* Wires everything: the hub's view, the member clusters, the queue, and the reconcilers. One thread, one loop. */
#ifndef CONTROLLER_MANAGER_H
#define CONTROLLER_MANAGER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/clock.h"
#include "hub.h"
#include "kube/lease.h"
#include "options.h"
#include "runtime/cluster.h"
#include "runtime/queue.h"
#include "serve/serve.h"

struct gateway;       /* gateway/gateway.h */
struct workloadgroup; /* workloadgroup/pass.h */
struct mesh;          /* mesh/mesh.h */
struct member;        /* membercluster/member.h */
struct kept_object;   /* mesh/kept.h */
struct await;
struct data_entry;

struct manager {
    const struct options *options;
    uv_loop_t *loop;
    const struct clock *clock;
    struct kube_config hub_config;
    struct kube_client *hub_client;
    struct hub hub;
    struct queue *queue;
    uv_timer_t wake;
    uv_signal_t sigterm, sigint;
    struct kube_lease *lease;
    struct serve *serve;
    struct cluster *clusters; /* by "namespace/name" */
    struct member *members;
    struct mesh *meshes;
    struct gateway *gateways;
    struct workloadgroup *workloadgroups;
    struct kept_object *kept; /* objects of all meshes' plans */
    struct await *awaits;     /* by cluster */
    struct data_entry *data;  /* Istio's carried data, by version as written */
    uint64_t spec_seen;       /* hub.spec_rev, as of the last change */
    uint64_t known_rev;       /* raised when a cluster was read for the first time */
    uint64_t sites_rev;       /* raised when facts of a member changed (membercluster/facts.h) */
    bool leading;
    bool stopping;
    int exit_code;
    size_t writes_running; /* to members, without an answer yet */
    uint64_t writes, reconciles, renders;
    int64_t give_back_ms, give_back_wait_ms; /* memory: when next, and how long after that */
};

enum {
    MANAGER_CHANGE_MS = 20
}; /* changes come in bursts: so long the first one waits for the others */

/* Runs until SIGTERM or SIGINT, or until the lease is lost. Returns the process's exit code. */
int manager_run(const struct options *o);

/* Queue keys: "<kind>/<namespace>/<name>". */
void manager_enqueue(struct manager *m, enum api_kind kind, const char *key, int64_t delay_ms);
/* Every Mesh of a namespace: something that they look at has changed. */
void manager_enqueue_meshes(struct manager *m, const char *ns, int64_t delay_ms);

/* The next change of a cluster (key "namespace/name", which need not be there yet) puts a Mesh into the queue, once:
 * who wants to hear of further ones asks again. So a cluster's changes cost nothing until its meshes have looked. */
void manager_await(struct manager *m, const char *cluster_key, const char *mesh_key);
/* The same for resources of other kinds. */
void manager_await_kind(struct manager *m, const char *cluster_key, enum api_kind kind,
                        const char *key);
/* Something in the cluster changed: for those that wait for it. */
void manager_cluster_changed(struct manager *m, const struct cluster *c);
/* It was read for the first time: what is left in it of an owner that does not list it may want to go. */
void manager_cluster_known(struct manager *m, struct cluster *c);

/* Frees what the above holds. */
void manager_forget(struct manager *m);

/* Read once and kept: the files are a part of the image. Borrowed until the next call; NULL with *err
 * set. */
struct istio_data *manager_istio_data(struct manager *m, const char *version, struct err *err);

struct cluster *manager_cluster(const struct manager *m, const char *ns, const char *name);

/* Counts a write and, in crash tests, ends the process right after the one asked for. */
void manager_written(void *manager);

#endif
