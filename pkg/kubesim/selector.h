/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors by labels and by fields, as k8s.io/apimachinery (pkg/labels, pkg/fields) reads and words them. */
#ifndef KUBESIM_SELECTOR_H
#define KUBESIM_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "kubesim/store.h"

enum { SIM_TERMS_MAX = 64, SIM_VALUES_MAX = 256 };

enum sim_op { SIM_IN, SIM_NOT_IN, SIM_EXISTS, SIM_NOT_EXISTS };

struct sim_term {
    char *key;
    enum sim_op op;
    char **values;
    size_t n;
};

struct sim_selector {
    struct sim_term *labels, *fields;
    size_t nlabels, nfields;
};

/* Both texts as in a query, percent-decoded; NULL or "": everything. 0, or -1 with *err (ERR_INVALID, the API server's
 * words). Fields that this kind can't be selected by are refused. */
int sim_selector_parse(const struct sim_kind *k, const char *labels, const char *fields,
                       struct sim_selector *ret, struct err *err);
void sim_selector_done(struct sim_selector *s);
static inline bool sim_selector_empty(const struct sim_selector *s)
{
    return s->nlabels == 0 && s->nfields == 0;
}
bool sim_selector_matches(const struct sim_selector *s, const struct sim_kind *k,
                          const struct sim_object *o);

#endif
