/* SPDX-License-Identifier: Apache-2.0 */
/* Arena: everything that one unit of work (a reconcile, a decode) allocates, freed at once.
 * Memory from an arena is zeroed, aligned for any type, and never freed by hand. Not for secrets: it is not wiped. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena_hold;

struct arena {
    struct arena_block *blocks; /* newest first */
    struct arena_hold *holds;
};

#define ARENA_INIT ((struct arena){0})

void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
void *arena_array(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull, nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));

/* Ties another resource to the arena's life: release(p) runs in arena_done, newest first. */
void arena_hold(struct arena *a, void *p, void (*release)(void *p));

/* Frees all. The arena is empty and usable again afterwards. */
void arena_done(struct arena *a);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define auto_arena         __attribute__((cleanup(arena_done))) struct arena

#endif
