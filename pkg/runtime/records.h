/* SPDX-License-Identifier: Apache-2.0 */
/* The records of one watched collection of one cluster, by namespace and name.
 *
 * An open-addressing table of 32-bit references into slabs (base/slab.h) that all collections of the process share. A
 * list is followed by a mark on each record: what was not put between list_begin and list_end goes, and a list that
 * breaks off takes nothing away. What clusters can make us hold is bounded. */
#ifndef RUNTIME_RECORDS_H
#define RUNTIME_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/record.h"

enum {
    RECORD_INTENT_MAX = 65, /* an intent as text, with its NUL */
    RECORDS_KEY_MAX = 600,  /* bytes of namespace and name; what has longer ones is not held */
    RECORDS_MAX = 4 * 1024 * 1024,         /* of one collection */
    RECORDS_BYTES_MAX = 512 * 1024 * 1024, /* likewise */
};

/* All zero is an empty one. */
struct records {
    uint32_t *refs; /* 0: never used */
    uint8_t *tags;  /* of the hash, or what the place is */
    size_t places;  /* a power of two, or 0 */
    size_t used;    /* places that are not free: records, and where records were */
    size_t n;       /* records */
    size_t bytes;   /* of them */
    bool synced;    /* the first list is complete */
    bool full;      /* something was not held, for a bound above; until a whole list fitted */
    bool refused;   /* likewise, since the last list began */
};

/* Borrowed until the next put or removal; ns NULL or "" for cluster scope. NULL when absent. */
const struct kube_record *records_find(const struct records *r, const char *ns, const char *name);
/* The same as a view; false when absent. */
bool records_view(const struct records *r, const char *ns, const char *name, struct kube_view *ret);

/* Copies obj. Returns false when nothing changed: it is older than the one held (resourceVersion of the same UID), the
 * same, or not held for a bound. */
bool records_put(struct records *r, const struct kube_record *obj);
bool records_remove(struct records *r, const char *ns, const char *name);

/* All, in no order: begin with *at 0; NULL at the end. Records may be removed meanwhile, but not put. */
const struct kube_record *records_next(const struct records *r, size_t *at);

/* A list begins, and is complete: what was not put in between goes. Returns how many went. */
void records_list_begin(struct records *r);
size_t records_list_end(struct records *r);
void records_done(struct records *r);

/* A note on a record that is held: ownership of all its fields was verified for its intent. Gone when the record
 * changes. */
bool records_verified(const struct kube_record *held);
void records_set_verified(struct records *r, const struct kube_record *held);

/* Compares resourceVersions as numbers, as KEP-5504 allows: <0, 0, >0; what is no number is newer. */
int records_compare_versions(const char *a, const char *b);

/* Bytes of all collections' records in memory, without their tables. */
size_t records_memory(void);

#endif
