/* SPDX-License-Identifier: Apache-2.0 */
/* Roles, networks, gateways, machines; exports and trust. */
#include "base/str.h"
#include "topology/topology.h"

static bool primary(const struct topo_member *m)
{
    return !m->remote && !m->leaves;
}

size_t topo_primary_of(const struct topo_member *m, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if (primary(&m[i]) && (!m[at].primary || str_eq(m[at].primary, m[i].cluster)))
            return i;
    return n;
}

/* The k-th of the networks that a member brings: its own, then those of its machines; NULL: there are no more. */
static const char *network_at(const struct topo_member *m, size_t k)
{
    if (m->leaves)
        return NULL;
    return k == 0 ? m->network : primary(m) && m->machines ? m->machines[k - 1] : NULL;
}

/* Whether no network before the k-th one of m[at] is the same. */
static bool first_of_network(const struct topo_member *m, size_t at, size_t k)
{
    const char *network = network_at(&m[at], k), *before;
    for (size_t i = 0; i <= at; i++)
        for (size_t j = 0; (i < at || j < k) && (before = network_at(&m[i], j)); j++)
            if (str_eq(before, network))
                return false;
    return true;
}

size_t topo_count_networks(const struct topo_member *m, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; network_at(&m[i], k); k++)
            count += first_of_network(m, i, k);
    return count;
}

static bool has_remotes(const struct topo_member *m, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if (m[i].remote && !m[i].leaves && topo_primary_of(m, n, i) == at)
            return true;
    return false;
}

struct topo_gateway_need topo_gateway_need(const struct topo_member *m, size_t n, size_t at)
{
    if (m[at].leaves)
        return (struct topo_gateway_need){0};
    bool remotes = primary(&m[at]) && has_remotes(m, n, at);
    return (struct topo_gateway_need){
        .whole_mesh = topo_count_networks(m, n) > 1,
        .exports = m[at].exports_across,
        .istiod = remotes || (primary(&m[at]) && m[at].machines),
        .webhooks = remotes,
    };
}

static bool serves(const struct topo_member *m, size_t n, size_t at, size_t i)
{
    return i == at || (m[i].remote && !m[i].leaves && topo_primary_of(m, n, i) == at);
}

/* Whether the Primary m[at] serves a proxy that is not on this network. */
static bool serves_elsewhere(const struct topo_member *m, size_t n, size_t at, const char *network)
{
    const char *one;
    for (size_t i = 0; i < n; i++)
        if (serves(m, n, at, i) && !str_eq(m[i].network, network))
            return true;
    for (size_t k = 0; (one = network_at(&m[at], k)); k++)
        if (!str_eq(one, network))
            return true;
    return false;
}

bool topo_spans(const struct topo_member *m, size_t n, size_t at)
{
    return at < n && serves_elsewhere(m, n, at, m[at].network);
}

bool topo_needs_gateway_of(const struct topo_member *m, size_t n, size_t at, size_t of)
{
    return primary(&m[at]) && !m[of].leaves && serves_elsewhere(m, n, at, m[of].network);
}

/* --- machines --- */

static size_t member_of(const struct topo_member *m, size_t n, const char *cluster)
{
    size_t i = 0;
    while (i < n && !str_eq(m[i].cluster, cluster))
        i++;
    return i;
}

static enum topo_machines_trouble trouble_with(const struct topo_member *m, size_t n, size_t at)
{
    if (at == n)
        return TOPO_MACHINES_NOT_MEMBER;
    if (m[at].remote)
        return TOPO_MACHINES_REMOTE;
    return m[at].leaves ? TOPO_MACHINES_LEAVES : TOPO_MACHINES_FINE;
}

static size_t first_primary(const struct topo_member *m, size_t n)
{
    size_t i = 0;
    while (i < n && !primary(&m[i]))
        i++;
    return i;
}

size_t topo_machines_primary(const struct topo_member *m, size_t n, const char *named,
                             const char *last, enum topo_machines_trouble *why)
{
    size_t at = member_of(m, n, named ? named : last);
    enum topo_machines_trouble trouble = trouble_with(m, n, at);
    if (!named && trouble != TOPO_MACHINES_FINE) {
        at = first_primary(m, n);
        trouble = at < n ? TOPO_MACHINES_FINE : TOPO_MACHINES_NO_PRIMARY;
    }
    if (why)
        *why = trouble;
    return trouble == TOPO_MACHINES_FINE ? at : n;
}

static bool has_cluster(const struct topo_member *m, size_t n, const char *network)
{
    for (size_t i = 0; i < n; i++)
        if (!m[i].leaves && str_eq(m[i].network, network))
            return true;
    return false;
}

const char *const *topo_machines_behind(struct arena *a, const struct topo_member *m, size_t n,
                                        size_t at)
{
    size_t all = 0, found = 0;
    while (m[at].exports_across && network_at(&m[at], all))
        all++;
    const char **out = arena_array(a, all + 1, sizeof *out);
    for (size_t k = 0; k < all; k++)
        if (!has_cluster(m, n, network_at(&m[at], k)))
            out[found++] = network_at(&m[at], k);
    return out;
}

/* --- trust --- */

/* Whether both are in one bundle, whom as one that others trust and who as one that trusts. */
bool topo_trusts(const struct topo_trust *all, size_t n, const char *who, const char *whom)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (str_eq(all[i].bundle, all[k].bundle) && str_eq(all[i].mesh, who) &&
                all[i].imports && str_eq(all[k].mesh, whom) && all[k].exports && !str_eq(who, whom))
                return true;
    return false;
}

bool topo_may_call(const struct topo_trust *all, size_t n, const char *client, const char *server)
{
    return topo_trusts(all, n, client, server) && topo_trusts(all, n, server, client);
}

bool topo_exported(const struct topo_export *all, size_t n, const char *ns, const char *service,
                   const char *to)
{
    for (size_t i = 0; i < n; i++) {
        bool named = str_eq(all[i].ns, ns) &&
                     (str_eq(all[i].service, "*") || str_eq(all[i].service, service));
        for (size_t k = 0; named && k < all[i].n_to; k++)
            if (str_eq(all[i].to[k], to))
                return true;
    }
    return false;
}
