/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a Gateway, from what was found about it. Pure. */
#ifndef CONTROLLER_GATEWAY_REPORT_H
#define CONTROLLER_GATEWAY_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "verdict.h"

/* One cluster. */
struct gateway_row {
    const char *name;
    const char *const *addresses;
    size_t n_addresses;
    struct verdict v;
};

enum { GATEWAY_ROWS_MAX = 64 };

struct gateway_report {
    struct verdict accepted, resolved;
    struct gateway_row rows[GATEWAY_ROWS_MAX];
    size_t n_rows;
};

/* A row of that name, which is made when there is none; NULL when there are too many. Adding a verdict to a row that
 * has a worse one changes nothing. */
struct gateway_row *gateway_report_row(struct gateway_report *r, const char *name);
void gateway_row_judge(struct gateway_row *row, struct verdict v);
/* Why it is not ready, or the good verdict. */
struct verdict gateway_report_summary(const struct gateway_report *r);

/* New reference. old: the status in the hub, or NULL. */
json_t *gateway_status(const struct gateway_report *r, const json_t *old, int64_t generation,
                       int64_t now);

#endif
