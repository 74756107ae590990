/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply.h"
#include "kubesim/proto.h"
#include "json/jx.h"

/* What is left to read of a message. */
struct wire {
    const unsigned char *p, *end;
};

struct piece {
    uint64_t number, v; /* v: of a varint */
    struct wire bytes;  /* of PROTO_BYTES */
    unsigned wire;
};

enum { NANOS_PER_MICRO = 1000 };

static int get_varint(struct wire *w, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && w->p < w->end; shift += 7) {
        unsigned char c = *w->p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return -1;
}

static int get_bytes(struct wire *w, uint64_t len, struct wire *ret)
{
    if (len > (uint64_t)(w->end - w->p))
        return -1;
    *ret = (struct wire){w->p, w->p + len};
    w->p += len;
    return 0;
}

/* 1: a piece, 0: the end, -1: not protobuf. */
static int next_piece(struct wire *w, struct piece *ret)
{
    uint64_t tag, len;
    if (w->p == w->end)
        return 0;
    ret->bytes = (struct wire){0};
    if (get_varint(w, &tag) < 0 || !(ret->number = tag >> 3))
        return -1;
    switch (ret->wire = tag & 7) {
    case PROTO_VARINT:
        return get_varint(w, &ret->v) < 0 ? -1 : 1;
    case PROTO_BYTES:
        return get_varint(w, &len) < 0 || get_bytes(w, len, &ret->bytes) < 0 ? -1 : 1;
    case PROTO_FIXED64:
        return get_bytes(w, sizeof(uint64_t), &ret->bytes) < 0 ? -1 : 1;
    case PROTO_FIXED32:
        return get_bytes(w, sizeof(uint32_t), &ret->bytes) < 0 ? -1 : 1;
    default:
        return -1;
    }
}

static size_t size(struct wire w)
{
    return (size_t)(w.end - w.p);
}

static json_t *to_string(struct wire w)
{
    return json_stringn(w.p ? (const char *)w.p : "", size(w));
}

static json_t *to_base64(struct wire w)
{
    auto_free char *text = jx_b64(w.p ? w.p : (const void *)"", size(w));
    return json_string(text);
}

static json_t *to_message(const struct proto_message *m, struct wire w);

static int add_entry(json_t *map, struct wire w, enum proto_type type)
{
    struct wire key = {0}, value = {0};
    struct piece p = {0};
    int got;
    while ((got = next_piece(&w, &p)) > 0) {
        if (p.wire != PROTO_BYTES)
            return -1;
        if (p.number == 1)
            key = p.bytes;
        else if (p.number == 2)
            value = p.bytes;
    }
    if (got < 0 || (size(key) && memchr(key.p, '\0', size(key))))
        return -1;
    auto_free char *name = xstrndup(size(key) ? (const char *)key.p : "", size(key));
    return json_object_set_new(map, name, type == MAP ? to_string(value) : to_base64(value));
}

/* The numbers of fields 1 and 2, and the bytes of 1 and 3. */
struct small {
    int64_t v[4];
    struct wire bytes[4];
};

static int get_small(struct wire w, struct small *ret)
{
    struct piece p = {0};
    int got;
    while ((got = next_piece(&w, &p)) > 0) {
        if (p.number >= sizeof ret->v / sizeof *ret->v)
            continue;
        if (p.wire == PROTO_VARINT)
            ret->v[p.number] = (int64_t)p.v;
        else if (p.wire == PROTO_BYTES)
            ret->bytes[p.number] = p.bytes;
    }
    return got;
}

static json_t *to_time(struct wire w, enum proto_type type)
{
    static const int64_t year_10000 = 253402300800, year_1 = -62135596800;
    struct small s = {0};
    char text[CLOCK_RFC3339_MAX + 8];
    if (!size(w))
        return json_null(); /* Go's zero time */
    if (get_small(w, &s) < 0 || s.v[1] < year_1 || s.v[1] >= year_10000 || s.v[2] < 0 ||
        s.v[2] >= 1000000000)
        return NULL;
    clock_format(s.v[1], text);
    if (type == MICROTIME) {
        size_t len = strlen(text) - 1;
        snprintf(text + len, sizeof text - len, ".%06ldZ", (long)(s.v[2] / NANOS_PER_MICRO));
    }
    return json_string(text);
}

static json_t *to_int_or_string(struct wire w)
{
    struct small s = {0};
    if (get_small(w, &s) < 0)
        return NULL;
    if (s.v[1])
        return to_string(s.bytes[3]);
    return json_integer((int32_t)s.v[2]);
}

static json_t *to_json(struct wire w)
{
    struct small s = {0};
    if (get_small(w, &s) < 0)
        return NULL;
    return size(s.bytes[1]) ? jx_load((const char *)s.bytes[1].p, size(s.bytes[1]), NULL)
                            : json_object();
}

static json_t *to_value(const struct proto_field *f, const struct piece *p)
{
    switch ((enum proto_type)f->type) {
    case STRING:
        return to_string(p->bytes);
    case BOOL:
        return json_boolean(p->v);
    case INT:
        return json_integer((json_int_t)p->v);
    case MESSAGE:
        return to_message(f->message, p->bytes);
    case TIME:
    case MICROTIME:
        return to_time(p->bytes, f->type);
    case INT_OR_STRING:
        return to_int_or_string(p->bytes);
    case RAW_JSON:
        return to_json(p->bytes);
    case MAP:
    case BYTES_MAP:
        break;
    }
    return NULL;
}

/* What JSON leaves out: Go writes it all the same when the field is no pointer. */
static bool is_zero(const struct proto_field *f, const struct piece *p, const json_t *v)
{
    if (f->flags & (KEEP | REPEATED))
        return false;
    switch ((enum proto_type)f->type) {
    case STRING:
        return !size(p->bytes);
    case BOOL:
    case INT:
        return !p->v;
    case TIME:
        return !size(p->bytes);
    case INT_OR_STRING:
        return json_is_integer(v) && !json_integer_value(v);
    case MESSAGE: /* Go's JSON has a struct always */
    case MICROTIME:
    case RAW_JSON:
    case MAP:
    case BYTES_MAP:
        break;
    }
    return false;
}

/* The member of the name, made on first need. */
static json_t *member(json_t *obj, const char *name, json_t *(*make)(void))
{
    json_t *v = json_object_get(obj, name);
    if (!v)
        json_object_set_new(obj, name, v = make());
    return v;
}

static int take(const struct proto_field *f, const struct piece *p, json_t *obj)
{
    bool number = f->type == BOOL || f->type == INT;
    if (p->wire != (number ? PROTO_VARINT : PROTO_BYTES))
        return -1;
    if (f->type == MAP || f->type == BYTES_MAP)
        return add_entry(member(obj, f->name, json_object), p->bytes, f->type);
    auto_json *v = to_value(f, p);
    if (!v)
        return -1;
    if (is_zero(f, p, v))
        return 0;
    if (f->flags & REPEATED)
        return json_array_append(member(obj, f->name, json_array), v);
    return json_object_set(obj, f->name, v);
}

static const struct proto_field *field_of(const struct proto_message *m, uint64_t number)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->fields[i].number == number)
            return &m->fields[i];
    return NULL;
}

static json_t *to_message(const struct proto_message *m, struct wire w)
{
    auto_json *obj = json_object();
    struct piece p = {0};
    int got;
    while ((got = next_piece(&w, &p)) > 0) {
        const struct proto_field *f = field_of(m, p.number);
        if (f && take(f, &p, obj) < 0)
            return NULL;
    }
    return got < 0 ? NULL : json_incref(obj);
}

/* runtime.Unknown: 1 the type, 2 the object, 3 its encoding (none that we know), 4 its content type. */
struct unknown {
    struct wire type, raw, encoding;
};

static int get_unknown(const void *data, size_t len, struct unknown *ret)
{
    const unsigned char *p = data;
    struct piece piece = {0};
    if (len < sizeof "k8s" || memcmp(p, "k8s", sizeof "k8s") != 0)
        return -1;
    struct wire w = {p + sizeof "k8s", p + len};
    int got;
    while ((got = next_piece(&w, &piece)) > 0) {
        if (piece.number == 1)
            ret->type = piece.bytes;
        else if (piece.number == 2)
            ret->raw = piece.bytes;
        else if (piece.number == 3)
            ret->encoding = piece.bytes;
    }
    return got < 0 || size(ret->encoding) ? -1 : 0;
}

static const struct proto_field type_fields[] = {
    {1, STRING, 0, "apiVersion", NULL},
    {2, STRING, 0, "kind", NULL},
};
static const struct proto_message type_meta = {type_fields, 2};

static json_t *decode(const struct unknown *u, struct err *err)
{
    auto_json *type = to_message(&type_meta, u->type);
    const char *api_version = jx_str(type, "apiVersion"), *kind = jx_str(type, "kind");
    if (!api_version || !kind) {
        err_set(err, ERR_INVALID, 400, "protobuf: the body has no apiVersion and kind");
        return NULL;
    }
    const char *slash = strchr(api_version, '/');
    auto_free char *group = xstrndup(api_version, slash ? (size_t)(slash - api_version) : 0);
    const struct proto_message *m = proto_of_kind(group, kind);
    if (!m) {
        err_set(err, ERR_INVALID, 415, "protobuf: no table for %.64s, kind %.64s", api_version,
                kind);
        return NULL;
    }
    json_t *obj = to_message(m, u->raw);
    if (obj)
        json_object_update(obj, type);
    else
        err_set(err, ERR_INVALID, 400, "protobuf: the %s cannot be read", kind);
    return obj;
}

json_t *sim_proto_decode(const void *data, size_t len, struct err *err)
{
    struct unknown u = {0};
    if (get_unknown(data, len, &u) < 0) {
        err_set(err, ERR_INVALID, 400, "protobuf: not a Kubernetes envelope");
        return NULL;
    }
    return decode(&u, err);
}
