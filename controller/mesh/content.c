/* SPDX-License-Identifier: Apache-2.0 */
/* Applies objects; makes the content of those that hold keys or tokens. Keys and tokens live here only for the call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applyplan.h"
#include "base/mem.h"
#include "base/str.h"
#include "gateway/tls.h"
#include "mesh/mesh.h"
#include "runtime/applier.h"
#include "secret.h"
#include "json/jx.h"

enum {
    BACKDATE_S = 3600, /* clocks of members may be behind */
    INTERMEDIATE_S = 2 * 365 * 86400,
    BODY_BYTES_MAX = 4 * 1048576,
};

/* The spec says to take over the control plane that is there: what it consists of, and no user's objects. */
static bool adopted(const struct mesh_member *mm, const struct plan_object *o)
{
    return mm->spec && mm->spec->adopt && o->wave <= PLAN_WEBHOOKS;
}

/* Fields are taken by force only on an object that is ours, was a former Mesh's of this name, or is adopted. */
static struct op *begin(const struct mesh_pass *p, struct mesh_member *mm,
                        const struct plan_object *o)
{
    const struct records *all = cluster_records(mm->cluster, o->gvr);
    struct kube_view live;
    struct op *op = applier_begin(mm->cluster, o->gvr, o->ns, o->name);
    bool ours =
        all && records_view(all, o->ns, o->name, &live) && live.meta.managed &&
        (str_eq(live.meta.mesh, p->mesh->name) || str_eq(live.meta.owner_uid, p->cr->meta.uid));
    snprintf(op->intent, sizeof op->intent, "%s", o->intent);
    snprintf(op->owner, sizeof op->owner, "%s", str_or(p->cr->meta.uid, ""));
    op->ours = ours || op->known_ours || adopted(mm, o);
    return op;
}

/* --- Secrets --- */

static void send_secret(struct op *op, json_t *body)
{
    char *text = jx_dump(body);
    applier_send(op, text, strlen(text), true);
    xfree_secret(text);
    secret_wipe(body);
}

/* --- cacerts --- */

static int fill_cacerts(const struct mesh_pass *p, const struct mesh_member *mm, json_t *body,
                        struct err *err)
{
    const struct mesh_root *root = &p->mesh->root;
    int64_t now = clock_s(p->mesh->manager->clock);
    auto_pki_pair ca = {0};
    if (pki_intermediate_new(&root->pair, p->mesh->name, "Intermediate CA", mm->name,
                             now - BACKDATE_S, now + INTERMEDIATE_S, &ca, err) < 0)
        return -1;
    struct pki_cert_info info;
    if (pki_cert_info(ca.cert, &info, err) < 0)
        return -1;
    auto_free char *chain = xasprintf("%s%s", ca.cert, root->pair.cert);
    secret_set_data(body, "ca-cert.pem", ca.cert, strlen(ca.cert));
    secret_set_data(body, "ca-key.pem", ca.key, strlen(ca.key));
    secret_set_data(body, "cert-chain.pem", chain, strlen(chain));
    secret_set_data(body, "root-cert.pem", root->anchors, strlen(root->anchors));
    secret_set_times(body, now, info.not_after);
    return 0;
}

static void apply_cacerts(struct mesh_pass *p, struct mesh_member *mm, const struct plan_object *o)
{
    if (!p->mesh->root.pair.key) {
        mesh_root_want_key(p); /* the next pass has it */
        mm->unsure = true;
        return;
    }
    struct err err = {0};
    struct op *op = begin(p, mm, o);
    auto_json *body = kept_body(o);
    if (fill_cacerts(p, mm, body, &err) < 0)
        applier_fail(op, &err);
    else
        send_secret(op, body);
}

/* --- remote secrets --- */

/* What waits for a token. Finds cluster and op by name when the answer comes: both may be gone by then. */
struct token_wait {
    struct cluster_task task; /* of the peer's cluster; first, so that the two addresses are one */
    struct manager *manager;
    json_t *body;
    char *ns, *cluster, *op_key;
    char *peer, *server, *ca;
};

static void token_wait_free(struct token_wait *w)
{
    json_decref(w->body);
    free(w->ns);
    free(w->cluster);
    free(w->op_key);
    free(w->peer);
    free(w->server);
    free(w->ca);
    free(w);
}

static void token_wait_drop(struct cluster_task *t)
{
    token_wait_free((struct token_wait *)t);
}

static void send_remote_secret(struct token_wait *w, struct op *op, const json_t *answer)
{
    const char *token = jx_str(answer, "status.token");
    int64_t now = clock_s(w->manager->clock), expires;
    if (!token || clock_parse(jx_str(answer, "status.expirationTimestamp"), &expires) < 0) {
        struct err err;
        err_set(&err, ERR_TRANSIENT, 0, "the answer to the TokenRequest in cluster %s has no token",
                w->peer);
        applier_fail(op, &err);
        return;
    }
    struct istio_peer peer = {.name = w->peer, .server = w->server, .ca = w->ca};
    char *kubeconfig = istio_remote_kubeconfig(&peer, token);
    secret_set_data(w->body, w->peer, kubeconfig, strlen(kubeconfig));
    xfree_secret(kubeconfig);
    secret_set_times(w->body, now, expires);
    send_secret(op, w->body);
}

static void on_token(void *arg, const struct kube_response *r, const struct err *err)
{
    struct token_wait *w = arg;
    cluster_task_end(&w->task);
    struct cluster *c = manager_cluster(w->manager, w->ns, w->cluster);
    struct op *op = c ? applier_running(c, w->op_key) : NULL;
    if (op && err) {
        struct err mine = *err;
        err_wrap(&mine, "token of %s in cluster %s", ISTIO_READER_ACCOUNT, w->peer);
        applier_fail(op, &mine);
    } else if (op) {
        send_remote_secret(w, op, r->body);
    }
    token_wait_free(w);
}

static void apply_remote_secret(struct mesh_pass *p, struct mesh_member *mm,
                                const struct plan_object *o)
{
    const struct mesh_member *peer = NULL;
    for (size_t i = 0; i < p->n_members; i++)
        if (str_eq(p->members[i].name, o->peer))
            peer = &p->members[i];
    mm->unsure |= !peer || !peer->cluster;
    if (!peer || !peer->cluster)
        return;
    struct op *op = begin(p, mm, o);
    struct token_wait *w = xcalloc(1, sizeof *w);
    *w = (struct token_wait){
        .manager = p->mesh->manager,
        .body = kept_body(o),
        .ns = xstrdup(p->mesh->ns),
        .cluster = xstrdup(mm->name),
        .op_key = xstrdup(op->key),
        .peer = xstrdup(peer->name),
        .server = xstrdup(peer->server),
        .ca = xstrdup0(peer->ca),
    };
    cluster_task_begin(peer->cluster, &w->task, token_wait_drop);
    int64_t seconds =
        p->cr->spec.remote_token_ttl_seconds ? p->cr->spec.remote_token_ttl_seconds : 86400;
    kube_token_request(peer->cluster->client, ISTIO_NAMESPACE, ISTIO_READER_ACCOUNT, NULL, seconds,
                       on_token, w);
}

void mesh_apply(struct mesh_pass *p, struct mesh_member *mm, const struct plan_object *o)
{
    switch (o->content) {
    case PLAN_PLAIN:
    case PLAN_FILE:
        applyplan_send(begin(p, mm, o), o);
        break;
    case PLAN_CACERTS:
        apply_cacerts(p, mm, o);
        break;
    case PLAN_REMOTE_SECRET:
        apply_remote_secret(p, mm, o);
        break;
    case PLAN_TLS_SECRET:
        gateway_tls_send(p->mesh->manager, p->mesh->ns, begin(p, mm, o), o);
        break;
    }
}
