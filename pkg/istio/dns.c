/* SPDX-License-Identifier: Apache-2.0 */
/* Names of services that live only in other clusters. */
#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

/* The ports as the API server would store them: the protocol is a key of the list, so it is always said. */
static json_t *stub_ports(const json_t *ports)
{
    json_t *out = json_array();
    size_t i;
    json_t *port;
    json_array_foreach (ports, i, port) {
        json_t *copy = json_object();
        static const char *const fields[] = {"name", "port", "protocol", "appProtocol", NULL};
        json_object_set_new(copy, "protocol", json_string("TCP"));
        for (const char *const *f = fields; *f; f++) {
            json_t *v = json_object_get(port, *f);
            if (v && !json_is_null(v))
                json_object_set(copy, *f, v);
        }
        json_array_append_new(out, copy);
    }
    return out;
}

/* A headless Service may have none; an ExternalName has none that mean anything. */
static json_t *ports_of(const struct istio_stub *s)
{
    if (s->external_name || json_array_size(s->ports) == 0)
        return json_null();
    return stub_ports(s->ports);
}

static int render_stub(struct render *r, const struct istio_stub *s)
{
    json_t *type = s->external_name ? json_string("ExternalName") : json_null();
    json_t *name = s->external_name ? json_string(s->external_name) : json_null();
    json_t *ip = s->headless && !s->external_name ? json_string("None") : json_null();
    return render_add(r, PLAN_DNS, "dns-entry",
                      json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "namespace", s->ns, "name",
                                s->name, "ports", ports_of(s), "type", type, "external_name", name,
                                "cluster_ip", ip));
}

/* Under the Service's own port numbers: a client of a headless Service connects to the pods themselves. */
static int render_stub_endpoints(struct render *r, const struct istio_stub *s)
{
    auto_json *ports = stub_ports(s->ports);
    size_t i;
    json_t *port;
    json_array_foreach (ports, i, port) {
        if (!json_object_get(port, "name"))
            json_object_set_new(port, "name", json_string(""));
    }
    return render_endpoints(r, PLAN_DNS, s->ns, s->name, s->endpoints, s->n_endpoints, ports);
}

int render_dns(struct render *r)
{
    for (size_t i = 0; i < r->t->n_stubs; i++) {
        const struct istio_stub *s = &r->t->stubs[i];
        if (json_array_size(s->ports) == 0 && !s->headless && !s->external_name)
            return err_set(r->err, ERR_BUG, 0, "service %s/%s without ports", s->ns, s->name);
        if (render_stub(r, s) < 0)
            return -1;
        if (s->headless && !s->external_name && render_stub_endpoints(r, s) < 0)
            return -1;
    }
    return 0;
}
