/* SPDX-License-Identifier: Apache-2.0 */
#include "json/jx.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read can be written, and reads back as the same value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_json *v = jx_load((const char *)data, size, NULL);
    if (!v)
        return 0;
    auto_free char *text = jx_dump(v);
    auto_json *again = jx_load(text, strlen(text), NULL);
    if (!again || !json_equal(v, again))
        abort();
    jx_str(v, "a.b");
    if (json_is_object(v))
        jx_merge(again, v);
    return 0;
}
