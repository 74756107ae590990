/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "membercluster/status.h"
#include "mesh/mesh.h"
#include "mesh/revoked.h"
#include "runtime/conditions.h"
#include "json/jx.h"

enum { BUSY_MS = 500, RESYNC_MS = 300000, LEAVING_POLL_MS = 1000 };

/* --- state per mesh --- */

static struct mesh *mesh_get(struct manager *m, const struct hub_object *o)
{
    struct mesh *mesh;
    HASH_FIND_STR(m->meshes, o->key, mesh);
    if (mesh)
        return mesh;
    mesh = xcalloc(1, sizeof *mesh + strlen(o->key) + 1);
    *mesh = (struct mesh){.manager = m};
    memcpy(mesh->key, o->key, strlen(o->key) + 1);
    mesh->ns = xstrdup(str_or(jx_str(o->obj, "metadata.namespace"), ""));
    mesh->name = xstrdup(jx_str(o->obj, "metadata.name"));
    mesh->uid = xstrdup(str_or(jx_str(o->obj, "metadata.uid"), ""));
    mesh->born_ms = clock_ms(m->clock);
    HASH_ADD_STR(m->meshes, key, mesh);
    return mesh;
}

static void mesh_free(struct manager *m, struct mesh *mesh)
{
    HASH_DEL(m->meshes, mesh);
    mesh_root_done(&mesh->root);
    istiod_views_done(mesh);
    mesh_plans_done(mesh);
    free(mesh->ns);
    free(mesh->name);
    free(mesh->uid);
    free(mesh);
}

static void mesh_forget(struct manager *m, const char *key)
{
    struct mesh *mesh;
    HASH_FIND_STR(m->meshes, key, mesh);
    if (mesh)
        mesh_free(m, mesh);
}

void mesh_forget_all(struct manager *m)
{
    while (m->meshes)
        mesh_free(m, m->meshes);
}

/* --- deletion --- */

/* A cluster that is gone must not hold a deletion for ever: after the grace period it is left as it is. */
static bool grace_over(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    int64_t now = clock_ms(mesh->manager->clock);
    if (!mesh->leaving_ms)
        mesh->leaving_ms = now;
    return now - mesh->leaving_ms >= (int64_t)mesh->manager->options->cleanup_grace_s * 1000;
}

static void finalize(struct mesh_pass *p)
{
    if (!hub_has_finalizer(p->object))
        return;
    p->mesh->leaving = true;
    if (p->cr->spec.deletion_policy == API_MESH_DELETION_POLICY_RETAIN) {
        hub_set_finalizer(p->object, false);
        return;
    }
    mesh_observe(p);
    mesh_prune(p, true);
    pass_again(p, LEAVING_POLL_MS);
    bool given_up = p->out_of_reach && p->leftovers == 0 && grace_over(p);
    if (p->leftovers > 0 || (p->out_of_reach && !given_up)) {
        hub_say_leaving(p->object, "what the mesh made", p->out_of_reach);
        return;
    }
    if (given_up)
        hub_event(p->object, true, "LeftBehind",
                  "a cluster can't be reached; what the mesh made there was left behind. When it "
                  "is back, delete what "
                  "has the label " PLAN_LABEL_MESH " of this mesh");
    if (mesh_root_delete(p))
        hub_set_finalizer(p->object, false);
}

/* --- reconcile --- */

static void work(struct mesh_pass *p)
{
    mesh_observe(p);
    if (p->cr->spec.suspend) {
        p->stop_reason = "Suspended";
        p->stop_message = "spec.suspend is true: live objects stay as they are";
    }
    mesh_root_refresh(p);
    mesh_plan(p);
    mesh_execute(p);
    mesh_trust_settled(p);
    if (!p->stop_reason)
        mesh_prune(p, false);
    mesh_root_drop_key(p->mesh);
    for (size_t i = 0; i < p->n_members; i++)
        istiod_view_refresh(p, &p->members[i]);
    mesh_report(p);
    mesh_revoked_told(p);
    pass_again(p, RESYNC_MS);
}

static int64_t pass(struct mesh *mesh, struct hub_object *o, const struct api_mesh *cr,
                    struct arena *a)
{
    struct mesh_pass p = {.mesh = mesh, .object = o, .cr = cr, .arena = a};
    mesh->looked_rev = mesh->manager->hub.spec_rev;
    if (cr->meta.deleting)
        finalize(&p);
    else if (!hub_has_finalizer(o))
        hub_set_finalizer(o, true); /* before anything is made: what is made must be found again */
    else
        work(&p);
    return p.again_ms;
}

int64_t mesh_reconcile(struct manager *m, const char *key)
{
    struct hub_object *o = hub_find(&m->hub, API_KIND_MESH, key);
    if (!o) {
        mesh_forget(m, key);
        return 0;
    }
    if (hub_busy(o))
        return BUSY_MS;
    auto_arena a = ARENA_INIT;
    struct api_mesh *cr;
    struct err err = {0};
    if (api_mesh_decode(o->obj, &a, &cr, &err) < 0) {
        auto_json *status = member_status_invalid(o, m->clock, &err);
        json_t *revoked = json_object_get(json_object_get(o->obj, "status"), "revoked");
        if (revoked) /* the record of it: nothing else has it */
            json_object_set(status, "revoked", revoked);
        hub_set_status(o, status);
        return 0;
    }
    struct mesh *mesh = mesh_get(m, o);
    if (!str_eq(mesh->uid, cr->meta.uid)) { /* deleted and made anew under the same name */
        mesh_free(m, mesh);
        mesh = mesh_get(m, o);
    }
    return pass(mesh, o, cr, &a);
}
