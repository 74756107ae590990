/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/query.h"

#include <ctype.h>
#include <string.h>

void kube_query_add(struct buf *path, const char *key, const char *value)
{
    const char *mark = path->data && strchr(path->data, '?') ? "&" : "?";
    buf_printf(path, "%s%s=", mark, key);
    for (; *value; value++) {
        unsigned char ch = (unsigned char)*value;
        if (isalnum(ch) || strchr("-._~", ch))
            buf_append(path, value, 1);
        else
            buf_printf(path, "%%%02X", ch);
    }
}
