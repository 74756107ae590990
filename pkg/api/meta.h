/* SPDX-License-Identifier: Apache-2.0 */
/* The part of metadata that our kinds' reconcilers read. */
#ifndef API_META_H
#define API_META_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_meta {
    const char *ns;   /* NULL when the object names none (offline input) */
    const char *name; /* never NULL */
    const char *uid, *resource_version, *creation_timestamp; /* NULL offline */
    int64_t generation;
    bool deleting; /* deletionTimestamp is set */
    const char **finalizers;
    size_t n_finalizers;
    const json_t *labels, *annotations; /* string values, or NULL */
};

#endif
