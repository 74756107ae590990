/* SPDX-License-Identifier: Apache-2.0 */
/* What forbids to write: from specs, records and what was read of each cluster to the checks of topology/check.c. What
 * is installed already is kept in order also where a check fails; nothing new is begun. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "membercluster/facts.h"
#include "mesh/mesh.h"
#include "json/jx.h"

/* --- sites --- */

/* A label of istio-system that is not ours to change. */
static const char *foreign_network(struct mesh_pass *p, struct cluster *c)
{
    const struct records *all = cluster_records(c, plan_gvr("v1", "Namespace"));
    struct kube_view v;
    if (!all || !records_view(all, NULL, ISTIO_NAMESPACE, &v) || v.meta.managed)
        return NULL;
    auto_json *labels = jx_load(v.labels, strlen(v.labels), NULL);
    const char *network = json_string_value(json_object_get(labels, "topology.istio.io/network"));
    return network ? arena_strdup(p->arena, network) : NULL;
}

/* A Service without a Deployment: the cluster is a remote of somebody else's control plane. */
static bool foreign_service(struct cluster *c, const char *name)
{
    const struct records *all = cluster_records(c, plan_gvr("v1", "Service"));
    struct kube_view v;
    return all && records_view(all, ISTIO_NAMESPACE, name, &v) && !v.meta.managed;
}

/* One that can't be taken over is the graver one. */
static void find_istiod(struct mesh_pass *p, struct cluster *c, const struct member_facts *f,
                        struct topo_site *s)
{
    const char *name = mesh_istiod_name(p);
    const char *place = arena_printf(p->arena, "%s/%s", ISTIO_NAMESPACE, name);
    bool here = foreign_service(c, name);
    const char *kind = "Service", *found = place;
    for (char *const *d = f ? f->foreign_istiods : (char *[]){NULL}; *d; d++) {
        here |= str_eq(*d, place);
        kind = "Deployment";
        found = str_eq(found, place) ? *d : found;
    }
    if (!here && str_eq(kind, "Service"))
        return;
    s->foreign_istiod = arena_printf(p->arena, "%s %s", kind, found);
    s->in_place = str_eq(found, place);
}

/* What is the same for members of any mesh. */
static struct topo_site site_of(struct mesh_pass *p, const struct api_member_cluster *cr,
                                const char *key)
{
    const struct cluster *c = manager_cluster(p->mesh->manager, p->mesh->ns, cr->meta.name);
    const struct member_facts *f = member_facts_of(p->mesh->manager, key);
    const struct api_member_cluster_spec *s = &cr->spec;
    return (struct topo_site){
        .cluster = cr->meta.name,
        .uid = c && c->uid  ? c->uid
               : cr->status ? jx_str(cr->status, "clusterID")
                            : NULL,
        .network = s->network ? s->network : cr->meta.name,
        .pod_ranges =
            member_ranges(p->arena, s->pod_cid_rs, s->n_pod_cid_rs, f ? f->pod_ranges : NULL),
        .service_ranges = member_ranges(p->arena, s->service_cid_rs, s->n_service_cid_rs,
                                        f ? f->service_ranges : NULL),
    };
}

static const char *key_of(struct mesh_pass *p, const char *name)
{
    return arena_printf(p->arena, "%s/%s", p->mesh->ns, name);
}

static struct topo_site own_site(struct mesh_pass *p, const struct mesh_member *mm)
{
    const char *key = key_of(p, mm->name);
    struct topo_site s = site_of(p, mm->cr, key);
    s.adopt = mm->spec && mm->spec->adopt;
    if (!mm->cluster)
        return s;
    s.skew_s = mm->cluster->skew_s;
    s.minor = mm->cluster->minor;
    s.live_network = foreign_network(p, mm->cluster);
    find_istiod(p, mm->cluster, member_facts_of(p->mesh->manager, key), &s);
    return s;
}

/* --- other meshes of the namespace --- */

struct graph {
    struct topo_site *sites;
    size_t n, room, n_own;
    struct topo_mesh *others;
    size_t n_others, room_others;
};

/* Only what is on a network of ours, or is a cluster of ours, can collide. */
static bool meets(const struct graph *g, const char *network, const char *uid)
{
    for (size_t i = 0; i < g->n_own; i++)
        if (str_eq(g->sites[i].network, network) || (uid && str_eq(g->sites[i].uid, uid)))
            return true;
    return false;
}

static void add_site(struct mesh_pass *p, struct graph *g, const json_t *mesh,
                     const struct hub_object *o)
{
    struct api_member_cluster *cr;
    struct err err;
    const struct cluster *c = NULL;
    if (!o || g->n == g->room || hub_is_going(o->obj))
        return;
    const char *name = jx_str(o->obj, "metadata.name");
    c = manager_cluster(p->mesh->manager, p->mesh->ns, name);
    const char *uid = c && c->uid ? c->uid : jx_str(o->obj, "status.clusterID");
    if (!meets(g, str_or(jx_str(o->obj, "spec.network"), name), uid) ||
        api_member_cluster_decode(o->obj, p->arena, &cr, &err) < 0)
        return;
    g->sites[g->n] = site_of(p, cr, o->key);
    g->sites[g->n++].mesh = jx_str(mesh, "metadata.name");
}

static void add_sites(struct mesh_pass *p, struct graph *g, const json_t *mesh)
{
    const struct hub *hub = &p->mesh->manager->hub;
    const json_t *selector = jx_get(mesh, "spec.clusterSelector");
    size_t i;
    json_t *c;
    json_array_foreach (jx_get(mesh, "spec.clusters"), i, c) {
        auto_free char *key = xasprintf("%s/%s", p->mesh->ns, str_or(jx_str(c, "name"), ""));
        add_site(p, g, mesh, hub_find(hub, API_KIND_MEMBER_CLUSTER, key));
    }
    for (const struct hub_object *o = selector ? hub->kinds[API_KIND_MEMBER_CLUSTER].all : NULL; o;
         o = o->hh.next)
        if (str_eq(jx_str(o->obj, "metadata.namespace"), p->mesh->ns) &&
            topo_labels_match(jx_get(o->obj, "metadata.labels"),
                              json_object_get(selector, "matchLabels")))
            add_site(p, g, mesh, o);
}

/* What collides with a younger one is told there. */
static void add_older(struct mesh_pass *p, struct graph *g, const json_t *mesh)
{
    const char *name = jx_str(mesh, "metadata.name"), *domain = jx_str(mesh, "spec.trust.domain");
    auto_free char *usual = xasprintf("%s.mesh", name);
    if (g->n_others < g->room_others && str_eq(domain ? domain : usual, p->trust_domain))
        g->others[g->n_others++] =
            (struct topo_mesh){.name = name, .trust_domain = p->trust_domain};
    add_sites(p, g, mesh);
}

static struct graph graph_of(struct mesh_pass *p)
{
    enum { SITES_MAX = 256, OTHERS_MAX = 16 };
    struct graph g = {.room = MESH_MEMBERS_MAX + SITES_MAX, .room_others = OTHERS_MAX};
    g.sites = arena_array(p->arena, g.room, sizeof *g.sites);
    g.others = arena_array(p->arena, g.room_others, sizeof *g.others);
    for (size_t i = 0; i < p->n_members; i++)
        if (p->members[i].cr && !mesh_member_leaves(&p->members[i]))
            g.sites[g.n++] = own_site(p, &p->members[i]);
    g.n_own = g.n;
    const struct hub *hub = &p->mesh->manager->hub;
    for (const struct hub_object *o = hub->kinds[API_KIND_MESH].all; o; o = o->hh.next)
        if (o != p->object && str_eq(jx_str(o->obj, "metadata.namespace"), p->mesh->ns) &&
            !hub_is_going(o->obj) && hub_is_older(o, p->object))
            add_older(p, &g, o->obj);
    return g;
}

/* --- verdicts --- */

static struct mesh_member *member_named(struct mesh_pass *p, const char *name)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (str_eq(p->members[i].name, name))
            return &p->members[i];
    return NULL;
}

/* Nothing is written before the cluster was looked at. */
static void wait_for_facts(struct mesh_pass *p, struct mesh_member *mm)
{
    const struct member_facts *f = member_facts_of(p->mesh->manager, key_of(p, mm->name));
    if (!f || f->read || !mm->cluster || !cluster_known(mm->cluster))
        return;
    p->unread = true;
    if (!mm->installed)
        mesh_forbid(p, mm, "Checking", false,
                    arena_printf(p->arena,
                                 "cluster %s is being looked at, before anything is written",
                                 mm->name));
}

static uint64_t mix(uint64_t h, uint64_t n)
{
    return (h ^ n) * 0x100000001b3u;
}

/* Of what is looked at in a member's records. */
static uint64_t records_moment(struct mesh_pass *p, const struct mesh_member *mm)
{
    struct cluster *c = mm->cluster;
    const struct records *all = c ? cluster_records(c, plan_gvr("v1", "Namespace")) : NULL;
    struct kube_view v;
    uint64_t h = 1;
    if (!c)
        return 0;
    if (all && records_view(all, NULL, ISTIO_NAMESPACE, &v) && !v.meta.managed)
        h = str_hash(v.labels);
    return mix(h, foreign_service(c, mesh_istiod_name(p)));
}

/* All that the verdict is made from changed last at such a moment. */
static uint64_t moment(struct mesh_pass *p)
{
    const struct manager *m = p->mesh->manager;
    uint64_t h = mix(mix(str_hash(p->cr->meta.uid), m->hub.spec_rev), m->sites_rev);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        h = mix(h, records_moment(p, mm));
        h = mix(h, mm->cluster ? (uint64_t)mm->cluster->skew_s : 0);
        h = mix(h, (uint64_t)(mm->cluster ? mm->cluster->minor : 0) * 2 + mm->installed);
    }
    return h | 1;
}

void mesh_checks(struct mesh_pass *p)
{
    uint64_t now = moment(p);
    struct topo_problem *found;
    for (size_t i = 0; i < p->n_members; i++)
        wait_for_facts(p, &p->members[i]);
    if (p->mesh->checked == now)
        return;
    struct graph g = graph_of(p);
    struct topo_mesh mesh = {.name = p->mesh->name, .trust_domain = p->trust_domain};
    size_t n = topo_check(p->arena, &mesh, g.sites, g.n, g.others, g.n_others, &found);
    for (size_t i = 0; i < n; i++) {
        struct mesh_member *mm = found[i].cluster ? member_named(p, found[i].cluster) : NULL;
        mesh_forbid(p, mm, found[i].reason, found[i].stalled, found[i].message);
    }
    p->mesh->checked = n ? 0 : now;
}
