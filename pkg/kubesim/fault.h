/* SPDX-License-Identifier: Apache-2.0 */
/* The list of rules, and which of them a request meets. Pure. */
#ifndef KUBESIM_FAULT_H
#define KUBESIM_FAULT_H

#include "kubesim/exchange.h"

struct sim_rules {
    struct sim_rule_entry *list; /* in the order they were added */
    size_t n, cap;
    unsigned last_id;
};
void sim_rules_done(struct sim_rules *rs);
unsigned sim_rules_add(struct sim_rules *rs,
                       const struct sim_rule *r);         /* copies; returns an id > 0 */
void sim_rules_remove(struct sim_rules *rs, unsigned id); /* an unknown id: nothing */

/* The fault for this request (kind NONE: no rule wants it), and counts it for skip and times. Reads of q: cluster,
 * method, path, query, index. */
struct sim_fault sim_rules_match(struct sim_rules *rs, const struct sim_request *q);

/* Whether the query asks for a watch, as the API server reads it: there, and neither "false" nor "0". */
bool sim_is_watch(const struct sim_request *q);

#endif
