/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

/* False is worse than Unknown, that than True; of two that are alike what needs an edit is worse. */
static int gravity(const struct verdict *v)
{
    if (v->status == COND_TRUE || !v->reason)
        return 0;
    return (v->status == COND_FALSE ? 2 : 1) + (v->stalled ? 1 : 0);
}

struct verdict verdict_worse(struct verdict a, struct verdict b)
{
    return !a.reason || gravity(&b) > gravity(&a) ? b : a;
}

bool verdict_is_momentary(const struct verdict *v, bool told_ready, int64_t now_ms,
                          int64_t *since_ms, int64_t *left_ms)
{
    *left_ms = 0;
    if (v->status == COND_TRUE || !told_ready || v->stalled) {
        *since_ms = 0;
        return false;
    }
    if (!*since_ms)
        *since_ms = now_ms;
    *left_ms = VERDICT_MOMENT_MS - (now_ms - *since_ms);
    return *left_ms > 0;
}
