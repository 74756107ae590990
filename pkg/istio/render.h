/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the renderer share; not for other packages. */
#ifndef ISTIO_RENDER_H
#define ISTIO_RENDER_H

#include "istio/istio.h"

struct render {
    const struct istio_target *t;
    struct plan *p;
    struct err *err;
    const char *rev;                  /* value of istio.io/rev: "default" or the revision */
    const char *suffix;               /* "" or "-<revision>" */
    const char *istiod;               /* "istiod<suffix>" */
    const char *injector, *validator; /* names of the webhook configurations */
    int min, max;                     /* replicas, min >= 1, max >= min */
    bool side;                        /* what is added now: see plan_object */
    json_t *mesh_config; /* MeshConfig with the user's overlay; render_mesh_config sets it */
};

static inline bool render_is_remote(const struct render *r)
{
    return r->t->role == ISTIO_REMOTE;
}

/* The documents of a manifest, filled; steals vars. New reference, NULL with r->err set. */
json_t *render_docs(struct render *r, const char *manifest, json_t *vars);
/* The first document alone. */
json_t *render_doc(struct render *r, const char *manifest, json_t *vars);
/* Adds every document of a manifest to the plan; steals vars. */
int render_add(struct render *r, enum plan_wave wave, const char *manifest, json_t *vars);
/* Adds the one document of a manifest; steals vars and inputs. NULL with r->err set. */
struct plan_object *render_add_one(struct render *r, enum plan_wave wave, const char *manifest,
                                   json_t *vars, json_t *inputs);

/* An HPA when max > min, a PDB when min > 1, for the Deployment of that name; both borrowed. */
int render_scaling(struct render *r, enum plan_wave wave, const char *name, json_t *labels,
                   json_t *selector, int min, int max);
/* "IPv4" or "IPv6", NULL for a host name. */
const char *render_family(const char *address);
/* EndpointSlices of a Service, a family each; ports as of an EndpointSlice, borrowed. */
int render_endpoints(struct render *r, enum plan_wave wave, const char *ns, const char *service,
                     const struct istio_endpoint *endpoints, size_t n, json_t *ports);

/* --- gateways --- */
#define RENDER_TLS_FOLDER                                                                          \
    "/etc/istio/tls" /* of a gateway's pods, with a Secret of type kubernetes.io/tls in it */
/* Value of the label "istio" by which configuration finds its pods. */
const char *render_gateway_label(const struct istio_gateway *g);
/* "HTTP": "http" */
const char *render_protocol_prefix(const char *protocol);

/* The ports that it listens on: of an Egress gateway also those that its routes need. */
const struct istio_listener *render_listeners(struct render *r, const struct istio_gateway *g,
                                              size_t *ret_n);
/* Its routes by host, the longest path first; memory of the plan. */
const struct istio_route **render_sorted_routes(struct render *r, const struct istio_gateway *g);
json_t *render_hosts(const struct istio_route *const *sorted, size_t n);
/* Name of the objects for one host. */
const char *render_host_name(struct render *r, const struct istio_gateway *g, const char *host);

struct render_rules {
    json_t *http, *tls, *tcp; /* of a VirtualService, or NULL; stolen */
};
/* Both steal their JSON. */
int render_istio_gateway(struct render *r, const char *name, json_t *selector, json_t *servers);
int render_virtual_service(struct render *r, const char *name, json_t *hosts, json_t *gateways,
                           const struct render_rules *rules);
/* A server of an Istio Gateway, named <prefix>-<port>; steals hosts and tls (or NULL). */
json_t *render_server(int port, const char *prefix, const char *protocol, json_t *hosts,
                      json_t *tls);
int render_ingress(struct render *r, const struct istio_gateway *g);
int render_egress(struct render *r, const struct istio_gateway *g);

/* --- lists of environment variables --- */
/* Sets, or with JSON null removes, the variables of an object in a list. -1 with r->err set when a value is no string;
 * what: where the object is from. */
int render_merge_env(struct render *r, json_t *env, const json_t *values, const char *what);
/* Takes out the variables whose placeholder was left empty. */
void render_trim_env(json_t *env);

/* --- parts of a plan, each with what it decides by itself whether it is needed --- */
int render_mesh_config(struct render *r);   /* sets r->mesh_config, adds nothing */
int render_config(struct render *r);        /* ConfigMaps of the mesh and of the injector */
int render_control_plane(struct render *r); /* Service, Deployment, HPA, PDB; endpoints */
int render_webhooks(struct render *r);
int render_crds(struct render *r); /* from the carried data */
int render_gateways(struct render *r);
int render_guard(struct render *r);
int render_revoked(struct render *r);
int render_exposure(struct render *r);
int render_networks(struct render *r);
int render_remote_access(struct render *r);
int render_dns(struct render *r);
int render_imports(struct render *r);
int render_entry_namespaces(struct render *r);

#endif
