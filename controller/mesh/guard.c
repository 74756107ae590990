/* SPDX-License-Identifier: Apache-2.0 */
/* From where plain text may come: on one network pods of other meshes reach pods of this one without any gateway, and
 * plain text says nothing of who sends it. But it comes from an address, and clusters' pods have theirs. */
#include "base/str.h"
#include "membercluster/facts.h"
#include "mesh/facts.h"
#include "mesh/mesh.h"
#include "mesh/ties.h"
#include "topology/exports.h"
#include "json/jx.h"

enum { RANGES_MAX = 1024 };

struct ranges {
    const char **list;
    size_t n;
};

static void add(struct ranges *r, const char *range)
{
    if (range && *range && r->n < RANGES_MAX)
        r->list[r->n++] = range;
}

/* What its MemberCluster says, else what was read of it. */
static void add_site(struct mesh_pass *p, const struct site *s, struct ranges *r)
{
    const char *key = arena_printf(p->arena, "%s/%s", p->mesh->ns, s->cluster);
    const struct hub_object *o = hub_find(&p->mesh->manager->hub, API_KIND_MEMBER_CLUSTER, key);
    const struct member_facts *f = member_facts_of(p->mesh->manager, key);
    const json_t *said = o ? jx_get(o->obj, "spec.podCIDRs") : NULL, *one;
    size_t i;
    json_array_foreach ((json_t *)(uintptr_t)said, i, one)
        add(r, json_string_value(one));
    for (char *const *range = f && json_array_size(said) == 0 ? f->pod_ranges : (char *[]){NULL};
         *range; range++)
        add(r, *range);
}

/* Whether a cluster that this Primary serves is on that network. */
static bool near(const struct mesh_pass *p, const struct mesh_member *primary, const char *network)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        if ((mm == primary || mesh_primary_of(p, mm) == primary) && str_eq(mm->network, network))
            return true;
    }
    return false;
}

static void add_mesh(struct mesh_pass *p, const struct mesh_member *mm, const struct hub_object *o,
                     struct ranges *r)
{
    struct site *sites;
    size_t n = ties_sites(p->mesh->manager, p->arena, o->obj, &sites);
    for (size_t i = 0; i < n; i++)
        if (!sites[i].leaves && near(p, mm, sites[i].network))
            add_site(p, &sites[i], r);
}

size_t mesh_guard_ranges(struct mesh_pass *p, const struct mesh_member *mm, const char *const **ret)
{
    const struct ties *t = mesh_ties(p);
    struct ranges r = {.list = arena_array(p->arena, RANGES_MAX, sizeof *r.list)};
    const char *me = p->mesh->name;
    const struct hub_object *all = p->mesh->manager->hub.kinds[API_KIND_MESH].all;
    for (const struct hub_object *o = all; o; o = o->hh.next) {
        const char *name = ties_name(o);
        if (!str_eq(me, name) && ties_mesh(t->manager, t->ns, name) == o &&
            (topo_trusts(t->trusts, t->n_trusts, me, name) ||
             topo_trusts(t->trusts, t->n_trusts, name, me)))
            add_mesh(p, mm, o, &r);
    }
    *ret = r.list;
    return topo_unique(r.list, r.n);
}

void mesh_guard_note(struct mesh_pass *p, struct buf *b)
{
    for (size_t i = 0; i < p->n_members && mesh_tied(p); i++) {
        const char *const *list;
        if (p->members[i].role != ISTIO_PRIMARY) /* its Primary's list is its own */
            continue;
        size_t n = mesh_guard_ranges(p, &p->members[i], &list);
        for (size_t k = 0; k < n; k++)
            say(b, list[k]);
        say(b, NULL);
    }
}
