/* SPDX-License-Identifier: Apache-2.0 */
/* What TrustBundles make of a mesh's trust: the roots of the meshes that it trusts, each bound to its own domain. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/mesh.h"
#include "mesh/ties.h"
#include "trustbundle/bundle.h"
#include "json/jx.h"

enum { ROOTS_MAX = 16 };

/* --- whom --- */

struct ties *mesh_ties(struct mesh_pass *p)
{
    if (!p->ties)
        p->ties = ties_of(p->mesh->manager, p->arena, p->mesh->ns);
    return p->ties;
}

/* Follows from resources alone: as long as none is edited it stays as it is. */
bool mesh_tied(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    uint64_t rev = mesh->manager->hub.spec_rev + 1;
    if (mesh->tied_rev != rev) {
        mesh->tied = ties_bound(mesh->manager, mesh->ns, mesh->name);
        mesh->tied_rev = rev;
    }
    return mesh->tied;
}

/* A mesh that this one trusts. */
struct trusted {
    const char *domain;
    const struct mesh_root *root; /* NULL: not read yet, or it can't be */
};

static int by_domain(const void *a, const void *b)
{
    return str_cmp(((const struct trusted *)a)->domain, ((const struct trusted *)b)->domain);
}

static size_t list_trusted(struct mesh_pass *p, struct trusted **ret)
{
    struct ties *t = mesh_ties(p);
    struct hub *hub = &p->mesh->manager->hub;
    struct trusted *all =
        arena_array(p->arena, HASH_COUNT(hub->kinds[API_KIND_MESH].all) + 1, sizeof *all);
    size_t n = 0;
    for (const struct hub_object *o = hub->kinds[API_KIND_MESH].all; o; o = o->hh.next) {
        const char *name = ties_name(o);
        if (ties_mesh(t->manager, t->ns, name) != o ||
            !topo_trusts(t->trusts, t->n_trusts, p->mesh->name, name))
            continue;
        const struct mesh *peer = ties_state(t->manager, t->ns, name);
        bool ready = peer && peer->root.state == ROOT_READY;
        all[n++] =
            (struct trusted){ties_trust_domain(p->arena, o->obj), ready ? &peer->root : NULL};
        /* It had a root, so there may be anchors of it. */
        p->trust_unsure |= !ready && jx_str(o->obj, "status.rootSHA256");
    }
    qsort(all, n, sizeof *all, by_domain);
    *ret = all;
    return n;
}

/* The fingerprints of the roots behind the anchors: what TrustBundles tell of. */
static void keep_fingerprints(struct mesh *mesh, const struct trusted *t, size_t n)
{
    struct buf b = BUF_INIT(1048576);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; t[i].root && k < ROOTS_MAX; k++) {
            struct pki_cert_info info;
            auto_free char *one = pki_cert_at(t[i].root->anchors, k);
            if (!one)
                break;
            if (pki_cert_info(one, &info, NULL) == 0)
                buf_printf(&b, "%s ", info.sha256);
        }
    free(mesh->trusts);
    mesh->trusts = buf_take(&b);
}

/* --- parts of the plan --- */

void mesh_trust_note(struct mesh_pass *p, struct buf *b)
{
    struct mesh *mesh = p->mesh;
    struct trusted *t = NULL;
    size_t n = mesh_tied(p) ? list_trusted(p, &t) : 0;
    auto_buf seen = BUF_INIT(1048576);
    say_number(b, mesh_tied(p) + 2 * p->trust_unsure);
    for (size_t i = 0; i < n; i++) {
        say(&seen, t[i].domain);
        say(&seen, t[i].root ? t[i].root->anchors : NULL);
    }
    if (!mesh_facts_take(&mesh->trust_seen, &seen) || !mesh->trusts)
        keep_fingerprints(mesh, t, n);
    say_number(b, (int64_t)mesh->trust_seen.rev);
    mesh_guard_note(p, b);
}

static void add_anchors(struct mesh_pass *p, const struct trusted *t)
{
    for (size_t k = 0; t->root && k < ROOTS_MAX; k++) {
        auto_free char *one = pki_cert_at(t->root->anchors, k);
        if (!one)
            return;
        auto_free char *anchor = pki_bound_anchor(one, t->domain, NULL); /* see its TrustBundle */
        if (anchor)
            p->anchors[p->n_anchors++] =
                (struct istio_anchor){t->domain, arena_strdup(p->arena, anchor)};
    }
}

/* Made once for all members of a pass. */
static void make_anchors(struct mesh_pass *p)
{
    struct trusted *t;
    size_t n = list_trusted(p, &t);
    p->anchors = arena_array(p->arena, n * ROOTS_MAX + 1, sizeof *p->anchors);
    for (size_t i = 0; i < n; i++)
        add_anchors(p, &t[i]);
}

void mesh_trust_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    if (!mesh_tied(p))
        return;
    if (!p->anchors)
        make_anchors(p);
    t->anchors = p->anchors;
    t->n_anchors = p->n_anchors;
    t->guarded = true;
    if (mm->role == ISTIO_PRIMARY)
        t->n_nameless = mesh_guard_ranges(p, mm, &t->nameless);
}

/* --- what must not go --- */

bool mesh_trust_holds(const struct mesh_pass *p, const struct plan_object *o)
{
    return p->trust_unsure && o->wave == PLAN_CONFIG;
}

/* --- what others want to know --- */

void mesh_trust_root_changed(struct mesh *mesh)
{
    if (!ties_bound(mesh->manager, mesh->ns, mesh->name))
        return;
    manager_enqueue_meshes(mesh->manager, mesh->ns, 0);
    trustbundle_enqueue_all(mesh->manager, mesh->ns);
}

/* Whether the member's configuration, with its anchors, is as wanted. */
static bool config_settled(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return mm->has_plan && !p->trust_unsure && cluster_ready(mm->cluster) &&
           (!mm->pending || mm->wave > PLAN_CONFIG);
}

void mesh_trust_settled(struct mesh_pass *p)
{
    bool changed = false;
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        struct mesh_kept *k = mm->kept;
        if (!k)
            continue;
        bool leaves = mesh_member_leaves(mm);
        changed |= k->leaves != leaves;
        k->leaves = leaves;
        if (!config_settled(p, mm) || str_eq(k->trusts, p->mesh->trusts))
            continue;
        free(k->trusts);
        k->trusts = xstrdup0(p->mesh->trusts);
        changed = true;
    }
    if (changed && mesh_tied(p))
        trustbundle_enqueue_all(p->mesh->manager, p->mesh->ns);
}
