/* SPDX-License-Identifier: Apache-2.0 */
/* The Multi-Cluster Services API (KEP-1645, sigs.k8s.io/mcs-api 0.5): services of a set of clusters that have a
 * ServiceExport are callable in all of them. Pure: from the exports of all clusters to what each cluster holds.
 *
 * A namespace and a name mean the same service in the whole set. Per service each cluster that has the namespace gets a
 * ServiceImport, and a Service without selector of a derived name, with EndpointSlices of the exporters' ready pods. */
#ifndef MCS_MCS_H
#define MCS_MCS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "plan/plan.h"

/* 0.5 serves v1beta1 too, but clusters with somebody's older CRDs have only this one. */
#define MCS_GROUP       "multicluster.x-k8s.io"
#define MCS_API_VERSION MCS_GROUP "/v1alpha1"
#define MCS_DOMAIN      "clusterset.local"
#define MCS_PREFIX      "mcs-" /* of the derived Service's name */

enum { MCS_NAME_MAX = 63 - 4 }; /* what is longer has no derived name */

struct mcs_endpoint {
    const char *address;  /* IP */
    const char *hostname; /* or NULL */
};

/* An EndpointSlice of an exporter: ports as in the API, [{name, port, protocol, appProtocol}]. */
struct mcs_slice {
    const json_t *ports;
    const struct mcs_endpoint *endpoints; /* ready ones */
    size_t n;
};

/* A ServiceExport, with what belongs to it in its cluster. */
struct mcs_export {
    const char *cluster, *network;
    const char *ns, *name;
    int64_t created;       /* of the ServiceExport, seconds since 1970 */
    const json_t *service; /* the Service of its name: {"spec":...}; NULL: there is none */
    const struct mcs_slice *slices;
    size_t n_slices;
};

enum mcs_validity {
    MCS_VALID,
    MCS_NO_SERVICE,
    MCS_EXTERNAL_NAME,
    MCS_NAME_TOO_LONG,
};

enum mcs_conflict {
    MCS_PORT_CONFLICT = 1,
    MCS_TYPE_CONFLICT = 2,
    MCS_AFFINITY_CONFLICT = 4,
    MCS_AFFINITY_CONFIG_CONFLICT = 8,
    MCS_FAMILY_CONFLICT = 16,
};

/* What is said of an export. */
struct mcs_verdict {
    enum mcs_validity validity;
    unsigned conflicts; /* of the service: the same for all its exports */
    const char
        *winner; /* the cluster whose export is the oldest; NULL when this one is not valid */
};

/* One service of the set. */
struct mcs_service {
    const char *ns, *name;
    const char *derived; /* name of the derived Service */
    bool headless;
    const json_t *ports;           /* [{name?, port, protocol, appProtocol?}], the union */
    const char *affinity;          /* "None", "ClientIP" */
    const json_t *affinity_config; /* or NULL */
    const struct mcs_export *const *exports; /* valid ones, oldest first */
    size_t n_exports;
    unsigned conflicts;
};

struct mcs_set {
    const struct mcs_service *services; /* by namespace and name */
    size_t n_services;
    const struct mcs_verdict *verdicts; /* one per export, in the order in which they were given */
};

/* Joins the exports of all clusters. What conflicts is decided by the oldest export (then by the cluster's name). In
 * the arena; the exports must stay as long. The result depends on no order of the exports. */
struct mcs_set mcs_join(struct arena *a, const struct mcs_export *exports, size_t n);

/* --- what is said --- */

/* Condition Valid: "Valid", "NoService", "InvalidServiceType", "NameTooLong"; and what to do. */
const char *mcs_validity_reason(enum mcs_validity v);
const char *mcs_validity_message(enum mcs_validity v);
/* Condition Conflict: "NoConflicts", or the reasons, separated by commas. In the arena. */
const char *mcs_conflict_reason(struct arena *a, unsigned conflicts);
const char *mcs_conflict_message(struct arena *a, const struct mcs_verdict *v);

/* --- what a cluster holds --- */

struct mcs_target {
    struct plan_owner owner;
    const char *cluster, *network;
    /* Whether the namespace is there and stays; whether a derived name is somebody else's; the cluster IPs of a derived
     * Service, none yet: *n is 0. */
    bool (*has_namespace)(void *arg, const char *ns);
    bool (*is_taken)(void *arg, const char *ns, const char *derived);
    const char *const *(*cluster_ips)(void *arg, const char *ns, const char *derived, size_t *n);
    void *arg;
};

/* Adds everything but the CRDs. */
int mcs_render(const struct mcs_target *t, const struct mcs_set *set, struct plan *p,
               struct err *err);

/* The status of a ServiceImport, conditions apart: {"clusters":[{"cluster":..}]}. Owned. */
json_t *mcs_import_status(const struct mcs_service *s);

/* The cluster whose endpoints an EndpointSlice of ours has, by its name; owned, NULL when it is none of ours. */
char *mcs_slice_source(const char *slice);

/* --- clusterset.local in CoreDNS's Corefile --- */

enum mcs_corefile {
    MCS_COREFILE_SAME,    /* nothing to do */
    MCS_COREFILE_CHANGED, /* *ret is the new text */
    MCS_COREFILE_UNKNOWN, /* no server block for "." with the plugin kubernetes: this is not for us to change */
};

/* Puts our lines into the text, or takes them out; all else stays byte for byte. *ret: owned, with CHANGED only. */
enum mcs_corefile mcs_corefile_edit(const char *text, bool present, char **ret);
/* The lines, for somebody who puts them in by hand; domain NULL: cluster.local. Owned. */
char *mcs_corefile_block(const char *domain, const char *indent);

#endif
