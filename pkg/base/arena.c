/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

struct arena_hold {
    struct arena_hold *next;
    void *p;
    void (*release)(void *p);
};

static struct arena_block *block_for(struct arena *a, size_t size)
{
    if (a->blocks && a->blocks->size - a->blocks->used >= size)
        return a->blocks;
    size_t room = size > BLOCK ? size : BLOCK;
    struct arena_block *b = xcalloc(1, sizeof *b + room);
    *b = (struct arena_block){.next = a->blocks, .size = room};
    return a->blocks = b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        size = SIZE_MAX / 2; /* can't be had: ends in the out-of-memory message */
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *b = block_for(a, rounded);
    void *p = b->data + b->used;
    b->used += rounded;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        total = SIZE_MAX;
    return arena_alloc(a, total);
}

char *arena_strdup(struct arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(arena_alloc(a, n), s, n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    auto_free char *own = n < 0 ? xstrdup("") : s;
    return arena_strdup(a, own);
}

void arena_hold(struct arena *a, void *p, void (*release)(void *p))
{
    struct arena_hold *h = arena_new(a, struct arena_hold);
    *h = (struct arena_hold){.next = a->holds, .p = p, .release = release};
    a->holds = h;
}

void arena_done(struct arena *a)
{
    for (struct arena_hold *h = a->holds; h; h = h->next)
        h->release(h->p);
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = ARENA_INIT;
}
