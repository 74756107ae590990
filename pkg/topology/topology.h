/* SPDX-License-Identifier: Apache-2.0 */
/* Who must see whom: pure functions from resources and observed facts to decisions. All strings are borrowed. */
#ifndef TOPOLOGY_TOPOLOGY_H
#define TOPOLOGY_TOPOLOGY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Whether labels (an object, or NULL) have every one of want (matchLabels; NULL or empty: all match). */
bool topo_labels_match(const json_t *labels, const json_t *want);

/* --- DNS entries --- */

enum topo_service_kind { TOPO_CLUSTER_IP, TOPO_HEADLESS, TOPO_EXTERNAL_NAME };

struct topo_service {
    const char *ns, *name;
    const char *ports; /* JSON text of [{name, port, protocol, appProtocol}] */
    bool ours;         /* a DNS entry that we made, not a real Service */
    enum topo_service_kind kind;
    const char *external_name;
    bool excluded; /* its owner wants no entries for it */
    bool bare;     /* without selector: what is behind it, if anything, is its owner's affair */
};

struct topo_namespace {
    const char *name;
    const char *labels; /* JSON text of an object, or NULL */
    bool terminating;
    bool excluded; /* likewise: neither entries for its Services nor entries in it */
    bool ours;     /* made for entries */
};

struct topo_cluster {
    const char *name, *network;
    struct topo_service *services;
    size_t n_services;
    struct topo_namespace *namespaces;
    size_t n_namespaces;
};

enum topo_dns_mode { TOPO_DNS_NONE, TOPO_DNS_INJECTED, TOPO_DNS_SELECTED };

struct topo_dns_rule {
    enum topo_dns_mode mode;
    const json_t *match_labels; /* TOPO_DNS_SELECTED: all must be equal */
    const char *revision;       /* TOPO_DNS_INJECTED: "" = default */
    bool create_namespaces;
};

struct topo_entry {
    const char *ns, *name, *ports;
    enum topo_service_kind kind;
    const char *external_name; /* TOPO_EXTERNAL_NAME */
    const size_t *sources;     /* TOPO_HEADLESS: indexes of the clusters whose pods it leads to */
    size_t n_sources;
};

/* Why a wanted entry is not there, or not as every source says; the gravest first. */
enum topo_dns_trouble {
    TOPO_DNS_NAME_TAKEN,
    TOPO_DNS_NAMESPACE_MISSING,
    TOPO_DNS_TYPES_DIFFER,
    TOPO_DNS_PORTS_DIFFER,
    TOPO_DNS_TARGETS_DIFFER,
    TOPO_DNS_OTHER_NETWORK,
    TOPO_DNS_TROUBLES,
};
struct topo_dns_result {
    struct topo_entry *entries; /* sorted by namespace and name */
    size_t n;
    const char *
        *namespaces; /* that are to be there because of them: made by us, or to be made; sorted */
    size_t n_namespaces;
    struct {
        const char *names; /* "demo/a, demo/b": the first few; "" when none */
        size_t n;
    } troubles[TOPO_DNS_TROUBLES];
};

/* The DNS entries that clusters[at] needs: every selected Service of the other clusters, and every one of `imports`
 * (their ns, name and ports), whose name it does not have itself, where the namespace exists or may be made.
 * Several sources: the first cluster by name decides about type, external name and, where they contradict, ports; ports
 * that only others have are added. A headless Service gets an entry only from clusters on the same network. Memory from
 * a. */
void topo_dns(struct arena *a, const struct topo_dns_rule *rule,
              const struct topo_cluster *clusters, size_t n, size_t at,
              const struct topo_entry *imports, size_t n_imports, struct topo_dns_result *ret);
/* In words, with what to do next: the reason of the gravest trouble (NULL: none) and a message of all. cluster: where
 * the entries are missing. */
const char *topo_dns_verdict(struct arena *a, const struct topo_dns_result *r, const char *cluster,
                             const char **ret_message);

/* Whether a namespace with these labels takes part. */
bool topo_selects(const struct topo_dns_rule *rule, const struct topo_namespace *ns);

/* --- networks, roles, gateways --- */

struct topo_member {
    const char *cluster, *network;
    bool remote;
    const char *primary; /* of a Remote, as the spec says; NULL: the only Primary */
    bool leaves;         /* takes no part any more */
    bool
        exports_across; /* holds a service that is exported to a mesh with a cluster on another network */
    /* A Primary: the networks of the machines outside Kubernetes that attach to it, NULL-terminated; NULL: it has no
     * machines. A Remote's are not looked at. */
    const char *const *machines;
};
/* The Primary that a Remote belongs to: an index, or n when there is none. */
size_t topo_primary_of(const struct topo_member *m, size_t n, size_t at);
/* Those of clusters and of machines. */
size_t topo_count_networks(const struct topo_member *m, size_t n);
/* What the east-west gateway of a member is for; all false: it needs none. */
struct topo_gateway_need {
    bool whole_mesh; /* 15443, every service: the mesh has several networks */
    bool exports;    /* 15443, exported services */
    bool istiod;     /* 15012: a Primary with Remotes or machines */
    bool webhooks;   /* 15017: a Primary with Remotes, whose API servers ask it */
};
struct topo_gateway_need topo_gateway_need(const struct topo_member *m, size_t n, size_t at);
/* Whether the Primary m[at] must know where the east-west gateway of m[of] is: a proxy that it serves, its own, a
 * Remote's or a machine's, is on another network than that one. */
bool topo_needs_gateway_of(const struct topo_member *m, size_t n, size_t at, size_t of);
/* Whether the proxies that the Primary m[at] serves, its own, its Remotes' and its machines', are on several networks.
 */
bool topo_spans(const struct topo_member *m, size_t n, size_t at);

/* --- machines outside Kubernetes --- */

/* Why a group of machines attaches to no cluster. */
enum topo_machines_trouble {
    TOPO_MACHINES_FINE,
    TOPO_MACHINES_NO_PRIMARY, /* none is named, and the mesh has none that stays */
    TOPO_MACHINES_NOT_MEMBER, /* what it names is no cluster of the mesh */
    TOPO_MACHINES_REMOTE,     /* what it names has no istiod of its own */
    TOPO_MACHINES_LEAVES,     /* what it names takes no part any more */
};
/* The Primary that a group of machines attaches to: an index, or n with a reason in *why (may be NULL). named: the one
 * that its spec says, or NULL; then last, where it is now (NULL: nowhere yet), as long as that is a Primary, so that a
 * cluster that is added moves no machines; then the first. */
size_t topo_machines_primary(const struct topo_member *m, size_t n, const char *named,
                             const char *last, enum topo_machines_trouble *why);
/* The networks to which the east-west gateway of m[at] leads besides its own: those of the machines of this Primary
 * on which the mesh has no cluster, whose gateway would lead there. Only what other meshes call comes to machines
 * through a gateway, as these know the exporting mesh by its gateways alone. Memory of a, NULL-terminated. */
const char *const *topo_machines_behind(struct arena *a, const struct topo_member *m, size_t n,
                                        size_t at);

/* --- exports and trust --- */

/* One entry of spec.exports of a Mesh. */
struct topo_export {
    const char *ns, *service; /* "*": all of the namespace */
    const char *const *to;    /* names of Meshes */
    size_t n_to;
};
/* One entry of spec.members of a TrustBundle that is a Mesh. */
struct topo_trust {
    const char *bundle, *mesh;
    bool exports; /* others trust it */
    bool imports; /* it trusts the others */
};
/* Whether workloads of `who` accept certificates of `whom`: a bundle has both, whom exports, who imports. */
bool topo_trusts(const struct topo_trust *all, size_t n, const char *who, const char *whom);
/* Whether a client in `client` and a server in `server` can speak: each must accept the other's certificate. */
bool topo_may_call(const struct topo_trust *all, size_t n, const char *client, const char *server);
/* Whether one of these entries offers the Service to that mesh. */
bool topo_exported(const struct topo_export *all, size_t n, const char *ns, const char *service,
                   const char *to);

/* --- what forbids a graph before anything is written --- */

enum {
    TOPO_SKEW_MAX_S = 300,
    /* The oldest Kubernetes for which the carried Istio is made (its own installer refuses older ones). All else that
     * is sent is older: server-side apply 1.22, autoscaling/v2 1.23, EndpointSlice and policy/v1 1.21. */
    TOPO_KUBE_MINOR_MIN = 32,
};

/* What a member is and has, as far as it is known. Ranges are CIDRs, NULL-terminated lists or NULL. */
struct topo_site {
    const char *mesh; /* NULL: this one. Otherwise a site of another Mesh: only compared with. */
    bool yields;      /* of another Mesh, which is younger: what collides is told there */
    const char *cluster, *uid, *network;
    const char *const *pod_ranges, *const *service_ranges;
    int64_t skew_s; /* its clock minus ours; 0 also when not known */
    /* "Deployment namespace/name" of an istiod that is not ours, or NULL. In its place: it has the name that ours has
     * there, so it can be taken over. */
    const char *foreign_istiod;
    bool in_place;
    bool adopt;               /* the spec says to take it over */
    const char *live_network; /* label of istio-system that somebody else set, or NULL */
    int minor;                /* Kubernetes 1.<minor>; 0: not known */
};
struct topo_problem {
    const char *cluster; /* which member can't be worked on; NULL: the whole mesh */
    const char *reason;  /* one word, of a condition */
    const char *message; /* what to do next */
    bool stalled;        /* only an edit of a spec helps */
};
struct topo_mesh {
    const char *name, *trust_domain;
    bool yields; /* of another Mesh: it is younger */
};
/* All that is wrong, the gravest first; memory from a. others: the other Meshes of the namespace. */
size_t topo_check(struct arena *a, const struct topo_mesh *mesh, const struct topo_site *sites,
                  size_t n, const struct topo_mesh *others, size_t n_others,
                  struct topo_problem **ret);

/* --- claims: a cluster holds one control plane of one mesh --- */

struct topo_claim {
    const char *mesh, *uid;
    const char *created; /* creationTimestamp: RFC 3339, so text order is time order */
    const char *cluster;
};
/* The claim that a cluster's other claims yield to: the oldest, then the first by name; NULL when nobody claims it. */
const struct topo_claim *topo_claim_winner(const struct topo_claim *claims, size_t n,
                                           const char *cluster);

#endif
