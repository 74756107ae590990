/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

#include "base/mem.h"
#include "kubesim/conn.h"

bool sim_gzip(const void *data, size_t len, struct buf *ret)
{
    enum { GZIP = 16 + 15, MEMORY = 8 };
    z_stream z = {0};
    if (len > UINT_MAX || deflateInit2(&z, 1, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    auto_free unsigned char *chunk = xmalloc(SIM_ROUND);
    z.next_in = data;
    z.avail_in = (uInt)len;
    int r = Z_OK;
    while (r == Z_OK && ret->len < len) {
        z.next_out = chunk;
        z.avail_out = SIM_ROUND;
        r = deflate(&z, Z_FINISH);
        if (buf_append(ret, chunk, SIM_ROUND - z.avail_out) < 0)
            break;
    }
    deflateEnd(&z);
    if (r == Z_STREAM_END && ret->len < len)
        return true;
    buf_done(ret);
    return false;
}
