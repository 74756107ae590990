/* SPDX-License-Identifier: Apache-2.0 */
/* When a call is sent again: a pure decision. */
#ifndef KUBE_RETRY_H
#define KUBE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "http/pool.h"

enum {
    KUBE_RETRY_LOSSES = 3,      /* connection refused or lost */
    KUBE_RETRY_THROTTLES = 5,   /* 429 and 503 with Retry-After */
    KUBE_RETRY_WAIT_MS = 32000, /* all of Retry-After together */
};

struct kube_retry {
    int losses, throttles;
    int64_t waited_ms;
};

/* Milliseconds to wait before the request is sent again, or -1: report what happened. reads: the request changes
 * nothing, and may be sent again even when the server may have taken it. left_ms: what is left of the call's time, in
 * which all that is lost must be repeated. */
int64_t kube_retry_delay(struct kube_retry *r, bool reads, const struct http_result *h,
                         int64_t left_ms, uint64_t random);

/* A step of a xorshift generator: for jitter only. *state is not 0. */
uint64_t kube_random(uint64_t *state);

#endif
