/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to JSON values and back (libyaml). Reads what kubectl reads: YAML 1.1 booleans (y, n, yes, on, off ... in their
 * three cases) and null for plain scalars, integers (decimal, 0x, 0o, leading-0 octal), floats; quoted scalars stay
 * strings; "<<" is refused. */
#ifndef YAML_YAML_H
#define YAML_YAML_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    YAML_BYTES_MAX = 4 * 1048576,
    YAML_DEPTH_MAX = 64,
    YAML_NODES_MAX = 200000,
    YAML_ALIASES_MAX = 0, /* anchors are refused in what comes from outside: no "billion laughs" */
};

/* A JSON array with one value per document (empty documents dropped), new reference; NULL with *err naming line and
 * column. Duplicate keys in one mapping are refused. */
json_t *yaml_load_all(const char *data, size_t len, struct err *err);

/* The same where exactly one document is wanted. */
json_t *yaml_load(const char *data, size_t len, struct err *err);

/* Appends v as block YAML, keys sorted, two spaces, multi-line strings as literal blocks, strings quoted exactly where
 * a reader would take them for another type. Stable: equal values give equal bytes. 0, or -1 when b is full. */
int yaml_dump(const json_t *v, struct buf *b);

/* The same byte for byte as Go's sigs.k8s.io/yaml 1.6 prints it (kubectl, istioctl): single quotes where they are
 * enough, lines of words folded behind column 80, keys in its "natural" order. For files that are compared with such
 * a tool's; yaml_dump is easier on the eye and does not fold. Strings without NUL. 0, or -1 when b is full. */
int yaml_dump_go(const json_t *v, struct buf *b);

#endif
