/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/topology.h"

#include <stdlib.h>

#include "base/str.h"
#include "json/jx.h"

static bool system_namespace(const char *name)
{
    static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease",
                                        "istio-system"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

bool topo_labels_match(const json_t *labels, const json_t *want)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)want, key, value) {
        if (!json_equal(json_object_get(labels, key), value))
            return false;
    }
    return true;
}

static bool injected(const json_t *labels, const char *revision)
{
    const char *injection = json_string_value(json_object_get(labels, "istio-injection"));
    const char *rev = json_string_value(json_object_get(labels, "istio.io/rev"));
    if (injection)
        return str_eq(injection, "enabled") && !*revision;
    return rev && str_eq(rev, *revision ? revision : "default");
}

bool topo_selects(const struct topo_dns_rule *rule, const struct topo_namespace *ns)
{
    if (rule->mode == TOPO_DNS_NONE || ns->terminating || system_namespace(ns->name))
        return false;
    auto_json *labels = ns->labels ? json_loads(ns->labels, 0, NULL) : json_object();
    if (rule->mode == TOPO_DNS_SELECTED)
        return topo_labels_match(labels, rule->match_labels);
    return injected(labels, str_or(rule->revision, ""));
}

static const struct topo_namespace *find_namespace(const struct topo_cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_namespaces; i++)
        if (str_eq(c->namespaces[i].name, name))
            return &c->namespaces[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct topo_service *x = *(const struct topo_service *const *)a;
    const struct topo_service *y = *(const struct topo_service *const *)b;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

/* Pointers to the real services of c, sorted. */
static size_t index_services(struct arena *a, const struct topo_cluster *c,
                             const struct topo_service ***ret)
{
    const struct topo_service **v = arena_array(a, c->n_services + 1, sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < c->n_services; i++)
        if (!c->services[i].ours)
            v[n++] = &c->services[i];
    qsort(v, n, sizeof *v, by_name);
    *ret = v;
    return n;
}

struct candidate {
    const struct topo_service *service;
    const char *cluster;
};

static int by_name_then_cluster(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int c = by_name(&x->service, &y->service);
    return c ? c : str_cmp(x->cluster, y->cluster);
}

/* Real, selected Services of one source cluster. */
static size_t add_candidates(const struct topo_dns_rule *rule, const struct topo_cluster *c,
                             struct candidate *out)
{
    size_t n = 0;
    const struct topo_namespace *ns = NULL;
    bool selected = false;
    for (size_t i = 0; i < c->n_services; i++) {
        const struct topo_service *s = &c->services[i];
        if (s->ours || !s->spreads)
            continue;
        if (!ns || !str_eq(ns->name, s->ns)) {
            ns = find_namespace(c, s->ns);
            selected = ns && topo_selects(rule, ns);
        }
        if (selected)
            out[n++] = (struct candidate){s, c->name};
    }
    return n;
}

static bool wanted_here(const struct topo_cluster *here, const struct topo_service **own,
                        size_t n_own, const struct topo_service *s)
{
    const struct topo_namespace *ns = find_namespace(here, s->ns);
    return ns && !ns->terminating && !bsearch(&s, own, n_own, sizeof *own, by_name);
}

size_t topo_dns(struct arena *a, const struct topo_dns_rule *rule,
                const struct topo_cluster *clusters, size_t n, size_t at, struct topo_entry **ret)
{
    size_t room = 0, n_all = 0, n_out = 0;
    for (size_t i = 0; i < n; i++)
        room += i == at ? 0 : clusters[i].n_services;
    struct candidate *all = arena_array(a, room + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        n_all += i == at ? 0 : add_candidates(rule, &clusters[i], all + n_all);
    qsort(all, n_all, sizeof *all, by_name_then_cluster);
    const struct topo_service **own;
    size_t n_own = index_services(a, &clusters[at], &own);
    struct topo_entry *out = arena_array(a, n_all + 1, sizeof *out);
    for (size_t i = 0; i < n_all; i++) {
        const struct topo_service *s = all[i].service;
        if (i > 0 && by_name(&all[i - 1].service, &s) == 0)
            continue;
        if (wanted_here(&clusters[at], own, n_own, s))
            out[n_out++] = (struct topo_entry){s->ns, s->name, s->ports};
    }
    *ret = out;
    return n_out;
}

const struct topo_claim *topo_claim_winner(const struct topo_claim *claims, size_t n,
                                           const char *cluster)
{
    const struct topo_claim *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(claims[i].cluster, cluster))
            continue;
        int age = best ? str_cmp(claims[i].created, best->created) : -1;
        if (age < 0 || (age == 0 && str_cmp(claims[i].mesh, best->mesh) < 0))
            best = &claims[i];
    }
    return best;
}
