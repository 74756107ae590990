/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/empty.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "plan/plan.h"
#include "json/jx.h"

/* Kinds whose objects come and go by themselves, with others. */
static bool follows(const char *resource)
{
    static const char *const names[] = {"events", "endpoints", "endpointslices", "leases"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(resource, names[i]))
            return true;
    return false;
}

static bool can_be_listed(const json_t *resource)
{
    size_t i;
    json_t *verb;
    json_array_foreach (json_object_get(resource, "verbs"), i, verb) {
        if (str_eq(json_string_value(verb), "list"))
            return str_eq(jx_str(resource, "scope"), "Namespaced");
    }
    return false;
}

static void add_version(json_t *out, const char *group, const json_t *version, const char *ns)
{
    const char *v = jx_str(version, "version");
    size_t i;
    json_t *r;
    json_array_foreach (json_object_get(version, "resources"), i, r) {
        const char *name = jx_str(r, "resource");
        if (!v || !name || follows(name) || !can_be_listed(r))
            continue;
        auto_free char *path =
            *group ? xasprintf("/apis/%s/%s/namespaces/%s/%s?limit=10", group, v, ns, name)
                   : xasprintf("/api/%s/namespaces/%s/%s?limit=10", v, ns, name);
        json_array_append_new(out, json_string(path));
    }
}

json_t *empty_paths(const json_t *discovery, const char *ns)
{
    size_t i;
    json_t *group;
    if (!str_eq(jx_str(discovery, "kind"), "APIGroupDiscoveryList"))
        return NULL;
    json_t *out = json_array();
    json_array_foreach (json_object_get(discovery, "items"), i, group) {
        const json_t *preferred = json_array_get(json_object_get(group, "versions"), 0);
        add_version(out, str_or(jx_str(group, "metadata.name"), ""), preferred, ns);
    }
    return out;
}

/* What is in every namespace. */
static bool usual(const char *path, const json_t *item)
{
    static const char *const maps[] = {"kube-root-ca.crt", "istio-ca-root-cert", "istio-ca-crl",
                                       "openshift-service-ca.crt"};
    const char *name = jx_str(item, "metadata.name");
    if (strstr(path, "/serviceaccounts?"))
        return str_eq(name, "default");
    if (strstr(path, "/secrets?"))
        return str_eq(jx_str2(item, "metadata.annotations", "kubernetes.io/service-account.name"),
                      "default");
    for (size_t i = 0; strstr(path, "/configmaps?") && i < sizeof maps / sizeof *maps; i++)
        if (str_eq(name, maps[i]))
            return true;
    return false;
}

bool empty_counts(const char *path, const json_t *item)
{
    bool ours = str_eq(jx_str2(item, "metadata.labels", PLAN_LABEL_MANAGED_BY), PLAN_MANAGED_BY);
    bool leaving = ours && jx_str(item, "metadata.deletionTimestamp");
    return !usual(path, item) && !leaving;
}
