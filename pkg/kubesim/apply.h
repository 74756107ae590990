/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server does with the content of a write, without I/O: server-side apply and its managedFields
 * (structured-merge-diff's rules for the kinds that we write), patches, and protobuf. Trees are jansson's. */
#ifndef KUBESIM_APPLY_H
#define KUBESIM_APPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* How lists merge: as a set, a map by keys, or as one value. */
enum sim_list_type { SIM_LIST_ATOMIC, SIM_LIST_SET, SIM_LIST_MAP };

/* The type of the list (or object) at a path such as "spec.template.spec.containers" ("*" stands for one key of a map or
 * an element) of group/kind. schema: openAPIV3Schema of a custom resource (x-kubernetes-list-type, -list-map-keys,
 * -map-type), NULL for built-in kinds. */

struct sim_apply {
    const char *group, *version, *kind;
    const json_t *schema; /* of a custom resource, or NULL */
    const char *manager;
    const char *subresource; /* NULL or "status" */
    bool force;
    const char *now; /* RFC 3339, for managedFields[].time */
};

/* Server-side apply of `applied` on `live` (NULL: create). Returns the new object (managedFields included; uid,
 * resourceVersion and the like as live has them), or NULL with err: ERR_CONFLICT (409, message as the API server words it,
 * *causes: the details.causes array of the Status, a new reference), ERR_INVALID. live is not changed. */
json_t *sim_apply(const struct sim_apply *a, const json_t *live, const json_t *applied,
                  json_t **causes, struct err *err);

/* After POST, PUT or PATCH by manager: `now_obj` (changed in place) gets managedFields brought up to date from those of
 * `old` (NULL: create): operation Update. */
void sim_track_update(const struct sim_apply *a, const json_t *old, json_t *now_obj);

/* JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386), strategic merge by the same list keys. A new object, or NULL with
 * err (ERR_INVALID; a failed "test": ERR_INVALID, code 422). */
json_t *sim_json_patch(const json_t *obj, const json_t *patch, struct err *err);
json_t *sim_merge_patch(const json_t *obj, const json_t *patch);
json_t *sim_strategic_patch(const struct sim_apply *a, const json_t *obj, const json_t *patch,
                            struct err *err);

/* Appends the protobuf encoding of an object of a kind that has a table (group "", kind "Service" ...; kind
 * "PartialObjectMetadata" of any), without envelope. False when there is none: the server answers in JSON. */
bool sim_proto_has(const char *group, const char *kind);
int sim_proto_object(const char *group, const char *kind, const json_t *obj, struct buf *out);
/* Envelope "k8s\0" + runtime.Unknown around raw bytes. */
int sim_proto_envelope(const char *api_version, const char *kind, const void *raw, size_t len,
                       struct buf *out);
/* A list from its items' bytes: ListMeta, then one item each; without envelope. */
int sim_proto_list_meta(const char *version, const char *next_page, int64_t remaining,
                        struct buf *out);
int sim_proto_list_item(const void *item, size_t len, struct buf *out);
/* One frame of a watch: 4 bytes of length, WatchEvent with the object in its envelope. */
int sim_proto_event(const char *type, const char *api_version, const char *kind, const void *object,
                    size_t len, struct buf *out);
/* A body in protobuf of a kind with a table, as JSON; NULL with err. For clients that write protobuf (kubectl, client-go). */
json_t *sim_proto_decode(const void *data, size_t len, struct err *err);

#endif
