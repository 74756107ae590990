/* SPDX-License-Identifier: Apache-2.0 */
/* How the parts of an object merge: which lists are maps or sets, which objects are one value. Built-in kinds have a
 * table of what is not the rule (lists are one value, objects merge by field); custom resources their schema. Source:
 * the merge schema of client-go/applyconfigurations v0.37.2; x-kubernetes-list-type, -list-map-keys, -map-type. */
#ifndef KUBESIM_LISTS_H
#define KUBESIM_LISTS_H

#include <jansson.h>
#include <stdbool.h>

enum sim_list_type { SIM_LIST_ATOMIC, SIM_LIST_SET, SIM_LIST_MAP };

struct sim_struct;
/* The type of one value; a plain value, made by the functions below. */
struct sim_type {
    enum sim_list_type list; /* when the value is a list */
    bool whole;              /* when it is an object: one value */
    bool whole_items;        /* the same of a list's items */
    bool declared;           /* as a field of its object, not only as one key of a map */
    bool open;               /* nothing is known of what is below */
    const char *keys;        /* of SIM_LIST_MAP: "port=0,protocol=TCP", names with defaults */
    const struct sim_struct *fields; /* what the table knows of it, or NULL */
    const json_t *schema;            /* of a custom resource, or NULL */
};

/* schema: openAPIV3Schema, borrowed; NULL for built-in kinds. */
struct sim_type sim_type_of(const char *group, const char *kind, const json_t *schema);
struct sim_type sim_type_field(const struct sim_type *t, const char *name);
struct sim_type sim_type_item(const struct sim_type *t);
/* The type below a path element. */
struct sim_type sim_type_below(const struct sim_type *t, const char *element);

/* The path element of an item of a set or map ("k:{...}", "v:..."): owned by the caller, NULL when it has none. */
char *sim_type_element(const struct sim_type *t, const json_t *item);
/* The first key of a map: what strategic merge goes by; owned by the caller. NULL when it is no map. */
char *sim_type_merge_key(const struct sim_type *t);

/* Whether null is a value here and not the same as absent. */
bool sim_type_nullable(const struct sim_type *t);

/* Whether the kind (a built-in one) has a status subresource. */
bool sim_kind_has_status(const char *group, const char *kind);
/* The parts of a built-in kind that are there when nobody has written them (structs without a pointer): a new
 * reference, never NULL. */
json_t *sim_kind_zero(const char *group, const char *kind);

#endif
