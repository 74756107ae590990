/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: writes protobuf, and shows what a reader said. */
#ifndef KUBE_WIRE_PUT_H
#define KUBE_WIRE_PUT_H

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "kube/schema.h"
#include "kube/wire.h"

/* A field of each type; the slots are the numbers of the fields. Both readers are tested with it. */
static const struct kube_field every_type_inner[] = {
    {1, "a", KUBE_TYPE_STRING, 1, NULL},
    {2, "b", KUBE_TYPE_INT, 2, NULL},
    {0},
};
static const struct kube_field every_type[] = {
    {1, "text", KUBE_TYPE_STRING, 1, NULL},
    {2, "num", KUBE_TYPE_INT, 2, NULL},
    {4, "yes", KUBE_TYPE_BOOL, 4, NULL},
    {5, "time", KUBE_TYPE_TIME, 5, NULL},
    {6, "sub", KUBE_TYPE_MESSAGE, 6, every_type_inner},
    {7, "list", KUBE_TYPE_LIST, 7, every_type_inner},
    {8, "words", KUBE_TYPE_STRINGS, 8, NULL},
    {9, "map", KUBE_TYPE_MAP, 9, NULL},
    {17, "raw", KUBE_TYPE_RAW, 17, NULL},
    {0},
};

static inline void put_varint(struct buf *b, uint64_t v)
{
    char s[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        s[n++] = (char)(v | 0x80);
    s[n++] = (char)v;
    buf_append(b, s, n);
}

static inline void put_num(struct buf *b, uint32_t number, int64_t v)
{
    put_varint(b, (uint64_t)number << 3 | KUBE_WIRE_VARINT);
    put_varint(b, (uint64_t)v);
}

static inline void put_bytes(struct buf *b, uint32_t number, const void *data, size_t len)
{
    put_varint(b, (uint64_t)number << 3 | KUBE_WIRE_BYTES);
    put_varint(b, len);
    buf_append(b, data, len);
}

static inline void put_str(struct buf *b, uint32_t number, const char *s)
{
    put_bytes(b, number, s, strlen(s));
}

/* A message, which is given up. */
static inline void put_sub(struct buf *b, uint32_t number, struct buf *sub)
{
    put_bytes(b, number, sub->data, sub->len);
    buf_done(sub);
}

/* As the server sends it: "k8s\0", typeMeta, raw, and two empty strings. */
static inline void put_envelope(struct buf *b, const char *kind, const void *raw, size_t len)
{
    struct buf type = BUF_INIT(1024);
    put_str(&type, 1, "v1");
    put_str(&type, 2, kind);
    buf_append(b, "k8s", KUBE_WIRE_MAGIC);
    put_sub(b, 1, &type);
    put_bytes(b, 2, raw, len);
    put_str(b, 3, "");
    put_str(b, 4, "");
}

/* kube_value_cb; arg is a struct buf: "3<" and "3>" for the steps of slot 3, "3=text", "3:key=text", "3#num". */
static inline int put_value(void *arg, const struct kube_value *v)
{
    struct buf *b = arg;
    buf_printf(b, "%s%u", b->len ? " " : "", (unsigned)v->slot);
    if (v->step != KUBE_STEP_VALUE)
        return buf_puts(b, v->step == KUBE_STEP_BEGIN ? "<" : ">");
    if (v->key) {
        buf_puts(b, ":");
        buf_append(b, v->key, v->key_len);
    }
    if (!v->str)
        return buf_printf(b, "#%" PRId64, v->num);
    buf_puts(b, "=");
    return buf_append(b, v->str, v->len);
}

#endif
