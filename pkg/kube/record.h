/* SPDX-License-Identifier: Apache-2.0 */
/* Records: the few fields that we keep of objects that a cluster may hold in large numbers. A record is one block of
 * bytes without pointers: what is absent takes no room, numbers and UIDs are binary, and strings that many records
 * share (namespaces, our labels' values) are interned. kube_record_view() shows it as a struct. */
#ifndef KUBE_RECORD_H
#define KUBE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/decode.h"
#include "kube/schema.h"

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
#define KUBE_LABEL_SERVICE_NAME "kubernetes.io/service-name"

enum {
    KUBE_LABELS_MAX =
        4096, /* of a namespace, as JSON; larger: the labels from the end on are left out */
    KUBE_RECORD_MAX = 1024 * 1024, /* bytes of one record */
};

struct kube_record; /* packed; kube_record_size() bytes, may be copied byte by byte */

/* Strings are NULL when absent, except name, which is always there; borrowed from the record and from the interned
 * strings, or from the view itself. */
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

struct kube_view {
    struct kube_meta meta;
    enum kube_record_kind kind;
    /* Service */
    bool has_selector, headless;
    const char *type; /* "ClusterIP" when absent */
    /* Service, EndpointSlice: compact JSON [{"name":..,"port":..,"protocol":..,"appProtocol":..}], "[]" when none */
    const char *ports;
    /* Namespace */
    const char *labels; /* compact JSON object, keys sorted; "{}" when none */
    bool terminating;
    /* Deployment: the newest spec is observed, and all its replicas are available */
    bool available;
    /* EndpointSlice */
    const char *service;   /* the Service it belongs to, or NULL */
    const char *addresses; /* of the ready endpoints, separated by blanks; "" when none */
};

/* Makes records, one at a time, in memory that it keeps. */
struct kube_record_maker;
struct kube_record_maker *kube_record_maker_new(void);
void kube_record_maker_free(struct kube_record_maker *m);
/* The record is borrowed until the next one is made. NULL with err when the object is not well-formed, has no name, or is
 * larger than KUBE_RECORD_MAX. */
const struct kube_record *kube_record_make(struct kube_record_maker *m, enum kube_record_kind kind,
                                           enum kube_encoding e, const char *data, size_t len,
                                           struct err *err);

size_t kube_record_size(const struct kube_record *r);
void kube_record_view(const struct kube_record *r, struct kube_view *ret);

#endif
