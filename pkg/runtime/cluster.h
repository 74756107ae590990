/* SPDX-License-Identifier: Apache-2.0 */
/* One member cluster at run time: its client, whether it answers, who it is, and the records of
 * what we watch in it.
 *
 * Life: cluster_new -> cluster_configure (credentials) -> probes -> identity checked -> watches.
 * A cluster that stops answering keeps its records (absence is not deletion) and is probed until
 * it is back. */
#ifndef RUNTIME_CLUSTER_H
#define RUNTIME_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "kube/client.h"
#include "kube/watch.h"
#include "plan/plan.h"
#include "runtime/breaker.h"
#include "runtime/records.h"

enum {
    CLUSTER_PROBE_MS = 8000,       /* while it answers */
    CLUSTER_PROBE_AGAIN_MS = 4000, /* after a probe without answer */
    CLUSTER_PROBE_TIMEOUT_MS = 5000,
    CLUSTER_VERSION_MS = 120000, /* how old what is known of its version may be */
    CLUSTER_SKEW_STEP_S = 30,
    CLUSTER_SETTLE_MS = 20000,
    CLUSTER_PROBE_FAILURES = 3, /* then it is unreachable: 8 + 3 x 5 + 2 x 4 s = 31 s at most */
};

enum cluster_state {
    CLUSTER_UNKNOWN, /* no credentials yet, or the first probe is on its way */
    CLUSTER_REACHABLE,
    CLUSTER_UNREACHABLE,
    CLUSTER_STRANGER, /* another cluster answers than the one that was pinned: nothing is written */
};

struct cluster;

/* Something changed that others may want to look at: state, or records. */
typedef void cluster_changed_cb(void *arg, struct cluster *c);
/* A write to it was answered with success. */
typedef void cluster_written_cb(void *arg);

/* How far a kind is watched. */
enum cluster_scope {
    CLUSTER_NOTHING,
    CLUSTER_OURS, /* what carries our label */
    CLUSTER_ALL,  /* all there is: EndpointSlices, Pods, ServiceExports, ServiceImports of users */
};

/* A watched kind, or one on demand, which may not be watched. */
struct cluster_watch {
    struct cluster *cluster;
    const struct gvr *gvr;
    struct records records;
    enum cluster_scope scope;
    struct kube_watch *watch; /* NULL while it is not watched */
    char *problem;            /* why it does not work at the moment, or NULL */
    bool on_demand;
    bool absent;            /* the API server does not have the kind */
    struct kube_call *call; /* that asks whether anything of ours is there */
    int64_t again_ms;       /* on demand: nothing is begun before */
};

enum {
    CLUSTER_ON_DEMAND_MAX = 16,
    CLUSTER_WATCHES_MAX = 32,
    CLUSTER_OWNERS_MAX =
        64, /* labels are anybody's to write: beyond it every Mesh is taken for an owner */
};

/* Something that waits for an answer of a cluster's client. The client's end ends it without an
 * answer: then drop is called instead, to free it. Embedded in what waits. */
struct cluster_task {
    struct cluster *cluster;
    struct cluster_task *prev, *next;
    void (*drop)(struct cluster_task *t);
};

struct cluster {
    char *ns, *name; /* of its MemberCluster */
    uv_loop_t *loop;
    const struct clock *clock;
    struct kube_client *client; /* NULL until configured */
    char config_digest[65];     /* of the credentials in use */
    enum cluster_state state;
    struct err problem; /* why it is not reachable */
    int failures;
    char *pinned;  /* UID of kube-system that we insist on, or NULL: the first one seen */
    char *uid;     /* seen */
    char *version; /* "v1.37.2" */
    int minor;
    int64_t versioned_ms; /* when it told its version */
    int64_t
        skew_s; /* its clock minus ours, as it was when it last changed by more than CLUSTER_SKEW_STEP_S */
    int64_t born_ms;
    uv_timer_t timer;
    bool timer_open;
    struct kube_call *probe;
    struct cluster_watch watches[CLUSTER_WATCHES_MAX];
    size_t n_watches;
    enum cluster_scope wanted[CLUSTER_ON_DEMAND_MAX]; /* by place in plan_kinds_on_demand */
    /* Raised by every change of what can be seen here: state, records, writes; and by those of what DNS entries follow
     * from (Services, Namespaces). Equal numbers: nothing to look at again. */
    uint64_t rev, dns_rev;
    /* Likewise: where our gateways are reached (Services of ours with an address, Ingresses); which pods are behind
     * which Service, and their accounts (EndpointSlices, Pods, while those are watched whole). */
    uint64_t address_rev, endpoint_rev;
    uint64_t machine_rev; /* likewise: entries of machines */
    struct cluster_owners {
        uint64_t rev; /* of the cluster, when it was made */
        char **uids;
        size_t n;
    } owners; /* the Meshes that have objects here */
    struct cluster_task *tasks;
    struct op *ops;  /* the applier's: writes on their way, by object */
    size_t n_ops;    /* of them, without an answer yet */
    size_t *running; /* those of all clusters together; lives as long as they, or is alone */
    size_t alone;
    struct breaker breaker;
    cluster_changed_cb *changed;
    cluster_written_cb *written; /* may be NULL */
    void *arg;
    bool closing;
    UT_hash_handle hh;
    char key[]; /* "namespace/name" */
};

struct cluster *cluster_new(uv_loop_t *loop, const struct clock *clock, const char *ns,
                            const char *name, cluster_changed_cb *changed, void *arg);
/* Starts or goes on with these credentials; equal ones change nothing. digest: SHA-256 of them.
 * pinned: UID or NULL. */
int cluster_configure(struct cluster *c, const struct kube_config *config, const char *digest,
                      const char *pinned, struct err *err);
/* Stops everything; freed when the loop has let go of its handles. */
void cluster_free(struct cluster *c);

/* Answers, is who it should be, and every first list is complete. */
bool cluster_ready(const struct cluster *c);
/* Whether what there is to know about the cluster now is known: it is away, or it was read.
 * False only for a short while after start (CLUSTER_SETTLE_MS at most) and new credentials. A
 * status that says "all well" is not replaced by "don't know yet" in that while: a restart of a
 * converged system writes nothing. */
bool cluster_settled(const struct cluster *c);
/* Every first list was complete at least once since start, and all of it is held: its facts may be used even while it
 * is away. */
bool cluster_known(const struct cluster *c);
/* The first kind of which the cluster has more than we hold (runtime/records.h), or NULL. What is not held can't be
 * told from what is not there, so such a cluster is not known. */
const struct cluster_watch *cluster_full_watch(const struct cluster *c);
/* The first watch that does not work, or NULL. */
const struct cluster_watch *cluster_broken_watch(const struct cluster *c);

void cluster_task_begin(struct cluster *c, struct cluster_task *t,
                        void (*drop)(struct cluster_task *t));
void cluster_task_end(struct cluster_task *t);

/* Whether it holds an object of a Mesh with this UID. Looks at all records when something changed since the last
 * call. */
bool cluster_holds(struct cluster *c, const char *owner_uid);
/* The UIDs of all those Meshes; good until the cluster changes. */
const struct cluster_owners *cluster_owners(struct cluster *c);
/* Tells that something changed, and to whom it may concern. */
void cluster_touch(struct cluster *c);

/* --- kinds on demand (plan_kinds_on_demand) ---
 * At the first contact one short request per such kind asks whether anything of ours is there; if so it is watched from
 * then on, so nothing of ours is ever overlooked. A kind that the API server does not have counts as empty and known;
 * it is tried again when CRDs change, and every few minutes. */
/* From now on the kind is watched at least so far, until the cluster is freed; equal or smaller wishes cost nothing.
 * Until its first list is complete the cluster is neither known nor ready. A kind of plan_kinds: no effect. gvr is
 * one of plan_gvr(). */
void cluster_want(struct cluster *c, const struct gvr *gvr, enum cluster_scope scope);

/* What is kept of each object of a kind. */
enum kube_record_kind cluster_record_kind(const struct gvr *g);
/* Records of a kind; NULL for a kind that is not watched. */
struct records *cluster_records(struct cluster *c, const struct gvr *gvr);

#endif
