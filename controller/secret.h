/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of Secrets that are made here. */
#ifndef CONTROLLER_SECRET_H
#define CONTROLLER_SECRET_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Sets data.<key>. */
void secret_set_data(json_t *body, const char *key, const void *data, size_t len);
/* Annotations PLAN_ANNOTATION_ISSUED and _EXPIRES: of what is in it; body has annotations. Seconds since 1970. */
void secret_set_times(json_t *body, int64_t issued, int64_t expires);
/* Overwrites what is in data. */
void secret_wipe(json_t *body);

#endif
