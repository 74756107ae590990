/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of an environment file that a POSIX shell sources. */
#ifndef MACHINE_ENV_H
#define MACHINE_ENV_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends NAME='value' for each key of an object of strings, whole lines sorted by bytes, quoted as istioctl does: a
 * of none but a few characters stands bare. -1 (ERR_INVALID) when a key is no name of a variable or b is full: such a
 * key could be a command to the shell that reads the file as root. */
int machine_env(const json_t *vars, struct buf *b, struct err *err);

#endif
