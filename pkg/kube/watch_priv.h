/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/kube: a running watch. There may be tens of thousands, most of them silent: it holds no buffer, and a
 * decoder only while its request is answered. */
#ifndef KUBE_WATCH_PRIV_H
#define KUBE_WATCH_PRIV_H

#include "kube/decode.h"
#include "kube/reflector.h"
#include "kube/watch.h"

enum { KUBE_LIST_BYTES_MAX = 1 << 30 }; /* of one list, all its pages */

struct kube_watch {
    struct kube_client *client;
    char *path, *api_version, *kind, *label_selector, *field_selector;
    enum kube_record_kind record;
    bool bulk, trees;
    bool json; /* ask for nothing else: the server refused the rest (406) */
    const struct kube_sink *sink;
    void *arg;
    struct kube_reflector reflector;
    struct kube_stream *stream; /* the list or the watch that runs */
    struct kube_timer *timer;   /* of the wait, or until the stream is answered */
    bool listing;
    bool opened; /* the stream is answered */
    enum kube_encoding encoding;
    struct kube_list_decoder *list;
    struct kube_watch_decoder *events;
    size_t list_bytes;  /* of the list so far */
    struct err *broken; /* what we found wrong in the stream, or NULL */
    unsigned depth;     /* of our callbacks on the stack */
    bool stopped;
    struct kube_watch *prev, *next;
};

#endif
