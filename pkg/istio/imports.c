/* SPDX-License-Identifier: Apache-2.0 */
/* Services of other meshes: a ServiceEntry says where they answer, a DestinationRule who may answer. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

/* --- ports --- */

/* Istio's protocol of an appProtocol or the name of a port; NULL: it finds out by itself. */
static const char *protocol_named(const char *s)
{
    static const char *const kubernetes[][2] = {{"kubernetes.io/h2c", "HTTP2"},
                                                {"kubernetes.io/ws", "HTTP"},
                                                {"kubernetes.io/wss", "HTTPS"}};
    static const char *const names[] = {"HTTP", "HTTPS", "HTTP2", "GRPC", "TCP",
                                        "TLS",  "MONGO", "REDIS", "MYSQL"};
    for (size_t i = 0; i < sizeof kubernetes / sizeof *kubernetes; i++)
        if (str_eq(kubernetes[i][0], s))
            return kubernetes[i][1];
    if (strncasecmp(s, "grpc-web", 8) == 0)
        return "GRPC-WEB";
    size_t n = strcspn(s, "-");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], s, n) == 0)
            return names[i];
    return NULL;
}

static const char *protocol_of(const json_t *port)
{
    const char *app = jx_str(port, "appProtocol");
    return protocol_named(app ? app : str_or(jx_str(port, "name"), ""));
}

static bool is_udp(const json_t *port)
{
    return str_eq(jx_str(port, "protocol"), "UDP");
}

static const char *port_name(const json_t *port)
{
    return str_or(jx_str(port, "name"), "");
}

/* Endpoints say their ports by name; the port of a Service with a single one may have none. */
static json_t *unnamed_target(const struct istio_import *m)
{
    for (size_t i = 0; i < m->n_endpoints; i++)
        if (json_object_get(m->endpoints[i].ports, ""))
            return json_incref(json_object_get(m->endpoints[i].ports, ""));
    return NULL;
}

/* The names are those of the Service of that name: Istio brings endpoints and ports together by them. */
static json_t *entry_ports(const struct istio_import *m)
{
    json_t *out = json_array();
    size_t i;
    json_t *port;
    json_array_foreach (m->ports, i, port) {
        if (is_udp(port))
            continue;
        const char *name = port_name(port);
        json_t *target = *name ? NULL : unnamed_target(m);
        json_array_append_new(out, json_pack("{s:O, s:s, s:s*, s:o*}", "number",
                                             json_object_get(port, "port"), "name", name,
                                             "protocol", protocol_of(port), "targetPort", target));
    }
    return out;
}

/* --- endpoints --- */

static json_t *named_ports(const json_t *ports)
{
    json_t *out = json_is_object(ports) ? json_copy((json_t *)(uintptr_t)ports) : NULL;
    json_object_del(out, "");
    if (json_object_size(out) > 0)
        return out;
    json_decref(out);
    return NULL;
}

/* By network it has no address: istiod puts the gateways of that network in its place. */
static json_t *endpoint(const struct render *r, const struct istio_import_endpoint *e)
{
    json_t *out =
        json_pack("{s:s*, s:s, s:{s:s}, s:o*}", "address", e->address, "network",
                  str_or(e->network, r->t->network), "labels", "security.istio.io/tlsMode", "istio",
                  "ports", e->address ? named_ports(e->ports) : NULL);
    if (e->weight)
        json_object_set_new(out, "weight", json_integer(e->weight));
    return out;
}

static json_t *endpoints(struct render *r, const struct istio_import *m)
{
    json_t *out = json_array();
    for (size_t i = 0; i < m->n_endpoints; i++)
        json_array_append_new(out, endpoint(r, &m->endpoints[i]));
    return out;
}

/* --- who may answer --- */

static json_t *mutual_tls(const struct istio_import *m)
{
    json_t *sans = json_array();
    for (size_t i = 0; i < m->n_sans; i++)
        json_array_append_new(sans, json_string(m->sans[i]));
    return json_pack("{s:s, s:o}", "mode", "ISTIO_MUTUAL", "subjectAltNames", sans);
}

/* Under another name here it is still asked for by its own there. The port is part of that name. */
static json_t *port_policies(const struct istio_import *m)
{
    if (str_eq(m->name, m->remote_name))
        return NULL;
    json_t *out = json_array();
    size_t i;
    json_t *port;
    json_array_foreach (m->ports, i, port) {
        if (is_udp(port))
            continue;
        json_t *tls = mutual_tls(m);
        json_object_set_new(tls, "sni",
                            json_sprintf("outbound_.%d_._.%s.%s.svc.cluster.local",
                                         (int)jx_int(port, "port", 0), m->remote_name, m->ns));
        json_array_append_new(out, json_pack("{s:{s:O}, s:o}", "port", "number",
                                             json_object_get(port, "port"), "tls", tls));
    }
    return out;
}

/* --- */

static int check_import(struct render *r, const struct istio_import *m)
{
    size_t i;
    json_t *port;
    json_array_foreach (m->ports, i, port) {
        if (jx_int(port, "port", 0) < 1)
            return err_set(r->err, ERR_BUG, 0,
                           "service %s/%s of another mesh: a port without number", m->ns, m->name);
    }
    for (i = 0; i < m->n_endpoints; i++) {
        const struct istio_import_endpoint *e = &m->endpoints[i];
        if (e->address ? !render_family(e->address) : !e->network)
            return err_set(r->err, ERR_BUG, 0,
                           "service %s/%s of another mesh: an endpoint without address and network",
                           m->ns, m->name);
    }
    return 0;
}

static int render_import(struct render *r, const struct istio_import *m)
{
    struct arena *a = &r->p->arena;
    const char *name = arena_printf(a, "meshwright-%s", m->name);
    const char *host = arena_printf(a, "%s.%s.svc.cluster.local", m->name, m->ns);
    auto_json *ports = entry_ports(m);
    if (json_array_size(ports) == 0)
        return 0;
    if (render_add(r, PLAN_IMPORTS, "service-entry",
                   json_pack("{s:s, s:s, s:[s], s:s, s:s, s:O, s:o}", "name", name, "namespace",
                             m->ns, "hosts", host, "location", "MESH_INTERNAL", "resolution",
                             "STATIC", "ports", ports, "endpoints", endpoints(r, m))) < 0)
        return -1;
    json_t *policy =
        json_pack("{s:o, s:o*}", "tls", mutual_tls(m), "portLevelSettings", port_policies(m));
    return render_add(r, PLAN_IMPORTS, "destination-rule",
                      json_pack("{s:s, s:s, s:s, s:o, s:n}", "name", name, "namespace", m->ns,
                                "host", host, "policy", policy, "subsets"));
}

/* Of a service that nobody is known to answer for nothing is said: a rule without names would let anybody answer. */
int render_imports(struct render *r)
{
    if (render_is_remote(r))
        return 0;
    for (size_t i = 0; i < r->t->n_imports; i++) {
        const struct istio_import *m = &r->t->imports[i];
        if (m->n_sans == 0)
            continue;
        if (check_import(r, m) < 0 || render_import(r, m) < 0)
            return -1;
    }
    return 0;
}
