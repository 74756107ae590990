/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says about itself: versions, health, the lists of groups and resources. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

/* Calls cb for each kind that the cluster serves, built-in ones first. */
typedef void kind_cb(void *arg, const struct sim_kind *k);

static void each_kind(const struct sim_cluster *c, kind_cb *cb, void *arg)
{
    const struct sim_kind *k;
    for (size_t i = 0; (k = sim_builtin(i)); i++)
        cb(arg, k);
    for (k = c->custom; k; k = k->hh.next)
        cb(arg, k);
}

/* --- groups --- */

struct group {
    const char *only; /* one group, or NULL */
    json_t *list;
};

static json_t *find_group(json_t *list, const char *name)
{
    size_t i;
    json_t *g;
    json_array_foreach (list, i, g)
        if (str_eq(jx_str(g, "name"), name))
            return g;
    return NULL;
}

static bool has_version(const json_t *g, const char *version)
{
    size_t i;
    const json_t *v;
    json_array_foreach (json_object_get(g, "versions"), i, v)
        if (str_eq(jx_str(v, "version"), version))
            return true;
    return false;
}

static void add_version(json_t *list, const char *group, const char *version)
{
    json_t *g = find_group(list, group);
    auto_free char *gv = sim_api_version(group, version);
    if (!g) {
        g = json_pack("{s:s, s:[], s:{s:s, s:s}}", "name", group, "versions", "preferredVersion",
                      "groupVersion", gv, "version", version);
        json_array_append_new(list, g);
    }
    if (!has_version(g, version))
        json_array_append_new(json_object_get(g, "versions"),
                              json_pack("{s:s, s:s}", "groupVersion", gv, "version", version));
}

static void add_group(void *arg, const struct sim_kind *k)
{
    struct group *to = arg;
    if (!*k->group || (to->only && !str_eq(to->only, k->group)))
        return;
    if (!(k->traits & SIM_CUSTOM))
        add_version(to->list, k->group, k->version);
    for (size_t i = 0; i < k->nversions; i++)
        if (k->versions[i].served)
            add_version(to->list, k->group, k->versions[i].name);
}

static json_t *groups_of(const struct sim_cluster *c, const char *only)
{
    struct group g = {only, json_array()};
    each_kind(c, add_group, &g);
    if (!only || str_eq(only, "authorization.k8s.io"))
        add_version(g.list, "authorization.k8s.io", "v1");
    if (!only || str_eq(only, "authentication.k8s.io"))
        add_version(g.list, "authentication.k8s.io", "v1");
    return g.list;
}

static void answer_groups(struct sim_call *c)
{
    sim_answer(c, 200,
               json_pack("{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups",
                         groups_of(c->cluster, NULL)));
}

static bool answer_group(struct sim_call *c, const char *name)
{
    auto_json *list = groups_of(c->cluster, name);
    json_t *g = json_array_get(list, 0);
    if (!g)
        return false;
    json_t *body = json_pack("{s:s, s:s}", "kind", "APIGroup", "apiVersion", "v1");
    json_object_update(body, g);
    sim_answer(c, 200, body);
    return true;
}

/* --- resources --- */

struct resources {
    const char *group, *version;
    json_t *list;
};

static json_t *verbs(const struct sim_kind *k)
{
    json_t *v = json_pack("[s, s, s, s, s, s, s, s]", "create", "delete", "deletecollection", "get",
                          "list", "patch", "update", "watch");
    if (k->traits & SIM_NO_COLLECTION)
        json_array_remove(v, 2);
    return v;
}

static void add_sub(struct resources *to, const struct sim_kind *k, const char *sub, json_t *verbs)
{
    auto_free char *name = xasprintf("%s/%s", k->plural, sub);
    bool token = str_eq(sub, "token");
    json_t *r = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "singularName", "",
                          "namespaced", (k->traits & SIM_NAMESPACED) != 0, "kind",
                          token ? "TokenRequest" : k->kind, "verbs", verbs);
    if (token) {
        jx_set_str(r, "group", "authentication.k8s.io");
        jx_set_str(r, "version", "v1");
    }
    json_array_append_new(to->list, r);
}

static void add_resource(void *arg, const struct sim_kind *k)
{
    struct resources *to = arg;
    if (!str_eq(k->group, to->group) || !sim_kind_serves(k, to->version, NULL))
        return;
    json_t *r = json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", k->plural, "singularName",
                          k->singular, "namespaced", (k->traits & SIM_NAMESPACED) != 0, "kind",
                          k->kind, "verbs", verbs(k));
    if (k->short_names[0])
        jx_set_new(r, "shortNames", json_array());
    for (size_t i = 0; i < 4 && k->short_names[i]; i++)
        json_array_append_new(json_object_get(r, "shortNames"), json_string(k->short_names[i]));
    if (k->category)
        jx_set_new(r, "categories", json_pack("[s]", k->category));
    json_array_append_new(to->list, r);
    if (str_eq(k->plural, "serviceaccounts"))
        add_sub(to, k, "token", json_pack("[s]", "create"));
    if (sim_serves_status(k, to->version))
        add_sub(to, k, "status", json_pack("[s, s, s]", "get", "patch", "update"));
}

static void add_review(struct resources *to, const char *plural, const char *singular,
                       const char *kind)
{
    json_array_append_new(to->list,
                          json_pack("{s:s, s:s, s:b, s:s, s:[s]}", "name", plural, "singularName",
                                    singular, "namespaced", 0, "kind", kind, "verbs", "create"));
}

static bool answer_resources(struct sim_call *c, const char *group, const char *version)
{
    struct resources r = {group, version, json_array()};
    each_kind(c->cluster, add_resource, &r);
    if (str_eq(group, "authorization.k8s.io") && str_eq(version, "v1")) {
        add_review(&r, "selfsubjectaccessreviews", "selfsubjectaccessreview",
                   "SelfSubjectAccessReview");
        add_review(&r, "selfsubjectrulesreviews", "selfsubjectrulesreview",
                   "SelfSubjectRulesReview");
    }
    if (str_eq(group, "authentication.k8s.io") && str_eq(version, "v1"))
        add_review(&r, "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview");
    if (json_array_size(r.list) == 0) {
        json_decref(r.list);
        return false;
    }
    auto_free char *gv = sim_api_version(group, version);
    sim_answer(c, 200,
               json_pack("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1",
                         "groupVersion", gv, "resources", r.list));
    return true;
}

/* --- the rest --- */

static void answer_version(struct sim_call *c)
{
    sim_answer(c, 200,
               json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                         "major", "1", "minor", "37", "emulationMajor", "1", "emulationMinor", "37",
                         "minCompatibilityMajor", "1", "minCompatibilityMinor", "36", "gitVersion",
                         "v1.37.2", "gitCommit", "unknown", "gitTreeState", "clean", "buildDate",
                         "1970-01-01T00:00:00Z", "goVersion", "go1.26.8", "compiler", "gc",
                         "platform", "linux/amd64"));
}

static void answer_versions(struct sim_call *c)
{
    sim_answer(c, 200,
               json_pack("{s:s, s:[s], s:[]}", "kind", "APIVersions", "versions", "v1",
                         "serverAddressByClientCIDRs"));
}

static void answer_paths(struct sim_call *c)
{
    sim_answer(c, 200,
               json_pack("{s:[s, s, s, s, s, s, s, s]}", "paths", "/api", "/api/v1", "/apis",
                         "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"));
}

bool sim_discover(struct sim_call *c, char *const *parts, size_t n)
{
    if (n == 0) {
        answer_paths(c);
        return true;
    }
    if (str_eq(parts[0], "openapi"))
        return sim_openapi(c, parts + 1, n - 1);
    bool api = str_eq(parts[0], "api"), apis = str_eq(parts[0], "apis");
    if (str_eq(parts[0], "version") && n == 1)
        answer_version(c);
    else if (str_eq(parts[0], "healthz") || str_eq(parts[0], "livez") || str_eq(parts[0], "readyz"))
        sim_answer_text(c, 200, "ok");
    else if (api && n == 1)
        answer_versions(c);
    else if (apis && n == 1)
        answer_groups(c);
    else if (api && n == 2)
        return answer_resources(c, "", parts[1]);
    else if (apis && n == 2)
        return answer_group(c, parts[1]);
    else if (apis && n == 3)
        return answer_resources(c, parts[1], parts[2]);
    else
        return false;
    return true;
}
