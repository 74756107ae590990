/* SPDX-License-Identifier: Apache-2.0 */
/* What decisions are made from, as bytes: as long as they are equal, so is what follows from them. */
#ifndef CONTROLLER_MESH_FACTS_H
#define CONTROLLER_MESH_FACTS_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* With its NUL, so that no string can look like two. */
static inline void say(struct buf *b, const char *s)
{
    buf_append(b, s ? s : "", s ? strlen(s) + 1 : 1);
}

static inline void say_number(struct buf *b, int64_t n)
{
    buf_append(b, &n, sizeof n);
}

#endif
