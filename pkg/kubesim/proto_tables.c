/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/proto.h"

#include "base/str.h"

#define MESSAGE_OF(fields)                                                                         \
    {                                                                                              \
        fields, sizeof fields / sizeof *fields                                                     \
    }

static const struct proto_field owner_reference_fields[] = {
    {5, STRING, KEEP, "apiVersion", NULL}, {1, STRING, KEEP, "kind", NULL},
    {3, STRING, KEEP, "name", NULL},       {4, STRING, KEEP, "uid", NULL},
    {6, BOOL, KEEP, "controller", NULL},   {7, BOOL, KEEP, "blockOwnerDeletion", NULL},
};
static const struct proto_message owner_reference = MESSAGE_OF(owner_reference_fields);

static const struct proto_field managed_fields_entry_fields[] = {
    {1, STRING, 0, "manager", NULL},     {2, STRING, 0, "operation", NULL},
    {3, STRING, 0, "apiVersion", NULL},  {4, TIME, KEEP, "time", NULL},
    {6, STRING, 0, "fieldsType", NULL},  {7, RAW_JSON, KEEP, "fieldsV1", NULL},
    {8, STRING, 0, "subresource", NULL},
};
static const struct proto_message managed_fields_entry = MESSAGE_OF(managed_fields_entry_fields);

static const struct proto_field object_meta_fields[] = {
    {1, STRING, 0, "name", NULL},
    {2, STRING, 0, "generateName", NULL},
    {3, STRING, 0, "namespace", NULL},
    {4, STRING, 0, "selfLink", NULL},
    {5, STRING, 0, "uid", NULL},
    {6, STRING, 0, "resourceVersion", NULL},
    {7, INT, 0, "generation", NULL},
    {8, TIME, 0, "creationTimestamp", NULL},
    {9, TIME, KEEP, "deletionTimestamp", NULL},
    {10, INT, KEEP, "deletionGracePeriodSeconds", NULL},
    {11, MAP, 0, "labels", NULL},
    {12, MAP, 0, "annotations", NULL},
    {13, MESSAGE, REPEATED, "ownerReferences", &owner_reference},
    {14, STRING, REPEATED, "finalizers", NULL},
    {17, MESSAGE, REPEATED, "managedFields", &managed_fields_entry},
};
static const struct proto_message object_meta = MESSAGE_OF(object_meta_fields);

static const struct proto_field service_port_fields[] = {
    {1, STRING, 0, "name", NULL},
    {2, STRING, 0, "protocol", NULL},
    {6, STRING, KEEP, "appProtocol", NULL},
    {3, INT, KEEP, "port", NULL},
    {4, INT_OR_STRING, 0, "targetPort", NULL},
    {5, INT, 0, "nodePort", NULL},
};
static const struct proto_message service_port = MESSAGE_OF(service_port_fields);

static const struct proto_field client_ipconfig_fields[] = {
    {1, INT, KEEP, "timeoutSeconds", NULL},
};
static const struct proto_message client_ipconfig = MESSAGE_OF(client_ipconfig_fields);

static const struct proto_field session_affinity_config_fields[] = {
    {1, MESSAGE, KEEP, "clientIP", &client_ipconfig},
};
static const struct proto_message session_affinity_config =
    MESSAGE_OF(session_affinity_config_fields);

static const struct proto_field service_spec_fields[] = {
    {1, MESSAGE, REPEATED, "ports", &service_port},
    {2, MAP, 0, "selector", NULL},
    {3, STRING, 0, "clusterIP", NULL},
    {18, STRING, REPEATED, "clusterIPs", NULL},
    {4, STRING, 0, "type", NULL},
    {5, STRING, REPEATED, "externalIPs", NULL},
    {7, STRING, 0, "sessionAffinity", NULL},
    {8, STRING, 0, "loadBalancerIP", NULL},
    {9, STRING, REPEATED, "loadBalancerSourceRanges", NULL},
    {10, STRING, 0, "externalName", NULL},
    {11, STRING, 0, "externalTrafficPolicy", NULL},
    {12, INT, 0, "healthCheckNodePort", NULL},
    {13, BOOL, 0, "publishNotReadyAddresses", NULL},
    {14, MESSAGE, KEEP, "sessionAffinityConfig", &session_affinity_config},
    {19, STRING, REPEATED, "ipFamilies", NULL},
    {17, STRING, KEEP, "ipFamilyPolicy", NULL},
    {20, BOOL, KEEP, "allocateLoadBalancerNodePorts", NULL},
    {21, STRING, KEEP, "loadBalancerClass", NULL},
    {22, STRING, KEEP, "internalTrafficPolicy", NULL},
    {23, STRING, KEEP, "trafficDistribution", NULL},
};
static const struct proto_message service_spec = MESSAGE_OF(service_spec_fields);

static const struct proto_field port_status_fields[] = {
    {1, INT, KEEP, "port", NULL},
    {2, STRING, KEEP, "protocol", NULL},
    {3, STRING, KEEP, "error", NULL},
};
static const struct proto_message port_status = MESSAGE_OF(port_status_fields);

static const struct proto_field load_balancer_ingress_fields[] = {
    {1, STRING, 0, "ip", NULL},
    {2, STRING, 0, "hostname", NULL},
    {3, STRING, KEEP, "ipMode", NULL},
    {4, MESSAGE, REPEATED, "ports", &port_status},
};
static const struct proto_message load_balancer_ingress = MESSAGE_OF(load_balancer_ingress_fields);

static const struct proto_field load_balancer_status_fields[] = {
    {1, MESSAGE, REPEATED, "ingress", &load_balancer_ingress},
};
static const struct proto_message load_balancer_status = MESSAGE_OF(load_balancer_status_fields);

static const struct proto_field condition_fields[] = {
    {1, STRING, KEEP, "type", NULL},         {2, STRING, KEEP, "status", NULL},
    {3, INT, 0, "observedGeneration", NULL}, {4, TIME, KEEP, "lastTransitionTime", NULL},
    {5, STRING, KEEP, "reason", NULL},       {6, STRING, KEEP, "message", NULL},
};
static const struct proto_message condition = MESSAGE_OF(condition_fields);

static const struct proto_field service_status_fields[] = {
    {1, MESSAGE, 0, "loadBalancer", &load_balancer_status},
    {2, MESSAGE, REPEATED, "conditions", &condition},
};
static const struct proto_message service_status = MESSAGE_OF(service_status_fields);

static const struct proto_field service_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {2, MESSAGE, 0, "spec", &service_spec},
    {3, MESSAGE, 0, "status", &service_status},
};
static const struct proto_message service = MESSAGE_OF(service_fields);

static const struct proto_field endpoint_conditions_fields[] = {
    {1, BOOL, KEEP, "ready", NULL},
    {2, BOOL, KEEP, "serving", NULL},
    {3, BOOL, KEEP, "terminating", NULL},
};
static const struct proto_message endpoint_conditions = MESSAGE_OF(endpoint_conditions_fields);

static const struct proto_field object_reference_fields[] = {
    {1, STRING, 0, "kind", NULL},       {2, STRING, 0, "namespace", NULL},
    {3, STRING, 0, "name", NULL},       {4, STRING, 0, "uid", NULL},
    {5, STRING, 0, "apiVersion", NULL}, {6, STRING, 0, "resourceVersion", NULL},
    {7, STRING, 0, "fieldPath", NULL},
};
static const struct proto_message object_reference = MESSAGE_OF(object_reference_fields);

static const struct proto_field for_zone_fields[] = {
    {1, STRING, KEEP, "name", NULL},
};
static const struct proto_message for_zone = MESSAGE_OF(for_zone_fields);

static const struct proto_field for_node_fields[] = {
    {1, STRING, KEEP, "name", NULL},
};
static const struct proto_message for_node = MESSAGE_OF(for_node_fields);

static const struct proto_field endpoint_hints_fields[] = {
    {1, MESSAGE, REPEATED, "forZones", &for_zone},
    {2, MESSAGE, REPEATED, "forNodes", &for_node},
};
static const struct proto_message endpoint_hints = MESSAGE_OF(endpoint_hints_fields);

static const struct proto_field endpoint_fields[] = {
    {1, STRING, REPEATED | KEEP, "addresses", NULL},
    {2, MESSAGE, 0, "conditions", &endpoint_conditions},
    {3, STRING, KEEP, "hostname", NULL},
    {4, MESSAGE, KEEP, "targetRef", &object_reference},
    {5, MAP, 0, "deprecatedTopology", NULL},
    {6, STRING, KEEP, "nodeName", NULL},
    {7, STRING, KEEP, "zone", NULL},
    {8, MESSAGE, KEEP, "hints", &endpoint_hints},
};
static const struct proto_message endpoint = MESSAGE_OF(endpoint_fields);

static const struct proto_field endpoint_port_fields[] = {
    {1, STRING, KEEP, "name", NULL},
    {2, STRING, KEEP, "protocol", NULL},
    {3, INT, KEEP, "port", NULL},
    {4, STRING, KEEP, "appProtocol", NULL},
};
static const struct proto_message endpoint_port = MESSAGE_OF(endpoint_port_fields);

static const struct proto_field endpoint_slice_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {4, STRING, KEEP, "addressType", NULL},
    {2, MESSAGE, REPEATED | KEEP, "endpoints", &endpoint},
    {3, MESSAGE, REPEATED | KEEP, "ports", &endpoint_port},
};
static const struct proto_message endpoint_slice = MESSAGE_OF(endpoint_slice_fields);

static const struct proto_field namespace_spec_fields[] = {
    {1, STRING, REPEATED, "finalizers", NULL},
};
static const struct proto_message namespace_spec = MESSAGE_OF(namespace_spec_fields);

static const struct proto_field namespace_condition_fields[] = {
    {1, STRING, KEEP, "type", NULL},          {2, STRING, KEEP, "status", NULL},
    {4, TIME, 0, "lastTransitionTime", NULL}, {5, STRING, 0, "reason", NULL},
    {6, STRING, 0, "message", NULL},
};
static const struct proto_message namespace_condition = MESSAGE_OF(namespace_condition_fields);

static const struct proto_field namespace_status_fields[] = {
    {1, STRING, 0, "phase", NULL},
    {2, MESSAGE, REPEATED, "conditions", &namespace_condition},
};
static const struct proto_message namespace_status = MESSAGE_OF(namespace_status_fields);

static const struct proto_field namespace_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {2, MESSAGE, 0, "spec", &namespace_spec},
    {3, MESSAGE, 0, "status", &namespace_status},
};
static const struct proto_message namespace = MESSAGE_OF(namespace_fields);

static const struct proto_field secret_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {5, BOOL, KEEP, "immutable", NULL},
    {2, BYTES_MAP, 0, "data", NULL},
    {4, MAP, 0, "stringData", NULL},
    {3, STRING, 0, "type", NULL},
};
static const struct proto_message secret = MESSAGE_OF(secret_fields);

static const struct proto_field config_map_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {4, BOOL, KEEP, "immutable", NULL},
    {2, MAP, 0, "data", NULL},
    {3, BYTES_MAP, 0, "binaryData", NULL},
};
static const struct proto_message config_map = MESSAGE_OF(config_map_fields);

static const struct proto_field local_object_reference_fields[] = {
    {1, STRING, 0, "name", NULL},
};
static const struct proto_message local_object_reference =
    MESSAGE_OF(local_object_reference_fields);

static const struct proto_field service_account_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {2, MESSAGE, REPEATED, "secrets", &object_reference},
    {3, MESSAGE, REPEATED, "imagePullSecrets", &local_object_reference},
    {4, BOOL, KEEP, "automountServiceAccountToken", NULL},
};
static const struct proto_message service_account = MESSAGE_OF(service_account_fields);

static const struct proto_field lease_spec_fields[] = {
    {1, STRING, KEEP, "holderIdentity", NULL},  {2, INT, KEEP, "leaseDurationSeconds", NULL},
    {3, MICROTIME, KEEP, "acquireTime", NULL},  {4, MICROTIME, KEEP, "renewTime", NULL},
    {5, INT, KEEP, "leaseTransitions", NULL},   {6, STRING, KEEP, "strategy", NULL},
    {7, STRING, KEEP, "preferredHolder", NULL},
};
static const struct proto_message lease_spec = MESSAGE_OF(lease_spec_fields);

static const struct proto_field lease_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
    {2, MESSAGE, 0, "spec", &lease_spec},
};
static const struct proto_message lease = MESSAGE_OF(lease_fields);

static const struct proto_field partial_object_metadata_fields[] = {
    {1, MESSAGE, 0, "metadata", &object_meta},
};
static const struct proto_message partial_object_metadata =
    MESSAGE_OF(partial_object_metadata_fields);

static const struct proto_field shard_info_fields[] = {
    {1, STRING, KEEP, "selector", NULL},
};
static const struct proto_message shard_info = MESSAGE_OF(shard_info_fields);

static const struct proto_field list_meta_fields[] = {
    {1, STRING, 0, "selfLink", NULL},
    {2, STRING, 0, "resourceVersion", NULL},
    {3, STRING, 0, "continue", NULL},
    {4, INT, KEEP, "remainingItemCount", NULL},
    {5, MESSAGE, KEEP, "shardInfo", &shard_info},
};
static const struct proto_message list_meta = MESSAGE_OF(list_meta_fields);

static const struct proto_field status_cause_fields[] = {
    {1, STRING, 0, "reason", NULL},
    {2, STRING, 0, "message", NULL},
    {3, STRING, 0, "field", NULL},
};
static const struct proto_message status_cause = MESSAGE_OF(status_cause_fields);

static const struct proto_field status_details_fields[] = {
    {1, STRING, 0, "name", NULL},
    {2, STRING, 0, "group", NULL},
    {3, STRING, 0, "kind", NULL},
    {6, STRING, 0, "uid", NULL},
    {4, MESSAGE, REPEATED, "causes", &status_cause},
    {5, INT, 0, "retryAfterSeconds", NULL},
};
static const struct proto_message status_details = MESSAGE_OF(status_details_fields);

static const struct proto_field status_fields[] = {
    {1, MESSAGE, 0, "metadata", &list_meta},
    {2, STRING, 0, "status", NULL},
    {3, STRING, 0, "message", NULL},
    {4, STRING, 0, "reason", NULL},
    {5, MESSAGE, KEEP, "details", &status_details},
    {6, INT, 0, "code", NULL},
};
static const struct proto_message status = MESSAGE_OF(status_fields);

static const struct proto_field preconditions_fields[] = {
    {1, STRING, KEEP, "uid", NULL},
    {2, STRING, KEEP, "resourceVersion", NULL},
};
static const struct proto_message preconditions = MESSAGE_OF(preconditions_fields);

static const struct proto_field delete_options_fields[] = {
    {1, INT, KEEP, "gracePeriodSeconds", NULL},
    {2, MESSAGE, KEEP, "preconditions", &preconditions},
    {3, BOOL, KEEP, "orphanDependents", NULL},
    {4, STRING, KEEP, "propagationPolicy", NULL},
    {5, STRING, REPEATED, "dryRun", NULL},
    {6, BOOL, KEEP, "ignoreStoreReadErrorWithClusterBreakingPotential", NULL},
};
static const struct proto_message delete_options = MESSAGE_OF(delete_options_fields);

/* group NULL: the kind is known in each. */
static const struct {
    const char *group, *kind;
    const struct proto_message *message;
} kinds[] = {
    {"", "Service", &service},
    {"discovery.k8s.io", "EndpointSlice", &endpoint_slice},
    {"", "Namespace", &namespace},
    {"", "Secret", &secret},
    {"", "ConfigMap", &config_map},
    {"", "ServiceAccount", &service_account},
    {"coordination.k8s.io", "Lease", &lease},
    {NULL, "PartialObjectMetadata", &partial_object_metadata},
    {"", "Status", &status},
    {NULL, "DeleteOptions", &delete_options},
};

const struct proto_message *proto_of_kind(const char *group, const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_eq(kinds[i].kind, kind) &&
            (!kinds[i].group || str_eq(kinds[i].group, str_or(group, ""))))
            return kinds[i].message;
    return NULL;
}
