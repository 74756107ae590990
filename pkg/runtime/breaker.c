/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/breaker.h"

#include "base/str.h"
#include "runtime/backoff.h"
#include "runtime/outcome.h"

bool breaker_allows(const struct breaker *b, int64_t now_ms)
{
    return !b->open || (!b->probing && now_ms >= b->until_ms);
}

bool breaker_begin(struct breaker *b)
{
    b->probing = b->open;
    return b->open;
}

static bool is_failure(const struct err *err)
{
    return err && (err->class == ERR_TRANSIENT || err->class == ERR_THROTTLED);
}

static bool is_answer(const struct err *err)
{
    return !err || err->code >= 400;
}

static void open(struct breaker *b, const struct err *err, const char *seed, int64_t now_ms)
{
    static const struct backoff backoff = {BREAKER_MIN_MS, BREAKER_MAX_MS};
    struct outcome o = outcome_of(err, 0);
    int64_t wait = backoff_wait(&backoff, ++b->times, seed);
    if (o.action == OUTCOME_AFTER && o.delay_ms > wait)
        wait = o.delay_ms;
    b->open = true;
    b->probing = false;
    b->until_ms = now_ms + wait;
    b->code = err->code >= 400 ? err->code : 0;
}

/* Whether it is one more object. */
static bool add(struct breaker *b, const char *object)
{
    uint64_t h = str_hash(object);
    for (int i = 0; i < b->n; i++)
        if (b->failed[i] == h)
            return false;
    b->failed[b->n++] = h;
    return true;
}

void breaker_end(struct breaker *b, bool probe, const char *object, const struct err *err,
                 const char *seed, int64_t now_ms)
{
    if (!is_failure(err)) {
        if (is_answer(err)) /* also of a write begun before it opened */
            *b = (struct breaker){0};
        else
            breaker_abandon(b, probe);
        return;
    }
    if (probe)
        open(b, err, seed, now_ms);
    else if (!b->open && add(b, object) && b->n == BREAKER_FAILURES)
        open(b, err, seed, now_ms);
}

void breaker_abandon(struct breaker *b, bool probe)
{
    if (probe)
        b->probing = false;
}

int64_t breaker_next_ms(const struct breaker *b, int64_t now_ms)
{
    return b->open && !b->probing && b->until_ms > now_ms ? b->until_ms - now_ms : -1;
}
