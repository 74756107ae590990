/* SPDX-License-Identifier: Apache-2.0 */
/* What forbids a graph before anything is written. Each check is a row; the gravest come first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "base/str.h"
#include "topology/topology.h"

struct checking {
    struct arena *a;
    const struct topo_mesh *mesh;
    const struct topo_site *sites;
    size_t n;
    const struct topo_mesh *others;
    size_t n_others;
    struct topo_problem *found;
    size_t n_found, room;
};

static void found(struct checking *k, const char *cluster, const char *reason, bool stalled,
                  const char *message)
{
    if (k->n_found < k->room)
        k->found[k->n_found++] = (struct topo_problem){cluster, reason, message, stalled};
}

/* "cluster c2", or "cluster c2 of Mesh bank". */
static const char *named(struct checking *k, const struct topo_site *s)
{
    return s->mesh ? arena_printf(k->a, "cluster %s of Mesh %s", s->cluster, s->mesh)
                   : arena_printf(k->a, "cluster %s", s->cluster);
}

/* --- trust domains --- */

/* A peer's root is bound to its trust domain by a name constraint, which takes no IP address (RFC 5280, 4.2.1.10). */
static bool is_address(const char *domain)
{
    return *domain && strspn(domain, "0123456789.") == strlen(domain);
}

static void check_trust_domain(struct checking *k)
{
    const char *domain = k->mesh->trust_domain;
    if (is_address(domain) || str_starts(domain, ".") || strstr(domain, ".."))
        found(k, NULL, "TrustDomainInvalid", true,
              arena_printf(k->a,
                           "trust domain %s is no DNS name, so no other mesh could trust it; next: "
                           "make the Mesh anew with another spec.trust.domain",
                           domain));
    for (size_t i = 0; i < k->n_others; i++)
        if (!k->others[i].yields && str_eq(k->others[i].trust_domain, domain))
            found(k, NULL, "TrustDomainInUse", true,
                  arena_printf(k->a,
                               "Mesh %s, which is older, has trust domain %s too: their identities "
                               "would be the same; next: make this Mesh anew with another "
                               "spec.trust.domain",
                               k->others[i].name, domain));
}

/* --- pairs of clusters --- */

/* b of this mesh yields to a: of this mesh too, or of an older one. */
typedef void pair_check(struct checking *k, const struct topo_site *a, const struct topo_site *b);

static void each_pair(struct checking *k, pair_check *check)
{
    for (size_t i = 0; i < k->n; i++)
        for (size_t j = 0; j < k->n; j++) {
            const struct topo_site *a = &k->sites[i], *b = &k->sites[j];
            if (!b->mesh && ((a->mesh && !a->yields) || (!a->mesh && i < j)))
                check(k, a, b);
        }
}

static void same_cluster(struct checking *k, const struct topo_site *a, const struct topo_site *b)
{
    if (!a->uid || !str_eq(a->uid, b->uid) || (a->mesh && str_eq(a->cluster, b->cluster)))
        return; /* one MemberCluster in two meshes: that is a matter of claims */
    found(k, a->mesh ? b->cluster : NULL, "DuplicateCluster", true,
          arena_printf(k->a,
                       "MemberClusters %s and %s%s%s are the same cluster (kube-system has UID "
                       "%s); remove one",
                       a->cluster, b->cluster, a->mesh ? ", the first in Mesh " : "",
                       str_or(a->mesh, ""), a->uid));
}

/* The first two ranges that share an address. */
static bool collide(const char *const *x, const char *const *y, const char **ret_x,
                    const char **ret_y)
{
    for (; x && *x; x++)
        for (const char *const *v = y; v && *v; v++) {
            struct cidr a, b;
            if (cidr_parse(*x, &a) < 0 || cidr_parse(*v, &b) < 0 || !cidr_overlaps(&a, &b))
                continue;
            *ret_x = *x;
            *ret_y = *v;
            return true;
        }
    return false;
}

static void report_ranges(struct checking *k, const struct topo_site *b, const char *reason,
                          const char *first, const char *second, const char *network)
{
    found(k, b->cluster, reason, true,
          arena_printf(k->a,
                       "%s and %s share addresses, and both are on network %s; next: put them on "
                       "different networks (spec.network of a MemberCluster), or, when that is not "
                       "what is in use, say the ranges in spec.podCIDRs and spec.serviceCIDRs",
                       first, second, network));
}

static bool pods_meet_services(struct checking *k, const struct topo_site *pods,
                               const struct topo_site *services, const struct topo_site *blamed)
{
    const char *x, *y;
    if (!collide(pods->pod_ranges, services->service_ranges, &x, &y))
        return false;
    report_ranges(k, blamed, "ServiceRangeOverlap",
                  arena_printf(k->a, "the pods of %s (%s)", named(k, pods), x),
                  arena_printf(k->a, "the services of %s (%s)", named(k, services), y),
                  blamed->network);
    return true;
}

/* Pods of one network are reached by their own addresses from everywhere on it. Two pods with one address: whoever is
 * nearer answers. A pod with an address of another cluster's services: there it is taken for the service. Service
 * ranges of two clusters may be the same: their addresses mean something only within each. */
static void shared_addresses(struct checking *k, const struct topo_site *a,
                             const struct topo_site *b)
{
    const char *x, *y;
    bool same = a->mesh && a->uid && str_eq(a->uid, b->uid);
    if (same || !str_eq(a->network, b->network))
        return;
    if (collide(a->pod_ranges, b->pod_ranges, &x, &y))
        report_ranges(k, b, "PodRangesOverlap",
                      arena_printf(k->a, "the pods of %s (%s)", named(k, a), x),
                      arena_printf(k->a, "those of %s (%s)", named(k, b), y), b->network);
    else if (!pods_meet_services(k, a, b, b))
        pods_meet_services(k, b, a, b);
}

/* --- single clusters --- */

static void foreign_istiod(struct checking *k, const struct topo_site *s)
{
    if (!s->foreign_istiod || (s->in_place && s->adopt))
        return;
    const char *next = s->in_place
                           ? "remove it, or set adopt: true at the cluster in spec.clusters to "
                             "take it over (its workloads then get certificates of this mesh)"
                           : "remove it: two control planes in one cluster write the same objects";
    found(k, s->cluster, "ForeignControlPlane", true,
          arena_printf(k->a,
                       "cluster %s has a control plane that is not Meshwright's: %s; "
                       "next: %s",
                       s->cluster, s->foreign_istiod, next));
}

static void live_network(struct checking *k, const struct topo_site *s)
{
    if (!s->live_network || str_eq(s->live_network, s->network) || s->adopt)
        return;
    found(k, s->cluster, "NetworkMismatch", true,
          arena_printf(k->a,
                       "cluster %s: namespace istio-system says network %s "
                       "(topology.istio.io/network), its MemberCluster says %s; next: set "
                       "spec.network of the MemberCluster, or remove the label",
                       s->cluster, s->live_network, s->network));
}

static void old_version(struct checking *k, const struct topo_site *s)
{
    if (s->minor == 0 || s->minor >= TOPO_KUBE_MINOR_MIN)
        return;
    found(k, s->cluster, "VersionUnsupported", true,
          arena_printf(k->a,
                       "cluster %s has Kubernetes 1.%d; Istio needs 1.%d or newer; next: upgrade "
                       "the cluster",
                       s->cluster, s->minor, TOPO_KUBE_MINOR_MIN));
}

/* Certificates are valid from a moment before they are made: a clock that is late by more refuses them. Without the
 * number, which changes with each look. */
static void clock_skew(struct checking *k, const struct topo_site *s)
{
    if (s->skew_s <= TOPO_SKEW_MAX_S && s->skew_s >= -TOPO_SKEW_MAX_S)
        return;
    found(k, s->cluster, "ClockSkew", false,
          arena_printf(k->a,
                       "the clock of cluster %s is %s the operator's by more than %d minutes, so "
                       "new certificates may be refused; next: set the clocks (NTP) of its nodes",
                       s->cluster, s->skew_s > 0 ? "ahead of" : "behind", TOPO_SKEW_MAX_S / 60));
}

typedef void site_check(struct checking *k, const struct topo_site *s);

static void each_site(struct checking *k, site_check *check)
{
    for (size_t i = 0; i < k->n; i++)
        if (!k->sites[i].mesh)
            check(k, &k->sites[i]);
}

size_t topo_check(struct arena *a, const struct topo_mesh *mesh, const struct topo_site *sites,
                  size_t n, const struct topo_mesh *others, size_t n_others,
                  struct topo_problem **ret)
{
    enum { FOUND_MAX = 64 };
    static pair_check *const pairs[] = {same_cluster, shared_addresses};
    static site_check *const single[] = {foreign_istiod, live_network, old_version, clock_skew};
    struct checking k = {.a = a,
                         .mesh = mesh,
                         .sites = sites,
                         .n = n,
                         .others = others,
                         .n_others = n_others,
                         .found = arena_array(a, FOUND_MAX, sizeof *k.found),
                         .room = FOUND_MAX};
    check_trust_domain(&k);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        each_pair(&k, pairs[i]);
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        each_site(&k, single[i]);
    *ret = k.found;
    return k.n_found;
}
