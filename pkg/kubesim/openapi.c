/* SPDX-License-Identifier: Apache-2.0 */
/* The least OpenAPI v3 with which kubectl works: that PATCH of each kind knows fieldValidation and dryRun, and no
 * schema of its fields. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

static void add_root(json_t *paths, const char *group, const char *version)
{
    auto_free char *path =
        *group ? xasprintf("apis/%s/%s", group, version) : xasprintf("api/%s", version);
    auto_free char *url = xasprintf("/openapi/v3/%s?hash=0", path);
    json_object_set_new(paths, path, json_pack("{s:s}", "serverRelativeURL", url));
}

static void answer_root(struct sim_call *c)
{
    json_t *paths = json_object();
    const struct sim_kind *k;
    for (size_t i = 0; (k = sim_builtin(i)); i++)
        add_root(paths, k->group, k->version);
    for (k = c->cluster->custom; k; k = k->hh.next)
        for (size_t i = 0; i < k->nversions; i++)
            if (k->versions[i].served)
                add_root(paths, k->group, k->versions[i].name);
    sim_answer(c, 200, json_pack("{s:o}", "paths", paths));
}

static json_t *parameter(const char *name)
{
    return json_pack("{s:s, s:s, s:{s:s}}", "name", name, "in", "query", "schema", "type",
                     "string");
}

static void add_kind(json_t *paths, const struct sim_kind *k, const char *version)
{
    if (!sim_kind_serves(k, version, NULL))
        return;
    auto_free char *gv = sim_api_version(k->group, version);
    auto_free char *path =
        xasprintf("/%s/%s/%s%s/{name}", *k->group ? "apis" : "api", gv,
                  k->traits & SIM_NAMESPACED ? "namespaces/{namespace}/" : "", k->plural);
    json_t *patch =
        json_pack("{s:{s:s, s:s, s:s}, s:[o, o, o]}", "x-kubernetes-group-version-kind", "group",
                  k->group, "version", version, "kind", k->kind, "parameters", parameter("dryRun"),
                  parameter("fieldManager"), parameter("fieldValidation"));
    json_object_set_new(paths, path, json_pack("{s:o}", "patch", patch));
}

static bool answer_version(struct sim_call *c, const char *group, const char *version)
{
    json_t *paths = json_object();
    const struct sim_kind *k;
    for (size_t i = 0; (k = sim_builtin(i)); i++)
        if (str_eq(k->group, group))
            add_kind(paths, k, version);
    for (k = c->cluster->custom; k; k = k->hh.next)
        if (str_eq(k->group, group))
            add_kind(paths, k, version);
    if (json_object_size(paths) == 0) {
        json_decref(paths);
        return false;
    }
    sim_answer(c, 200,
               json_pack("{s:s, s:{s:s, s:s}, s:o}", "openapi", "3.0.0", "info", "title",
                         "Kubernetes", "version", "v1.37.2", "paths", paths));
    return true;
}

/* parts: behind "/openapi". */
bool sim_openapi(struct sim_call *c, char *const *parts, size_t n)
{
    if (n == 0 || !str_eq(parts[0], "v3"))
        return false;
    if (n == 1) {
        answer_root(c);
        return true;
    }
    if (n == 3 && str_eq(parts[1], "api"))
        return answer_version(c, "", parts[2]);
    return n == 4 && str_eq(parts[1], "apis") && answer_version(c, parts[2], parts[3]);
}
