/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways let through. Proxies take their configuration from their Primary's cluster, so a Primary says it for
 * its Remotes' gateways too, and a Remote says nothing. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

const char *render_gateway_label(const struct istio_gateway *g)
{
    return g->type == ISTIO_EASTWEST ? "eastwestgateway" : g->name;
}

int render_istio_gateway(struct render *r, const char *name, json_t *selector, json_t *servers)
{
    return render_add(
        r, PLAN_EXPOSURE, "istio-gateway",
        json_pack("{s:s, s:o, s:o}", "name", name, "selector", selector, "servers", servers));
}

int render_virtual_service(struct render *r, const char *name, json_t *hosts, json_t *gateways,
                           const struct render_rules *rules)
{
    json_t *http = rules->http ? rules->http : json_null();
    json_t *tls = rules->tls ? rules->tls : json_null();
    json_t *tcp = rules->tcp ? rules->tcp : json_null();
    return render_add(r, PLAN_EXPOSURE, "virtual-service",
                      json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", name, "hosts", hosts,
                                "gateways", gateways, "http", http, "tls", tls, "tcp", tcp));
}

json_t *render_server(int port, const char *prefix, const char *protocol, json_t *hosts,
                      json_t *tls)
{
    return json_pack("{s:{s:i, s:o, s:s}, s:o, s:o*}", "port", "number", port, "name",
                     json_sprintf("%s-%d", prefix, port), "protocol", protocol, "hosts", hosts,
                     "tls", tls);
}

/* --- east-west --- */

/* The hosts of a list of gateways, as far as they are east-west ones. */
static void collect_hosts(const struct istio_gateway *g, size_t n, const char **hosts,
                          size_t *count)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; g[i].type == ISTIO_EASTWEST && k < g[i].n_hosts; k++)
            if (hosts)
                hosts[(*count)++] = g[i].hosts[k];
            else
                (*count)++;
}

/* What may be reached through the gateways of the Primary and of its Remotes; an array. */
static json_t *passthrough_hosts(const struct render *r)
{
    const struct istio_target *t = r->t;
    size_t n = 0, filled = 0;
    collect_hosts(t->gateways, t->n_gateways, NULL, &n);
    collect_hosts(t->remote_gateways, t->n_remote_gateways, NULL, &n);
    auto_free const char **hosts = xcalloc(n + 1, sizeof *hosts);
    collect_hosts(t->gateways, t->n_gateways, hosts, &filled);
    collect_hosts(t->remote_gateways, t->n_remote_gateways, hosts, &filled);
    qsort(hosts, n, sizeof *hosts, str_cmp_ptr);
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(hosts[i - 1], hosts[i]))
            json_array_append_new(out, json_string(hosts[i]));
    return out;
}

/* The SNI says the service, its certificate is checked by the client: the gateway ends no TLS. */
static int render_passthrough(struct render *r)
{
    auto_json *hosts = passthrough_hosts(r);
    if (json_array_size(hosts) == 0)
        return 0;
    json_t *servers =
        json_pack("[o]", render_server(ISTIO_MTLS_PORT, "tls", "TLS", json_incref(hosts),
                                       json_pack("{s:s}", "mode", "AUTO_PASSTHROUGH")));
    return render_istio_gateway(r, "cross-network-gateway",
                                json_pack("{s:s}", "istio", "eastwestgateway"), servers);
}

static json_t *istiod_server(int port, const char *host)
{
    return render_server(port, "tls", "TLS", json_pack("[s]", host),
                         json_pack("{s:s}", "mode", "PASSTHROUGH"));
}

static json_t *istiod_rule(struct render *r, int port, const char *sni, int service_port)
{
    return json_pack("{s:[{s:i, s:[s]}], s:[{s:{s:o, s:{s:i}}}]}", "match", "port", port,
                     "sniHosts", sni, "route", "destination", "host",
                     json_sprintf("%s." ISTIO_NAMESPACE ".svc.cluster.local", r->istiod), "port",
                     "number", service_port);
}

/* Only the name that agents and API servers ask for; every other connection is reset. Other clusters' east-west
 * gateways do not lead here. Nobody asks for the webhooks but the API servers of Remotes. */
static int render_exposed_istiod(struct render *r)
{
    struct arena *a = &r->p->arena;
    const char *sni = arena_printf(a, "%s." ISTIO_NAMESPACE ".svc", r->istiod);
    const char *gateway = arena_printf(a, "istiod-gateway%s", r->suffix);
    json_t *selector = json_pack("{s:s, s:s}", "istio", "eastwestgateway",
                                 "topology.istio.io/cluster", r->t->cluster);
    json_t *servers = json_pack("[o]", istiod_server(ISTIO_ISTIOD_PORT, sni));
    struct render_rules rules = {
        .tls = json_pack("[o]", istiod_rule(r, ISTIO_ISTIOD_PORT, sni, ISTIO_ISTIOD_PORT))};
    if (r->t->has_remotes) {
        json_array_append_new(servers, istiod_server(ISTIO_WEBHOOK_PORT, sni));
        json_array_append_new(rules.tls, istiod_rule(r, ISTIO_WEBHOOK_PORT, sni, 443));
    }
    if (render_istio_gateway(r, gateway, selector, servers) < 0) {
        json_decref(rules.tls);
        return -1;
    }
    return render_virtual_service(r, arena_printf(a, "istiod-vs%s", r->suffix),
                                  json_pack("[s]", sni), json_pack("[s]", gateway), &rules);
}

static bool exposes_istiod(const struct istio_target *t)
{
    for (size_t i = 0; i < t->n_gateways; i++)
        if (t->gateways[i].type == ISTIO_EASTWEST && t->gateways[i].istiod)
            return true;
    return false;
}

/* --- Ingress and Egress --- */

/* One Gateway resource that is in both a Primary and its Remotes is told once: the selector finds the pods of all. */
static bool told_before(const struct istio_target *t, size_t at)
{
    const char *name = t->remote_gateways[at].name;
    for (size_t i = 0; i < t->n_gateways; i++)
        if (str_eq(t->gateways[i].name, name))
            return true;
    for (size_t i = 0; i < at; i++)
        if (str_eq(t->remote_gateways[i].name, name))
            return true;
    return false;
}

static int render_routes(struct render *r, const struct istio_gateway *g)
{
    int rc = 0;
    r->side = true;
    if (g->type == ISTIO_INGRESS)
        rc = render_ingress(r, g);
    else if (g->type == ISTIO_EGRESS)
        rc = render_egress(r, g);
    r->side = false;
    return rc < 0 ? err_wrap(r->err, "gateway %s", g->name) : 0;
}

int render_exposure(struct render *r)
{
    const struct istio_target *t = r->t;
    if (render_is_remote(r))
        return 0;
    if (render_passthrough(r) < 0 || (exposes_istiod(t) && render_exposed_istiod(r) < 0))
        return -1;
    for (size_t i = 0; i < t->n_gateways; i++)
        if (render_routes(r, &t->gateways[i]) < 0)
            return -1;
    for (size_t i = 0; i < t->n_remote_gateways; i++)
        if (!told_before(t, i) && render_routes(r, &t->remote_gateways[i]) < 0)
            return -1;
    return 0;
}
