/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/yaml.h"

#include <stdint.h>
#include <stdlib.h>

#include "json/jx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read can be written, and reads back as the same value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_json *docs = yaml_load_all((const char *)data, size, NULL);
    if (!docs)
        return 0;
    for (size_t i = 0; i < json_array_size(docs); i++) {
        auto_buf b = BUF_INIT((size_t)YAML_BYTES_MAX);
        if (yaml_dump(json_array_get(docs, i), &b) < 0)
            continue; /* indented it may be much larger */
        auto_json *again = yaml_load(b.data, b.len, NULL);
        if (!again || !json_equal(again, json_array_get(docs, i)))
            abort();
    }
    return 0;
}
