/* SPDX-License-Identifier: Apache-2.0 */
/* istiod and its webhooks. */
#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

enum { NATIVE_SIDECARS_MINOR = 29 }; /* the SidecarContainers feature is on by default from here */

static bool is_default(const struct render *r)
{
    return r->suffix[0] == '\0';
}

static json_t *true_or_null(bool v)
{
    return v ? json_string("true") : json_null();
}

static json_t *istiod_env(struct render *r)
{
    int minor = r->t->kube_minor;
    const char *native = minor > 0 && minor < NATIVE_SIDECARS_MINOR ? "false" : "true";
    auto_json *env = render_doc(r, "istiod-env",
                                json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "rev", r->rev,
                                          "cluster", r->t->cluster, "injector", r->injector,
                                          "validator", r->validator, "native_sidecars", native,
                                          "external", true_or_null(r->t->has_remotes)));
    if (!env)
        return NULL;
    render_trim_env(env);
    if (render_merge_env(r, env, r->t->settings.env, "env") < 0)
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

static const char *component(const struct render *r)
{
    return is_default(r) ? "pilot" : "istiod";
}

static json_t *istiod_vars(struct render *r)
{
    const struct istio_settings *s = &r->t->settings;
    json_t *env = istiod_env(r);
    if (!env)
        return NULL;
    json_t *replicas = r->max > r->min ? json_null() : json_integer(r->min);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "istiod", r->istiod, "rev", r->rev,
                     "component", component(r), "selector", deployment_selector(r), "replicas",
                     replicas, "image", json_sprintf("%s/pilot:%s", s->hub, s->tag), "env", env,
                     "resources", istiod_resources(s));
}

static int render_istiod(struct render *r)
{
    json_t *vars = istiod_vars(r);
    struct plan_object *o =
        vars ? render_add_one(r, PLAN_CONTROL_PLANE, "istiod", vars, NULL) : NULL;
    if (!o)
        return -1;
    o->wait_available = true;
    auto_json *labels = json_pack("{s:s, s:s}", "app", "istiod", "istio.io/rev", r->rev);
    auto_json *selector = pod_selector(r);
    return render_scaling(r, PLAN_CONTROL_PLANE, r->istiod, labels, selector, r->min, r->max);
}

static int render_service(struct render *r)
{
    return render_add(r, PLAN_CONTROL_PLANE, "istiod-service",
                      json_pack("{s:s, s:s, s:s, s:o}", "istiod", r->istiod, "rev", r->rev,
                                "component", component(r), "selector", pod_selector(r)));
}

/* --- a Remote: its Primary's istiod under the same name --- */

/* Its only address is a host name. */
static const char *external_istiod(const struct render *r)
{
    const struct istio_target *t = r->t;
    if (!render_is_remote(r) || t->n_istiod_addresses == 0)
        return NULL;
    for (size_t i = 0; i < t->n_istiod_addresses; i++)
        if (render_family(t->istiod_addresses[i]))
            return NULL;
    return t->istiod_addresses[0];
}

static int render_external(struct render *r, const char *host)
{
    return render_add(r, PLAN_CONTROL_PLANE, "istiod-external",
                      json_pack("{s:s, s:s, s:s, s:s}", "istiod", r->istiod, "rev", r->rev,
                                "component", component(r), "host", host));
}

static int render_istiod_endpoints(struct render *r)
{
    const struct istio_target *t = r->t;
    struct istio_endpoint *list =
        arena_array(&r->p->arena, t->n_istiod_addresses + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < t->n_istiod_addresses; i++)
        if (render_family(t->istiod_addresses[i]))
            list[n++] = (struct istio_endpoint){.address = t->istiod_addresses[i]};
    auto_json *ports = json_pack("[{s:s, s:i, s:s}, {s:s, s:i, s:s}]", "name", "https-dns", "port",
                                 ISTIO_ISTIOD_PORT, "protocol", "TCP", "name", "https-webhook",
                                 "port", ISTIO_WEBHOOK_PORT, "protocol", "TCP");
    return render_endpoints(r, PLAN_CONTROL_PLANE, ISTIO_NAMESPACE, r->istiod, list, n, ports);
}

int render_control_plane(struct render *r)
{
    const char *host = external_istiod(r);
    if (host)
        return render_external(r, host);
    if (render_service(r) < 0)
        return -1;
    return render_is_remote(r) ? render_istiod_endpoints(r) : render_istiod(r);
}

/* --- webhooks --- */

/* What istiod is told by the path goes into the sidecar: it can't know for whom it injects. */
static json_t *injection_path(const struct render *r)
{
    if (!render_is_remote(r))
        return json_string("/inject");
    if (!r->t->spans)
        return json_sprintf("/inject/cluster/%s", r->t->cluster);
    return json_sprintf("/inject/cluster/%s/net/%s", r->t->cluster, r->t->network);
}

/* The API server asks for the port of the Service, but takes a host name's port as it is. */
static int injection_port(const struct render *r)
{
    return external_istiod(r) ? ISTIO_WEBHOOK_PORT : 443;
}

/* The webhooks of a configuration: those of every revision come first, the default one has all. */
static json_t *hooks(struct render *r, const char *manifest, json_t *vars, size_t of_revision)
{
    json_t *all = render_docs(r, manifest, vars);
    while (all && !is_default(r) && json_array_size(all) > of_revision)
        json_array_remove(all, json_array_size(all) - 1);
    return all;
}

static int render_injector(struct render *r)
{
    json_t *all = hooks(r, "injector-hooks",
                        json_pack("{s:s, s:s, s:o, s:i}", "istiod", r->istiod, "rev", r->rev,
                                  "path", injection_path(r), "port", injection_port(r)),
                        2);
    if (!all)
        return -1;
    return render_add(
        r, PLAN_WEBHOOKS, "injector-webhook",
        json_pack("{s:s, s:s, s:o}", "rev", r->rev, "injector", r->injector, "hooks", all));
}

static int render_validator(struct render *r)
{
    json_t *all =
        hooks(r, "validator-hooks", json_pack("{s:s, s:s}", "istiod", r->istiod, "rev", r->rev), 1);
    if (!all)
        return -1;
    return render_add(
        r, PLAN_WEBHOOKS, "validator-webhook",
        json_pack("{s:s, s:s, s:o}", "rev", r->rev, "validator", r->validator, "hooks", all));
}

/* A Remote has no validation: configuration there is read by nobody. Before its istiod can be reached a webhook would
 * only refuse pods. */
int render_webhooks(struct render *r)
{
    if (render_is_remote(r))
        return r->t->n_istiod_addresses ? render_injector(r) : 0;
    return render_injector(r) < 0 ? -1 : render_validator(r);
}
