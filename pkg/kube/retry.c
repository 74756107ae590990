/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/retry.h"

static int64_t after_loss(struct kube_retry *r, int64_t left_ms, uint64_t random)
{
    enum { LEAST_MS = 100, MOST_MS = 1000 };
    int64_t delay = LEAST_MS + (int64_t)(random % (MOST_MS - LEAST_MS + 1));
    if (r->losses >= KUBE_RETRY_LOSSES || delay >= left_ms)
        return -1;
    r->losses++;
    return delay;
}

static int64_t after_throttle(struct kube_retry *r, int64_t asked_ms)
{
    if (r->throttles >= KUBE_RETRY_THROTTLES || asked_ms > KUBE_RETRY_WAIT_MS - r->waited_ms)
        return -1;
    r->throttles++;
    r->waited_ms += asked_ms;
    return asked_ms;
}

int64_t kube_retry_delay(struct kube_retry *r, bool reads, const struct http_result *h,
                         int64_t left_ms, uint64_t random)
{
    if (h->fault == HTTP_UNSENT || (h->fault == HTTP_LOST && reads))
        return after_loss(r, left_ms, random);
    if (h->fault == HTTP_OK && (h->status == 429 || h->status == 503) && h->retry_after_ms > 0)
        return after_throttle(r, h->retry_after_ms);
    return -1;
}

uint64_t kube_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}
