/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/outcome.h"

enum {
    CONFLICT_MS = 250,         /* time for the watch to bring what we collided with */
    RETRY_AFTER_MAX_MS = 60000 /* no server silences a key for longer than backoff itself would */
};

static struct outcome throttled(unsigned retry_after_ms)
{
    if (!retry_after_ms)
        return (struct outcome){OUTCOME_BACKOFF, 0};
    int64_t ms = retry_after_ms < RETRY_AFTER_MAX_MS ? (int64_t)retry_after_ms : RETRY_AFTER_MAX_MS;
    return (struct outcome){OUTCOME_AFTER, ms};
}

const char *outcome_next(enum err_class class)
{
    if (class != ERR_FORBIDDEN)
        return "";
    return "; next: give Meshwright this right in the cluster (the chart's values gateways, "
           "machines and revisions say what it may write there)";
}

struct outcome outcome_of(const struct err *err, int64_t requeue_ms)
{
    switch (err ? err->class : ERR_NONE) {
    case ERR_NONE:
        if (requeue_ms > 0)
            return (struct outcome){OUTCOME_AFTER, requeue_ms};
        return (struct outcome){OUTCOME_DONE, 0};
    case ERR_THROTTLED:
        return throttled(err->retry_after_ms);
    case ERR_CONFLICT:
        return (struct outcome){OUTCOME_NOW, CONFLICT_MS};
    case ERR_INVALID:
        return (struct outcome){OUTCOME_STOP, 0};
    case ERR_TRANSIENT:
    case ERR_NOT_FOUND:
    case ERR_EXPIRED:
    case ERR_UNAUTHORIZED: /* a token or a right given later sends us no event: */
    case ERR_FORBIDDEN:    /* only trying again finds out */
    case ERR_BUG:          /* the state that led here may pass; stopping for ever is worse */
        break;
    }
    return (struct outcome){OUTCOME_BACKOFF, 0};
}
