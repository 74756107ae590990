/* SPDX-License-Identifier: Apache-2.0 */
/* The two ConfigMaps that istiod watches. */
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum { MESH_CONFIG_MAX = 512 * 1024 };

/* What the overlay must not say otherwise: peers and certificates are made from these. */
static int check_overlay(struct render *r)
{
    const json_t *overlay = r->t->settings.mesh_config;
    const char *td = jx_str(overlay, "trustDomain");
    const char *root = jx_str(overlay, "rootNamespace");
    if (overlay && !json_is_object(overlay))
        return err_set(r->err, ERR_INVALID, 0, "meshConfig is not an object");
    if (json_object_get(overlay, "trustDomain") && !str_eq(td, r->t->trust_domain))
        return err_set(r->err, ERR_INVALID, 0,
                       "meshConfig.trustDomain contradicts the mesh's trust domain \"%s\"",
                       r->t->trust_domain);
    if (json_object_get(overlay, "rootNamespace") && !str_eq(root, ISTIO_NAMESPACE))
        return err_set(r->err, ERR_INVALID, 0,
                       "meshConfig.rootNamespace can only be " ISTIO_NAMESPACE);
    return 0;
}

/* Istio's metrics filter reads what the metadata exchange brings; an Envoy that is not Istio's has neither. */
static json_t *default_providers(const struct istio_settings *s)
{
    if (str_eq(jx_str(s->env, "PILOT_ENABLE_METADATA_EXCHANGE"), "false"))
        return json_null();
    return json_pack("{s:[s]}", "metrics", "prometheus");
}

/* MeshConfig as YAML text; owned. */
static char *mesh_config(struct render *r)
{
    const struct istio_target *t = r->t;
    if (check_overlay(r) < 0)
        return NULL;
    auto_json *config = render_doc(
        r, "mesh-config",
        json_pack("{s:s, s:s, s:s, s:o}", "trust_domain", t->trust_domain, "mesh", t->mesh_name,
                  "istiod", r->istiod, "default_providers", default_providers(&t->settings)));
    if (!config)
        return NULL;
    if (t->settings.mesh_config)
        jx_merge(config, t->settings.mesh_config);
    auto_buf text = BUF_INIT(MESH_CONFIG_MAX);
    if (yaml_dump(config, &text) < 0) {
        err_set(r->err, ERR_INVALID, 0, "meshConfig is too large");
        return NULL;
    }
    return buf_take(&text);
}

/* Istio reads these quantities as strings; users also write "cpu: 1". */
static json_t *quantities(const json_t *list)
{
    json_t *out = json_object();
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)list, name, v) {
        if (json_is_number(v))
            json_object_set_new(out, name, json_sprintf("%g", json_number_value(v)));
        else
            json_object_set(out, name, v);
    }
    return out;
}

static json_t *proxy_resources(const struct istio_settings *s)
{
    if (!s->proxy_resources)
        return json_pack("{s:{s:s, s:s}}", "requests", "cpu", "10m", "memory", "64Mi");
    json_t *out = json_object();
    static const char *const lists[] = {"limits", "requests", NULL};
    for (const char *const *l = lists; *l; l++)
        if (json_object_get(s->proxy_resources, *l))
            json_object_set_new(out, *l, quantities(json_object_get(s->proxy_resources, *l)));
    return out;
}

static char *injector_values(struct render *r)
{
    const struct istio_target *t = r->t;
    json_t *vars = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "hub", t->settings.hub, "tag",
                             t->settings.tag, "mesh", t->mesh_name, "network", t->network,
                             "cluster", t->cluster, "revision", str_or(t->settings.revision, ""),
                             "resources", proxy_resources(&t->settings));
    auto_json *values = render_doc(r, "injector-values", vars);
    return values ? jx_dump(values) : NULL;
}

int render_config(struct render *r)
{
    auto_free char *mesh = mesh_config(r);
    auto_free char *values = mesh ? injector_values(r) : NULL;
    if (!values)
        return -1;
    if (render_add(r, PLAN_CONFIG, "mesh",
                   json_pack("{s:s, s:s, s:s}", "suffix", r->suffix, "rev", r->rev, "mesh_config",
                             mesh)) < 0)
        return -1;
    return render_add(
        r, PLAN_CONFIG, "injector",
        json_pack("{s:s, s:s, s:s}", "suffix", r->suffix, "rev", r->rev, "values", values));
}
