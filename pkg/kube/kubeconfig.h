/* SPDX-License-Identifier: Apache-2.0 */
/* How to reach one API server, and the reading of kubeconfig files (client-go's clientcmd/api/v1 Config).
 * A kubeconfig from somebody else is code unless it is read with an allow-list: see kubeconfig_load. */
#ifndef KUBE_KUBECONFIG_H
#define KUBE_KUBECONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct kube_config {
    char *server;          /* https://host[:port][/prefix], no trailing slash */
    char *tls_server_name; /* or NULL: the host of server */
    char *ca;              /* PEM bundle, or NULL: the system's roots */
    char *token;           /* or NULL */
    char *token_file;  /* or NULL; read again every 60 s (bound service account tokens rotate) */
    char *client_cert; /* PEM, or NULL */
    char *client_key;  /* PEM, or NULL */
    char *namespace;   /* the current context's, or NULL */
};
void kube_config_done(struct kube_config *c); /* wipes token and key; safe on {0} */
#define auto_kube_config __attribute__((cleanup(kube_config_done))) struct kube_config

enum kubeconfig_trust {
    KUBECONFIG_OWN,    /* our own hub's file: paths for token, certificate, key and CA are read */
    KUBECONFIG_MEMBER, /* a member's Secret: inline data only */
    KUBECONFIG_MEMBER_LOCAL, /* likewise, but its server may be on this machine (127/8, ::1, localhost) */
};

/* Reads the current context of a kubeconfig (YAML or JSON). For KUBECONFIG_MEMBER everything dangerous is refused, even
 * outside the current context's entries: exec, auth-provider, any file path (certificate-authority, client-certificate,
 * client-key, tokenFile), insecure-skip-tls-verify, proxy-url, username/password, impersonation (as, as-groups, as-uid,
 * as-user-extra), plain http, a server URL with user info, query or fragment; a loopback, link-local or metadata
 * address (127/8, ::1, 169.254/16, fe80::/10, localhost, 0.0.0.0) as host. Unknown fields are ignored.
 * On failure -1, ERR_INVALID, and field (when not NULL) holds the offending field as "users[admin].user.exec". */
enum { KUBECONFIG_FIELD_MAX = 160 };
int kubeconfig_load(const char *data, size_t len, enum kubeconfig_trust trust,
                    struct kube_config *ret, char field[KUBECONFIG_FIELD_MAX], struct err *err);

/* The same from a Secret: its data under key, or, where that is NULL, under the first of value, value.yaml (Cluster
 * API, Flux) and kubeconfig that is there. ERR_NOT_FOUND when there is none. */
int kubeconfig_from_secret(const json_t *secret, const char *key, enum kubeconfig_trust trust,
                           struct kube_config *ret, char field[KUBECONFIG_FIELD_MAX],
                           struct err *err);

/* From inside a pod: KUBERNETES_SERVICE_HOST/PORT and /var/run/secrets/kubernetes.io/serviceaccount (root is put before
 * that path; "" in production). The token stays a file path in ret->token_file. */
int kube_config_in_cluster(const char *root, struct kube_config *ret, struct err *err);

/* When the credentials end: the earlier of the client certificate's notAfter and the token's "exp" claim (unverified,
 * it is our own); 0 when neither says. A token file does not count: it is renewed from outside. Seconds since 1970. */
int64_t kube_config_expiry(const struct kube_config *c);

#endif
