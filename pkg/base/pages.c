/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"

#include <ctype.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { LINE_MAX_BYTES = 1024 };

static uintptr_t hex(const char *s, const char **end)
{
    uintptr_t v = 0;
    for (; isxdigit((unsigned char)*s); s++)
        v = v << 4 | (uintptr_t)(isdigit((unsigned char)*s) ? *s - '0' : (*s | 32) - 'a' + 10);
    *end = s;
    return v;
}

/* A line of /proc/self/maps (proc(5)): "start-end perms offset device inode path". */
static void page_out(const char *line)
{
    const char *end;
    uintptr_t from = hex(line, &end);
    if (*end != '-')
        return;
    uintptr_t to = hex(end + 1, &end);
    bool code = strncmp(end, " r-xp", 5) == 0, data = strncmp(end, " r--p", 5) == 0;
    if ((!code && !data) || !strchr(end, '/') || to <= from)
        return;
    /* Code is never written, so its pages may be dropped: the next use reads them from the file.
     * Read-only data can hold relocations that are nowhere else: the kernel may page it out, but must
     * keep it. Refused is fine. */
    madvise((void *)from, to - from, code ? MADV_DONTNEED : MADV_PAGEOUT);
}

void pages_give_back(void)
{
    malloc_trim(0);
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return;
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, maps))
        page_out(line);
    fclose(maps);
}
