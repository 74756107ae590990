/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/schema.h"

/* In the order of the numbers, which the reader of protobuf relies on. */

static const struct kube_field managed_fields[] = {
    {1, "manager", KUBE_TYPE_STRING, KUBE_SLOT_MANAGER_NAME, NULL},
    {2, "operation", KUBE_TYPE_STRING, KUBE_SLOT_MANAGER_OPERATION, NULL},
    {7, "fieldsV1", KUBE_TYPE_RAW, KUBE_SLOT_MANAGER_FIELDS, NULL},
    {8, "subresource", KUBE_TYPE_STRING, KUBE_SLOT_MANAGER_SUBRESOURCE, NULL},
    {0},
};

static const struct kube_field object_meta[] = {
    {1, "name", KUBE_TYPE_STRING, KUBE_SLOT_NAME, NULL},
    {3, "namespace", KUBE_TYPE_STRING, KUBE_SLOT_NAMESPACE, NULL},
    {5, "uid", KUBE_TYPE_STRING, KUBE_SLOT_UID, NULL},
    {6, "resourceVersion", KUBE_TYPE_STRING, KUBE_SLOT_VERSION, NULL},
    {7, "generation", KUBE_TYPE_INT, KUBE_SLOT_GENERATION, NULL},
    {9, "deletionTimestamp", KUBE_TYPE_TIME, KUBE_SLOT_DELETION, NULL},
    {11, "labels", KUBE_TYPE_MAP, KUBE_SLOT_LABEL, NULL},
    {12, "annotations", KUBE_TYPE_MAP, KUBE_SLOT_ANNOTATION, NULL},
    {17, "managedFields", KUBE_TYPE_LIST, KUBE_SLOT_MANAGER, managed_fields},
    {0},
};

/* clang-format off */
#define METADATA {1, "metadata", KUBE_TYPE_MESSAGE, 0, object_meta}
/* clang-format on */

static const struct kube_field any[] = {METADATA, {0}};

static const struct kube_field ingress_point[] = {
    {1, "ip", KUBE_TYPE_STRING, KUBE_SLOT_INGRESS_IP, NULL},
    {2, "hostname", KUBE_TYPE_STRING, KUBE_SLOT_INGRESS_HOSTNAME, NULL},
    {0},
};
static const struct kube_field load_balancer[] = {
    {1, "ingress", KUBE_TYPE_LIST, KUBE_SLOT_INGRESS, ingress_point},
    {0},
};
static const struct kube_field load_balancer_status[] = {
    {1, "loadBalancer", KUBE_TYPE_MESSAGE, 0, load_balancer},
    {0},
};

static const struct kube_field service_port[] = {
    {1, "name", KUBE_TYPE_STRING, KUBE_SLOT_PORT_NAME, NULL},
    {2, "protocol", KUBE_TYPE_STRING, KUBE_SLOT_PORT_PROTOCOL, NULL},
    {3, "port", KUBE_TYPE_INT, KUBE_SLOT_PORT_NUMBER, NULL},
    {5, "nodePort", KUBE_TYPE_INT, KUBE_SLOT_PORT_NODE, NULL},
    {6, "appProtocol", KUBE_TYPE_STRING, KUBE_SLOT_PORT_APP_PROTOCOL, NULL},
    {0},
};
static const struct kube_field service_spec[] = {
    {1, "ports", KUBE_TYPE_LIST, KUBE_SLOT_PORT, service_port},
    {2, "selector", KUBE_TYPE_MAP, KUBE_SLOT_SELECTOR, NULL},
    {3, "clusterIP", KUBE_TYPE_STRING, KUBE_SLOT_CLUSTER_IP, NULL},
    {4, "type", KUBE_TYPE_STRING, KUBE_SLOT_SERVICE_TYPE, NULL},
    {5, "externalIPs", KUBE_TYPE_STRINGS, KUBE_SLOT_EXTERNAL_IP, NULL},
    {10, "externalName", KUBE_TYPE_STRING, KUBE_SLOT_EXTERNAL_NAME, NULL},
    {18, "clusterIPs", KUBE_TYPE_STRINGS, KUBE_SLOT_CLUSTER_IPS, NULL},
    {0},
};
static const struct kube_field service[] = {
    METADATA,
    {2, "spec", KUBE_TYPE_MESSAGE, 0, service_spec},
    {3, "status", KUBE_TYPE_MESSAGE, 0, load_balancer_status},
    {0},
};
static const struct kube_field ingress[] = {
    METADATA,
    {3, "status", KUBE_TYPE_MESSAGE, 0, load_balancer_status},
    {0},
};

static const struct kube_field namespace_status[] = {
    {1, "phase", KUBE_TYPE_STRING, KUBE_SLOT_PHASE, NULL},
    {0},
};
static const struct kube_field namespace[] = {
    METADATA,
    {3, "status", KUBE_TYPE_MESSAGE, 0, namespace_status},
    {0},
};

static const struct kube_field deployment_spec[] = {
    {1, "replicas", KUBE_TYPE_INT, KUBE_SLOT_REPLICAS, NULL},
    {0},
};
static const struct kube_field deployment_status[] = {
    {1, "observedGeneration", KUBE_TYPE_INT, KUBE_SLOT_OBSERVED_GENERATION, NULL},
    {3, "updatedReplicas", KUBE_TYPE_INT, KUBE_SLOT_UPDATED_REPLICAS, NULL},
    {4, "availableReplicas", KUBE_TYPE_INT, KUBE_SLOT_AVAILABLE_REPLICAS, NULL},
    {0},
};
static const struct kube_field deployment[] = {
    METADATA,
    {2, "spec", KUBE_TYPE_MESSAGE, 0, deployment_spec},
    {3, "status", KUBE_TYPE_MESSAGE, 0, deployment_status},
    {0},
};

static const struct kube_field endpoint_conditions[] = {
    {1, "ready", KUBE_TYPE_BOOL, KUBE_SLOT_READY, NULL},
    {0},
};
static const struct kube_field endpoint_target[] = {
    {1, "kind", KUBE_TYPE_STRING, KUBE_SLOT_TARGET_KIND, NULL},
    {3, "name", KUBE_TYPE_STRING, KUBE_SLOT_TARGET_NAME, NULL},
    {0},
};
static const struct kube_field endpoint[] = {
    {1, "addresses", KUBE_TYPE_STRINGS, KUBE_SLOT_ADDRESS, NULL},
    {2, "conditions", KUBE_TYPE_MESSAGE, 0, endpoint_conditions},
    {3, "hostname", KUBE_TYPE_STRING, KUBE_SLOT_HOSTNAME, NULL},
    {4, "targetRef", KUBE_TYPE_MESSAGE, 0, endpoint_target},
    {0},
};
static const struct kube_field endpoint_port[] = {
    {1, "name", KUBE_TYPE_STRING, KUBE_SLOT_PORT_NAME, NULL},
    {2, "protocol", KUBE_TYPE_STRING, KUBE_SLOT_PORT_PROTOCOL, NULL},
    {3, "port", KUBE_TYPE_INT, KUBE_SLOT_PORT_NUMBER, NULL},
    {4, "appProtocol", KUBE_TYPE_STRING, KUBE_SLOT_PORT_APP_PROTOCOL, NULL},
    {0},
};
static const struct kube_field endpoint_slice[] = {
    METADATA,
    {2, "endpoints", KUBE_TYPE_LIST, KUBE_SLOT_ENDPOINT, endpoint},
    {3, "ports", KUBE_TYPE_LIST, KUBE_SLOT_PORT, endpoint_port},
    {4, "addressType", KUBE_TYPE_STRING, KUBE_SLOT_ADDRESS_TYPE, NULL},
    {0},
};

static const struct kube_field pod_spec[] = {
    {8, "serviceAccountName", KUBE_TYPE_STRING, KUBE_SLOT_SERVICE_ACCOUNT, NULL},
    {0},
};
static const struct kube_field pod[] = {
    METADATA,
    {2, "spec", KUBE_TYPE_MESSAGE, 0, pod_spec},
    {0},
};

/* Of a CustomResourceDefinition, which is never sent as protobuf: the numbers say nothing but the order. */
static const struct kube_field entry_spec[] = {
    {1, "address", KUBE_TYPE_STRING, KUBE_SLOT_ENTRY_ADDRESS, NULL},
    {2, "network", KUBE_TYPE_STRING, KUBE_SLOT_ENTRY_NETWORK, NULL},
    {0},
};
static const struct kube_field entry_condition[] = {
    {1, "type", KUBE_TYPE_STRING, KUBE_SLOT_CONDITION_TYPE, NULL},
    {2, "status", KUBE_TYPE_STRING, KUBE_SLOT_CONDITION_STATUS, NULL},
    {0},
};
static const struct kube_field entry_status[] = {
    {1, "conditions", KUBE_TYPE_LIST, KUBE_SLOT_CONDITION, entry_condition},
    {0},
};
static const struct kube_field workload_entry[] = {
    METADATA,
    {2, "spec", KUBE_TYPE_MESSAGE, 0, entry_spec},
    {3, "status", KUBE_TYPE_MESSAGE, 0, entry_status},
    {0},
};

const struct kube_field *kube_schema(enum kube_record_kind kind)
{
    static const struct kube_field *const tables[KUBE_RECORD_KINDS] = {
        [KUBE_RECORD_META] = any,
        [KUBE_RECORD_SERVICE] = service,
        [KUBE_RECORD_NAMESPACE] = namespace,
        [KUBE_RECORD_DEPLOYMENT] = deployment,
        [KUBE_RECORD_ENDPOINT_SLICE] = endpoint_slice,
        [KUBE_RECORD_INGRESS] = ingress,
        [KUBE_RECORD_POD] = pod,
        [KUBE_RECORD_WORKLOAD_ENTRY] = workload_entry,
    };
    return tables[kind];
}
