/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/settings.h"

#include "base/str.h"
#include "json/jx.h"

static json_t *held(struct arena *a, json_t *v)
{
    arena_hold(a, v, (void (*)(void *))json_decref);
    return v;
}

static void add_env(json_t *env, const struct api_mesh_istiod *i)
{
    for (size_t k = 0; i && k < i->n_env; k++)
        json_object_set_new(env, i->env[k].name, json_string(str_or(i->env[k].value, "")));
}

static json_t *resources_json(struct arena *a, const json_t *requests, const json_t *limits)
{
    json_t *r = held(a, json_object());
    if (requests)
        json_object_set(r, "requests", (json_t *)(uintptr_t)requests);
    if (limits)
        json_object_set(r, "limits", (json_t *)(uintptr_t)limits);
    return r;
}

static void take_istiod(struct arena *a, const struct api_mesh_istiod *i, json_t *env,
                        struct istio_settings *s)
{
    if (!i)
        return;
    add_env(env, i);
    if (i->resources)
        s->istiod_resources = resources_json(a, i->resources->requests, i->resources->limits);
    if (i->min_replicas)
        s->min_replicas = (int)i->min_replicas;
    if (i->max_replicas)
        s->max_replicas = (int)i->max_replicas;
}

int settings_merge(struct arena *a, const struct options *o, const struct api_mesh *cr,
                   const struct api_mesh_clusters *entry, const struct istio_data *data,
                   struct istio_settings *ret, struct err *err)
{
    const struct api_mesh_spec *m = &cr->spec;
    json_t *env = held(a, o->istiod_env ? json_copy(o->istiod_env) : json_object());
    json_t *mesh_config = held(a, m->mesh_config ? json_deep_copy(m->mesh_config) : json_object());
    *ret = (struct istio_settings){.version = istio_data_version(data),
                                   .revision = str_or(m->revision, "")};
    ret->hub = m->image && m->image->hub ? m->image->hub : o->hub;
    ret->tag = m->image && m->image->tag ? m->image->tag : str_or(o->tag, ret->version);
    take_istiod(a, m->istiod, env, ret);
    if (m->sidecar && m->sidecar->resources)
        ret->proxy_resources =
            resources_json(a, m->sidecar->resources->requests, m->sidecar->resources->limits);
    if (entry) {
        take_istiod(a, entry->istiod, env, ret);
        if (entry->mesh_config)
            jx_merge(mesh_config, entry->mesh_config);
    }
    ret->min_replicas = ret->min_replicas ? ret->min_replicas : 1;
    ret->max_replicas = ret->max_replicas ? ret->max_replicas : ret->min_replicas;
    ret->env = env;
    ret->mesh_config = mesh_config;
    if (ret->min_replicas > ret->max_replicas)
        return err_set(err, ERR_INVALID, 0, "istiod.minReplicas %d is above maxReplicas %d",
                       ret->min_replicas, ret->max_replicas);
    return 0;
}
