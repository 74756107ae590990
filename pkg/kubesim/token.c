/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of service accounts: JWTs (RFC 7519), signed with a key of this process. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

#define ISSUER "https://kubernetes.default.svc"

enum { TOKEN_MAX = 8192, SECONDS_MIN = 600, SECONDS_MAX = 1 << 30, SIGNATURE = 32 };

static char *base64url(const void *data, size_t len)
{
    char *s = jx_b64(data, len);
    for (char *p = s; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    s[strcspn(s, "=")] = '\0';
    return s;
}

static char *signature(const struct kubesim *s, const char *text, size_t len)
{
    unsigned char mac[SIGNATURE];
    unsigned n = sizeof mac;
    HMAC(EVP_sha256(), s->secret, sizeof s->secret, (const unsigned char *)text, len, mac, &n);
    return base64url(mac, sizeof mac);
}

static char *sign(const struct kubesim *s, const json_t *claims)
{
    static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"kubesim\"}";
    auto_free char *text = jx_dump(claims);
    auto_free char *head = base64url(header, strlen(header));
    auto_free char *body = base64url(text, strlen(text));
    auto_free char *both = xasprintf("%s.%s", head, body);
    auto_free char *mac = signature(s, both, strlen(both));
    return xasprintf("%s.%s", both, mac);
}

/* --- checking --- */

static json_t *claims_of(const char *body, size_t len)
{
    auto_free char *padded = xasprintf("%.*s%.*s", (int)len, body, (int)((4 - len % 4) % 4), "===");
    for (char *p = padded; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    size_t n;
    auto_free char *text = jx_unb64(padded, &n);
    return text ? jx_load(text, n, NULL) : NULL;
}

static bool account_exists(struct sim_cluster *c, const json_t *claims)
{
    const json_t *k = json_object_get(claims, "kubernetes.io");
    const char *ns = jx_str(k, "namespace"), *name = jx_str(k, "serviceaccount.name");
    if (!ns || !name)
        return false;
    const struct sim_object *o =
        sim_collection_get(sim_cluster_builtin(c, "", "serviceaccounts"), ns, name);
    auto_free char *uid = o ? sim_object_meta_str(o, "uid") : NULL;
    return uid && str_eq(uid, jx_str(k, "serviceaccount.uid"));
}

bool sim_token_valid(struct sim_cluster *c, const char *token)
{
    const char *first = strchr(token, '.'), *last = strrchr(token, '.');
    if (strlen(token) > TOKEN_MAX || !first || first == last)
        return false;
    auto_free char *want = signature(c->sim, token, (size_t)(last - token));
    if (strlen(last + 1) != strlen(want) || CRYPTO_memcmp(last + 1, want, strlen(want)) != 0)
        return false;
    auto_json *claims = claims_of(first + 1, (size_t)(last - first) - 1);
    return claims && jx_int(claims, "exp", 0) > clock_s(&clock_system) && account_exists(c, claims);
}

/* --- TokenRequest --- */

static json_t *claims_new(struct sim_call *c, const struct sim_object *account, json_t *audiences,
                          int64_t now, int64_t seconds)
{
    char id[SIM_UUID];
    auto_free char *uid = sim_object_meta_str(account, "uid");
    auto_free char *subject = xasprintf("system:serviceaccount:%s:%s", c->ns, c->name);
    sim_uuid(id);
    return json_pack("{s:O, s:I, s:I, s:I, s:s, s:s, s:s, s:{s:s, s:{s:s, s:s}}}", "aud", audiences,
                     "exp", (json_int_t)(now + seconds), "iat", (json_int_t)now, "nbf",
                     (json_int_t)now, "iss", ISSUER, "jti", id, "sub", subject, "kubernetes.io",
                     "namespace", c->ns, "serviceaccount", "name", c->name, "uid", uid);
}

static void answer_token(struct sim_call *c, const struct sim_object *account, json_t *request,
                         int64_t seconds)
{
    char end[CLOCK_RFC3339_MAX];
    int64_t now = clock_s(&clock_system);
    struct sim_apply a = {.group = "authentication.k8s.io",
                          .version = "v1",
                          .kind = "TokenRequest",
                          .manager = str_or(sim_query_get(&c->query, "fieldManager"), "unknown"),
                          .subresource = "token",
                          .now = c->now};
    sim_track_update(&a, NULL, request);
    json_t *audiences = jx_get(request, "spec.audiences");
    if (json_array_size(audiences) == 0) {
        jx_set_new(request, "spec.audiences", json_pack("[s]", ISSUER));
        audiences = jx_get(request, "spec.audiences");
    }
    auto_json *claims = claims_new(c, account, audiences, now, seconds);
    auto_free char *token = sign(c->sim, claims);
    auto_free char *uid = sim_object_meta_str(account, "uid");
    clock_format(now + seconds, end);
    jx_set_str(request, "kind", "TokenRequest");
    jx_set_str(request, "apiVersion", "authentication.k8s.io/v1");
    jx_set_str(request, "metadata.name", c->name);
    jx_set_str(request, "metadata.namespace", c->ns);
    jx_set_str(request, "metadata.uid", uid);
    jx_set_str(request, "metadata.creationTimestamp", c->now);
    jx_set_new(request, "spec.expirationSeconds", json_integer(seconds));
    if (!jx_get(request, "spec.boundObjectRef"))
        jx_set_new(request, "spec.boundObjectRef", json_null());
    jx_set_str(request, "status.token", token);
    jx_set_str(request, "status.expirationTimestamp", end);
    sim_answer(c, 201, json_incref(request));
}

void sim_token_request(struct sim_call *c)
{
    const struct sim_object *account = sim_collection_get(c->at, c->ns, c->name);
    c->accept = (struct sim_accept){.ok = true}; /* JSON only */
    if (!str_eq(c->q->method, "POST")) {
        sim_fail_method(c);
        return;
    }
    auto_json *request = sim_body_or_empty(c);
    if (!request)
        return;
    int64_t seconds = jx_int(request, "spec.expirationSeconds", 3600);
    if (!account) {
        sim_fail_name(c, c->kind, c->name);
    } else if (!json_is_object(request) || seconds < SECONDS_MIN || seconds > SECONDS_MAX) {
        static const char why[] = "may not specify a duration less than 10 minutes";
        auto_free char *m = xasprintf("Invalid value: %" PRId64 ": %s", seconds, why);
        json_t *details =
            json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}]}", "group", "authentication.k8s.io", "kind",
                      "TokenRequest", "causes", "reason", "FieldValueInvalid", "message", m,
                      "field", "spec.expirationSeconds");
        sim_fail(c, 422, "Invalid", details,
                 "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: %s",
                 m);
    } else {
        answer_token(c, account, request, seconds);
    }
}
