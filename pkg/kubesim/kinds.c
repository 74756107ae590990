/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/text.h"
#include "json/jx.h"

#define ADMISSION "admissionregistration.k8s.io"
#define RBAC      "rbac.authorization.k8s.io"
#define CRDS      "apiextensions.k8s.io"

#define NS   SIM_NAMESPACED
#define ST   SIM_STATUS
#define GEN  SIM_GENERATION
#define RET  SIM_RETURNS
#define UP   SIM_UPSERT
#define COND SIM_CONDITIONAL
#define NODC SIM_NO_COLLECTION
#define DNS  SIM_DNS_LABEL
#define PATH SIM_PATH_NAME

#define KIND(group, version, plural, singular, kind, traits, category, ...)                        \
    {                                                                                              \
        group, version, plural, singular, kind, kind "List", traits, {__VA_ARGS__}, category,      \
            .versions = NULL                                                                       \
    }

/* registry/<group>/<resource>/strategy.go and storage.go say the traits. */
static const struct sim_kind kinds[] = {
    KIND("", "v1", "configmaps", "configmap", "ConfigMap", NS, NULL, "cm"),
    KIND("", "v1", "endpoints", "endpoints", "Endpoints", NS | UP, NULL, "ep"),
    KIND("", "v1", "events", "event", "Event", NS | UP, NULL, "ev"),
    KIND("", "v1", "limitranges", "limitrange", "LimitRange", NS, NULL, "limits"),
    KIND("", "v1", "namespaces", "namespace", "Namespace", ST | RET | NODC | DNS, NULL, "ns"),
    KIND("", "v1", "nodes", "node", "Node", ST, NULL, "no"),
    KIND("", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim",
         NS | ST | RET, NULL, "pvc"),
    KIND("", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume", ST | RET, NULL,
         "pv"),
    KIND("", "v1", "pods", "pod", "Pod", NS | ST | GEN | RET, "all", "po"),
    KIND("", "v1", "resourcequotas", "resourcequota", "ResourceQuota", NS | ST | RET, NULL,
         "quota"),
    KIND("", "v1", "secrets", "secret", "Secret", NS, NULL, NULL),
    KIND("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", NS | RET, NULL, "sa"),
    KIND("", "v1", "services", "service", "Service", NS | ST | RET | DNS, "all", "svc"),
    KIND(ADMISSION, "v1", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration",
         "MutatingWebhookConfiguration", GEN, NULL, NULL),
    KIND(ADMISSION, "v1", "validatingadmissionpolicies", "validatingadmissionpolicy",
         "ValidatingAdmissionPolicy", ST | GEN, NULL, NULL),
    KIND(ADMISSION, "v1", "validatingadmissionpolicybindings", "validatingadmissionpolicybinding",
         "ValidatingAdmissionPolicyBinding", GEN, NULL, NULL),
    KIND(ADMISSION, "v1", "validatingwebhookconfigurations", "validatingwebhookconfiguration",
         "ValidatingWebhookConfiguration", GEN, NULL, NULL),
    KIND(CRDS, "v1", "customresourcedefinitions", "customresourcedefinition",
         "CustomResourceDefinition", ST | GEN | COND, NULL, "crd", "crds"),
    KIND("apps", "v1", "daemonsets", "daemonset", "DaemonSet", NS | ST | GEN, "all", "ds"),
    KIND("apps", "v1", "deployments", "deployment", "Deployment", NS | ST | GEN | SIM_COUNTS_NOTES,
         "all", "deploy"),
    KIND("apps", "v1", "replicasets", "replicaset", "ReplicaSet", NS | ST | GEN, "all", "rs"),
    KIND("apps", "v1", "statefulsets", "statefulset", "StatefulSet", NS | ST | GEN, "all", "sts"),
    KIND("autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscaler",
         "HorizontalPodAutoscaler", NS | ST | GEN, "all", "hpa"),
    KIND("batch", "v1", "jobs", "job", "Job", NS | ST | GEN, "all", NULL),
    KIND("coordination.k8s.io", "v1", "leases", "lease", "Lease", NS | UP, NULL, NULL),
    KIND("discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice",
         NS | GEN | SIM_COUNTS_LABELS, NULL, NULL),
    KIND("events.k8s.io", "v1", "events", "event", "Event", NS | UP, NULL, "ev"),
    KIND("networking.k8s.io", "v1", "ingresses", "ingress", "Ingress", NS | ST | GEN, NULL, "ing"),
    KIND("networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy", NS | GEN,
         NULL, "netpol"),
    KIND("policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget",
         NS | ST | GEN | COND, NULL, "pdb"),
    KIND(RBAC, "v1", "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", PATH, NULL,
         NULL),
    KIND(RBAC, "v1", "clusterroles", "clusterrole", "ClusterRole", PATH, NULL, NULL),
    KIND(RBAC, "v1", "rolebindings", "rolebinding", "RoleBinding", NS | PATH, NULL, NULL),
    KIND(RBAC, "v1", "roles", "role", "Role", NS | PATH, NULL, NULL),
    KIND("scheduling.k8s.io", "v1", "priorityclasses", "priorityclass", "PriorityClass", GEN, NULL,
         "pc"),
};

const struct sim_kind *sim_builtin(size_t i)
{
    return i < sizeof kinds / sizeof *kinds ? &kinds[i] : NULL;
}

const struct sim_kind *sim_builtin_find(const char *group, const char *plural)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_eq(kinds[i].plural, plural) && str_eq(kinds[i].group, group))
            return &kinds[i];
    return NULL;
}

static const char *dup_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static struct sim_text *columns_of(const json_t *version)
{
    const json_t *list = jx_get(version, "additionalPrinterColumns");
    auto_free char *text = json_array_size(list) ? jx_dump(list) : NULL;
    return text ? sim_text_intern(text, strlen(text)) : NULL;
}

static void read_versions(struct sim_kind *k, const json_t *list)
{
    size_t i;
    const json_t *v;
    k->nversions = json_array_size(list);
    k->versions = xcalloc(k->nversions, sizeof *k->versions);
    json_array_foreach (list, i, v) {
        struct sim_version *to = &k->versions[i];
        to->name = xstrdup(str_or(jx_str(v, "name"), ""));
        to->served = jx_bool(v, "served", false);
        to->storage = jx_bool(v, "storage", false);
        to->status = jx_get(v, "subresources.status") != NULL;
        to->columns = columns_of(v);
        if (to->storage || !k->version)
            k->version = to->name;
    }
}

struct sim_kind *sim_kind_of_crd(const json_t *crd)
{
    const json_t *names = jx_get(crd, "spec.names");
    const char *group = jx_str(crd, "spec.group"), *plural = jx_str(names, "plural");
    const char *kind = jx_str(names, "kind");
    if (!group || !plural || !kind || json_array_size(jx_get(crd, "spec.versions")) == 0)
        return NULL;
    struct sim_kind *k = xcalloc(1, sizeof *k);
    *k = (struct sim_kind){
        .group = xstrdup(group),
        .plural = xstrdup(plural),
        .kind = xstrdup(kind),
        .singular = xstrdup(str_or(jx_str(names, "singular"), "")),
        .list_kind = dup_or_null(jx_str(names, "listKind")),
        .crd = xasprintf("%s.%s", plural, group),
        .traits = SIM_CUSTOM | SIM_GENERATION | SIM_CONDITIONAL,
    };
    if (!k->list_kind)
        k->list_kind = xasprintf("%sList", kind);
    if (str_eq(jx_str(crd, "spec.scope"), "Namespaced"))
        k->traits |= SIM_NAMESPACED;
    if (jx_str(crd, "metadata.deletionTimestamp"))
        k->traits |= SIM_DYING;
    for (size_t i = 0; i < sizeof k->short_names / sizeof *k->short_names; i++)
        k->short_names[i] =
            dup_or_null(json_string_value(json_array_get(jx_get(names, "shortNames"), i)));
    k->category = dup_or_null(json_string_value(json_array_get(jx_get(names, "categories"), 0)));
    read_versions(k, jx_get(crd, "spec.versions"));
    return k;
}

static void free_const(const char *s)
{
    free((void *)(uintptr_t)s);
}

void sim_kind_free(struct sim_kind *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->nversions; i++) {
        free(k->versions[i].name);
        sim_text_drop(k->versions[i].columns);
    }
    free(k->versions);
    free_const(k->group);
    free_const(k->plural);
    free_const(k->kind);
    free_const(k->singular);
    free_const(k->list_kind);
    free_const(k->category);
    for (size_t i = 0; i < sizeof k->short_names / sizeof *k->short_names; i++)
        free_const(k->short_names[i]);
    free(k->crd);
    free(k);
}

bool sim_kind_serves(const struct sim_kind *k, const char *version, const struct sim_version **ret)
{
    if (!(k->traits & SIM_CUSTOM))
        return str_eq(k->version, version);
    for (size_t i = 0; i < k->nversions; i++) {
        if (!k->versions[i].served || !str_eq(k->versions[i].name, version))
            continue;
        if (ret)
            *ret = &k->versions[i];
        return true;
    }
    return false;
}

bool sim_serves_status(const struct sim_kind *k, const char *version)
{
    const struct sim_version *v = NULL;
    if (!(k->traits & SIM_CUSTOM))
        return k->traits & SIM_STATUS;
    return sim_kind_serves(k, version, &v) && v && v->status;
}

char *sim_api_version(const char *group, const char *version)
{
    return *group ? xasprintf("%s/%s", group, version) : xstrdup(version);
}

char *sim_kind_qualified(const struct sim_kind *k)
{
    return xasprintf("%s%s%s", k->plural, *k->group ? "." : "", k->group);
}

char *sim_kind_title(const struct sim_kind *k)
{
    return xasprintf("%s%s%s", k->kind, *k->group ? "." : "", k->group);
}
