/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the order in which a fleet's objects went. */
#ifndef CONTROLLER_MESH_DELETION_TEST_H
#define CONTROLLER_MESH_DELETION_TEST_H

#include "mesh/fleet_test.h"

/* The place of the first deletion that starts so; the number of all when there is none. */
static inline size_t fleet_deletion(const struct fleet *f, const char *start)
{
    size_t i;
    json_t *v;
    json_array_foreach (f->deleted, i, v) {
        if (str_starts(json_string_value(v), start))
            return i;
    }
    return json_array_size(f->deleted);
}

#endif
