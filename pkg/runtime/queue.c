/* SPDX-License-Identifier: Apache-2.0 */
/* A key waits in one of two places: in a heap by time while it is delayed, and in its group's list
 * once it is due. Per priority the groups whose list is not empty stand in a ring; whoever had a turn
 * goes to its end. What is asked for while a key is being processed is kept in the entry. */
#include "runtime/queue.h"

#include <stdlib.h>

#include "base/mem.h"

#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>
#include <utlist.h>

enum { HEAP_MIN = 16 };

enum place { NOWHERE, DELAYED, DUE };

struct group;

struct entry {
    UT_hash_handle hh;
    struct group *group;
    int64_t due;
    uint64_t seq; /* order of arrival, between equal due times */
    union {
        struct { /* DUE: neighbours in the group's list */
            struct entry *prev, *next;
        };
        size_t slot; /* DELAYED: place in the heap */
    };
    uint8_t place;
    uint8_t priority;
    bool wanted; /* waits, or is to wait when processing ends */
    bool processing;
    char key[];
};

/* The keys of a group that are due with one priority. */
struct turn {
    struct entry *keys;
    struct turn *prev, *next; /* in the ring, while there are keys */
};

struct group {
    UT_hash_handle hh;
    size_t n; /* entries */
    struct turn turns[QUEUE_PRIORITIES];
    char name[];
};

struct queue {
    const struct clock *clock;
    struct entry *entries; /* by key */
    struct group *groups;  /* by name */
    struct turn *rings[QUEUE_PRIORITIES];
    struct entry **heap;
    size_t n_heap, cap, n_due;
    unsigned passed_over; /* turns in a row that a waiting QUEUE_LOW did not get */
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
    struct group *g, *next_group;
    HASH_ITER (hh, q->entries, e, next) {
        HASH_DEL(q->entries, e);
        free(e);
    }
    HASH_ITER (hh, q->groups, g, next_group) {
        HASH_DEL(q->groups, g);
        free(g);
    }
    free(q->heap);
    free(q);
}

/* --- delayed: a heap --- */

static bool before(const struct entry *a, const struct entry *b)
{
    return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void put(struct queue *q, size_t slot, struct entry *e)
{
    q->heap[slot] = e;
    e->slot = slot;
}

static void sift_up(struct queue *q, struct entry *e)
{
    size_t i = e->slot;
    for (size_t up; i > 0 && before(e, q->heap[up = (i - 1) / 2]); i = up)
        put(q, i, q->heap[up]);
    put(q, i, e);
}

static void sift_down(struct queue *q, struct entry *e)
{
    size_t i = e->slot;
    for (size_t child; (child = 2 * i + 1) < q->n_heap; i = child) {
        if (child + 1 < q->n_heap && before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!before(q->heap[child], e))
            break;
        put(q, i, q->heap[child]);
    }
    put(q, i, e);
}

static void resize(struct queue *q, size_t cap)
{
    q->cap = cap;
    q->heap = xrealloc(q->heap, cap * sizeof *q->heap);
}

static void delay(struct queue *q, struct entry *e)
{
    if (q->n_heap == q->cap)
        resize(q, q->cap ? q->cap * 2 : HEAP_MIN);
    e->place = DELAYED;
    e->slot = q->n_heap++;
    sift_up(q, e);
}

static void undelay(struct queue *q, struct entry *e)
{
    size_t slot = e->slot;
    struct entry *last = q->heap[--q->n_heap];
    e->place = NOWHERE;
    if (last != e) {
        put(q, slot, last);
        sift_down(q, last);
        sift_up(q, last);
    }
    if (q->cap > HEAP_MIN && q->n_heap < q->cap / 4)
        resize(q, q->cap / 2);
}

/* --- due: lists in rings --- */

static void line_up(struct queue *q, struct entry *e)
{
    struct turn *t = &e->group->turns[e->priority];
    if (!t->keys)
        DL_APPEND(q->rings[e->priority], t);
    DL_APPEND(t->keys, e);
    e->place = DUE;
    q->n_due++;
}

static void step_out(struct queue *q, struct entry *e)
{
    struct turn *t = &e->group->turns[e->priority];
    DL_DELETE(t->keys, e);
    if (!t->keys)
        DL_DELETE(q->rings[e->priority], t);
    e->place = NOWHERE;
    q->n_due--;
}

/* What became due since lines up in the order of its times. */
static void promote(struct queue *q, int64_t now)
{
    while (q->n_heap > 0 && q->heap[0]->due <= now) {
        struct entry *e = q->heap[0];
        undelay(q, e);
        line_up(q, e);
    }
}

/* --- entries and groups --- */

static struct entry *find(const struct queue *q, const char *key)
{
    struct entry *e;
    HASH_FIND_STR(q->entries, key, e);
    return e;
}

static struct group *group_of(struct queue *q, const char *name)
{
    struct group *g;
    HASH_FIND_STR(q->groups, name, g);
    if (g)
        return g;
    size_t n = strlen(name);
    g = xcalloc(1, sizeof *g + n + 1);
    memcpy(g->name, name, n);
    HASH_ADD_KEYPTR(hh, q->groups, g->name, n, g);
    return g;
}

static struct entry *find_or_new(struct queue *q, const char *group, const char *key)
{
    struct entry *e = find(q, key);
    if (e)
        return e;
    size_t n = strlen(key);
    e = xcalloc(1, sizeof *e + n + 1);
    memcpy(e->key, key, n);
    e->group = group_of(q, group);
    e->group->n++;
    HASH_ADD_KEYPTR(hh, q->entries, e->key, n, e);
    return e;
}

static void drop(struct queue *q, struct entry *e)
{
    struct group *g = e->group;
    if (--g->n == 0) {
        HASH_DEL(q->groups, g);
        free(g);
    }
    HASH_DEL(q->entries, e);
    free(e);
}

static void wait_for(struct queue *q, struct entry *e)
{
    int64_t now = clock_ms(q->clock);
    promote(q, now);
    if (e->due <= now)
        line_up(q, e);
    else
        delay(q, e);
}

/* --- interface --- */

static void want(struct queue *q, struct entry *e, int64_t due, enum queue_priority priority)
{
    e->wanted = true;
    e->due = due;
    e->priority = (uint8_t)priority;
    e->seq = q->seq++;
    q->adds++;
    if (!e->processing)
        wait_for(q, e);
}

/* Wanted already: the earlier time and the higher priority. */
static void merge(struct queue *q, struct entry *e, int64_t due, enum queue_priority priority)
{
    bool earlier = due < e->due && e->place != DUE, higher = priority > e->priority;
    if (!earlier && !higher)
        return;
    enum place was = (enum place)e->place;
    if (was == DUE)
        step_out(q, e);
    if (was == DELAYED)
        undelay(q, e);
    if (earlier) {
        e->due = due;
        e->seq = q->seq++;
    }
    if (higher)
        e->priority = (uint8_t)priority;
    if (was != NOWHERE)
        wait_for(q, e);
}

void queue_add(struct queue *q, const char *group, const char *key, int64_t delay_ms,
               enum queue_priority priority)
{
    int64_t due;
    if (__builtin_add_overflow(clock_ms(q->clock), delay_ms > 0 ? delay_ms : 0, &due))
        due = INT64_MAX;
    struct entry *e = find_or_new(q, group, key);
    if (e->wanted)
        merge(q, e, due, priority);
    else
        want(q, e, due, priority);
}

static struct turn *next_turn(struct queue *q)
{
    struct turn *low = q->rings[QUEUE_LOW], *normal = q->rings[QUEUE_NORMAL];
    bool lows = low && (!normal || q->passed_over + 1 >= QUEUE_LOW_SHARE);
    q->passed_over = low && !lows ? q->passed_over + 1 : 0;
    return lows ? low : normal;
}

const char *queue_get(struct queue *q)
{
    promote(q, clock_ms(q->clock));
    struct turn *t = next_turn(q);
    if (!t)
        return NULL;
    struct entry *e = t->keys;
    struct turn **ring = &q->rings[e->priority];
    step_out(q, e);
    if (t->keys && t->next) {
        DL_DELETE(*ring, t);
        DL_APPEND(*ring, t);
    }
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
        wait_for(q, e);
    else
        drop(q, e);
}

int64_t queue_next_ms(const struct queue *q)
{
    if (q->n_due > 0)
        return 0;
    if (q->n_heap == 0)
        return -1;
    int64_t due = q->heap[0]->due, now = clock_ms(q->clock);
    return due > now ? due - now : 0;
}

size_t queue_len(const struct queue *q)
{
    return q->n_heap + q->n_due;
}

size_t queue_groups(const struct queue *q)
{
    return HASH_COUNT(q->groups);
}

uint64_t queue_adds(const struct queue *q)
{
    return q->adds;
}
