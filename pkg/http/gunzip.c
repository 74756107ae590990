/* SPDX-License-Identifier: Apache-2.0 */
#include "http/gunzip.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

enum { GZIP_ONLY = 16 }; /* added to the size of the window: zlib.h, inflateInit2 */

struct http_gunzip {
    z_stream z;
    bool complete;
};

struct http_gunzip *http_gunzip_new(void)
{
    struct http_gunzip *g = xcalloc(1, sizeof *g);
    if (inflateInit2(&g->z, GZIP_ONLY + MAX_WBITS) == Z_OK)
        return g;
    free(g);
    return NULL;
}

void http_gunzip_free(struct http_gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}

void http_gunzip_give(struct http_gunzip *g, const void *data, size_t len)
{
    g->z.next_in = (Bytef *)(uintptr_t)data;
    g->z.avail_in = (uInt)len;
}

long http_gunzip_take(struct http_gunzip *g, void *out, size_t size)
{
    if (g->complete)
        return g->z.avail_in ? -1 : 0; /* nothing may follow */
    g->z.next_out = out;
    g->z.avail_out = (uInt)size;
    int r = inflate(&g->z, Z_NO_FLUSH);
    g->complete = r == Z_STREAM_END;
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        return -1;
    return (long)(size - g->z.avail_out);
}

bool http_gunzip_complete(const struct http_gunzip *g)
{
    return g->complete;
}
