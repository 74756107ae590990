/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/timer.h"

#include <stdlib.h>

#include "base/mem.h"

struct kube_timer {
    uv_timer_t uv;
    void (*cb)(void *arg);
    void *arg;
};

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_time(uv_timer_t *uv)
{
    struct kube_timer *t = uv->data;
    t->cb(t->arg);
}

struct kube_timer *kube_timer_new(uv_loop_t *loop, void (*cb)(void *arg), void *arg)
{
    struct kube_timer *t = xcalloc(1, sizeof *t);
    uv_timer_init(loop, &t->uv);
    t->uv.data = t;
    t->cb = cb;
    t->arg = arg;
    return t;
}

void kube_timer_start(struct kube_timer *t, int64_t ms)
{
    uv_timer_start(&t->uv, on_time, ms > 0 ? (uint64_t)ms : 0, 0);
}

void kube_timer_stop(struct kube_timer *t)
{
    uv_timer_stop(&t->uv);
}

void kube_timer_free(struct kube_timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->uv, on_closed);
}
