/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cidr.h"
#include "base/gvr.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/istio.h"
#include "json/jx.h"

enum { ADDRESSES_TEXT_MAX = 4096 };

static const struct gvr groups = {"networking.istio.io", "v1", "workloadgroups", "WorkloadGroup",
                                  true};
static const struct gvr config_maps = {"", "v1", "configmaps", "ConfigMap", true};
static const struct gvr services = {"", "v1", "services", "Service", true};

/* What is read first, all at once. */
enum part { GROUP, MESH, ROOT, GATEWAY, PARTS };

struct gather {
    struct kube_client *client;
    char *namespace, *name, *cluster, *revision, *istiod_address, *internal_ip, *external_ip;
    bool no_dns_capture, no_auto_register;
    int64_t token_s;
    gather_cb *cb;
    void *arg;
    struct kube_call *calls[PARTS], *token_call;
    json_t *read[PARTS];
};

static void gather_free(struct gather *g)
{
    char *all[] = {g->namespace,      g->name,        g->cluster,    g->revision,
                   g->istiod_address, g->internal_ip, g->external_ip};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    for (int i = 0; i < PARTS; i++)
        json_decref(g->read[i]);
    free(g);
}

void gather_drop(struct gather *g)
{
    if (g)
        gather_free(g);
}

void gather_cancel(struct gather *g)
{
    if (!g)
        return;
    for (int i = 0; i < PARTS; i++)
        if (g->calls[i])
            kube_call_cancel(g->calls[i]);
    if (g->token_call)
        kube_call_cancel(g->token_call);
    gather_free(g);
}

static void fail(struct gather *g, const struct err *err)
{
    gather_cb *cb = g->cb;
    void *arg = g->arg;
    gather_cancel(g);
    cb(arg, NULL, NULL, err);
}

/* --- what an answer means --- */

/* Why it may not be there, and what to do. */
static void explain_absence(const struct gather *g, enum part part, struct err *err)
{
    switch (part) {
    case GROUP:
        snprintf(err->msg, sizeof err->msg,
                 "cluster %s has no WorkloadGroup %s/%s yet; next: wait until the hub's "
                 "WorkloadGroup is Ready",
                 g->cluster, g->namespace, g->name);
        return;
    case MESH: {
        auto_free char *map = machine_mesh_map(g->revision);
        snprintf(err->msg, sizeof err->msg,
                 "cluster %s has no ConfigMap %s/%s; next: wait until its control plane is "
                 "installed",
                 g->cluster, ISTIO_NAMESPACE, map);
        return;
    }
    case ROOT:
        snprintf(err->msg, sizeof err->msg,
                 "istiod of cluster %s has not put its root into namespace %s (ConfigMap "
                 "istio-ca-root-cert); next: wait until istiod runs, or let the mesh's "
                 "discoverySelectors select the namespace",
                 g->cluster, g->namespace);
        return;
    case GATEWAY:
    case PARTS:
    default:
        snprintf(err->msg, sizeof err->msg,
                 "cluster %s has no Service %s/%s, by which machines reach istiod; next: wait "
                 "until the Mesh has made it",
                 g->cluster, ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME);
    }
}

static const char *what(enum part part)
{
    static const char *const names[] = {"the WorkloadGroup", "Istio's configuration",
                                        "istiod's root", "the east-west gateway"};
    return names[part];
}

/* What else went wrong keeps its words. */
static void explain(const struct gather *g, enum part part, struct err *err)
{
    if (err->class == ERR_NOT_FOUND)
        explain_absence(g, part, err);
    else
        err_wrap(err, "reading %s of cluster %s", what(part), g->cluster);
}

static void put_address(struct buf *b, const char *address)
{
    if (address && cidr_address_family(address))
        buf_printf(b, "%s%s", b->len ? " " : "", address);
}

/* IP addresses of a Service, as istioctl looks for them: of its load balancer, else those it takes from outside. */
static char *addresses_of(const json_t *service)
{
    struct buf b = BUF_INIT(ADDRESSES_TEXT_MAX);
    size_t i;
    json_t *v;
    json_array_foreach (jx_get(service, "status.loadBalancer.ingress"), i, v) {
        if (i < MACHINE_ADDRESSES_MAX)
            put_address(&b, jx_str(v, "ip"));
    }
    if (b.len)
        return buf_take(&b);
    json_array_foreach (jx_get(service, "spec.externalIPs"), i, v) {
        if (i < MACHINE_ADDRESSES_MAX)
            put_address(&b, json_string_value(v));
    }
    return buf_take(&b);
}

static int find_address(struct gather *g, struct err *err)
{
    const json_t *service = g->read[GATEWAY];
    if (g->istiod_address)
        return 0;
    char *found = addresses_of(service);
    if (*found) {
        g->istiod_address = found;
        return 0;
    }
    free(found);
    const json_t *first = json_array_get(jx_get(service, "status.loadBalancer.ingress"), 0);
    const char *host = jx_str(first, "hostname");
    return err_set(err, ERR_NOT_FOUND, 0,
                   "the east-west gateway of cluster %s (Service %s/%s) has %s%.253s; next: %s",
                   g->cluster, ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME,
                   host ? "no IP address, only the name " : "no address yet", host ? host : "",
                   host ? "give its IP address with --istiod-address"
                        : "wait for its load balancer, or set spec.addresses of its Gateway");
}

/* --- the token, and the end --- */

static void finish(struct gather *g, const char *token, const char *expires)
{
    struct machine_facts f = {
        .group = g->read[GROUP],
        .mesh_yaml = jx_str2(g->read[MESH], "data", "mesh"),
        .root_pem = jx_str2(g->read[ROOT], "data", "root-cert.pem"),
        .token = token,
        .cluster = g->cluster,
        .revision = g->revision,
        .istio_namespace = ISTIO_NAMESPACE,
        .istiod_address = g->istiod_address,
        .internal_ip = g->internal_ip,
        .external_ip = g->external_ip,
        .capture_dns = !g->no_dns_capture,
        .auto_register = !g->no_auto_register,
    };
    g->cb(g->arg, &f, expires, NULL);
    gather_free(g);
}

static void on_token(void *arg, const struct kube_response *r, const struct err *err)
{
    struct gather *g = arg;
    const char *token = jx_str(r->body, "status.token");
    g->token_call = NULL;
    if (!err && token) {
        finish(g, token, jx_str(r->body, "status.expirationTimestamp"));
        return;
    }
    struct err why = {.class = ERR_TRANSIENT, .msg = "the answer holds no token"};
    if (err)
        why = *err;
    err_wrap(&why, "asking cluster %s for a token of service account %s/%s", g->cluster,
             g->namespace, machine_service_account(g->read[GROUP]));
    fail(g, &why);
}

static void ask_token(struct gather *g)
{
    struct err err = {0};
    if (find_address(g, &err) < 0) {
        fail(g, &err);
        return;
    }
    g->token_call =
        kube_token_request(g->client, g->namespace, machine_service_account(g->read[GROUP]),
                           "istio-ca", g->token_s, on_token, g);
}

/* --- reading --- */

static bool is_reading(const struct gather *g)
{
    for (int i = 0; i < PARTS; i++)
        if (g->calls[i])
            return true;
    return false;
}

static void take(struct gather *g, enum part part, const struct kube_response *r,
                 const struct err *err)
{
    g->calls[part] = NULL;
    if (err) {
        struct err why = *err;
        explain(g, part, &why);
        fail(g, &why);
        return;
    }
    g->read[part] = json_incref(r->body);
    if (!is_reading(g))
        ask_token(g);
}

static void on_group(void *arg, const struct kube_response *r, const struct err *err)
{
    take(arg, GROUP, r, err);
}

static void on_mesh(void *arg, const struct kube_response *r, const struct err *err)
{
    take(arg, MESH, r, err);
}

static void on_root(void *arg, const struct kube_response *r, const struct err *err)
{
    take(arg, ROOT, r, err);
}

static void on_gateway(void *arg, const struct kube_response *r, const struct err *err)
{
    take(arg, GATEWAY, r, err);
}

static void read_part(struct gather *g, enum part part, const struct gvr *kind, const char *ns,
                      const char *name)
{
    static kube_call_cb *const callbacks[] = {on_group, on_mesh, on_root, on_gateway};
    auto_free char *path = gvr_path(kind, ns, name);
    struct kube_request q = {.method = "GET",
                             .path = path,
                             .timeout_ms = GATHER_TIMEOUT_MS,
                             .max_bytes = GATHER_BYTES_MAX};
    g->calls[part] = kube_call(g->client, &q, callbacks[part], g);
}

struct gather *gather_start(const struct gather_request *q, gather_cb *cb, void *arg)
{
    struct gather *g = xcalloc(1, sizeof *g);
    *g = (struct gather){
        .client = q->client,
        .namespace = xstrdup(q->namespace),
        .name = xstrdup(q->name),
        .cluster = xstrdup(q->cluster),
        .revision = xstrdup0(q->revision),
        .istiod_address = xstrdup0(q->istiod_address),
        .internal_ip = xstrdup0(q->internal_ip),
        .external_ip = xstrdup0(q->external_ip),
        .no_dns_capture = q->no_dns_capture,
        .no_auto_register = q->no_auto_register,
        .token_s = q->token_s,
        .cb = cb,
        .arg = arg,
    };
    auto_free char *map = machine_mesh_map(q->revision);
    read_part(g, GROUP, &groups, g->namespace, g->name);
    read_part(g, MESH, &config_maps, ISTIO_NAMESPACE, map);
    read_part(g, ROOT, &config_maps, g->namespace, "istio-ca-root-cert");
    if (!g->istiod_address)
        read_part(g, GATEWAY, &services, ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME);
    return g;
}
