/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_RELEASE_H
#define RUNTIME_RELEASE_H

#include <jansson.h>

/* The JSON Patch (RFC 6902) that takes us off an object: our labels, annotations and managedFields
 * entry go, every value stays; guarded by the object's resourceVersion. obj needs metadata only.
 * Owned. */
json_t *release_patch(const json_t *obj);

#endif
