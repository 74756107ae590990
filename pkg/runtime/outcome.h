/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where the class of an error turns into what the queue does with the key. */
#ifndef RUNTIME_OUTCOME_H
#define RUNTIME_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum outcome_action {
    OUTCOME_DONE,    /* forget the backoff; run again when something changes */
    OUTCOME_BACKOFF, /* run again after the backoff of the failures so far (runtime/backoff.h) */
    OUTCOME_AFTER,   /* run again after delay_ms, backoff forgotten */
    OUTCOME_NOW, /* conflict: read and decide again after delay_ms; it counts as a failure all the same, so that a
                      * storm of conflicts slows down */
    OUTCOME_STOP, /* retrying is useless until spec or Secret change: condition Stalled */
};

struct outcome {
    enum outcome_action action;
    int64_t delay_ms;
};

/* err NULL: success, and requeue_ms > 0 asks for another run. */
struct outcome outcome_of(const struct err *err, int64_t requeue_ms);

/* What a user can do about a write that keeps failing so, to be put behind its message: "; next: ...", or "". */
const char *outcome_next(enum err_class class);

#endif
