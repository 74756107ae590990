/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the built-in kinds, between lists.c and lists_table.c. */
#ifndef KUBESIM_LISTS_PRIV_H
#define KUBESIM_LISTS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kubesim/lists.h"

/* ITEMS: a map whose items are one value each. */
enum { SIM_ROW_STRUCT, SIM_ROW_WHOLE, SIM_ROW_SET, SIM_ROW_MAP, SIM_ROW_ITEMS };

/* A field that is not as the rule has it, or has such fields below. */
struct sim_row {
    const char *name;
    uint8_t how;
    const char *keys;
    const struct sim_struct *type; /* of it, or of its items */
};
struct sim_struct {
    const struct sim_row *rows;
    size_t n;
};
struct sim_kind {
    const char *group, *name;
    const struct sim_struct *type;
    bool status;      /* has the subresource */
    const char *zero; /* JSON, NULL: metadata only */
};

extern const struct sim_struct sim_object; /* metadata, as in each kind */
const struct sim_kind *sim_kind_find(const char *group, const char *name);

#endif
