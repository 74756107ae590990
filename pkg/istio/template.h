/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders in parsed manifests. "${name}" as a whole string is replaced by a JSON value of any type, or its key
 * (its element) is removed when that value is null; inside a longer string only strings are put
 * in. What is put in is never
 * looked at again, so nothing can be injected. Keys have no placeholders. */
#ifndef ISTIO_TEMPLATE_H
#define ISTIO_TEMPLATE_H

#include <jansson.h>

#include "base/err.h"

/* Fills doc, an object or array, in place with copies from vars (object: name -> value). -1 with *err (ERR_BUG) for a
 * name that vars lacks, a name of vars that doc does not use, a value that does not fit, or bad syntax; doc is then
 * half filled. Names are of a-z, 0-9 and "_". */
int template_fill(json_t *doc, const json_t *vars, struct err *err);

#endif
