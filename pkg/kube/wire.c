/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/wire.h"

#include <string.h>

#include "kube/schema.h"

enum { VARINT_MAX = 10 };

/* What is read from, and where the values go. */
struct reader {
    kube_value_cb *cb;
    void *arg;
    struct err *err;
    unsigned depth;
};

struct span {
    const uint8_t *at, *end;
};

/* One field as it is on the wire: num of a varint, body of what has a length. */
struct token {
    uint32_t number;
    unsigned type;
    uint64_t num;
    struct span body;
};

/* Bits beyond the 64th are dropped, as every reader of protobuf does. */
static int long_varint(struct span *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < VARINT_MAX && s->at < s->end; i++) {
        uint8_t byte = *s->at++;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = v;
            return 0;
        }
    }
    return -1;
}

static inline int varint(struct span *s, uint64_t *ret)
{
    if (s->at < s->end && *s->at < 0x80) {
        *ret = *s->at++;
        return 0;
    }
    return long_varint(s, ret);
}

static inline int cut(struct span *s, uint64_t len, struct span *ret)
{
    if (len > (uint64_t)(s->end - s->at))
        return -1;
    *ret = (struct span){s->at, s->at + len};
    s->at += len;
    return 0;
}

static inline int next(struct span *s, struct token *ret)
{
    uint64_t tag, len;
    if (varint(s, &tag) < 0 || tag > UINT32_MAX || tag >> 3 == 0)
        return -1;
    ret->number = (uint32_t)(tag >> 3);
    ret->type = tag & 7;
    switch (ret->type) {
    case KUBE_WIRE_VARINT:
        return varint(s, &ret->num);
    case KUBE_WIRE_BYTES:
        return varint(s, &len) < 0 ? -1 : cut(s, len, &ret->body);
    case KUBE_WIRE_64:
        return cut(s, 8, &ret->body);
    case KUBE_WIRE_32:
        return cut(s, 4, &ret->body);
    default:
        return -1;
    }
}

static int malformed(struct err *err)
{
    return err_set(err, ERR_INVALID, 0, "the object is not well-formed protobuf");
}

static int give_text(const struct reader *r, uint16_t slot, struct span s)
{
    return r->cb(r->arg, &(struct kube_value){.slot = slot,
                                              .str = (const char *)s.at,
                                              .len = (size_t)(s.end - s.at)});
}

static int give_num(const struct reader *r, uint16_t slot, int64_t num)
{
    return r->cb(r->arg, &(struct kube_value){.slot = slot, .num = num});
}

static int give_step(const struct reader *r, uint16_t slot, enum kube_step step)
{
    return r->cb(r->arg, &(struct kube_value){.slot = slot, .step = step});
}

/* map<string, string> is a list of messages {1: key, 2: value}; what is missing is "". */
static int map_entry(const struct reader *r, uint16_t slot, struct span s)
{
    struct kube_value v = {.slot = slot, .key = "", .str = ""};
    struct token t;
    while (s.at < s.end) {
        if (next(&s, &t) < 0)
            return malformed(r->err);
        if (t.type != KUBE_WIRE_BYTES)
            continue;
        if (t.number == 1) {
            v.key = (const char *)t.body.at;
            v.key_len = (size_t)(t.body.end - t.body.at);
        } else if (t.number == 2) {
            v.str = (const char *)t.body.at;
            v.len = (size_t)(t.body.end - t.body.at);
        }
    }
    return r->cb(r->arg, &v);
}

static int message(struct reader *r, const struct kube_field *table, struct span s);

static int list_element(struct reader *r, const struct kube_field *f, struct span s)
{
    int e = give_step(r, f->slot, KUBE_STEP_BEGIN);
    if (!e)
        e = message(r, f->sub, s);
    return e ? e : give_step(r, f->slot, KUBE_STEP_END);
}

/* A message whose first field is all that counts: Timestamp.seconds, FieldsV1.Raw. */
static int first_field(struct reader *r, const struct kube_field *f, enum kube_type type,
                       struct span s)
{
    const struct kube_field table[] = {{1, NULL, type, f->slot, NULL}, {0}};
    return message(r, table, s);
}

static int field(struct reader *r, const struct kube_field *f, const struct token *t)
{
    bool is_number = f->type == KUBE_TYPE_INT || f->type == KUBE_TYPE_BOOL;
    if (t->type != (is_number ? KUBE_WIRE_VARINT : KUBE_WIRE_BYTES))
        return 0;
    switch (f->type) {
    case KUBE_TYPE_STRING:
    case KUBE_TYPE_STRINGS:
        return give_text(r, f->slot, t->body);
    case KUBE_TYPE_INT:
        return give_num(r, f->slot, (int64_t)t->num);
    case KUBE_TYPE_BOOL:
        return give_num(r, f->slot, t->num != 0);
    case KUBE_TYPE_TIME:
        return first_field(r, f, KUBE_TYPE_INT, t->body);
    case KUBE_TYPE_RAW:
        return first_field(r, f, KUBE_TYPE_STRING, t->body);
    case KUBE_TYPE_MESSAGE:
        return message(r, f->sub, t->body);
    case KUBE_TYPE_LIST:
        return list_element(r, f, t->body);
    case KUBE_TYPE_MAP:
        return map_entry(r, f->slot, t->body);
    }
    return 0;
}

/* Fields mostly come in the order of their numbers, as in the table: the search goes on where it last ended. */
static inline const struct kube_field *find(const struct kube_field *table,
                                            const struct kube_field *from, uint32_t number)
{
    const struct kube_field *f = from->number && from->number <= number ? from : table;
    while (f->number < number && f->number)
        f++;
    return f;
}

static int message(struct reader *r, const struct kube_field *table, struct span s)
{
    const struct kube_field *f = table;
    struct token t;
    int e = 0;
    if (r->depth == KUBE_DEPTH_MAX)
        return err_set(r->err, ERR_INVALID, 0, "the object is nested too deeply");
    r->depth++;
    while (!e && s.at < s.end) {
        if (next(&s, &t) < 0)
            return malformed(r->err);
        f = find(table, f, t.number);
        if (f->number == t.number)
            e = field(r, f, &t);
    }
    r->depth--;
    return e;
}

int kube_read_proto(const struct kube_field *table, const void *data, size_t len, kube_value_cb *cb,
                    void *arg, struct err *err)
{
    struct reader r = {cb, arg, err, 0};
    if (len > KUBE_OBJECT_MAX)
        return err_set(err, ERR_INVALID, 0, "the object has %zu bytes", len);
    if (!len)
        return 0;
    return message(&r, table, (struct span){data, (const uint8_t *)data + len});
}

bool kube_wire_is_enveloped(const void *data, size_t len)
{
    return len >= KUBE_WIRE_MAGIC && memcmp(data, "k8s", KUBE_WIRE_MAGIC) == 0;
}

/* runtime.Unknown */
enum { ENVELOPE_KIND = 1, ENVELOPE_RAW, ENVELOPE_ENCODING };
static const struct kube_field type_meta[] = {
    {2, "kind", KUBE_TYPE_STRING, ENVELOPE_KIND, NULL},
    {0},
};
static const struct kube_field unknown[] = {
    {1, "typeMeta", KUBE_TYPE_MESSAGE, 0, type_meta},
    {2, "raw", KUBE_TYPE_STRING, ENVELOPE_RAW, NULL},
    {3, "contentEncoding", KUBE_TYPE_STRING, ENVELOPE_ENCODING, NULL},
    {0},
};

struct opening {
    struct kube_wire_envelope envelope;
    bool encoded;
};

static int on_envelope(void *arg, const struct kube_value *v)
{
    struct opening *o = arg;
    if (v->slot == ENVELOPE_KIND) {
        o->envelope.kind = v->str;
        o->envelope.kind_len = v->len;
    } else if (v->slot == ENVELOPE_RAW) {
        o->envelope.raw = v->str;
        o->envelope.raw_len = v->len;
    } else {
        o->encoded = v->len > 0;
    }
    return 0;
}

int kube_wire_open(const void *data, size_t len, struct kube_wire_envelope *ret, struct err *err)
{
    struct opening o = {.envelope = {.kind = ""}};
    if (!kube_wire_is_enveloped(data, len))
        return err_set(err, ERR_INVALID, 0, "the object has no envelope");
    if (kube_read_proto(unknown, (const char *)data + KUBE_WIRE_MAGIC, len - KUBE_WIRE_MAGIC,
                        on_envelope, &o, err) < 0)
        return -1;
    if (!o.envelope.raw || o.encoded)
        return err_set(err, ERR_INVALID, 0, "the envelope has %s object",
                       o.encoded ? "an encoded" : "no");
    *ret = o.envelope;
    return 0;
}
