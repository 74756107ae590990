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
    enum { MANIFESTS_MAX = 64 };
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
        struct plan_object *o = plan_add(r->p, &r->t->owner, wave, json_incref(doc), NULL, r->err);
        if (!o)
            return -1;
        o->side = r->side;
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

static json_t *string_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

static int render_namespace(struct render *r)
{
    const struct istio_target *t = r->t;
    return render_add(r, PLAN_NAMESPACE, "namespace",
                      json_pack("{s:s, s:o, s:o}", "network", t->network, "primary",
                                string_or_null(render_is_remote(r) ? t->primary : NULL), "created",
                                string_or_null(t->created_namespace ? "true" : NULL)));
}

/* A Remote has no authority of its own. */
static int render_ca(struct render *r)
{
    const struct istio_target *t = r->t;
    if (render_is_remote(r))
        return 0;
    json_t *inputs = json_pack("{s:s*, s:i, s:s, s:s}", "root", t->root_sha256, "generation",
                               t->ca_generation, "cluster", t->cluster, "mesh", t->mesh_name);
    struct plan_object *o = render_add_one(r, PLAN_CA, "cacerts", json_object(), inputs);
    if (!o)
        return -1;
    o->content = PLAN_CACERTS;
    return 0;
}

/* What peers' istiods may do here; in a Remote its Primary's istiod also leads. */
static int render_reader(struct render *r)
{
    auto_json *docs = render_docs(r, "reader", json_pack("{s:s}", "suffix", r->suffix));
    auto_json *more = docs ? render_docs(r, "reader-remote-rules", json_object()) : NULL;
    if (!more)
        return -1;
    size_t i;
    json_t *doc;
    json_array_foreach (docs, i, doc) {
        if (render_is_remote(r) && json_object_get(doc, "rules"))
            json_array_extend(json_object_get(doc, "rules"), more);
        if (!plan_add(r->p, &r->t->owner, PLAN_RBAC, json_incref(doc), NULL, r->err))
            return -1;
    }
    return 0;
}

static int render_rbac(struct render *r)
{
    if (render_add(r, PLAN_RBAC, "reader-account", json_object()) < 0)
        return -1;
    if (!render_is_remote(r) &&
        render_add(r, PLAN_RBAC, "rbac",
                   json_pack("{s:s, s:s}", "istiod", r->istiod, "suffix", r->suffix)) < 0)
        return -1;
    return render_reader(r);
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
    if (t->role == ISTIO_REMOTE && (!t->primary || str_eq(t->primary, t->cluster)))
        return err_set(err, ERR_INVALID, 0, "a Remote cannot be rendered without its Primary");
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
        render_mesh_config,
        render_crds,
        render_namespace,
        render_entry_namespaces,
        render_ca,
        render_rbac,
        render_guard,
        render_revoked,
        render_config,
        render_control_plane,
        render_webhooks,
        render_gateways,
        render_remote_access,
        render_exposure,
        render_networks,
        render_dns,
        render_imports,
    };
    if (check_target(t, err) < 0)
        return -1;
    struct render r = {.t = t, .p = p, .err = err};
    set_names(&r);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof *parts; i++)
        rc = parts[i](&r);
    json_decref(r.mesh_config);
    return rc < 0 ? -1 : plan_finish(p, err);
}
