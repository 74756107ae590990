/* SPDX-License-Identifier: Apache-2.0 */
#include "decoded.h"
#include "kube/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Protobuf from outside: an object with or without its envelope, a list, a watch. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct decoded d = {.encoding = KUBE_ENCODING_PROTO};
    struct kube_wire_envelope envelope;
    struct err err = {0};
    kube_read_status(KUBE_ENCODING_PROTO, bytes, size, &err);
    if (err.class == ERR_NONE)
        abort();
    decoded_read(&d, bytes, size);
    if (kube_wire_open(bytes, size, &envelope, NULL) == 0)
        decoded_read(&d, envelope.raw, envelope.raw_len);
    decoded_same(KUBE_ENCODING_PROTO, decoded_list, bytes, size);
    decoded_same(KUBE_ENCODING_PROTO, decoded_watch, bytes, size);
    return 0;
}
