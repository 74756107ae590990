/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t system_mono(const struct clock *c)
{
    (void)c;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_wall(const struct clock *c)
{
    (void)c;
    return (int64_t)time(NULL);
}

const struct clock clock_system = {system_mono, system_wall};

int64_t clock_virtual_mono(const struct clock *c)
{
    return ((const struct clock_virtual *)(const void *)c)->mono;
}

int64_t clock_virtual_wall(const struct clock *c)
{
    return ((const struct clock_virtual *)(const void *)c)->wall;
}

void clock_virtual_advance(struct clock_virtual *v, int64_t ms)
{
    v->wall += (v->mono % 1000 + ms) / 1000;
    v->mono += ms;
}

void clock_format(int64_t wall_s, char out[CLOCK_RFC3339_MAX])
{
    time_t t = (time_t)wall_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    if (strftime(out, CLOCK_RFC3339_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}

int clock_parse(const char *s, int64_t *ret_wall_s)
{
    struct tm tm = {0};
    const char *p = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!p)
        return -1;
    if (*p == '.')
        p += 1 + strspn(p + 1, "0123456789");
    struct tm zone = {0};
    if (strcmp(p, "Z") != 0) {
        const char *end = strptime(p, "%z", &zone);
        if (!end || *end)
            return -1;
    }
    *ret_wall_s = (int64_t)timegm(&tm) - zone.tm_gmtoff;
    return 0;
}
