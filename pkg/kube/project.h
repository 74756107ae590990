/* SPDX-License-Identifier: Apache-2.0 */
/* Projections: the few fields that we keep of objects that a cluster may hold in large numbers. One allocation each. */
#ifndef KUBE_PROJECT_H
#define KUBE_PROJECT_H

#include <jansson.h>
#include <stdbool.h>

/* The same names as in plan/plan.h, which this layer can't include. */
#define KUBE_LABEL_MANAGED_BY   "app.kubernetes.io/managed-by"
#define KUBE_MANAGED_BY         "meshwright"
#define KUBE_LABEL_MESH         "meshwright.dev/mesh"
#define KUBE_LABEL_OWNER_UID    "meshwright.dev/owner-uid"
#define KUBE_LABEL_WAVE         "meshwright.dev/wave"
#define KUBE_ANNOTATION_INTENT  "meshwright.dev/intent"
#define KUBE_ANNOTATION_CREATED "meshwright.dev/created"
#define KUBE_ANNOTATION_ISSUED  "meshwright.dev/issued"
#define KUBE_ANNOTATION_EXPIRES "meshwright.dev/expires"

enum {
    KUBE_LABELS_MAX =
        4096, /* of a namespace, as JSON; larger: the labels from the end on are left out */
    KUBE_RECORD_MAX = 1024 * 1024, /* all strings of one record */
};

/* Strings are NULL when absent, except name, which is always there. */
struct kube_meta {
    const char *ns, *name, *uid, *rv;
    const char *creation;                            /* creationTimestamp */
    const char *owner_uid, *mesh, *wave;             /* our labels */
    const char *intent, *issued, *expires, *created; /* our annotations */
    const char
        *fields;  /* fieldsV1 of manager "meshwright", operation Apply, no subresource: JSON text */
    bool managed; /* managed-by is us */
    bool deleting; /* has a deletionTimestamp */
};

enum kube_record_kind {
    KUBE_RECORD_META,
    KUBE_RECORD_SERVICE,
    KUBE_RECORD_NAMESPACE,
    KUBE_RECORD_DEPLOYMENT,
};

struct kube_record {
    struct kube_meta meta;
    enum kube_record_kind kind;
    /* Service */
    bool has_selector, headless;
    const char *type; /* "ClusterIP" when absent */
    const char *
        ports; /* compact JSON: [{"name":..,"port":..,"protocol":..,"appProtocol":..}], "[]" when none */
    /* Namespace */
    const char *labels; /* compact JSON object, keys sorted; "{}" when none */
    bool terminating;
    /* Deployment: the newest spec is observed, and all its replicas are available */
    bool available;
};

/* Free with free(). NULL when the object has no name or is larger than KUBE_RECORD_MAX. */
struct kube_record *kube_record_new(enum kube_record_kind kind, const json_t *obj);

#endif
