/* SPDX-License-Identifier: Apache-2.0 */
/* From the records of clusters to the Services that a mesh offers to another. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "istio/machines.h"
#include "mesh/machines.h"
#include "mesh/trade.h"
#include "workloadgroup/entries.h"
#include "json/jx.h"

enum { BACKENDS_MAX = 2000 }; /* of one Service in one cluster: a ServiceEntry has its bounds */

static struct records *kind(struct cluster *c, const char *api_version, const char *name)
{
    return cluster_records(c, plan_gvr(api_version, name));
}

static void doubt(struct offers *out, const struct cluster *c)
{
    out->unsure = true;
    out->soon |= c && !cluster_settled(c);
}

/* --- Services --- */

static void add(struct arena *a, struct offers *out, struct topo_offer o)
{
    if (out->n == out->cap) {
        struct topo_offer *more =
            arena_array(a, (out->cap = out->cap ? out->cap * 2 : 16), sizeof *more);
        if (out->n > 0)
            memcpy(more, out->all, out->n * sizeof *more);
        out->all = more;
    }
    out->all[out->n++] = o;
}

/* A group of machines may have one; what else we make with a selector is a gateway's, and without one stands for what
 * is elsewhere. */
static bool is_real(const struct kube_view *v)
{
    return !v->meta.managed || (v->has_selector && plan_wave_of(v->meta.wave) == PLAN_CONFIG);
}

static void look_at_service(struct arena *a, const struct site *s, const struct kube_record *r,
                            offer_wanted *wanted, const void *arg, struct offers *out)
{
    struct kube_view v;
    kube_record_view(r, &v);
    if (!is_real(&v) || v.meta.deleting || !wanted(arg, v.meta.ns, v.meta.name))
        return;
    if (v.headless || str_eq(v.type, "ExternalName")) {
        if (!out->odd)
            out->odd = arena_printf(a, "%s/%s", v.meta.ns, v.meta.name);
        return;
    }
    add(a, out,
        (struct topo_offer){.ns = arena_strdup(a, v.meta.ns),
                            .name = arena_strdup(a, v.meta.name),
                            .ports = kube_record_ports(a, r),
                            .selector = v.selector ? arena_strdup(a, v.selector) : NULL,
                            .cluster = s->cluster,
                            .network = s->network});
}

/* --- what is behind them --- */

static int by_name(const void *a, const void *b)
{
    const struct topo_offer *x = a, *y = b;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

/* The name that a port without one gets: see topo_imports. */
static const char *unnamed(struct arena *a, const char *service_ports)
{
    auto_json *ports = jx_load(service_ports, strlen(service_ports), NULL);
    return arena_printf(a, "port-%d", (int)jx_int(json_array_get(ports, 0), "port", 0));
}

static json_t *port_map(struct arena *a, const struct topo_offer *o, const struct kube_record *r)
{
    const char *text = kube_record_ports(a, r);
    auto_json *ports = jx_load(text, strlen(text), NULL);
    json_t *map = json_object(), *port;
    size_t i;
    arena_hold(a, map, (void (*)(void *))json_decref);
    json_array_foreach (ports, i, port) {
        const char *name = jx_str(port, "name");
        json_object_set(map, name && *name ? name : unnamed(a, o->ports),
                        json_object_get(port, "port"));
    }
    return map;
}

static void add_backends(struct arena *a, struct topo_offer *o, const struct kube_record *r)
{
    char *rest = kube_record_addresses(a, r), *word;
    json_t *ports = port_map(a, o, r);
    while ((word = strsep(&rest, " ")) && o->n_backends < BACKENDS_MAX)
        if (*word)
            topo_offer_add_backend(a, o, word, ports);
}

static void add_accounts(struct arena *a, struct topo_offer *o, const struct kube_record *r,
                         const struct records *pods)
{
    char *rest = kube_record_pods(a, r), *word;
    struct kube_view v;
    while ((word = strsep(&rest, " ")))
        if (*word && records_view(pods, o->ns, word, &v))
            topo_offer_add_account(a, o, arena_strdup(a, v.service_account));
}

/* Those from `first` on are of this cluster, and sorted. */
static void look_behind(struct arena *a, struct offers *out, size_t first,
                        const struct records *slices, const struct records *pods)
{
    const struct kube_record *r;
    for (size_t at = 0; (r = records_next(slices, &at));) {
        struct kube_view v;
        kube_record_view(r, &v);
        struct topo_offer probe = {.ns = v.meta.ns, .name = v.service}, *o;
        if (!v.service || v.meta.deleting)
            continue;
        o = bsearch(&probe, out->all + first, out->n - first, sizeof probe, by_name);
        if (!o)
            continue;
        add_backends(a, o, r);
        add_accounts(a, o, r, pods);
    }
}

void offers_collect(struct arena *a, const struct site *s, offer_wanted *wanted, const void *arg,
                    struct offers *out)
{
    static const char slices_version[] = "discovery.k8s.io/v1";
    size_t first = out->n;
    const struct records *services = kind(s->c, "v1", "Service");
    const struct kube_record *r;
    for (size_t at = 0; services && (r = records_next(services, &at));)
        look_at_service(a, s, r, wanted, arg, out);
    if (out->n == first)
        return;
    qsort(out->all + first, out->n - first, sizeof *out->all, by_name);
    cluster_want(s->c, plan_gvr(slices_version, "EndpointSlice"), CLUSTER_ALL);
    cluster_want(s->c, plan_gvr("v1", "Pod"), CLUSTER_ALL);
    const struct records *slices = kind(s->c, slices_version, "EndpointSlice"),
                         *pods = kind(s->c, "v1", "Pod");
    if (!cluster_known(s->c) || !slices || !pods)
        doubt(out, s->c);
    if (slices && pods)
        look_behind(a, out, first, slices, pods);
}

/* --- machines --- */

/* The entries are istiod's own: it takes a machine into a group only with the account of the group. */
static void add_machines(struct arena *a, struct topo_offer *o, const json_t *group,
                         const struct records *entries)
{
    json_t *ports = machines_ports(a, group);
    const struct kube_record *r;
    struct kube_view v;
    for (size_t at = 0; (r = records_next(entries, &at)) && o->n_backends < BACKENDS_MAX;)
        if (entries_is_of(r, o->ns, jx_str(group, "metadata.name"), &v) && !v.meta.deleting &&
            v.address && entries_is_healthy(&v))
            topo_offer_add_machine(a, o, arena_strdup(a, v.address), ports,
                                   v.network ? arena_strdup(a, v.network) : NULL);
}

static const struct records *entries_of(const struct manager *m, const struct hub_object *mesh,
                                        const char *cluster, struct offers *out)
{
    const char *ns = jx_str(mesh->obj, "metadata.namespace");
    struct cluster *c = manager_cluster(m, ns, cluster);
    if (!c)
        return NULL;
    cluster_want(c, plan_gvr(ISTIO_NETWORKING, "WorkloadEntry"), CLUSTER_ALL);
    const struct records *all = kind(c, ISTIO_NETWORKING, "WorkloadEntry");
    if (!cluster_known(c) || !all)
        doubt(out, c);
    return all;
}

static bool selects(struct arena *a, const struct topo_offer *o, const struct machines_group *g)
{
    if (!o->selector || !str_eq(g->cluster, o->cluster) || !str_eq(g->ns, o->ns))
        return false;
    auto_json *selector = jx_load(o->selector, strlen(o->selector), NULL);
    return topo_offer_selects(selector, machines_labels(a, jx_get(g->obj, "spec.labels"),
                                                        jx_str(g->obj, "metadata.name")));
}

/* A group is behind a Service before its first machine is: who may answer is known by then. */
void offers_add_machines(const struct manager *m, struct arena *a, const struct hub_object *mesh,
                         struct offers *out)
{
    struct machines_group *groups;
    size_t n = out->n ? mesh_machines_groups(m, a, mesh, &groups) : 0;
    for (size_t k = 0; k < n; k++) {
        const struct records *entries = entries_of(m, mesh, groups[k].cluster, out);
        for (size_t i = 0; i < out->n; i++) {
            struct topo_offer *o = &out->all[i];
            if (!selects(a, o, &groups[k]))
                continue;
            topo_offer_add_account(a, o, groups[k].account);
            if (entries)
                add_machines(a, o, groups[k].obj, entries);
        }
    }
}

/* --- spec.exports --- */

size_t offers_exports(struct arena *a, const json_t *mesh, struct topo_export **ret)
{
    const json_t *list = jx_get(mesh, "spec.exports");
    struct topo_export *all = arena_array(a, json_array_size(list) + 1, sizeof *all);
    size_t i, k;
    json_t *e, *to;
    json_array_foreach (list, i, e) {
        const char **names = arena_array(a, json_array_size(jx_get(e, "to")) + 1, sizeof *names);
        json_array_foreach (jx_get(e, "to"), k, to)
            names[k] = json_string_value(to);
        all[i] = (struct topo_export){jx_str(e, "namespace"), str_or(jx_str(e, "service"), "*"),
                                      names, json_array_size(jx_get(e, "to"))};
    }
    *ret = all;
    return json_array_size(list);
}

bool offers_named(const struct topo_export *e, size_t n, const char *mesh)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < e[i].n_to; k++)
            if (str_eq(e[i].to[k], mesh))
                return true;
    return false;
}

struct wish {
    const struct topo_export *exports;
    size_t n;
    const char *to;
};

/* What each cluster has of its own: merged with another cluster's it would break both. */
static bool of_the_cluster(const char *ns, const char *name)
{
    return str_eq(ns, ISTIO_NAMESPACE) || str_starts(ns, "kube-") ||
           (str_eq(ns, "default") && str_eq(name, "kubernetes"));
}

static bool exported(const void *arg, const char *ns, const char *name)
{
    const struct wish *w = arg;
    return !of_the_cluster(ns, name) && topo_exported(w->exports, w->n, ns, name, w->to);
}

struct offers offers_to(struct ties *t, struct arena *a, const struct hub_object *mesh,
                        const char *to)
{
    struct offers out = {0};
    struct topo_export *exports;
    struct wish wish = {.n = offers_exports(a, mesh->obj, &exports), .to = to};
    struct site *sites;
    size_t n = ties_sites(t->manager, a, mesh->obj, &sites);
    wish.exports = exports;
    for (size_t i = 0; i < n; i++) {
        struct cluster *c = sites[i].c;
        if (sites[i].leaves)
            continue;
        if (!c || !cluster_known(c))
            doubt(&out, c);
        /* A cluster that another mesh claims, or that is not installed yet, is none of this one. */
        else if (cluster_holds(c, str_or(jx_str(mesh->obj, "metadata.uid"), "")))
            offers_collect(a, &sites[i], exported, &wish, &out);
    }
    offers_add_machines(t->manager, a, mesh, &out);
    topo_offers_sort(out.all, out.n);
    return out;
}
