/* SPDX-License-Identifier: Apache-2.0 */
#include "istio/render.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/manifests.h"
#include "istio/template.h"
#include "yaml/yaml.h"
#include "json/jx.h"

/* The documents of a manifest as they are written; a copy, to be filled. */
static json_t *parse(const char *manifest, struct err *err)
{
    enum { MANIFESTS_MAX = 32 };
    static json_t *parsed
        [MANIFESTS_MAX]; /* never changes once it is there, so a render stays a pure function */
    size_t i = 0;
    while (istio_manifests[i].name && !str_eq(istio_manifests[i].name, manifest))
        i++;
    if (!istio_manifests[i].name || i >= MANIFESTS_MAX) {
        err_set(err, ERR_BUG, 0, "no such manifest");
        return NULL;
    }
    if (!parsed[i])
        parsed[i] = yaml_load_all(istio_manifests[i].data, istio_manifests[i].len, err);
    return parsed[i] ? json_deep_copy(parsed[i]) : NULL;
}

json_t *render_docs(struct render *r, const char *manifest, json_t *vars)
{
    auto_json *values = vars;
    if (!vars) {
        err_set(r->err, ERR_BUG, 0, "manifest %s: no values", manifest);
        return NULL;
    }
    auto_json *docs = parse(manifest, r->err);
    if (!docs || template_fill(docs, values, r->err) < 0) {
        err_wrap(r->err, "manifest %s", manifest);
        return NULL;
    }
    return STEAL(docs);
}

json_t *render_doc(struct render *r, const char *manifest, json_t *vars)
{
    auto_json *docs = render_docs(r, manifest, vars);
    return docs ? json_incref(json_array_get(docs, 0)) : NULL;
}

int render_add(struct render *r, enum plan_wave wave, const char *manifest, json_t *vars)
{
    auto_json *docs = render_docs(r, manifest, vars);
    if (!docs)
        return -1;
    size_t i;
    json_t *doc;
    json_array_foreach (docs, i, doc) {
        if (!plan_add(r->p, &r->t->owner, wave, json_incref(doc), NULL, r->err))
            return -1;
    }
    return 0;
}

struct plan_object *render_add_one(struct render *r, enum plan_wave wave, const char *manifest,
                                   json_t *vars, json_t *inputs)
{
    auto_json *kept = inputs;
    json_t *doc = render_doc(r, manifest, vars);
    return doc ? plan_add(r->p, &r->t->owner, wave, doc, kept, r->err) : NULL;
}

static int render_namespace(struct render *r)
{
    json_t *annotations =
        r->t->created_namespace ? json_pack("{s:s}", PLAN_ANNOTATION_CREATED, "true") : json_null();
    return render_add(
        r, PLAN_NAMESPACE, "namespace",
        json_pack("{s:s, s:o}", "network", r->t->network, "annotations", annotations));
}

static int render_ca(struct render *r)
{
    const struct istio_target *t = r->t;
    json_t *inputs = json_pack("{s:s*, s:i, s:s, s:s}", "root", t->root_sha256, "generation",
                               t->ca_generation, "cluster", t->cluster, "mesh", t->mesh_name);
    struct plan_object *o = render_add_one(r, PLAN_CA, "cacerts", json_object(), inputs);
    if (!o)
        return -1;
    o->content = PLAN_CACERTS;
    return 0;
}

static int render_rbac(struct render *r)
{
    return render_add(r, PLAN_RBAC, "rbac",
                      json_pack("{s:s, s:s}", "istiod", r->istiod, "suffix", r->suffix));
}

static int check_target(const struct istio_target *t, struct err *err)
{
    const struct istio_settings *s = &t->settings;
    const struct {
        const char *what, *value;
    } needed[] = {
        {"a mesh name", t->mesh_name},    {"an owner", t->owner.mesh_uid},
        {"an owner", t->owner.mesh_name}, {"a trust domain", t->trust_domain},
        {"a cluster id", t->cluster},     {"a network", t->network},
        {"a hub of images", s->hub},      {"a tag of images", s->tag},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!needed[i].value || !*needed[i].value)
            return err_set(err, ERR_INVALID, 0, "Istio cannot be rendered without %s",
                           needed[i].what);
    return t->data ? 0 : err_set(err, ERR_BUG, 0, "no Istio data");
}

static void set_names(struct render *r)
{
    const char *revision = str_or(r->t->settings.revision, "");
    struct arena *a = &r->p->arena;
    r->rev = arena_strdup(a, *revision ? revision : "default");
    r->suffix = arena_printf(a, "%s%s", *revision ? "-" : "", revision);
    r->istiod = arena_printf(a, "istiod%s", r->suffix);
    r->injector = arena_printf(a, "istio-sidecar-injector%s", r->suffix);
    r->validator = arena_printf(a, "istio-validator%s-" ISTIO_NAMESPACE, r->suffix);
    r->min = r->t->settings.min_replicas > 1 ? r->t->settings.min_replicas : 1;
    r->max = r->t->settings.max_replicas > r->min ? r->t->settings.max_replicas : r->min;
}

int istio_render(const struct istio_target *t, struct plan *p, struct err *err)
{
    static int (*const parts[])(struct render *) = {
        render_crds,     render_namespace,     render_ca,
        render_rbac,     render_config,        render_control_plane,
        render_webhooks, render_remote_access, render_dns,
    };
    if (check_target(t, err) < 0)
        return -1;
    struct render r = {.t = t, .p = p, .err = err};
    set_names(&r);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i](&r) < 0)
            return -1;
    return plan_finish(p, err);
}
