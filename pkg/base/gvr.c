/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gvr.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { PATH_BYTES_MAX = 4096, LONGEST_ESCAPE = 4 };

#define NOWHERE "/a-name-that-makes-no-path"

char *gvr_api_version(const struct gvr *g)
{
    return *g->group ? xasprintf("%s/%s", g->group, g->version) : xstrdup(g->version);
}

static void put_segment(struct buf *b, const char *s)
{
    bool only_dots = strspn(s, ".") == strlen(s); /* "..": a URL library would fold it away */
    buf_puts(b, "/");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (isalnum(c) || strchr(only_dots ? "-_~" : "-._~", c))
            buf_append(b, s, 1);
        else
            buf_printf(b, "%%%02X", c);
    }
}

/* A path cut short, or one that ends before the name, would be the collection's: a delete must never go there. */
static bool misleading(const struct buf *b, const char *name)
{
    return b->len + LONGEST_ESCAPE >= PATH_BYTES_MAX || (name && !*name);
}

char *gvr_path(const struct gvr *g, const char *ns, const char *name)
{
    struct buf b = BUF_INIT(PATH_BYTES_MAX);
    buf_puts(&b, *g->group ? "/apis" : "/api");
    if (*g->group)
        put_segment(&b, g->group);
    put_segment(&b, g->version);
    if (g->namespaced && ns) {
        buf_puts(&b, "/namespaces");
        put_segment(&b, ns);
    }
    put_segment(&b, g->plural);
    if (name)
        put_segment(&b, name);
    if (misleading(&b, name)) {
        buf_done(&b);
        return xstrdup(NOWHERE);
    }
    return buf_take(&b);
}
