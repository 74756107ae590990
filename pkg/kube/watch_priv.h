/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/kube: a running watch. */
#ifndef KUBE_WATCH_PRIV_H
#define KUBE_WATCH_PRIV_H

#include "kube/frame.h"
#include "kube/items.h"
#include "kube/reflector.h"
#include "kube/watch.h"

struct kube_watch {
    struct kube_client *client;
    char *path, *api_version, *kind, *label_selector, *field_selector;
    bool metadata_only;
    struct kube_sink sink;
    void *arg;
    struct kube_reflector reflector;
    struct kube_stream *stream; /* the list or the watch that runs */
    struct kube_timer *timer;   /* of the wait, or until the stream is answered */
    bool listing;
    struct kube_frame frame;
    struct kube_items items;
    struct err broken; /* what we found wrong in the stream, ERR_NONE: nothing */
    unsigned depth;    /* of our callbacks on the stack */
    bool stopped;
    struct kube_watch *prev, *next;
};

#endif
