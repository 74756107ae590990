/* SPDX-License-Identifier: Apache-2.0 */
/* Time as an input. Everything that decides by time gets a struct clock, so that tests turn the hands themselves. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*mono_ms)(const struct clock *c); /* monotonic milliseconds: delays, deadlines */
    int64_t (*wall_s)(
        const struct clock *c); /* seconds since 1970, UTC: certificates, tokens, status */
};

extern const struct clock clock_system;

/* A clock that stands still until moved: struct clock_virtual v = CLOCK_VIRTUAL(1000, 1700000000); use &v.clock. */
struct clock_virtual {
    struct clock clock;
    int64_t mono, wall;
};
int64_t clock_virtual_mono(const struct clock *c);
int64_t clock_virtual_wall(const struct clock *c);
#define CLOCK_VIRTUAL(mono_, wall_)                                                                \
    ((struct clock_virtual){{clock_virtual_mono, clock_virtual_wall}, (mono_), (wall_)})
void clock_virtual_advance(struct clock_virtual *v, int64_t ms);

static inline int64_t clock_ms(const struct clock *c)
{
    return c->mono_ms(c);
}
static inline int64_t clock_s(const struct clock *c)
{
    return c->wall_s(c);
}

enum { CLOCK_RFC3339_MAX = 32 };

/* RFC 3339 in UTC with whole seconds ("2026-01-02T03:04:05Z"), as Kubernetes writes it. */
void clock_format(int64_t wall_s, char out[CLOCK_RFC3339_MAX]);
/* The same back (fractions are dropped, offsets understood); -1 when it isn't one. */
int clock_parse(const char *s, int64_t *ret_wall_s);

#endif
