/* SPDX-License-Identifier: Apache-2.0 */
/* Out of the mesh through an Egress gateway: a sidecar reaches the gateway with the mesh's own TLS, the gateway the
 * host outside. A host of its own SNI (a subset of the gateway's Service), so that the gateway tells hosts apart also
 * where it sees no requests. */
#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

enum { HTTPS_PORT = 443 };

/* Whether applications end TLS themselves on this port: as the listener says, else by custom. */
static bool is_tls(const struct istio_gateway *g, int port)
{
    for (size_t i = 0; i < g->n_listeners; i++)
        if (g->listeners[i].port == port)
            return str_eq(g->listeners[i].protocol, "TLS") ||
                   str_eq(g->listeners[i].protocol, "HTTPS");
    return port == HTTPS_PORT;
}

static bool listens(const struct istio_listener *l, size_t n, int port)
{
    for (size_t i = 0; i < n; i++)
        if (l[i].port == port)
            return true;
    return false;
}

const struct istio_listener *render_listeners(struct render *r, const struct istio_gateway *g,
                                              size_t *ret_n)
{
    *ret_n = g->n_listeners;
    if (g->type != ISTIO_EGRESS)
        return g->listeners;
    struct istio_listener *out =
        arena_array(&r->p->arena, g->n_listeners + g->n_routes + 1, sizeof *out);
    for (size_t i = 0; i < g->n_listeners; i++)
        out[i] = g->listeners[i];
    for (size_t i = 0; i < g->n_routes; i++) {
        int port = g->routes[i].port;
        if (!listens(out, *ret_n, port))
            out[(*ret_n)++] = (struct istio_listener){port, is_tls(g, port) ? "TLS" : "HTTP"};
    }
    return out;
}

/* --- one host --- */

struct outside {
    const struct istio_gateway *g;
    const char *host, *subset, *gateway_host;
    const struct istio_route *const *routes; /* one for each port */
    size_t n;
};

static json_t *entry_ports(const struct outside *o)
{
    json_t *out = json_array();
    for (size_t i = 0; i < o->n; i++) {
        int port = o->routes[i]->port;
        bool tls = is_tls(o->g, port);
        json_array_append_new(out, json_pack("{s:i, s:o, s:s}", "number", port, "name",
                                             json_sprintf("%s-%d", tls ? "tls" : "http", port),
                                             "protocol", tls ? "TLS" : "HTTP"));
    }
    return out;
}

static json_t *to(const char *host, const char *subset, int port)
{
    return json_pack("[{s:{s:s, s:s*, s:{s:i}}}]", "destination", "host", host, "subset", subset,
                     "port", "number", port);
}

/* From sidecars to the gateway, from the gateway to the host. */
static void add_rules(struct render_rules *rules, const struct outside *o, int port)
{
    bool tls = is_tls(o->g, port);
    json_t *sni = tls ? json_pack("[s]", o->host) : NULL;
    /* Who asked, and what the mesh says of itself, is nobody's business outside. */
    json_t *hidden =
        tls ? NULL
            : json_pack("{s:{s:[s, s, s]}}", "request", "remove", "x-forwarded-client-cert",
                        "x-envoy-peer-metadata", "x-envoy-peer-metadata-id");
    json_t *in = json_pack("{s:[{s:[s], s:i, s:o*}], s:o}", "match", "gateways", "mesh", "port",
                           port, "sniHosts", sni, "route", to(o->gateway_host, o->subset, port));
    json_t *out = json_pack("{s:[{s:[s], s:i}], s:o*, s:o}", "match", "gateways", o->g->name,
                            "port", port, "headers", hidden, "route", to(o->host, NULL, port));
    json_t **first = tls ? &rules->tls : &rules->http, **second = tls ? &rules->tcp : &rules->http;
    *first = *first ? *first : json_array();
    json_array_append_new(*first, in);
    *second = *second ? *second : json_array();
    json_array_append_new(*second, out);
}

static int render_outside(struct render *r, const struct outside *o)
{
    const char *name = render_host_name(r, o->g, o->host);
    if (render_add(r, PLAN_EXPOSURE, "service-entry",
                   json_pack("{s:s, s:s, s:[s], s:s, s:s, s:o, s:n}", "name", name, "namespace",
                             ISTIO_NAMESPACE, "hosts", o->host, "location", "MESH_EXTERNAL",
                             "resolution", "DNS", "ports", entry_ports(o), "endpoints")) < 0)
        return -1;
    struct render_rules rules = {0};
    for (size_t i = 0; i < o->n; i++)
        add_rules(&rules, o, o->routes[i]->port);
    return render_virtual_service(r, name, json_pack("[s]", o->host),
                                  json_pack("[s, s]", o->g->name, "mesh"), &rules);
}

/* --- the gateway for all hosts --- */

static void add_server(json_t *servers, const struct outside *o, int port)
{
    bool tls = is_tls(o->g, port);
    json_t *server =
        render_server(port, tls ? "tls" : "https", tls ? "TLS" : "HTTPS", json_pack("[s]", o->host),
                      json_pack("{s:s}", "mode", "ISTIO_MUTUAL"));
    json_t *name = json_sprintf("%s-%s", jx_str(server, "port.name"), o->subset);
    jx_set_new(server, "port.name", name);
    json_array_append_new(servers, server);
}

static json_t *subset(const struct outside *o)
{
    json_t *ports = json_array();
    for (size_t i = 0; i < o->n; i++)
        json_array_append_new(ports, json_pack("{s:{s:i}, s:{s:s, s:s}}", "port", "number",
                                               o->routes[i]->port, "tls", "mode", "ISTIO_MUTUAL",
                                               "sni", o->host));
    return json_pack("{s:s, s:{s:o}}", "name", o->subset, "trafficPolicy", "portLevelSettings",
                     ports);
}

static int check_route(struct render *r, const struct istio_gateway *g,
                       const struct istio_route *route)
{
    if (route->host[0] == '*')
        return err_set(r->err, ERR_INVALID, 0, "host %s: an Egress gateway needs whole names",
                       route->host);
    for (size_t i = 0; i < g->n_listeners; i++)
        if (g->listeners[i].port == route->port && str_eq(g->listeners[i].protocol, "TCP"))
            return err_set(r->err, ERR_INVALID, 0,
                           "host %s: plain TCP on port %d does not say its host", route->host,
                           route->port);
    return 0;
}

/* The routes of one host, each port once: paths have no meaning on the way out. */
static struct outside next_host(struct render *r, const struct istio_gateway *g,
                                const struct istio_route *const *sorted, size_t *at)
{
    struct outside o = {.g = g, .host = sorted[*at]->host};
    const struct istio_route **own = arena_array(&r->p->arena, g->n_routes + 1, sizeof *own);
    for (; *at < g->n_routes && str_eq(sorted[*at]->host, o.host); (*at)++) {
        size_t k = 0;
        while (k < o.n && own[k]->port != sorted[*at]->port)
            k++;
        if (k == o.n)
            own[o.n++] = sorted[*at];
    }
    o.routes = own;
    o.subset = arena_printf(&r->p->arena, "h%08x", (unsigned)(str_hash(o.host) & 0xffffffff));
    o.gateway_host =
        arena_printf(&r->p->arena, "%s." ISTIO_NAMESPACE ".svc.cluster.local", g->name);
    return o;
}

int render_egress(struct render *r, const struct istio_gateway *g)
{
    const struct istio_route *const *sorted = render_sorted_routes(r, g);
    auto_json *servers = json_array();
    auto_json *subsets = json_array();
    for (size_t i = 0; i < g->n_routes; i++)
        if (check_route(r, g, sorted[i]) < 0)
            return -1;
    for (size_t at = 0; at < g->n_routes;) {
        struct outside o = next_host(r, g, sorted, &at);
        for (size_t i = 0; i < o.n; i++)
            add_server(servers, &o, o.routes[i]->port);
        json_array_append_new(subsets, subset(&o));
        if (render_outside(r, &o) < 0)
            return -1;
    }
    if (json_array_size(servers) == 0)
        return 0;
    if (render_istio_gateway(r, g->name, json_pack("{s:s}", "istio", render_gateway_label(g)),
                             json_incref(servers)) < 0)
        return -1;
    return render_add(r, PLAN_EXPOSURE, "destination-rule",
                      json_pack("{s:s, s:s, s:o, s:n, s:O}", "name", g->name, "namespace",
                                ISTIO_NAMESPACE, "host",
                                json_sprintf("%s." ISTIO_NAMESPACE ".svc.cluster.local", g->name),
                                "policy", "subsets", subsets));
}
