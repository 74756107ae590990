/* SPDX-License-Identifier: Apache-2.0 */
/* Stops the writes to a server that fails them. After BREAKER_FAILURES failures in a row, of different objects and with
 * no answer in between that shows progress, it opens: nothing is sent for a while, then one write as a probe. An answer
 * closes it; a failure opens it again for longer. Pure: time is given. One per server, so that none stops another. */
#ifndef RUNTIME_BREAKER_H
#define RUNTIME_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
    BREAKER_FAILURES = 5,
    BREAKER_MIN_MS = 1000,
    BREAKER_MAX_MS = 60000,
};

/* {0} is closed. */
struct breaker {
    uint64_t failed[BREAKER_FAILURES]; /* hashes of the objects, n of them */
    int n;
    bool open, probing; /* probing: the one write is on its way */
    int times;          /* opened in a row */
    int64_t until_ms;   /* no write before, while open */
    int code;           /* HTTP status of the failure that opened it; 0: no answer at all */
};

/* Whether a write may be begun now. */
bool breaker_allows(const struct breaker *b, int64_t now_ms);
/* A write is begun, which is allowed; returns whether it is the probe. */
bool breaker_begin(struct breaker *b);
/* It ended; err NULL: success. Transient and throttled errors are failures (a wait that the server asks for is kept);
 * any other HTTP status shows that the server works. object: its name; seed: of the jitter. */
void breaker_end(struct breaker *b, bool probe, const char *object, const struct err *err,
                 const char *seed, int64_t now_ms);
/* It ended without having been sent. */
void breaker_abandon(struct breaker *b, bool probe);

/* When the next write is allowed, in ms from now; -1 when time does not change that. */
int64_t breaker_next_ms(const struct breaker *b, int64_t now_ms);

#endif
