/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/ties.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/mesh.h"
#include "json/jx.h"

const struct hub_object *ties_mesh(const struct manager *m, const char *ns, const char *name)
{
    auto_free char *key = xasprintf("%s/%s", ns, str_or(name, ""));
    const struct hub_object *o = hub_find(&m->hub, API_KIND_MESH, key);
    return o && !hub_is_going(o->obj) ? o : NULL;
}

struct mesh *ties_state(const struct manager *m, const char *ns, const char *name)
{
    auto_free char *key = xasprintf("%s/%s", ns, name);
    struct mesh *mesh;
    HASH_FIND_STR(m->meshes, key, mesh);
    return mesh;
}

const char *ties_trust_domain(struct arena *a, const json_t *mesh)
{
    const char *domain = jx_str(mesh, "spec.trust.domain");
    return domain ? domain : arena_printf(a, "%s.mesh", str_or(jx_str(mesh, "metadata.name"), ""));
}

const struct hub_object *ties_domain_owner(const struct manager *m, struct arena *a, const char *ns,
                                           const char *domain)
{
    const struct hub_object *owner = NULL;
    for (const struct hub_object *o = m->hub.kinds[API_KIND_MESH].all; o; o = o->hh.next)
        if (hub_in_namespace(o, ns) && !hub_is_going(o->obj) &&
            str_eq(ties_trust_domain(a, o->obj), domain) && (!owner || hub_is_older(o, owner)))
            owner = o;
    return owner;
}

/* --- who trusts whom --- */

static bool trustable(const struct ties *t, struct arena *a, const json_t *member)
{
    const struct hub_object *o = ties_mesh(t->manager, t->ns, jx_str(member, "name"));
    return o && !json_object_get(member, "external") &&
           ties_domain_owner(t->manager, a, t->ns, ties_trust_domain(a, o->obj)) == o;
}

static void add_bundle(struct ties *t, struct arena *a, const struct hub_object *o)
{
    const json_t *members = jx_get(o->obj, "spec.members");
    struct topo_trust *all =
        arena_array(a, t->n_trusts + json_array_size(members) + 1, sizeof *all);
    for (size_t i = 0; i < t->n_trusts; i++)
        all[i] = t->trusts[i];
    t->trusts = all;
    size_t i;
    json_t *member;
    json_array_foreach (members, i, member) {
        const char *direction = jx_str(member, "direction");
        if (trustable(t, a, member))
            all[t->n_trusts++] = (struct topo_trust){
                .bundle = o->key,
                .mesh = jx_str(member, "name"),
                .exports = !str_eq(direction, "Import"),
                .imports = !str_eq(direction, "Export"),
            };
    }
}

struct ties *ties_of(struct manager *m, struct arena *a, const char *ns)
{
    struct ties *t = arena_new(a, struct ties);
    t->manager = m;
    t->ns = ns;
    for (const struct hub_object *o = m->hub.kinds[API_KIND_TRUST_BUNDLE].all; o; o = o->hh.next)
        if (hub_in_namespace(o, ns) && !hub_is_going(o->obj))
            add_bundle(t, a, o);
    return t;
}

bool ties_bound(const struct manager *m, const char *ns, const char *mesh)
{
    for (const struct hub_object *o = m->hub.kinds[API_KIND_TRUST_BUNDLE].all; o; o = o->hh.next) {
        size_t i;
        json_t *member;
        if (!hub_in_namespace(o, ns) || hub_is_going(o->obj))
            continue;
        json_array_foreach (jx_get(o->obj, "spec.members"), i, member) {
            if (!json_object_get(member, "external") && str_eq(jx_str(member, "name"), mesh))
                return true;
        }
    }
    return false;
}

/* --- where a mesh is --- */

static int by_cluster(const void *a, const void *b)
{
    return str_cmp(((const struct site *)a)->cluster, ((const struct site *)b)->cluster);
}

static struct site site_of(const struct manager *m, const char *ns, const char *name)
{
    auto_free char *key = xasprintf("%s/%s", ns, name);
    const struct hub_object *o = hub_find(&m->hub, API_KIND_MEMBER_CLUSTER, key);
    const char *network = o ? jx_str(o->obj, "spec.network") : NULL;
    return (struct site){name, network ? network : name, manager_cluster(m, ns, name),
                         !o || hub_is_going(o->obj)};
}

size_t ties_sites(const struct manager *m, struct arena *a, const json_t *mesh, struct site **ret)
{
    const char *ns = str_or(jx_str(mesh, "metadata.namespace"), "");
    const json_t *selector = jx_get(mesh, "spec.clusterSelector");
    size_t n = 0, i;
    json_t *c;
    struct site *all = arena_array(a, MESH_MEMBERS_MAX, sizeof *all);
    json_array_foreach (jx_get(mesh, "spec.clusters"), i, c) {
        if (n < MESH_MEMBERS_MAX && jx_str(c, "name"))
            all[n++] = site_of(m, ns, jx_str(c, "name"));
    }
    const struct hub_object *o = selector ? m->hub.kinds[API_KIND_MEMBER_CLUSTER].all : NULL;
    for (; o; o = o->hh.next)
        if (n < MESH_MEMBERS_MAX && hub_in_namespace(o, ns) &&
            topo_labels_match(jx_get(o->obj, "metadata.labels"),
                              json_object_get(selector, "matchLabels")))
            all[n++] = site_of(m, ns, ties_name(o));
    qsort(all, n, sizeof *all, by_cluster);
    *ret = all;
    return n;
}

bool ties_on_network(const struct site *s, size_t n, const char *network)
{
    for (size_t i = 0; i < n; i++)
        if (!s[i].leaves && str_eq(s[i].network, network))
            return true;
    return false;
}
