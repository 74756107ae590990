/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of an object are read, for both encodings: protobuf knows a field by its number, JSON by its name. A
 * table per kind and need; whatever no table names is skipped in one jump (protobuf) or without being kept (JSON).
 *
 * The numbers are those of k8s.io/api and k8s.io/apimachinery (generated.proto of each group); they never change within
 * a version of an API. */
#ifndef KUBE_SCHEMA_H
#define KUBE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Kinds of records: what is read of an object. */
enum kube_record_kind {
    KUBE_RECORD_META, /* metadata, of whatever kind */
    KUBE_RECORD_SERVICE,
    KUBE_RECORD_NAMESPACE,
    KUBE_RECORD_DEPLOYMENT,
    KUBE_RECORD_ENDPOINT_SLICE,
    KUBE_RECORD_INGRESS,
    KUBE_RECORD_POD,
    KUBE_RECORD_WORKLOAD_ENTRY, /* Istio's: a machine */
    KUBE_RECORD_KINDS,
};

enum kube_type {
    KUBE_TYPE_STRING,
    KUBE_TYPE_INT,     /* int32, int64: protobuf varint, JSON integer */
    KUBE_TYPE_BOOL,    /* num is 0 or 1 */
    KUBE_TYPE_TIME,    /* metav1.Time: num is seconds since 1970; JSON RFC 3339 */
    KUBE_TYPE_MESSAGE, /* sub */
    KUBE_TYPE_LIST,    /* repeated message: BEGIN and END around each element, sub in between */
    KUBE_TYPE_STRINGS, /* repeated string: one value each */
    KUBE_TYPE_MAP,     /* map<string, string>: one value each, with key */
    KUBE_TYPE_RAW,     /* metav1.FieldsV1: the JSON text as it is */
};

struct kube_field {
    uint32_t number; /* ascending; 0 ends a table */
    const char *name;
    enum kube_type type;
    uint16_t slot; /* what the value is, for who reads it; 0 when only sub matters */
    const struct kube_field *sub;
};

enum kube_step { KUBE_STEP_VALUE, KUBE_STEP_BEGIN, KUBE_STEP_END };

/* One value on its way out of a reader. Strings are borrowed for the call, not NUL-terminated (but NUL may be in them),
 * and valid UTF-8 only where the sender kept to it. A number has 64 bits also where the field has 32. */
struct kube_value {
    enum kube_step step;
    uint16_t slot;
    const char *key; /* of a map entry */
    size_t key_len;
    const char *str; /* STRING, STRINGS, MAP, RAW */
    size_t len;
    int64_t num; /* INT, BOOL, TIME */
};

/* Not 0: stop, and the reader returns it. */
typedef int kube_value_cb(void *arg, const struct kube_value *v);

enum {
    KUBE_DEPTH_MAX = 64,                /* nesting of messages and of JSON values */
    KUBE_OBJECT_MAX = 16 * 1024 * 1024, /* bytes of one object */
};

/* Both return 0, what the callback returned, or -1 with err (ERR_INVALID) when it is not well-formed or passes a bound.
 * A field of another wire type or JSON type than the table says is skipped, and so is null, a number that does not fit,
 * and a time that is none. A field may come more than once: each is reported, the last one counts, but the elements of
 * lists add up. */
int kube_read_proto(const struct kube_field *table, const void *data, size_t len, kube_value_cb *cb,
                    void *arg, struct err *err);
int kube_read_json(const struct kube_field *table, const char *text, size_t len, kube_value_cb *cb,
                   void *arg, struct err *err);

/* The table of an object of that kind, from its outermost fields on. */
const struct kube_field *kube_schema(enum kube_record_kind kind);

/* Slots of the tables of kube_schema. */
enum kube_slot {
    KUBE_SLOT_NONE,
    KUBE_SLOT_NAME,
    KUBE_SLOT_NAMESPACE,
    KUBE_SLOT_UID,
    KUBE_SLOT_VERSION,    /* resourceVersion */
    KUBE_SLOT_GENERATION, /* num */
    KUBE_SLOT_DELETION,   /* num: seconds */
    KUBE_SLOT_LABEL,      /* key, str */
    KUBE_SLOT_ANNOTATION, /* key, str */
    KUBE_SLOT_MANAGER,    /* BEGIN and END of an entry of managedFields; its fields: */
    KUBE_SLOT_MANAGER_NAME,
    KUBE_SLOT_MANAGER_OPERATION,
    KUBE_SLOT_MANAGER_SUBRESOURCE,
    KUBE_SLOT_MANAGER_FIELDS, /* str: JSON text */
    /* Service: spec */
    KUBE_SLOT_SELECTOR, /* key, str */
    KUBE_SLOT_CLUSTER_IP,
    KUBE_SLOT_CLUSTER_IPS, /* one each */
    KUBE_SLOT_SERVICE_TYPE,
    KUBE_SLOT_EXTERNAL_IP, /* one each */
    KUBE_SLOT_EXTERNAL_NAME,
    KUBE_SLOT_PORT, /* BEGIN and END; its fields, also of an EndpointSlice: */
    KUBE_SLOT_PORT_NAME,
    KUBE_SLOT_PORT_PROTOCOL,
    KUBE_SLOT_PORT_APP_PROTOCOL,
    KUBE_SLOT_PORT_NUMBER, /* num */
    KUBE_SLOT_PORT_NODE,   /* num; of a Service */
    /* Service, Ingress: status.loadBalancer.ingress */
    KUBE_SLOT_INGRESS, /* BEGIN and END; its fields: */
    KUBE_SLOT_INGRESS_IP,
    KUBE_SLOT_INGRESS_HOSTNAME,
    /* Namespace: status */
    KUBE_SLOT_PHASE,
    /* Deployment: spec, status (num) */
    KUBE_SLOT_REPLICAS,
    KUBE_SLOT_OBSERVED_GENERATION,
    KUBE_SLOT_UPDATED_REPLICAS,
    KUBE_SLOT_AVAILABLE_REPLICAS,
    /* EndpointSlice */
    KUBE_SLOT_ADDRESS_TYPE,
    KUBE_SLOT_ENDPOINT, /* BEGIN and END; its fields: */
    KUBE_SLOT_ADDRESS,  /* one each */
    KUBE_SLOT_READY,    /* num; absent means ready */
    KUBE_SLOT_HOSTNAME,
    KUBE_SLOT_TARGET_KIND,
    KUBE_SLOT_TARGET_NAME,
    /* Pod: spec */
    KUBE_SLOT_SERVICE_ACCOUNT,
    /* WorkloadEntry: spec, status */
    KUBE_SLOT_ENTRY_ADDRESS,
    KUBE_SLOT_ENTRY_NETWORK,
    KUBE_SLOT_CONDITION, /* BEGIN and END; its fields: */
    KUBE_SLOT_CONDITION_TYPE,
    KUBE_SLOT_CONDITION_STATUS,
};

#endif
