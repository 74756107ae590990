/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "json/jx.h"

static const char *const wave_names[PLAN_WAVES] = {
    [PLAN_CRDS] = "crds",
    [PLAN_NAMESPACE] = "namespace",
    [PLAN_CA] = "ca",
    [PLAN_RBAC] = "rbac",
    [PLAN_GUARD] = "guard",
    [PLAN_CONFIG] = "config",
    [PLAN_CONTROL_PLANE] = "control-plane",
    [PLAN_WEBHOOKS] = "webhooks",
    [PLAN_GATEWAYS] = "gateways",
    [PLAN_REMOTE_ACCESS] = "remote-access",
    [PLAN_EXPOSURE] = "exposure",
    [PLAN_NETWORKS] = "networks",
    [PLAN_DNS] = "dns",
    [PLAN_IMPORTS] = "imports",
};

const char *plan_wave_name(enum plan_wave w)
{
    return w >= 0 && w < PLAN_WAVES ? wave_names[w] : "unknown";
}

enum plan_wave plan_wave_of(const char *name)
{
    for (int w = 0; w < PLAN_WAVES; w++)
        if (str_eq(wave_names[w], name))
            return (enum plan_wave)w;
    return PLAN_DNS;
}

void plan_init(struct plan *p, const char *cluster)
{
    *p = (struct plan){.arena = ARENA_INIT};
    p->cluster = arena_strdup(&p->arena, cluster);
}

void plan_done(struct plan *p)
{
    arena_done(&p->arena);
    *p = (struct plan){.arena = ARENA_INIT};
}

static void release_json(void *v)
{
    json_decref(v);
}

/* The object at a key, made when it is not there (or is no object). */
static json_t *object_at(json_t *parent, const char *key)
{
    json_t *v = json_object_get(parent, key);
    if (json_is_object(v))
        return v;
    v = json_object();
    json_object_set_new(parent, key, v);
    return v;
}

static void set_owner(json_t *body, const struct plan_owner *owner, enum plan_wave wave)
{
    json_t *labels = object_at(object_at(body, "metadata"), "labels");
    json_object_set_new(labels, PLAN_LABEL_MANAGED_BY, json_string(PLAN_MANAGED_BY));
    json_object_set_new(labels, str_or(owner->label, PLAN_LABEL_MESH),
                        json_string(owner->mesh_name));
    json_object_set_new(labels, PLAN_LABEL_OWNER_UID, json_string(owner->mesh_uid));
    json_object_set_new(labels, PLAN_LABEL_WAVE, json_string(plan_wave_name(wave)));
}

static const char *set_intent(struct plan *p, json_t *body, const json_t *inputs)
{
    char hex[JX_SHA256_HEX];
    json_t *whole = json_pack("{s:O, s:O*}", "body", body, "inputs", inputs);
    jx_sha256(whole, hex);
    json_decref(whole);
    json_t *annotations = object_at(object_at(body, "metadata"), "annotations");
    json_object_set_new(annotations, PLAN_ANNOTATION_INTENT, json_string(hex));
    return arena_strdup(&p->arena, hex);
}

static struct plan_object *next_object(struct plan *p)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        struct plan_object *more = arena_array(&p->arena, cap, sizeof *more);
        if (p->n)
            memcpy(more, p->objects, p->n * sizeof *more);
        p->objects = more;
        p->cap = cap;
    }
    return &p->objects[p->n++];
}

/* What kind and name a body has; NULL with *err when it can't be an object of a plan. */
static const struct gvr *check_body(const json_t *body, struct err *err)
{
    const char *api_version = jx_str(body, "apiVersion");
    const char *kind = jx_str(body, "kind");
    const char *name = jx_str(body, "metadata.name");
    const char *ns = jx_str(body, "metadata.namespace");
    const struct gvr *gvr = plan_gvr(api_version, kind);
    if (!gvr) {
        err_set(err, ERR_BUG, 0, "%s %s is not a kind that plans have",
                str_or(api_version, "(none)"), str_or(kind, "(none)"));
        return NULL;
    }
    if (!name || !*name) {
        err_set(err, ERR_BUG, 0, "%s without a name", kind);
        return NULL;
    }
    if (gvr->namespaced != (ns && *ns)) {
        err_set(err, ERR_BUG, 0, "%s %s %s a namespace", kind, name, ns ? "with" : "without");
        return NULL;
    }
    return gvr;
}

struct plan_object *plan_add(struct plan *p, const struct plan_owner *owner, enum plan_wave wave,
                             json_t *body, const json_t *inputs, struct err *err)
{
    const struct gvr *gvr = check_body(body, err);
    if (!gvr) {
        json_decref(body);
        return NULL;
    }
    arena_hold(&p->arena, body, release_json);
    set_owner(body, owner, wave);
    struct plan_object *o = next_object(p);
    *o = (struct plan_object){
        .wave = wave,
        .gvr = gvr,
        .name = arena_strdup(&p->arena, jx_str(body, "metadata.name")),
        .body = body,
        .intent = set_intent(p, body, inputs),
    };
    if (gvr->namespaced)
        o->ns = arena_strdup(&p->arena, jx_str(body, "metadata.namespace"));
    return o;
}

static int cmp_name(const void *a, const void *b)
{
    const struct plan_object *x = *(const struct plan_object *const *)a;
    const struct plan_object *y = *(const struct plan_object *const *)b;
    if (x->gvr != y->gvr)
        return x->gvr < y->gvr ? -1 : 1;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

static int check_distinct(struct plan *p, struct err *err)
{
    const struct plan_object **by_name = arena_array(&p->arena, p->n, sizeof *by_name);
    for (size_t i = 0; i < p->n; i++)
        by_name[i] = &p->objects[i];
    qsort(by_name, p->n, sizeof *by_name, cmp_name);
    for (size_t i = 1; i < p->n; i++) {
        const struct plan_object *o = by_name[i];
        if (cmp_name(&by_name[i - 1], &by_name[i]) == 0)
            return err_set(err, ERR_INVALID, 0, "%s %s%s%s is wanted twice", o->gvr->kind,
                           str_or(o->ns, ""), o->ns ? "/" : "", o->name);
    }
    return 0;
}

int plan_finish(struct plan *p, struct err *err)
{
    if (p->n == 0)
        return 0;
    struct plan_object *sorted = arena_array(&p->arena, p->n, sizeof *sorted);
    size_t n = 0;
    for (int w = 0; w < PLAN_WAVES; w++)
        for (size_t i = 0; i < p->n; i++)
            if (p->objects[i].wave == (enum plan_wave)w)
                sorted[n++] = p->objects[i];
    p->objects = sorted;
    p->cap = p->n;
    return check_distinct(p, err);
}
