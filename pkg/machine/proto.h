/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of protocol buffers (https://protobuf.dev/programming-guides/json/) as Go's older jsonpb reads and writes
 * it: what istioctl does to a ProxyConfig on its way from the ConfigMap to mesh.yaml. Messages are described by
 * tables. */
#ifndef MACHINE_PROTO_H
#define MACHINE_PROTO_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

enum proto_kind {
    PROTO_STRING,
    PROTO_BOOL,
    PROTO_INT32,
    PROTO_UINT32,
    PROTO_INT64, /* written as a string */
    PROTO_DOUBLE,
    PROTO_DURATION, /* google.protobuf.Duration: "1m30s" is read, "90s" written */
    PROTO_ENUM,
    PROTO_MESSAGE,
};

enum {
    PROTO_LIST = 1, /* repeated */
    PROTO_MAP = 2,  /* map<string, kind> */
    PROTO_KEPT =
        4, /* written though it has its default: a wrapper (google.protobuf.BoolValue) or in a oneof */
    PROTO_ONEOF = 12, /* KEPT, and takes the place of the message's other such fields */
};

struct proto_value {
    const char *name; /* NULL ends a list */
    int number;       /* 0 is the default */
};

struct proto_field {
    const char *name; /* as in the .proto file: "status_port"; NULL ends a list */
    enum proto_kind kind;
    unsigned flags;
    const struct proto_field *message; /* PROTO_MESSAGE */
    const struct proto_value *values;  /* PROTO_ENUM */
};

/* ProxyConfig (istio.mesh.v1alpha1, Istio 1.31) and ReadinessProbe (istio.networking.v1alpha3). */
extern const struct proto_field proto_proxy_config[];
extern const struct proto_field proto_readiness_probe[];

/* Reads the fields of obj over those of into (an object, changed in place), each field as a whole, except that a map or
 * message is not merged. Names may be in either form; null and what the table does not know are skipped. What is in
 * `into` afterwards is in the form that is written: lowerCamelCase, no defaults.
 * -1 (ERR_INVALID, names the field) for a value of another type; then into is half changed. */
int proto_apply(const struct proto_field *type, const json_t *obj, json_t *into, struct err *err);

#endif
