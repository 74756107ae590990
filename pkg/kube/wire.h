/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf on the wire (protobuf.dev, "Encoding"), and the envelope of Kubernetes around it
 * (k8s.io/apimachinery, runtime/serializer/protobuf). The reader of objects is kube_read_proto of kube/schema.h. */
#ifndef KUBE_WIRE_H
#define KUBE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum kube_wire_type {
    KUBE_WIRE_VARINT = 0,
    KUBE_WIRE_64 = 1,
    KUBE_WIRE_BYTES = 2,
    KUBE_WIRE_32 = 5, /* 3 and 4 are groups, which Kubernetes never uses */
};

enum { KUBE_WIRE_MAGIC = 4 /* bytes of "k8s\0" */ };
/* Does it begin with "k8s\0"? */
bool kube_wire_is_enveloped(const void *data, size_t len);

struct kube_wire_envelope {
    const char *kind, *raw; /* borrowed from the data; raw is the object */
    size_t kind_len, raw_len;
};

/* -1 with err (ERR_INVALID) when it is no envelope, has no object, or one that is compressed. */
int kube_wire_open(const void *data, size_t len, struct kube_wire_envelope *ret, struct err *err);

#endif
