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
#include "json/jx.h"

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
    bool users;    /* the Secret is the user's: never made here */
    bool ours;     /* it carries our label */
    bool gone;     /* deleted with the mesh */
    bool may_make; /* the mesh is worked on: a root that is not there is made */
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

/* What keeps a wave from going on, when it is not simply work. */
enum mesh_wait {
    MESH_WAIT_NONE,
    MESH_WAIT_ISTIOD, /* istiod has to become available */
    MESH_WAIT_ADDRESS, /* Remote: where its Primary's east-west gateway is reached is not known yet */
    MESH_WAIT_PRIMARY, /* Remote: its Primary's istiod does not serve it yet */
    MESH_WAIT_GATEWAY, /* the east-west gateway of another network does not let requests in yet */
};

/* What stays of a member between passes. All of it can be found again: it only saves work. */
struct mesh_kept {
    uint64_t pass;      /* number of the last one that had it as a member */
    bool works, remote; /* in that pass: it could be worked on; its role */
    bool planned;
    struct kept_plan plan;
    uint64_t plan_rev, inputs_rev, dns_rev; /* what the plan was made from */
    char stubs[65];                         /* SHA-256 of the DNS entries in it */
    char *dns_reason, *dns_message;         /* why not all of them are there; NULL: they are */
    bool looked, clean;                     /* executed, pruned with nothing to prune ... */
    struct mesh_moment looked_at, clean_at; /* ... at that moment */
    int64_t look_again_ms;                  /* 0: only when something changes */
    char *hosts;  /* exported through its east-west gateway, each with a blank behind it */
    char *trusts; /* SHA-256 of the other meshes' roots that it trusts, as far as it is known */
    bool leaves;
    size_t pending, aside, deferred; /* what was found: see mesh_member */
    enum plan_wave wave;
    enum mesh_wait waiting;
    bool istiod_available;
    bool executed;    /* at least once: pending and wave say something */
    int64_t guard_ms; /* since when nothing but the guard is left to delete; 0: it is not so */
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
    bool headless;            /* some of them follow from pods ... */
    uint64_t endpoints_rev;   /* ... as they were at this revision, looked at then */
    int64_t endpoints_ms;
    struct mesh_facts
        world; /* all else that decides about writes, one cluster's own records and writes apart */
    struct mesh_facts told;       /* what the last status was made from ... */
    bool told_all;                /* ... and that it was the one in the hub already */
    uint64_t tied_rev;            /* the hub's spec_rev, plus 1, at which `tied` was found */
    bool tied;                    /* a TrustBundle names it */
    struct mesh_facts trust_seen; /* what anchors are made from */
    char *trusts;                 /* as in mesh_kept: those of the newest plans */
    struct mesh_trade {
        struct mesh_facts seen; /* what all this follows from */
        char digest[65];        /* of what plans have of it */
        bool unsure;            /* a cluster of another mesh was not read yet: nothing of it goes */
        bool soon;              /* one of this mesh was not, and will be in a moment */
        bool unreached;         /* where some gateway of another mesh is, is not known now */
        struct mesh_claim {     /* a condition */
            bool said, good;
            char reason[32];
            char *message;
        } exports, imports;
    } trade;
    struct mesh_kept *kept; /* by name of the member */
    uint64_t passes;
    uint64_t looked_rev,
        planned_rev; /* the hub's spec_rev at the last pass, and at the last one that made plans */
    uint64_t claims_rev; /* the hub's spec_rev at which no other Mesh claimed a member; 0: none */
    uint64_t checked;    /* the moment at which no check of the graph failed (checks.c); 0: none */
    uint64_t strays_rev; /* sum of revisions at which no other cluster held anything of ours */
    int64_t strays_ms;   /* when that was */
    int64_t
        unbound_ms; /* when something that led from one member to another was last seen to go; 0: never */
    int64_t
        told_ms; /* when an istiod that is to go last had something to tell its proxies; 0: never */
    int64_t parting_ms; /* deletion: first seen with machines that are still in the mesh */
    struct istiod_view *views[MESH_MEMBERS_MAX];
    size_t n_views;
    int64_t unready_ms; /* since when it is not ready while its status still says so; 0: it is */
    bool passed;        /* looked at in full at least once */
    bool idle;          /* in the last pass: it can't be worked on, or is not to be */
    bool revoked_full;  /* told that no more identities can be revoked */
    bool leaving;       /* being deleted: make nothing new */
    int64_t leaving_ms; /* deletion: first seen with a cluster out of reach */
    UT_hash_handle hh;
    char key[];
};

/* Where the east-west gateway of a cluster is reached. */
struct mesh_eastwest {
    const char *const *addresses; /* memory of the arena */
    size_t n_addresses;           /* 0: not known yet */
    int port;                     /* of mTLS */
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
    enum istio_role role;
    size_t primary;                /* Remote: its Primary in members; n_members: none */
    struct topo_gateway_need need; /* what its east-west gateway is for */
    struct mesh_eastwest eastwest; /* of that gateway; nothing when there is no need of it */
    bool installed;                /* it holds objects of this mesh */
    bool has_plan;
    const struct kept_plan *plan;
    struct mesh_kept *kept;
    bool unsure; /* something could not be begun: look again in the next pass */
    /* --- what the pass found --- */
    size_t pending;      /* objects that are not yet as wanted */
    size_t aside;        /* likewise, of what the rest does not wait for */
    size_t deferred;     /* remote secrets whose peer is away */
    enum plan_wave wave; /* of the first pending one */
    enum mesh_wait waiting;
    const char *foreign; /* an object that belongs to somebody else, or NULL */
    enum plan_wave foreign_wave;
    bool istiod_available;
    struct istiod_view *view;
};

#define MESH_MEMBER_LEAVING "ClusterLeaving"

/* Its MemberCluster is being deleted: it is emptied, and nobody waits for it. */
static inline bool mesh_member_leaves(const struct mesh_member *mm)
{
    return str_eq(mm->blocked_reason, MESH_MEMBER_LEAVING);
}

struct ties; /* mesh/ties.h */

struct mesh_pass {
    struct mesh *mesh;
    struct hub_object *object;
    const struct api_mesh *cr;
    struct arena *arena;
    const char *trust_domain, *revision;
    struct istio_data *data; /* NULL: the version is not carried, see stop */
    struct mesh_member *members;
    struct topo_member *graph; /* the same members, in the same order */
    size_t n_members, n_networks;
    /* The whole mesh can't be worked on: reason and message; existing objects stay as they are. */
    const char *stop_reason, *stop_message;
    bool stop_stalled;
    bool unread;            /* facts of a member are not read yet: its checks are still to come */
    const char *unresolved; /* message: a member is missing or taken: nothing new is begun */
    const char *unresolved_reason;
    bool unresolved_stalled;
    size_t leftovers;  /* objects that are still to be deleted */
    bool out_of_reach; /* a cluster that holds or may hold some can't be reached */
    struct ties *ties; /* see mesh_ties() */
    bool trust_unsure; /* a root that may be trusted here can't be read: no anchor goes */
    struct istio_anchor *anchors;
    size_t n_anchors;
    const struct istio_revoked *refused; /* see mesh/revoked.h; NULL: not gathered yet */
    size_t n_refused;
    struct trade *trade; /* see mesh/trade.h */
    bool traded;
    int64_t again_ms; /* next pass at the latest; 0: none asked */
};

int64_t mesh_reconcile(struct manager *m, const char *key);
void mesh_forget_all(struct manager *m);

/* "Run again after ms": the shortest wins. */
void pass_again(struct mesh_pass *p, int64_t ms);

/* observe.c: members, claims, facts that stop everything. */
void mesh_observe(struct mesh_pass *p);
/* checks.c: what forbids the graph; in observe. */
void mesh_checks(struct mesh_pass *p);
/* Nothing new is begun. mm NULL: in no member. An mm that holds nothing yet is not worked on at all, one that is
 * installed is kept as it is wanted. Strings are of the arena. */
void mesh_forbid(struct mesh_pass *p, struct mesh_member *mm, const char *reason, bool stalled,
                 const char *message);
/* plan.c: a plan for every member that is not blocked, rendered anew when what it is made from changed. */
void mesh_plan(struct mesh_pass *p);
void mesh_plans_done(struct mesh *mesh);
/* Whether b holds the same bytes as before; otherwise they are taken out of it. */
bool mesh_facts_take(struct mesh_facts *f, struct buf *b);

/* --- parts of a plan: each fills its fields of the target, and says all that they are made from into b ---
 * say() and say_number() of facts.h are for that: equal bytes, equal plan. */

/* networks.c: roles, where istiod is reached, the gateways of the mesh's other networks. */
void mesh_networks_observe(
    struct mesh_pass *p); /* role, primary, need of every member; blocks who has no Primary */
void mesh_networks_note(struct mesh_pass *p, struct buf *b);
void mesh_networks_target(struct mesh_pass *p, const struct mesh_member *mm,
                          struct istio_target *t);
/* The object (class istio-remote) by which another member's gateway is known is MESH_NETWORK_GATEWAY and its name; that
 * of another mesh's cluster MESH_NETWORK_GATEWAY, the mesh's name, a dot and the cluster's. */
#define MESH_NETWORK_GATEWAY "eastwest-"
/* What its gateways let through is there, by what was found before. */
bool mesh_networks_exposed(const struct mesh_pass *p, const struct mesh_member *mm);
/* Remote: its Primary's istiod is in sync with it and let through. */
bool mesh_networks_served(const struct mesh_pass *p, const struct mesh_member *mm);
/* Its Primary; NULL for a Primary, and for a Remote without one. */
static inline const struct mesh_member *mesh_primary_of(const struct mesh_pass *p,
                                                        const struct mesh_member *mm)
{
    return mm->role == ISTIO_REMOTE && mm->primary < p->n_members ? &p->members[mm->primary] : NULL;
}

/* gateways.c: the member's gateways, those that the graph needs and those that Gateway resources of this mesh ask for;
 * an EastWest resource changes the one that the graph needs. */
void mesh_gateways_note(struct mesh_pass *p, struct buf *b);
void mesh_gateways_target(struct mesh_pass *p, const struct mesh_member *mm,
                          struct istio_target *t);
/* Where the east-west gateway of a cluster of any mesh of the namespace is reached: what its Gateway resource says
 * (spec.addresses), else what its Service says. */
struct mesh_eastwest mesh_eastwest_of(struct manager *m, struct arena *a, const char *ns,
                                      const char *mesh_name, const char *cluster);
/* Whether it is available; so it is said of one that can't be looked at, or is suspended. */
bool mesh_gateway_serves(const struct manager *m, const char *ns, const char *mesh_name,
                         const char *cluster);
/* Whether it lets in what is meant for its network, too. `of`: what stands behind MESH_NETWORK_GATEWAY in the name of
 * its object. */
bool mesh_gateway_open(const struct mesh_pass *p, const char *of);
/* Of an Istio component: istiod, a gateway. */
bool mesh_deployment_available(struct cluster *c, const char *name);

/* trust.c: TrustBundles of which this mesh is a member: the peers' roots as bound anchors. */
void mesh_trust_note(struct mesh_pass *p, struct buf *b);
void mesh_trust_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t);
bool mesh_tied(struct mesh_pass *p); /* a TrustBundle names it */
struct ties *mesh_ties(struct mesh_pass *p);
/* Whether an object that is there stays as it is: what it is made from is not all known. */
bool mesh_trust_holds(const struct mesh_pass *p, const struct plan_object *o);
/* The root became known, or is another one. */
void mesh_trust_root_changed(struct mesh *mesh);
/* After the writes of a pass: what each member trusts now. */
void mesh_trust_settled(struct mesh_pass *p);

/* guard.c: pod ranges of the meshes that share a TrustBundle with this one and have clusters on a network of this
 * Primary's; sorted, memory of the arena. */
size_t mesh_guard_ranges(struct mesh_pass *p, const struct mesh_member *mm,
                         const char *const **ret);
void mesh_guard_note(struct mesh_pass *p, struct buf *b);

/* exports.c: what this mesh lets others call (admitted), what it imports, and by which gateways. */
bool mesh_exports_across(struct mesh_pass *p, const struct mesh_member *mm); /* see topo_member */
void mesh_exports_note(struct mesh_pass *p, struct buf *b);
void mesh_exports_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t);
/* Hosts of the services that are exported from this cluster through its east-west gateway, sorted; their number. */
size_t mesh_exported_hosts(struct mesh_pass *p, const struct mesh_member *mm,
                           const char *const **ret);
/* Services of other meshes that get a DNS entry in this member: by the name that they have here. Memory of the arena.
 * */
const struct topo_entry *mesh_exports_entries(struct mesh_pass *p, const struct mesh_member *mm,
                                              size_t *ret_n);
/* Whether what is in this wave stays as it is while it is not all known what other meshes have: what clusters have that
 * were not read yet, of this mesh too, and where the others' gateways are. */
bool mesh_exports_hold(const struct mesh_pass *p, enum plan_wave wave);
void mesh_exports_done(struct mesh *mesh);
/* All that the conditions are made from. */
void mesh_exports_say(const struct mesh_pass *p, struct buf *b);
/* Adds conditions ExportsReady and ImportsReady, each only where the spec has something of it. */
void mesh_exports_conditions(const struct mesh_pass *p, json_t *list, const json_t *old);

struct mesh_member *mesh_member_find(const struct mesh_pass *p, const char *name);
/* observe.c: nothing is written to this member; while one is so, nothing new is begun in the others. */
void mesh_member_block(struct mesh_pass *p, struct mesh_member *mm, const char *reason,
                       bool stalled, const char *message);

/* dns.c: DNS entries. Facts of all members, in their order; the entries that members[at] needs, into its target; a hash
 * of what they are; and what they follow from. */
struct mesh_dns;
struct mesh_dns *mesh_dns_facts(struct mesh_pass *p);
void mesh_dns_target(struct mesh_pass *p, struct mesh_dns *d, size_t at, struct istio_target *t);
void mesh_dns_hash(const struct istio_target *t, char out[JX_SHA256_HEX]);
void mesh_dns_note(struct mesh_pass *p);
/* Condition DNSEntriesReady: a name that does not resolve somewhere does not make the mesh less Ready, since only its
 * owner can say whether it should. Nothing where no entries are wanted. And all that it is made from. */
void mesh_dns_conditions(const struct mesh_pass *p, json_t *list, const json_t *old);
void mesh_dns_member_condition(const struct mesh_pass *p, const struct mesh_member *mm,
                               json_t *list, const json_t *old);
void mesh_dns_say(const struct mesh_pass *p, struct buf *b);
void mesh_dns_forget(struct mesh_kept *k);

/* execute.c: issues writes. */
void mesh_execute(struct mesh_pass *p);
/* Whether it has the ConfigMap with the mesh's configuration, by which the other istiods read it. */
bool mesh_member_configured(const struct mesh_pass *p, const struct mesh_member *mm);
/* What was true when a member was looked at, as of now. */
struct mesh_moment mesh_moment_of(const struct mesh_pass *p, const struct mesh_member *mm);
bool mesh_moment_same(const struct mesh_moment *a, const struct mesh_moment *b);
/* prune.c: deletes what no plan holds; with `everything` (deletion) all objects of the mesh. */
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
/* Of its Deployment and Service. */
const char *mesh_istiod_name(const struct mesh_pass *p);
struct istiod_view *istiod_view_get(struct mesh *mesh, const char *cluster);
/* Reads again when it is time: every 2 s until all n peers are in sync, every 15 s after. */
void istiod_view_refresh(struct mesh_pass *p, struct mesh_member *mm);
bool istiod_view_synced(const struct istiod_view *v, const char *peer);
void istiod_views_done(struct mesh *mesh);

/* status.c */
void mesh_report(struct mesh_pass *p);

#endif
