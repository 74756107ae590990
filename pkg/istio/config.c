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

/* What the user adds to the roots of other meshes stays; an alias that is a peer's trust domain would make its
 * identities ours. */
static int check_trust(struct render *r)
{
    const struct istio_target *t = r->t;
    const json_t *overlay = t->settings.mesh_config;
    const json_t *certificates = json_object_get(overlay, "caCertificates");
    if (certificates && !json_is_null(certificates) && !json_is_array(certificates))
        return err_set(r->err, ERR_INVALID, 0, "meshConfig.caCertificates is not a list");
    size_t i;
    json_t *alias;
    json_array_foreach (json_object_get(overlay, "trustDomainAliases"), i, alias) {
        for (size_t k = 0; k < t->n_anchors; k++)
            if (str_eq(json_string_value(alias), t->anchors[k].trust_domain))
                return err_set(
                    r->err, ERR_INVALID, 0,
                    "meshConfig.trustDomainAliases has \"%s\", the trust domain of another "
                    "mesh: its identities would count as this mesh's own",
                    t->anchors[k].trust_domain);
    }
    return 0;
}

/* Workloads learn of another mesh's roots in this way alone. */
static int check_roots_reach_workloads(struct render *r)
{
    const json_t *metadata = jx_get(r->t->settings.mesh_config, "defaultConfig.proxyMetadata");
    const json_t *agent = json_object_get(metadata, "PROXY_CONFIG_XDS_AGENT");
    const json_t *istiod = json_object_get(r->t->settings.env, "ISTIO_MULTIROOT_MESH");
    if (!r->t->n_anchors)
        return 0;
    if (agent && !str_eq(json_string_value(agent), "true"))
        return err_set(
            r->err, ERR_INVALID, 0,
            "a mesh in a TrustBundle needs PROXY_CONFIG_XDS_AGENT \"true\" in proxyMetadata");
    if (istiod && !str_eq(json_string_value(istiod), "true"))
        return err_set(
            r->err, ERR_INVALID, 0,
            "a mesh in a TrustBundle needs ISTIO_MULTIROOT_MESH \"true\" in istiod's env");
    return 0;
}

/* Istio's metrics filter reads what the metadata exchange brings; an Envoy that is not Istio's has neither. */
static json_t *default_providers(const struct istio_settings *s)
{
    if (str_eq(jx_str(s->env, "PILOT_ENABLE_METADATA_EXCHANGE"), "false"))
        return json_null();
    return json_pack("{s:[s]}", "metrics", "prometheus");
}

/* An overlay replaces lists, so what it has of roots comes after ours. */
static void add_anchors(struct render *r)
{
    const struct istio_target *t = r->t;
    json_t *all = json_array();
    for (size_t i = 0; i < t->n_anchors; i++)
        json_array_append_new(all, json_pack("{s:s, s:[s]}", "pem", t->anchors[i].pem,
                                             "trustDomains", t->anchors[i].trust_domain));
    json_array_extend(all, json_object_get(t->settings.mesh_config, "caCertificates"));
    if (json_array_size(all))
        json_object_set(r->mesh_config, "caCertificates", all);
    json_decref(all);
}

int render_mesh_config(struct render *r)
{
    const struct istio_target *t = r->t;
    if (check_overlay(r) < 0 || check_trust(r) < 0 || check_roots_reach_workloads(r) < 0)
        return -1;
    r->mesh_config = render_doc(r, "mesh-config",
                                json_pack("{s:s, s:s, s:s, s:o}", "trust_domain", t->trust_domain,
                                          "mesh", t->mesh_name, "istiod", r->istiod,
                                          "default_providers", default_providers(&t->settings)));
    if (!r->mesh_config)
        return -1;
    if (t->settings.mesh_config)
        jx_merge(r->mesh_config, t->settings.mesh_config);
    add_anchors(r);
    return 0;
}

/* MeshConfig as YAML text; owned. */
static char *mesh_config_text(struct render *r)
{
    auto_buf text = BUF_INIT(MESH_CONFIG_MAX);
    if (yaml_dump(r->mesh_config, &text) < 0) {
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
    json_t *vars = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "hub", t->settings.hub, "tag", t->settings.tag,
        "mesh", t->mesh_name, "network", t->spans ? t->network : "", "cluster", t->cluster,
        "revision", str_or(t->settings.revision, ""), "resources", proxy_resources(&t->settings));
    auto_json *values = render_doc(r, "injector-values", vars);
    return values ? jx_dump(values) : NULL;
}

/* A Remote's sidecars come from its Primary's injector; its `istio` tells that one the trust domain. */
int render_config(struct render *r)
{
    auto_free char *mesh = mesh_config_text(r);
    if (!mesh || render_add(r, PLAN_CONFIG, "mesh",
                            json_pack("{s:s, s:s, s:s}", "suffix", r->suffix, "rev", r->rev,
                                      "mesh_config", mesh)) < 0)
        return -1;
    if (render_is_remote(r))
        return 0;
    auto_free char *values = injector_values(r);
    if (!values)
        return -1;
    return render_add(
        r, PLAN_CONFIG, "injector",
        json_pack("{s:s, s:s, s:s}", "suffix", r->suffix, "rev", r->rev, "values", values));
}
