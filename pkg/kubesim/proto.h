/* SPDX-License-Identifier: Apache-2.0 */
/* The tables behind sim_proto_*: which field of which message has which number and JSON name. One table serves both
 * directions. Source: the protobuf and json tags of k8s.io/api and apimachinery, v0.37.2. */
#ifndef KUBESIM_PROTO_H
#define KUBESIM_PROTO_H

#include <stddef.h>
#include <stdint.h>

enum proto_type {
    STRING,
    BOOL,
    INT,
    MESSAGE,
    MAP,           /* of strings */
    BYTES_MAP,     /* of bytes, base64 in JSON */
    TIME,          /* seconds and nanoseconds, RFC 3339 in JSON */
    MICROTIME,     /* the same with six digits of fraction */
    INT_OR_STRING, /* type, number, string */
    RAW_JSON,      /* FieldsV1: JSON text in a message */
};

enum {
    REPEATED = 1,
    KEEP = 2, /* JSON has it when it is zero too: a pointer in Go, or no omitempty */
};

struct proto_message;
struct proto_field {
    uint8_t number;
    uint8_t type; /* enum proto_type */
    uint8_t flags;
    const char *name;
    const struct proto_message *message; /* of MESSAGE */
};
struct proto_message {
    const struct proto_field *fields;
    size_t n;
};

enum { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

/* NULL when the kind has no table. */
const struct proto_message *proto_of_kind(const char *group, const char *kind);

#endif
