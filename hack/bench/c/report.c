/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/str.h"
#include "bench.h"

static long status(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    if (!at)
        return 0;
    at += strlen(name);
    at += strspn(at, " \t");
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)strspn(at, "0123456789"), at);
    int64_t n = 0;
    return str_to_i64(digits, 0, LONG_MAX, &n) == 0 ? (long)n : 0;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *start = getenv("BENCH_START"); /* nanoseconds since 1970 */
    int64_t began = 0;
    if (!start || str_to_i64(start, 0, INT64_MAX, &began) < 0)
        return 0;
    return (double)(now.tv_sec * INT64_C(1000000000) + now.tv_nsec - began) / 1e6;
}

void report(const struct bench *b, const char *at)
{
    char text[8192] = "";
    FILE *f = fopen("/proc/self/status", "re");
    if (f) {
        text[fread(text, 1, sizeof text - 1, f)] = 0;
        fclose(f);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    size_t objects = 0;
    for (size_t i = 0; i < b->n; i++)
        objects += b->caches[i].records.n;
    printf("{\"at\":\"%s\",\"wall_ms\":%.3f,\"cpu_s\":%.6f,\"rss_kb\":%ld,\"hwm_kb\":%ld,"
           "\"threads\":%ld,"
           "\"objects\":%zu,\"events\":%llu}\n",
           at, wall_ms(), seconds(u.ru_utime) + seconds(u.ru_stime), status(text, "\nVmRSS:"),
           status(text, "\nVmHWM:"), status(text, "\nThreads:"), objects,
           (unsigned long long)b->events);
    fflush(stdout);
}
