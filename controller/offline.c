/* SPDX-License-Identifier: Apache-2.0 */
#include "offline.h"

#include <stdlib.h>

#include "base/str.h"
#include "gateway/plain.h"
#include "mesh/gateways.h"
#include "mesh/settings.h"
#include "workloadgroup/objects.h"
#include "json/jx.h"

#define NO_UID "00000000-0000-0000-0000-000000000000"

/* --- members --- */

static const struct api_member_cluster *find_member(struct offline *in, const char *ns,
                                                    const char *name, struct err *err)
{
    size_t i;
    json_t *obj;
    json_array_foreach (in->members, i, obj) {
        if (!str_eq(jx_str(obj, "metadata.name"), name) ||
            !str_eq(jx_str(obj, "metadata.namespace"), ns))
            continue;
        struct api_member_cluster *cr;
        bool fine = api_member_cluster_decode(obj, &in->arena, &cr, err) == 0 &&
                    api_member_cluster_validate(cr, err) == 0;
        return fine ? cr : NULL;
    }
    err_set(err, ERR_INVALID, 0, "there is no MemberCluster %s in namespace %s among the files",
            name, str_or(ns, ""));
    return NULL;
}

/* Names of the members, in order; by selector: all that match. */
static void name_members(struct offline_mesh *m)
{
    const struct api_mesh *cr = m->cr;
    size_t i;
    json_t *obj;
    m->names = arena_array(&m->in->arena, cr->spec.n_clusters + json_array_size(m->in->members) + 1,
                           sizeof *m->names);
    for (size_t k = 0; k < cr->spec.n_clusters; k++)
        m->names[m->n++] = cr->spec.clusters[k].name;
    json_array_foreach (cr->spec.cluster_selector ? m->in->members : NULL, i, obj) {
        if (str_eq(jx_str(obj, "metadata.namespace"), cr->meta.ns) &&
            topo_labels_match(jx_get(obj, "metadata.labels"),
                              cr->spec.cluster_selector->match_labels))
            m->names[m->n++] = jx_str(obj, "metadata.name");
    }
    qsort(m->names, m->n, sizeof *m->names, str_cmp_ptr);
}

static const struct api_mesh_clusters *entry_of(const struct offline_mesh *m, size_t at)
{
    const struct api_mesh_spec *s = &m->cr->spec;
    for (size_t i = 0; i < s->n_clusters; i++)
        if (str_eq(s->clusters[i].name, m->names[at]))
            return &s->clusters[i];
    return NULL;
}

static const char *network_of(const struct api_member_cluster *mc)
{
    return mc->spec.network ? mc->spec.network : mc->meta.name;
}

/* --- other meshes --- */

static const json_t *mesh_named(const struct offline *in, const char *ns, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach (in->meshes, i, v) {
        if (str_eq(jx_str(v, "metadata.name"), name) && str_eq(jx_str(v, "metadata.namespace"), ns))
            return v;
    }
    return NULL;
}

static const char *domain_of(struct arena *a, const json_t *mesh)
{
    const char *said = jx_str(mesh, "spec.trust.domain");
    return said ? said : arena_printf(a, "%s.mesh", str_or(jx_str(mesh, "metadata.name"), ""));
}

static size_t list_trusts(const struct offline_mesh *m, struct topo_trust **ret)
{
    size_t n = 0, i, k;
    json_t *bundle, *member;
    struct topo_trust *all = NULL;
    json_array_foreach (m->in->bundles, i, bundle) {
        const json_t *members = jx_get(bundle, "spec.members");
        struct topo_trust *more =
            arena_array(&m->in->arena, n + json_array_size(members) + 1, sizeof *more);
        for (k = 0; k < n; k++)
            more[k] = all[k];
        all = more;
        json_array_foreach (members, k, member) {
            const char *direction = jx_str(member, "direction");
            if (str_eq(jx_str(bundle, "metadata.namespace"), m->cr->meta.ns) &&
                !json_object_get(member, "external"))
                all[n++] = (struct topo_trust){.bundle = jx_str(bundle, "metadata.name"),
                                               .mesh = jx_str(member, "name"),
                                               .exports = !str_eq(direction, "Import"),
                                               .imports = !str_eq(direction, "Export")};
        }
    }
    *ret = all;
    return n;
}

static bool all_on_network(struct offline_mesh *m, const json_t *mesh, const char *network)
{
    size_t i;
    json_t *entry;
    json_array_foreach (jx_get(mesh, "spec.clusters"), i, entry) {
        const struct api_member_cluster *mc =
            find_member(m->in, m->cr->meta.ns, jx_str(entry, "name"), NULL);
        if (mc && !str_eq(network_of(mc), network))
            return false;
    }
    return true;
}

/* Whether something is exported to a mesh that has a cluster on another network. */
static bool exports_across(struct offline_mesh *m, const char *network)
{
    struct topo_trust *trusts;
    size_t n = list_trusts(m, &trusts);
    const struct api_mesh_spec *s = &m->cr->spec;
    for (size_t i = 0; i < s->n_exports; i++)
        for (size_t k = 0; k < s->exports[i].n_to; k++) {
            const char *to = s->exports[i].to[k];
            const json_t *mesh = mesh_named(m->in, m->cr->meta.ns, to);
            if (mesh && topo_may_call(trusts, n, to, m->cr->meta.name) &&
                !all_on_network(m, mesh, network))
                return true;
        }
    return false;
}

static void add_trust(struct offline_mesh *m, struct istio_target *t)
{
    struct arena *a = &m->in->arena;
    struct topo_trust *trusts;
    size_t n = list_trusts(m, &trusts), i;
    json_t *mesh;
    struct istio_anchor *anchors =
        arena_array(a, json_array_size(m->in->meshes) + 1, sizeof *anchors);
    json_array_foreach (m->in->meshes, i, mesh) {
        const char *name = jx_str(mesh, "metadata.name");
        const char *domain = domain_of(a, mesh);
        if (topo_trusts(trusts, n, m->cr->meta.name, name))
            anchors[t->n_anchors++] = (struct istio_anchor){
                domain, arena_printf(a, "<root of mesh %s, good for %s only>", name, domain)};
    }
    for (i = 0; i < n; i++)
        t->guarded |= str_eq(trusts[i].mesh, m->cr->meta.name);
    t->anchors = anchors;
}

const char *offline_unknown(const struct offline_mesh *m)
{
    struct topo_trust *trusts;
    size_t n = list_trusts(m, &trusts);
    for (size_t i = 0; i < n; i++)
        if (str_eq(trusts[i].mesh, m->cr->meta.name))
            return "a run adds what exports and imports come to, as exceptions of the guard, the "
                   "pods "
                   "of the other meshes on its networks, "
                   "ServiceEntry and DestinationRule, and DNS entries";
    return NULL;
}

/* --- gateways --- */

static bool is_for(const struct api_gateway *cr, const struct offline_mesh *m, size_t at)
{
    const struct api_gateway_spec *s = &cr->spec;
    if (!s->mesh_ref || !str_eq(s->mesh_ref->name, m->cr->meta.name) ||
        !str_eq(cr->meta.ns, m->cr->meta.ns))
        return false;
    for (size_t i = 0; i < s->n_clusters; i++)
        if (str_eq(s->clusters[i], m->names[at]))
            return true;
    return s->n_clusters == 0;
}

/* The exported Services that are named; of "*" only a run knows. */
static void open_hosts(struct offline_mesh *m, size_t at, struct istio_gateway *g)
{
    struct topo_gateway_need need = topo_gateway_need(m->graph, m->n, at);
    const struct api_mesh_spec *s = &m->cr->spec;
    const char **hosts = arena_array(&m->in->arena, s->n_exports + 1, sizeof *hosts);
    g->istiod = need.istiod;
    g->networks = topo_machines_behind(&m->in->arena, m->graph, m->n, at);
    g->hosts = hosts;
    if (need.whole_mesh)
        hosts[g->n_hosts++] = "*.local";
    for (size_t i = 0; !need.whole_mesh && need.exports && i < s->n_exports; i++) {
        const char *ns = s->exports[i].namespace, *service = str_or(s->exports[i].service, "*");
        hosts[g->n_hosts++] =
            arena_printf(&m->in->arena, "%s/%s.%s.svc.cluster.local", ns,
                         str_eq(service, "*") ? "<each Service of the namespace>" : service, ns);
    }
}

static int list_gateways(struct offline_mesh *m, size_t at, struct istio_gateway **ret,
                         size_t *ret_n, struct err *err)
{
    struct topo_gateway_need need = topo_gateway_need(m->graph, m->n, at);
    struct istio_gateway *g =
        arena_array(&m->in->arena, json_array_size(m->in->gateways) + 1, sizeof *g);
    size_t n = 0, i;
    json_t *obj;
    if (mesh_gateway_needed(&need))
        g[n++] = (struct istio_gateway){.type = ISTIO_EASTWEST, .name = ISTIO_EASTWEST_NAME};
    json_array_foreach (m->in->gateways, i, obj) {
        struct api_gateway *cr;
        if (api_gateway_decode(obj, &m->in->arena, &cr, err) < 0)
            return err_wrap(err, "Gateway %s", str_or(jx_str(obj, "metadata.name"), "?"));
        if (!is_for(cr, m, at))
            continue;
        if (cr->spec.type != API_GATEWAY_TYPE_EAST_WEST)
            mesh_gateway_take(&m->in->arena, cr, &g[n++]);
        else if (mesh_gateway_needed(&need))
            mesh_gateway_take(&m->in->arena, cr, &g[0]);
    }
    if (mesh_gateway_needed(&need))
        open_hosts(m, at, &g[0]);
    *ret = g;
    *ret_n = n;
    return 0;
}

/* One word for addresses that a run finds. */
static const char *const *address_of(struct offline_mesh *m, size_t at)
{
    const char **list = arena_array(&m->in->arena, 2, sizeof *list);
    list[0] = arena_printf(&m->in->arena, "<address of the gateway of %s>", m->names[at]);
    return list;
}

static void add_networks(struct offline_mesh *m, size_t at, struct istio_target *t)
{
    struct istio_network_gateway *all = arena_array(&m->in->arena, m->n + 1, sizeof *all);
    for (size_t i = 0; i < m->n; i++) {
        if (!topo_gateway_need(m->graph, m->n, i).whole_mesh ||
            !topo_needs_gateway_of(m->graph, m->n, at, i))
            continue;
        all[t->n_network_gateways++] = (struct istio_network_gateway){
            .name = arena_printf(&m->in->arena, MESH_NETWORK_GATEWAY "%s", m->names[i]),
            .network = m->graph[i].network,
            .addresses = address_of(m, i),
            .n_addresses = 1};
    }
    t->network_gateways = all;
}

static int add_remote_gateways(struct offline_mesh *m, size_t at, struct istio_target *t,
                               struct err *err)
{
    struct istio_gateway *all = NULL;
    for (size_t i = 0; i < m->n; i++) {
        struct istio_gateway *own;
        size_t n;
        if (!m->graph[i].remote || topo_primary_of(m->graph, m->n, i) != at)
            continue;
        if (list_gateways(m, i, &own, &n, err) < 0)
            return -1;
        struct istio_gateway *more =
            arena_array(&m->in->arena, t->n_remote_gateways + n + 1, sizeof *more);
        for (size_t k = 0; k < t->n_remote_gateways; k++)
            more[k] = all[k];
        for (size_t k = 0; k < n; k++)
            more[t->n_remote_gateways++] = own[k];
        all = more;
    }
    t->remote_gateways = all;
    return 0;
}

/* --- the target --- */

static void add_peers(struct offline_mesh *m, size_t at, struct istio_target *t)
{
    struct istio_peer *peers = arena_array(&m->in->arena, m->n + 1, sizeof *peers);
    for (size_t i = 0; i < m->n; i++)
        if (i != at && !m->graph[at].remote)
            peers[t->n_peers++] =
                (struct istio_peer){.name = m->names[i],
                                    .uid = "<seen at run time>",
                                    .server = str_or(m->members[i]->spec.advertised_server,
                                                     "https://<from the kubeconfig>")};
    t->peers = peers;
}

static int add_role(struct offline_mesh *m, size_t at, struct istio_target *t, struct err *err)
{
    bool remote = m->graph[at].remote;
    size_t primary = remote ? topo_primary_of(m->graph, m->n, at) : at;
    if (primary == m->n)
        return err_set(err, ERR_INVALID, 0, "no cluster is the Primary of Remote %s", m->names[at]);
    t->role = remote ? ISTIO_REMOTE : ISTIO_PRIMARY;
    t->has_remotes = topo_gateway_need(m->graph, m->n, at).webhooks;
    t->spans = topo_spans(m->graph, m->n, primary);
    if (remote) {
        t->primary = m->names[primary];
        t->istiod_addresses = address_of(m, primary);
        t->n_istiod_addresses = 1;
        return 0;
    }
    add_networks(m, at, t);
    return add_remote_gateways(m, at, t, err);
}

int offline_target(struct offline_mesh *m, const struct options *o, size_t at,
                   struct istio_target *t, struct err *err)
{
    const struct api_mesh *cr = m->cr;
    struct istio_gateway *gateways;
    *t = (struct istio_target){
        .owner = {cr->meta.name, str_or(cr->meta.uid, NO_UID), NULL},
        .mesh_name = cr->meta.name,
        .trust_domain = cr->spec.trust && cr->spec.trust->domain
                            ? cr->spec.trust->domain
                            : arena_printf(&m->in->arena, "%s.mesh", cr->meta.name),
        .cluster = m->names[at],
        .network = m->graph[at].network,
        .root_sha256 = "<made at run time>",
        .created_namespace = true,
        .data = m->data,
    };
    if (settings_merge(&m->in->arena, o, cr, entry_of(m, at), m->data, &t->settings, err) < 0 ||
        list_gateways(m, at, &gateways, &t->n_gateways, err) < 0)
        return -1;
    t->gateways = gateways;
    add_peers(m, at, t);
    add_trust(m, t);
    return add_role(m, at, t, err);
}

/* Its network, once, among those of the Primary that it attaches to. */
static int add_machines(struct offline_mesh *m, const json_t *group, struct err *err)
{
    enum topo_machines_trouble why;
    const char *named = jx_str(group, "spec.cluster");
    size_t at = topo_machines_primary(m->graph, m->n, named, NULL, &why), n = 0;
    if (at == m->n)
        return err_set(err, ERR_INVALID, 0, "WorkloadGroup %s: cluster %s is no Primary of Mesh %s",
                       str_or(jx_str(group, "metadata.name"), "?"), str_or(named, "(the first)"),
                       m->cr->meta.name);
    const char *network = str_or(jx_str(group, "spec.network"), m->graph[at].network);
    const char **all = arena_array(&m->in->arena, json_array_size(m->in->groups) + 2, sizeof *all);
    for (; m->graph[at].machines && m->graph[at].machines[n]; n++) {
        if (str_eq(m->graph[at].machines[n], network))
            return 0;
        all[n] = m->graph[at].machines[n];
    }
    all[n] = network;
    m->graph[at].machines = all;
    return 0;
}

static bool is_of(const struct offline_mesh *m, const json_t *group)
{
    return str_eq(jx_str(group, "spec.meshRef.name"), m->cr->meta.name) &&
           str_eq(jx_str(group, "metadata.namespace"), m->cr->meta.ns);
}

static int add_groups(struct offline_mesh *m, struct err *err)
{
    size_t i;
    json_t *group;
    json_array_foreach (m->in->groups, i, group) {
        if (is_of(m, group) && add_machines(m, group, err) < 0)
            return -1;
    }
    return 0;
}

int offline_group(struct offline_mesh *m, const json_t *group, size_t at, struct plan *plan,
                  struct err *err)
{
    struct api_workload_group *cr;
    enum topo_machines_trouble why;
    const char *named = jx_str(group, "spec.cluster");
    if (!is_of(m, group) || topo_machines_primary(m->graph, m->n, named, NULL, &why) != at)
        return 0;
    if (api_workload_group_decode(group, &m->in->arena, &cr, err) < 0)
        return -1;
    cr->meta.uid = str_or(cr->meta.uid, NO_UID);
    struct workloadgroup_place place = {.network = str_or(cr->spec.network, m->graph[at].network),
                                        .revision = m->cr->spec.revision,
                                        .makes_namespace = true};
    return workloadgroup_objects(&m->in->arena, cr, &place, plan, err) < 0 ? -1 : 1;
}

int offline_mesh(struct offline *in, const json_t *obj, struct offline_mesh *m, struct err *err)
{
    struct api_mesh *cr;
    if (api_mesh_decode(obj, &in->arena, &cr, err) < 0 || api_mesh_validate(cr, err) < 0)
        return -1;
    *m = (struct offline_mesh){.in = in, .cr = cr};
    name_members(m);
    m->members = arena_array(&in->arena, m->n + 1, sizeof *m->members);
    m->graph = arena_array(&in->arena, m->n + 1, sizeof *m->graph);
    for (size_t i = 0; i < m->n; i++) {
        const struct api_mesh_clusters *entry = entry_of(m, i);
        m->members[i] = find_member(in, cr->meta.ns, m->names[i], err);
        if (!m->members[i])
            return -1;
        m->graph[i] = (struct topo_member){
            .cluster = m->names[i],
            .network = network_of(m->members[i]),
            .remote = entry && entry->role == API_MESH_CLUSTERS_ROLE_REMOTE,
            .primary = entry ? entry->primary : NULL,
            .exports_across = exports_across(m, network_of(m->members[i])),
        };
    }
    return add_groups(m, err);
}

/* --- without a mesh --- */

static bool namespace_before(const struct api_gateway *cr, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(cr->spec.routes[i].namespace, cr->spec.routes[at].namespace))
            return true;
    return false;
}

int offline_plain(struct offline *in, const struct api_gateway *cr, struct plan *plan,
                  struct err *err)
{
    (void)in;
    struct plan_owner owner = {cr->meta.name, str_or(cr->meta.uid, NO_UID), PLAN_LABEL_GATEWAY};
    if (cr->spec.exposure != API_GATEWAY_EXPOSURE_INGRESS)
        return 0;
    for (size_t i = 0; i < cr->spec.n_routes; i++)
        if (!namespace_before(cr, i) &&
            plain_ingress(cr, &owner, cr->spec.routes[i].namespace, plan, err) < 0)
            return -1;
    return plan_finish(plan, err);
}
