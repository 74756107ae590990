/* SPDX-License-Identifier: Apache-2.0 */
/* The records of one watched collection of one cluster, by namespace and name. Not the objects: their projections. */
#ifndef RUNTIME_RECORDS_H
#define RUNTIME_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#include "kube/project.h"

enum { RECORD_INTENT_MAX = 65 };

struct record {
    struct kube_record *obj; /* owned */
    bool listed;             /* seen in the list that is being read */
    /* The intent for which the ownership of all fields was verified against obj, or "": reset with obj. */
    char verified[RECORD_INTENT_MAX];
    UT_hash_handle hh;
    char key[]; /* "namespace/name" */
};

struct records {
    struct record *all;
    bool synced; /* the first list is complete */
};

/* Borrowed; ns NULL for cluster scope. NULL when absent. */
struct record *records_find(const struct records *r, const char *ns, const char *name);
/* Takes obj. An object older than the one held (resourceVersion of the same UID) is dropped: returns false. */
bool records_put(struct records *r, struct kube_record *obj);
bool records_remove(struct records *r, const char *ns, const char *name);
/* A list begins, and is complete: what was not put in between goes. Returns how many went. */
void records_list_begin(struct records *r);
size_t records_list_end(struct records *r);
void records_done(struct records *r);

/* Compares resourceVersions as numbers, as KEP-5504 allows: <0, 0, >0; what is no number is newer. */
int records_compare_versions(const char *a, const char *b);

#endif
