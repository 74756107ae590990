/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain (unquoted) scalar means: YAML 1.1 as Kubernetes' own tools read it. */
#ifndef YAML_RESOLVE_H
#define YAML_RESOLVE_H

#include <jansson.h>

/* null, truth, integer, real or string; new reference. Integers beyond 64 bits become reals. NULL when JSON has no such
 * value (not UTF-8, infinite, not a number). */
json_t *yaml_resolve(const char *s, size_t n);

#endif
