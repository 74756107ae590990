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

const struct gvr plan_kinds_on_demand[] = {
    {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true},
    {"networking.istio.io", "v1", "gateways", "Gateway", true},
    {"networking.istio.io", "v1", "virtualservices", "VirtualService", true},
    {"networking.istio.io", "v1", "destinationrules", "DestinationRule", true},
    {"networking.istio.io", "v1", "serviceentries", "ServiceEntry", true},
    {"security.istio.io", "v1", "authorizationpolicies", "AuthorizationPolicy", true},
    {"gateway.networking.k8s.io", "v1", "gateways", "Gateway", true},
    {"networking.k8s.io", "v1", "ingresses", "Ingress", true},
    {"multicluster.x-k8s.io", "v1alpha1", "serviceexports", "ServiceExport", true},
    {"multicluster.x-k8s.io", "v1alpha1", "serviceimports", "ServiceImport", true},
    {"", "v1", "pods", "Pod", true}, /* read only */
    {"networking.istio.io", "v1", "workloadgroups", "WorkloadGroup", true},
    {"networking.istio.io", "v1", "workloadentries", "WorkloadEntry", true}, /* read and deleted */
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

static const struct gvr *find(const struct gvr *g, const char *api_version, const char *kind)
{
    for (; g->kind; g++)
        if (str_eq(g->kind, kind) && is_api_version(g, api_version))
            return g;
    return NULL;
}

const struct gvr *plan_gvr(const char *api_version, const char *kind)
{
    if (!api_version || !kind)
        return NULL;
    const struct gvr *g = find(plan_kinds, api_version, kind);
    return g ? g : find(plan_kinds_on_demand, api_version, kind);
}
