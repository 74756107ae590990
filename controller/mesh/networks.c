/* SPDX-License-Identifier: Apache-2.0 */
/* Roles and networks of the members: who is a Remote of whom, whose east-west gateway is for what, and where each is
 * reached. */
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/gateways.h"
#include "mesh/machines.h"
#include "mesh/mesh.h"
#include "json/jx.h"

/* --- observe --- */

/* Of a member whose MemberCluster is missing: the others' gateways must not go because of that. */
static const char *last_network(const struct mesh_pass *p, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach (jx_get(p->object->obj, "status.clusters"), i, row) {
        if (str_eq(jx_str(row, "name"), name))
            return jx_str(row, "network");
    }
    return NULL;
}

static enum istio_role role_of(const struct mesh_member *mm)
{
    bool remote = mm->spec && mm->spec->role == API_MESH_CLUSTERS_ROLE_REMOTE;
    return remote ? ISTIO_REMOTE : ISTIO_PRIMARY;
}

static void draw(struct mesh_pass *p)
{
    p->graph = arena_array(p->arena, p->n_members + 1, sizeof *p->graph);
    for (size_t i = 0; i < p->n_members; i++) {
        struct mesh_member *mm = &p->members[i];
        mm->role = role_of(mm);
        mm->network = mm->cr ? mm->network : last_network(p, mm->name);
        p->graph[i] = (struct topo_member){
            .cluster = mm->name,
            .network = mm->network,
            .remote = mm->role == ISTIO_REMOTE,
            .primary = mm->spec ? mm->spec->primary : NULL,
            .leaves = mesh_member_leaves(mm) || !mm->network,
        };
    }
    mesh_machines_observe(p);
    p->n_networks = topo_count_networks(p->graph, p->n_members);
}

static const char *no_primary(const struct mesh_pass *p, const struct mesh_member *mm)
{
    const char *named = mm->spec->primary;
    const struct mesh_member *it = named ? mesh_member_find(p, named) : NULL;
    if (it && it->role == ISTIO_PRIMARY)
        return arena_printf(p->arena,
                            "cluster %s is a Remote of cluster %s, which is not there or leaves; "
                            "next: name another Primary in spec.clusters, or make it a Primary",
                            mm->name, named);
    return arena_printf(p->arena,
                        "cluster %s is a Remote, but no cluster of the mesh is its Primary; next: "
                        "set role Primary for one in spec.clusters",
                        mm->name);
}

/* A Remote can't be worked on when its Primary can't: what it has stays as it is. */
static void check_primary(struct mesh_pass *p, struct mesh_member *mm)
{
    const struct mesh_member *primary = mesh_primary_of(p, mm);
    if (mm->role == ISTIO_PRIMARY || mm->blocked_reason)
        return;
    if (!primary)
        mesh_member_block(p, mm, "PrimaryMissing", true, no_primary(p, mm));
    else if (primary->blocked_reason)
        mesh_member_block(p, mm, "PrimaryBlocked", false,
                          arena_printf(p->arena,
                                       "cluster %s: its Primary, cluster %s, can't be worked on; "
                                       "next: see the conditions of that cluster",
                                       mm->name, primary->name));
}

static void look_at_gateway(struct mesh_pass *p, size_t at)
{
    struct mesh_member *mm = &p->members[at];
    mm->need = topo_gateway_need(p->graph, p->n_members, at);
    if (mesh_gateway_needed(&mm->need))
        mm->eastwest =
            mesh_eastwest_of(p->mesh->manager, p->arena, p->mesh->ns, p->mesh->name, mm->name);
}

void mesh_networks_observe(struct mesh_pass *p)
{
    draw(p);
    for (size_t i = 0; i < p->n_members; i++) {
        struct mesh_member *mm = &p->members[i];
        mm->primary =
            mm->role == ISTIO_REMOTE ? topo_primary_of(p->graph, p->n_members, i) : p->n_members;
        p->graph[i].exports_across = mm->cr && mesh_exports_across(p, mm);
    }
    for (size_t i = 0; i < p->n_members; i++) {
        check_primary(p, &p->members[i]);
        look_at_gateway(p, i);
    }
}

static bool exposes(const struct mesh_member *primary)
{
    const struct mesh_kept *k = primary ? primary->kept : NULL;
    return k && k->executed && !(k->pending && k->wave <= PLAN_EXPOSURE);
}

bool mesh_networks_exposed(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return exposes(mm->role == ISTIO_REMOTE ? mesh_primary_of(p, mm) : mm);
}

bool mesh_networks_served(const struct mesh_pass *p, const struct mesh_member *mm)
{
    const struct mesh_member *primary = mesh_primary_of(p, mm);
    return exposes(primary) &&
           istiod_view_synced(istiod_view_get(p->mesh, primary->name), mm->name);
}

/* --- plan --- */

static void note_machines(const char *const *networks, struct buf *b)
{
    size_t n = 0;
    while (networks && networks[n])
        n++;
    say_number(b, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        say(b, networks[i]);
}

void mesh_networks_note(struct mesh_pass *p, struct buf *b)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        say_number(b, (int64_t)mm->role);
        say_number(b, (int64_t)mm->primary);
        say_number(b, mm->need.whole_mesh + 2 * mm->need.exports + 4 * mm->need.istiod +
                          8 * mm->need.webhooks);
        say_number(b, mm->eastwest.port);
        say_number(b, (int64_t)mm->eastwest.n_addresses);
        for (size_t k = 0; k < mm->eastwest.n_addresses; k++)
            say(b, mm->eastwest.addresses[k]);
        note_machines(p->graph[i].machines, b);
    }
}

static void add_remote(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    const struct mesh_member *primary = mesh_primary_of(p, mm);
    t->primary = primary->name;
    t->istiod_addresses = primary->eastwest.addresses;
    t->n_istiod_addresses = primary->eastwest.n_addresses;
}

/* Also those whose address is not known yet: what they need of the API comes with the rest of the install. */
static void add_gateways(struct mesh_pass *p, size_t at, struct istio_target *t)
{
    struct istio_network_gateway *all = arena_array(p->arena, p->n_members + 1, sizeof *all);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        if (!mm->need.whole_mesh || !topo_needs_gateway_of(p->graph, p->n_members, at, i))
            continue;
        all[t->n_network_gateways++] = (struct istio_network_gateway){
            .name = arena_printf(p->arena, MESH_NETWORK_GATEWAY "%s", mm->name),
            .network = mm->network,
            .addresses = mm->eastwest.addresses,
            .n_addresses = mm->eastwest.n_addresses,
            .port = mm->eastwest.port,
        };
    }
    t->network_gateways = all;
}

/* What a Remote's gateways let through is configured in its Primary. */
static void add_remote_gateways(struct mesh_pass *p, const struct mesh_member *mm,
                                struct istio_target *t)
{
    struct istio_gateway *all = NULL;
    for (size_t i = 0; i < p->n_members; i++) {
        struct istio_target of = {0};
        if (mesh_member_leaves(&p->members[i]) || mesh_primary_of(p, &p->members[i]) != mm)
            continue;
        mesh_gateways_target(p, &p->members[i], &of);
        struct istio_gateway *more =
            arena_array(p->arena, t->n_remote_gateways + of.n_gateways + 1, sizeof *more);
        for (size_t k = 0; k < t->n_remote_gateways; k++)
            more[k] = all[k];
        for (size_t k = 0; k < of.n_gateways; k++)
            more[t->n_remote_gateways++] = of.gateways[k];
        all = more;
    }
    t->remote_gateways = all;
}

void mesh_networks_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    t->role = mm->role;
    t->has_remotes = mm->need.webhooks;
    t->spans = topo_spans(p->graph, p->n_members,
                          mm->role == ISTIO_REMOTE ? mm->primary : (size_t)(mm - p->members));
    if (mm->role == ISTIO_REMOTE) {
        add_remote(p, mm, t);
        return;
    }
    add_gateways(p, (size_t)(mm - p->members), t);
    add_remote_gateways(p, mm, t);
}
