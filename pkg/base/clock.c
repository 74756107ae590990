/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdbool.h>
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
    if (!gmtime_r(&t, &tm) || strftime(out, CLOCK_RFC3339_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}

/* Does s begin with this form? 'd' in it stands for a digit, all else for itself. */
static bool has_form(const char *s, const char *form)
{
    for (; *form; s++, form++)
        if (*form == 'd' ? *s < '0' || *s > '9' : *s != *form)
            return false;
    return true;
}

/* "Z", "+02:00" or "-02:00", and nothing behind it. */
static int parse_zone(const char *s, long *ret_seconds)
{
    *ret_seconds = 0;
    if (strcmp(s, "Z") == 0)
        return 0;
    if ((*s != '+' && *s != '-') || !has_form(s + 1, "dd:dd") || s[6])
        return -1;
    int hours = (s[1] - '0') * 10 + s[2] - '0', minutes = (s[4] - '0') * 10 + s[5] - '0';
    if (hours > 23 || minutes > 59)
        return -1;
    *ret_seconds = (*s == '-' ? -60L : 60L) * (hours * 60 + minutes);
    return 0;
}

int clock_parse(const char *s, int64_t *ret_wall_s)
{
    struct tm tm = {0};
    if (!s ||
        !has_form(s, "dddd-dd-ddTdd:dd:dd")) /* strptime alone takes spaces and single digits */
        return -1;
    const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!p)
        return -1;
    if (has_form(p, ".d"))
        p += 1 + strspn(p + 1, "0123456789");
    long offset;
    int day = tm.tm_mday;
    int64_t t = (int64_t)timegm(&tm);
    if (parse_zone(p, &offset) < 0 || tm.tm_mday < day) /* February 30 became March 2 */
        return -1;
    *ret_wall_s = t - offset;
    return 0;
}
