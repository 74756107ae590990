/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of the kinds that we write: what k8s.io/kubernetes, pkg/apis/<group>/v1/defaults.go adds when an object is
 * decoded, so that live objects look as on a real server. */
#include "kubesim/defaults.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

struct rule {
    const char *path; /* of members; "a[]" stands for each element of a list */
    const char *json; /* the value when the member is absent and what it is in is there */
};

/* --- tables --- */

static const struct rule pod_rules[] = {
    {"restartPolicy", "\"Always\""},
    {"terminationGracePeriodSeconds", "30"},
    {"dnsPolicy", "\"ClusterFirst\""},
    {"securityContext", "{}"},
    {"schedulerName", "\"default-scheduler\""},
    {"volumes[].secret.defaultMode", "420"},
    {"volumes[].configMap.defaultMode", "420"},
    {"volumes[].downwardAPI.defaultMode", "420"},
    {"volumes[].downwardAPI.items[].fieldRef.apiVersion", "\"v1\""},
    {"volumes[].projected.defaultMode", "420"},
    {"volumes[].projected.sources[].serviceAccountToken.expirationSeconds", "3600"},
    {"volumes[].projected.sources[].downwardAPI.items[].fieldRef.apiVersion", "\"v1\""},
    {"volumes[].hostPath.type", "\"\""},
    {NULL, NULL},
};

static const struct rule container_rules[] = {
    {"resources", "{}"},
    {"terminationMessagePath", "\"/dev/termination-log\""},
    {"terminationMessagePolicy", "\"File\""},
    {"ports[].protocol", "\"TCP\""},
    {"env[].valueFrom.fieldRef.apiVersion", "\"v1\""},
    {NULL, NULL},
};

static const struct rule probe_rules[] = {
    {"timeoutSeconds", "1"},   {"periodSeconds", "10"},
    {"successThreshold", "1"}, {"failureThreshold", "3"},
    {"httpGet.path", "\"/\""}, {"httpGet.scheme", "\"HTTP\""},
    {"grpc.service", "\"\""},  {NULL, NULL},
};

static const struct rule deployment_rules[] = {
    {"spec.replicas", "1"},
    {"spec.strategy", "{}"},
    {"spec.strategy.type", "\"RollingUpdate\""},
    {"spec.revisionHistoryLimit", "10"},
    {"spec.progressDeadlineSeconds", "600"},
    {NULL, NULL},
};

static const struct rule rolling_rules[] = {
    {"spec.strategy.rollingUpdate", "{}"},
    {"spec.strategy.rollingUpdate.maxUnavailable", "\"25%\""},
    {"spec.strategy.rollingUpdate.maxSurge", "\"25%\""},
    {NULL, NULL},
};

static const struct rule hpa_rules[] = {
    {"spec.minReplicas", "1"},
    {NULL, NULL},
};

static const struct rule webhook_rules[] = {
    {"webhooks[].failurePolicy", "\"Fail\""}, {"webhooks[].matchPolicy", "\"Equivalent\""},
    {"webhooks[].namespaceSelector", "{}"},   {"webhooks[].objectSelector", "{}"},
    {"webhooks[].timeoutSeconds", "10"},      {"webhooks[].clientConfig.service.port", "443"},
    {"webhooks[].rules[].scope", "\"*\""},    {NULL, NULL},
};

static const struct rule mutating_rules[] = {
    {"webhooks[].reinvocationPolicy", "\"Never\""},
    {NULL, NULL},
};

static const struct rule binding_rules[] = {
    {"roleRef.apiGroup", "\"rbac.authorization.k8s.io\""},
    {NULL, NULL},
};

static const struct rule crd_rules[] = {
    {"spec.conversion", "{}"},
    {"spec.conversion.strategy", "\"None\""},
    {NULL, NULL},
};

static const struct rule slice_rules[] = {
    {"ports[].name", "\"\""},
    {"ports[].protocol", "\"TCP\""},
    {"endpoints[].conditions", "{}"},
    {NULL, NULL},
};

static const struct rule endpoints_rules[] = {
    {"subsets[].ports[].protocol", "\"TCP\""},
    {NULL, NULL},
};

static const struct rule event_rules[] = {
    {"source", "{}"},      {"firstTimestamp", "null"},     {"lastTimestamp", "null"},
    {"eventTime", "null"}, {"reportingComponent", "\"\""}, {"reportingInstance", "\"\""},
    {NULL, NULL},
};

static const struct rule events_rules[] = {
    {"deprecatedSource", "{}"},
    {"deprecatedFirstTimestamp", "null"},
    {"deprecatedLastTimestamp", "null"},
    {NULL, NULL},
};

/* --- setting by path --- */

static void set_at(json_t *at, const char *path, const char *json)
{
    size_t n = strcspn(path, ".");
    bool each = n > 2 && path[n - 1] == ']', last = !path[n];
    json_t *v = json_object_getn(at, path, n - (each ? 2 : 0));
    if (last) {
        if (json_is_object(at) && !v)
            json_object_setn_new(at, path, n, json_loads(json, JSON_DECODE_ANY, NULL));
        return;
    }
    if (!each) {
        set_at(v, path + n + 1, json);
        return;
    }
    size_t i;
    json_t *element;
    json_array_foreach (v, i, element)
        set_at(element, path + n + 1, json);
}

static void set_all(json_t *at, const struct rule *rules)
{
    for (const struct rule *r = rules; at && r->path; r++)
        set_at(at, r->path, r->json);
}

/* --- pods --- */

/* Without a tag, or with the tag latest, an image is pulled each time. */
static bool is_latest(const char *image)
{
    const char *slash = strrchr(image, '/'), *name = slash ? slash + 1 : image;
    const char *colon = strchr(name, ':');
    if (strchr(name, '@'))
        return false;
    return !colon || str_eq(colon, ":latest");
}

static void default_container(json_t *c)
{
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    set_all(c, container_rules);
    if (!json_object_get(c, "imagePullPolicy"))
        jx_set_str(c, "imagePullPolicy",
                   is_latest(str_or(jx_str(c, "image"), "")) ? "Always" : "IfNotPresent");
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        set_all(json_object_get(c, probes[i]), probe_rules);
}

static void default_pod(json_t *spec)
{
    size_t i;
    json_t *v;
    if (!json_is_object(spec))
        return;
    set_all(spec, pod_rules);
    json_array_foreach (json_object_get(spec, "containers"), i, v)
        default_container(v);
    json_array_foreach (json_object_get(spec, "initContainers"), i, v)
        default_container(v);
    json_array_foreach (json_object_get(spec, "volumes"), i, v)
        if (json_object_size(v) == 1)
            jx_set_new(v, "emptyDir", json_object());
    jx_set_str(spec, "serviceAccount", jx_str(spec, "serviceAccountName"));
}

static void default_deployment(json_t *d)
{
    set_all(d, deployment_rules);
    if (str_eq(jx_str(d, "spec.strategy.type"), "RollingUpdate"))
        set_all(d, rolling_rules);
    default_pod(jx_get(d, "spec.template.spec"));
}

/* --- others --- */

static void default_namespace(json_t *n)
{
    json_t *metadata = jx_get(n, "metadata"), *labels = json_object_get(metadata, "labels");
    if (!json_is_object(labels)) {
        json_object_set_new(metadata, "labels", json_object());
        labels = json_object_get(metadata, "labels");
    }
    json_object_set(labels, "kubernetes.io/metadata.name", json_object_get(metadata, "name"));
}

static void default_secret(json_t *s)
{
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(s, "stringData"), key, v) {
        auto_free char *b64 = jx_b64(str_or(json_string_value(v), ""), json_string_length(v));
        if (!json_is_object(json_object_get(s, "data")))
            json_object_set_new(s, "data", json_object());
        json_object_set_new(json_object_get(s, "data"), key, json_string(b64));
    }
    json_object_del(s, "stringData");
    if (!jx_str(s, "type"))
        jx_set_str(s, "type", "Opaque");
}

static void default_subjects(json_t *b)
{
    size_t i;
    json_t *v;
    set_all(b, binding_rules);
    json_array_foreach (json_object_get(b, "subjects"), i, v) {
        bool account = str_eq(jx_str(v, "kind"), "ServiceAccount");
        if (account && str_eq(jx_str(v, "apiGroup"), ""))
            json_object_del(v, "apiGroup");
        else if (!account && !jx_str(v, "apiGroup"))
            jx_set_str(v, "apiGroup", "rbac.authorization.k8s.io");
    }
}

static void default_crd(json_t *crd)
{
    const char *kind = str_or(jx_str(crd, "spec.names.kind"), "");
    if (!json_is_object(jx_get(crd, "spec.names")))
        return;
    if (!jx_str(crd, "spec.names.singular")) {
        auto_free char *singular = xstrdup(kind);
        for (char *p = singular; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        jx_set_str(crd, "spec.names.singular", singular);
    }
    if (!jx_str(crd, "spec.names.listKind")) {
        auto_free char *list = xasprintf("%sList", kind);
        jx_set_str(crd, "spec.names.listKind", list);
    }
    set_all(crd, crd_rules);
}

static void drop_nulls(json_t *v)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    json_object_foreach_safe (v, next, key, member) {
        if (json_is_null(member))
            json_object_del(v, key);
        else
            drop_nulls(member);
    }
    json_array_foreach (v, i, member)
        drop_nulls(member);
}

static void decode_mutating(json_t *o)
{
    set_all(o, webhook_rules);
    set_all(o, mutating_rules);
}

static void decode_pod(json_t *o)
{
    default_pod(jx_get(o, "spec"));
    set_at(o, "spec.enableServiceLinks", "true");
}

static const struct {
    const char *group, *kind;
    const struct rule *rules; /* or: */
    void (*decode)(json_t *o);
} decoders[] = {
    {"", "Namespace", NULL, default_namespace},
    {"", "Service", NULL, sim_decode_service},
    {"", "Secret", NULL, default_secret},
    {"", "Pod", NULL, decode_pod},
    {"", "Endpoints", endpoints_rules, NULL},
    {"apps", "Deployment", NULL, default_deployment},
    {"autoscaling", "HorizontalPodAutoscaler", hpa_rules, NULL},
    {"discovery.k8s.io", "EndpointSlice", slice_rules, NULL},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", NULL, default_subjects},
    {"rbac.authorization.k8s.io", "RoleBinding", NULL, default_subjects},
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration", NULL, decode_mutating},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", webhook_rules, NULL},
    {"apiextensions.k8s.io", "CustomResourceDefinition", NULL, default_crd},
};

void sim_default_decode(struct sim_cluster *c, const struct sim_kind *k, const char *version,
                        json_t *tree)
{
    if (k->traits & SIM_CUSTOM) {
        sim_default_custom(sim_cluster_schema(c, k, version), tree);
        return;
    }
    drop_nulls(tree);
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        if (!str_eq(decoders[i].kind, k->kind) || !str_eq(decoders[i].group, k->group))
            continue;
        if (decoders[i].rules)
            set_all(tree, decoders[i].rules);
        else
            decoders[i].decode(tree);
    }
}

/* --- what storing adds --- */

static const struct {
    const char *group, *kind, *json;
} statuses[] = {
    {"", "Namespace", "{\"phase\":\"Active\"}"},
    {"", "Service", "{\"loadBalancer\":{}}"},
    {"", "Pod", "{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\"}"},
    {"", "Node",
     "{\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":0}},\"nodeInfo\":{\"machineID\":\"\","
     "\"systemUUID\":\"\",\"bootID\":\"\",\"kernelVersion\":\"\",\"osImage\":\"\","
     "\"containerRuntimeVersion\":\"\",\"kubeletVersion\":\"\",\"kubeProxyVersion\":\"\","
     "\"operatingSystem\":\"\",\"architecture\":\"\"}}"},
    {"apps", "Deployment", "{}"},
    {"apps", "ReplicaSet", "{\"replicas\":0}"},
    {"apps", "StatefulSet", "{\"replicas\":0,\"availableReplicas\":0}"},
    {"apps", "DaemonSet",
     "{\"currentNumberScheduled\":0,\"numberMisscheduled\":0,\"desiredNumberScheduled\":0,"
     "\"numberReady\":0}"},
    {"autoscaling", "HorizontalPodAutoscaler", "{\"desiredReplicas\":0,\"currentMetrics\":null}"},
    {"batch", "Job", "{}"},
    {"networking.k8s.io", "Ingress", "{\"loadBalancer\":{}}"},
    {"policy", "PodDisruptionBudget",
     "{\"disruptionsAllowed\":0,\"currentHealthy\":0,\"desiredHealthy\":0,\"expectedPods\":0}"},
    {"apiextensions.k8s.io", "CustomResourceDefinition",
     "{\"conditions\":null,\"acceptedNames\":{\"plural\":\"\",\"kind\":\"\"}}"},
};

static void store_status(const struct sim_kind *k, json_t *tree)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (!str_eq(statuses[i].kind, k->kind) || !str_eq(statuses[i].group, k->group))
            continue;
        auto_json *status = json_loads(statuses[i].json, 0, NULL);
        if (!json_is_object(json_object_get(tree, "status")))
            json_object_set_new(tree, "status", json_object());
        json_object_update_missing(json_object_get(tree, "status"), status);
    }
}

/* The versions that objects may be stored in: all that were the storage version once. */
static void store_versions(json_t *crd)
{
    json_t *stored = jx_get(crd, "status.storedVersions");
    size_t i, at;
    const json_t *v, *s;
    if (!json_is_array(stored)) {
        jx_set_new(crd, "status.storedVersions", json_array());
        stored = jx_get(crd, "status.storedVersions");
    }
    json_array_foreach (jx_get(crd, "spec.versions"), i, v) {
        bool found = !jx_bool(v, "storage", false);
        json_array_foreach (stored, at, s)
            found = found || str_eq(json_string_value(s), jx_str(v, "name"));
        if (!found)
            json_array_append(stored, json_object_get(v, "name"));
    }
}

void sim_default_store(struct sim_cluster *c, const struct sim_kind *k, json_t *tree,
                       const json_t *old)
{
    if (k->traits & SIM_CUSTOM)
        return;
    store_status(k, tree);
    if (str_eq(k->kind, "Service"))
        sim_store_service(c, tree, old);
    else if (str_eq(k->kind, "CustomResourceDefinition"))
        store_versions(tree);
    else if (str_eq(k->kind, "Event"))
        set_all(tree, *k->group ? events_rules : event_rules);
    else if (str_eq(k->kind, "Namespace"))
        set_at(tree, "spec", "{\"finalizers\":[\"kubernetes\"]}");
    else if (str_eq(k->kind, "Node"))
        set_at(tree, "spec", "{}");
}
