/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "base/str.h"
#include "plan/plan.h"

#define ADMISSION "admissionregistration.k8s.io"
#define RBAC      "rbac.authorization.k8s.io"

const struct gvr plan_kinds[] = {
    {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false},
    {"", "v1", "namespaces", "Namespace", false},
    {"", "v1", "secrets", "Secret", true},
    {"", "v1", "serviceaccounts", "ServiceAccount", true},
    {RBAC, "v1", "clusterroles", "ClusterRole", false},
    {RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", false},
    {RBAC, "v1", "roles", "Role", true},
    {RBAC, "v1", "rolebindings", "RoleBinding", true},
    {"", "v1", "configmaps", "ConfigMap", true},
    {"", "v1", "services", "Service", true},
    {"apps", "v1", "deployments", "Deployment", true},
    {"autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true},
    {"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true},
    {ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false},
    {ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false},
    {NULL, NULL, NULL, NULL, false},
};

static bool is_api_version(const struct gvr *g, const char *api_version)
{
    size_t n = strlen(g->group);
    if (n == 0)
        return str_eq(api_version, g->version);
    return str_starts(api_version, g->group) && api_version[n] == '/' &&
           str_eq(api_version + n + 1, g->version);
}

const struct gvr *plan_gvr(const char *api_version, const char *kind)
{
    if (!api_version || !kind)
        return NULL;
    for (const struct gvr *g = plan_kinds; g->kind; g++)
        if (str_eq(g->kind, kind) && is_api_version(g, api_version))
            return g;
    return NULL;
}
