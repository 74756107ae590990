/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/decode.h"

#include <strings.h>

enum kube_encoding kube_encoding_of(const char *content_type)
{
    static const char proto[] = "application/vnd.kubernetes.protobuf";
    size_t n = sizeof proto - 1;
    if (!content_type || strncasecmp(content_type, proto, n) != 0)
        return KUBE_ENCODING_JSON;
    char c = content_type[n];
    return c == '\0' || c == ';' || c == ' ' ? KUBE_ENCODING_PROTO : KUBE_ENCODING_JSON;
}

int kube_read(enum kube_encoding e, const struct kube_field *table, const char *data, size_t len,
              kube_value_cb *cb, void *arg, struct err *err)
{
    return e == KUBE_ENCODING_PROTO ? kube_read_proto(table, data, len, cb, arg, err)
                                    : kube_read_json(table, data, len, cb, arg, err);
}
