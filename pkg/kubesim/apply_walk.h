/* SPDX-License-Identifier: Apache-2.0 */
/* What server-side apply does with values of a type: compare, merge, remove. Source: structured-merge-diff, typed. */
#ifndef KUBESIM_APPLY_WALK_H
#define KUBESIM_APPLY_WALK_H

#include <jansson.h>

#include "kubesim/fields.h"
#include "kubesim/lists.h"

struct sim_changes {
    struct sim_fields added, modified, removed;
};
void sim_changes_done(struct sim_changes *c);
#define auto_changes __attribute__((cleanup(sim_changes_done))) struct sim_changes

/* From a to b. Both may be NULL. */
struct sim_changes sim_compare(const struct sim_type *t, const json_t *a, const json_t *b);
/* The leaves and list items that v says something about. */
struct sim_fields sim_fields_of(const struct sim_type *t, const json_t *v);
/* b laid over a; a new reference. Items keep a's order, those of both have b's. */
json_t *sim_merge(const struct sim_type *t, const json_t *a, const json_t *b);
/* v without the members of s; a new reference, null when nothing is left. */
json_t *sim_without(const struct sim_type *t, const json_t *v, const struct sim_fields *s);
/* Makes each declared field that has children a member. */
void sim_fields_name(const struct sim_type *t, struct sim_fields *s);
/* Drops null where the type does not know it as a value. */
void sim_drop_nulls(const struct sim_type *t, json_t *v);
/* The path of two items of a map or set with the same key, owned; NULL when there is none. */
char *sim_find_duplicate(const struct sim_type *t, const json_t *v);

/* Iterates without the const that jansson's iterators lack. */
#define SIM_EACH(obj, key, value)                                                                  \
    for (void *it_ = json_object_iter((json_t *)(uintptr_t)(obj));                                 \
         it_ && (key = json_object_iter_key(it_)) && (value = json_object_iter_value(it_));        \
         it_ = json_object_iter_next((json_t *)(uintptr_t)(obj), it_))

#endif
