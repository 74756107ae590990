/* SPDX-License-Identifier: Apache-2.0 */
/* Work queue: keys that want a reconcile. Semantics of client-go's util/workqueue: a key is held
 * once; added while it is being processed it runs again afterwards; a delayed key keeps the
 * earlier of two times. Of controller-runtime's priority queue: when a waiting key is added again,
 * the higher priority and the shorter delay win.
 *
 * Fair between groups: within a priority the groups that have due keys take turns, one key a turn,
 * so a thousand keys of one group delay a key of another by one turn. Between two turns of a group
 * that has due keys, every other group has at most one. A low priority waits for the high one, but
 * is not starved by it: one turn of QUEUE_LOW_SHARE is its own.
 *
 * O(log n) for what is delayed, O(1) for what is due. A key costs memory only while it waits or is
 * being processed, a group while it has such a key. Pure: time comes from the clock, the owner asks
 * when to wake. */
#ifndef RUNTIME_QUEUE_H
#define RUNTIME_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

enum queue_priority {
    QUEUE_LOW, /* what a first list brings: controller-runtime's -100 */
    QUEUE_NORMAL,
    QUEUE_PRIORITIES
};

enum { QUEUE_LOW_SHARE = 8 };

struct queue;
struct queue *queue_new(const struct clock *clock);
void queue_free(struct queue *q);

/* Run key when delay_ms have passed; 0: as soon as possible. Key and group are copied. A key that
 * waits or is being processed stays in the group that it was first added to. */
void queue_add(struct queue *q, const char *group, const char *key, int64_t delay_ms,
               enum queue_priority priority);

/* The next key that is due, now being processed (borrowed until queue_done), or NULL. */
const char *queue_get(struct queue *q);
/* Processing of key ended. Asked for in the meantime, it goes behind its group's other keys. */
void queue_done(struct queue *q, const char *key);

/* Milliseconds until the next key is due: 0 now, -1 never. */
int64_t queue_next_ms(const struct queue *q);
/* Keys that wait, due or delayed; not those being processed. */
size_t queue_len(const struct queue *q);
/* Groups that have keys. */
size_t queue_groups(const struct queue *q);
/* Adds so far that found the key not waiting, for metrics (workqueue_adds_total counts so too). */
uint64_t queue_adds(const struct queue *q);

#endif
