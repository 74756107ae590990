/* SPDX-License-Identifier: Apache-2.0 */
/* kubesim: many Kubernetes API servers in one process, for tests and scale runs. They store and tell, nothing else: no
 * controllers, no admission, no scheduler. What a client can see of them is what a real API server shows; a test runs
 * the same requests against both. */
#ifndef KUBESIM_H
#define KUBESIM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "kubesim/exchange.h"

struct kubesim;
struct kubesim_opts {
    const char *address; /* NULL: 127.0.0.1 */
    int port;            /* 0: a free one */
    unsigned history; /* events kept per collection; older resourceVersions are 410 Gone. 0: 1000 */
    int bookmark_ms;  /* between bookmarks of a watch; 0: 60000 */
    /* Deployments become available, LoadBalancer Services and Ingresses get an address: what controllers of a real
     * cluster would do and ours waits for. A Namespace's deletion removes what is in it. Always on for the last. */
    bool act;
    /* Called with each request that the API gets, before it is worked on; or NULL. */
    void (*seen)(void *arg, const struct sim_request *q);
    void *seen_arg;
};
/* Makes a CA and the server's certificate in memory. */
struct kubesim *kubesim_new(uv_loop_t *loop, const struct kubesim_opts *o, struct err *err);
void kubesim_free(struct kubesim *s);

/* A cluster with the namespaces default, kube-system, kube-public and kube-node-lease. */
int kubesim_add_cluster(struct kubesim *s, const char *name, struct err *err);
/* Kubeconfig (YAML text, owned by the caller): server https://<address>:<port>/clusters/<name>, the CA, a bearer
 * token that may do everything. */
char *kubesim_kubeconfig(const struct kubesim *s, const char *cluster);

unsigned kubesim_add_rule(struct kubesim *s, const struct sim_rule *r);
void kubesim_remove_rule(struct kubesim *s, unsigned id);

/* A request from inside the process, as the administrator; no fault meets it, and it is not counted among the requests.
 * path with query; body may be NULL; content_type NULL: JSON. The answer as a tree, a new reference, or NULL. A watch
 * can't be had this way: *status is 0. */
json_t *kubesim_do(struct kubesim *s, const char *cluster, const char *method, const char *path,
                   const char *content_type, const char *body, int *status);

/* Counts so far. */
struct kubesim_stats {
    uint64_t requests; /* all */
    uint64_t writes;   /* POST, PUT, PATCH, DELETE that changed something */
    uint64_t noops;    /* that changed nothing */
    uint64_t lists, watches;
    uint64_t objects; /* held now */
};
/* cluster NULL: all together. */
void kubesim_stats(const struct kubesim *s, const char *cluster, struct kubesim_stats *ret);

/* All objects of a cluster, sorted by kind, namespace and name, for comparing two states: without what differs from run
 * to run (uid, resourceVersion, times, managedFields' times). A new array. */
json_t *kubesim_dump(const struct kubesim *s, const char *cluster);

#endif
