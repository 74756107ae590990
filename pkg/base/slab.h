/* SPDX-License-Identifier: Apache-2.0 */
/* Slabs: blocks in large numbers for less than malloc takes. A block is named by 32 bits and has no header; blocks of a
 * size share pages, and pages that hold no block any more go back to the kernel. Aligned to 8 bytes, no more. */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SLAB_CLASSES = 92,
    SLAB_CHUNK = 16 * 1024, /* bytes of one class that come and go together */
};

struct slab_chunk {
    uint32_t prev, next; /* of the class's chunks with room, or of the empty ones; plus 1, 0 ends */
    uint16_t live;       /* blocks in use */
    uint16_t carved;     /* blocks that have been in use */
    uint16_t free;       /* first freed block, plus 1 */
    uint8_t class;
};

struct slab_large {
    void *data;
    uint32_t next; /* free entry, plus 1 */
};

/* All zero is an empty one. */
struct slab {
    char **regions;
    struct slab_chunk *chunks;
    size_t n_regions;
    uint32_t room[SLAB_CLASSES]; /* first chunk with room, plus 1 */
    uint32_t empty;              /* first chunk of no class, plus 1 */
    size_t bytes;                /* of chunks and large blocks in use */
    struct slab_large *large;    /* blocks too large for a class, each from malloc */
    uint32_t n_large, free_large;
};

/* Never 0. The memory is not initialised. */
uint32_t slab_alloc(struct slab *s, size_t size);
/* Borrowed, until the block is freed. */
void *slab_at(const struct slab *s, uint32_t ref);
/* size: as it was asked for. */
void slab_free(struct slab *s, uint32_t ref, size_t size);
/* Whether a block of size a may be one of size b instead: slab_resize says that it is, and moves nothing. */
bool slab_same(size_t a, size_t b);
void slab_resize(const struct slab *s, uint32_t ref, size_t size);
/* All blocks go. */
void slab_done(struct slab *s);

#endif
