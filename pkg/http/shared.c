/* SPDX-License-Identifier: Apache-2.0 */
#include "http/shared.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"

/* A loop belongs to one thread, so does what its connections share. */
static _Thread_local struct http_shared *all;

struct http_shared *http_shared_get(uv_loop_t *loop)
{
    struct http_shared *s;
    LL_SEARCH_SCALAR(all, s, loop, loop);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        s->loop = loop;
        if (http_tls_init(&s->tls) < 0) {
            http_tls_done(&s->tls);
            free(s);
            return NULL;
        }
        LL_PREPEND(all, s);
    }
    s->refs++;
    return s;
}

void http_shared_put(struct http_shared *s)
{
    if (--s->refs)
        return;
    LL_DELETE(all, s);
    http_tls_done(&s->tls);
    free(s);
}
