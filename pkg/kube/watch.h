/* SPDX-License-Identifier: Apache-2.0 */
/* Reflector: keeps a sink in step with one collection of one API server by list and watch, for as long as it lives.
 *
 * Behaviour is client-go's (tools/cache/reflector.go): list at resourceVersion "0" in pages, watch with bookmarks and a
 * timeout of 300-600 s, resume at the last resourceVersion; 410 and "too large resource version" list again; backoff
 * 0.8-30 s with jitter. WatchList is used where the server has it and the caller asks for it. A silent watch is cut
 * when its own timeout plus 5 s has passed.
 *
 * Asks for protobuf, with JSON as the second choice; the answer's Content-Type says which one it is. */
#ifndef KUBE_WATCH_H
#define KUBE_WATCH_H

#include <jansson.h>
#include <stdbool.h>

#include "kube/client.h"
#include "kube/record.h"

/* Where objects go: as records (kube/record.h), or as trees when the watch's opts say so. Each is borrowed for the
 * call. The sink itself must outlive the watch. */
struct kube_sink {
    /* A list begins: what is not seen again until `synced` has gone. */
    void (*list_begin)(void *arg);
    /* An object of the list, or ADDED/MODIFIED of the watch. */
    void (*upsert)(void *arg, const struct kube_record *r);
    /* DELETED of the watch (last state). */
    void (*remove)(void *arg, const struct kube_record *r);
    /* The list is complete (first time or again). */
    void (*synced)(void *arg);
    /* It does not work at the moment (err), or works again (err NULL). Only on change of the error's class. */
    void (*state)(void *arg, const struct err *err);
    /* The same as upsert and remove, for trees. Keep what you need of it, never the tree. */
    void (*upsert_tree)(void *arg, const json_t *obj);
    void (*remove_tree)(void *arg, const json_t *obj);
};

struct kube_watch_opts {
    const char *ns;             /* NULL: all */
    const char *label_selector; /* NULL: all */
    const char *field_selector; /* NULL: all */
    /* What is kept of each object. KUBE_RECORD_META asks the server for metadata only (PartialObjectMetadata). */
    enum kube_record_kind record;
    bool bulk;  /* many are expected: the list gets a connection of its own */
    bool trees; /* whole objects as JSON trees instead: for few and small ones */
    bool
        watch_list; /* sendInitialEvents instead of a list: constant memory in the server, but slower */
};

struct kube_watch;
struct kube_watch *kube_watch_start(struct kube_client *c, const struct gvr *gvr,
                                    const struct kube_watch_opts *opts,
                                    const struct kube_sink *sink, void *arg);
/* Forget the backoff: try now (the cluster is known to be back). */
void kube_watch_wake(struct kube_watch *w);
/* No callback runs after this. */
void kube_watch_stop(struct kube_watch *w);

#endif
