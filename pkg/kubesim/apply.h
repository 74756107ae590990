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

struct sim_apply {
    const char *group, *version, *kind;
    const json_t *schema; /* of a custom resource, or NULL */
    const char *manager;
    const char *subresource; /* NULL or "status" */
    bool
        has_status; /* a custom resource's version has the status subresource; built-in kinds are known */
    bool force;
    const char *now; /* RFC 3339, for managedFields[].time */
};

/* Server-side apply of `applied` on `live` (NULL: create). Returns the new object (managedFields included; uid,
 * resourceVersion and the like as live has them), or NULL with err: ERR_INVALID, or ERR_CONFLICT (409, *causes: the
 * details.causes array of the Status, a new reference; err has the message cut, sim_conflict_message has it whole).
 * live is not changed; json_equal to it means that the write changes nothing. What the subresource may not write is as
 * live has it. The caller checks names and metadata.resourceVersion, and counts generation. */
json_t *sim_apply(const struct sim_apply *a, const json_t *live, const json_t *applied,
                  json_t **causes, struct err *err);

/* "Apply failed with 2 conflicts: ..." as the API server words it; owned by the caller. */
char *sim_conflict_message(const json_t *causes);

/* After POST, PUT or PATCH by manager: `now_obj` (changed in place) gets managedFields brought up to date from those of
 * `old` (NULL: create): operation Update. The caller has already put back what the subresource may not write
 * (sim_keep_apart) and what the server owns in metadata. */
void sim_track_update(const struct sim_apply *a, const json_t *old, json_t *now_obj);

/* Puts back into now_obj what a write to the subresource (NULL: the object itself) may not change: status, or all but
 * it. old NULL: a create, status is dropped. For kinds without the subresource nothing. */
void sim_keep_apart(const struct sim_apply *a, const json_t *old, json_t *now_obj);

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
/* A body in protobuf of a kind with a table, as JSON with apiVersion and kind; NULL with err (code 400, 415: no table).
 * For clients that write protobuf (kubectl, client-go). */
json_t *sim_proto_decode(const void *data, size_t len, struct err *err);

#endif
