/* SPDX-License-Identifier: Apache-2.0 */
#include "istio/machines.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

struct machines {
    const struct istio_machines *m;
    struct render r; /* of it only what manifests need */
};

static json_t *text_or_null(const char *s)
{
    return s && *s ? json_string(s) : json_null();
}

static json_t *shared(const json_t *v)
{
    return json_incref((json_t *)(uintptr_t)v);
}

static struct plan_object *add(struct machines *x, enum plan_wave wave, const json_t *doc)
{
    return plan_add(x->r.p, &x->m->owner, wave, shared(doc), NULL, x->r.err);
}

/* --- WorkloadGroup and account --- */

/* Istio's template says for each name where the machines listen. */
static json_t *template_ports(const struct istio_machines *m)
{
    if (m->n_ports == 0)
        return json_null();
    json_t *out = json_object();
    for (size_t i = 0; i < m->n_ports; i++)
        json_object_set_new(out, m->ports[i].name, json_integer(m->ports[i].target));
    return out;
}

static json_t *probe(const struct istio_machine_probe *p)
{
    if (!p)
        return json_null();
    if (p->path)
        return json_pack("{s:i, s:{s:s, s:i}}", "periodSeconds", p->period_s, "httpGet", "path",
                         p->path, "port", p->port);
    return json_pack("{s:i, s:{s:i}}", "periodSeconds", p->period_s, "tcpSocket", "port", p->port);
}

/* The annotation is YAML, and so is JSON. */
static json_t *proxy_config(const json_t *config)
{
    if (json_object_size(config) == 0)
        return json_null();
    auto_free char *text = jx_dump(config);
    return json_string(text);
}

static json_t *weight(int w)
{
    return w > 0 ? json_integer(w) : json_null();
}

static int render_group(struct machines *x)
{
    const struct istio_machines *m = x->m;
    auto_json *docs = render_docs(
        &x->r, "machines",
        json_pack("{s:s, s:s, s:s, s:s, s:O, s:s, s:o, s:o, s:o, s:o, s:o}", "name", m->name,
                  "namespace", m->ns, "mesh", m->mesh, "account", m->account, "labels", m->labels,
                  "network", m->network, "locality", text_or_null(m->locality), "weight",
                  weight(m->weight), "ports", template_ports(m), "probe", probe(m->probe),
                  "proxy_config", proxy_config(m->proxy_config)));
    if (!docs)
        return -1;
    struct plan_object *account = add(x, PLAN_RBAC, json_array_get(docs, 0));
    if (!account)
        return -1;
    account->yields = true;
    return add(x, PLAN_EXPOSURE, json_array_get(docs, 1)) ? 0 : -1;
}

/* --- namespace --- */

static int render_namespace_of(struct machines *x)
{
    const struct istio_machines *m = x->m;
    bool revised = m->revision && *m->revision;
    auto_json *doc = render_doc(&x->r, "machines-namespace",
                                json_pack("{s:s, s:s, s:o, s:o}", "name", m->ns, "mesh", m->mesh,
                                          "injection", text_or_null(revised ? NULL : "enabled"),
                                          "revision", text_or_null(m->revision)));
    return doc && add(x, PLAN_NAMESPACE, doc) ? 0 : -1;
}

/* --- Service --- */

/* Kubernetes knows what is spoken by this name, and so does Istio. */
static json_t *app_protocol(const char *protocol)
{
    static const char *const known[][2] = {
        {"HTTP", "http"}, {"HTTP2", "http2"}, {"GRPC", "grpc"}, {"TLS", "tls"}, {"TCP", "tcp"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(known[i][0], protocol))
            return json_string(known[i][1]);
    return json_string("tcp");
}

static json_t *service_ports(const struct istio_machines *m)
{
    json_t *out = json_array();
    for (size_t i = 0; i < m->n_ports; i++) {
        const struct istio_machine_port *p = &m->ports[i];
        json_array_append_new(out, json_pack("{s:s, s:i, s:i, s:s, s:o}", "name", p->name, "port",
                                             p->port, "targetPort", p->target, "protocol", "TCP",
                                             "appProtocol", app_protocol(p->protocol)));
    }
    return out;
}

static int render_service(struct machines *x)
{
    const struct istio_machines *m = x->m;
    auto_json *doc =
        render_doc(&x->r, "machines-service",
                   json_pack("{s:s, s:s, s:s, s:O, s:o}", "name", m->service, "namespace", m->ns,
                             "mesh", m->mesh, "labels", m->labels, "ports", service_ports(m)));
    return doc && add(x, PLAN_CONFIG, doc) ? 0 : -1;
}

/* --- */

static int check(const struct istio_machines *m, struct err *err)
{
    const struct {
        const char *what, *value;
    } needed[] = {
        {"a mesh", m->mesh},        {"a name", m->name},       {"a namespace", m->ns},
        {"an account", m->account}, {"a network", m->network}, {"an owner", m->owner.mesh_uid},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value || !*needed[i].value)
            return err_set(err, ERR_INVALID, 0, "machines can't be rendered without %s",
                           needed[i].what);
    if (json_object_size(m->labels) == 0)
        return err_set(err, ERR_INVALID, 0, "machines without labels: no Service can select them");
    if (m->service && m->n_ports == 0)
        return err_set(err, ERR_INVALID, 0, "Service %s has no ports; next: set spec.ports",
                       m->service);
    return 0;
}

int istio_render_machines(const struct istio_machines *m, struct plan *p, struct err *err)
{
    struct machines x = {.m = m, .r = {.p = p, .err = err}};
    if (check(m, err) < 0 || (m->makes_namespace && render_namespace_of(&x) < 0) ||
        render_group(&x) < 0 || (m->service && render_service(&x) < 0))
        return -1;
    return plan_finish(p, err);
}
