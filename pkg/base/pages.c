/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"

#include <ctype.h>
#include <malloc.h>
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
    if (strncmp(end, " r--p", 5) != 0 && strncmp(end, " r-xp", 5) != 0)
        return;
    if (!strchr(end, '/') || to <= from)
        return;
    madvise((void *)from, to - from, MADV_PAGEOUT); /* a hint: refused is fine */
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
