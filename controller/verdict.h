/* SPDX-License-Identifier: Apache-2.0 */
/* What a pass found about a part of a resource: becomes a condition of its status. Pure. */
#ifndef CONTROLLER_VERDICT_H
#define CONTROLLER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/conditions.h"

/* Strings are the pass's. */
struct verdict {
    enum cond_status status;
    const char *reason, *message;
    bool stalled; /* only an edit helps */
    bool early;   /* not looked at yet: shortly after the start it is no news */
};

static inline struct verdict verdict_yes(const char *reason, const char *message)
{
    return (struct verdict){.status = COND_TRUE, .reason = reason, .message = message};
}

static inline struct verdict verdict_no(const char *reason, const char *message)
{
    return (struct verdict){.status = COND_FALSE, .reason = reason, .message = message};
}

static inline struct verdict verdict_stalled(const char *reason, const char *message)
{
    return (struct verdict){
        .status = COND_FALSE, .reason = reason, .message = message, .stalled = true};
}

static inline struct verdict verdict_early(const char *reason, const char *message)
{
    return (struct verdict){
        .status = COND_UNKNOWN, .reason = reason, .message = message, .early = true};
}

enum { VERDICT_MOMENT_MS = 2000 };
/* A drift that is repaired within a moment is no news: whether what was told to be ready stays told. since_ms is the
 * caller's, 0 at first; *left_ms: so long at most. */
bool verdict_is_momentary(const struct verdict *v, bool told_ready, int64_t now_ms,
                          int64_t *since_ms, int64_t *left_ms);

/* The worse of two; the first when they are alike, unless it says nothing. */
struct verdict verdict_worse(struct verdict a, struct verdict b);

#endif
