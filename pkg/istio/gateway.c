/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways of this cluster: their pods and what leads to them. What they let through: exposure.c. */
#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

enum { STATUS_PORT = 15021, PRIVILEGED_PORTS = 1024, NODE_PORT_MIN = 30000, NODE_PORT_MAX = 32767 };

/* What finds its pods, of the Service and of Istio's configuration; no part of it ever changes. */
static json_t *labels_of(const struct istio_gateway *g)
{
    return json_pack("{s:s, s:s}", "app", g->name, "istio", render_gateway_label(g));
}

static json_t *pod_labels(const struct render *r, const struct istio_gateway *g)
{
    json_t *labels = labels_of(g);
    auto_json *more = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "istio.io/rev", r->rev, "istio.io/dataplane-mode",
        "none", "sidecar.istio.io/inject", "false", "service.istio.io/canonical-name", g->name,
        "service.istio.io/canonical-revision", "latest", "topology.istio.io/network", r->t->network,
        "topology.istio.io/cluster", r->t->cluster);
    json_object_update(labels, more);
    return labels;
}

/* --- Service --- */

static json_t *service_port(const char *name, int port, int target)
{
    return json_pack("{s:s, s:i, s:s, s:i}", "name", name, "port", port, "protocol", "TCP",
                     "targetPort", target);
}

/* Seen from outside it may have another port; with NodePort that is the node's. */
static json_t *mtls_port(const struct istio_gateway *g)
{
    bool node = str_eq(g->service_type, "NodePort");
    int port = g->port && !node ? g->port : ISTIO_MTLS_PORT;
    json_t *out = service_port("tls", port, ISTIO_MTLS_PORT);
    if (node && g->port >= NODE_PORT_MIN && g->port <= NODE_PORT_MAX)
        json_object_set_new(out, "nodePort", json_integer(g->port));
    return out;
}

/* Istio takes the protocol from the name. */
static json_t *listener_port(const struct istio_listener *l)
{
    auto_free char *name = xasprintf("%s-%d", render_protocol_prefix(l->protocol), l->port);
    return service_port(name, l->port, l->port);
}

/* Load balancers look after a Service's first port. */
static json_t *service_ports(struct render *r, const struct istio_gateway *g)
{
    size_t n;
    const struct istio_listener *listeners = render_listeners(r, g, &n);
    json_t *ports = json_array();
    json_array_append_new(ports, service_port("status-port", STATUS_PORT, STATUS_PORT));
    if (g->type == ISTIO_EASTWEST && g->n_hosts)
        json_array_append_new(ports, mtls_port(g));
    if (g->istiod)
        json_array_append_new(ports,
                              service_port("tls-istiod", ISTIO_ISTIOD_PORT, ISTIO_ISTIOD_PORT));
    if (g->istiod && r->t->has_remotes)
        json_array_append_new(ports,
                              service_port("tls-webhook", ISTIO_WEBHOOK_PORT, ISTIO_WEBHOOK_PORT));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ports, listener_port(&listeners[i]));
    return ports;
}

/* --- Deployment --- */

/* Endpoints on other networks are not for it: they have their own gateways. */
static json_t *network_view(struct render *r, const struct istio_gateway *g)
{
    if (g->type != ISTIO_EASTWEST)
        return json_null();
    const char *view = r->t->network;
    for (const char *const *n = g->networks; n && *n; n++)
        view = arena_printf(&r->p->arena, "%s,%s", view, *n);
    return json_string(view);
}

static json_t *gateway_env(struct render *r, const struct istio_gateway *g)
{
    const struct istio_target *t = r->t;
    const json_t *config = jx_get(r->mesh_config, "defaultConfig");
    auto_free char *text = jx_dump(config);
    auto_json *env = render_doc(
        r, "gateway-env",
        json_pack("{s:s*, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "discovery_address",
                  jx_str(config, "discoveryAddress"), "trust_domain", t->trust_domain,
                  "proxy_config", text, "cluster", t->cluster, "network", t->network, "mesh",
                  t->mesh_name, "name", g->name, "network_view", network_view(r, g)));
    if (!env)
        return NULL;
    render_trim_env(env);
    if (render_merge_env(r, env, jx_get(config, "proxyMetadata"),
                         "meshConfig.defaultConfig.proxyMetadata") < 0)
        return NULL;
    return STEAL(env);
}

/* The user that it runs as may listen only above, unless the kernel is told otherwise for the pod alone. */
static json_t *sysctls(struct render *r, const struct istio_gateway *g)
{
    size_t n;
    const struct istio_listener *listeners = render_listeners(r, g, &n);
    for (size_t i = 0; i < n; i++)
        if (listeners[i].port < PRIVILEGED_PORTS)
            return json_pack("[{s:s, s:s}]", "name", "net.ipv4.ip_unprivileged_port_start", "value",
                             "0");
    return json_null();
}

static json_t *gateway_resources(const struct istio_gateway *g)
{
    if (g->resources)
        return json_deep_copy(g->resources);
    return json_pack("{s:{s:s, s:s}}", "requests", "cpu", "100m", "memory", "128Mi");
}

/* Mounted, so that neither the gateway nor istiod needs a right to read Secrets: istiod serves one only to an account
 * that may list them all, and the authority's key is among them. */
static void add_tls(json_t *vars, const struct istio_gateway *g)
{
    json_t *mount = json_null(), *volume = json_null();
    if (g->tls_secret) {
        mount = json_pack("{s:s, s:s, s:b}", "name", "tls", "mountPath", RENDER_TLS_FOLDER,
                          "readOnly", 1);
        volume = json_pack("{s:s, s:{s:s}}", "name", "tls", "secret", "secretName", g->tls_secret);
    }
    json_object_set_new(vars, "tls_mount", mount);
    json_object_set_new(vars, "tls_volume", volume);
}

static json_t *string_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

static json_t *copy_or_null(const json_t *v)
{
    return v ? json_deep_copy(v) : json_null();
}

static json_t *gateway_vars(struct render *r, const struct istio_gateway *g, int min, int max)
{
    const struct istio_settings *s = &r->t->settings;
    json_t *env = gateway_env(r, g);
    if (!env)
        return NULL;
    json_t *vars =
        json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                  g->name, "labels", labels_of(g), "annotations", copy_or_null(g->annotations),
                  "type", str_or(g->service_type, "LoadBalancer"), "load_balancer_class",
                  string_or_null(g->load_balancer_class), "external_ips",
                  copy_or_null(g->external_ips), "ports", service_ports(r, g), "replicas",
                  max > min ? json_null() : json_integer(min), "pod_labels", pod_labels(r, g),
                  "sysctls", sysctls(r, g), "image", json_sprintf("%s/proxyv2:%s", s->hub, s->tag),
                  "env", env, "resources", gateway_resources(g));
    add_tls(vars, g);
    return vars;
}

static int render_gateway(struct render *r, const struct istio_gateway *g)
{
    int min = g->min_replicas > 1 ? g->min_replicas : 1;
    int max = g->max_replicas > min ? g->max_replicas : min;
    json_t *vars = gateway_vars(r, g, min, max);
    if (!vars || render_add(r, PLAN_GATEWAYS, "gateway", vars) < 0)
        return -1;
    auto_json *labels = labels_of(g);
    return render_scaling(r, PLAN_GATEWAYS, g->name, labels, labels, min, max);
}

int render_gateways(struct render *r)
{
    for (size_t i = 0; i < r->t->n_gateways; i++) {
        r->side = r->t->gateways[i].type != ISTIO_EASTWEST;
        if (render_gateway(r, &r->t->gateways[i]) < 0)
            return err_wrap(r->err, "gateway %s", r->t->gateways[i].name);
    }
    r->side = false;
    return 0;
}
