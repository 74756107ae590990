/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways without a mesh: makes their Services, Ingresses and DNS entries by itself. */
#include <stdlib.h>
#include <string.h>

#include "applyplan.h"
#include "base/mem.h"
#include "base/str.h"
#include "gateway/pass.h"
#include "gateway/plain.h"
#include "gateway/routed.h"
#include "gateway/tls.h"

/* What stays of a cluster between passes: the plan. */
struct gateway_site {
    struct kept_plan plan;
    UT_hash_handle hh;
    char cluster[];
};

/* The clusters of a pass, and what is exposed where. */
struct outside {
    struct gateway_pass *p;
    struct plan_owner owner;
    struct plain_service *services;
    size_t n_services;
    struct plain_site *sites; /* of service i in cluster k of spec.clusters: [i * n_clusters + k] */
    size_t n_clusters;
};

/* One cluster of them. */
struct place {
    const struct outside *o;
    struct gateway_row *row;
    struct cluster *c; /* NULL: it can't be worked on */
    bool exposes, publishes, empty;
};

static struct manager *manager_of(const struct gateway_pass *p)
{
    return p->gateway->manager;
}

static struct gateway_site *site_get(struct gateway *g, const char *cluster)
{
    struct gateway_site *s;
    HASH_FIND_STR(g->sites, cluster, s);
    if (s)
        return s;
    s = xcalloc(1, sizeof *s + strlen(cluster) + 1);
    memcpy(s->cluster, cluster, strlen(cluster) + 1);
    HASH_ADD_STR(g->sites, cluster, s);
    return s;
}

void gateway_outside_done(struct gateway *g)
{
    struct gateway_site *s, *tmp;
    HASH_ITER (hh, g->sites, s, tmp) {
        HASH_DEL(g->sites, s);
        kept_drop(&g->manager->kept, &s->plan);
        free(s);
    }
    gateway_routed_done(g);
}

static bool by_ingress(const struct gateway_pass *p)
{
    return p->cr->spec.exposure == API_GATEWAY_EXPOSURE_INGRESS;
}

static bool in(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], name))
            return true;
    return false;
}

/* --- where a Service is exposed --- */

static const struct kube_record *exposing(const struct gateway_pass *p, struct cluster *c,
                                          const struct plain_service *s)
{
    const struct gvr *g =
        by_ingress(p) ? plan_gvr("networking.k8s.io/v1", "Ingress") : plan_gvr("v1", "Service");
    const char *name =
        by_ingress(p) ? p->cr->meta.name : plain_exposed_name(p->arena, p->cr->meta.name, s->name);
    const struct records *all = cluster_records(c, g);
    const struct kube_record *r = all ? records_find(all, s->ns, name) : NULL;
    struct kube_view v;
    if (!r)
        return NULL;
    kube_record_view(r, &v);
    return v.meta.managed && str_eq(v.meta.owner_uid, p->gateway->uid) ? r : NULL;
}

/* Of a NodePort Service the entries lead to the node ports. False: they are not known. */
static bool to_node_ports(json_t *ports, const struct kube_record *r)
{
    size_t i;
    json_t *one;
    json_array_foreach (ports, i, one) {
        int node = kube_record_node_port(r, (int)jx_int(one, "port", 0));
        if (node == 0)
            return false;
        json_object_set_new(one, "target", json_integer(node));
    }
    return true;
}

static void look_at_site(const struct gateway_pass *p, struct cluster *c,
                         const struct plain_service *s, const json_t *spec, struct plain_site *site)
{
    const struct kube_record *r = exposing(p, c, s);
    if (!r || (!by_ingress(p) && !spec))
        return;
    json_t *ports = plain_ports(s, by_ingress(p) ? NULL : spec, PLAIN_HTTP_PORT);
    arena_hold(p->arena, ports, (void (*)(void *))json_decref);
    if (p->cr->spec.exposure == API_GATEWAY_EXPOSURE_NODE_PORT && !to_node_ports(ports, r))
        return;
    site->ports = ports;
    site->addresses = p->cr->spec.addresses;
    site->n_addresses = p->cr->spec.n_addresses;
    enum api_gateway_exposure e =
        p->cr->spec.exposure; /* what a former type had may still be there */
    if (site->n_addresses == 0 && e != API_GATEWAY_EXPOSURE_NODE_PORT &&
        e != API_GATEWAY_EXPOSURE_CLUSTER_IP)
        site->addresses =
            gateway_words(p->arena, kube_record_reached_at(p->arena, r), &site->n_addresses);
}

static void look_at_sites(struct outside *o)
{
    const struct api_gateway_spec *s = &o->p->cr->spec;
    o->n_clusters = s->n_clusters;
    o->sites = arena_array(o->p->arena, o->n_services * o->n_clusters + 1, sizeof *o->sites);
    for (size_t i = 0; i < o->n_services; i++)
        for (size_t k = 0; k < s->n_clusters; k++) {
            struct plain_site *site = &o->sites[i * o->n_clusters + k];
            struct cluster *c =
                manager_cluster(manager_of(o->p), o->p->gateway->ns, s->clusters[k]);
            *site = (struct plain_site){.cluster = s->clusters[k]};
            if (!c)
                continue;
            const json_t *spec =
                by_ingress(o->p)
                    ? NULL
                    : gateway_routed_spec(o->p->gateway, c, o->services[i].ns, o->services[i].name);
            look_at_site(o->p, c, &o->services[i], spec, site);
        }
}

static bool reached(const struct outside *o, size_t service)
{
    for (size_t k = 0; k < o->n_clusters; k++)
        if (o->sites[service * o->n_clusters + k].n_addresses > 0)
            return true;
    return false;
}

/* --- what is wanted in one cluster --- */

static void unresolved(struct gateway_pass *p, const char *reason, const char *message)
{
    p->report.resolved = verdict_worse(p->report.resolved, verdict_no(reason, message));
}

static void check_service(struct gateway_pass *p, struct cluster *c, const struct plain_service *s)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        int found = gateway_service_has(p->arena, c, s->ns, s->name, s->ports[i]);
        if (found < 0)
            unresolved(p, "ServiceNotFound",
                       arena_printf(p->arena,
                                    "cluster %s has no Service %s/%s; next: create it, or take its "
                                    "routes out",
                                    c->name, s->ns, s->name));
        else if (found == 0)
            unresolved(p, "ServiceNotFound",
                       arena_printf(p->arena,
                                    "cluster %s: Service %s/%s has no port %d; next: correct the "
                                    "route",
                                    c->name, s->ns, s->name, s->ports[i]));
    }
}

static int expose_service(const struct place *x, const struct plain_service *s, struct plan *plan,
                          struct err *err)
{
    struct gateway_pass *p = x->o->p;
    const json_t *spec = gateway_routed_spec(p->gateway, x->c, s->ns, s->name);
    if (!spec)
        return 0; /* not read yet, or not there: what was made stays */
    if (plain_expose(p->cr, &x->o->owner, s, spec, plan, err) == 0)
        return 0;
    if (err->class != ERR_INVALID)
        return -1;
    unresolved(p, "ServiceUnusable",
               arena_printf(p->arena, "cluster %s: %s", x->c->name, err->msg));
    return 0;
}

static bool first_of_namespace(const struct outside *o, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(o->services[i].ns, o->services[at].ns))
            return false;
    return true;
}

static int expose_namespace(const struct place *x, const char *ns, struct plan *plan,
                            struct err *err)
{
    struct gateway_pass *p = x->o->p;
    if (p->cr->spec.tls_secret_ref &&
        gateway_tls_plan(manager_of(p), p->gateway->ns, p->gateway->name, ns, &x->o->owner, plan,
                         err) < 0)
        return -1;
    return plain_ingress(p->cr, &x->o->owner, ns, plan, err);
}

static int plan_exposure(const struct place *x, struct plan *plan, struct err *err)
{
    const struct outside *o = x->o;
    for (size_t i = 0; i < o->n_services; i++) {
        check_service(o->p, x->c, &o->services[i]);
        if (!by_ingress(o->p) && expose_service(x, &o->services[i], plan, err) < 0)
            return -1;
        if (by_ingress(o->p) && first_of_namespace(o, i) &&
            expose_namespace(x, o->services[i].ns, plan, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_namespace(struct cluster *c, const char *ns)
{
    const struct records *all = cluster_records(c, plan_gvr("v1", "Namespace"));
    struct kube_view v;
    return all && records_view(all, NULL, ns, &v) && !v.terminating;
}

/* A Service of that name that is not this Gateway's is never taken over, nor are endpoints added to it. */
static bool name_taken(const struct place *x, const struct plain_service *s)
{
    const struct records *all = cluster_records(x->c, plan_gvr("v1", "Service"));
    struct kube_view v;
    return all && records_view(all, s->ns, s->name, &v) &&
           (!v.meta.managed || v.has_selector || !str_eq(v.meta.owner_uid, x->o->p->gateway->uid));
}

static bool may_publish(const struct place *x, const struct plain_service *s)
{
    struct arena *a = x->o->p->arena;
    if (!has_namespace(x->c, s->ns))
        gateway_row_judge(x->row,
                          verdict_no("NamespaceMissing",
                                     arena_printf(a,
                                                  "cluster %s has no namespace %s for the DNS "
                                                  "entry of Service %s; next: create it",
                                                  x->c->name, s->ns, s->name)));
    else if (name_taken(x, s))
        gateway_row_judge(
            x->row,
            verdict_no("NameTaken",
                       arena_printf(a,
                                    "cluster %s has a Service %s/%s that is not this Gateway's: it "
                                    "is left as it is; next: rename one, or take the cluster out "
                                    "of spec.publishTo",
                                    x->c->name, s->ns, s->name)));
    else
        return true;
    return false;
}

static int plan_entries(const struct place *x, struct plan *plan, struct err *err)
{
    const struct outside *o = x->o;
    for (size_t i = 0; i < o->n_services; i++) {
        const struct plain_service *s = &o->services[i];
        if (may_publish(x, s) &&
            plain_publish(&o->owner, s, &o->sites[i * o->n_clusters], o->n_clusters, plan, err) < 0)
            return -1;
        if (!reached(o, i))
            gateway_row_judge(x->row,
                              verdict_no("AddressPending",
                                         arena_printf(o->p->arena,
                                                      "the DNS entry of Service %s/%s waits for an "
                                                      "address where it is exposed",
                                                      s->ns, s->name)));
    }
    return 0;
}

/* --- what is left as it is, because what it follows from is not known --- */

static bool cluster_read(const struct gateway_pass *p, const char *name)
{
    const struct cluster *c = manager_cluster(manager_of(p), p->gateway->ns, name);
    return c && cluster_known(c);
}

static bool holds_exposed(const struct place *x, const struct gvr *g, const char *ns,
                          const char *name)
{
    const struct gateway_pass *p = x->o->p;
    if (str_eq(g->kind, "Secret"))
        return p->cr->spec.tls_secret_ref && !p->gateway->tls.sha256[0] &&
               gateway_tls_is(p->gateway->name, name);
    for (size_t i = 0; i < x->o->n_services && !by_ingress(p); i++) {
        const struct plain_service *s = &x->o->services[i];
        if (str_eq(ns, s->ns) && !gateway_routed_spec(p->gateway, x->c, s->ns, s->name) &&
            str_eq(name, plain_exposed_name(p->arena, p->cr->meta.name, s->name)))
            return true;
    }
    return false;
}

static bool holds_entry(const struct place *x, const struct gvr *g, const char *ns,
                        const char *name)
{
    const struct outside *o = x->o;
    bool slice = str_eq(g->kind, "EndpointSlice");
    for (size_t i = 0; i < o->n_services; i++) {
        const struct plain_service *s = &o->services[i];
        if (!str_eq(ns, s->ns) || name_taken(x, s))
            continue;
        const char *all = arena_printf(o->p->arena, "%s.", s->name);
        if (!reached(o, i) && (slice ? str_starts(name, all) : str_eq(name, s->name)))
            return true;
        for (size_t k = 0; slice && k < o->n_clusters; k++) {
            const char *cluster = o->sites[i * o->n_clusters + k].cluster;
            const char *prefix = arena_printf(o->p->arena, "%s.%s.", s->name, cluster);
            if (!cluster_read(o->p, cluster) && str_starts(name, prefix))
                return true;
        }
    }
    return false;
}

static bool hold(void *arg, const struct gvr *g, const char *ns, const char *name)
{
    const struct place *x = arg;
    return (x->exposes && holds_exposed(x, g, ns, name)) ||
           (x->publishes && holds_entry(x, g, ns, name));
}

/* --- a step in one cluster --- */

static void send_copy(void *arg, struct op *op, const struct plan_object *o)
{
    const struct gateway_pass *p = arg;
    gateway_tls_send(manager_of(p), p->gateway->ns, op, o);
}

static void step(struct gateway_pass *p, struct applyplan *x)
{
    x->arena = p->arena;
    x->owner_uid = p->gateway->uid;
    x->send = send_copy;
    x->send_arg = p;
    manager_await_kind(manager_of(p), x->cluster->key, API_KIND_GATEWAY, p->gateway->key);
    applyplan_step(x);
    gateway_again(p, x->again_ms);
    p->leftovers += x->leftovers;
}

static void add_address(struct gateway_pass *p, struct gateway_row *row, const char *address)
{
    if (in(row->addresses, row->n_addresses, address))
        return;
    const char **more = arena_array(p->arena, row->n_addresses + 1, sizeof *more);
    for (size_t i = 0; i < row->n_addresses; i++)
        more[i] = row->addresses[i];
    more[row->n_addresses++] = address;
    row->addresses = more;
}

static struct verdict no_address(const struct gateway_pass *p, const char *cluster)
{
    enum api_gateway_exposure e = p->cr->spec.exposure;
    if (e == API_GATEWAY_EXPOSURE_NODE_PORT || e == API_GATEWAY_EXPOSURE_CLUSTER_IP)
        return verdict_stalled("AddressesMissing",
                               arena_printf(p->arena,
                                            "cluster %s: a Service of type %s does not say where "
                                            "it is reached; next: set spec.addresses",
                                            cluster, api_gateway_exposure_name(e)));
    return verdict_no(
        "AddressPending",
        arena_printf(p->arena,
                     by_ingress(p)
                         ? "cluster %s: the Ingress has no address yet; next: when none comes, see "
                           "whether the cluster has an ingress controller for it (spec.class)"
                         : "cluster %s: the Service has no address yet; next: when none comes, see "
                           "whether the cluster has a load balancer controller, or set "
                           "spec.exposure NodePort and spec.addresses",
                     cluster));
}

static void judge_addresses(const struct place *x)
{
    const struct outside *o = x->o;
    for (size_t i = 0; i < o->n_services; i++)
        for (size_t k = 0; k < o->n_clusters; k++) {
            const struct plain_site *s = &o->sites[i * o->n_clusters + k];
            if (!str_eq(s->cluster, x->row->name))
                continue;
            for (size_t n = 0; n < s->n_addresses; n++)
                add_address(o->p, x->row, s->addresses[n]);
            if (s->n_addresses == 0)
                gateway_row_judge(x->row, no_address(o->p, x->row->name));
        }
}

/* A plan that can't be made leaves what is there as it is. */
static void work_on(struct place *x)
{
    struct gateway_pass *p = x->o->p;
    struct gateway_site *site = site_get(p->gateway, x->c->name);
    struct err err = {0};
    auto_plan plan;
    plan_init(&plan, x->c->name);
    if ((x->exposes && plan_exposure(x, &plan, &err) < 0) ||
        (x->publishes && plan_entries(x, &plan, &err) < 0) || plan_finish(&plan, &err) < 0) {
        x->row->v = verdict_stalled("Invalid",
                                    arena_printf(p->arena, "cluster %s: %s", x->c->name, err.msg));
        return;
    }
    kept_take(&manager_of(p)->kept, &plan, &site->plan);
    struct applyplan step_of = {.cluster = x->c, .plan = &site->plan, .hold = hold, .hold_arg = x};
    step(p, &step_of);
    gateway_row_judge(x->row, applyplan_verdict(&step_of, "Gateway"));
    if (x->exposes)
        judge_addresses(x);
}

static void empty(struct gateway_pass *p, struct cluster *c)
{
    struct applyplan x = {.cluster = c};
    bool holds = cluster_holds(c, p->gateway->uid);
    if (holds && cluster_ready(c))
        step(p, &x);
    else if (holds || !cluster_known(c))
        p->out_of_reach |= !cluster_ready(c);
    manager_await_kind(manager_of(p), c->key, API_KIND_GATEWAY, p->gateway->key);
}

/* --- the clusters --- */

/* Whether it can be worked on; otherwise the row says why not. */
static bool usable(struct place *x)
{
    struct gateway_pass *p = x->o->p;
    auto_free char *key = xasprintf("%s/%s", p->gateway->ns, x->row->name);
    const struct hub_object *o = hub_find(&manager_of(p)->hub, API_KIND_MEMBER_CLUSTER, key);
    struct cluster *c = manager_cluster(manager_of(p), p->gateway->ns, x->row->name);
    manager_await_kind(manager_of(p), key, API_KIND_GATEWAY, p->gateway->key);
    if (!o) {
        x->row->v = verdict_no("ClusterNotFound",
                               arena_printf(p->arena,
                                            "there is no MemberCluster %s in namespace %s; next: "
                                            "create it, or take it out of this Gateway",
                                            x->row->name, p->gateway->ns));
    } else if (hub_is_going(o->obj)) {
        x->row->v =
            verdict_no("ClusterLeaving",
                       arena_printf(p->arena, "MemberCluster %s is being deleted", x->row->name));
        if (c && !str_eq(jx_str(o->obj, "spec.deletionPolicy"), "Retain"))
            empty(p, c);
    } else if (!c || !cluster_ready(c)) {
        x->row->v = verdict_no("ClusterUnreachable",
                               arena_printf(p->arena,
                                            "cluster %s: not connected, its work is deferred; "
                                            "next: kubectl describe membercluster %s -n %s",
                                            x->row->name, x->row->name, p->gateway->ns));
        x->row->v.early = !c || !cluster_settled(c);
    } else {
        x->c = c;
    }
    return x->c != NULL;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct gateway_row *)a)->name, ((const struct gateway_row *)b)->name);
}

static void add_rows(struct gateway_pass *p)
{
    const struct api_gateway_spec *s = &p->cr->spec;
    for (size_t i = 0; i < s->n_clusters; i++)
        gateway_report_row(&p->report, s->clusters[i]);
    for (size_t i = 0; i < s->n_publish_to; i++)
        gateway_report_row(&p->report, s->publish_to[i]);
    qsort(p->report.rows, p->report.n_rows, sizeof *p->report.rows, by_name);
}

static bool has_row(const struct gateway_pass *p, const char *cluster)
{
    for (size_t i = 0; i < p->report.n_rows; i++)
        if (str_eq(p->report.rows[i].name, cluster))
            return true;
    return false;
}

/* What clusters hold that the spec does not name any more. */
static void empty_others(struct gateway_pass *p)
{
    for (struct cluster *c = manager_of(p)->clusters; c; c = c->hh.next)
        if (str_eq(c->ns, p->gateway->ns) && !has_row(p, c->name) &&
            cluster_holds(c, p->gateway->uid))
            empty(p, c);
}

void gateway_outside(struct gateway_pass *p)
{
    const struct api_gateway_spec *s = &p->cr->spec;
    struct outside o = {
        .p = p,
        .owner = {p->gateway->name, p->gateway->uid, PLAN_LABEL_GATEWAY},
        .n_services = 0,
    };
    o.n_services = plain_services(p->arena, p->cr, &o.services);
    add_rows(p);
    look_at_sites(&o);
    for (size_t i = 0; i < p->report.n_rows; i++) {
        struct gateway_row *row = &p->report.rows[i];
        struct place x = {.o = &o,
                          .row = row,
                          .exposes = in(s->clusters, s->n_clusters, row->name),
                          .publishes = in(s->publish_to, s->n_publish_to, row->name)};
        if (!usable(&x))
            continue;
        if (s->suspend) {
            gateway_row_judge(row, verdict_yes("Suspended", "what is there stays as it is"));
            judge_addresses(&x);
        } else {
            work_on(&x);
        }
    }
    if (!s->suspend)
        empty_others(p);
    gateway_routed_sweep(p->gateway);
}

void gateway_outside_remove(struct gateway_pass *p)
{
    for (struct cluster *c = manager_of(p)->clusters; c; c = c->hh.next) {
        const struct api_gateway_spec *s = &p->cr->spec;
        bool named =
            in(s->clusters, s->n_clusters, c->name) || in(s->publish_to, s->n_publish_to, c->name);
        if (str_eq(c->ns, p->gateway->ns) &&
            (cluster_holds(c, p->gateway->uid) || (named && !cluster_known(c))))
            empty(p, c);
    }
}

bool gateway_outside_holds(const struct gateway *g)
{
    for (struct cluster *c = g->manager->clusters; c; c = c->hh.next)
        if (str_eq(c->ns, g->ns) && cluster_holds(c, g->uid))
            return true;
    return false;
}
