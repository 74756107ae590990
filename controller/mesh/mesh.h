/* SPDX-License-Identifier: Apache-2.0 */
/* Reconciler of Mesh. One pass: observe (specs and records -> facts), plan (pure), execute
 * (issue the writes of the first wave that is not complete), report (status). A pass never
 * waits: when something answers, the next pass goes on, and each pass decides from scratch by
 * what is there. So a crash at any point needs no recovery of its own. */
#ifndef CONTROLLER_MESH_MESH_H
#define CONTROLLER_MESH_MESH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "base/buf.h"
#include "base/str.h"
#include "istio/istio.h"
#include "manager.h"
#include "mesh/kept.h"
#include "pki/pki.h"
#include "plan/plan.h"
#include "topology/topology.h"

enum { MESH_MEMBERS_MAX = 64 };

enum root_state { ROOT_UNREAD, ROOT_READY, ROOT_FAILED };

/* The mesh's root as the hub keeps it in a Secret. The key is here only while an intermediate is
 * to be signed. */
struct mesh_root {
    enum root_state state;
    struct kube_call *call;
    struct pki_pair pair;      /* what signs intermediates: cert always, key only while needed */
    char *anchors;             /* PEM that workloads trust: ca.crt when given, else pair.cert */
    struct pki_cert_info info; /* of anchors */
    struct err err;
    int64_t read_ms;
    bool key_wanted;
    bool users; /* the Secret is the user's: never made here */
    bool ours;  /* it carries our label */
    bool gone;  /* deleted with the mesh */
};

/* What the istiod replicas of one cluster say about themselves. */
struct istiod_view {
    char cluster[64];
    bool known;                        /* read at least once since the cluster was last ready */
    int replicas;                      /* pods that answered */
    int proxies;                       /* connected to them */
    char synced[MESH_MEMBERS_MAX][64]; /* peers that every replica is in sync with */
    int n_synced;
    bool polling;
    int64_t polled_ms; /* when the last reading began */
};

/* Bytes that are compared from pass to pass; rev is raised when they differ. */
struct mesh_facts {
    char *data;
    size_t len;
    uint64_t rev;
};

/* What was true when a member was looked at. Equal: looking again would find the same. */
struct mesh_moment {
    uint64_t world, plan, cluster; /* revisions of the mesh's facts, the plan, the cluster */
};

/* What stays of a member between passes. All of it can be found again: it only saves work. */
struct mesh_kept {
    uint64_t pass; /* number of the last one that had it as a member */
    bool planned;
    struct kept_plan plan;
    uint64_t plan_rev, inputs_rev, dns_rev; /* what the plan was made from */
    char stubs[65];                         /* SHA-256 of the DNS entries in it */
    bool looked, clean;                     /* executed, pruned with nothing to prune ... */
    struct mesh_moment looked_at, clean_at; /* ... at that moment */
    int64_t look_again_ms;                  /* 0: only when something changes */
    size_t pending, deferred;               /* what was found: see mesh_member */
    enum plan_wave wave;
    const char *waiting;
    bool istiod_available;
    UT_hash_handle hh;
    char name[];
};

struct mesh {
    struct manager *manager;
    char *ns, *name;
    char *uid;
    int64_t born_ms; /* first seen by this process */
    struct mesh_root root;
    struct mesh_facts inputs; /* what plans are made from, DNS entries apart */
    struct mesh_facts dns;    /* what DNS entries follow from */
    struct mesh_facts
        world; /* all else that decides about writes, one cluster's own records and writes apart */
    struct mesh_facts told; /* what the last status was made from ... */
    bool told_all;          /* ... and that it was the one in the hub already */
    struct mesh_kept *kept; /* by name of the member */
    uint64_t passes;
    uint64_t claims_rev; /* the hub's spec_rev at which no other Mesh claimed a member; 0: none */
    uint64_t strays_rev; /* sum of revisions at which no other cluster held anything of ours */
    int64_t strays_ms;   /* when that was */
    struct istiod_view *views[MESH_MEMBERS_MAX];
    size_t n_views;
    int64_t unready_ms; /* since when it is not ready while its status still says so; 0: it is */
    bool leaving;       /* being deleted: make nothing new */
    int64_t leaving_ms; /* deletion: first seen with a cluster out of reach */
    UT_hash_handle hh;
    char key[];
};

/* One member in a pass. */
struct mesh_member {
    const char *name;
    const struct api_mesh_clusters *spec;    /* NULL: by selector */
    const struct api_member_cluster *cr;     /* NULL: no such MemberCluster */
    struct cluster *cluster;                 /* NULL: not (yet) connected */
    const char *network, *server, *ca, *uid; /* uid, server NULL: not known yet */
    const char *blocked_reason;              /* NULL: may be worked on */
    const char *blocked_message;
    bool installed; /* it holds objects of this mesh */
    bool has_plan;
    const struct kept_plan *plan;
    struct mesh_kept *kept;
    bool unsure; /* something could not be begun: look again in the next pass */
    /* --- what the pass found --- */
    size_t pending;      /* objects that are not yet as wanted */
    size_t deferred;     /* remote secrets whose peer is away */
    enum plan_wave wave; /* of the first pending one */
    const char *waiting; /* what is waited for, or NULL */
    const char *foreign; /* an object that belongs to somebody else, or NULL */
    bool istiod_available;
    struct istiod_view *view;
};

#define MESH_MEMBER_LEAVING "ClusterLeaving"

/* Its MemberCluster is being deleted: it is emptied, and nobody waits for it. */
static inline bool mesh_member_leaves(const struct mesh_member *mm)
{
    return str_eq(mm->blocked_reason, MESH_MEMBER_LEAVING);
}

struct mesh_pass {
    struct mesh *mesh;
    struct hub_object *object;
    const struct api_mesh *cr;
    struct arena *arena;
    const char *trust_domain, *revision;
    struct istio_data *data; /* NULL: the version is not carried, see stop */
    struct mesh_member *members;
    size_t n_members;
    /* The whole mesh can't be worked on: reason and message; existing objects stay as they are. */
    const char *stop_reason, *stop_message;
    bool stop_stalled;
    const char *unresolved; /* message: a member is missing or taken: nothing new is begun */
    const char *unresolved_reason;
    bool unresolved_stalled;
    size_t leftovers;  /* objects that are still to be deleted */
    bool out_of_reach; /* a cluster that holds or may hold some can't be reached */
    int64_t again_ms;  /* next pass at the latest; 0: none asked */
};

int64_t mesh_reconcile(struct manager *m, const char *key);
void mesh_forget_all(struct manager *m);

/* "Run again after ms": the shortest wins. */
void pass_again(struct mesh_pass *p, int64_t ms);

/* observe.c: members, claims, facts that stop everything. */
void mesh_observe(struct mesh_pass *p);
/* plan.c: a plan for every member that is not blocked, rendered anew when what it is made from changed. */
void mesh_plan(struct mesh_pass *p);
void mesh_plans_done(struct mesh *mesh);
/* Whether b holds the same bytes as before; otherwise they are taken out of it. */
bool mesh_facts_take(struct mesh_facts *f, struct buf *b);
/* execute.c: issues writes. */
void mesh_execute(struct mesh_pass *p);
/* Deletes what no plan holds; with `everything` (deletion) all objects of the mesh. */
void mesh_prune(struct mesh_pass *p, bool everything);
/* content.c: applies an object whose content is made here. */
void mesh_apply(struct mesh_pass *p, struct mesh_member *mm, const struct plan_object *o);

/* root.c */
void mesh_root_drop_key(struct mesh *mesh);
void mesh_root_refresh(struct mesh_pass *p);
void mesh_root_want_key(struct mesh_pass *p);
/* Deletes the root's Secret when it was made by us; true when it is gone. */
bool mesh_root_delete(struct mesh_pass *p);
void mesh_root_done(struct mesh_root *r);

/* istiod.c */
struct istiod_view *istiod_view_get(struct mesh *mesh, const char *cluster);
/* Reads again when it is time: every 2 s until all n peers are in sync, every 15 s after. */
void istiod_view_refresh(struct mesh_pass *p, struct mesh_member *mm);
bool istiod_view_synced(const struct istiod_view *v, const char *peer);
void istiod_views_done(struct mesh *mesh);

/* status.c */
void mesh_report(struct mesh_pass *p);

#endif
