/* SPDX-License-Identifier: Apache-2.0 */
/* The mesh's root certificate authority, kept in a Secret of the hub (kubernetes.io/tls: tls.crt, tls.key, ca.crt): the
 * user's (trust.caSecretRef), or one that is made once with a create, so that it is never overwritten. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/mesh.h"
#include "json/jx.h"

enum {
    REREAD_MS = 300000,
    RETRY_MS = 5000,
    ROOT_S = 10 * 365 * 86400,
    BACKDATE_S = 3600,
    SECRET_BYTES_MAX = 1048576
};

static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};

static char *secret_name(const struct mesh_pass *p)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    return s->trust && s->trust->ca_secret_ref ? xstrdup(s->trust->ca_secret_ref->name)
                                               : xasprintf("%s-ca", p->mesh->name);
}

static bool users_own(const struct mesh_pass *p)
{
    return p->cr->spec.trust && p->cr->spec.trust->ca_secret_ref;
}

static void again(struct mesh *mesh)
{
    manager_enqueue(mesh->manager, API_KIND_MESH, mesh->key, 0);
}

static void fail(struct mesh *mesh, const struct err *err)
{
    mesh->root.err = *err;
    if (mesh->root.state != ROOT_READY) /* the last good one stays */
        mesh->root.state = ROOT_FAILED;
    again(mesh);
}

static void drop_key(struct mesh_root *r)
{
    xfree_secret(r->pair.key);
    r->pair.key = NULL;
}

void mesh_root_drop_key(struct mesh *mesh)
{
    drop_key(&mesh->root);
}

void mesh_root_done(struct mesh_root *r)
{
    if (r->call)
        kube_call_cancel(r->call);
    drop_key(r);
    xfreep(&r->pair.cert);
    xfreep(&r->anchors);
    *r = (struct mesh_root){0};
}

/* --- reading --- */

static char *decode(const json_t *secret, const char *key)
{
    const char *b64 = json_string_value(json_object_get(json_object_get(secret, "data"), key));
    size_t len;
    return b64 ? jx_unb64(b64, &len) : NULL;
}

static int check(const struct pki_pair *pair, const char *anchors, int64_t now,
                 struct pki_cert_info *info, struct err *err)
{
    struct pki_cert_info issuer;
    if (!pair->cert || !pair->key)
        return err_set(err, ERR_INVALID, 0, "tls.crt or tls.key is missing");
    if (pki_cert_info(pair->cert, &issuer, err) < 0 ||
        pki_check_pair(pair->cert, pair->key, err) < 0)
        return -1;
    if (!issuer.is_ca)
        return err_set(err, ERR_INVALID, 0, "tls.crt is not a certificate authority");
    if (pki_check_bundle(anchors, 16, err) < 0 || pki_verify(pair->cert, anchors, now, err) < 0)
        return -1;
    return pki_cert_info(anchors, info, err);
}

static void take(struct mesh *mesh, const json_t *secret)
{
    struct mesh_root *r = &mesh->root;
    auto_pki_pair pair = {decode(secret, "tls.crt"), decode(secret, "tls.key")};
    auto_free char *anchors = decode(secret, "ca.crt");
    struct pki_cert_info info;
    struct err err = {0};
    if (!anchors)
        anchors = xstrdup0(pair.cert);
    if (check(&pair, str_or(anchors, ""), clock_s(mesh->manager->clock), &info, &err) < 0) {
        err_wrap(&err, "Secret %s/%s", mesh->ns, str_or(jx_str(secret, "metadata.name"), "?"));
        fail(mesh, &err);
        return;
    }
    bool changed = r->state != ROOT_READY || !str_eq(r->anchors, anchors);
    drop_key(r);
    free(r->pair.cert);
    free(r->anchors);
    r->pair.cert = STEAL(pair.cert);
    r->pair.key = r->key_wanted ? STEAL(pair.key) : NULL;
    r->anchors = STEAL(anchors);
    r->info = info;
    r->ours = str_eq(jx_str2(secret, "metadata.labels", PLAN_LABEL_MANAGED_BY), PLAN_MANAGED_BY);
    r->key_wanted = false;
    r->err = (struct err){0};
    r->state = ROOT_READY;
    again(mesh);
    if (changed)
        mesh_trust_root_changed(mesh);
}

/* --- making --- */

static void on_created(void *arg, const struct kube_response *r, const struct err *err)
{
    struct mesh *mesh = arg;
    (void)r;
    mesh->root.call = NULL;
    if (err && err->class != ERR_CONFLICT) {
        fail(mesh, err);
        return;
    }
    if (!err)
        manager_written(mesh->manager);
    mesh->root.read_ms = 0; /* read back what is there, ours or the one that was there before */
    again(mesh);
}

static json_t *root_secret(const struct mesh *mesh, const struct pki_pair *root)
{
    char *crt = jx_b64(root->cert, strlen(root->cert)), *key = jx_b64(root->key, strlen(root->key));
    json_t *s = json_pack("{s:s, s:s, s:s, s:{s:s+, s:s, s:{s:s, s:s}}, s:{s:s, s:s, s:s}}",
                          "apiVersion", "v1", "kind", "Secret", "type", "kubernetes.io/tls",
                          "metadata", "name", mesh->name, "-ca", "namespace", mesh->ns, "labels",
                          PLAN_LABEL_MANAGED_BY, PLAN_MANAGED_BY, PLAN_LABEL_MESH, mesh->name,
                          "data", "tls.crt", crt, "tls.key", key, "ca.crt", crt);
    xfree_secret(key);
    free(crt);
    return s;
}

static void create(struct mesh *mesh)
{
    int64_t now = clock_s(mesh->manager->clock);
    auto_pki_pair root = {0};
    struct err err = {0};
    if (pki_root_new(mesh->name, "Root CA", now - BACKDATE_S, now + ROOT_S, &root, &err) < 0) {
        fail(mesh, &err);
        return;
    }
    auto_json *secret = root_secret(mesh, &root);
    char *body = jx_dump(secret);
    auto_free char *path = gvr_path(&secrets, mesh->ns, NULL);
    struct kube_request q = {.method = "POST",
                             .path = path,
                             .content_type = KUBE_JSON,
                             .body = body,
                             .accept = KUBE_ACCEPT_METADATA,
                             .secret_body = true};
    mesh->root.call = kube_call(mesh->manager->hub_client, &q, on_created, mesh);
    xfree_secret(body);
}

static void on_read(void *arg, const struct kube_response *r, const struct err *err)
{
    struct mesh *mesh = arg;
    mesh->root.call = NULL;
    if (!err)
        take(mesh, r->body);
    else if (err->class == ERR_NOT_FOUND && mesh->root.state != ROOT_READY && !mesh->root.users &&
             mesh->root.may_make && !mesh->leaving)
        create(mesh);
    else
        fail(mesh, err);
}

static void read_root(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    auto_free char *name = secret_name(p);
    auto_free char *path = gvr_path(&secrets, mesh->ns, name);
    struct kube_request q = {
        .method = "GET", .path = path, .secret_body = true, .max_bytes = SECRET_BYTES_MAX};
    mesh->root.read_ms = clock_ms(mesh->manager->clock);
    mesh->root.users = users_own(p);
    mesh->root.call = kube_call(mesh->manager->hub_client, &q, on_read, mesh);
}

void mesh_root_refresh(struct mesh_pass *p)
{
    struct mesh_root *r = &p->mesh->root;
    int64_t age = clock_ms(p->mesh->manager->clock) - r->read_ms;
    if (r->call)
        return;
    r->may_make = !p->stop_reason; /* others may trust it also while the mesh can't be worked on */
    int64_t fresh = r->state == ROOT_READY && !r->err.class ? REREAD_MS : RETRY_MS;
    if (r->read_ms && age < fresh) {
        pass_again(p, fresh - age);
        return;
    }
    read_root(p);
}

void mesh_root_want_key(struct mesh_pass *p)
{
    struct mesh_root *r = &p->mesh->root;
    r->key_wanted = true;
    if (!r->call)
        read_root(p);
}

/* --- deletion --- */

static void on_deleted(void *arg, const struct kube_response *r, const struct err *err)
{
    struct mesh *mesh = arg;
    (void)r;
    mesh->root.call = NULL;
    mesh->root.gone = !err || err->class == ERR_NOT_FOUND;
    if (!err)
        manager_written(mesh->manager);
    again(mesh);
}

bool mesh_root_delete(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    mesh->leaving = true;
    if (users_own(p) || mesh->root.gone || mesh->root.err.class == ERR_NOT_FOUND)
        return true;
    if (mesh->root.call)
        return false;
    if (mesh->root.state == ROOT_UNREAD) { /* whose it is must be known first */
        read_root(p);
        return false;
    }
    if (!mesh->root.ours)
        return true;
    auto_free char *name = secret_name(p);
    mesh->root.call =
        kube_delete(mesh->manager->hub_client, &secrets, mesh->ns, name, NULL, on_deleted, mesh);
    return false;
}
