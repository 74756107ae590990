/* SPDX-License-Identifier: Apache-2.0 */
/* With opts.act: what a client sees of an istiod that runs. Its Deployment has a Pod, and that Pod's metrics, through
 * the pod proxy, say that it is in sync with every cluster of which it has a remote secret. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

#define ISTIO_SYSTEM "istio-system"

enum { METRICS_MAX = 1024 * 1024 };

static bool is_istiod(const struct sim_collection *at, const struct sim_object *o)
{
    return str_eq(at->kind->kind, "Deployment") && str_starts(o->key, ISTIO_SYSTEM "/istiod");
}

static char *pod_name(const struct sim_object *deployment)
{
    return xasprintf("%s-0", sim_object_name(deployment));
}

static void put_pod(struct sim_cluster *c, const json_t *deployment, const char *name)
{
    char uid[SIM_UUID], now[CLOCK_RFC3339_MAX];
    sim_uuid(uid);
    sim_now(now);
    auto_json *pod =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:s, s:O*}, s:O*, s:{s:s, s:[{s:s, s:s, s:s}]}}",
                  "apiVersion", "v1", "kind", "Pod", "metadata", "namespace", ISTIO_SYSTEM, "name",
                  name, "uid", uid, "creationTimestamp", now, "labels",
                  jx_get(deployment, "spec.template.metadata.labels"), "spec",
                  jx_get(deployment, "spec.template.spec"), "status", "phase", "Running",
                  "conditions", "type", "Ready", "status", "True", "lastTransitionTime", now);
    if (pod)
        sim_cluster_put(c, sim_cluster_builtin(c, "", "pods"), pod);
}

void sim_istiod_act(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o)
{
    if (!is_istiod(at, o))
        return;
    auto_free char *name = pod_name(o);
    if (sim_collection_get(sim_cluster_builtin(c, "", "pods"), ISTIO_SYSTEM, name))
        return;
    auto_free char *api_version = sim_api_version(at->kind->group, at->kind->version);
    auto_json *deployment = sim_object_tree(o, at->kind, api_version, SIM_VIEW_WHOLE, o->version);
    put_pod(c, deployment, name);
}

void sim_istiod_gone(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o)
{
    if (!is_istiod(at, o))
        return;
    auto_free char *name = pod_name(o);
    struct sim_collection *pods = sim_cluster_builtin(c, "", "pods");
    struct sim_object *pod = sim_collection_get(pods, ISTIO_SYSTEM, name);
    if (pod)
        sim_cluster_remove(c, pods, pod);
}

/* A remote secret holds a kubeconfig under the name of its cluster. */
static void add_peers(const json_t *secret, struct buf *out)
{
    const char *cluster;
    json_t *v;
    if (!str_eq(jx_str2(secret, "metadata.labels", "istio/multiCluster"), "true"))
        return;
    json_object_foreach (jx_get(secret, "data"), cluster, v)
        buf_printf(out,
                   "istiod_remote_cluster_sync_status{cluster=\"%s\",cluster_type=\"remote\","
                   "status=\"synced\"} 1\n",
                   cluster);
}

static void answer_metrics(struct sim_call *c)
{
    struct sim_collection *secrets = sim_cluster_builtin(c->cluster, "", "secrets");
    auto_buf text = BUF_INIT(METRICS_MAX);
    buf_puts(&text, "pilot_xds{version=\"sim\"} 0\n");
    for (size_t i = 0; i < secrets->count; i++) {
        const struct sim_object *o = secrets->objects[i];
        if (!str_starts(o->key, ISTIO_SYSTEM "/"))
            continue;
        auto_json *tree = sim_object_tree(o, secrets->kind, "v1", SIM_VIEW_WHOLE, o->version);
        add_peers(tree, &text);
    }
    sim_answer_text(c, 200, text.data);
}

bool sim_istiod_proxy(struct sim_call *c, char *const *parts, size_t n)
{
    static const char port[] = ":15014";
    bool proxy = n == 6 && str_eq(parts[0], "namespaces") && str_eq(parts[1], ISTIO_SYSTEM) &&
                 str_eq(parts[2], "pods") && str_eq(parts[4], "proxy") &&
                 str_eq(parts[5], "metrics");
    size_t len = proxy ? strlen(parts[3]) : 0;
    if (len < sizeof port || !str_eq(parts[3] + len - strlen(port), port) || !c->sim->opts.act)
        return false;
    auto_free char *name = xstrndup(parts[3], len - strlen(port));
    if (!sim_collection_get(sim_cluster_builtin(c->cluster, "", "pods"), ISTIO_SYSTEM, name))
        return false;
    answer_metrics(c);
    return true;
}
