/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that are kept from pass to pass, so that a pass renders only what changed. An object is held as the text that
 * is sent, once for all plans that have it: most of a mesh is the same in every member. It is found by its intent,
 * which is the SHA-256 of all that it is made from. */
#ifndef CONTROLLER_MESH_KEPT_H
#define CONTROLLER_MESH_KEPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "plan/plan.h"

struct kept_object; /* of all plans, by intent; a uthash head: NULL is empty */

struct kept_plan {
    const struct plan_object *
        *objects; /* in the order of the plan; their body is NULL, see kept_body() */
    size_t n;
};

/* Replaces what k holds by the objects of p. */
void kept_take(struct kept_object **all, const struct plan *p, struct kept_plan *k);
void kept_drop(struct kept_object **all, struct kept_plan *k);

/* The objects of a plan in the order of kind, namespace and name, to be found again. */
struct kept_index {
    const struct plan_object **sorted; /* memory of the arena */
    size_t n;
};
struct kept_index kept_index(struct arena *a, const struct kept_plan *k); /* k NULL: empty */
bool kept_has(const struct kept_index *x, const struct gvr *g, const char *ns, const char *name);

/* What is sent for an object of a kept plan: JSON. */
const char *kept_text(const struct plan_object *o, size_t *len);
/* The same as a tree; new reference. */
json_t *kept_body(const struct plan_object *o);

#endif
