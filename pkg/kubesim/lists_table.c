/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "kubesim/lists_priv.h"

#define STRUCT_OF(rows)                                                                            \
    {                                                                                              \
        rows, sizeof rows / sizeof *rows                                                           \
    }

static const struct sim_row object_meta_rows[] = {
    {"finalizers", SIM_ROW_SET, NULL, NULL},
    {"ownerReferences", SIM_ROW_ITEMS, "uid", NULL},
};
static const struct sim_struct object_meta = STRUCT_OF(object_meta_rows);

static const struct sim_row service_spec_rows[] = {
    {"ports", SIM_ROW_MAP, "port=0,protocol=TCP", NULL},
    {"selector", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct service_spec = STRUCT_OF(service_spec_rows);

static const struct sim_row service_status_rows[] = {
    {"conditions", SIM_ROW_MAP, "type", NULL},
};
static const struct sim_struct service_status = STRUCT_OF(service_status_rows);

static const struct sim_row service_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &service_spec},
    {"status", SIM_ROW_STRUCT, NULL, &service_status},
};
static const struct sim_struct service = STRUCT_OF(service_rows);

static const struct sim_row namespace_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"status", SIM_ROW_STRUCT, NULL, &service_status},
};
static const struct sim_struct namespace = STRUCT_OF(namespace_rows);

static const struct sim_row object_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
};
const struct sim_struct sim_object = STRUCT_OF(object_rows);

static const struct sim_row service_account_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"secrets", SIM_ROW_ITEMS, "name", NULL},
};
static const struct sim_struct service_account = STRUCT_OF(service_account_rows);

static const struct sim_row node_affinity_rows[] = {
    {"requiredDuringSchedulingIgnoredDuringExecution", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct node_affinity = STRUCT_OF(node_affinity_rows);

static const struct sim_row affinity_rows[] = {
    {"nodeAffinity", SIM_ROW_STRUCT, NULL, &node_affinity},
};
static const struct sim_struct affinity = STRUCT_OF(affinity_rows);

static const struct sim_row env_var_source_rows[] = {
    {"configMapKeyRef", SIM_ROW_WHOLE, NULL, NULL}, {"fieldRef", SIM_ROW_WHOLE, NULL, NULL},
    {"fileKeyRef", SIM_ROW_WHOLE, NULL, NULL},      {"resourceFieldRef", SIM_ROW_WHOLE, NULL, NULL},
    {"secretKeyRef", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct env_var_source = STRUCT_OF(env_var_source_rows);

static const struct sim_row env_var_rows[] = {
    {"valueFrom", SIM_ROW_STRUCT, NULL, &env_var_source},
};
static const struct sim_struct env_var = STRUCT_OF(env_var_rows);

static const struct sim_row resource_requirements_rows[] = {
    {"claims", SIM_ROW_MAP, "name", NULL},
};
static const struct sim_struct resource_requirements = STRUCT_OF(resource_requirements_rows);

static const struct sim_row volume_mount_rows[] = {
    {"bindMountOptions", SIM_ROW_SET, NULL, NULL},
};
static const struct sim_struct volume_mount = STRUCT_OF(volume_mount_rows);

static const struct sim_row container_rows[] = {
    {"env", SIM_ROW_MAP, "name", &env_var},
    {"ports", SIM_ROW_MAP, "containerPort=0,protocol=TCP", NULL},
    {"resources", SIM_ROW_STRUCT, NULL, &resource_requirements},
    {"volumeDevices", SIM_ROW_MAP, "devicePath", NULL},
    {"volumeMounts", SIM_ROW_MAP, "mountPath", &volume_mount},
};
static const struct sim_struct container = STRUCT_OF(container_rows);

static const struct sim_row topology_spread_constraint_rows[] = {
    {"labelSelector", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct topology_spread_constraint =
    STRUCT_OF(topology_spread_constraint_rows);

static const struct sim_row ceph_fsvolume_source_rows[] = {
    {"secretRef", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct ceph_fsvolume_source = STRUCT_OF(ceph_fsvolume_source_rows);

static const struct sim_row csivolume_source_rows[] = {
    {"nodePublishSecretRef", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct csivolume_source = STRUCT_OF(csivolume_source_rows);

static const struct sim_row persistent_volume_claim_spec_rows[] = {
    {"dataSource", SIM_ROW_WHOLE, NULL, NULL},
    {"selector", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct persistent_volume_claim_spec =
    STRUCT_OF(persistent_volume_claim_spec_rows);

static const struct sim_row persistent_volume_claim_template_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &persistent_volume_claim_spec},
};
static const struct sim_struct persistent_volume_claim_template =
    STRUCT_OF(persistent_volume_claim_template_rows);

static const struct sim_row ephemeral_volume_source_rows[] = {
    {"volumeClaimTemplate", SIM_ROW_STRUCT, NULL, &persistent_volume_claim_template},
};
static const struct sim_struct ephemeral_volume_source = STRUCT_OF(ephemeral_volume_source_rows);

static const struct sim_row volume_rows[] = {
    {"cephfs", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
    {"cinder", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
    {"csi", SIM_ROW_STRUCT, NULL, &csivolume_source},
    {"ephemeral", SIM_ROW_STRUCT, NULL, &ephemeral_volume_source},
    {"flexVolume", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
    {"iscsi", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
    {"rbd", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
    {"scaleIO", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
    {"storageos", SIM_ROW_STRUCT, NULL, &ceph_fsvolume_source},
};
static const struct sim_struct volume = STRUCT_OF(volume_rows);

static const struct sim_row pod_spec_rows[] = {
    {"affinity", SIM_ROW_STRUCT, NULL, &affinity},
    {"containers", SIM_ROW_MAP, "name", &container},
    {"ephemeralContainers", SIM_ROW_MAP, "name", &container},
    {"evictionResponders", SIM_ROW_ITEMS, "name", NULL},
    {"hostAliases", SIM_ROW_MAP, "ip", NULL},
    {"imagePullSecrets", SIM_ROW_ITEMS, "name", NULL},
    {"initContainers", SIM_ROW_MAP, "name", &container},
    {"nodeSelector", SIM_ROW_WHOLE, NULL, NULL},
    {"resourceClaims", SIM_ROW_MAP, "name", NULL},
    {"resources", SIM_ROW_STRUCT, NULL, &resource_requirements},
    {"schedulingGates", SIM_ROW_MAP, "name", NULL},
    {"topologySpreadConstraints", SIM_ROW_MAP, "topologyKey,whenUnsatisfiable",
     &topology_spread_constraint},
    {"volumes", SIM_ROW_MAP, "name", &volume},
};
static const struct sim_struct pod_spec = STRUCT_OF(pod_spec_rows);

static const struct sim_row node_allocatable_resource_claim_status_rows[] = {
    {"containers", SIM_ROW_SET, NULL, NULL},
    {"mapping", SIM_ROW_MAP, "name", NULL},
    {"overhead", SIM_ROW_MAP, "name", NULL},
};
static const struct sim_struct node_allocatable_resource_claim_status =
    STRUCT_OF(node_allocatable_resource_claim_status_rows);

static const struct sim_row pod_volume_health_rows[] = {
    {"healthConditions", SIM_ROW_MAP, "status,reason", NULL},
};
static const struct sim_struct pod_volume_health = STRUCT_OF(pod_volume_health_rows);

static const struct sim_row pod_status_rows[] = {
    {"conditions", SIM_ROW_MAP, "type", NULL},
    {"nodeAllocatableResourceClaimStatuses", SIM_ROW_MAP, "resourceClaimName",
     &node_allocatable_resource_claim_status},
    {"podIPs", SIM_ROW_MAP, "ip", NULL},
    {"resourceClaimStatuses", SIM_ROW_MAP, "name", NULL},
    {"resources", SIM_ROW_STRUCT, NULL, &resource_requirements},
    {"volumeHealth", SIM_ROW_MAP, "name", &pod_volume_health},
};
static const struct sim_struct pod_status = STRUCT_OF(pod_status_rows);

static const struct sim_row pod_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &pod_spec},
    {"status", SIM_ROW_STRUCT, NULL, &pod_status},
};
static const struct sim_struct pod = STRUCT_OF(pod_rows);

static const struct sim_row node_pod_preemption_policy_rows[] = {
    {"disableResizePreemption", SIM_ROW_SET, NULL, NULL},
};
static const struct sim_struct node_pod_preemption_policy =
    STRUCT_OF(node_pod_preemption_policy_rows);

static const struct sim_row node_spec_rows[] = {
    {"podCIDRs", SIM_ROW_SET, NULL, NULL},
    {"podPreemptionPolicy", SIM_ROW_STRUCT, NULL, &node_pod_preemption_policy},
};
static const struct sim_struct node_spec = STRUCT_OF(node_spec_rows);

static const struct sim_row node_status_rows[] = {
    {"addresses", SIM_ROW_MAP, "type", NULL},
    {"conditions", SIM_ROW_MAP, "type", NULL},
};
static const struct sim_struct node_status = STRUCT_OF(node_status_rows);

static const struct sim_row node_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &node_spec},
    {"status", SIM_ROW_STRUCT, NULL, &node_status},
};
static const struct sim_struct node = STRUCT_OF(node_rows);

static const struct sim_row event_rows[] = {
    {"involvedObject", SIM_ROW_WHOLE, NULL, NULL},
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"related", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct event = STRUCT_OF(event_rows);

static const struct sim_row pod_template_spec_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &pod_spec},
};
static const struct sim_struct pod_template_spec = STRUCT_OF(pod_template_spec_rows);

static const struct sim_row deployment_spec_rows[] = {
    {"selector", SIM_ROW_WHOLE, NULL, NULL},
    {"template", SIM_ROW_STRUCT, NULL, &pod_template_spec},
};
static const struct sim_struct deployment_spec = STRUCT_OF(deployment_spec_rows);

static const struct sim_row deployment_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &deployment_spec},
    {"status", SIM_ROW_STRUCT, NULL, &service_status},
};
static const struct sim_struct deployment = STRUCT_OF(deployment_rows);

static const struct sim_row pod_disruption_budget_spec_rows[] = {
    {"selector", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct pod_disruption_budget_spec =
    STRUCT_OF(pod_disruption_budget_spec_rows);

static const struct sim_row pod_disruption_budget_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &pod_disruption_budget_spec},
    {"status", SIM_ROW_STRUCT, NULL, &service_status},
};
static const struct sim_struct pod_disruption_budget = STRUCT_OF(pod_disruption_budget_rows);

static const struct sim_row role_binding_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"roleRef", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct role_binding = STRUCT_OF(role_binding_rows);

static const struct sim_row mutating_webhook_rows[] = {
    {"matchConditions", SIM_ROW_MAP, "name", NULL},
    {"namespaceSelector", SIM_ROW_WHOLE, NULL, NULL},
    {"objectSelector", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct mutating_webhook = STRUCT_OF(mutating_webhook_rows);

static const struct sim_row mutating_webhook_configuration_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"webhooks", SIM_ROW_MAP, "name", &mutating_webhook},
};
static const struct sim_struct mutating_webhook_configuration =
    STRUCT_OF(mutating_webhook_configuration_rows);

static const struct sim_row job_scheduling_configuration_rows[] = {
    {"resourceClaims", SIM_ROW_MAP, "name", NULL},
};
static const struct sim_struct job_scheduling_configuration =
    STRUCT_OF(job_scheduling_configuration_rows);

static const struct sim_row job_spec_rows[] = {
    {"scheduling", SIM_ROW_STRUCT, NULL, &job_scheduling_configuration},
    {"selector", SIM_ROW_WHOLE, NULL, NULL},
    {"template", SIM_ROW_STRUCT, NULL, &pod_template_spec},
};
static const struct sim_struct job_spec = STRUCT_OF(job_spec_rows);

static const struct sim_row uncounted_terminated_pods_rows[] = {
    {"failed", SIM_ROW_SET, NULL, NULL},
    {"succeeded", SIM_ROW_SET, NULL, NULL},
};
static const struct sim_struct uncounted_terminated_pods =
    STRUCT_OF(uncounted_terminated_pods_rows);

static const struct sim_row job_status_rows[] = {
    {"uncountedTerminatedPods", SIM_ROW_STRUCT, NULL, &uncounted_terminated_pods},
};
static const struct sim_struct job_status = STRUCT_OF(job_status_rows);

static const struct sim_row job_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &job_spec},
    {"status", SIM_ROW_STRUCT, NULL, &job_status},
};
static const struct sim_struct job = STRUCT_OF(job_rows);

static const struct sim_row ingress_service_backend_rows[] = {
    {"port", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct ingress_service_backend = STRUCT_OF(ingress_service_backend_rows);

static const struct sim_row ingress_backend_rows[] = {
    {"resource", SIM_ROW_WHOLE, NULL, NULL},
    {"service", SIM_ROW_STRUCT, NULL, &ingress_service_backend},
};
static const struct sim_struct ingress_backend = STRUCT_OF(ingress_backend_rows);

static const struct sim_row ingress_spec_rows[] = {
    {"defaultBackend", SIM_ROW_STRUCT, NULL, &ingress_backend},
};
static const struct sim_struct ingress_spec = STRUCT_OF(ingress_spec_rows);

static const struct sim_row ingress_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &ingress_spec},
};
static const struct sim_struct ingress = STRUCT_OF(ingress_rows);

static const struct sim_row network_policy_spec_rows[] = {
    {"podSelector", SIM_ROW_WHOLE, NULL, NULL},
};
static const struct sim_struct network_policy_spec = STRUCT_OF(network_policy_spec_rows);

static const struct sim_row network_policy_rows[] = {
    {"metadata", SIM_ROW_STRUCT, NULL, &object_meta},
    {"spec", SIM_ROW_STRUCT, NULL, &network_policy_spec},
};
static const struct sim_struct network_policy = STRUCT_OF(network_policy_rows);

#define TEMPLATE "\"template\":{\"metadata\":{},\"spec\":{\"containers\":null}}"
#define WORKLOAD(more)                                                                             \
    "{\"metadata\":{},\"spec\":{\"selector\":null," TEMPLATE more "},\"status\":{}}"
#define PLAIN "{\"metadata\":{},\"spec\":{},\"status\":{}}"

static const struct sim_kind kinds[] = {
    {"", "Service", &service, true,
     "{\"metadata\":{},\"spec\":{},\"status\":{\"loadBalancer\":{}}}"},
    {"", "Namespace", &namespace, true, PLAIN},
    {"", "Node", &node, true, PLAIN},
    {"", "Pod", &pod, true, "{\"metadata\":{},\"spec\":{\"containers\":null},\"status\":{}}"},
    {"", "ServiceAccount", &service_account, false, NULL},
    {"", "Event", &event, false, "{\"metadata\":{},\"involvedObject\":{},\"source\":{}}"},
    {"apps", "Deployment", &deployment, true, WORKLOAD(",\"strategy\":{}")},
    {"apps", "ReplicaSet", &deployment, true, WORKLOAD("")},
    {"apps", "DaemonSet", &deployment, true, WORKLOAD(",\"updateStrategy\":{}")},
    {"apps", "StatefulSet", &deployment, true, WORKLOAD(",\"updateStrategy\":{}")},
    {"autoscaling", "HorizontalPodAutoscaler", &namespace, true,
     "{\"metadata\":{},\"spec\":{\"scaleTargetRef\":{}},\"status\":{\"currentMetrics\":null}}"},
    {"policy", "PodDisruptionBudget", &pod_disruption_budget, true, PLAIN},
    {"batch", "Job", &job, true, "{\"metadata\":{},\"spec\":{" TEMPLATE "},\"status\":{}}"},
    {"networking.k8s.io", "Ingress", &ingress, true,
     "{\"metadata\":{},\"spec\":{},\"status\":{\"loadBalancer\":{}}}"},
    {"networking.k8s.io", "NetworkPolicy", &network_policy, false,
     "{\"metadata\":{},\"spec\":{\"podSelector\":{}}}"},
    {"rbac.authorization.k8s.io", "Role", &sim_object, false, "{\"metadata\":{},\"rules\":null}"},
    {"rbac.authorization.k8s.io", "ClusterRole", &sim_object, false,
     "{\"metadata\":{},\"rules\":null}"},
    {"rbac.authorization.k8s.io", "RoleBinding", &role_binding, false,
     "{\"metadata\":{},\"roleRef\":{}}"},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", &role_binding, false,
     "{\"metadata\":{},\"roleRef\":{}}"},
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration",
     &mutating_webhook_configuration, false, NULL},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration",
     &mutating_webhook_configuration, false, NULL},
    {"discovery.k8s.io", "EndpointSlice", &sim_object, false,
     "{\"metadata\":{},\"endpoints\":null,\"ports\":null}"},
    {"coordination.k8s.io", "Lease", &sim_object, false, "{\"metadata\":{},\"spec\":{}}"},
    {"apiextensions.k8s.io", "CustomResourceDefinition", &namespace, true,
     "{\"metadata\":{},\"spec\":{\"names\":{},\"versions\":null},\"status\":{\"conditions\":null,"
     "\"acceptedNames\":{},\"storedVersions\":null}}"},
};

const struct sim_kind *sim_kind_find(const char *group, const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_eq(kinds[i].name, name) && str_eq(kinds[i].group, str_or(group, "")))
            return &kinds[i];
    return NULL;
}
