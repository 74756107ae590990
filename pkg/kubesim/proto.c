/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/proto.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply.h"
#include "json/jx.h"

enum { VARINT_MAX = 10, NANO_DIGITS = 9 };

static size_t put_varint(uint64_t v, unsigned char out[VARINT_MAX])
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (unsigned char)(v | 0x80);
    out[n++] = (unsigned char)v;
    return n;
}

static int add_tag(struct buf *out, unsigned number, unsigned wire, uint64_t v)
{
    unsigned char head[2 * VARINT_MAX];
    size_t n = put_varint(number << 3 | wire, head);
    n += put_varint(v, head + n);
    return buf_append(out, head, n);
}

static int add_bytes(struct buf *out, unsigned number, const void *data, size_t len)
{
    if (add_tag(out, number, PROTO_BYTES, len) < 0)
        return -1;
    return buf_append(out, data, len);
}

/* A message of unknown length: its tag and one byte for the length, which message_end makes wider when it must. */
static int message_begin(struct buf *out, unsigned number, size_t *ret_start)
{
    if (add_tag(out, number, PROTO_BYTES, 0) < 0)
        return -1;
    *ret_start = out->len;
    return 0;
}

static int message_end(struct buf *out, size_t start)
{
    unsigned char head[VARINT_MAX];
    size_t len = out->len - start, n = put_varint(len, head);
    if (buf_append(out, head, n - 1) < 0)
        return -1;
    if (n > 1)
        memmove(out->data + start + n - 1, out->data + start, len);
    memcpy(out->data + start - 1, head, n);
    return 0;
}

static int add_message(struct buf *out, const struct proto_message *m, const json_t *v);

static int add_string(struct buf *out, unsigned number, const json_t *v)
{
    return json_is_string(v) ? add_bytes(out, number, json_string_value(v), json_string_length(v))
                             : -1;
}

static int add_base64(struct buf *out, unsigned number, const json_t *v)
{
    size_t len;
    auto_free char *data = json_is_string(v) ? jx_unb64(json_string_value(v), &len) : NULL;
    return data ? add_bytes(out, number, data, len) : -1;
}

static int add_entry(struct buf *out, unsigned number, const char *key, const json_t *v,
                     enum proto_type type)
{
    size_t start;
    if (message_begin(out, number, &start) < 0 || add_bytes(out, 1, key, strlen(key)) < 0)
        return -1;
    if ((type == MAP ? add_string : add_base64)(out, 2, v) < 0)
        return -1;
    return message_end(out, start);
}

static int add_map(struct buf *out, unsigned number, const json_t *v, enum proto_type type)
{
    if (!json_is_object(v))
        return -1;
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it;
         it = json_object_iter_next((json_t *)(uintptr_t)v, it))
        if (add_entry(out, number, json_object_iter_key(it), json_object_iter_value(it), type) < 0)
            return -1;
    return 0;
}

/* The fraction of an RFC 3339 time in nanoseconds. */
static uint64_t nanos(const char *s)
{
    const char *dot = strchr(s, '.');
    uint64_t v = 0;
    if (!dot++)
        return 0;
    for (int i = 0; i < NANO_DIGITS; i++)
        v = v * 10 + (uint64_t)(*dot >= '0' && *dot <= '9' ? *dot++ - '0' : 0);
    return v;
}

static int add_time(struct buf *out, unsigned number, const json_t *v, enum proto_type type)
{
    const char *s = json_string_value(v);
    int64_t seconds;
    size_t start;
    if (!s || clock_parse(s, &seconds) < 0 || message_begin(out, number, &start) < 0)
        return -1;
    uint64_t fraction = type == MICROTIME ? nanos(s) : 0;
    if (add_tag(out, 1, PROTO_VARINT, (uint64_t)seconds) < 0)
        return -1;
    if (fraction && add_tag(out, 2, PROTO_VARINT, fraction) < 0)
        return -1;
    return message_end(out, start);
}

static int add_int_or_string(struct buf *out, unsigned number, const json_t *v)
{
    size_t start;
    if (message_begin(out, number, &start) < 0)
        return -1;
    if (json_is_integer(v)) {
        if (add_tag(out, 1, PROTO_VARINT, 0) < 0 ||
            add_tag(out, 2, PROTO_VARINT, (uint64_t)json_integer_value(v)) < 0)
            return -1;
    } else if (add_tag(out, 1, PROTO_VARINT, 1) < 0 || add_string(out, 3, v) < 0) {
        return -1;
    }
    return message_end(out, start);
}

static int append_text(const char *text, size_t len, void *out)
{
    return buf_append(out, text, len);
}

static int add_raw_json(struct buf *out, unsigned number, const json_t *v)
{
    size_t outer, inner;
    if (message_begin(out, number, &outer) < 0 || message_begin(out, 1, &inner) < 0)
        return -1;
    if (json_dump_callback(v, append_text, out, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
        return -1;
    return message_end(out, inner) < 0 ? -1 : message_end(out, outer);
}

static int add_child(struct buf *out, const struct proto_field *f, const json_t *v)
{
    size_t start;
    if (!json_is_object(v) || message_begin(out, f->number, &start) < 0 ||
        add_message(out, f->message, v) < 0)
        return -1;
    return message_end(out, start);
}

static int add_value(struct buf *out, const struct proto_field *f, const json_t *v)
{
    switch ((enum proto_type)f->type) {
    case STRING:
        return add_string(out, f->number, v);
    case BOOL:
        return json_is_boolean(v) ? add_tag(out, f->number, PROTO_VARINT, json_is_true(v)) : -1;
    case INT:
        return json_is_integer(v)
                   ? add_tag(out, f->number, PROTO_VARINT, (uint64_t)json_integer_value(v))
                   : -1;
    case MESSAGE:
        return add_child(out, f, v);
    case MAP:
    case BYTES_MAP:
        return add_map(out, f->number, v, f->type);
    case TIME:
    case MICROTIME:
        return add_time(out, f->number, v, f->type);
    case INT_OR_STRING:
        return add_int_or_string(out, f->number, v);
    case RAW_JSON:
        return add_raw_json(out, f->number, v);
    }
    return -1;
}

static int add_field(struct buf *out, const struct proto_field *f, const json_t *v)
{
    if (json_is_null(v))
        return 0;
    if (!(f->flags & REPEATED))
        return add_value(out, f, v);
    if (!json_is_array(v))
        return -1;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (add_value(out, f, json_array_get(v, i)) < 0)
            return -1;
    return 0;
}

static int add_message(struct buf *out, const struct proto_message *m, const json_t *v)
{
    for (size_t i = 0; i < m->n; i++) {
        const json_t *field = json_object_get(v, m->fields[i].name);
        if (field && add_field(out, &m->fields[i], field) < 0)
            return -1;
    }
    return 0;
}

bool sim_proto_has(const char *group, const char *kind)
{
    return proto_of_kind(group, kind);
}

int sim_proto_object(const char *group, const char *kind, const json_t *obj, struct buf *out)
{
    const struct proto_message *m = proto_of_kind(group, kind);
    return m && json_is_object(obj) ? add_message(out, m, obj) : -1;
}

static size_t bytes_size(size_t len)
{
    unsigned char head[VARINT_MAX];
    return 1 + put_varint(len, head) + len;
}

static size_t type_size(const char *api_version, const char *kind)
{
    return bytes_size(strlen(api_version)) + bytes_size(strlen(kind));
}

static size_t envelope_size(const char *api_version, const char *kind, size_t len)
{
    return strlen("k8s") + 1 + bytes_size(type_size(api_version, kind)) + bytes_size(len);
}

int sim_proto_envelope(const char *api_version, const char *kind, const void *raw, size_t len,
                       struct buf *out)
{
    if (buf_append(out, "k8s", sizeof "k8s") < 0 ||
        add_tag(out, 1, PROTO_BYTES, type_size(api_version, kind)) < 0 ||
        add_bytes(out, 1, api_version, strlen(api_version)) < 0 ||
        add_bytes(out, 2, kind, strlen(kind)) < 0)
        return -1;
    return add_bytes(out, 2, raw, len);
}

int sim_proto_list_meta(const char *version, const char *next_page, int64_t remaining,
                        struct buf *out)
{
    size_t start;
    if (message_begin(out, 1, &start) < 0 || add_bytes(out, 2, version, strlen(version)) < 0)
        return -1;
    if (next_page && *next_page && add_bytes(out, 3, next_page, strlen(next_page)) < 0)
        return -1;
    if (remaining > 0 && add_tag(out, 4, PROTO_VARINT, (uint64_t)remaining) < 0)
        return -1;
    return message_end(out, start);
}

int sim_proto_list_item(const void *item, size_t len, struct buf *out)
{
    return add_bytes(out, 2, item, len);
}

int sim_proto_event(const char *type, const char *api_version, const char *kind, const void *object,
                    size_t len, struct buf *out)
{
    size_t raw = envelope_size(api_version, kind, len);
    size_t all = bytes_size(strlen(type)) + bytes_size(bytes_size(raw));
    unsigned char head[] = {(unsigned char)(all >> 24), (unsigned char)(all >> 16),
                            (unsigned char)(all >> 8), (unsigned char)all};
    if (buf_append(out, head, sizeof head) < 0 || add_bytes(out, 1, type, strlen(type)) < 0 ||
        add_tag(out, 2, PROTO_BYTES, bytes_size(raw)) < 0 || add_tag(out, 1, PROTO_BYTES, raw) < 0)
        return -1;
    return sim_proto_envelope(api_version, kind, object, len, out);
}
