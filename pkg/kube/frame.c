/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/frame.h"

#include <string.h>

static int keep(struct kube_frame *f, const char *data, size_t len, struct err *err)
{
    if (buf_append(&f->partial, data, len) == 0)
        return 0;
    return err_set(err, ERR_TRANSIENT, 0, "a watch event is larger than %zu bytes", f->partial.max);
}

static int give(kube_frame_cb *cb, void *arg, const char *line, size_t len)
{
    if (len && line[len - 1] == '\r')
        len--;
    return len ? cb(arg, line, len) : 0;
}

/* The line that was begun in earlier pieces. A watch mostly waits, so it waits without a buffer. */
static int give_partial(struct kube_frame *f, kube_frame_cb *cb, void *arg)
{
    int r = give(cb, arg, f->partial.data, f->partial.len);
    buf_done(&f->partial);
    return r;
}

int kube_frame_feed(struct kube_frame *f, const char *data, size_t len, kube_frame_cb *cb,
                    void *arg, struct err *err)
{
    while (len) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        int r = 0;
        if ((!end || f->partial.len || n > f->partial.max) && keep(f, data, n, err) < 0)
            return -1;
        if (!end)
            return 0;
        r = f->partial.len ? give_partial(f, cb, arg) : give(cb, arg, data, n);
        if (r)
            return r;
        data += n + 1;
        len -= n + 1;
    }
    return 0;
}

void kube_frame_done(struct kube_frame *f)
{
    buf_done(&f->partial);
}
