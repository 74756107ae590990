/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/routed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/plan.h"

enum { RETRY_MS = 5000 };

struct gateway_routed {
    struct gateway *gateway;
    struct cluster_task task; /* while call is not NULL */
    struct kube_call *call;
    json_t *spec;
    char version[32]; /* of the record for which it was read, or is */
    int64_t retry_ms; /* after a failure: not before */
    bool asked;       /* for, since the last sweep */
    UT_hash_handle hh;
    char key[]; /* "cluster/namespace/name" */
};

static void drop(struct cluster_task *t)
{
    struct gateway_routed *r =
        (struct gateway_routed *)((char *)t - offsetof(struct gateway_routed, task));
    r->call = NULL; /* the client ended it */
    r->version[0] = '\0';
}

static void routed_free(struct gateway_routed *r)
{
    HASH_DEL(r->gateway->routed, r);
    if (r->call) {
        cluster_task_end(&r->task);
        kube_call_cancel(r->call);
    }
    json_decref(r->spec);
    free(r);
}

static void on_read(void *arg, const struct kube_response *resp, const struct err *err)
{
    struct gateway_routed *r = arg;
    cluster_task_end(&r->task);
    r->call = NULL;
    if (err) {
        r->version[0] = '\0';
        r->retry_ms = clock_ms(r->gateway->manager->clock) + RETRY_MS;
        manager_enqueue(r->gateway->manager, API_KIND_GATEWAY, r->gateway->key, RETRY_MS);
        return;
    }
    json_decref(r->spec);
    r->spec = json_pack("{s:O*, s:O*}", "selector", jx_get(resp->body, "spec.selector"), "ports",
                        jx_get(resp->body, "spec.ports"));
    manager_enqueue(r->gateway->manager, API_KIND_GATEWAY, r->gateway->key, 0);
}

static void read_service(struct gateway_routed *r, struct cluster *c, const struct gvr *g,
                         const char *ns, const char *name)
{
    auto_free char *path = gvr_path(g, ns, name);
    struct kube_request q = {.method = "GET", .path = path};
    cluster_task_begin(c, &r->task, drop);
    r->call = kube_call(c->client, &q, on_read, r);
}

static struct gateway_routed *routed_get(struct gateway *g, const char *cluster, const char *ns,
                                         const char *name)
{
    auto_free char *key = xasprintf("%s/%s/%s", cluster, ns, name);
    struct gateway_routed *r;
    HASH_FIND_STR(g->routed, key, r);
    if (r)
        return r;
    r = xcalloc(1, sizeof *r + strlen(key) + 1);
    r->gateway = g;
    memcpy(r->key, key, strlen(key) + 1);
    HASH_ADD_STR(g->routed, key, r);
    return r;
}

const json_t *gateway_routed_spec(struct gateway *g, struct cluster *c, const char *ns,
                                  const char *name)
{
    struct gateway_routed *r = routed_get(g, c->name, ns, name);
    const struct gvr *services = plan_gvr("v1", "Service");
    const struct records *all = cluster_records(c, services);
    struct kube_view v;
    r->asked = true;
    if (r->call || !cluster_ready(c) || !all || !records_view(all, ns, name, &v) ||
        str_eq(v.meta.rv, r->version) || clock_ms(g->manager->clock) < r->retry_ms)
        return r->spec;
    snprintf(r->version, sizeof r->version, "%s", str_or(v.meta.rv, ""));
    read_service(r, c, services, ns, name);
    return r->spec;
}

void gateway_routed_sweep(struct gateway *g)
{
    struct gateway_routed *r, *tmp;
    HASH_ITER (hh, g->routed, r, tmp) {
        if (!r->asked)
            routed_free(r);
        else
            r->asked = false;
    }
}

void gateway_routed_done(struct gateway *g)
{
    while (g->routed)
        routed_free(g->routed);
}
