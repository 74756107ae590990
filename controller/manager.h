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

struct mesh;   /* mesh/mesh.h */
struct member; /* membercluster/member.h */

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
    bool leading;
    bool stopping;
    int exit_code;
    uint64_t writes, reconciles;
    int64_t give_back_ms, give_back_wait_ms; /* memory: when next, and how long after that */
};

/* Runs until SIGTERM or SIGINT, or until the lease is lost. Returns the process's exit code. */
int manager_run(const struct options *o);

/* Queue keys: "<kind>/<namespace>/<name>". */
void manager_enqueue(struct manager *m, enum api_kind kind, const char *key, int64_t delay_ms);
/* Every Mesh of a namespace: something that they look at has changed. */
void manager_enqueue_meshes(struct manager *m, const char *ns, int64_t delay_ms);

struct cluster *manager_cluster(const struct manager *m, const char *ns, const char *name);

/* Counts a write and, in crash tests, ends the process right after the one asked for. */
void manager_written(void *manager);

#endif
