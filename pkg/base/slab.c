/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define HIDE(p, n) ((void)(p), (void)(n))
#define SHOW(p, n) ((void)(p), (void)(n))
#endif

enum {
    UNIT = 8,
    REGION =
        1024 * 1024, /* what is asked of the kernel at a time: address space, until it is touched */
    REGION_UNITS = REGION / UNIT,
    REGION_CHUNKS = REGION / SLAB_CHUNK,
    REGIONS_MAX = 4096, /* more than that, and blocks come from malloc */
    FINE = 512,         /* up to here a class for each unit, then for each COARSE bytes */
    COARSE = 128,
    FINE_CLASSES = FINE / UNIT,
    SMALL_MAX = FINE + (SLAB_CLASSES - FINE_CLASSES) * COARSE,
};

static const uint32_t large_bit = UINT32_C(1) << 31;

static uint8_t class_of(size_t size)
{
    if (size <= FINE)
        return (uint8_t)(size ? (size - 1) / UNIT : 0);
    return (uint8_t)(FINE_CLASSES + (size - FINE - 1) / COARSE);
}

static size_t block_of(uint8_t class)
{
    if (class < FINE_CLASSES)
        return (class + 1U) * UNIT;
    return FINE + (class - FINE_CLASSES + 1U) * COARSE;
}

static char *chunk_data(const struct slab *s, uint32_t chunk)
{
    return s->regions[chunk / REGION_CHUNKS] + (size_t)(chunk % REGION_CHUNKS) * SLAB_CHUNK;
}

static void push(struct slab *s, uint32_t *list, uint32_t chunk)
{
    s->chunks[chunk].prev = 0;
    s->chunks[chunk].next = *list;
    if (*list)
        s->chunks[*list - 1].prev = chunk + 1;
    *list = chunk + 1;
}

static void unlink_chunk(struct slab *s, uint32_t *list, uint32_t chunk)
{
    const struct slab_chunk *c = &s->chunks[chunk];
    if (c->prev)
        s->chunks[c->prev - 1].next = c->next;
    else
        *list = c->next;
    if (c->next)
        s->chunks[c->next - 1].prev = c->prev;
}

/* False when there is no more room for regions. */
static bool add_region(struct slab *s)
{
    if (s->n_regions >= REGIONS_MAX)
        return false;
    void *data = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return false;
    madvise(data, REGION, MADV_NOHUGEPAGE); /* a chunk must be able to go alone */
    HIDE(data, REGION);
    uint32_t first = (uint32_t)s->n_regions * REGION_CHUNKS;
    s->regions = xrealloc(s->regions, (s->n_regions + 1) * sizeof *s->regions);
    s->chunks = xrealloc(s->chunks, (first + (size_t)REGION_CHUNKS) * sizeof *s->chunks);
    s->regions[s->n_regions++] = data;
    for (uint32_t i = REGION_CHUNKS; i--;)
        push(s, &s->empty, first + i);
    return true;
}

/* A chunk of the class with room, or 0; else plus 1. */
static uint32_t find_room(struct slab *s, uint8_t class)
{
    if (s->room[class])
        return s->room[class];
    if (!s->empty && !add_region(s))
        return 0;
    uint32_t chunk = s->empty - 1;
    unlink_chunk(s, &s->empty, chunk);
    s->chunks[chunk] = (struct slab_chunk){.class = class};
    push(s, &s->room[class], chunk);
    s->bytes += SLAB_CHUNK;
    return chunk + 1;
}

static uint32_t alloc_large(struct slab *s, size_t size)
{
    uint32_t i = s->free_large;
    if (i) {
        s->free_large = s->large[i - 1].next;
    } else {
        s->large = xrealloc(s->large, (s->n_large + (size_t)1) * sizeof *s->large);
        i = ++s->n_large;
    }
    s->large[i - 1].data = xmalloc(size);
    s->bytes += size;
    return large_bit | (i - 1);
}

static void free_large(struct slab *s, uint32_t i, size_t size)
{
    free(s->large[i].data);
    s->large[i].data = NULL;
    s->large[i].next = s->free_large;
    s->free_large = i + 1;
    s->bytes -= size;
}

uint32_t slab_alloc(struct slab *s, size_t size)
{
    uint8_t class = size <= SMALL_MAX ? class_of(size) : 0;
    uint32_t chunk = size <= SMALL_MAX ? find_room(s, class) : 0;
    if (!chunk--)
        return alloc_large(s, size);
    struct slab_chunk *c = &s->chunks[chunk];
    size_t block = block_of(class), most = SLAB_CHUNK / block, slot;
    char *data = chunk_data(s, chunk);
    if (c->free) {
        slot = c->free - 1U;
        SHOW(data + slot * block, size < sizeof c->free ? sizeof c->free : size);
        memcpy(&c->free, data + slot * block, sizeof c->free);
    } else {
        slot = c->carved++;
        SHOW(data + slot * block, size);
    }
    if (++c->live == most)
        unlink_chunk(s, &s->room[class], chunk);
    return (uint32_t)(chunk * (size_t)(SLAB_CHUNK / UNIT) + slot * block / UNIT + 1);
}

void *slab_at(const struct slab *s, uint32_t ref)
{
    if (ref & large_bit)
        return s->large[ref & ~large_bit].data;
    ref--;
    return s->regions[ref / REGION_UNITS] + (size_t)(ref % REGION_UNITS) * UNIT;
}

void slab_free(struct slab *s, uint32_t ref, size_t size)
{
    if (ref & large_bit) {
        free_large(s, ref & ~large_bit, size);
        return;
    }
    char *at = slab_at(s, ref);
    uint32_t chunk = (ref - 1) / (SLAB_CHUNK / UNIT);
    struct slab_chunk *c = &s->chunks[chunk];
    size_t block = block_of(c->class), slot = (size_t)(at - chunk_data(s, chunk)) / block;
    if (c->live-- == SLAB_CHUNK / block)
        push(s, &s->room[c->class], chunk);
    if (!c->live) {
        unlink_chunk(s, &s->room[c->class], chunk);
        HIDE(at, block);
        madvise(chunk_data(s, chunk), SLAB_CHUNK, MADV_DONTNEED);
        push(s, &s->empty, chunk);
        s->bytes -= SLAB_CHUNK;
        return;
    }
    SHOW(at, sizeof c->free);
    memcpy(at, &c->free, sizeof c->free);
    HIDE(at, block);
    c->free = (uint16_t)(slot + 1);
}

bool slab_same(size_t a, size_t b)
{
    return a <= SMALL_MAX && b <= SMALL_MAX && class_of(a) == class_of(b);
}

void slab_resize(const struct slab *s, uint32_t ref, size_t size)
{
    char *at = slab_at(s, ref);
    size_t block = block_of(s->chunks[(ref - 1) / (SLAB_CHUNK / UNIT)].class);
    HIDE(at, block);
    SHOW(at, size);
}

void slab_done(struct slab *s)
{
    for (size_t i = 0; i < s->n_regions; i++) {
        SHOW(s->regions[i], REGION);
        munmap(s->regions[i], REGION);
    }
    for (uint32_t i = 0; i < s->n_large; i++)
        free(s->large[i].data);
    free(s->regions);
    free(s->chunks);
    free(s->large);
    *s = (struct slab){0};
}
