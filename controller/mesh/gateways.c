/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways of the members: the east-west gateway where the graph needs one, as the EastWest Gateway resource of the
 * cluster says, if there is one (alone it makes none: writing it only changes what is made anyway), and the Ingress and
 * Egress Gateways of the mesh in the clusters that they name. */
#include "mesh/gateways.h"

#include <stdlib.h>
#include <string.h>

#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "gateway/claim.h"
#include "gateway/pass.h"
#include "gateway/tls.h"
#include "mesh/facts.h"
#include "json/jx.h"

static const struct hub *hub_of(const struct mesh_pass *p)
{
    return &p->mesh->manager->hub;
}

bool mesh_gateway_needed(const struct topo_gateway_need *need)
{
    return need->whole_mesh || need->exports || need->istiod;
}

/* --- where an east-west gateway is reached --- */

static const char *const *texts(struct arena *a, const json_t *list, size_t *n)
{
    const char **all = arena_array(a, json_array_size(list) + 1, sizeof *all);
    size_t i;
    json_t *v;
    *n = 0;
    json_array_foreach (list, i, v) {
        if (json_is_string(v))
            all[(*n)++] = arena_strdup(a, json_string_value(v));
    }
    return all;
}

static const struct kube_record *service_of(const struct manager *m, const char *ns,
                                            const char *cluster, const char *name)
{
    struct cluster *c = manager_cluster(m, ns, cluster);
    const struct records *all = c ? cluster_records(c, plan_gvr("v1", "Service")) : NULL;
    const struct kube_record *r = all ? records_find(all, ISTIO_NAMESPACE, name) : NULL;
    return r && kube_record_managed(r) ? r : NULL;
}

/* What the spec says of the port; of a node port that is the cluster's to choose the Service tells. */
static int port_of(const json_t *gw, const struct kube_record *service)
{
    int said = (int)jx_int(gw, "spec.port", 0);
    if (said > 0 || !str_eq(jx_str(gw, "spec.exposure"), "NodePort"))
        return said > 0 ? said : ISTIO_MTLS_PORT;
    return service ? kube_record_node_port(service, ISTIO_MTLS_PORT) : 0;
}

struct mesh_eastwest mesh_eastwest_of(struct manager *m, struct arena *a, const char *ns,
                                      const char *mesh_name, const char *cluster)
{
    const struct hub_object *o = gateway_eastwest_of(&m->hub, ns, mesh_name, cluster);
    const struct kube_record *service = service_of(m, ns, cluster, ISTIO_EASTWEST_NAME);
    struct mesh_eastwest e = {.port = port_of(o ? o->obj : NULL, service)};
    const json_t *said = o ? jx_get(o->obj, "spec.addresses") : NULL;
    if (json_array_size(said) > 0)
        e.addresses = texts(a, said, &e.n_addresses);
    else if (service && !str_eq(jx_str(o ? o->obj : NULL, "spec.exposure"), "NodePort"))
        e.addresses = gateway_words(a, kube_record_reached_at(a, service), &e.n_addresses);
    if (e.port == 0)
        e.n_addresses = 0;
    return e;
}

bool mesh_deployment_available(struct cluster *c, const char *name)
{
    const struct records *all = cluster_records(c, plan_gvr("apps/v1", "Deployment"));
    struct kube_view v;
    return all && records_view(all, ISTIO_NAMESPACE, name, &v) && v.available;
}

static bool is_suspended(const struct hub_object *gateway)
{
    return gateway && jx_bool(gateway->obj, "spec.suspend", false);
}

static bool is_away(const struct cluster *c)
{
    return !c || c->state == CLUSTER_UNREACHABLE || c->state == CLUSTER_STRANGER;
}

bool mesh_gateway_serves(const struct manager *m, const char *ns, const char *mesh_name,
                         const char *cluster)
{
    struct cluster *c = manager_cluster(m, ns, cluster);
    return is_away(c) || is_suspended(gateway_eastwest_of(&m->hub, ns, mesh_name, cluster)) ||
           mesh_deployment_available(c, ISTIO_EASTWEST_NAME);
}

bool mesh_gateway_open(const struct mesh_pass *p, const char *of)
{
    const char *dot = strrchr(of, '.'), *cluster = dot ? dot + 1 : of;
    auto_free char *mesh = dot ? xstrndup(of, (size_t)(dot - of)) : xstrdup(p->mesh->name);
    const struct mesh_member *mm = dot ? NULL : mesh_member_find(p, cluster);
    return mesh_gateway_serves(p->mesh->manager, p->mesh->ns, mesh, cluster) &&
           (!mm || mm->blocked_reason || is_away(mm->cluster) || mesh_networks_exposed(p, mm));
}

/* --- from a resource to what is rendered --- */

static void hold_json(struct arena *a, json_t *v)
{
    arena_hold(a, v, (void (*)(void *))json_decref);
}

static const json_t *resources_json(struct arena *a, const struct api_gateway_resources *r)
{
    if (!r)
        return NULL;
    json_t *all = json_object();
    hold_json(a, all);
    if (r->requests)
        json_object_set(all, "requests", (json_t *)(uintptr_t)r->requests);
    if (r->limits)
        json_object_set(all, "limits", (json_t *)(uintptr_t)r->limits);
    return all;
}

/* A Service that nobody gives an address takes what comes to those that the spec says. */
static const json_t *external_ips(struct arena *a, const struct api_gateway_spec *s)
{
    json_t *list = json_array();
    hold_json(a, list);
    for (size_t i = 0; i < s->n_addresses; i++)
        if (cidr_address_family(s->addresses[i]))
            json_array_append_new(list, json_string(s->addresses[i]));
    return json_array_size(list) > 0 ? list : NULL;
}

static const char *service_type(const struct api_gateway_spec *s)
{
    if (s->exposure == API_GATEWAY_EXPOSURE_NODE_PORT)
        return "NodePort";
    bool inside = s->exposure == API_GATEWAY_EXPOSURE_CLUSTER_IP ||
                  (s->exposure == API_GATEWAY_EXPOSURE_UNSET && s->type == API_GATEWAY_TYPE_EGRESS);
    return inside ? "ClusterIP" : "LoadBalancer";
}

static void take_service(struct arena *a, const struct api_gateway_spec *s, struct istio_gateway *g)
{
    g->service_type = service_type(s);
    if (str_eq(g->service_type, "LoadBalancer"))
        g->load_balancer_class = s->class;
    if (str_eq(g->service_type, "ClusterIP"))
        g->external_ips = external_ips(a, s);
    g->annotations = s->service_annotations;
}

static void take_size(struct arena *a, const struct api_gateway_spec *s, struct istio_gateway *g)
{
    g->resources = resources_json(a, s->resources);
    g->min_replicas = s->min_replicas ? (int)s->min_replicas : 1;
    g->max_replicas = s->max_replicas ? (int)s->max_replicas : g->min_replicas;
}

static void take_listeners(struct arena *a, const struct api_gateway_spec *s,
                           struct istio_gateway *g)
{
    struct istio_listener *l = arena_array(a, s->n_listeners + 2, sizeof *l);
    for (size_t i = 0; i < s->n_listeners; i++)
        l[g->n_listeners++] = (struct istio_listener){
            (int)s->listeners[i].port,
            api_gateway_listeners_protocol_name(s->listeners[i].protocol),
        };
    if (s->n_listeners == 0) {
        l[g->n_listeners++] = (struct istio_listener){80, "HTTP"};
        if (s->tls_secret_ref)
            l[g->n_listeners++] = (struct istio_listener){443, "HTTPS"};
    }
    g->listeners = l;
}

static void take_routes(struct arena *a, const struct api_gateway_spec *s, struct istio_gateway *g)
{
    struct istio_route *r = arena_array(a, s->n_routes + 1, sizeof *r);
    for (; g->n_routes < s->n_routes; g->n_routes++) {
        const struct api_gateway_routes *from = &s->routes[g->n_routes];
        r[g->n_routes] = (struct istio_route){.host = from->host,
                                              .path = str_or(from->path, "/"),
                                              .ns = from->namespace,
                                              .service = from->service,
                                              .port = (int)from->port};
    }
    g->routes = r;
}

void mesh_gateway_take(struct arena *a, const struct api_gateway *cr, struct istio_gateway *g)
{
    const struct api_gateway_spec *s = &cr->spec;
    *g = (struct istio_gateway){.name = cr->meta.name};
    take_service(a, s, g);
    take_size(a, s, g);
    if (s->type == API_GATEWAY_TYPE_EAST_WEST) {
        g->type = ISTIO_EASTWEST;
        g->name = ISTIO_EASTWEST_NAME;
        g->port = (int)s->port;
        return;
    }
    g->type = s->type == API_GATEWAY_TYPE_EGRESS ? ISTIO_EGRESS : ISTIO_INGRESS;
    take_listeners(a, s, g);
    take_routes(a, s, g);
    if (s->tls_secret_ref)
        g->tls_secret = gateway_tls_name(a, cr->meta.name);
}

/* --- the gateways of a member --- */

static void open_hosts(struct mesh_pass *p, const struct mesh_member *mm, struct istio_gateway *g)
{
    static const char *const everything[] = {"*.local"};
    g->istiod = mm->need.istiod;
    g->networks = topo_machines_behind(p->arena, p->graph, p->n_members, (size_t)(mm - p->members));
    if (mm->need.whole_mesh) {
        g->hosts = everything;
        g->n_hosts = 1;
    } else if (mm->need.exports) {
        g->n_hosts = mesh_exported_hosts(p, mm, &g->hosts);
    }
}

static bool add_eastwest(struct mesh_pass *p, const struct mesh_member *mm, struct istio_gateway *g)
{
    const struct hub_object *o =
        gateway_eastwest_of(hub_of(p), p->mesh->ns, p->mesh->name, mm->name);
    struct api_gateway *cr = NULL;
    if (!mesh_gateway_needed(&mm->need) || (o && gateway_held(o)))
        return false;
    if (o && api_gateway_decode(o->obj, p->arena, &cr, NULL) < 0)
        return false; /* what is there stays: see mesh_gateways_hold */
    if (cr)
        mesh_gateway_take(p->arena, cr, g);
    else
        *g = (struct istio_gateway){.type = ISTIO_EASTWEST,
                                    .name = ISTIO_EASTWEST_NAME,
                                    .service_type = "LoadBalancer",
                                    .min_replicas = 1,
                                    .max_replicas = 1};
    open_hosts(p, mm, g);
    return true;
}

static bool mine(const struct mesh_pass *p, const struct mesh_member *mm,
                 const struct hub_object *o)
{
    return !gateway_is_eastwest(o) && gateway_of_mesh(o, p->mesh->ns, p->mesh->name) &&
           gateway_for_cluster(o, mm->name) &&
           !gateway_name_taken(str_or(jx_str(o->obj, "metadata.name"), ""));
}

static bool add_gateway(struct mesh_pass *p, const struct hub_object *o, struct istio_gateway *g)
{
    struct api_gateway *cr;
    if (gateway_held(o) || api_gateway_decode(o->obj, p->arena, &cr, NULL) < 0)
        return false;
    mesh_gateway_take(p->arena, cr, g);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct istio_gateway *)a)->name,
                   ((const struct istio_gateway *)b)->name);
}

void mesh_gateways_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    struct hub_object *all = hub_of(p)->kinds[API_KIND_GATEWAY].all;
    struct istio_gateway *g = arena_array(p->arena, HASH_COUNT(all) + 1, sizeof *g);
    size_t n = add_eastwest(p, mm, g);
    for (const struct hub_object *o = all; o; o = o->hh.next)
        n += mine(p, mm, o) && add_gateway(p, o, &g[n]);
    qsort(g, n, sizeof *g, by_name);
    t->gateways = g;
    t->n_gateways = n;
}

/* --- server certificates --- */

int mesh_gateways_plan(struct mesh_pass *p, const struct istio_target *t, struct plan *plan,
                       struct err *err)
{
    for (size_t i = 0; i < t->n_gateways; i++) {
        const struct istio_gateway *g = &t->gateways[i];
        if (g->tls_secret && gateway_tls_plan(p->mesh->manager, p->mesh->ns, g->name,
                                              ISTIO_NAMESPACE, &t->owner, plan, err) < 0)
            return -1;
    }
    return 0;
}

/* --- what is left as it is --- */

static bool unreadable(const struct mesh_pass *p, const struct hub_object *o)
{
    struct api_gateway *cr;
    return api_gateway_decode(o->obj, p->arena, &cr, NULL) < 0;
}

/* What east-west gateways let through is not called after them (istio/exposure.c). */
static bool made_for(const struct hub_object *o, const struct kube_view *v)
{
    static const char *const eastwest[] = {ISTIO_EASTWEST_NAME, "cross-network-gateway",
                                           "istiod-gateway", "istiod-vs"};
    if (!gateway_is_eastwest(o))
        return gateway_made(str_or(jx_str(o->obj, "metadata.name"), "?"), v->meta.name);
    for (size_t i = 0; i < sizeof eastwest / sizeof *eastwest; i++)
        if (gateway_made(eastwest[i], v->meta.name))
            return true;
    return false;
}

bool mesh_gateways_hold(const struct mesh_pass *p, const char *cluster, const struct kube_view *v)
{
    enum plan_wave w = plan_wave_of(v->meta.wave);
    if (!str_eq(v->meta.ns, ISTIO_NAMESPACE) ||
        (w != PLAN_RBAC && w != PLAN_GATEWAYS && w != PLAN_EXPOSURE))
        return false;
    for (const struct hub_object *o = hub_of(p)->kinds[API_KIND_GATEWAY].all; o; o = o->hh.next) {
        if (!gateway_of_mesh(o, p->mesh->ns, p->mesh->name) || !made_for(o, v) ||
            (w != PLAN_EXPOSURE && !gateway_for_cluster(o, cluster)))
            continue; /* what a Remote's gateways let through is in its Primary */
        if (gateway_held(o) || unreadable(p, o) ||
            (jx_get(o->obj, "spec.tlsSecretRef") &&
             gateway_tls_is(str_or(jx_str(o->obj, "metadata.name"), "?"), v->meta.name)))
            return true;
    }
    return false;
}

/* --- what all this follows from; the needs and addresses are networks.c's to note --- */

static void note_member(struct mesh_pass *p, const struct mesh_member *mm, struct buf *b)
{
    const char *const *hosts;
    size_t n = mm->need.exports ? mesh_exported_hosts(p, mm, &hosts) : 0;
    say_number(b, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        say(b, hosts[i]);
}

void mesh_gateways_note(struct mesh_pass *p, struct buf *b)
{
    p->mesh->planned_rev = hub_of(p)->spec_rev;
    for (const struct hub_object *o = hub_of(p)->kinds[API_KIND_GATEWAY].all; o; o = o->hh.next) {
        if (!gateway_of_mesh(o, p->mesh->ns, p->mesh->name))
            continue;
        say(b, jx_str(o->obj, "metadata.uid"));
        say_number(b, jx_int(o->obj, "metadata.generation", 0));
        say(b, gateway_tls_sha256(p->mesh->manager, o->key));
    }
    for (size_t i = 0; i < p->n_members; i++)
        note_member(p, &p->members[i], b);
}
