/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/machines.h"
#include "workloadgroup/pass.h"
#include "json/jx.h"

const struct gvr *workloadgroup_kind(void)
{
    return plan_gvr(ISTIO_NETWORKING, "WorkloadGroup");
}

const struct gvr *workloadgroup_entry_kind(void)
{
    return plan_gvr(ISTIO_NETWORKING, "WorkloadEntry");
}

struct workloadgroup_site *workloadgroup_site(struct workloadgroup *g, const char *cluster)
{
    struct workloadgroup_site *s;
    HASH_FIND_STR(g->sites, cluster, s);
    if (s)
        return s;
    s = xcalloc(1, sizeof *s + strlen(cluster) + 1);
    memcpy(s->cluster, cluster, strlen(cluster) + 1);
    HASH_ADD_STR(g->sites, cluster, s);
    return s;
}

bool workloadgroup_was_in(const struct workloadgroup *g, const char *cluster)
{
    struct workloadgroup_site *s;
    HASH_FIND_STR(g->sites, cluster, s);
    return s && s->grouped;
}

void workloadgroup_sites_done(struct workloadgroup *g)
{
    struct workloadgroup_site *s, *tmp;
    HASH_ITER (hh, g->sites, s, tmp) {
        HASH_DEL(g->sites, s);
        kept_drop(&g->manager->kept, &s->plan);
        entries_done(&s->entries);
        free(s);
    }
}

void workloadgroup_look(struct workloadgroup_pass *p, struct cluster *c)
{
    cluster_want(c, workloadgroup_kind(), CLUSTER_OURS);
    cluster_want(c, workloadgroup_entry_kind(), CLUSTER_ALL);
    manager_await_kind(workloadgroup_manager(p), c->key, API_KIND_WORKLOAD_GROUP, p->group->key);
}

bool workloadgroup_made(const struct workloadgroup_pass *p, struct cluster *c, const struct gvr *g,
                        const char *ns, const char *name)
{
    const struct records *all = cluster_records(c, g);
    struct kube_view v;
    return all && records_view(all, ns, name, &v) && v.meta.managed &&
           str_eq(v.meta.owner_uid, p->group->uid);
}

const struct hub_object *workloadgroup_mesh(const struct workloadgroup_pass *p)
{
    auto_free char *key = xasprintf("%s/%s", p->group->ns, p->cr->spec.mesh_ref->name);
    return hub_find(&workloadgroup_manager(p)->hub, API_KIND_MESH, key);
}

const char *workloadgroup_revision(const struct workloadgroup_pass *p)
{
    const struct hub_object *mesh = workloadgroup_mesh(p);
    return mesh ? jx_str(mesh->obj, "spec.revision") : NULL;
}

bool workloadgroup_identity_shared(const struct workloadgroup_pass *p)
{
    const struct hub_object *all = workloadgroup_manager(p)->hub.kinds[API_KIND_WORKLOAD_GROUP].all;
    for (const struct hub_object *o = all; o; o = o->hh.next)
        if (o != p->object && machines_of_mesh(o, p->group->ns, p->cr->spec.mesh_ref->name) &&
            str_eq(machines_namespace(o->obj), p->ns) &&
            str_eq(machines_account(o->obj), p->account))
            return true;
    return false;
}

bool workloadgroup_account_alone(const struct workloadgroup_pass *p, struct cluster *c)
{
    const struct gvr *accounts = plan_gvr("v1", "ServiceAccount");
    return workloadgroup_made(p, c, accounts, p->ns, p->account) &&
           !workloadgroup_identity_shared(p);
}
