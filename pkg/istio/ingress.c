/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in at an Ingress gateway: one Gateway for all its listeners, a VirtualService for each host. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

struct protocol {
    const char *name, *prefix;
    bool http; /* the gateway sees requests */
};
static const struct protocol protocols[] = {
    {"HTTP", "http", true}, {"HTTPS", "https", true}, {"TLS", "tls", false},
    {"TCP", "tcp", false},  {NULL, "tcp", false},
};

static const struct protocol *protocol_of(const char *name)
{
    const struct protocol *p = protocols;
    while (p->name && !str_eq(p->name, name))
        p++;
    return p;
}

const char *render_protocol_prefix(const char *protocol)
{
    return protocol_of(protocol)->prefix;
}

/* Hosts first; of one host the longer path first, since the first match wins. */
static int cmp_route(const void *a, const void *b)
{
    const struct istio_route *x = *(const struct istio_route *const *)a;
    const struct istio_route *y = *(const struct istio_route *const *)b;
    int c = str_cmp(x->host, y->host);
    if (c)
        return c;
    size_t n = strlen(str_or(x->path, "/")), m = strlen(str_or(y->path, "/"));
    return n != m ? (n > m ? -1 : 1) : str_cmp(x->path, y->path);
}

const struct istio_route **render_sorted_routes(struct render *r, const struct istio_gateway *g)
{
    const struct istio_route **out = arena_array(&r->p->arena, g->n_routes + 1, sizeof *out);
    for (size_t i = 0; i < g->n_routes; i++)
        out[i] = &g->routes[i];
    if (g->n_routes)
        qsort(out, g->n_routes, sizeof *out, cmp_route);
    return out;
}

json_t *render_hosts(const struct istio_route *const *sorted, size_t n)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(sorted[i - 1]->host, sorted[i]->host))
            json_array_append_new(out, json_string(sorted[i]->host));
    return out;
}

const char *render_host_name(struct render *r, const struct istio_gateway *g, const char *host)
{
    return arena_printf(&r->p->arena, "%s-%08x", g->name, (unsigned)(str_hash(host) & 0xffffffff));
}

/* --- the Gateway --- */

static json_t *server_tls(const struct istio_listener *l)
{
    if (str_eq(l->protocol, "TLS"))
        return json_pack("{s:s}", "mode", "PASSTHROUGH");
    if (!str_eq(l->protocol, "HTTPS"))
        return NULL;
    return json_pack("{s:s, s:s, s:s}", "mode", "SIMPLE", "serverCertificate",
                     RENDER_TLS_FOLDER "/tls.crt", "privateKey", RENDER_TLS_FOLDER "/tls.key");
}

static json_t *servers(const struct istio_gateway *g, const struct istio_route *const *sorted)
{
    json_t *out = json_array();
    for (size_t i = 0; i < g->n_listeners; i++) {
        const struct istio_listener *l = &g->listeners[i];
        json_t *hosts =
            str_eq(l->protocol, "TCP") ? json_pack("[s]", "*") : render_hosts(sorted, g->n_routes);
        json_array_append_new(out, render_server(l->port, render_protocol_prefix(l->protocol),
                                                 l->protocol, hosts, server_tls(l)));
    }
    return out;
}

/* --- routes --- */

static json_t *destination(const struct istio_route *route)
{
    return json_pack("[{s:{s:o, s:{s:i}}}]", "destination", "host",
                     json_sprintf("%s.%s.svc.cluster.local", route->service, route->ns), "port",
                     "number", route->port);
}

/* "/api" is /api and all below it, not /apiary. */
static json_t *path_match(const char *path)
{
    if (str_eq(path, "/"))
        return NULL;
    if (str_ends(path, "/"))
        return json_pack("[{s:{s:s}}]", "uri", "prefix", path);
    return json_pack("[{s:{s:s}}, {s:{s:o}}]", "uri", "exact", path, "uri", "prefix",
                     json_sprintf("%s/", path));
}

static json_t *http_rules(const struct istio_route *const *routes, size_t n)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, json_pack("{s:o*, s:o}", "match",
                                             path_match(str_or(routes[i]->path, "/")), "route",
                                             destination(routes[i])));
    return out;
}

static json_t *port_rule(const struct istio_listener *l, const struct istio_route *route)
{
    json_t *sni = str_eq(l->protocol, "TLS") ? json_pack("[s]", route->host) : NULL;
    return json_pack("{s:[{s:i, s:o*}], s:o}", "match", "port", l->port, "sniHosts", sni, "route",
                     destination(route));
}

/* A rule for each listener of that protocol; NULL when there is none. */
static json_t *port_rules(const struct istio_gateway *g, const char *protocol,
                          const struct istio_route *route)
{
    json_t *out = NULL;
    for (size_t i = 0; i < g->n_listeners; i++) {
        if (!str_eq(g->listeners[i].protocol, protocol))
            continue;
        out = out ? out : json_array();
        json_array_append_new(out, port_rule(&g->listeners[i], route));
    }
    return out;
}

static bool listens_http(const struct istio_gateway *g)
{
    for (size_t i = 0; i < g->n_listeners; i++)
        if (protocol_of(g->listeners[i].protocol)->http)
            return true;
    return false;
}

static size_t count_listeners(const struct istio_gateway *g, const char *protocol)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_listeners; i++)
        n += str_eq(g->listeners[i].protocol, protocol);
    return n;
}

static int render_host(struct render *r, const struct istio_gateway *g,
                       const struct istio_route *const *routes, size_t n)
{
    struct render_rules rules = {.http = listens_http(g) ? http_rules(routes, n) : NULL,
                                 .tls = port_rules(g, "TLS", routes[0])};
    if (!rules.http && !rules.tls)
        return 0;
    return render_virtual_service(r, render_host_name(r, g, routes[0]->host),
                                  json_pack("[s]", routes[0]->host), json_pack("[s]", g->name),
                                  &rules);
}

static int render_tcp(struct render *r, const struct istio_gateway *g)
{
    struct render_rules rules = {.tcp = port_rules(g, "TCP", &g->routes[0])};
    if (!rules.tcp)
        return 0;
    return render_virtual_service(r, arena_printf(&r->p->arena, "%s-tcp", g->name),
                                  json_pack("[s]", "*"), json_pack("[s]", g->name), &rules);
}

/* What TLS that goes through, or plain TCP, can't tell apart. */
static int check_routes(struct render *r, const struct istio_gateway *g,
                        const struct istio_route *const *sorted)
{
    if (count_listeners(g, "HTTPS") && !g->tls_secret)
        return err_set(r->err, ERR_INVALID, 0,
                       "a listener HTTPS needs a certificate: tlsSecretRef");
    if (count_listeners(g, "TCP") && g->n_routes > 1)
        return err_set(r->err, ERR_INVALID, 0,
                       "a listener TCP leads to one Service, there are %zu routes", g->n_routes);
    for (size_t i = 0; i < g->n_routes; i++)
        if (!sorted[i]->ns || !sorted[i]->service)
            return err_set(r->err, ERR_INVALID, 0, "the route of host %s names no Service",
                           sorted[i]->host);
    for (size_t i = 1; count_listeners(g, "TLS") && i < g->n_routes; i++)
        if (str_eq(sorted[i - 1]->host, sorted[i]->host))
            return err_set(r->err, ERR_INVALID, 0,
                           "a listener TLS sees no paths, host %s has several routes",
                           sorted[i]->host);
    return 0;
}

int render_ingress(struct render *r, const struct istio_gateway *g)
{
    const struct istio_route *const *sorted = render_sorted_routes(r, g);
    if (check_routes(r, g, sorted) < 0)
        return -1;
    if (g->n_routes == 0 || g->n_listeners == 0)
        return 0;
    if (render_istio_gateway(r, g->name, json_pack("{s:s}", "istio", render_gateway_label(g)),
                             servers(g, sorted)) < 0)
        return -1;
    for (size_t i = 0, n; i < g->n_routes; i += n) {
        for (n = 1; i + n < g->n_routes && str_eq(sorted[i]->host, sorted[i + n]->host);)
            n++;
        if (render_host(r, g, sorted + i, n) < 0)
            return -1;
    }
    return render_tcp(r, g);
}
