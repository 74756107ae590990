/* SPDX-License-Identifier: Apache-2.0 */
/* Who must see whom: pure functions from resources and observed facts to decisions. All strings are borrowed. */
#ifndef TOPOLOGY_TOPOLOGY_H
#define TOPOLOGY_TOPOLOGY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Whether labels (an object, or NULL) have every one of want (matchLabels; NULL or empty: all match). */
bool topo_labels_match(const json_t *labels, const json_t *want);

/* --- DNS entries --- */

struct topo_service {
    const char *ns, *name;
    const char *ports; /* JSON text of [{name, port, protocol, appProtocol}] */
    bool ours;         /* a DNS entry that we made, not a real Service */
    bool spreads;      /* false for headless and ExternalName Services: they get no entry (yet) */
};

struct topo_namespace {
    const char *name;
    const char *labels; /* JSON text of an object, or NULL */
    bool terminating;
};

struct topo_cluster {
    const char *name;
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
};

struct topo_entry {
    const char *ns, *name, *ports;
};

/* The DNS entries that clusters[at] needs: every selected Service of the other clusters whose name it does not have
 * itself, where the namespace exists. Of several sources the first cluster by name gives the ports. Sorted by namespace
 * and name; memory from a. */
size_t topo_dns(struct arena *a, const struct topo_dns_rule *rule,
                const struct topo_cluster *clusters, size_t n, size_t at, struct topo_entry **ret);

/* Whether a namespace with these labels takes part. */
bool topo_selects(const struct topo_dns_rule *rule, const struct topo_namespace *ns);

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
