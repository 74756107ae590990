/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/plain.h"

#include <string.h>

#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { NAME_MAX_LEN = 63, HASH_LEN = 8 };

static json_t *borrow(const json_t *v)
{
    return (json_t *)(uintptr_t)v;
}

/* --- what the routes name --- */

static void add_port(struct plain_service *s, int port)
{
    for (size_t i = 0; i < s->n_ports; i++)
        if (s->ports[i] == port)
            return;
    if (s->n_ports < PLAIN_ROUTES_MAX)
        s->ports[s->n_ports++] = port;
}

size_t plain_services(struct arena *a, const struct api_gateway *cr, struct plain_service **ret)
{
    struct plain_service *all = arena_array(a, cr->spec.n_routes + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < cr->spec.n_routes; i++) {
        const struct api_gateway_routes *r = &cr->spec.routes[i];
        size_t k = 0;
        while (k < n && !(str_eq(all[k].ns, r->namespace) && str_eq(all[k].name, r->service)))
            k++;
        if (k == n)
            all[n++] = (struct plain_service){.ns = r->namespace, .name = r->service};
        add_port(&all[k], (int)r->port);
    }
    *ret = all;
    return n;
}

static bool names(const struct plain_service *s, int64_t port)
{
    for (size_t i = 0; i < s->n_ports; i++)
        if (s->ports[i] == port)
            return true;
    return false;
}

/* At most 63 characters; a longer one gets a hash of the whole, so that two never become one. */
static char *fit(struct arena *a, char *name)
{
    char hex[JX_SHA256_HEX];
    size_t n = strlen(name);
    if (n <= NAME_MAX_LEN)
        return name;
    jx_sha256_bytes(name, n, hex);
    return arena_printf(a, "%.*s-%.*s", NAME_MAX_LEN - HASH_LEN - 1, name, HASH_LEN, hex);
}

char *plain_exposed_name(struct arena *a, const char *gateway, const char *service)
{
    return fit(a, arena_printf(a, "%s-%s", gateway, service));
}

/* --- exposure by a Service --- */

static const char *service_type(const struct api_gateway *cr)
{
    return cr->spec.exposure == API_GATEWAY_EXPOSURE_NODE_PORT    ? "NodePort"
           : cr->spec.exposure == API_GATEWAY_EXPOSURE_CLUSTER_IP ? "ClusterIP"
                                                                  : "LoadBalancer";
}

static void copy(json_t *to, const json_t *from, const char *key)
{
    if (json_object_get(from, key))
        json_object_set(to, key, json_object_get(from, key));
}

static json_t *exposed_ports(const struct plain_service *to, const json_t *spec)
{
    static const char *const keys[] = {"name", "port", "protocol", "appProtocol", "targetPort"};
    json_t *ports = json_array(), *one;
    size_t i;
    json_array_foreach (json_object_get(spec, "ports"), i, one) {
        if (!names(to, jx_int(one, "port", 0)))
            continue;
        json_t *p = json_object();
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            copy(p, one, keys[k]);
        json_array_append_new(ports, p);
    }
    return ports;
}

/* A Service that nobody gives an address takes what comes to those that the spec says. */
static void add_external_ips(const struct api_gateway *cr, json_t *spec)
{
    json_t *list = json_array();
    for (size_t i = 0; i < cr->spec.n_addresses; i++)
        if (cidr_address_family(cr->spec.addresses[i]))
            json_array_append_new(list, json_string(cr->spec.addresses[i]));
    if (json_array_size(list) > 0)
        json_object_set(spec, "externalIPs", list);
    json_decref(list);
}

static json_t *exposed_spec(const struct api_gateway *cr, const json_t *selector, json_t *ports)
{
    const char *type = service_type(cr);
    json_t *spec =
        json_pack("{s:s, s:O, s:o}", "type", type, "selector", borrow(selector), "ports", ports);
    if (str_eq(type, "LoadBalancer"))
        jx_set_str(spec, "loadBalancerClass", cr->spec.class);
    if (str_eq(type, "ClusterIP"))
        add_external_ips(cr, spec);
    return spec;
}

/* No mesh that the cluster is in makes DNS entries of it elsewhere. */
static json_t *exposed_meta(const struct api_gateway *cr, const char *ns, const char *name)
{
    json_t *meta = json_pack("{s:s, s:s, s:{s:s}}", "name", name, "namespace", ns, "labels",
                             "meshwright.dev/dns-entry", "false");
    if (json_object_size(cr->spec.service_annotations) > 0)
        json_object_set_new(meta, "annotations", json_copy(borrow(cr->spec.service_annotations)));
    return meta;
}

int plain_expose(const struct api_gateway *cr, const struct plan_owner *owner,
                 const struct plain_service *to, const json_t *spec, struct plan *plan,
                 struct err *err)
{
    const json_t *selector = json_object_get(spec, "selector");
    if (json_object_size(selector) == 0)
        return err_set(err, ERR_INVALID, 0,
                       "Service %s/%s has no selector, so nothing is known of its pods; next: use "
                       "exposure Ingress for it",
                       to->ns, to->name);
    json_t *ports = exposed_ports(to, spec);
    if (json_array_size(ports) == 0) {
        json_decref(ports);
        return err_set(err, ERR_INVALID, 0,
                       "Service %s/%s has none of the ports that routes name; next: correct the "
                       "routes",
                       to->ns, to->name);
    }
    const char *name = plain_exposed_name(&plan->arena, cr->meta.name, to->name);
    json_t *body =
        json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Service", "metadata",
                  exposed_meta(cr, to->ns, name), "spec", exposed_spec(cr, selector, ports));
    return plan_add(plan, owner, PLAN_GATEWAYS, body, NULL, err) ? 0 : -1;
}

/* --- exposure by an Ingress --- */

static json_t *rule_of(json_t *rules, const char *host)
{
    size_t i;
    json_t *r;
    json_array_foreach (rules, i, r) {
        if (str_eq(str_or(jx_str(r, "host"), "*"), host))
            return r;
    }
    r = json_pack("{s:{s:[]}}", "http", "paths");
    if (!str_eq(host, "*"))
        json_object_set_new(r, "host", json_string(host));
    json_array_append_new(rules, r);
    return r;
}

static bool has_path(const json_t *paths, const char *path)
{
    size_t i;
    json_t *p;
    json_array_foreach (paths, i, p) {
        if (str_eq(jx_str(p, "path"), path))
            return true;
    }
    return false;
}

/* Of two routes with the same host and path the first counts. */
static void add_path(json_t *rules, const char *host, const char *path,
                     const struct api_gateway_routes *r)
{
    json_t *paths = jx_get(rule_of(rules, host), "http.paths");
    if (!has_path(paths, path))
        json_array_append_new(paths, json_pack("{s:s, s:s, s:{s:{s:s, s:{s:I}}}}", "path", path,
                                               "pathType", "Prefix", "backend", "service", "name",
                                               r->service, "port", "number", (json_int_t)r->port));
}

static void add_inside_names(json_t *rules, const struct api_gateway_routes *r)
{
    static const char *const ends[] = {"", ".svc", ".svc.cluster.local"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        auto_free char *host = xasprintf("%s.%s%s", r->service, r->namespace, ends[i]);
        add_path(rules, host, "/", r);
    }
}

static json_t *ingress_tls(const struct api_gateway *cr, const char *ns)
{
    json_t *hosts = json_array(), *seen = json_object();
    for (size_t i = 0; i < cr->spec.n_routes; i++) {
        const struct api_gateway_routes *r = &cr->spec.routes[i];
        if (!str_eq(r->namespace, ns) || str_eq(r->host, "*") || json_object_get(seen, r->host))
            continue;
        json_object_set_new(seen, r->host, json_true());
        json_array_append_new(hosts, json_string(r->host));
    }
    json_decref(seen);
    return json_pack("[{s:o, s:s+}]", "hosts", hosts, "secretName", cr->meta.name, "-tls");
}

int plain_ingress(const struct api_gateway *cr, const struct plan_owner *owner, const char *ns,
                  struct plan *plan, struct err *err)
{
    if (!ns)
        return err_set(err, ERR_INVALID, 0, "a route names no Service");
    json_t *rules = json_array();
    for (size_t i = 0; i < cr->spec.n_routes; i++)
        if (str_eq(cr->spec.routes[i].namespace, ns))
            add_path(rules, cr->spec.routes[i].host, str_or(cr->spec.routes[i].path, "/"),
                     &cr->spec.routes[i]);
    for (size_t i = 0; i < cr->spec.n_routes && cr->spec.n_publish_to > 0; i++)
        if (str_eq(cr->spec.routes[i].namespace, ns))
            add_inside_names(rules, &cr->spec.routes[i]);
    json_t *spec = json_pack("{s:o}", "rules", rules);
    jx_set_str(spec, "ingressClassName", cr->spec.class);
    if (cr->spec.tls_secret_ref)
        json_object_set_new(spec, "tls", ingress_tls(cr, ns));
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", "networking.k8s.io/v1", "kind",
                  "Ingress", "metadata", "name", cr->meta.name, "namespace", ns, "spec", spec);
    return plan_add(plan, owner, PLAN_EXPOSURE, body, NULL, err) ? 0 : -1;
}

/* --- DNS entries --- */

static json_t *ingress_ports(const struct plain_service *of, int target)
{
    json_t *ports = json_array();
    for (size_t i = 0; i < of->n_ports; i++) {
        json_t *p =
            json_pack("{s:i, s:s, s:i}", "port", of->ports[i], "protocol", "TCP", "target", target);
        if (of->n_ports > 1)
            json_object_set_new(p, "name", json_sprintf("port-%d", of->ports[i]));
        json_array_append_new(ports, p);
    }
    return ports;
}

json_t *plain_ports(const struct plain_service *of, const json_t *spec, int target)
{
    if (!spec)
        return ingress_ports(of, target);
    json_t *ports = exposed_ports(of, spec), *p;
    size_t i;
    json_array_foreach (ports, i, p) {
        json_object_del(p, "targetPort");
        json_object_set(p, "target", json_object_get(p, "port"));
    }
    return ports;
}

/* As a Service or an EndpointSlice has them. */
static json_t *entry_ports(const json_t *ports, bool slice)
{
    json_t *list = json_array(), *one;
    size_t i;
    json_array_foreach (borrow(ports), i, one) {
        json_t *p = json_object();
        copy(p, one, "name");
        copy(p, one, "protocol");
        copy(p, one, "appProtocol");
        json_object_set(p, "port", json_object_get(one, slice ? "target" : "port"));
        if (!slice)
            json_object_set(p, "targetPort", json_object_get(one, "target"));
        json_array_append_new(list, p);
    }
    return list;
}

static int add_service(const struct plan_owner *owner, const struct plain_service *of, json_t *spec,
                       struct plan *plan, struct err *err)
{
    json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", "v1", "kind", "Service",
                             "metadata", "name", of->name, "namespace", of->ns, "spec", spec);
    return plan_add(plan, owner, PLAN_DNS, body, NULL, err) ? 0 : -1;
}

static json_t *endpoints(const struct plain_site *site, bool v6)
{
    json_t *list = json_array();
    for (size_t i = 0; i < site->n_addresses; i++)
        if (cidr_address_family(site->addresses[i]) == (v6 ? 6 : 4))
            json_array_append_new(list, json_pack("{s:[s], s:{s:b}}", "addresses",
                                                  site->addresses[i], "conditions", "ready", 1));
    return list;
}

static int add_slice(const struct plan_owner *owner, const struct plain_service *of,
                     const struct plain_site *site, bool v6, struct plan *plan, struct err *err)
{
    json_t *list = endpoints(site, v6);
    if (json_array_size(list) == 0) {
        json_decref(list);
        return 0;
    }
    json_t *body = json_pack(
        "{s:s, s:s, s:{s:s++, s:s, s:{s:s, s:s}}, s:s, s:o, s:o}", "apiVersion",
        "discovery.k8s.io/v1", "kind", "EndpointSlice", "metadata", "name",
        arena_printf(&plan->arena, "%s.%s", of->name, site->cluster), ".", v6 ? "ipv6" : "ipv4",
        "namespace", of->ns, "labels", "kubernetes.io/service-name", of->name,
        "endpointslice.kubernetes.io/managed-by", "meshwright.dev", "addressType",
        v6 ? "IPv6" : "IPv4", "endpoints", list, "ports", entry_ports(site->ports, true));
    return plan_add(plan, owner, PLAN_DNS, body, NULL, err) ? 0 : -1;
}

static const struct plain_site *first_with(const struct plain_site *sites, size_t n, bool ip,
                                           size_t *at)
{
    for (size_t i = 0; i < n; i++)
        for (*at = 0; *at < sites[i].n_addresses; ++*at)
            if ((cidr_address_family(sites[i].addresses[*at]) != 0) == ip)
                return &sites[i];
    return NULL;
}

int plain_publish(const struct plan_owner *owner, const struct plain_service *of,
                  const struct plain_site *sites, size_t n, struct plan *plan, struct err *err)
{
    size_t at;
    const struct plain_site *first = first_with(sites, n, true, &at);
    if (!first) {
        first = first_with(sites, n, false, &at);
        return first ? add_service(owner, of,
                                   json_pack("{s:s, s:s}", "type", "ExternalName", "externalName",
                                             first->addresses[at]),
                                   plan, err)
                     : 0;
    }
    json_t *spec =
        json_pack("{s:s, s:o}", "type", "ClusterIP", "ports", entry_ports(first->ports, false));
    if (add_service(owner, of, spec, plan, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (add_slice(owner, of, &sites[i], false, plan, err) < 0 ||
            add_slice(owner, of, &sites[i], true, plan, err) < 0)
            return -1;
    return 0;
}
