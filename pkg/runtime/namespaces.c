/* SPDX-License-Identifier: Apache-2.0 */
/* Deletion of namespaces that we made: with what istiod spread, or only when nobody put anything into them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/applier_priv.h"
#include "runtime/empty.h"
#include "json/jx.h"

/* --- istio-system: what istiod spread goes first --- */

static const struct gvr configmaps = {"", "v1", "configmaps", "ConfigMap", true};

static void sweep_next(struct op *op);

static void on_swept(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    (void)r;
    if (err && err->class != ERR_NOT_FOUND) {
        op_fail_answered(op, err);
        return;
    }
    sweep_next(op);
}

static void sweep_next(struct op *op)
{
    size_t n = json_array_size(op->sweep);
    if (n == 0) {
        op->call =
            kube_delete(op->cluster->client, op->gvr, NULL, op->name, op->uid, op_on_deleted, op);
        return;
    }
    auto_free char *path = xstrdup(json_string_value(json_array_get(op->sweep, n - 1)));
    json_array_remove(op->sweep, n - 1);
    struct kube_request q = {.method = "DELETE", .path = path, .accept = KUBE_ACCEPT_METADATA};
    op->call = kube_call(op->cluster->client, &q, on_swept, op);
}

static void on_spread(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    size_t i;
    json_t *cm;
    if (err) {
        op_fail_answered(op, err);
        return;
    }
    json_decref(op->sweep);
    op->sweep = json_array();
    json_array_foreach (jx_get(r->body, "items"), i, cm) {
        const char *name = jx_str(cm, "metadata.name"), *ns = jx_str(cm, "metadata.namespace");
        if (!ns || (!str_eq(name, "istio-ca-root-cert") && !str_eq(name, "istio-ca-crl")))
            continue;
        auto_free char *path = gvr_path(&configmaps, ns, name);
        json_array_append_new(op->sweep, json_string(path));
    }
    sweep_next(op);
}

void applier_delete_istio_namespace(struct cluster *c, const struct gvr *gvr, const char *name,
                                    const char *uid)
{
    struct op *op = applier_begin(c, gvr, NULL, name);
    op->verb = OP_DELETE;
    free(op->uid);
    op->uid = xstrdup0(uid);
    struct kube_request q = {.method = "GET",
                             .path = "/api/v1/configmaps?labelSelector=istio.io%2Fconfig%3Dtrue",
                             .accept = KUBE_ACCEPT_METADATA_LIST};
    op->call = kube_call(c->client, &q, on_spread, op);
}

/* --- a namespace for entries: asked for what else is in it --- */

static void look_next(struct op *op);

/* What can't be seen may be there. */
static void on_looked(void *arg, const struct kube_response *r, const struct err *err)
{
    struct op *op = arg;
    size_t i, n = json_array_size(op->sweep);
    auto_free char *path = xstrdup(json_string_value(json_array_get(op->sweep, n - 1)));
    bool discovery = !strchr(path, '?'), empty = !err || err->class == ERR_NOT_FOUND;
    json_t *item;
    if (err && err->class != ERR_NOT_FOUND && err->class != ERR_FORBIDDEN && err->code != 405) {
        op_fail_answered(op, err);
        return;
    }
    json_array_remove(op->sweep, n - 1);
    auto_json *more = discovery && !err ? empty_paths(r->body, op->name) : NULL;
    empty &= !discovery || more;
    if (more)
        json_array_extend(op->sweep, more);
    json_array_foreach (discovery || err ? NULL : jx_get(r->body, "items"), i, item) {
        empty &= !empty_counts(path, item);
    }
    if (empty || (err && err->code == 405))
        look_next(op);
    else
        op_release(op);
}

static void look_next(struct op *op)
{
    size_t n = json_array_size(op->sweep);
    const char *path = json_string_value(json_array_get(op->sweep, n - 1));
    if (!path) {
        op->call =
            kube_delete(op->cluster->client, op->gvr, NULL, op->name, op->uid, op_on_deleted, op);
        return;
    }
    struct kube_request q = {.method = "GET",
                             .path = path,
                             .accept = strchr(path, '?') ? KUBE_ACCEPT_METADATA_LIST
                                                         : EMPTY_ACCEPT_DISCOVERY};
    op->call = kube_call(op->cluster->client, &q, on_looked, op);
}

void applier_delete_entry_namespace(struct cluster *c, const struct gvr *gvr, const char *name,
                                    const char *uid)
{
    struct op *op = applier_begin(c, gvr, NULL, name);
    op->verb = OP_DELETE;
    free(op->uid);
    op->uid = xstrdup0(uid);
    json_decref(op->sweep);
    op->sweep = json_pack("[s, s]", "/apis", "/api");
    look_next(op);
}
