/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backoff.h"

#include <limits.h>

#include "base/str.h"
#include "runtime/outcome.h"

/* In [0, n). */
static int64_t part(const char *seed, int count, int64_t n)
{
    uint64_t h = str_hash(seed) ^ ((unsigned)count * 0x9E3779B97F4A7C15ULL);
    h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDULL;
    h ^= h >> 33;
    return (int64_t)(h % (uint64_t)n);
}

int64_t backoff_wait(const struct backoff *b, int failures, const char *seed)
{
    int64_t ms = failures > 0 ? b->min_ms : 0;
    for (int i = 1; i < failures && ms < b->max_ms; i++)
        ms *= 2;
    ms = ms < b->max_ms ? ms : b->max_ms;
    int64_t permille =
        part(seed, failures, 2 * BACKOFF_JITTER_PERMILLE + 1) - BACKOFF_JITTER_PERMILLE;
    return ms + ms * permille / 1000;
}

int64_t backoff_after(const struct backoff *b, int *failures, const struct err *err,
                      const char *seed)
{
    struct outcome o = outcome_of(err, 0);
    if (o.action == OUTCOME_DONE) {
        *failures = 0;
        return 0;
    }
    if (*failures < INT_MAX)
        ++*failures;
    switch (o.action) {
    case OUTCOME_AFTER:
        return o.delay_ms + o.delay_ms * part(seed, *failures, BACKOFF_JITTER_PERMILLE + 1) / 1000;
    case OUTCOME_NOW:
        return *failures <= BACKOFF_CONFLICTS ? o.delay_ms : backoff_wait(b, *failures, seed);
    case OUTCOME_STOP:
        return b->max_ms;
    case OUTCOME_DONE:
    case OUTCOME_BACKOFF:
        break;
    }
    return backoff_wait(b, *failures, seed);
}
