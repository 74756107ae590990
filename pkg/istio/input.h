/* SPDX-License-Identifier: Apache-2.0 */
/* The input of a golden case (testdata/istio/<case>/in.yaml) as the renderer takes it. For tests. */
#ifndef ISTIO_INPUT_H
#define ISTIO_INPUT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/istio.h"
#include "yaml/yaml.h"
#include "json/jx.h"

#define DATA     "testdata/istio"
#define DATA_DIR DATA "/data"
#define ROOT     "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

enum { INPUT_MAX = 8, FILE_MAX = 4194304 };

/* Strings live in doc, lists of them in the arena. */
struct input {
    json_t *doc;
    struct arena arena;
    struct istio_target t;
    struct istio_peer peers[INPUT_MAX];
    struct istio_stub stubs[INPUT_MAX];
    struct istio_gateway gateways[INPUT_MAX], remote_gateways[INPUT_MAX];
    struct istio_network_gateway network_gateways[INPUT_MAX];
    struct istio_anchor anchors[INPUT_MAX];
    struct istio_admitted admitted[INPUT_MAX];
    struct istio_import imports[INPUT_MAX];
};

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    char *text = xcalloc(1, FILE_MAX);
    size_t n = fread(text, 1, FILE_MAX - 1, f);
    assert_true(n < FILE_MAX - 1);
    fclose(f);
    return text;
}

static const char *const *input_strings(struct input *in, const json_t *list, size_t *ret_n)
{
    const char **out = arena_array(&in->arena, json_array_size(list) + 1, sizeof *out);
    for (size_t i = 0; i < json_array_size(list); i++)
        out[i] = json_string_value(json_array_get(list, i));
    *ret_n = json_array_size(list);
    return out;
}

static json_t *input_list(const struct input *in, const char *name)
{
    json_t *list = json_object_get(in->doc, name);
    assert_true(json_array_size(list) <= INPUT_MAX);
    return list;
}

static void input_peers(struct input *in)
{
    size_t i;
    json_t *v;
    json_array_foreach (input_list(in, "peers"), i, v) {
        in->peers[i] = (struct istio_peer){.name = jx_str(v, "name"),
                                           .uid = jx_str(v, "uid"),
                                           .account = jx_str(v, "account"),
                                           .server = jx_str(v, "server"),
                                           .ca = jx_str(v, "ca")};
        in->t.n_peers = i + 1;
    }
}

static void input_stub_endpoints(struct input *in, struct istio_stub *s, const json_t *list)
{
    struct istio_endpoint *out = arena_array(&in->arena, json_array_size(list) + 1, sizeof *out);
    size_t i;
    json_t *v;
    json_array_foreach (list, i, v) {
        out[i] = (struct istio_endpoint){jx_str(v, "address"), jx_str(v, "hostname")};
    }
    s->endpoints = out;
    s->n_endpoints = json_array_size(list);
}

static void input_stubs(struct input *in)
{
    size_t i;
    json_t *v;
    json_array_foreach (input_list(in, "stubs"), i, v) {
        in->stubs[i] = (struct istio_stub){.ns = jx_str(v, "namespace"),
                                           .name = jx_str(v, "name"),
                                           .ports = jx_get(v, "ports"),
                                           .external_name = jx_str(v, "externalName"),
                                           .headless = jx_bool(v, "headless", false)};
        input_stub_endpoints(in, &in->stubs[i], jx_get(v, "endpoints"));
        in->t.n_stubs = i + 1;
    }
}

static enum istio_gateway_type input_gateway_type(const char *s)
{
    if (str_eq(s, "Ingress"))
        return ISTIO_INGRESS;
    return str_eq(s, "Egress") ? ISTIO_EGRESS : ISTIO_EASTWEST;
}

static void input_listeners(struct input *in, struct istio_gateway *g, const json_t *list)
{
    struct istio_listener *out = arena_array(&in->arena, json_array_size(list) + 1, sizeof *out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        out[i] = (struct istio_listener){(int)jx_int(v, "port", 0), jx_str(v, "protocol")};
    }
    g->listeners = out;
    g->n_listeners = json_array_size(list);
}

static void input_routes(struct input *in, struct istio_gateway *g, const json_t *list)
{
    struct istio_route *out = arena_array(&in->arena, json_array_size(list) + 1, sizeof *out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        out[i] = (struct istio_route){jx_str(v, "host"), jx_str(v, "path"), jx_str(v, "namespace"),
                                      jx_str(v, "service"), (int)jx_int(v, "port", 0)};
    }
    g->routes = out;
    g->n_routes = json_array_size(list);
}

static size_t input_gateways(struct input *in, const char *key, struct istio_gateway *out)
{
    size_t i;
    json_t *v;
    json_array_foreach (input_list(in, key), i, v) {
        enum istio_gateway_type type = input_gateway_type(jx_str(v, "type"));
        out[i] = (struct istio_gateway){
            .type = type,
            .name = type == ISTIO_EASTWEST ? ISTIO_EASTWEST_NAME : jx_str(v, "name"),
            .service_type = str_or(jx_str(v, "serviceType"), "LoadBalancer"),
            .load_balancer_class = jx_str(v, "loadBalancerClass"),
            .annotations = jx_get(v, "annotations"),
            .external_ips = jx_get(v, "externalIPs"),
            .resources = jx_get(v, "resources"),
            .min_replicas = (int)jx_int(v, "minReplicas", 1),
            .max_replicas = (int)jx_int(v, "maxReplicas", 1),
            .port = (int)jx_int(v, "port", 0),
            .istiod = jx_bool(v, "istiod", false),
            .networks = input_strings(in, jx_get(v, "networks"), &(size_t){0}),
            .tls_secret = jx_str(v, "tlsSecret"),
        };
        out[i].hosts = input_strings(in, jx_get(v, "hosts"), &out[i].n_hosts);
        input_listeners(in, &out[i], jx_get(v, "listeners"));
        input_routes(in, &out[i], jx_get(v, "routes"));
    }
    return json_array_size(json_object_get(in->doc, key));
}

static void input_networks(struct input *in)
{
    size_t i;
    json_t *v;
    json_array_foreach (input_list(in, "networkGateways"), i, v) {
        struct istio_network_gateway *g = &in->network_gateways[i];
        *g = (struct istio_network_gateway){.name = jx_str(v, "name"),
                                            .network = jx_str(v, "network"),
                                            .port = (int)jx_int(v, "port", 0)};
        g->addresses = input_strings(in, jx_get(v, "addresses"), &g->n_addresses);
        in->t.n_network_gateways = i + 1;
    }
}

static void input_trust(struct input *in)
{
    size_t i;
    json_t *v;
    json_array_foreach (input_list(in, "anchors"), i, v) {
        in->anchors[i] = (struct istio_anchor){jx_str(v, "trustDomain"), jx_str(v, "pem")};
        in->t.n_anchors = i + 1;
    }
    in->t.nameless = input_strings(in, jx_get(in->doc, "nameless"), &in->t.n_nameless);
    json_array_foreach (input_list(in, "admitted"), i, v) {
        struct istio_admitted *a = &in->admitted[i];
        a->trust_domain = jx_str(v, "trustDomain");
        a->snis = input_strings(in, jx_get(v, "snis"), &a->n_snis);
        a->addresses = input_strings(in, jx_get(v, "addresses"), &a->n_addresses);
        in->t.n_admitted = i + 1;
    }
}

static void input_import_endpoints(struct input *in, struct istio_import *m, const json_t *list)
{
    struct istio_import_endpoint *out =
        arena_array(&in->arena, json_array_size(list) + 1, sizeof *out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        out[i] =
            (struct istio_import_endpoint){jx_str(v, "address"), jx_str(v, "network"),
                                           jx_get(v, "ports"), (unsigned)jx_int(v, "weight", 0)};
    }
    m->endpoints = out;
    m->n_endpoints = json_array_size(list);
}

static void input_imports(struct input *in)
{
    size_t i;
    json_t *v;
    json_array_foreach (input_list(in, "imports"), i, v) {
        struct istio_import *m = &in->imports[i];
        *m =
            (struct istio_import){.ns = jx_str(v, "namespace"),
                                  .name = jx_str(v, "name"),
                                  .remote_name = str_or(jx_str(v, "remoteName"), jx_str(v, "name")),
                                  .ports = jx_get(v, "ports")};
        m->sans = input_strings(in, jx_get(v, "sans"), &m->n_sans);
        input_import_endpoints(in, m, jx_get(v, "endpoints"));
        in->t.n_imports = i + 1;
    }
}

static void input_revoked(struct input *in)
{
    const json_t *list = input_list(in, "revoked");
    struct istio_revoked *out = arena_array(&in->arena, json_array_size(list) + 1, sizeof *out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        out[i] = (struct istio_revoked){jx_str(v, "mesh"), jx_str(v, "trustDomain"),
                                        jx_str(v, "namespace"), jx_str(v, "serviceAccount")};
    }
    in->t.revoked = out;
    in->t.n_revoked = json_array_size(list);
}

static void input_settings(struct istio_settings *s, const json_t *d)
{
    *s = (struct istio_settings){
        .hub = jx_str(d, "hub"),
        .tag = jx_str(d, "tag"),
        .revision = str_or(jx_str(d, "revision"), ""),
        .env = jx_get(d, "env"),
        .mesh_config = jx_get(d, "meshConfig"),
        .istiod_resources = jx_get(d, "istiodResources"),
        .proxy_resources = jx_get(d, "proxyResources"),
        .min_replicas = (int)jx_int(d, "minReplicas", 1),
        .max_replicas = (int)jx_int(d, "maxReplicas", 1),
    };
}

static void input_target(struct input *in)
{
    const json_t *d = in->doc;
    in->t = (struct istio_target){
        .owner = {jx_str(d, "mesh"), "00000000-1111-2222-3333-444444444444", NULL},
        .mesh_name = jx_str(d, "mesh"),
        .trust_domain = jx_str(d, "trustDomain"),
        .cluster = jx_str(d, "cluster"),
        .network = jx_str(d, "network"),
        .spans = jx_bool(d, "spans", false),
        .kube_minor = (int)jx_int(d, "kubeMinor", 0),
        .root_sha256 = ROOT,
        .created_namespace = jx_bool(d, "createdNamespace", false),
        .peers = in->peers,
        .stubs = in->stubs,
        .role = str_eq(jx_str(d, "role"), "Remote") ? ISTIO_REMOTE : ISTIO_PRIMARY,
        .primary = jx_str(d, "primary"),
        .has_remotes = jx_bool(d, "hasRemotes", false),
        .gateways = in->gateways,
        .remote_gateways = in->remote_gateways,
        .network_gateways = in->network_gateways,
        .anchors = in->anchors,
        .guarded = jx_bool(d, "guarded", false),
        .admitted = in->admitted,
        .imports = in->imports,
    };
    in->t.istiod_addresses =
        input_strings(in, jx_get(d, "istiodAddresses"), &in->t.n_istiod_addresses);
}

static void input_load(struct input *in, const char *name)
{
    auto_free char *path = xasprintf(DATA "/%s/in.yaml", name);
    auto_free char *text = read_file(path);
    assert_non_null(text);
    struct err err = {0};
    *in = (struct input){.arena = ARENA_INIT};
    in->doc = yaml_load(text, strlen(text), &err);
    if (!in->doc)
        fail_msg("%s: %s", path, err.msg);
    input_target(in);
    input_settings(&in->t.settings, in->doc);
    in->t.data = istio_data_load(DATA_DIR, NULL, &err);
    if (!in->t.data)
        fail_msg("%s", err.msg);
    input_peers(in);
    input_stubs(in);
    in->t.n_gateways = input_gateways(in, "gateways", in->gateways);
    in->t.n_remote_gateways = input_gateways(in, "remoteGateways", in->remote_gateways);
    input_networks(in);
    input_trust(in);
    input_imports(in);
    input_revoked(in);
}

static void input_done(struct input *in)
{
    istio_data_free((struct istio_data *)(uintptr_t)in->t.data);
    arena_done(&in->arena);
    json_decref(in->doc);
}
#define auto_input __attribute__((cleanup(input_done))) struct input

static void render(const struct input *in, struct plan *p)
{
    struct err err = {0};
    plan_init(p, in->t.cluster);
    if (istio_render(&in->t, p, &err) < 0)
        fail_msg("%s", err.msg);
}

static const struct plan_object *find(const struct plan *p, const char *kind, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->objects[i].gvr->kind, kind) && str_eq(p->objects[i].name, name))
            return &p->objects[i];
    return NULL;
}

#endif
