/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of fields, as metadata.managedFields has them: a tree of path elements, each "f:<name>", "k:<keys as compact
 * JSON, sorted>", "v:<value>" or "i:<index>". A node may be a member, have children, or both. Source:
 * structured-merge-diff, fieldpath. Depth is bounded by that of the JSON they come from. */
#ifndef KUBESIM_FIELDS_H
#define KUBESIM_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct sim_fields {
    char *element; /* NULL at the root */
    bool member;
    struct sim_fields *kids; /* sorted as structured-merge-diff does */
    size_t n, cap;
};

void sim_fields_done(struct sim_fields *s);
#define auto_fields __attribute__((cleanup(sim_fields_done))) struct sim_fields

/* The child of an element, made when absent; and NULL when absent. Valid until s gets another child. */
struct sim_fields *sim_fields_at(struct sim_fields *s, const char *element);
struct sim_fields *sim_fields_find(const struct sim_fields *s, const char *element);

bool sim_fields_empty(const struct sim_fields *s);
struct sim_fields sim_fields_copy(const struct sim_fields *s);

/* In place: s with all of other, without all of other, only what is in other too. */
void sim_fields_add(struct sim_fields *s, const struct sim_fields *other);
void sim_fields_remove(struct sim_fields *s, const struct sim_fields *other);
void sim_fields_keep(struct sim_fields *s, const struct sim_fields *other);
/* Removes members of other with all that is below them. */
void sim_fields_remove_below(struct sim_fields *s, const struct sim_fields *other);

/* Drops the children that are neither members nor have children. */
void sim_fields_tidy(struct sim_fields *s);

/* fieldsV1. Keys that are no path elements are skipped. to_json: a new reference, in structured-merge-diff's order. */
struct sim_fields sim_fields_of_json(const json_t *v);
json_t *sim_fields_to_json(const struct sim_fields *s);

/* An element as messages print it, owned: ".name", "[port=80]", "[=value]". */
char *sim_element_text(const char *element);
/* Calls fn with each member's path as messages print it (".spec.ports[port=80]"), members before children. */
void sim_fields_each(const struct sim_fields *s, void (*fn)(void *arg, const char *path),
                     void *arg);

#endif
