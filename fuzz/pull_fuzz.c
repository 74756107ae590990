/* SPDX-License-Identifier: Apache-2.0 */
#include "decoded.h"
#include "json/jx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JSON from outside: an object, a list, a watch. What the other reader takes for an object is one here too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct decoded d = {.encoding = KUBE_ENCODING_JSON};
    struct err err = {0};
    kube_read_status(KUBE_ENCODING_JSON, text, size, &err);
    if (err.class == ERR_NONE)
        abort();
    decoded_read(&d, text, size);
    auto_json *v = jx_load(text, size, NULL);
    if (json_is_object(v) &&
        kube_read_json(kube_schema(KUBE_RECORD_META), text, size, decoded_value, &d, NULL) != 0)
        abort();
    decoded_same(KUBE_ENCODING_JSON, decoded_list, text, size);
    decoded_same(KUBE_ENCODING_JSON, decoded_watch, text, size);
    return 0;
}
