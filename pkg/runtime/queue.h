/* SPDX-License-Identifier: Apache-2.0 */
/* Work queue: keys that want a reconcile. Semantics of client-go's util/workqueue: a key is held
 * once; added while it is being processed it runs again afterwards; a delayed key keeps the
 * earlier of two times; backoff per key. Pure: time comes from the clock, the owner asks when to
 * wake. */
#ifndef RUNTIME_QUEUE_H
#define RUNTIME_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct queue;
struct queue *queue_new(const struct clock *clock);
void queue_free(struct queue *q);

/* Run key as soon as possible / not before delay_ms from now (the earlier wins when it waits
 * already). Keys are copied. */
void queue_add(struct queue *q, const char *key);
void queue_add_after(struct queue *q, const char *key, int64_t delay_ms);

/* The next key that is due, now being processed (borrowed until queue_done), or NULL. First in, first out. */
const char *queue_get(struct queue *q);
/* Processing of key ended. */
void queue_done(struct queue *q, const char *key);

/* Backoff: each failure doubles from 250 ms up to 60 s, +-20 % jitter by a hash of key and
 * count; success forgets. A key that will never run again must be forgotten too, or its count is
 * kept. Returns the delay to wait, in ms; adding is the caller's. */
int64_t queue_failed(struct queue *q, const char *key);
void queue_forget(struct queue *q, const char *key);

/* Milliseconds until the next key is due: 0 now, -1 never. */
int64_t queue_next_ms(const struct queue *q);
/* Keys that wait, due or delayed; not those being processed. */
size_t queue_len(const struct queue *q);
/* Adds so far that found the key not waiting, for metrics (workqueue_adds_total counts so too). */
uint64_t queue_adds(const struct queue *q);

#endif
