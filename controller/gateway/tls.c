/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/tls.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/kept.h"
#include "pki/pki.h"

enum { RETRY_MS = 5000, SECRET_BYTES_MAX = 1048576 };

static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};
static const char suffix[] = "-tls";
static const char *const keys[] = {"tls.crt", "tls.key"};

char *gateway_tls_name(struct arena *a, const char *gateway)
{
    return arena_printf(a, "%s%s", gateway, suffix);
}

bool gateway_tls_is(const char *gateway, const char *secret)
{
    size_t n = strlen(gateway);
    return secret && strncmp(secret, gateway, n) == 0 && str_eq(secret + n, suffix);
}

static struct kube_call *read_secret(struct manager *m, const char *ns, const char *name,
                                     kube_call_cb *cb, void *arg)
{
    auto_free char *path = gvr_path(&secrets, ns, name);
    struct kube_request q = {
        .method = "GET", .path = path, .secret_body = true, .max_bytes = SECRET_BYTES_MAX};
    return kube_call(m->hub_client, &q, cb, arg);
}

/* --- what is known of it --- */

static char *decode(const json_t *secret, const char *key)
{
    const char *b64 = json_string_value(json_object_get(json_object_get(secret, "data"), key));
    size_t len;
    return b64 ? jx_unb64(b64, &len) : NULL;
}

/* Returns whether it is another certificate than before. */
static int take(struct gateway *g, const json_t *secret, bool *ret_new)
{
    struct gateway_tls *t = &g->tls;
    auto_pki_pair pair = {decode(secret, "tls.crt"), decode(secret, "tls.key")};
    struct pki_cert_info info;
    char sum[JX_SHA256_HEX];
    if (!pair.cert || !pair.key)
        return err_set(&t->err, ERR_INVALID, 0, "Secret %s/%s has no tls.crt or no tls.key", g->ns,
                       t->secret);
    if (pki_cert_info(pair.cert, &info, &t->err) < 0 ||
        pki_check_pair(pair.cert, pair.key, &t->err) < 0)
        return err_wrap(&t->err, "Secret %s/%s", g->ns, t->secret);
    jx_sha256_bytes(pair.cert, strlen(pair.cert), sum);
    *ret_new = !str_eq(sum, t->sha256);
    memcpy(t->sha256, sum, sizeof sum);
    t->not_after = info.not_after;
    t->err = (struct err){0};
    return 0;
}

static void tell(struct gateway *g, bool mesh)
{
    const struct hub_object *o = hub_find(&g->manager->hub, API_KIND_GATEWAY, g->key);
    const char *name = o ? jx_str(o->obj, "spec.meshRef.name") : NULL;
    manager_enqueue(g->manager, API_KIND_GATEWAY, g->key, 0);
    if (!mesh || !name)
        return;
    auto_free char *key = xasprintf("%s/%s", g->ns, name);
    manager_enqueue(g->manager, API_KIND_MESH, key, 0);
}

static void on_read(void *arg, const struct kube_response *r, const struct err *err)
{
    struct gateway *g = arg;
    bool renewed = false, before = g->tls.err.class != ERR_NONE, first = !g->tls.answered;
    g->tls.call = NULL;
    g->tls.answered = true;
    if (err) {
        g->tls.err = *err;
        if (err->class == ERR_NOT_FOUND)
            err_set(&g->tls.err, ERR_NOT_FOUND, err->code, "Secret %s/%s does not exist", g->ns,
                    g->tls.secret);
    } else {
        take(g, r->body, &renewed);
    }
    if (first || renewed || before != (g->tls.err.class != ERR_NONE))
        tell(g, renewed);
}

static void forget(struct gateway_tls *t)
{
    if (t->call)
        kube_call_cancel(t->call);
    free(t->secret);
    *t = (struct gateway_tls){0};
}

void gateway_tls_done(struct gateway_tls *t)
{
    forget(t);
}

int64_t gateway_tls_refresh(struct gateway *g, const char *secret)
{
    struct gateway_tls *t = &g->tls;
    int64_t now = clock_ms(g->manager->clock);
    if (!str_eq(t->secret, secret)) {
        forget(t);
        t->secret = xstrdup0(secret);
    }
    if (!secret)
        return 0;
    int64_t fresh = t->err.class == ERR_NONE ? GATEWAY_TLS_REREAD_MS : RETRY_MS;
    if (!t->call && (!t->read_ms || now - t->read_ms >= fresh)) {
        t->read_ms = now;
        t->call = read_secret(g->manager, g->ns, secret, on_read, g);
    }
    int64_t left = fresh - (now - t->read_ms);
    return left > 0 ? left : RETRY_MS;
}

const char *gateway_tls_sha256(const struct manager *m, const char *key)
{
    struct gateway *g;
    HASH_FIND_STR(m->gateways, key, g);
    return g && g->tls.sha256[0] ? g->tls.sha256 : NULL;
}

/* --- the copy --- */

int gateway_tls_plan(const struct manager *m, const char *ns, const char *gateway,
                     const char *target_ns, const struct plan_owner *owner, struct plan *plan,
                     struct err *err)
{
    auto_free char *key = xasprintf("%s/%s", ns, gateway);
    struct gateway *g;
    HASH_FIND_STR(m->gateways, key, g);
    if (!g || !g->tls.sha256[0])
        return 0;
    auto_json *inputs = json_pack("{s:s, s:s}", "secret", g->tls.secret, "sha256", g->tls.sha256);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:{s:s+, s:s}}", "apiVersion", "v1", "kind", "Secret", "type",
                  "kubernetes.io/tls", "metadata", "name", gateway, suffix, "namespace", target_ns);
    struct plan_object *o = plan_add(plan, owner, PLAN_GATEWAYS, body, inputs, err);
    if (!o)
        return -1;
    o->content = PLAN_TLS_SECRET;
    o->peer = arena_strdup(&plan->arena, g->tls.secret);
    return 0;
}

/* What waits for the hub's Secret. Finds the op by name when the answer comes: it may be gone by then. */
struct wait {
    struct cluster_task task; /* of the cluster that gets the copy; first: the addresses are one */
    struct kube_call *call;
    struct manager *manager;
    json_t *body;
    char *ns, *cluster, *op_key, *secret;
};

static void wait_free(struct wait *w)
{
    json_decref(w->body);
    free(w->ns);
    free(w->cluster);
    free(w->op_key);
    free(w->secret);
    free(w);
}

static void wait_drop(struct cluster_task *t)
{
    struct wait *w = (struct wait *)t;
    kube_call_cancel(w->call);
    wait_free(w);
}

/* Returns -1 when the Secret lacks one of the keys. */
static int fill(json_t *body, const json_t *secret)
{
    json_t *data = json_object();
    json_object_set_new(body, "data", data);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *v = jx_str2(secret, "data", keys[i]);
        if (!v)
            return -1;
        json_object_set_new(data, keys[i], json_string(v));
    }
    return 0;
}

/* jansson gives no way to wipe a string in place by its interface. */
static void wipe(json_t *body)
{
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(body, "data"), key, v) {
        explicit_bzero((char *)(uintptr_t)json_string_value(v), json_string_length(v));
    }
}

static void send_copy(struct wait *w, struct op *op, const json_t *secret)
{
    struct err err;
    if (fill(w->body, secret) < 0) {
        err_set(&err, ERR_INVALID, 0, "Secret %s/%s has no tls.crt or no tls.key", w->ns,
                w->secret);
        applier_fail(op, &err);
    } else {
        char *text = jx_dump(w->body);
        applier_send(op, text, strlen(text), true);
        xfree_secret(text);
    }
    wipe(w->body);
}

static void on_content(void *arg, const struct kube_response *r, const struct err *err)
{
    struct wait *w = arg;
    cluster_task_end(&w->task);
    struct cluster *c = manager_cluster(w->manager, w->ns, w->cluster);
    struct op *op = c ? applier_running(c, w->op_key) : NULL;
    if (op && err) {
        struct err mine = *err;
        err_wrap(&mine, "Secret %s/%s of the hub", w->ns, w->secret);
        applier_fail(op, &mine);
    } else if (op) {
        send_copy(w, op, r->body);
    }
    wait_free(w);
}

void gateway_tls_send(struct manager *m, const char *ns, struct op *op, const struct plan_object *o)
{
    struct wait *w = xcalloc(1, sizeof *w);
    *w = (struct wait){
        .manager = m,
        .body = kept_body(o),
        .ns = xstrdup(ns),
        .cluster = xstrdup(op->cluster->name),
        .op_key = xstrdup(op->key),
        .secret = xstrdup(o->peer),
    };
    cluster_task_begin(op->cluster, &w->task, wait_drop);
    w->call = read_secret(m, ns, o->peer, on_content, w);
}
