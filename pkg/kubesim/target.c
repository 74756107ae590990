/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/target.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes in place. */
static int decode(char *s)
{
    char *to = s;
    for (; *s; s++, to++) {
        *to = *s;
        if (*s != '%')
            continue;
        int high = hex(s[1]);
        int low = high < 0 ? -1 : hex(s[2]);
        if (low < 0 || high + low == 0)
            return -1;
        *to = (char)(high * 16 + low);
        s += 2;
    }
    *to = '\0';
    return 0;
}

int sim_target_split(char *text, struct sim_target *ret)
{
    static const char prefix[] = "/clusters/";
    if (text[0] != '/')
        return -1;
    char *mark = strchr(text, '?');
    if (mark)
        *mark = '\0';
    *ret = (struct sim_target){"", text, mark ? mark + 1 : ""};
    if (decode(text) < 0)
        return -1;
    if (!str_starts(text, prefix))
        return 0;
    char *name = text + sizeof prefix - 1;
    size_t n = strcspn(name, "/");
    ret->path = name[n] ? name + n : "/";
    /* One byte to the left, so that its NUL does not take the path's first byte. */
    memmove(name - 1, name, n);
    name[-1 + (ptrdiff_t)n] = '\0';
    ret->cluster = name - 1;
    return 0;
}

char *sim_target_of_server_name(const char *name)
{
    static const char suffix[] = ".kubesim";
    if (!name || !str_ends(name, suffix))
        return NULL;
    return xstrndup(name, strlen(name) - (sizeof suffix - 1));
}
