/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a watch's byte stream into its lines, each a JSON document, whatever the pieces it arrives in. */
#ifndef KUBE_FRAME_H
#define KUBE_FRAME_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum { KUBE_FRAME_MAX = 16 * 1024 * 1024 }; /* as apimachinery's streaming decoder */

struct kube_frame {
    struct buf partial; /* the beginning of a line */
};

#define KUBE_FRAME_INIT ((struct kube_frame){BUF_INIT(KUBE_FRAME_MAX)})

/* line is borrowed and without its newline. Not 0: stop. It must not touch the frame. */
typedef int kube_frame_cb(void *arg, const char *line, size_t len);

/* Returns 0, what the callback returned, or -1 with err when a line is longer than the bound. */
int kube_frame_feed(struct kube_frame *f, const char *data, size_t len, kube_frame_cb *cb,
                    void *arg, struct err *err);
void kube_frame_done(struct kube_frame *f); /* usable again afterwards */

#endif
