/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "kube/client_priv.h"
#include "json/jx.h"

static const struct gvr service_accounts = {"", "v1", "serviceaccounts", "ServiceAccount", true};

static struct kube_call *apply(struct kube_client *c, const char *path, const char *options,
                               const char *body, size_t body_len, bool secret_body,
                               kube_call_cb *cb, void *arg)
{
    auto_free char *url =
        xasprintf("%s?fieldManager=" KUBE_FIELD_MANAGER "&fieldValidation=Strict%s", path, options);
    struct kube_request q = {
        .method = "PATCH",
        .path = url,
        .content_type = KUBE_APPLY,
        .accept = KUBE_ACCEPT_METADATA,
        .body = body,
        .body_len = body_len,
        .secret_body = secret_body,
    };
    return kube_call(c, &q, cb, arg);
}

struct kube_call *kube_apply(struct kube_client *c, const struct gvr *gvr, const char *ns,
                             const char *name, const char *subresource, const char *body,
                             size_t body_len, bool secret_body, kube_call_cb *cb, void *arg)
{
    auto_free char *base = gvr_path(gvr, ns, name);
    auto_free char *path =
        xasprintf("%s%s%s", base, subresource ? "/" : "", subresource ? subresource : "");
    return apply(c, path, "&force=true", body, body_len, secret_body, cb, arg);
}

struct kube_call *kube_apply_unforced(struct kube_client *c, const struct gvr *gvr, const char *ns,
                                      const char *name, const char *body, size_t body_len,
                                      bool secret_body, kube_call_cb *cb, void *arg)
{
    auto_free char *path = gvr_path(gvr, ns, name);
    return apply(c, path, "", body, body_len, secret_body, cb, arg);
}

struct kube_call *kube_delete(struct kube_client *c, const struct gvr *gvr, const char *ns,
                              const char *name, const char *uid, kube_call_cb *cb, void *arg)
{
    return kube_delete_version(c, gvr, ns, name, uid, NULL, cb, arg);
}

struct kube_call *kube_delete_version(struct kube_client *c, const struct gvr *gvr, const char *ns,
                                      const char *name, const char *uid, const char *version,
                                      kube_call_cb *cb, void *arg)
{
    auto_free char *path = gvr_path(gvr, ns, name);
    auto_json *options = json_pack("{s:s, s:s, s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
                                   "propagationPolicy", "Background");
    jx_set_str(options, "preconditions.uid", uid);
    jx_set_str(options, "preconditions.resourceVersion", version);
    auto_free char *body = jx_dump(options);
    struct kube_request q = {
        .method = "DELETE",
        .path = path,
        .content_type = KUBE_JSON,
        .accept = KUBE_ACCEPT_METADATA,
        .body = body,
    };
    return kube_call(c, &q, cb, arg);
}

struct kube_call *kube_token_request(struct kube_client *c, const char *ns,
                                     const char *service_account, const char *audience,
                                     int64_t seconds, kube_call_cb *cb, void *arg)
{
    auto_free char *base = gvr_path(&service_accounts, ns, service_account);
    auto_free char *path = xasprintf("%s/token", base);
    auto_json *request =
        json_pack("{s:s, s:s, s:{s:I}}", "apiVersion", "authentication.k8s.io/v1", "kind",
                  "TokenRequest", "spec", "expirationSeconds", (json_int_t)seconds);
    if (audience)
        jx_set_new(request, "spec.audiences", json_pack("[s]", audience));
    auto_free char *body = jx_dump(request);
    struct kube_request q = {
        .method = "POST",
        .path = path,
        .content_type = KUBE_JSON,
        .body = body,
        .secret_body = true,
    };
    return kube_call(c, &q, cb, arg);
}
