/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the answer to a list request into its items while it arrives: a list of 50,000 objects, which an API server may
 * send in one piece whatever the limit asked for, never is in memory at once. */
#ifndef KUBE_ITEMS_H
#define KUBE_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    KUBE_ITEM_MAX = 16 * 1024 * 1024,  /* bytes of one item */
    KUBE_ITEMS_REST_MAX = 1024 * 1024, /* bytes of all but the items */
    KUBE_ITEMS_DEPTH = 128,            /* nesting; the item's own parser is stricter */
};

struct kube_items {
    struct buf rest; /* the document with an empty "items" */
    struct buf item; /* the beginning of an item */
    size_t key;      /* where in rest the last string of the outermost object begins */
    size_t key_len;
    unsigned depth;
    bool string, escape; /* inside a string; after a backslash */
    bool inside;         /* the array "items" */
};

#define KUBE_ITEMS_INIT                                                                            \
    ((struct kube_items){.rest = BUF_INIT(KUBE_ITEMS_REST_MAX), .item = BUF_INIT(KUBE_ITEM_MAX)})

/* text is borrowed: one JSON object. Not 0: stop. It must not touch the cutter. */
typedef int kube_items_cb(void *arg, const char *text, size_t len);

/* Returns 0, what the callback returned, or -1 with err when a bound is passed or it is no JSON object. */
int kube_items_feed(struct kube_items *s, const char *data, size_t len, kube_items_cb *cb,
                    void *arg, struct err *err);
/* After the last byte: 0 when the document is complete; without its items it is in rest. */
int kube_items_complete(const struct kube_items *s, struct err *err);
void kube_items_done(struct kube_items *s); /* usable again afterwards */

#endif
