/* SPDX-License-Identifier: Apache-2.0 */
/* One heap ordered by the time a key is due holds both kinds of waiting: "now" is only the earliest
 * delay. A key in the heap is not being processed; what is asked for while it is, is kept in the
 * entry and enters the heap when processing ends. */
#include "runtime/queue.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>

enum { BACKOFF_FIRST_MS = 250, BACKOFF_MAX_MS = 60000, JITTER_PERMILLE = 200 };

struct entry {
    UT_hash_handle hh;
    int64_t due;       /* valid while wanted */
    uint64_t seq;      /* order of arrival, between equal due times */
    size_t slot;       /* place in the heap, valid while it is there */
    unsigned failures; /* in a row */
    bool wanted;       /* in the heap, or to enter it when processing ends */
    bool processing;
    char key[];
};

struct queue {
    const struct clock *clock;
    struct entry *entries; /* by key */
    struct entry **heap;
    size_t len, cap;
    uint64_t seq, adds;
};

struct queue *queue_new(const struct clock *clock)
{
    struct queue *q = xcalloc(1, sizeof *q);
    q->clock = clock;
    return q;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    struct entry *e, *next;
    HASH_ITER (hh, q->entries, e, next) {
        HASH_DEL(q->entries, e);
        free(e);
    }
    free(q->heap);
    free(q);
}

static bool before(const struct entry *a, const struct entry *b)
{
    return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void place(struct queue *q, size_t slot, struct entry *e)
{
    q->heap[slot] = e;
    e->slot = slot;
}

static void sift_up(struct queue *q, struct entry *e)
{
    size_t i = e->slot;
    for (size_t up; i > 0 && before(e, q->heap[up = (i - 1) / 2]); i = up)
        place(q, i, q->heap[up]);
    place(q, i, e);
}

static void sift_down(struct queue *q, struct entry *e)
{
    size_t i = e->slot;
    for (size_t child; (child = 2 * i + 1) < q->len; i = child) {
        if (child + 1 < q->len && before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!before(q->heap[child], e))
            break;
        place(q, i, q->heap[child]);
    }
    place(q, i, e);
}

static void push(struct queue *q, struct entry *e)
{
    if (q->len == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 16;
        q->heap = xrealloc(q->heap, q->cap * sizeof *q->heap);
    }
    e->slot = q->len++;
    sift_up(q, e);
}

static struct entry *pop(struct queue *q)
{
    struct entry *top = q->heap[0], *last = q->heap[--q->len];
    if (last != top) {
        last->slot = 0;
        sift_down(q, last);
    }
    return top;
}

static struct entry *find(const struct queue *q, const char *key)
{
    struct entry *e;
    HASH_FIND_STR(q->entries, key, e);
    return e;
}

static struct entry *find_or_new(struct queue *q, const char *key)
{
    struct entry *e = find(q, key);
    if (e)
        return e;
    size_t n = strlen(key);
    e = xcalloc(1, sizeof *e + n + 1);
    memcpy(e->key, key, n);
    HASH_ADD_KEYPTR(hh, q->entries, e->key, n, e);
    return e;
}

/* An entry lives while anything is known about its key. */
static void drop_if_idle(struct queue *q, struct entry *e)
{
    if (e->wanted || e->processing || e->failures)
        return;
    HASH_DEL(q->entries, e);
    free(e);
}

void queue_add(struct queue *q, const char *key)
{
    queue_add_after(q, key, 0);
}

void queue_add_after(struct queue *q, const char *key, int64_t delay_ms)
{
    int64_t now = clock_ms(q->clock), due;
    if (__builtin_add_overflow(now, delay_ms > 0 ? delay_ms : 0, &due))
        due = INT64_MAX;
    struct entry *e = find_or_new(q, key);
    if (e->wanted && e->due <= due)
        return;
    bool held = e->wanted;
    e->wanted = true;
    e->due = due;
    e->seq = q->seq++;
    q->adds += !held;
    if (e->processing)
        return;
    if (held)
        sift_up(q, e); /* a time only ever becomes earlier */
    else
        push(q, e);
}

const char *queue_get(struct queue *q)
{
    if (queue_next_ms(q) != 0)
        return NULL;
    struct entry *e = pop(q);
    e->wanted = false;
    e->processing = true;
    return e->key;
}

void queue_done(struct queue *q, const char *key)
{
    struct entry *e = find(q, key);
    if (!e || !e->processing)
        return;
    e->processing = false;
    if (e->wanted)
        push(q, e);
    else
        drop_if_idle(q, e);
}

/* Keys that fail together must not come back together: each is moved by its own part of +-20 %, the
 * same in every run, so that a test and a replayed incident see the same times. */
static int64_t jittered(int64_t delay, const char *key, unsigned count)
{
    uint64_t h = str_hash(key) ^ (count * 0x9E3779B97F4A7C15ULL);
    h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDULL;
    h ^= h >> 33;
    int64_t permille = (int64_t)(h % (2 * JITTER_PERMILLE + 1)) - JITTER_PERMILLE;
    return delay + delay * permille / 1000;
}

int64_t queue_failed(struct queue *q, const char *key)
{
    struct entry *e = find_or_new(q, key);
    int64_t delay = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < e->failures && delay < BACKOFF_MAX_MS; i++)
        delay *= 2;
    if (e->failures < UINT32_MAX)
        e->failures++;
    return jittered(delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS, key, e->failures);
}

void queue_forget(struct queue *q, const char *key)
{
    struct entry *e = find(q, key);
    if (!e)
        return;
    e->failures = 0;
    drop_if_idle(q, e);
}

int64_t queue_next_ms(const struct queue *q)
{
    if (!q->len)
        return -1;
    int64_t due = q->heap[0]->due, now = clock_ms(q->clock);
    return due > now ? due - now : 0;
}

size_t queue_len(const struct queue *q)
{
    return q->len;
}

uint64_t queue_adds(const struct queue *q)
{
    return q->adds;
}
