/* SPDX-License-Identifier: Apache-2.0 */
/* A plan: what one cluster should hold for one mesh, as objects in waves. Pure data, made by the renderer; the same
 * plan is applied to live clusters, printed by `meshwright render`, and compared in golden tests. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/gvr.h"

/* Applied in this order, deleted in the opposite one. */
enum plan_wave {
    PLAN_CRDS,
    PLAN_NAMESPACE,
    PLAN_CA,
    PLAN_RBAC,
    PLAN_GUARD, /* what keeps identities of other meshes out, before their roots are trusted */
    PLAN_CONFIG,
    PLAN_CONTROL_PLANE, /* a Remote: the Service and the endpoints of its Primary's istiod */
    PLAN_WEBHOOKS, /* only after istiod is available: failurePolicy Fail would refuse pods before */
    PLAN_GATEWAYS, /* gateways' Deployments and Services */
    /* From here on what binds clusters together: gone everywhere before anything below goes anywhere. */
    PLAN_REMOTE_ACCESS, /* remote secrets */
    PLAN_EXPOSURE,      /* what gateways let through: Istio's Gateway, VirtualService; Ingress */
    PLAN_NETWORKS,      /* where the gateways of other networks are */
    PLAN_DNS,           /* DNS entries: Services without selector */
    PLAN_IMPORTS,       /* services of other meshes: ServiceEntry, DestinationRule */
    PLAN_WAVES,
};
/* "crds", "namespace", "ca" ...: value of the label PLAN_LABEL_WAVE. */
const char *plan_wave_name(enum plan_wave w);
/* The wave of a label value; PLAN_DNS (first to be deleted) when unknown or NULL. */
enum plan_wave plan_wave_of(const char *name);

/* Labels that lead from every object back to its owner. */
#define PLAN_LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define PLAN_MANAGED_BY       "meshwright"
#define PLAN_LABEL_MESH       "meshwright.dev/mesh"    /* name of the Mesh */
#define PLAN_LABEL_GATEWAY    "meshwright.dev/gateway" /* or of the Gateway, when that is the owner */
#define PLAN_LABEL_SET                                                                             \
    "meshwright.dev/cluster-set" /* or of the cluster set; the owner is the MemberCluster */
#define PLAN_LABEL_GROUP     "meshwright.dev/workload-group" /* or of the WorkloadGroup */
#define PLAN_LABEL_OWNER_UID "meshwright.dev/owner-uid"      /* UID of the owner */
#define PLAN_LABEL_WAVE      "meshwright.dev/wave"

/* SHA-256 of the intent; live objects that carry it, and whose fields we still own, need no write. */
#define PLAN_ANNOTATION_INTENT "meshwright.dev/intent"
/* On a Namespace that did not exist before: it may be deleted at the end. */
#define PLAN_ANNOTATION_CREATED "meshwright.dev/created"
/* On Secrets whose content ends: RFC 3339 times. Written when the content is made, never part of the intent. */
#define PLAN_ANNOTATION_ISSUED  "meshwright.dev/issued"
#define PLAN_ANNOTATION_EXPIRES "meshwright.dev/expires"

enum plan_content {
    PLAN_PLAIN, /* body is all there is */
    PLAN_CACERTS, /* the applier makes an intermediate and adds data.{ca-cert,ca-key,cert-chain,root-cert}.pem */
    PLAN_REMOTE_SECRET, /* the applier asks cluster `peer` for a token and adds data.<peer> = kubeconfig */
    PLAN_TLS_SECRET, /* the applier reads Secret `peer` in the hub and adds its data.{tls.crt,tls.key} */
    PLAN_FILE, /* the rest of the body (spec) is read from `file` when it is applied: Istio's CRDs */
};

struct plan_object {
    enum plan_wave wave;
    const struct gvr *gvr;
    const char *ns; /* NULL when cluster-scoped */
    const char *name;
    enum plan_content content;
    const char *peer; /* PLAN_REMOTE_SECRET, PLAN_TLS_SECRET */
    /* PLAN_FILE: path of a JSON object without apiVersion, kind, metadata: {"spec":...} */
    const char *file;
    /* What is sent, PLAN_ANNOTATION_INTENT included, without generated content. For PLAN_FILE it has in `spec` the
     * shape of what is owned (lists that are atomic in the API are empty), for
     * plan_owns. The plan holds the reference. */
    json_t *body;
    /* hex SHA-256 of body without the intent annotation, and of the inputs of generated content */
    const char *intent;
    bool wait_available; /* the next wave waits until this Deployment is available */
    /* Somebody else's object of this name serves as well, and is left as it is: CRDs that are not Istio's own */
    bool yields;
    /* Later waves go on without it: what a user adds to a mesh does not stop the rest of it. */
    bool side;
};

struct plan {
    struct arena arena; /* owns all below */
    const char *cluster;
    struct plan_object *objects; /* sorted by wave, then as added */
    size_t n, cap;
};

void plan_init(struct plan *p, const char *cluster);
void plan_done(struct plan *p);
#define auto_plan __attribute__((cleanup(plan_done))) struct plan

/* A resource in the hub that objects belong to: its name and UID. */
struct plan_owner {
    const char *mesh_name, *mesh_uid;
    const char *label; /* where the name is written; NULL: PLAN_LABEL_MESH */
};

/* Adds an object; steals body, takes kind, namespace and name from it, puts the owner's labels, the wave label and the
 * intent annotation into it. inputs: what else the intent depends on (NULL: nothing), e.g. the root's fingerprint.
 * NULL with *err set when the body is none of our kinds. The pointer is good until the next plan_add. */
struct plan_object *plan_add(struct plan *p, const struct plan_owner *owner, enum plan_wave wave,
                             json_t *body, const json_t *inputs, struct err *err);
/* After the last plan_add: sorts by wave (stable). -1 when two objects are the same. */
int plan_finish(struct plan *p, struct err *err);

/* The resource type of an (apiVersion, kind), from the tables of kinds that we make or read; NULL when it is none. */
const struct gvr *plan_gvr(const char *api_version, const char *kind);
/* Those that every member holds, ended by kind NULL: watched for drift and searched for leftovers. */
extern const struct gvr plan_kinds[];
/* Likewise, of those that only some hold: watched where a plan has them or something of ours is left of them
 * (runtime/cluster.h). The API server may not have the kind at all. */
extern const struct gvr plan_kinds_on_demand[];

/* Whether a field manager's managedFields entry (fieldsV1, KEP-555's structured-merge-diff form) covers every field of
 * body (apiVersion, kind, metadata.name and .namespace apart): false when somebody took one of ours. Needs no
 * schema. */
bool plan_owns(const json_t *body, const json_t *fields_v1);

/* YAML of the plan, "---" between objects, a comment line per wave. Secret data is shown as "<redacted>", generated
 * content as "<generated: ...>", a PLAN_FILE's spec as the file's name. */
int plan_print(const struct plan *p, struct buf *out);

#endif
