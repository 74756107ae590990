/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBESIM_UNKNOWN_H
#define KUBESIM_UNKNOWN_H

#include <jansson.h>
#include <stdbool.h>

#include "kubesim/kinds.h"

/* The first member of an object that its kind does not have, as ".spec.nonsense"; owned, or NULL. drop: all of them go,
 * of a built-in kind (those of custom ones are pruned elsewhere). Known are custom kinds by their schema, and the
 * built-in ones that have a table of their protobuf. */
char *sim_unknown(const struct sim_kind *k, const json_t *schema, json_t *tree, bool drop);

#endif
