/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/machines.h"
#include "mesh/ties.h"
#include "topology/revoked.h"
#include "json/jx.h"

/* --- what a mesh has revoked: from its status and from the groups that name it --- */

struct revoked {
    struct topo_revoked *all;
    size_t n;
    bool full;
};

struct reading {
    const struct manager *manager;
    struct arena *arena;
    const struct hub_object *mesh;
    const char *domain, *now;
    struct topo_revoked *old, *ended;
    struct topo_identity *named;
    size_t n_old, n_ended, n_named;
};

static void read_status(struct reading *x)
{
    const json_t *list = jx_get(x->mesh->obj, "status.revoked");
    size_t i;
    json_t *v;
    x->old = arena_array(x->arena, json_array_size(list) + 1, sizeof *x->old);
    json_array_foreach (list, i, v) {
        const char *domain = jx_str(v, "trustDomain");
        x->old[x->n_old++] = (struct topo_revoked){
            {str_or(domain, x->domain), jx_str(v, "namespace"), jx_str(v, "serviceAccount")},
            jx_str(v, "group"),
            jx_str(v, "since")};
    }
}

/* As whom its machines are known now: what its status says, as long as that was not changed to what the spec says. */
static struct topo_identity present(const struct reading *x, const json_t *group)
{
    return (struct topo_identity){
        x->domain, str_or(jx_str(group, "status.namespace"), machines_namespace(group)),
        str_or(jx_str(group, "status.serviceAccount"), machines_account(group))};
}

static struct topo_identity wanted(const struct reading *x, const json_t *group)
{
    return (struct topo_identity){x->domain, machines_namespace(group), machines_account(group)};
}

/* Whether its present identity comes to an end. With Retain all that the group made goes on as it is. */
static bool ends(const struct reading *x, const json_t *group)
{
    const struct topo_identity now = present(x, group), then = wanted(x, group);
    if (!jx_bool(group, "status.accountMade", false))
        return false;
    return hub_is_going(group) ? !str_eq(jx_str(group, "spec.deletionPolicy"), "Retain")
                               : !topo_identity_same(&now, &then);
}

static void read_group(struct reading *x, const json_t *group)
{
    if (!hub_is_going(group))
        x->named[x->n_named++] = wanted(x, group);
    if (ends(x, group))
        x->ended[x->n_ended++] =
            (struct topo_revoked){present(x, group), jx_str(group, "metadata.name"), x->now};
}

static void read_groups(struct reading *x)
{
    const struct hub_object *all = x->manager->hub.kinds[API_KIND_WORKLOAD_GROUP].all;
    const char *ns = str_or(jx_str(x->mesh->obj, "metadata.namespace"), "");
    size_t room = HASH_COUNT(all) + 1;
    x->named = arena_array(x->arena, room, sizeof *x->named);
    x->ended = arena_array(x->arena, room, sizeof *x->ended);
    for (const struct hub_object *o = all; o; o = o->hh.next)
        if (hub_in_namespace(o, ns) &&
            str_eq(jx_str(o->obj, "spec.meshRef.name"), ties_name(x->mesh)))
            read_group(x, o->obj);
}

static struct reading read_mesh(const struct manager *m, struct arena *a,
                                const struct hub_object *mesh)
{
    struct reading x = {.manager = m, .arena = a, .mesh = mesh};
    char *now = arena_alloc(a, CLOCK_RFC3339_MAX);
    clock_format(clock_s(m->clock), now);
    x.now = now;
    x.domain = ties_trust_domain(a, mesh->obj);
    read_status(&x);
    read_groups(&x);
    return x;
}

static struct revoked revoked_of(const struct manager *m, struct arena *a,
                                 const struct hub_object *mesh)
{
    struct revoked r = {0};
    if (!m->hub.kinds[API_KIND_WORKLOAD_GROUP].all && !jx_get(mesh->obj, "status.revoked"))
        return r;
    struct reading x = read_mesh(m, a, mesh);
    r.n = topo_revoked_merge(a, x.old, x.n_old, x.ended, x.n_ended, x.named, x.n_named, &r.all,
                             &r.full);
    return r;
}

/* --- those that concern a mesh: its own, and those of the meshes that it trusts --- */

static bool trusts(struct mesh_pass *p, const struct hub_object *peer)
{
    const struct ties *t = mesh_tied(p) ? mesh_ties(p) : NULL;
    return t && ties_mesh(t->manager, t->ns, ties_name(peer)) == peer &&
           topo_trusts(t->trusts, t->n_trusts, p->mesh->name, ties_name(peer));
}

static void add(struct mesh_pass *p, const struct hub_object *mesh, const struct revoked *r)
{
    struct istio_revoked *all = arena_array(p->arena, p->n_refused + r->n + 1, sizeof *all);
    for (size_t i = 0; i < p->n_refused; i++)
        all[i] = p->refused[i];
    for (size_t i = 0; i < r->n; i++)
        all[p->n_refused++] = (struct istio_revoked){ties_name(mesh), r->all[i].id.trust_domain,
                                                     r->all[i].id.ns, r->all[i].id.account};
    p->refused = all;
}

static int by_name(const void *a, const void *b)
{
    const struct istio_revoked *x = a, *y = b;
    int c = str_cmp(x->mesh, y->mesh);
    c = c ? c : str_cmp(x->ns, y->ns);
    c = c ? c : str_cmp(x->account, y->account);
    return c ? c : str_cmp(x->trust_domain, y->trust_domain);
}

/* Once in a pass. */
static void gather(struct mesh_pass *p)
{
    const struct manager *m = p->mesh->manager;
    if (p->refused)
        return;
    p->refused = arena_array(p->arena, 1, sizeof *p->refused);
    for (const struct hub_object *o = m->hub.kinds[API_KIND_MESH].all; o; o = o->hh.next) {
        if (o != p->object && !(hub_in_namespace(o, p->mesh->ns) && trusts(p, o)))
            continue;
        struct revoked r = revoked_of(m, p->arena, o);
        add(p, o, &r);
    }
    qsort((void *)(uintptr_t)p->refused, p->n_refused, sizeof *p->refused, by_name);
}

void mesh_revoked_note(struct mesh_pass *p, struct buf *b)
{
    gather(p);
    say_number(b, (int64_t)p->n_refused);
    for (size_t i = 0; i < p->n_refused; i++) {
        say(b, p->refused[i].mesh);
        say(b, p->refused[i].trust_domain);
        say(b, p->refused[i].ns);
        say(b, p->refused[i].account);
    }
}

void mesh_revoked_target(struct mesh_pass *p, struct istio_target *t)
{
    gather(p);
    t->revoked = p->refused;
    t->n_revoked = p->n_refused;
}

/* --- what stays --- */

/* The mesh whose identity a policy refuses, by its name; NULL: none that counts here any more. */
static const struct hub_object *mesh_of(struct mesh_pass *p, const char *policy)
{
    const char *rest = policy + sizeof ISTIO_REVOKED - 1;
    auto_free char *name = xstrndup(rest, strcspn(rest, "."));
    if (str_eq(name, p->mesh->name))
        return p->object;
    const struct hub_object *o = ties_mesh(p->mesh->manager, p->mesh->ns, name);
    return o && trusts(p, o) ? o : NULL;
}

bool mesh_revoked_holds(struct mesh_pass *p, const struct kube_view *v)
{
    if (plan_wave_of(v->meta.wave) != PLAN_GUARD || !str_starts(v->meta.name, ISTIO_REVOKED))
        return false;
    const struct hub_object *mesh = mesh_of(p, v->meta.name);
    if (!mesh)
        return false; /* its root is not trusted here */
    struct reading x = read_mesh(p->mesh->manager, p->arena, mesh);
    for (size_t i = 0; i < x.n_named; i++)
        if (str_eq(v->meta.name, istio_revoked_name(p->arena, ties_name(mesh), x.named[i].ns,
                                                    x.named[i].account)))
            return false;
    return true;
}

/* --- status --- */

static const char *const too_many =
    "status.revoked of the Mesh is full, so an identity can't be revoked; next: write a "
    "WorkloadGroup for an identity on it that may be used again, or give the mesh a new root";

void mesh_revoked_status(struct mesh_pass *p, json_t *status)
{
    struct revoked r = revoked_of(p->mesh->manager, p->arena, p->object);
    json_t *list = r.n ? json_array() : NULL;
    for (size_t i = 0; i < r.n; i++) {
        const struct topo_revoked *x = &r.all[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "trustDomain",
                                        x->id.trust_domain, "namespace", x->id.ns, "serviceAccount",
                                        x->id.account, "group", x->group, "since", x->since));
    }
    if (list)
        json_object_set_new(status, "revoked", list);
}

/* Since when is not a part of it: what is new has another time in each pass until it is written. */
void mesh_revoked_say(struct mesh_pass *p, struct buf *b)
{
    struct revoked r = revoked_of(p->mesh->manager, p->arena, p->object);
    say_number(b, (int64_t)r.n);
    for (size_t i = 0; i < r.n; i++) {
        say(b, r.all[i].id.trust_domain);
        say(b, r.all[i].id.ns);
        say(b, r.all[i].id.account);
    }
}

/* --- whether it is done --- */

static bool on_record(const struct reading *x, const char *ns, const char *account)
{
    const struct topo_identity id = {x->domain, ns, account};
    for (size_t i = 0; i < x->n_old; i++)
        if (topo_identity_same(&x->old[i].id, &id))
            return true;
    return false;
}

static bool named(const struct reading *x, const char *ns, const char *account)
{
    const struct topo_identity id = {x->domain, ns, account};
    for (size_t i = 0; i < x->n_named; i++)
        if (topo_identity_same(&x->named[i], &id))
            return true;
    return false;
}

/* What is looked for in the clusters. */
struct wanted_policy {
    const char *name;
    const char *principal; /* as its text has it */
};

static const struct plan_object *planned(const struct mesh_kept *k, const struct wanted_policy *w)
{
    size_t len;
    for (size_t i = 0; i < k->plan.n; i++)
        if (k->plan.objects[i]->wave == PLAN_GUARD && str_eq(k->plan.objects[i]->name, w->name))
            return strstr(kept_text(k->plan.objects[i], &len), w->principal) ? k->plan.objects[i]
                                                                             : NULL;
    return NULL;
}

static bool refused_in(struct cluster *c, const struct mesh_kept *k, const struct wanted_policy *w)
{
    const struct plan_object *o = planned(k, w);
    const struct records *all = o ? cluster_records(c, o->gvr) : NULL;
    struct kube_view v;
    return all && records_view(all, o->ns, o->name, &v) && str_eq(v.meta.intent, o->intent);
}

static const char *member_waits(const struct mesh *mesh, const struct mesh_kept *k,
                                const struct wanted_policy *w)
{
    struct cluster *c = manager_cluster(mesh->manager, mesh->ns, k->name);
    if (k->pass != mesh->passes || !k->works || k->remote || !c)
        return NULL;
    if (!cluster_ready(c))
        return cluster_settled(c) ? NULL : "a cluster was not looked at yet";
    return refused_in(c, k, w) ? NULL : "a cluster does not refuse the identity yet";
}

static const char *mesh_waits(const struct mesh *mesh, const struct wanted_policy *w)
{
    if (!mesh || !mesh->passed)
        return "a mesh was not looked at yet";
    if (mesh->idle)
        return NULL;
    if (mesh->root.state == ROOT_UNREAD)
        return "the root of a mesh was not read yet";
    for (const struct mesh_kept *k = mesh->kept; k; k = k->hh.next) {
        const char *why = member_waits(mesh, k, w);
        if (why)
            return why;
    }
    return NULL;
}

/* In the mesh itself, and in every one that trusts it. */
static const char *everywhere_waits(struct manager *m, struct arena *a,
                                    const struct hub_object *mesh, const struct wanted_policy *w)
{
    const char *ns = jx_str(mesh->obj, "metadata.namespace"), *name = ties_name(mesh);
    const char *why = mesh_waits(ties_state(m, ns, name), w);
    const struct ties *t = ties_bound(m, ns, name) ? ties_of(m, a, ns) : NULL;
    for (const struct hub_object *o = m->hub.kinds[API_KIND_MESH].all; t && o && !why;
         o = o->hh.next)
        if (o != mesh && ties_mesh(m, ns, ties_name(o)) == o &&
            topo_trusts(t->trusts, t->n_trusts, ties_name(o), name))
            why = mesh_waits(ties_state(m, ns, ties_name(o)), w);
    return why;
}

const char *mesh_revoked_waits(struct manager *m, const char *mesh_key, const char *ns,
                               const char *account)
{
    const struct hub_object *mesh = hub_find(&m->hub, API_KIND_MESH, mesh_key);
    if (!mesh || hub_is_going(mesh->obj))
        return NULL;
    auto_arena a = ARENA_INIT;
    struct reading x = read_mesh(m, &a, mesh);
    if (named(&x, ns, account))
        return NULL;
    if (!on_record(&x, ns, account))
        return revoked_of(m, &a, mesh).full ? too_many
                                            : "the Mesh does not have it in status.revoked yet";
    const struct wanted_policy w = {istio_revoked_name(&a, ties_name(mesh), ns, account),
                                    arena_printf(&a, "\"%s/ns/%s/sa/%s\"", x.domain, ns, account)};
    return everywhere_waits(m, &a, mesh, &w);
}

bool mesh_revoked_settled(struct manager *m, const char *mesh_key, const char *ns,
                          const char *account)
{
    return !mesh_revoked_waits(m, mesh_key, ns, account);
}

/* --- who waits --- */

static void wake(struct mesh_pass *p, const struct hub_object *group)
{
    struct manager *m = p->mesh->manager;
    const struct reading x = {.domain = ""};
    if (!hub_in_namespace(group, p->mesh->ns) || !ends(&x, group->obj))
        return;
    const struct topo_identity id = present(&x, group->obj);
    const char *mesh = jx_str(group->obj, "spec.meshRef.name");
    auto_free char *key = xasprintf("%s/%s", p->mesh->ns, str_or(mesh, ""));
    if (mesh_revoked_settled(m, key, id.ns, id.account))
        manager_enqueue(m, API_KIND_WORKLOAD_GROUP, group->key, 0);
}

static void warn_full(struct mesh_pass *p)
{
    bool full = revoked_of(p->mesh->manager, p->arena, p->object).full;
    if (full && !p->mesh->revoked_full)
        hub_event(p->object, true, "RevokedFull", too_many);
    p->mesh->revoked_full = full;
}

void mesh_revoked_told(struct mesh_pass *p)
{
    struct manager *m = p->mesh->manager;
    p->mesh->passed = true;
    p->mesh->idle = p->stop_reason || p->mesh->root.state == ROOT_FAILED;
    for (const struct hub_object *o = m->hub.kinds[API_KIND_WORKLOAD_GROUP].all; o; o = o->hh.next)
        wake(p, o);
    warn_full(p);
}
