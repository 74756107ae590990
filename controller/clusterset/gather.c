/* SPDX-License-Identifier: Apache-2.0 */
/* From what is known of all clusters of a set to the plan of one of them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "clusterset/set.h"
#include "istio/istio.h"
#include "json/jx.h"

enum { SETTLING_MS = 1000, IPS_MAX = 2 };

/* A cluster of the set. */
struct peer {
    const char *name, *network;
    const struct set_facts *facts; /* NULL: not known */
    struct cluster *cluster;
};

struct gathered {
    struct peer *peers; /* by name; known ones */
    size_t n_peers;
    char *unknown; /* "a, b", or NULL */
    bool settling;
    struct mcs_export *exports;
    size_t n_exports, cap;
};

static const char *object_name(const struct hub_object *o)
{
    return jx_str(o->obj, "metadata.name");
}

static const char *network_of(const struct hub_object *o)
{
    return str_or(jx_str(o->obj, "spec.network"), object_name(o));
}

static bool in_set(const struct set_pass *p, const struct hub_object *o)
{
    return str_eq(jx_str(o->obj, "metadata.namespace"), p->mb->ns) &&
           str_eq(jx_str(o->obj, "spec.clusterSet"), p->name) && !hub_is_going(o->obj);
}

static const struct set_facts *facts_of(const struct manager *m, const char *key)
{
    struct member *mb;
    struct cluster *c;
    HASH_FIND_STR(m->members, key, mb);
    HASH_FIND_STR(m->clusters, key, c);
    bool known = mb && mb->set && mb->set->facts.read && c && cluster_known(c);
    return known ? &mb->set->facts : NULL;
}

/* It was not read yet, but is about to be. */
static bool is_settling(const struct manager *m, const char *key)
{
    struct member *mb;
    struct cluster *c;
    HASH_FIND_STR(m->members, key, mb);
    HASH_FIND_STR(m->clusters, key, c);
    if (!c || !mb || !cluster_settled(c))
        return true;
    return cluster_ready(c) && !(mb->set && mb->set->facts.problem);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct peer *)a)->name, ((const struct peer *)b)->name);
}

static void find_peers(struct set_pass *p, struct gathered *g)
{
    struct manager *m = p->mb->manager;
    struct hub_object *all = m->hub.kinds[API_KIND_MEMBER_CLUSTER].all;
    g->peers = arena_array(p->arena, HASH_COUNT(all) + 1, sizeof *g->peers);
    for (struct hub_object *o = all; o; o = o->hh.next) {
        if (!in_set(p, o))
            continue;
        const struct set_facts *f = facts_of(m, o->key);
        manager_await_kind(m, o->key, API_KIND_MEMBER_CLUSTER, p->mb->key);
        g->peers[g->n_peers++] = (struct peer){object_name(o), network_of(o), f,
                                               manager_cluster(m, p->mb->ns, object_name(o))};
        /* One that was never met has exported nothing. */
        if (f || !jx_str(o->obj, "status.clusterID"))
            continue;
        g->unknown = arena_printf(p->arena, "%s%s%s", str_or(g->unknown, ""),
                                  g->unknown ? ", " : "", object_name(o));
        g->settling |= is_settling(m, o->key);
    }
    qsort(g->peers, g->n_peers, sizeof *g->peers, by_name);
}

/* --- EndpointSlices of exported Services --- */

struct slice {
    const char *ns, *service, *name;
    const struct kube_record *record;
};

static int by_service(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->service, y->service);
}

/* Those that the cluster's own controllers or its users made. */
static size_t slices_of(struct arena *a, struct cluster *c, struct slice **ret)
{
    const struct records *all = cluster_records(c, set_slices());
    struct slice *list = arena_array(a, (all ? all->n : 0) + 1, sizeof *list);
    const struct kube_record *r;
    size_t n = 0;
    for (size_t at = 0; all && (r = records_next(all, &at));) {
        struct kube_view v;
        kube_record_view(r, &v);
        if (v.service && !(v.meta.managed && v.meta.owner_uid) && !v.meta.deleting)
            list[n++] = (struct slice){v.meta.ns, v.service, v.meta.name, r};
    }
    qsort(list, n, sizeof *list, by_service);
    *ret = list;
    return n;
}

static struct mcs_slice slice_of(struct arena *a, const struct slice *s)
{
    size_t n;
    const struct kube_endpoint *from = kube_record_endpoints(a, s->record, &n);
    struct mcs_endpoint *to = arena_array(a, n + 1, sizeof *to);
    const char *ports = kube_record_ports(a, s->record);
    json_t *list = jx_load(ports, strlen(ports), NULL);
    list = list ? list : json_array();
    arena_hold(a, list, (void (*)(void *))json_decref);
    for (size_t i = 0; i < n; i++)
        to[i] = (struct mcs_endpoint){from[i].address, from[i].hostname};
    return (struct mcs_slice){list, to, n};
}

static void add_slices(struct arena *a, struct mcs_export *e, const struct slice *all, size_t n)
{
    struct slice probe = {.ns = e->ns, .service = e->name};
    const struct slice *hit = n ? bsearch(&probe, all, n, sizeof *all, by_service) : NULL;
    if (!hit)
        return;
    while (hit > all && by_service(hit - 1, &probe) == 0)
        hit--;
    size_t count = 0;
    while (hit + count < all + n && by_service(hit + count, &probe) == 0)
        count++;
    struct mcs_slice *list = arena_array(a, count, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = slice_of(a, &hit[i]);
    e->slices = list;
    e->n_slices = count;
}

/* --- exports --- */

static void add_exports(struct set_pass *p, struct gathered *g, const struct peer *peer)
{
    struct slice *slices;
    size_t n = slices_of(p->arena, peer->cluster, &slices);
    const char *key;
    json_t *o;
    json_object_foreach (peer->facts->exports, key, o) {
        size_t len = strcspn(key, "/");
        struct mcs_export *e = &g->exports[g->n_exports++];
        *e = (struct mcs_export){
            .cluster = peer->name,
            .network = peer->network,
            .ns = arena_printf(p->arena, "%.*s", (int)len, key),
            .name = arena_strdup(p->arena, key + len + 1),
            .service = json_object_get(peer->facts->services, key),
        };
        if (clock_parse(jx_str(o, "created"), &e->created) < 0)
            e->created = 0;
        add_slices(p->arena, e, slices, n);
    }
}

static void gather_exports(struct set_pass *p, struct gathered *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_peers; i++)
        n += g->peers[i].facts ? json_object_size(g->peers[i].facts->exports) : 0;
    g->exports = arena_array(p->arena, n + 1, sizeof *g->exports);
    for (size_t i = 0; i < g->n_peers; i++)
        if (g->peers[i].facts)
            add_exports(p, g, &g->peers[i]);
}

/* --- the cluster that is planned for --- */

static bool has_namespace(void *arg, const char *ns)
{
    const struct set_pass *p = arg;
    const struct records *all = set_records(p->c, "v1", "Namespace");
    struct kube_view v;
    return all && records_view(all, NULL, ns, &v) && !v.terminating && !v.meta.deleting;
}

/* A Service of somebody else: it is left alone, and gets no endpoints of ours either. */
static bool is_taken(void *arg, const char *ns, const char *derived)
{
    const struct set_pass *p = arg;
    const struct records *all = set_records(p->c, "v1", "Service");
    struct kube_view v;
    return all && records_view(all, ns, derived, &v) &&
           !(v.meta.managed && !v.has_selector && str_eq(v.meta.owner_uid, p->cr->meta.uid));
}

static const char *const *cluster_ips(void *arg, const char *ns, const char *derived, size_t *n)
{
    const struct set_pass *p = arg;
    const struct records *all = set_records(p->c, "v1", "Service");
    const struct kube_record *r = all ? records_find(all, ns, derived) : NULL;
    const char **list = arena_array(p->arena, IPS_MAX, sizeof *list);
    *n = 0;
    for (const char *at = r ? kube_record_cluster_ips(p->arena, r) : ""; *at && *n < IPS_MAX;) {
        size_t len = strcspn(at, " ");
        list[(*n)++] = arena_printf(p->arena, "%.*s", (int)len, at);
        at += len + (at[len] == ' ');
    }
    return list;
}

/* --- what is said of this cluster's exports --- */

/* Clusters of the set whose network is another: "a, b", or NULL. */
static const char *far_from(struct set_pass *p, const struct gathered *g, const char *network)
{
    const char *far = NULL;
    for (size_t i = 0; i < g->n_peers; i++)
        if (!str_eq(g->peers[i].network, network))
            far = arena_printf(p->arena, "%s%s%s", str_or(far, ""), far ? ", " : "",
                               g->peers[i].name);
    return far;
}

static void note_said(struct set_pass *p, const struct gathered *g, const struct mcs_set *set)
{
    struct set_member *s = p->s;
    json_decref(s->said);
    json_decref(s->status);
    s->said = json_object();
    s->status = json_object();
    s->exported = s->imported = 0;
    for (size_t i = 0; i < g->n_exports; i++) {
        const struct mcs_export *e = &g->exports[i];
        if (!str_eq(e->cluster, p->mb->name))
            continue;
        auto_free char *key = xasprintf("%s/%s", e->ns, e->name);
        json_object_set_new(
            s->said, key,
            set_export_conditions(p, e, &set->verdicts[i], far_from(p, g, e->network)));
        s->exported += set->verdicts[i].validity == MCS_VALID;
    }
    for (size_t i = 0; i < set->n_services; i++) {
        const struct mcs_service *one = &set->services[i];
        auto_free char *key = xasprintf("%s/%s", one->ns, one->name);
        json_object_set_new(s->status, key, mcs_import_status(one));
        s->imported += has_namespace(p, one->ns);
    }
}

/* --- the plan --- */

static uint64_t mix(uint64_t h, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "/%llx/", (unsigned long long)n);
    return str_hash_more(h, text);
}

/* Of all that a plan and what is said are made from. */
static uint64_t made_from(const struct set_pass *p, const struct gathered *g)
{
    uint64_t h = str_hash_more(str_hash(p->name), str_or(p->cr->meta.uid, ""));
    h = mix(str_hash_more(h, str_or(g->unknown, "")), g->settling);
    h = mix(h, p->mb->manager->hub.spec_rev);
    h = mix(h, p->c->dns_rev);
    for (size_t i = 0; i < g->n_peers; i++) {
        const struct peer *x = &g->peers[i];
        h = str_hash_more(str_hash_more(h, x->name), x->network);
        h = mix(h, x->facts ? x->facts->rev : 0);
        h = mix(h, x->facts ? x->cluster->endpoint_rev : 0);
    }
    return h;
}

static int render(struct set_pass *p, const struct mcs_set *set, struct err *err)
{
    struct mcs_target t = {
        .owner = {p->name, p->cr->meta.uid, PLAN_LABEL_SET},
        .cluster = p->mb->name,
        .network = network_of(p->o),
        .has_namespace = has_namespace,
        .is_taken = is_taken,
        .cluster_ips = cluster_ips,
        .arg = p,
    };
    auto_plan plan;
    plan_init(&plan, p->mb->name);
    struct istio_data *data = manager_istio_data(p->mb->manager, NULL, err);
    if (!data || istio_data_plan(data, ISTIO_SET_MCS, &t.owner, &plan, err) < 0 ||
        mcs_render(&t, set, &plan, err) < 0 || plan_finish(&plan, err) < 0)
        return -1;
    kept_take(&p->mb->manager->kept, &plan, &p->s->plan);
    p->s->plan_rev++;
    return 0;
}

int set_plan(struct set_pass *p, struct err *err)
{
    struct gathered g = {0};
    find_peers(p, &g);
    uint64_t of = made_from(p, &g);
    p->s->settling = g.settling;
    if (g.settling)
        set_again(p, SETTLING_MS);
    if (p->s->planned && p->s->planned_of == of)
        return 0;
    free(p->s->unknown);
    p->s->unknown = xstrdup0(g.unknown);
    gather_exports(p, &g);
    struct mcs_set set = mcs_join(p->arena, g.exports, g.n_exports);
    note_said(p, &g, &set);
    p->s->planned = render(p, &set, err) == 0;
    p->s->planned_of = of;
    return p->s->planned ? 0 : -1;
}

/* --- what is held back --- */

static bool is_unknown(const struct set_member *s, const char *cluster)
{
    const char *hit = s->unknown ? strstr(s->unknown, cluster) : NULL;
    for (size_t n = strlen(cluster); hit; hit = strstr(hit + 1, cluster)) {
        bool starts = hit == s->unknown || hit[-1] == ' ';
        if (starts && (hit[n] == '\0' || hit[n] == ','))
            return true;
    }
    return false;
}

bool set_hold(void *set_pass, const struct gvr *g, const char *ns, const char *name)
{
    const struct set_pass *p = set_pass;
    (void)ns;
    if (!p->s->unknown || str_eq(g->kind, "CustomResourceDefinition"))
        return false;
    if (g != set_slices())
        return true; /* it is made from the exports of all */
    auto_free char *source = mcs_slice_source(name);
    return source && is_unknown(p->s, source);
}
