/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the istiod replicas themselves, through the API server's pod proxy, which remote clusters they are in sync with
 * and how many proxies are connected: metrics istiod_remote_cluster_sync_status and pilot_xds on port 15014. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/istiod_metrics.h"
#include "mesh/mesh.h"
#include "json/jx.h"

enum {
    FAST_MS = 1000,
    SLOW_MS = 15000,
    DEAD_MS = 30000, /* a reading that was never answered */
    PODS_MAX = 5,
    METRICS_BYTES_MAX = 4 * 1048576,
};

struct poll {
    struct cluster_task task; /* first: the two addresses are one */
    struct manager *manager;
    char *mesh_key;
    char cluster[64];
    char pods[PODS_MAX][254];
    size_t n_pods, at;
    struct istiod_facts sum;
};

static void poll_free(struct poll *q)
{
    free(q->mesh_key);
    free(q);
}

static void poll_drop(struct cluster_task *t)
{
    poll_free((struct poll *)t);
}

static struct istiod_view *view_of(const struct mesh *mesh, const char *cluster)
{
    for (size_t i = 0; i < mesh->n_views; i++)
        if (str_eq(mesh->views[i]->cluster, cluster))
            return mesh->views[i];
    return NULL;
}

const char *mesh_istiod_name(const struct mesh_pass *p)
{
    return *p->revision ? arena_printf(p->arena, "istiod-%s", p->revision) : "istiod";
}

struct istiod_view *istiod_view_get(struct mesh *mesh, const char *cluster)
{
    struct istiod_view *v = view_of(mesh, cluster);
    if (v || mesh->n_views == MESH_MEMBERS_MAX)
        return v;
    v = mesh->views[mesh->n_views++] = xcalloc(1, sizeof *v);
    snprintf(v->cluster, sizeof v->cluster, "%s", cluster);
    return v;
}

void istiod_views_done(struct mesh *mesh)
{
    for (size_t i = 0; i < mesh->n_views; i++)
        free(mesh->views[i]);
    mesh->n_views = 0;
}

bool istiod_view_synced(const struct istiod_view *v, const char *peer)
{
    for (int i = 0; v && v->known && i < v->n_synced; i++)
        if (str_eq(v->synced[i], peer))
            return true;
    return false;
}

static bool same(const struct istiod_view *v, const struct istiod_facts *f)
{
    return v->known && v->replicas == f->replicas && v->proxies == f->proxies &&
           v->n_synced == f->n_synced &&
           memcmp(v->synced, f->synced, sizeof f->synced[0] * (size_t)f->n_synced) == 0;
}

static void finish(struct poll *q, bool answered)
{
    struct mesh *mesh;
    HASH_FIND_STR(q->manager->meshes, q->mesh_key, mesh);
    struct istiod_view *v = mesh ? view_of(mesh, q->cluster) : NULL;
    if (v) {
        v->polling = false;
        if (answered && q->sum.replicas > 0 && !same(v, &q->sum)) {
            v->known = true;
            v->replicas = q->sum.replicas;
            v->proxies = q->sum.proxies;
            v->n_synced = q->sum.n_synced;
            memcpy(v->synced, q->sum.synced, sizeof v->synced);
            manager_enqueue(q->manager, API_KIND_MESH, q->mesh_key, 0);
        }
    }
    cluster_task_end(&q->task);
    poll_free(q);
}

static void next_pod(struct poll *q);

static void on_metrics(void *arg, const struct kube_response *r, const struct err *err)
{
    struct poll *q = arg;
    if (!err)
        istiod_facts_add(&q->sum, r->raw, r->raw_len);
    next_pod(q);
}

static void next_pod(struct poll *q)
{
    if (q->at == q->n_pods) {
        finish(q, true);
        return;
    }
    auto_free char *path = xasprintf(
        "/api/v1/namespaces/" ISTIO_NAMESPACE "/pods/%s:15014/proxy/metrics", q->pods[q->at++]);
    struct kube_request req = {.method = "GET",
                               .path = path,
                               .accept = KUBE_ACCEPT_TEXT,
                               .raw = true,
                               .timeout_ms = 5000,
                               .max_bytes = METRICS_BYTES_MAX};
    kube_call(q->task.cluster->client, &req, on_metrics, q);
}

/* One that starts has not synchronised yet and one that ends does not matter: only those that serve are asked. */
static bool serves(const json_t *pod)
{
    size_t i;
    json_t *c;
    json_array_foreach (jx_get(pod, "status.conditions"), i, c) {
        if (str_eq(jx_str(c, "type"), "Ready") && str_eq(jx_str(c, "status"), "True"))
            return !jx_str(pod, "metadata.deletionTimestamp");
    }
    return false;
}

static void on_pods(void *arg, const struct kube_response *r, const struct err *err)
{
    struct poll *q = arg;
    size_t i;
    json_t *pod;
    json_array_foreach (err ? NULL : jx_get(r->body, "items"), i, pod) {
        const char *name = jx_str(pod, "metadata.name");
        if (name && q->n_pods < PODS_MAX && serves(pod))
            snprintf(q->pods[q->n_pods++], sizeof q->pods[0], "%s", name);
    }
    if (err)
        finish(q, false);
    else
        next_pod(q);
}

static void start(struct mesh_pass *p, struct mesh_member *mm)
{
    struct poll *q = xcalloc(1, sizeof *q);
    q->manager = p->mesh->manager;
    q->mesh_key = xstrdup(p->mesh->key);
    snprintf(q->cluster, sizeof q->cluster, "%s", mm->name);
    cluster_task_begin(mm->cluster, &q->task, poll_drop);
    mm->view->polling = true;
    mm->view->polled_ms = clock_ms(q->manager->clock);
    auto_free char *path =
        xasprintf("/api/v1/namespaces/" ISTIO_NAMESPACE
                  "/pods?labelSelector=app%%3Distiod,istio.io%%2Frev%%3D%s&limit=%d",
                  *p->revision ? p->revision : "default", 2 * PODS_MAX);
    struct kube_request req = {.method = "GET", .path = path};
    kube_call(mm->cluster->client, &req, on_pods, q);
}

static bool all_synced(const struct mesh_pass *p, const struct mesh_member *mm)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (&p->members[i] != mm && !p->members[i].blocked_reason &&
            !istiod_view_synced(mm->view, p->members[i].name))
            return false;
    return mm->view->known;
}

void istiod_view_refresh(struct mesh_pass *p, struct mesh_member *mm)
{
    mm->view = istiod_view_get(p->mesh, mm->name);
    if (!mm->view)
        return;
    if (mm->role == ISTIO_REMOTE) { /* its Primary's counts */
        mm->view->known = false;
        return;
    }
    if (!mm->cluster || !cluster_ready(mm->cluster) || !mm->istiod_available) {
        mm->view->known = mm->view->known && mm->istiod_available;
        return;
    }
    int64_t age = clock_ms(p->mesh->manager->clock) - mm->view->polled_ms;
    int64_t wait = all_synced(p, mm) ? SLOW_MS : FAST_MS;
    if (mm->view->polling && age < DEAD_MS)
        return;
    if (!mm->view->polled_ms || age >= wait) {
        start(p, mm);
        age = 0;
    }
    pass_again(p, wait - age);
}
