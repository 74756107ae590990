/* SPDX-License-Identifier: Apache-2.0 */
/* Renders everything that one cluster needs to be a member of a mesh. Pure: no clock, no randomness, no I/O but the
 * index of the carried Istio data, which the caller has loaded. */
#ifndef ISTIO_ISTIO_H
#define ISTIO_ISTIO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "plan/plan.h"

/* Settings of one cluster, already merged: operator's defaults < Mesh < the cluster's overrides. */
struct istio_settings {
    const char *version;  /* as in the carried data, "1.31.0" */
    const char *hub;      /* "docker.io/istio" */
    const char *tag;      /* "1.31.0" */
    const char *revision; /* "" = default */
    const json_t *env;    /* object name -> string, or NULL: istiod's environment, wins over ours */
    const json_t *mesh_config; /* MeshConfig overlay (merge patch), or NULL */
    /* ResourceRequirements, or NULL: requests 500m / 2Gi are NOT assumed; 100m/256Mi */
    const json_t *istiod_resources;
    const json_t *proxy_resources;  /* of the injected sidecar, or NULL: 10m / 64Mi */
    int min_replicas, max_replicas; /* equal: fixed number, no HPA; PDB when min > 1 */
};

struct istio_peer {
    const char *name; /* cluster id */
    /* UID of its kube-system: another cluster behind the name needs a new secret */
    const char *uid;
    const char *server; /* https URL that this cluster's istiod uses */
    const char *ca;     /* PEM, or NULL: public roots */
    /* UID of its reader's ServiceAccount, or NULL: a token ends with the account. */
    const char *account;
};

struct istio_endpoint;

/* A DNS entry: a Service without selector for one that exists only in other clusters. */
struct istio_stub {
    const char *ns, *name;
    const json_t *ports;       /* [{name?, port, protocol?, appProtocol?}] */
    const char *external_name; /* of an ExternalName Service, or NULL; ports may then be empty */
    bool headless;             /* clusterIP None, with an EndpointSlice of `endpoints` */
    const struct istio_endpoint *endpoints;
    size_t n_endpoints;
};
struct istio_endpoint {
    const char *address;  /* IP */
    const char *hostname; /* of a StatefulSet's pod, or NULL */
};

enum istio_role { ISTIO_PRIMARY, ISTIO_REMOTE };

enum istio_gateway_type { ISTIO_EASTWEST, ISTIO_INGRESS, ISTIO_EGRESS };

/* A port on which an Ingress or Egress gateway listens. */
struct istio_listener {
    int port;
    const char *protocol; /* HTTP, HTTPS, TLS, TCP */
};

/* What comes in at an Ingress gateway, and the Service it goes to; through an Egress gateway: the host outside. */
struct istio_route {
    const char *host, *path; /* path: a prefix, "/" is all */
    const char *ns, *service;
    int port;
};

/* A gateway: Deployment, Service, HPA, PDB, ServiceAccount, Role; in ISTIO_NAMESPACE. */
struct istio_gateway {
    enum istio_gateway_type type;
    const char *name;         /* of Deployment and Service; ISTIO_EASTWEST_NAME for east-west */
    const char *service_type; /* "LoadBalancer", "NodePort", "ClusterIP" */
    const char *load_balancer_class; /* or NULL */
    const json_t *annotations;       /* of the Service: object of strings, or NULL */
    const json_t *external_ips;      /* of the Service: list of strings, or NULL */
    const json_t *resources;         /* ResourceRequirements, or NULL: 100m / 128Mi */
    int min_replicas, max_replicas;  /* as of istiod */
    int port;                        /* east-west: of mTLS, 15443 when 0 */
    /* East-west: which hosts may be reached through it (15443, AUTO_PASSTHROUGH), "*.local" when the mesh itself has
     * several networks, else those of exported services; none: 15443 is not opened. */
    const char *const *hosts;
    size_t n_hosts;
    /* East-west: 15012 leads to the istiod of this cluster; 15017 too where it has Remotes. */
    bool istiod;
    /* East-west: networks besides the cluster's own to whose endpoints it leads; NULL-terminated, NULL: none. */
    const char *const *networks;
    /* Ingress, Egress */
    const struct istio_listener *listeners;
    size_t n_listeners;
    const struct istio_route *routes;
    size_t n_routes;
    const char *tls_secret; /* name, in ISTIO_NAMESPACE of this cluster; or NULL */
};
#define ISTIO_EASTWEST_NAME "istio-eastwestgateway"
enum { ISTIO_MTLS_PORT = 15443, ISTIO_ISTIOD_PORT = 15012, ISTIO_WEBHOOK_PORT = 15017 };

/* An east-west gateway by which another network is reached: made known as a Gateway of class istio-remote. */
struct istio_network_gateway {
    const char *name;             /* of the object, unique in the cluster */
    const char *network;          /* what endpoints that are behind it say */
    const char *const *addresses; /* IP addresses or host names; none yet: there is no object yet */
    size_t n_addresses;
    int port;
};

/* A root of another mesh, made good for that mesh's trust domain only (pki_bound_anchor). */
struct istio_anchor {
    const char *trust_domain;
    const char *pem; /* one certificate */
};

/* What identities of one other trust domain may reach in the clusters of this Primary; everything else is closed to
 * them. With addresses, these alone decide: to a direct caller the SNI is its own word. So whenever some of its
 * workloads are on a network of these clusters, addresses has all pods of all exported services in these clusters. */
struct istio_admitted {
    const char *trust_domain;
    const char *const
        *snis; /* through the east-west gateway: "outbound_.80_._.ledger.pay.svc.cluster.local" */
    size_t n_snis;
    const char *const *addresses; /* direct, on one network: IPs of the pods of exported services */
    size_t n_addresses;
};

/* Where an imported service answers: a pod's address, or whatever is behind the gateways of a network. */
struct istio_import_endpoint {
    const char *address; /* NULL: by network */
    const char *network; /* NULL: this cluster's own */
    const json_t *ports; /* address: object port name -> number there; NULL: as the service's */
    unsigned weight;     /* 0: not said */
};

/* A service of another mesh, as it is callable here: ServiceEntry and DestinationRule in its namespace. */
struct istio_import {
    const char *ns, *name;   /* under this name here */
    const char *remote_name; /* its name there (SNI); equal to name when it keeps it */
    const json_t *ports;     /* as of a stub */
    const char *const
        *sans; /* who may answer: SPIFFE ids, those of a local Service of this name included */
    size_t n_sans;
    const struct istio_import_endpoint *endpoints;
    size_t n_endpoints;
};

/* An identity of machines that every workload refuses, of this mesh or of one that it trusts. */
struct istio_revoked {
    const char *mesh; /* whose it was */
    const char *trust_domain, *ns, *account;
};
/* The AuthorizationPolicy that refuses one, in ISTIO_NAMESPACE: "meshwright-revoked-<mesh>.<namespace>.<account>", with
 * a hash in place of an account that is too long. A Mesh's name has no dot. Memory of the arena. */
#define ISTIO_REVOKED "meshwright-revoked-"
const char *istio_revoked_name(struct arena *a, const char *mesh, const char *ns,
                               const char *account);

struct istio_target {
    struct plan_owner owner;
    const char *mesh_name; /* also meshId */
    const char *trust_domain;
    const char *cluster; /* cluster id */
    const char *network;
    int kube_minor; /* 37 for v1.37: native sidecars from 29 on; 0 unknown: native */
    struct istio_settings settings;
    const char *root_sha256; /* fingerprint of the mesh's root; input of the intent of cacerts */
    int ca_generation;       /* raised to make a new intermediate; input of the same */
    bool created_namespace;  /* istio-system is (to be) made by us */
    const struct istio_peer *peers;
    size_t n_peers;
    const struct istio_stub *stubs;
    size_t n_stubs;
    const char *const *namespaces; /* made for them, where the cluster lacks them */
    size_t n_namespaces;
    const struct istio_data *data;
    /* --- roles --- */
    enum istio_role role;
    /* Remote: the cluster id of its Primary, and where that one's istiod is reached (addresses of its east-west
     * gateway, IPs or one host name). None yet: neither endpoints nor webhooks are rendered. */
    const char *primary;
    const char *const *istiod_addresses;
    size_t n_istiod_addresses;
    bool has_remotes; /* Primary: its istiod serves Remotes */
    /* --- networks --- */
    /* The istiod of this cluster, a Remote's being its Primary's, serves proxies of several networks: then each must
     * say its own. Otherwise none does, and is on its cluster's, so that a cluster can move without a restart of its
     * pods. */
    bool spans;
    const struct istio_gateway *gateways;
    size_t n_gateways;
    /* Primary: gateways of its Remotes. Proxies take their configuration from their Primary's cluster, so what these
     * let through is rendered here, and nothing else of them. */
    const struct istio_gateway *remote_gateways;
    size_t n_remote_gateways;
    const struct istio_network_gateway *network_gateways; /* Primary only */
    size_t n_network_gateways;
    /* --- other meshes; in a Remote only the roots in `istio` count --- */
    const struct istio_anchor *anchors; /* sorted by trust domain, then as in the bundle */
    size_t n_anchors;
    bool
        guarded; /* takes part in a TrustBundle: identities of others reach only what is admitted */
    const struct istio_revoked *revoked; /* Primary only; those of one account stand together */
    size_t n_revoked;
    const struct istio_admitted *admitted; /* sorted by trust domain */
    size_t n_admitted;
    /* CIDRs from where nobody is let in who proves no identity: pods of other meshes on a network of these clusters. */
    const char *const *nameless;
    size_t n_nameless;
    const struct istio_import *imports;
    size_t n_imports;
};

int istio_render(const struct istio_target *t, struct plan *p, struct err *err);

#define ISTIO_NAMESPACE      "istio-system"
#define ISTIO_READER_ACCOUNT "istio-reader-service-account"

/* The text of a remote kubeconfig (JSON, which is YAML) for data.<peer>; owned, secret. */
char *istio_remote_kubeconfig(const struct istio_peer *peer, const char *token);

/* --- carried data: <dir>/<version>/index.json and crds/, made by hack/istio-data from Istio's Go module --- */
struct istio_data;
/* Loads the index of a version: "1.31.0", or "1.31" for the newest patch carried, or NULL for the newest of all. NULL
 * with *err (ERR_INVALID, naming the versions that are carried) when there is none. */
struct istio_data *istio_data_load(const char *dir, const char *version, struct err *err);
void istio_data_free(struct istio_data *d);
const char *istio_data_version(const struct istio_data *d);
/* The sets of CRDs in it. istio_render takes those that it needs. */
#define ISTIO_SET_ISTIO       "istio"
#define ISTIO_SET_GATEWAY_API "gateway-api"
#define ISTIO_SET_MCS         "mcs"
/* Adds the CRDs of a set to another plan. */
int istio_data_plan(const struct istio_data *d, const char *set, const struct plan_owner *owner,
                    struct plan *p, struct err *err);

#endif
