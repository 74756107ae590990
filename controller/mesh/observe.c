/* SPDX-License-Identifier: Apache-2.0 */
/* From specs and records to facts: who the members are, and what forbids to work on them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/mesh.h"
#include "json/jx.h"

static void stop(struct mesh_pass *p, const char *reason, bool stalled, const char *message)
{
    if (p->stop_reason)
        return;
    p->stop_reason = reason;
    p->stop_message = arena_strdup(p->arena, message);
    p->stop_stalled = stalled;
}

void mesh_member_block(struct mesh_pass *p, struct mesh_member *mm, const char *reason,
                       bool stalled, const char *message)
{
    mm->blocked_reason = reason;
    mm->blocked_message = message;
    if (p->unresolved)
        return;
    p->unresolved = message;
    p->unresolved_reason = reason;
    p->unresolved_stalled = stalled;
}

void mesh_forbid(struct mesh_pass *p, struct mesh_member *mm, const char *reason, bool stalled,
                 const char *message)
{
    if (!mm) {
        stop(p, reason, stalled, message);
        return;
    }
    const char *before = mm->blocked_reason, *said = mm->blocked_message;
    mesh_member_block(p, mm, reason, stalled, message);
    if (before || mm->installed) {
        mm->blocked_reason = before;
        mm->blocked_message = said;
    }
}

/* --- who --- */

static bool selected(const struct api_mesh *cr, const json_t *member)
{
    const json_t *want = cr->spec.cluster_selector ? cr->spec.cluster_selector->match_labels : NULL;
    return topo_labels_match(jx_get(member, "metadata.labels"), want);
}

static void add(struct mesh_pass *p, const char *name, const struct api_mesh_clusters *spec)
{
    if (p->n_members < MESH_MEMBERS_MAX)
        p->members[p->n_members++] = (struct mesh_member){.name = name, .spec = spec};
}

static void list_members(struct mesh_pass *p)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    p->members = arena_array(p->arena, MESH_MEMBERS_MAX, sizeof *p->members);
    for (size_t i = 0; i < s->n_clusters; i++)
        add(p, s->clusters[i].name, &s->clusters[i]);
    if (!s->cluster_selector)
        return;
    struct hub *hub = &p->mesh->manager->hub;
    for (const struct hub_object *o = hub->kinds[API_KIND_MEMBER_CLUSTER].all; o; o = o->hh.next)
        if (hub_in_namespace(o, p->mesh->ns) && selected(p->cr, o->obj))
            add(p, jx_str(o->obj, "metadata.name"), NULL);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct mesh_member *)a)->name, ((const struct mesh_member *)b)->name);
}

/* --- claims of all meshes of the namespace --- */

struct mesh_member *mesh_member_find(const struct mesh_pass *p, const char *name)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (str_eq(p->members[i].name, name))
            return &p->members[i];
    return NULL;
}

static size_t claims_of(struct mesh_pass *p, const struct hub_object *o, struct topo_claim *out,
                        size_t room)
{
    size_t n = 0, i;
    json_t *c;
    const char *name = jx_str(o->obj, "metadata.name"), *uid = jx_str(o->obj, "metadata.uid");
    const char *created = jx_str(o->obj, "metadata.creationTimestamp");
    if (hub_is_going(o->obj))
        return 0;
    json_array_foreach (jx_get(o->obj, "spec.clusters"), i, c) {
        if (n < room && mesh_member_find(p, jx_str(c, "name")))
            out[n++] = (struct topo_claim){name, uid, created, jx_str(c, "name")};
    }
    if (!jx_get(o->obj, "spec.clusterSelector"))
        return n;
    for (size_t k = 0; k < p->n_members && n < room; k++) {
        auto_free char *key = xasprintf("%s/%s", p->mesh->ns, p->members[k].name);
        const struct hub_object *mo =
            hub_find(&p->mesh->manager->hub, API_KIND_MEMBER_CLUSTER, key);
        if (mo && topo_labels_match(jx_get(mo->obj, "metadata.labels"),
                                    jx_get(o->obj, "spec.clusterSelector.matchLabels")))
            out[n++] = (struct topo_claim){name, uid, created, p->members[k].name};
    }
    return n;
}

/* Claims follow from specs: as long as none is edited, who was alone stays alone. */
static void check_claims(struct mesh_pass *p)
{
    enum { ROOM = 1024 };
    bool alone = true;
    if (p->mesh->claims_rev == p->mesh->manager->hub.spec_rev)
        return;
    struct topo_claim *claims = arena_array(p->arena, ROOM, sizeof *claims);
    size_t n = 0;
    for (const struct hub_object *o = p->mesh->manager->hub.kinds[API_KIND_MESH].all; o;
         o = o->hh.next)
        if (hub_in_namespace(o, p->mesh->ns))
            n += claims_of(p, o, claims + n, ROOM - n);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct topo_claim *w = topo_claim_winner(claims, n, p->members[i].name);
        if (!w || str_eq(w->uid, p->cr->meta.uid))
            continue;
        alone = false;
        mesh_member_block(
            p, &p->members[i], "ClusterInOtherMesh", true,
            arena_printf(p->arena,
                         "cluster %s is in Mesh %s, which is older; a cluster holds one "
                         "mesh's control plane: "
                         "remove it from one of the two",
                         p->members[i].name, w->mesh));
    }
    p->mesh->claims_rev = alone ? p->mesh->manager->hub.spec_rev : 0;
}

/* --- what each member is --- */

static void describe(struct mesh_pass *p, struct mesh_member *mm)
{
    struct manager *m = p->mesh->manager;
    struct cluster *c = manager_cluster(m, p->mesh->ns, mm->name);
    mm->network = mm->cr->spec.network ? mm->cr->spec.network : mm->name;
    mm->uid = mm->cr->status ? jx_str(mm->cr->status, "clusterID") : NULL;
    mm->cluster = c;
    if (!c || !c->client)
        return;
    mm->uid = c->uid ? c->uid : mm->uid;
    mm->ca = kube_client_ca(c->client);
    mm->server = mm->cr->spec.advertised_server ? mm->cr->spec.advertised_server
                                                : kube_client_server(c->client);
    mm->installed = cluster_holds(c, p->cr->meta.uid);
}

static bool is_remote(const struct mesh_member *mm)
{
    return mm->spec && mm->spec->role == API_MESH_CLUSTERS_ROLE_REMOTE;
}

/* Its istiod reads this member's API server. */
static bool other_primary(const struct mesh_pass *p, const struct mesh_member *mm)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (&p->members[i] != mm && !is_remote(&p->members[i]))
            return true;
    return false;
}

static void resolve(struct mesh_pass *p, struct mesh_member *mm)
{
    auto_free char *key = xasprintf("%s/%s", p->mesh->ns, mm->name);
    struct hub_object *o = hub_find(&p->mesh->manager->hub, API_KIND_MEMBER_CLUSTER, key);
    struct api_member_cluster *cr;
    struct err err = {0};
    manager_await(p->mesh->manager, key, p->mesh->key);
    if (!o) {
        mesh_member_block(
            p, mm, "ClusterNotFound", false,
            arena_printf(
                p->arena,
                "there is no MemberCluster %s in namespace %s; next: create it, or take it out of "
                "spec.clusters",
                mm->name, p->mesh->ns));
        return;
    }
    if (api_member_cluster_decode(o->obj, p->arena, &cr, &err) < 0) {
        mesh_member_block(p, mm, "ClusterInvalid", false,
                          arena_printf(p->arena, "MemberCluster %s: %s", mm->name, err.msg));
        return;
    }
    mm->cr = cr;
    describe(p, mm);
    if (cr->meta.deleting) {
        mm->blocked_reason = MESH_MEMBER_LEAVING; /* others go on; this one is emptied */
        mm->blocked_message = arena_printf(p->arena, "MemberCluster %s is being deleted", mm->name);
    } else if (cr->spec.in_cluster && !cr->spec.advertised_server && other_primary(p, mm)) {
        mesh_member_block(
            p, mm, "AdvertisedServerMissing", true,
            arena_printf(
                p->arena,
                "cluster %s is the hub itself; other clusters need an address of its API server: "
                "set spec.advertisedServer of its MemberCluster",
                mm->name));
    }
}

/* --- what the spec asks that can't be done --- */

static void check_spec(struct mesh_pass *p)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    struct err err = {0};
    if (api_mesh_validate(p->cr, &err) < 0)
        stop(p, "Invalid", true, err.msg);
    if (s->data_plane == API_MESH_DATA_PLANE_AMBIENT)
        stop(p, "NotImplemented", true, "dataPlane Ambient is not supported yet; use Sidecar");
    if (s->trust && s->trust->issuer_ref)
        stop(p, "NotImplemented", true,
             "trust.issuerRef is not supported yet; use caSecretRef or leave trust out");
    if (p->n_members == 0)
        stop(p, "NoClusters", false, "spec.clusterSelector selects no MemberCluster");
    if (jx_get(s->mesh_config, "trustDomain") || jx_get(s->mesh_config, "defaultConfig.meshId"))
        stop(p, "Invalid", true,
             "meshConfig must not set trustDomain or defaultConfig.meshId; use spec.trust.domain");
    p->data = manager_istio_data(p->mesh->manager, s->version, &err);
    if (!p->data)
        stop(p, "VersionNotCarried", true, err.msg);
}

void mesh_observe(struct mesh_pass *p)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    p->trust_domain = s->trust && s->trust->domain
                          ? s->trust->domain
                          : arena_printf(p->arena, "%s.mesh", p->mesh->name);
    p->revision = str_or(s->revision, "");
    list_members(p);
    qsort(p->members, p->n_members, sizeof *p->members, by_name);
    for (size_t i = 0; i < p->n_members; i++)
        resolve(p, &p->members[i]);
    check_spec(p);
    check_claims(p);
    mesh_checks(p);
    mesh_networks_observe(p);
}
