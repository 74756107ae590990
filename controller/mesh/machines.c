/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/machines.h"

#include <stdlib.h>

#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/ties.h"
#include "json/jx.h"

static const char *name_of(const json_t *obj)
{
    return str_or(jx_str(obj, "metadata.name"), "");
}

static bool names_mesh(const struct hub_object *group, const char *ns, const char *mesh)
{
    return str_eq(jx_str(group->obj, "spec.meshRef.name"), mesh) && hub_in_namespace(group, ns);
}

bool machines_of_mesh(const struct hub_object *group, const char *ns, const char *mesh)
{
    return names_mesh(group, ns, mesh) && !hub_is_going(group->obj);
}

bool machines_outlive_mesh(const json_t *group)
{
    return jx_bool(group, "spec.suspend", false) ||
           str_eq(jx_str(group, "spec.deletionPolicy"), "Retain");
}

const char *machines_namespace(const json_t *group)
{
    return str_or(jx_str(group, "spec.namespace"), name_of(group));
}

const char *machines_account(const json_t *group)
{
    return str_or(jx_str(group, "spec.serviceAccount"), name_of(group));
}

static void drop(void *json)
{
    json_decref(json);
}

const json_t *machines_labels(struct arena *a, const json_t *said, const char *name)
{
    if (json_object_size(said) > 0)
        return said;
    json_t *one = json_pack("{s:s}", "app", name);
    arena_hold(a, one, drop);
    return one;
}

json_t *machines_ports(struct arena *a, const json_t *group)
{
    json_t *out = json_object(), *port;
    size_t i;
    arena_hold(a, out, drop);
    json_array_foreach (jx_get(group, "spec.ports"), i, port) {
        const json_t *own = json_object_get(port, "targetPort");
        json_object_set(out, str_or(jx_str(port, "name"), ""),
                        (json_t *)(uintptr_t)(own ? own : json_object_get(port, "port")));
    }
    return out;
}

/* --- where --- */

/* The clusters of a mesh, by name, from resources alone: so it is the same for whoever asks, in a pass or not. */
struct places {
    const struct manager *manager;
    const char *ns, *mesh;
    struct topo_member *all;
    size_t n;
};

static bool is_remote(const json_t *mesh, const char *cluster)
{
    size_t i;
    json_t *c;
    json_array_foreach (jx_get(mesh, "spec.clusters"), i, c) {
        if (str_eq(jx_str(c, "name"), cluster))
            return str_eq(jx_str(c, "role"), "Remote");
    }
    return false;
}

/* A MemberCluster that is not there is no cluster that leaves: nothing of the others goes because of that. */
static bool leaves(const struct places *at, const char *cluster)
{
    auto_free char *key = xasprintf("%s/%s", at->ns, cluster);
    const struct hub_object *o = hub_find(&at->manager->hub, API_KIND_MEMBER_CLUSTER, key);
    return o && hub_is_going(o->obj);
}

static struct places places_of(const struct manager *m, struct arena *a,
                               const struct hub_object *mesh)
{
    struct site *sites;
    struct places at = {.manager = m, .mesh = ties_name(mesh)};
    at.ns = str_or(jx_str(mesh->obj, "metadata.namespace"), "");
    at.n = ties_sites(m, a, mesh->obj, &sites);
    at.all = arena_array(a, at.n + 1, sizeof *at.all);
    for (size_t i = 0; i < at.n; i++)
        at.all[i] = (struct topo_member){.cluster = sites[i].cluster,
                                         .network = sites[i].network,
                                         .remote = is_remote(mesh->obj, sites[i].cluster),
                                         .leaves = leaves(&at, sites[i].cluster)};
    return at;
}

static const char *trouble_message(const struct places *at, struct arena *a,
                                   enum topo_machines_trouble why, const char *named)
{
    switch (why) {
    case TOPO_MACHINES_NO_PRIMARY:
        return arena_printf(a,
                            "no cluster of Mesh %s is a Primary that stays; next: give one the "
                            "role Primary in its spec.clusters",
                            at->mesh);
    case TOPO_MACHINES_NOT_MEMBER:
        return arena_printf(a,
                            "cluster %s is not in Mesh %s; next: name a Primary of the mesh in "
                            "spec.cluster, or leave it out",
                            named, at->mesh);
    case TOPO_MACHINES_REMOTE:
        return arena_printf(a,
                            "cluster %s is a Remote of Mesh %s and has no istiod; next: name a "
                            "Primary of the mesh in spec.cluster, or leave it out",
                            named, at->mesh);
    case TOPO_MACHINES_LEAVES:
        return arena_printf(a,
                            "MemberCluster %s is being deleted; next: name another Primary of Mesh "
                            "%s in spec.cluster",
                            named, at->mesh);
    case TOPO_MACHINES_FINE:
        break;
    }
    return NULL;
}

static struct machines_place place_in(const struct places *at, struct arena *a, const json_t *group)
{
    static const char *const reasons[] = {
        [TOPO_MACHINES_NO_PRIMARY] = "PrimaryMissing",
        [TOPO_MACHINES_NOT_MEMBER] = "ClusterNotInMesh",
        [TOPO_MACHINES_REMOTE] = "ClusterIsRemote",
        [TOPO_MACHINES_LEAVES] = MESH_MEMBER_LEAVING,
    };
    enum topo_machines_trouble why;
    const char *named = jx_str(group, "spec.cluster");
    size_t i = topo_machines_primary(at->all, at->n, named, jx_str(group, "status.cluster"), &why);
    if (why != TOPO_MACHINES_FINE)
        return (struct machines_place){.reason = reasons[why],
                                       .message = trouble_message(at, a, why, named)};
    return (struct machines_place){.cluster = at->all[i].cluster,
                                   .network =
                                       str_or(jx_str(group, "spec.network"), at->all[i].network)};
}

static struct machines_place no_mesh(const struct manager *m, struct arena *a, const char *ns,
                                     const char *name)
{
    auto_free char *key = xasprintf("%s/%s", ns, name);
    if (hub_find(&m->hub, API_KIND_MESH, key))
        return (struct machines_place){
            .reason = "MeshLeaving",
            .message = arena_printf(a,
                                    "Mesh %s is being deleted; next: name another one in "
                                    "spec.meshRef, or delete this group",
                                    name)};
    return (struct machines_place){
        .reason = "MeshNotFound",
        .message = arena_printf(a,
                                "there is no Mesh %s in namespace %s; next: create it, or name "
                                "another one in spec.meshRef",
                                name, ns)};
}

struct machines_place mesh_machines_primary(const struct manager *m, struct arena *a,
                                            const struct hub_object *group)
{
    const char *ns = str_or(jx_str(group->obj, "metadata.namespace"), "");
    const char *name = str_or(jx_str(group->obj, "spec.meshRef.name"), "");
    const struct hub_object *mesh = ties_mesh(m, ns, name);
    if (!mesh)
        return no_mesh(m, a, ns, name);
    struct places at = places_of(m, a, mesh);
    return place_in(&at, a, group->obj);
}

struct mesh_eastwest mesh_machines_istiod(struct manager *m, struct arena *a, const char *ns,
                                          const char *mesh_name, const char *cluster)
{
    struct mesh_eastwest e = mesh_eastwest_of(m, a, ns, mesh_name, cluster);
    const char **sorted = arena_array(a, e.n_addresses + 1, sizeof *sorted);
    size_t n = 0;
    for (int hosts = 0; hosts < 2; hosts++)
        for (size_t i = 0; i < e.n_addresses; i++)
            if ((cidr_address_family(e.addresses[i]) == 0) == hosts)
                sorted[n++] = e.addresses[i];
    return (struct mesh_eastwest){sorted, n, ISTIO_ISTIOD_PORT};
}

/* --- the groups of a mesh --- */

size_t mesh_machines_groups(const struct manager *m, struct arena *a, const struct hub_object *mesh,
                            struct machines_group **ret)
{
    const struct hub_object *all = m->hub.kinds[API_KIND_WORKLOAD_GROUP].all;
    size_t n = 0;
    *ret = arena_array(a, HASH_COUNT(all) + 1, sizeof **ret);
    if (!all)
        return 0;
    struct places at = places_of(m, a, mesh);
    for (const struct hub_object *o = all; o; o = o->hh.next) {
        if (!machines_of_mesh(o, at.ns, at.mesh))
            continue;
        struct machines_place place = place_in(&at, a, o->obj);
        if (place.cluster)
            (*ret)[n++] =
                (struct machines_group){place.cluster, place.network, machines_namespace(o->obj),
                                        machines_account(o->obj), o->obj};
    }
    return n;
}

/* --- networks --- */

static int by_network(const void *a, const void *b)
{
    const struct machines_group *x = a, *y = b;
    int c = str_cmp(x->cluster, y->cluster);
    return c ? c : str_cmp(x->network, y->network);
}

size_t mesh_machines_networks(const struct manager *m, struct arena *a,
                              const struct hub_object *mesh, const char *const **ret)
{
    struct machines_group *list;
    size_t n = mesh_machines_groups(m, a, mesh, &list), unique = 0;
    const char **networks = arena_array(a, n + 1, sizeof *networks);
    for (size_t i = 0; i < n; i++)
        networks[i] = list[i].network;
    qsort(networks, n, sizeof *networks, str_cmp_ptr);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(networks[i], networks[unique - 1]))
            networks[unique++] = networks[i];
    *ret = networks;
    return unique;
}

/* Of list[next], as long as they are of the cluster; each once, sorted. */
static const char **networks_in(struct arena *a, const char *cluster,
                                const struct machines_group *list, size_t n, size_t *next)
{
    const char **networks = arena_array(a, n - *next + 1, sizeof *networks);
    size_t found = 0;
    for (; *next < n && str_cmp(list[*next].cluster, cluster) <= 0; ++*next) {
        bool here = str_eq(list[*next].cluster, cluster);
        if (here && (found == 0 || !str_eq(networks[found - 1], list[*next].network)))
            networks[found++] = list[*next].network;
    }
    return found ? networks : NULL;
}

void mesh_machines_observe(struct mesh_pass *p)
{
    struct machines_group *list;
    size_t n = mesh_machines_groups(p->mesh->manager, p->arena, p->object, &list), next = 0;
    qsort(list, n, sizeof *list, by_network);
    for (size_t i = 0; next < n && i < p->n_members;
         i++) /* both are sorted by the cluster's name */
        p->graph[i].machines = networks_in(p->arena, p->members[i].name, list, n, &next);
}

/* --- while the mesh is being deleted --- */

static bool is_held(const struct mesh_pass *p, const json_t *group)
{
    const char *uid = str_or(jx_str(group, "metadata.uid"), "");
    for (struct cluster *c = p->mesh->manager->clusters; c; c = c->hh.next)
        if (str_eq(c->ns, p->mesh->ns) && cluster_ready(c) && cluster_holds(c, uid))
            return true;
    return false;
}

bool mesh_machines_remain(const struct mesh_pass *p)
{
    const struct hub_object *o = p->mesh->manager->hub.kinds[API_KIND_WORKLOAD_GROUP].all;
    for (; o; o = o->hh.next)
        if (names_mesh(o, p->mesh->ns, p->mesh->name) && !machines_outlive_mesh(o->obj) &&
            is_held(p, o->obj))
            return true;
    return false;
}
