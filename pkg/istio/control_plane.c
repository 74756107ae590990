/* SPDX-License-Identifier: Apache-2.0 */
/* istiod and its webhooks. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

enum { NATIVE_SIDECARS_MINOR = 29 }; /* the SidecarContainers feature is on by default from here */

static bool is_default(const struct render *r)
{
    return r->suffix[0] == '\0';
}

/* The place of a variable in a list of them, or its length. */
static size_t find_env(const json_t *env, const char *name)
{
    size_t i = 0;
    while (i < json_array_size(env) && !str_eq(jx_str(json_array_get(env, i), "name"), name))
        i++;
    return i;
}

static void set_env(json_t *env, const char *name, const json_t *value)
{
    size_t i = find_env(env, name);
    bool there = i < json_array_size(env);
    if (json_is_null(value)) {
        if (there)
            json_array_remove(env, i);
        return;
    }
    json_t *entry = json_pack("{s:s, s:s}", "name", name, "value", json_string_value(value));
    if (there)
        json_array_set_new(env, i, entry);
    else
        json_array_append_new(env, entry);
}

/* Names of an object in order, so that the order of input does not matter; free the array, not the names. */
static const char **sorted_names(const json_t *obj)
{
    const char **names = xcalloc(json_object_size(obj) + 1, sizeof *names);
    size_t n = 0;
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)obj, name, v)
        names[n++] = name;
    qsort(names, n, sizeof *names, str_cmp_ptr);
    return names;
}

static int merge_env(struct render *r, json_t *env)
{
    const json_t *user = r->t->settings.env;
    auto_free const char **names = sorted_names(user);
    for (const char **n = names; *n; n++) {
        const json_t *v = json_object_get(user, *n);
        if (!json_is_string(v) && !json_is_null(v))
            return err_set(r->err, ERR_INVALID, 0, "env %s is not a string", *n);
        set_env(env, *n, v);
    }
    return 0;
}

static json_t *istiod_env(struct render *r)
{
    int minor = r->t->kube_minor;
    const char *native = minor > 0 && minor < NATIVE_SIDECARS_MINOR ? "false" : "true";
    auto_json *env = render_doc(r, "istiod-env",
                                json_pack("{s:s, s:s, s:s, s:s, s:s}", "rev", r->rev, "cluster",
                                          r->t->cluster, "injector", r->injector, "validator",
                                          r->validator, "native_sidecars", native));
    if (!env || merge_env(r, env) < 0)
        return NULL;
    return STEAL(env);
}

static json_t *istiod_resources(const struct istio_settings *s)
{
    if (s->istiod_resources)
        return json_deep_copy(s->istiod_resources);
    return json_pack("{s:{s:s, s:s}}", "requests", "cpu", "100m", "memory", "256Mi");
}

/* Labels by which the Service and the disruption budget find the pods of this revision. */
static json_t *pod_selector(const struct render *r)
{
    if (is_default(r))
        return json_pack("{s:s, s:s}", "app", "istiod", "istio", "pilot");
    return json_pack("{s:s, s:s}", "app", "istiod", "istio.io/rev", r->rev);
}

/* A Deployment's selector can't be changed: it is the one that Istio's own installations have. */
static json_t *deployment_selector(const struct render *r)
{
    return is_default(r) ? json_pack("{s:s}", "istio", "pilot") : pod_selector(r);
}

static json_t *istiod_vars(struct render *r)
{
    const struct istio_settings *s = &r->t->settings;
    json_t *env = istiod_env(r);
    if (!env)
        return NULL;
    json_t *replicas = r->max > r->min ? json_null() : json_integer(r->min);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "istiod", r->istiod, "rev",
                     r->rev, "component", is_default(r) ? "pilot" : "istiod", "service_selector",
                     pod_selector(r), "selector", deployment_selector(r), "replicas", replicas,
                     "image", json_sprintf("%s/pilot:%s", s->hub, s->tag), "env", env, "resources",
                     istiod_resources(s));
}

static int render_istiod(struct render *r)
{
    json_t *vars = istiod_vars(r);
    if (!vars || render_add(r, PLAN_CONTROL_PLANE, "istiod", vars) < 0)
        return -1;
    for (size_t i = 0; i < r->p->n; i++)
        if (str_eq(r->p->objects[i].gvr->kind, "Deployment"))
            r->p->objects[i].wait_available = true;
    return 0;
}

int render_control_plane(struct render *r)
{
    if (render_istiod(r) < 0)
        return -1;
    if (r->max > r->min && render_add(r, PLAN_CONTROL_PLANE, "istiod-hpa",
                                      json_pack("{s:s, s:s, s:i, s:i}", "istiod", r->istiod, "rev",
                                                r->rev, "min", r->min, "max", r->max)) < 0)
        return -1;
    if (r->min > 1 && render_add(r, PLAN_CONTROL_PLANE, "istiod-pdb",
                                 json_pack("{s:s, s:s, s:o}", "istiod", r->istiod, "rev", r->rev,
                                           "selector", pod_selector(r))) < 0)
        return -1;
    return 0;
}

/* The webhooks of a configuration: those of every revision come first, the default one has all. */
static json_t *hooks(struct render *r, const char *manifest, size_t of_revision)
{
    json_t *all =
        render_docs(r, manifest, json_pack("{s:s, s:s}", "istiod", r->istiod, "rev", r->rev));
    while (all && !is_default(r) && json_array_size(all) > of_revision)
        json_array_remove(all, json_array_size(all) - 1);
    return all;
}

int render_webhooks(struct render *r)
{
    auto_json *injector = hooks(r, "injector-hooks", 2);
    auto_json *validator = injector ? hooks(r, "validator-hooks", 1) : NULL;
    if (!validator)
        return -1;
    return render_add(r, PLAN_WEBHOOKS, "webhooks",
                      json_pack("{s:s, s:s, s:s, s:O, s:O}", "rev", r->rev, "injector", r->injector,
                                "validator", r->validator, "injector_hooks", injector,
                                "validator_hooks", validator));
}
