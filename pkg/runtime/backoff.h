/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait after failures in a row: doubling from min to max, moved by a part of it that
 * follows from a seed, so that what failed together does not come back together, and a test or a
 * replayed incident sees the same times. Pure; the count is the caller's. */
#ifndef RUNTIME_BACKOFF_H
#define RUNTIME_BACKOFF_H

#include <stdint.h>

#include "base/err.h"

enum {
    BACKOFF_JITTER_PERMILLE = 200, /* +-20 % */
    BACKOFF_CONFLICTS = 3          /* so many in a row are answered at once, then they wait too */
};

struct backoff {
    int64_t min_ms, max_ms;
};

/* The wait after `failures` failures in a row (1: the first), in [0.8 min, 1.2 max]; 0 after none. */
int64_t backoff_wait(const struct backoff *b, int failures, const char *seed);

/* Counts an outcome and says how long to wait: err NULL is a success, which forgets. outcome_of()
 * decides: what a server asks for is never cut short (up to a fifth is added), a conflict is tried
 * again at once a few times, what only an edit can mend waits for max_ms. */
int64_t backoff_after(const struct backoff *b, int *failures, const struct err *err,
                      const char *seed);

#endif
