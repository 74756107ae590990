/* SPDX-License-Identifier: Apache-2.0 */
/* One-shot timers on the heap, so that their owners can be freed at once, whatever the loop still holds. */
#ifndef KUBE_TIMER_H
#define KUBE_TIMER_H

#include <stdint.h>
#include <uv.h>

struct kube_timer;
struct kube_timer *kube_timer_new(uv_loop_t *loop, void (*cb)(void *arg), void *arg);
/* Sets it, or sets it anew. */
void kube_timer_start(struct kube_timer *t, int64_t ms);
void kube_timer_stop(struct kube_timer *t);
/* cb does not run after this. NULL is fine. */
void kube_timer_free(struct kube_timer *t);

#endif
