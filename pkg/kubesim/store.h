/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a cluster. An object is kept as text in three pieces: its metadata, its managedFields and the rest;
 * the last two are shared by all clusters of the process that have the same. Versions of an object are immutable and
 * counted: the collection holds the newest, its history the ones that its last events are about. */
#ifndef KUBESIM_STORE_H
#define KUBESIM_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "kubesim/kinds.h"
#include "kubesim/text.h"

struct sim_object {
    uint32_t refs;
    uint32_t meta_len;
    uint64_t version;        /* resourceVersion */
    struct sim_text *fields; /* managedFields, a JSON array; or NULL */
    struct sim_text
        *rest;   /* what is beside metadata, kind and apiVersion, without braces; or NULL */
    void *proto; /* in protobuf, as of version; made when first asked for */
    uint32_t proto_len;
    uint16_t ns_len;
    bool deleting; /* has a deletionTimestamp */
    const char
        *meta;  /* metadata without resourceVersion, managedFields and braces; behind the key */
    char key[]; /* "<namespace>/<name>", or "<name>" */
};

/* From a tree (whose kind, apiVersion and metadata.resourceVersion count for nothing). refs is 1. */
struct sim_object *sim_object_new(const json_t *tree, uint64_t version);
struct sim_object *sim_object_ref(struct sim_object *o);
void sim_object_drop(struct sim_object *o); /* NULL is fine */
static inline const char *sim_object_name(const struct sim_object *o)
{
    return o->key + (o->ns_len ? o->ns_len + 1 : 0);
}
/* A member of its metadata as text, or NULL. */
const char *sim_object_meta(const struct sim_object *o, const char *key, size_t *ret_len);
/* A string of its metadata ("uid"), owned, or NULL. */
char *sim_object_meta_str(const struct sim_object *o, const char *key);

/* What of an object is shown. */
enum sim_view {
    SIM_VIEW_WHOLE,   /* with kind and apiVersion */
    SIM_VIEW_ITEM,    /* in a list of a built-in kind: without them */
    SIM_VIEW_PARTIAL, /* PartialObjectMetadata */
};
/* Appends it as JSON; version: the resourceVersion to show (that of a deletion differs from the object's). */
int sim_object_json(const struct sim_object *o, const struct sim_kind *k, const char *api_version,
                    enum sim_view view, uint64_t version, struct buf *out);
/* The same as a tree, a new reference. */
json_t *sim_object_tree(const struct sim_object *o, const struct sim_kind *k,
                        const char *api_version, enum sim_view view, uint64_t version);
/* Appends it in protobuf, without envelope. The whole object's bytes are kept for the next time. */
int sim_object_proto(struct sim_object *o, const struct sim_kind *k, const char *api_version,
                     enum sim_view view, uint64_t version, struct buf *out);

/* --- a collection: the objects of one kind of a cluster --- */

struct sim_event {
    enum sim_event_type { SIM_ADDED, SIM_MODIFIED, SIM_DELETED } type;
    uint64_t version;
    struct sim_object *object; /* after it; of DELETED: the last state */
    struct sim_object *before; /* NULL for ADDED */
};

struct sim_watch; /* watch.c */

struct sim_collection {
    const struct sim_kind *kind;
    struct sim_object **objects; /* sorted by key */
    size_t count, cap;
    /* The last events, a ring that grows up to max. */
    struct sim_event *events;
    unsigned first, nevents, cap_events, max_events;
    uint64_t floor; /* events are known from after this version on */
    struct sim_watch *watches;
    struct sim_collection *next; /* of those that are no longer served */
    UT_hash_handle hh;           /* by kind */
};

struct sim_collection *sim_collection_new(const struct sim_kind *k, unsigned max_events,
                                          uint64_t floor);
void sim_collection_free(struct sim_collection *c);

/* The index of the first object whose key is not less; *ret_found: it is equal. */
size_t sim_collection_seek(const struct sim_collection *c, const char *key, bool *ret_found);
struct sim_object *sim_collection_get(const struct sim_collection *c, const char *ns,
                                      const char *name); /* borrowed, or NULL */
/* Takes the reference. Records the event (ADDED or MODIFIED) and returns it, valid until the next change. */
const struct sim_event *sim_collection_put(struct sim_collection *c, struct sim_object *o);
/* The object (which is there) goes; version: that of the deletion. */
const struct sim_event *sim_collection_remove(struct sim_collection *c, struct sim_object *o,
                                              uint64_t version);
/* Event i of the history, oldest first. */
const struct sim_event *sim_collection_event(const struct sim_collection *c, unsigned i);

/* The objects as they were at a version, sorted, each a reference; NULL when the history does not reach back so far.
 * *ret_n of them; free with sim_snapshot_free. */
struct sim_object **sim_collection_at(const struct sim_collection *c, uint64_t version,
                                      size_t *ret_n);
void sim_snapshot_free(struct sim_object **list, size_t n);

#endif
