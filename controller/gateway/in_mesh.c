/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways with a meshRef: what the Mesh made of them, cluster by cluster. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "gateway/claim.h"
#include "gateway/pass.h"
#include "mesh/gateways.h"
#include "runtime/applier.h"
#include "runtime/outcome.h"

enum { AGAIN_MS = 100, PATIENCE_MS = 5000 };

static struct manager *manager_of(const struct gateway_pass *p)
{
    return p->gateway->manager;
}

static const char *mesh_name(const struct gateway_pass *p)
{
    return p->cr->spec.mesh_ref->name;
}

static bool eastwest(const struct gateway_pass *p)
{
    return p->cr->spec.type == API_GATEWAY_TYPE_EAST_WEST;
}

/* Of its Deployment and Service in the clusters. */
static const char *object_name(const struct gateway_pass *p)
{
    return eastwest(p) ? ISTIO_EASTWEST_NAME : p->cr->meta.name;
}

/* --- which clusters --- */

static bool is_member(const struct gateway_pass *p, const json_t *mesh, const char *name)
{
    auto_free char *key = xasprintf("%s/%s", p->gateway->ns, name);
    return hub_mesh_lists(mesh, name, hub_find(&manager_of(p)->hub, API_KIND_MEMBER_CLUSTER, key));
}

static void add_all(struct gateway_pass *p, const json_t *mesh)
{
    size_t i;
    json_t *c;
    json_array_foreach (jx_get(mesh, "spec.clusters"), i, c) {
        if (jx_str(c, "name"))
            gateway_report_row(&p->report, jx_str(c, "name"));
    }
    const struct hub_object *all = manager_of(p)->hub.kinds[API_KIND_MEMBER_CLUSTER].all;
    for (const struct hub_object *o = all; o; o = o->hh.next)
        if (str_eq(jx_str(o->obj, "metadata.namespace"), p->gateway->ns) &&
            is_member(p, mesh, jx_str(o->obj, "metadata.name")))
            gateway_report_row(&p->report, jx_str(o->obj, "metadata.name"));
}

static void add_rows(struct gateway_pass *p, const json_t *mesh)
{
    const struct api_gateway_spec *s = &p->cr->spec;
    for (size_t i = 0; i < s->n_clusters; i++) {
        struct gateway_row *row = gateway_report_row(&p->report, s->clusters[i]);
        if (!row || is_member(p, mesh, row->name))
            continue;
        row->v = verdict_stalled(
            "ClusterNotInMesh",
            arena_printf(p->arena,
                         "cluster %s is not in Mesh %s; next: add it to spec.clusters of the Mesh, "
                         "or take it out of this Gateway",
                         row->name, mesh_name(p)));
        p->report.accepted = verdict_worse(p->report.accepted, row->v);
    }
    if (s->n_clusters == 0)
        add_all(p, mesh);
}

/* --- one cluster --- */

const char *gateway_object_name(struct arena *a, const struct gvr *g, const char *ns,
                                const char *name)
{
    return arena_printf(a, "%s %s%s%s", g->kind, str_or(ns, ""), ns ? "/" : "", name);
}

static const struct op *op_of(const struct cluster *c, const struct plan_object *o)
{
    for (const struct op *op = c->ops; op; op = op->hh.next)
        if (op->gvr == o->gvr && str_eq(op->ns, o->ns) && str_eq(op->name, o->name))
            return op;
    return NULL;
}

static struct verdict pending(const struct gateway_pass *p, const struct cluster *c,
                              const struct plan_object *o, const struct kube_view *live)
{
    const struct op *op = op_of(c, o);
    const char *name = gateway_object_name(p->arena, o->gvr, o->ns, o->name);
    if (live && !live->meta.managed)
        return verdict_no("NotOurs",
                          arena_printf(p->arena,
                                       "cluster %s: %s belongs to another owner; next: remove it, "
                                       "or give this Gateway another name",
                                       c->name, name));
    if (op && op->failures > 2)
        return verdict_no("ApplyFailed",
                          arena_printf(p->arena, "cluster %s: %s: %s%s", c->name, name, op->err.msg,
                                       outcome_next(op->err.class)));
    return verdict_no("Applying", arena_printf(p->arena, "cluster %s: applying %s", c->name, name));
}

/* What the plan has for this gateway is there. */
static struct verdict applied(const struct gateway_pass *p, struct cluster *c,
                              const struct kept_plan *plan)
{
    bool any = false;
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_object *o = plan->objects[i];
        struct kube_view v;
        if (!str_eq(o->ns, ISTIO_NAMESPACE) || !gateway_made(object_name(p), o->name))
            continue;
        const struct records *all = cluster_records(c, o->gvr);
        bool there = all && records_view(all, o->ns, o->name, &v);
        any = true;
        if (!there || !str_eq(v.meta.intent, o->intent))
            return pending(p, c, o, there ? &v : NULL);
        if (str_eq(o->gvr->kind, "Deployment") && !v.available)
            return verdict_no(
                "DeploymentNotAvailable",
                arena_printf(p->arena,
                             "cluster %s: waiting for Deployment %s/%s; next: kubectl describe "
                             "pods -n %s -l app=%s in that cluster",
                             c->name, o->ns, o->name, o->ns, o->name));
    }
    if (any)
        return verdict_yes("Programmed", "the gateway is available");
    return eastwest(p) ? verdict_yes("NotNeeded", "the mesh needs no east-west gateway here: it "
                                                  "is on one network, has no Remotes, and exports "
                                                  "nothing to another network")
                       : verdict_no("Waiting",
                                    arena_printf(p->arena, "cluster %s: not begun yet", c->name));
}

/* --- addresses --- */

const char *const *gateway_words(struct arena *a, const char *words, size_t *n)
{
    const char **list = arena_array(a, strlen(words) / 2 + 1, sizeof *list);
    for (*n = 0; *words;) {
        size_t len = strcspn(words, " ");
        if (len > 0)
            list[(*n)++] = arena_printf(a, "%.*s", (int)len, words);
        words += len + (words[len] == ' ');
    }
    return list;
}

static void find_addresses(const struct gateway_pass *p, struct cluster *c, struct gateway_row *row)
{
    const struct records *all = cluster_records(c, plan_gvr("v1", "Service"));
    const struct kube_record *r = all ? records_find(all, ISTIO_NAMESPACE, object_name(p)) : NULL;
    row->addresses = p->cr->spec.addresses;
    row->n_addresses = p->cr->spec.n_addresses;
    /* A load balancer that a former spec had may still be in the status. */
    if (row->n_addresses == 0 && r && kube_record_managed(r) &&
        p->cr->spec.exposure != API_GATEWAY_EXPOSURE_NODE_PORT)
        row->addresses =
            gateway_words(p->arena, kube_record_reached_at(p->arena, r), &row->n_addresses);
}

/* An east-west gateway that nobody can reach is none; others may be for the inside of their cluster. */
static struct verdict addressed(const struct gateway_pass *p, const struct gateway_row *row)
{
    enum api_gateway_exposure e = p->cr->spec.exposure;
    bool balanced =
        e == API_GATEWAY_EXPOSURE_LOAD_BALANCER ||
        (e == API_GATEWAY_EXPOSURE_UNSET && p->cr->spec.type != API_GATEWAY_TYPE_EGRESS);
    if (row->n_addresses > 0 || (!balanced && !eastwest(p)))
        return verdict_yes("Programmed", "the gateway is available");
    if (balanced)
        return verdict_no(
            "AddressPending",
            arena_printf(p->arena,
                         "cluster %s: Service %s/%s has no address yet; next: when none comes, see "
                         "whether the cluster has a load balancer controller, or set spec.exposure "
                         "NodePort and spec.addresses",
                         row->name, ISTIO_NAMESPACE, object_name(p)));
    return verdict_stalled(
        "AddressesMissing",
        arena_printf(p->arena,
                     "cluster %s: a Service of type %s does not say where it is reached from other "
                     "networks; next: set spec.addresses",
                     row->name, api_gateway_exposure_name(e)));
}

/* What the Mesh wants there, made from the specs as they are now; NULL: nothing is known of that. */
static const struct mesh_kept *kept_of(const struct mesh *mesh, const char *cluster)
{
    struct mesh_kept *k = NULL;
    if (mesh && mesh->planned_rev == mesh->manager->hub.spec_rev)
        HASH_FIND_STR(mesh->kept, cluster, k);
    return k && k->planned && k->inputs_rev == mesh->inputs.rev ? k : NULL;
}

static void judge(struct gateway_pass *p, const struct mesh *mesh, struct gateway_row *row)
{
    struct cluster *c = manager_cluster(manager_of(p), p->gateway->ns, row->name);
    const struct mesh_kept *k = kept_of(mesh, row->name);
    if (!c || !cluster_ready(c)) {
        row->v = verdict_no("ClusterUnreachable",
                            arena_printf(p->arena,
                                         "cluster %s: not connected; next: kubectl describe "
                                         "membercluster %s -n %s",
                                         row->name, row->name, p->gateway->ns));
        row->v.early = !c || !cluster_settled(c);
        return;
    }
    find_addresses(p, c, row);
    if (gateway_held(p->object)) {
        row->v = verdict_yes("Suspended", "what is there stays as it is");
        return;
    }
    if (!k) {
        row->v = verdict_no("WaitingForMesh",
                            arena_printf(p->arena,
                                         "Mesh %s does not work on cluster %s now; next: kubectl "
                                         "describe mesh %s -n %s",
                                         mesh_name(p), row->name, mesh_name(p), p->gateway->ns));
        row->v.early = true;
        return;
    }
    row->v = applied(p, c, &k->plan);
    if (row->v.status == COND_TRUE && !str_eq(row->v.reason, "NotNeeded"))
        row->v = addressed(p, row);
}

/* Of several EastWest Gateways of a cluster the oldest is heard. */
static bool outvoted(struct gateway_pass *p, struct gateway_row *row)
{
    if (!eastwest(p))
        return false;
    const struct hub_object *o =
        gateway_eastwest_of(&manager_of(p)->hub, p->gateway->ns, mesh_name(p), row->name);
    if (!o || o == p->object)
        return false;
    row->v = verdict_stalled(
        "Conflict", arena_printf(p->arena,
                                 "cluster %s: Gateway %s, which is older, says how its east-west "
                                 "gateway is made; next: take the cluster out of one of the two",
                                 row->name, jx_str(o->obj, "metadata.name")));
    p->report.accepted = verdict_worse(p->report.accepted, row->v);
    return true;
}

/* --- references --- */

int gateway_service_has(struct arena *a, struct cluster *c, const char *ns, const char *name,
                        int64_t port)
{
    const struct records *all = cluster_records(c, plan_gvr("v1", "Service"));
    const struct kube_record *r = all ? records_find(all, ns, name) : NULL;
    struct kube_view v;
    if (!r)
        return -1;
    kube_record_view(r, &v);
    if (v.meta.managed && v.meta.owner_uid && !v.has_selector)
        return -1;
    const char *text = kube_record_ports(a, r);
    auto_json *ports = jx_load(text, strlen(text), NULL);
    size_t i;
    json_t *one;
    json_array_foreach (ports, i, one) {
        if (jx_int(one, "port", 0) == port)
            return 1;
    }
    return 0;
}

/* A Service may be in any cluster of the mesh. */
static void check_route(struct gateway_pass *p, const json_t *mesh,
                        const struct api_gateway_routes *r)
{
    int best = -1;
    if (p->cr->spec.type == API_GATEWAY_TYPE_EGRESS)
        return; /* it leads outside, to what nobody here can look at */
    for (struct cluster *c = manager_of(p)->clusters; c; c = c->hh.next) {
        if (!str_eq(c->ns, p->gateway->ns) || !is_member(p, mesh, c->name))
            continue;
        int found = cluster_known(c)
                        ? gateway_service_has(p->arena, c, r->namespace, r->service, r->port)
                        : 1; /* it may be there */
        best = found > best ? found : best;
    }
    if (best < 0)
        p->report.resolved = verdict_worse(
            p->report.resolved,
            verdict_no("ServiceNotFound",
                       arena_printf(p->arena,
                                    "no cluster of Mesh %s has Service %s/%s; next: create it, or "
                                    "take the route out",
                                    mesh_name(p), r->namespace, r->service)));
    else if (best == 0)
        p->report.resolved = verdict_worse(
            p->report.resolved,
            verdict_no("ServiceNotFound",
                       arena_printf(p->arena,
                                    "Service %s/%s has no port %lld; next: correct the route",
                                    r->namespace, r->service, (long long)r->port)));
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct gateway_row *)a)->name, ((const struct gateway_row *)b)->name);
}

static bool acceptable(struct gateway_pass *p, const struct hub_object *mesh)
{
    const char *taken = eastwest(p) ? NULL : gateway_name_taken(p->cr->meta.name);
    if (!mesh)
        p->report.accepted = verdict_stalled(
            "MeshNotFound",
            arena_printf(p->arena,
                         "there is no Mesh %s in namespace %s; next: create it, or correct "
                         "spec.meshRef",
                         mesh_name(p), p->gateway->ns));
    else if (hub_is_going(mesh->obj))
        p->report.accepted = verdict_no(
            "MeshDeleting", arena_printf(p->arena, "Mesh %s is being deleted", mesh_name(p)));
    else if (taken)
        p->report.accepted = verdict_stalled(
            "NameReserved",
            arena_printf(p->arena, "%s; next: give this Gateway another name", taken));
    return p->report.accepted.status == COND_TRUE;
}

/* The Mesh hears of an edit at the same time: what it makes of it is a moment away. Not for long: it may be unable
 * to. */
static bool looked(struct gateway_pass *p, const struct mesh *mesh)
{
    struct gateway *g = p->gateway;
    int64_t now = clock_ms(g->manager->clock);
    if (mesh && mesh->looked_rev == g->manager->hub.spec_rev) {
        g->waiting_ms = 0;
        return true;
    }
    if (!g->waiting_ms)
        g->waiting_ms = now;
    bool over = now - g->waiting_ms >= PATIENCE_MS;
    gateway_again(p, over ? PATIENCE_MS : AGAIN_MS);
    return over;
}

bool gateway_in_mesh(struct gateway_pass *p)
{
    struct manager *m = manager_of(p);
    auto_free char *key = xasprintf("%s/%s", p->gateway->ns, mesh_name(p));
    const struct hub_object *o = hub_find(&m->hub, API_KIND_MESH, key);
    struct mesh *mesh;
    HASH_FIND_STR(m->meshes, key, mesh);
    if (!acceptable(p, o))
        return true;
    if (!looked(p, mesh))
        return false;
    add_rows(p, o->obj);
    qsort(p->report.rows, p->report.n_rows, sizeof *p->report.rows, by_name);
    for (size_t i = 0; i < p->report.n_rows; i++) {
        struct gateway_row *row = &p->report.rows[i];
        auto_free char *cluster = xasprintf("%s/%s", p->gateway->ns, row->name);
        manager_await_kind(m, cluster, API_KIND_GATEWAY, p->gateway->key);
        if (!row->v.reason && !outvoted(p, row))
            judge(p, mesh, row);
    }
    for (size_t i = 0; i < p->cr->spec.n_routes; i++)
        check_route(p, o->obj, &p->cr->spec.routes[i]);
    return true;
}

/* --- Retain --- */

static bool is_made(const struct gateway_pass *p, const char *mesh_uid, const struct kube_view *v)
{
    enum plan_wave w = plan_wave_of(v->meta.wave);
    return v->meta.managed && str_eq(v->meta.owner_uid, mesh_uid) &&
           str_eq(v->meta.ns, ISTIO_NAMESPACE) && gateway_made(object_name(p), v->meta.name) &&
           (w == PLAN_RBAC || w == PLAN_GATEWAYS || w == PLAN_EXPOSURE);
}

static size_t release_in(struct gateway_pass *p, struct cluster *c, const char *mesh_uid)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct gvr *g = c->watches[i].gvr;
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            struct kube_view v;
            kube_record_view(r, &v);
            if (!is_made(p, mesh_uid, &v))
                continue;
            n++;
            if (applier_state(c, g, v.meta.ns, v.meta.name, NULL) == OP_IDLE && applier_has_room(c))
                applier_release(c, g, v.meta.ns, v.meta.name);
        }
    }
    return n;
}

size_t gateway_release(struct gateway_pass *p)
{
    struct manager *m = manager_of(p);
    auto_free char *key = xasprintf("%s/%s", p->gateway->ns, mesh_name(p));
    const struct hub_object *o = hub_find(&m->hub, API_KIND_MESH, key);
    const char *uid = o ? jx_str(o->obj, "metadata.uid") : NULL;
    size_t n = 0;
    if (!uid || eastwest(p))
        return 0;
    for (struct cluster *c = m->clusters; c; c = c->hh.next) {
        if (!str_eq(c->ns, p->gateway->ns) || !cluster_holds(c, uid) ||
            !gateway_for_cluster(p->object, c->name))
            continue;
        manager_await_kind(m, c->key, API_KIND_GATEWAY, p->gateway->key);
        if (cluster_ready(c))
            n += release_in(p, c, uid);
        else
            p->out_of_reach = true;
    }
    return n;
}
