/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of an answer to its objects, as they arrive and whatever the pieces: lists and watches, in protobuf
 * and in JSON. An object leaves as soon as its last byte is there; a list is never held.
 *
 * Protobuf (k8s.io/apimachinery, runtime/serializer/protobuf and runtime/serializer/streaming): a list is "k8s\0" and a
 * runtime.Unknown whose raw field is the list; a watch is frames, each 4 bytes of length (big endian) and a
 * metav1.WatchEvent whose object is such an envelope again. JSON: kube/items.h and kube/frame.h. */
#ifndef KUBE_DECODE_H
#define KUBE_DECODE_H

#include "base/err.h"
#include "kube/reflector.h" /* enum kube_event_type */
#include "kube/schema.h"

enum {
    KUBE_LIST_ITEMS_MAX = 5000000,    /* objects of one list */
    KUBE_LIST_HEAD_MAX = 1024 * 1024, /* bytes of a list beside its objects */
};

enum kube_encoding { KUBE_ENCODING_JSON, KUBE_ENCODING_PROTO };
/* Of a Content-Type header; NULL is JSON. */
enum kube_encoding kube_encoding_of(const char *content_type);

/* The bytes of one object (in protobuf without envelope), borrowed for the call. Not 0: stop. */
typedef int kube_object_cb(void *arg, const char *data, size_t len);
/* One event; for ERROR the object is a Status. */
typedef int kube_event_cb(void *arg, enum kube_event_type type, const char *data, size_t len);

struct kube_list_decoder;
struct kube_list_decoder *kube_list_decoder_new(enum kube_encoding e);
/* Returns 0, what the callback returned, or -1 with err. */
int kube_list_decode(struct kube_list_decoder *d, const void *data, size_t len, kube_object_cb *cb,
                     void *arg, struct err *err);
/* What a list says of itself; strings borrowed until free. */
struct kube_list_meta {
    const char *version, *next_page; /* resourceVersion, continue: NULL when absent */
};
/* After the last byte: -1 with err (ERR_TRANSIENT) when the list is not complete. */
int kube_list_decoder_end(struct kube_list_decoder *d, struct kube_list_meta *ret, struct err *err);
void kube_list_decoder_free(struct kube_list_decoder *d); /* NULL is fine */

/* Holds memory only while a part of an event waits for its rest. As in client-go, what is no event that we know is
 * skipped: it ends no watch. */
struct kube_watch_decoder;
struct kube_watch_decoder *kube_watch_decoder_new(enum kube_encoding e);
int kube_watch_decode(struct kube_watch_decoder *d, const void *data, size_t len, kube_event_cb *cb,
                      void *arg, struct err *err);
void kube_watch_decoder_free(struct kube_watch_decoder *d); /* NULL is fine */
/* Bytes of memory for what waits for its rest. */
size_t kube_watch_decoder_held(const struct kube_watch_decoder *d);

/* One object's fields, in either encoding. */
int kube_read(enum kube_encoding e, const struct kube_field *table, const char *data, size_t len,
              kube_value_cb *cb, void *arg, struct err *err);

/* The error that a Status says (an ERROR event's object, or the body of an answer that is an error; there protobuf
 * comes in its envelope): class, code, "410 Expired: message". The same in both encodings. */
void kube_read_status(enum kube_encoding e, const char *data, size_t len, struct err *err);

#endif
