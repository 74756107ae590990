/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of a pod, and how long credentials last. */
#include "kube/kubeconfig.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/kubeconfig_file.h"
#include "kube/kubeconfig_server.h"
#include "pki/pki.h"
#include "json/jx.h"

static const char pod_folder[] = "/var/run/secrets/kubernetes.io/serviceaccount";

static char *pod_server(void)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return NULL;
    bool v6 = strchr(host, ':');
    return xasprintf("https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static char *pod_file(const char *root, const char *name, struct err *err)
{
    auto_free char *path = xasprintf("%s%s/%s", root, pod_folder, name);
    char *text = kubeconfig_read_file(path, err);
    if (!text)
        err_wrap(err, "%s", path);
    return text;
}

static void trim_end(char *s)
{
    for (size_t n = s ? strlen(s) : 0; n && strchr(" \t\r\n", s[n - 1]); n--)
        s[n - 1] = '\0';
}

static int fill_from_pod(const char *root, struct kube_config *c, struct err *err)
{
    c->server = pod_server();
    if (!c->server)
        return err_set(err, ERR_INVALID, 0,
                       "not in a pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
    const char *problem = kubeconfig_server_problem(c->server, KUBECONFIG_SERVER_OWN);
    if (problem)
        return err_set(err, ERR_INVALID, 0, "KUBERNETES_SERVICE_HOST or _PORT: %s", problem);
    char *token = pod_file(root, "token", err);
    if (!token)
        return -1;
    xfree_secret(
        token); /* only to say at once that it is missing; the client reads it again and again */
    c->token_file = xasprintf("%s%s/token", root, pod_folder);
    c->ca = pod_file(root, "ca.crt", err);
    if (!c->ca)
        return -1;
    if (pki_check_bundle(c->ca, 500, err) < 0)
        return err_wrap(err, "%s%s/ca.crt", root, pod_folder);
    c->namespace = pod_file(root, "namespace", NULL);
    trim_end(c->namespace);
    return 0;
}

int kube_config_in_cluster(const char *root, struct kube_config *ret, struct err *err)
{
    struct kube_config c = {0};
    if (fill_from_pod(root, &c, err) < 0) {
        kube_config_done(&c);
        return -1;
    }
    *ret = c;
    return 0;
}

/* The base64 text of a part of a JWT, which comes without padding and with two other digits (RFC 7515, appendix C). */
static char *jwt_part(const char *s, size_t n)
{
    char *b64 = xcalloc(1, n + 4);
    for (size_t i = 0; i < n; i++)
        b64[i] = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
    for (size_t i = n; i % 4; i++)
        b64[i] = '=';
    return b64;
}

static int64_t jwt_expiry(const char *token)
{
    const char *claims = token ? strchr(token, '.') : NULL;
    if (!claims || !strchr(claims + 1, '.'))
        return 0;
    size_t len = 0;
    auto_free char *b64 = jwt_part(claims + 1, strcspn(claims + 1, "."));
    auto_free char *text = jx_unb64(b64, &len);
    auto_json *v = text ? jx_load(text, len, NULL) : NULL;
    int64_t exp = jx_int(v, "exp", 0);
    return exp > 0 ? exp : 0;
}

int64_t kube_config_expiry(const struct kube_config *c)
{
    struct pki_cert_info info = {0};
    if (c->client_cert)
        pki_cert_info(c->client_cert, &info, NULL);
    int64_t cert = info.not_after, token = c->token_file ? 0 : jwt_expiry(c->token);
    if (!cert || !token)
        return cert ? cert : token;
    return cert < token ? cert : token;
}
