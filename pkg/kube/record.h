/* SPDX-License-Identifier: Apache-2.0 */
/* Records: the few fields that we keep of objects that a cluster may hold in large numbers. A record is one block of
 * bytes without pointers: what is absent takes no room, numbers and UIDs are binary, and strings that many records
 * share (namespaces, our labels' values) are interned (base/intern.h). kube_record_view() shows it as a struct. */
#ifndef KUBE_RECORD_H
#define KUBE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
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
#define KUBE_LABEL_SLICE_BY     "endpointslice.kubernetes.io/managed-by"
#define KUBE_SLICE_CONTROLLER   "endpointslice-controller.k8s.io"
#define KUBE_SLICE_MIRROR       "endpointslicemirroring-controller.k8s.io"
/* On a WorkloadEntry that istiod made for a machine that registered itself. */
#define KUBE_ANNOTATION_GROUP        "istio.io/autoRegistrationGroup"
#define KUBE_ANNOTATION_CONNECTED    "istio.io/connectedAt"
#define KUBE_ANNOTATION_DISCONNECTED "istio.io/disconnectedAt"
#define KUBE_ANNOTATION_PROBED       "proxy.istio.io/health-checks-enabled"
#define KUBE_LABEL_DNS_ENTRY         "meshwright.dev/dns-entry" /* "false": no DNS entry for it elsewhere */

enum {
    KUBE_LABELS_MAX =
        4096, /* of a namespace, as JSON; larger: the labels from the end on are left out */
    KUBE_RECORD_MAX = 1024 * 1024, /* bytes of one record */
};

/* Packed; kube_record_size() bytes, may be copied byte by byte, needs no alignment. For this process only: numbers of
 * interned strings are in it. */
struct kube_record;

/* Strings are NULL when absent or empty, except name, which is always there. They are borrowed from the record, from
 * the interned strings (which stay), or, where it is said, from the view itself: do not copy a view. */
struct kube_meta {
    const char *ns, *name;
    const char *uid, *rv;                   /* the view's */
    const char *owner_uid, *mesh, *wave;    /* our labels */
    const char *intent;                     /* our annotations; the view's */
    const char *issued, *expires, *created; /* likewise, the record's */
    const char
        *fields; /* fieldsV1 of manager "meshwright", operation Apply, no subresource: JSON text */
    /* managed-by is us. An EndpointSlice that one of Kubernetes' controllers made carries the labels of its Service,
     * ours included, and is none of ours. */
    bool managed;
    bool deleting; /* has a deletionTimestamp */
};

enum { KUBE_VIEW_TEXT = 128 };

struct kube_view {
    struct kube_meta meta;
    enum kube_record_kind kind;
    /* Service */
    bool has_selector, headless;
    const char *
        selector; /* compact JSON object, keys sorted; NULL: none, or longer than KUBE_LABELS_MAX */
    const char *type; /* "ClusterIP" when absent */
    bool excluded;    /* Service, Namespace: label meshwright.dev/dns-entry is "false" */
    /* Namespace */
    const char *labels; /* compact JSON object, keys sorted; "{}" when none */
    bool terminating;
    /* Deployment: the newest spec is observed, and all its replicas are available */
    bool available;
    /* EndpointSlice */
    const char *service; /* the Service it belongs to, or NULL */
    /* Pod */
    const char *service_account; /* "default" when absent */
    /* WorkloadEntry; managed is false whatever its labels say, since a machine may choose them. Texts are as they were
     * found, or NULL. */
    const char *group; /* WorkloadGroup by which it registered, NULL: it did not */
    const char *connected, *disconnected; /* since when: RFC 3339 */
    const char *address, *network;
    bool probed;             /* its health is told by the condition Healthy ... */
    bool healthy, unhealthy; /* ... which is true, or false; neither: not known yet */
    char text[KUBE_VIEW_TEXT];
};

/* Makes records, one at a time, in memory that it keeps. */
struct kube_record_maker;
struct kube_record_maker *kube_record_maker_new(void);
void kube_record_maker_free(struct kube_record_maker *m);
/* The record is borrowed until the next one is made. NULL with err when the object is not well-formed, has no usable
 * name, or is larger than KUBE_RECORD_MAX. Other strings that are no UTF-8 or hold a NUL count as absent. */
const struct kube_record *kube_record_make(struct kube_record_maker *m, enum kube_record_kind kind,
                                           enum kube_encoding e, const char *data, size_t len,
                                           struct err *err);

/* The same in steps, for whoever has the values of kube_schema(kind) already. */
void kube_record_begin(struct kube_record_maker *m, enum kube_record_kind kind);
int kube_record_value(void *maker, const struct kube_value *v); /* a kube_value_cb */
const struct kube_record *kube_record_end(struct kube_record_maker *m, struct err *err);

size_t kube_record_size(const struct kube_record *r);
void kube_record_view(const struct kube_record *r, struct kube_view *ret);

/* Parts of the view that cost nothing; ns is NULL when absent. */
const char *kube_record_name(const struct kube_record *r);
const char *kube_record_ns(const struct kube_record *r);
bool kube_record_managed(const struct kube_record *r);

/* Service, EndpointSlice: compact JSON [{"appProtocol":..,"name":..,"port":..,"protocol":..}], "[]" when none. */
char *kube_record_ports(struct arena *a, const struct kube_record *r);
/* EndpointSlice: of the ready endpoints, separated by blanks; "" when none. */
char *kube_record_addresses(struct arena *a, const struct kube_record *r);
/* EndpointSlice: the addresses of the ready endpoints, each with the host name and the Pod (targetRef) of its endpoint,
 * NULL when it has none. All is memory of the arena; NULL when *n is 0. */
struct kube_endpoint {
    const char *address, *hostname, *pod;
};
const struct kube_endpoint *kube_record_endpoints(struct arena *a, const struct kube_record *r,
                                                  size_t *n);
/* Service that is ours, Ingress that is ours: where it is reached from outside, IPs and host names of
 * status.loadBalancer.ingress, then spec.externalIPs; separated by blanks, "" when none. */
char *kube_record_reached_at(struct arena *a, const struct kube_record *r);
/* Service: spec.clusterIPs, separated by blanks; "" when none (headless: "None"). Kept of those that are ours, and of
 * those of type ExternalName, whose spec.externalName it is. */
char *kube_record_cluster_ips(struct arena *a, const struct kube_record *r);
/* Service that is ours: the node port of its TCP port of this number, 0 when none. */
int kube_record_node_port(const struct kube_record *r, int port);
/* EndpointSlice: names of the Pods (targetRef) of the ready endpoints; separated by blanks, "" when none. */
char *kube_record_pods(struct arena *a, const struct kube_record *r);

/* <0, 0, >0: the record a is an older, the same, a newer state of the object b than b. Versions compare as numbers, as
 * KEP-5504 allows; what is no number, is absent, or is of another UID is newer. */
int kube_record_compare(const struct kube_record *a, const struct kube_record *b);
/* Whether they say the same but for the resourceVersion. */
bool kube_record_same_content(const struct kube_record *a, const struct kube_record *b);

#endif
