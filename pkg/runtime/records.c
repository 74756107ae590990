/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/records.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "base/slab.h"
#include "base/str.h"

/* Values of a tag that are no part of a hash. */
enum { FREE, WAS_USED, TAGS };

enum { FIRST_PLACES = 8 };

enum mark { MARK_LISTED = 1, MARK_VERIFIED = 2 };

struct entry {
    unsigned char marks;
    unsigned char record[]; /* a kube_record */
};

/* One for all: thousands of collections hold a few records each. */
static struct slab slab;

static struct entry *entry_at(const struct records *r, size_t place)
{
    return slab_at(&slab, r->refs[place]);
}

static const struct kube_record *record_of(const struct entry *e)
{
    return (const struct kube_record *)(const void *)e->record;
}

static size_t entry_size(const struct kube_record *obj)
{
    return sizeof(struct entry) + kube_record_size(obj);
}

/* --- the table --- */

struct key {
    const char *ns, *name;
    uint64_t hash;
};

/* False when it is too long. */
static bool make_key(const char *ns, const char *name, struct key *ret)
{
    char text[RECORDS_KEY_MAX];
    ns = str_or(ns, "");
    size_t n = strlen(ns) + 1, m = strlen(name);
    if (n + m > sizeof text)
        return false;
    memcpy(text, ns, n);
    memcpy(text + n, name, m);
    *ret = (struct key){ns, name, siphash(siphash_process_key(), text, n + m)};
    return true;
}

static uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(TAGS + (hash >> 56) % (256 - TAGS));
}

static bool is_record(const struct records *r, size_t place)
{
    return r->tags[place] >= TAGS;
}

static bool matches(const struct kube_record *obj, const struct key *k)
{
    return strcmp(kube_record_name(obj), k->name) == 0 &&
           strcmp(str_or(kube_record_ns(obj), ""), k->ns) == 0;
}

/* r->places when absent. */
static size_t find(const struct records *r, const struct key *k)
{
    if (!r->places)
        return 0; /* r->places */
    uint8_t tag = tag_of(k->hash);
    for (size_t at = k->hash & (r->places - 1);; at = (at + 1) & (r->places - 1)) {
        if (r->tags[at] == FREE)
            return r->places;
        if (r->tags[at] == tag && matches(record_of(entry_at(r, at)), k))
            return at;
    }
}

static void set_place(struct records *r, uint64_t hash, uint32_t ref)
{
    size_t at = hash & (r->places - 1);
    while (is_record(r, at))
        at = (at + 1) & (r->places - 1);
    r->used += r->tags[at] == FREE;
    r->tags[at] = tag_of(hash);
    r->refs[at] = ref;
}

static void resize(struct records *r, size_t places)
{
    struct records old = *r;
    r->places = places;
    r->used = 0;
    r->refs = places ? xcalloc(places, sizeof *r->refs) : NULL;
    r->tags = places ? xcalloc(places, sizeof *r->tags) : NULL;
    for (size_t i = 0; i < old.places; i++) {
        struct key k;
        if (!is_record(&old, i))
            continue;
        const struct kube_record *obj = record_of(entry_at(&old, i));
        make_key(kube_record_ns(obj), kube_record_name(obj), &k);
        set_place(r, k.hash, old.refs[i]);
    }
    free(old.refs);
    free(old.tags);
}

/* The least that n records fit in, one place in eight free at least. */
static size_t places_for(size_t n)
{
    size_t places = FIRST_PLACES;
    while (places - places / 8 < n)
        places *= 2;
    return n ? places : 0;
}

static void make_room(struct records *r)
{
    if (r->used + 1 > r->places - r->places / 8 || !r->places)
        resize(r, places_for(r->n + 1 + r->n / 16));
}

/* --- records --- */

static void drop(struct records *r, size_t place)
{
    size_t size = entry_size(record_of(entry_at(r, place)));
    slab_free(&slab, r->refs[place], size);
    r->tags[place] = WAS_USED;
    r->bytes -= size;
    r->n--;
}

static uint32_t entry_new(const struct kube_record *obj)
{
    uint32_t ref = slab_alloc(&slab, entry_size(obj));
    struct entry *e = slab_at(&slab, ref);
    e->marks = MARK_LISTED;
    memcpy(e->record, obj, kube_record_size(obj));
    return ref;
}

static bool has_room(struct records *r, size_t more, size_t bytes)
{
    bool room = r->n + more <= RECORDS_MAX && r->bytes + bytes <= RECORDS_BYTES_MAX;
    r->full |= !room;
    r->refused |= !room;
    return room;
}

static bool add(struct records *r, const struct key *k, const struct kube_record *obj)
{
    if (!has_room(r, 1, entry_size(obj)))
        return false;
    make_room(r);
    set_place(r, k->hash, entry_new(obj));
    r->bytes += entry_size(obj);
    r->n++;
    return true;
}

static bool replace(struct records *r, size_t place, const struct kube_record *obj)
{
    struct entry *e = entry_at(r, place);
    size_t old = entry_size(record_of(e)), now = entry_size(obj);
    e->marks |= MARK_LISTED;
    if (kube_record_compare(obj, record_of(e)) <= 0 || !has_room(r, 0, now > old ? now - old : 0))
        return false;
    r->bytes += now - old;
    if (slab_same(old, now)) {
        slab_resize(&slab, r->refs[place], now);
        e->marks = MARK_LISTED;
        memcpy(e->record, obj, kube_record_size(obj));
    } else {
        slab_free(&slab, r->refs[place], old);
        r->refs[place] = entry_new(obj);
    }
    return true;
}

const struct kube_record *records_find(const struct records *r, const char *ns, const char *name)
{
    struct key k;
    size_t place = make_key(ns, name, &k) ? find(r, &k) : r->places;
    return place < r->places ? record_of(entry_at(r, place)) : NULL;
}

bool records_view(const struct records *r, const char *ns, const char *name, struct kube_view *ret)
{
    const struct kube_record *found = records_find(r, ns, name);
    if (found)
        kube_record_view(found, ret);
    return found != NULL;
}

bool records_put(struct records *r, const struct kube_record *obj)
{
    struct key k;
    if (!make_key(kube_record_ns(obj), kube_record_name(obj), &k))
        return false;
    size_t place = find(r, &k);
    return place < r->places ? replace(r, place, obj) : add(r, &k, obj);
}

bool records_remove(struct records *r, const char *ns, const char *name)
{
    struct key k;
    size_t place = make_key(ns, name, &k) ? find(r, &k) : r->places;
    if (place == r->places)
        return false;
    drop(r, place);
    return true;
}

const struct kube_record *records_next(const struct records *r, size_t *at)
{
    while (*at < r->places && !is_record(r, *at))
        ++*at;
    return *at < r->places ? record_of(entry_at(r, (*at)++)) : NULL;
}

void records_list_begin(struct records *r)
{
    r->refused = false;
    for (size_t i = 0; i < r->places; i++)
        if (is_record(r, i))
            entry_at(r, i)->marks &= (unsigned char)~MARK_LISTED;
}

size_t records_list_end(struct records *r)
{
    size_t gone = 0;
    for (size_t i = 0; i < r->places; i++) {
        if (!is_record(r, i) || entry_at(r, i)->marks & MARK_LISTED)
            continue;
        drop(r, i);
        gone++;
    }
    if (places_for(r->n) * 2 < r->places)
        resize(r, places_for(r->n));
    r->synced = true;
    r->full = r->refused;
    return gone;
}

void records_done(struct records *r)
{
    for (size_t i = 0; i < r->places; i++)
        if (is_record(r, i))
            drop(r, i);
    free(r->refs);
    free(r->tags);
    *r = (struct records){0};
}

static struct entry *entry_of(const struct kube_record *held)
{
    return (struct entry *)((uintptr_t)held - offsetof(struct entry, record));
}

bool records_verified(const struct kube_record *held)
{
    return entry_of(held)->marks & MARK_VERIFIED;
}

void records_set_verified(struct records *r, const struct kube_record *held)
{
    (void)r;
    entry_of(held)->marks |= MARK_VERIFIED;
}

int records_compare_versions(const char *a, const char *b)
{
    int64_t x, y;
    if (str_to_i64(a, 0, INT64_MAX, &x) < 0 || str_to_i64(b, 0, INT64_MAX, &y) < 0)
        return 1;
    return (x > y) - (x < y);
}

size_t records_memory(void)
{
    return slab.bytes;
}
