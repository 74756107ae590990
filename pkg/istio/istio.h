/* SPDX-License-Identifier: Apache-2.0 */
/* Renders everything that one cluster needs to be a Primary of a mesh. Pure: no clock, no randomness, no I/O but the
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

/* A DNS entry: a Service without selector for one that exists only in other clusters. */
struct istio_stub {
    const char *ns, *name;
    const json_t *ports; /* [{name?, port, protocol?, appProtocol?}] */
};

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
    const struct istio_data *data;
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

#endif
