/* SPDX-License-Identifier: Apache-2.0 */
/* Random objects, made in both encodings at once from the tables themselves: what is read is the same, alone, in a list
 * and in a watch, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/decode.h"
#include "kube/wire_put.h"

enum { BYTES_MAX = 4 * 1024 * 1024, ROUNDS = 300, OBJECTS = 8 };

struct random {
    uint64_t seed;
};

static uint64_t next(struct random *r, uint64_t below)
{
    r->seed ^= r->seed << 13; /* xorshift */
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return r->seed % below;
}

/* The same in both encodings. */
struct both {
    struct buf proto, json;
};

static struct both both_new(void)
{
    return (struct both){BUF_INIT(BYTES_MAX), BUF_INIT(BYTES_MAX)};
}

static void both_done(struct both *b)
{
    buf_done(&b->proto);
    buf_done(&b->json);
}

static const char *random_text(struct random *r)
{
    static char longer[1000];
    static const char *const texts[] = {
        "",
        "a",
        "web-7",
        "app.kubernetes.io/name",
        "say \"no\"\\/",
        "\n\t\r\b",
        "caf\xc3\xa9",
        "\xe2\x98\x83 \xf0\x9f\x98\x80",
        "\x01\x1f\x7f",
        "k8s",
    };
    uint64_t n = next(r, 11);
    if (n < 10)
        return texts[n];
    memset(longer, 'x', sizeof longer - 1);
    longer[next(r, sizeof longer - 1)] = '"';
    return longer;
}

/* As Go and others write it, or with more escapes than are needed. */
static void put_json_text(struct random *r, struct buf *b, const char *s)
{
    buf_puts(b, "\"");
    for (; *s; s++) {
        if (*s == '\n' && next(r, 2))
            buf_puts(b, "\\n");
        else if ((*s == '"' || *s == '\\') && next(r, 2))
            buf_printf(b, "\\%c", *s);
        else if ((unsigned char)*s < 0x20 || *s == '"' || *s == '\\' ||
                 ((unsigned char)*s < 0x80 && !next(r, 40)))
            buf_printf(b, "\\u%04x", (unsigned)*s);
        else
            buf_append(b, s, 1);
    }
    buf_puts(b, "\"");
}

static void put_space(struct random *r, struct buf *b)
{
    static const char *const spaces[] = {" ", "\n", "\t ", "\r\n"};
    uint64_t n = next(r, 20);
    if (n < 4)
        buf_puts(b, spaces[n]);
}

/* A comma where one is needed, the name, a colon. */
static void put_name(struct random *r, struct buf *b, const char *name)
{
    if (b->data[b->len - 1] != '{')
        buf_puts(b, ",");
    put_space(r, b);
    put_json_text(r, b, name);
    put_space(r, b);
    buf_puts(b, ":");
    put_space(r, b);
}

/* What no table names. */
static void put_unknown(struct random *r, struct both *b)
{
    static const char *const values[] = {
        "null",
        "true",
        "-1.5e+3",
        "123456789012345678901234567890",
        "\"\\u0000\\ud800\"",
        "[]",
        "{\"metadata\":{\"name\":\"other\"}}",
        "[[{}],{\"a\":[1,\"]\"]}]",
    };
    uint32_t number = 1000 + (uint32_t)next(r, 100000);
    if (!next(r, 3))
        put_num(&b->proto, number, (int64_t)next(r, UINT64_MAX));
    else
        put_str(&b->proto, number, random_text(r));
    put_name(r, &b->json, "else");
    buf_puts(&b->json, values[next(r, 8)]);
}

static void put_fields(struct random *r, struct both *b, const struct kube_field *table);

static void put_message(struct random *r, struct both *b, const struct kube_field *f)
{
    struct both sub = both_new();
    put_fields(r, &sub, f->sub);
    put_sub(&b->proto, f->number, &sub.proto);
    buf_append(&b->json, sub.json.data, sub.json.len);
    both_done(&sub);
}

static void put_map_entry(struct random *r, struct both *b, const struct kube_field *f)
{
    struct buf entry = BUF_INIT(BYTES_MAX);
    const char *key = random_text(r);
    put_str(&entry, 1, key);
    put_name(r, &b->json, key);
    const char *value = random_text(r);
    put_str(&entry, 2, value);
    put_json_text(r, &b->json, value);
    put_sub(&b->proto, f->number, &entry);
}

static void put_many(struct random *r, struct both *b, const struct kube_field *f)
{
    bool map = f->type == KUBE_TYPE_MAP;
    struct both one = {b->proto, BUF_INIT(BYTES_MAX)};
    buf_puts(&one.json, map ? "{" : "[");
    for (uint64_t n = next(r, 4), i = 0; i < n; i++) {
        if (map) {
            put_map_entry(r, &one, f);
            continue;
        }
        buf_puts(&one.json, i ? "," : "");
        if (f->type == KUBE_TYPE_LIST) {
            put_message(r, &one, f);
        } else {
            const char *s = random_text(r);
            put_str(&one.proto, f->number, s);
            put_json_text(r, &one.json, s);
        }
    }
    buf_puts(&one.json, map ? "}" : "]");
    b->proto = one.proto;
    buf_append(&b->json, one.json.data, one.json.len);
    buf_done(&one.json);
}

static int64_t random_int(struct random *r)
{
    static const int64_t some[] = {0, 1, -1, 80, INT32_MAX, INT64_MAX, INT64_MIN};
    return some[next(r, 7)];
}

static void put_time(struct random *r, struct both *b, const struct kube_field *f)
{
    struct buf stamp = BUF_INIT(100);
    int64_t seconds = (int64_t)next(r, 4000000000);
    char text[CLOCK_RFC3339_MAX];
    clock_format(seconds, text);
    put_num(&stamp, 1, seconds);
    put_num(&stamp, 2, 0);
    put_sub(&b->proto, f->number, &stamp);
    buf_printf(&b->json, "\"%s\"", text);
}

static void put_raw(struct random *r, struct both *b, const struct kube_field *f)
{
    static const char *const texts[] = {"{}", "{\"f:a\":{\"k:{\\\"p\\\":1}\":{}}}",
                                        "{ \"f:b\" : {} }"};
    struct buf raw = BUF_INIT(100);
    const char *text = texts[next(r, 3)];
    put_str(&raw, 1, text);
    put_sub(&b->proto, f->number, &raw);
    buf_puts(&b->json, text);
}

static void put_field(struct random *r, struct both *b, const struct kube_field *f)
{
    int64_t num = random_int(r);
    const char *text = random_text(r);
    put_name(r, &b->json, f->name);
    switch (f->type) {
    case KUBE_TYPE_STRING:
        put_str(&b->proto, f->number, text);
        put_json_text(r, &b->json, text);
        break;
    case KUBE_TYPE_INT:
        put_num(&b->proto, f->number, num);
        buf_printf(&b->json, "%" PRId64, num);
        break;
    case KUBE_TYPE_BOOL:
        put_num(&b->proto, f->number, num != 0);
        buf_puts(&b->json, num ? "true" : "false");
        break;
    case KUBE_TYPE_TIME:
        put_time(r, b, f);
        break;
    case KUBE_TYPE_MESSAGE:
        put_message(r, b, f);
        break;
    case KUBE_TYPE_LIST:
    case KUBE_TYPE_STRINGS:
    case KUBE_TYPE_MAP:
        put_many(r, b, f);
        break;
    case KUBE_TYPE_RAW:
        put_raw(r, b, f);
        break;
    }
}

static void put_fields(struct random *r, struct both *b, const struct kube_field *table)
{
    buf_puts(&b->json, "{");
    for (const struct kube_field *f = table; f->number; f++) {
        if (next(r, 4))
            put_field(r, b, f);
        if (!next(r, 4))
            put_unknown(r, b);
    }
    put_space(r, &b->json);
    buf_puts(&b->json, "}");
}

/* What came out of a decoder. */
struct seen {
    enum kube_encoding encoding;
    enum kube_record_kind kind;
    struct buf text;
};

static int on_object(void *arg, const char *data, size_t len)
{
    struct seen *s = arg;
    auto_buf values = BUF_INIT(BYTES_MAX);
    struct err err = {0};
    if (kube_read(s->encoding, kube_schema(s->kind), data, len, put_value, &values, &err) < 0)
        fail_msg("%s", err.msg);
    buf_append(&s->text, values.data, values.len);
    return buf_puts(&s->text, "|");
}

static int on_event(void *arg, enum kube_event_type type, const char *data, size_t len)
{
    struct seen *s = arg;
    buf_printf(&s->text, "%d ", (int)type);
    return on_object(arg, data, len);
}

/* The next piece: everything, one byte, or any number of them. */
static size_t piece(struct random *r, int cut, size_t left)
{
    size_t some = 1 + (size_t)next(r, left < 200 || next(r, 2) ? left : 200);
    return cut == 0 ? left : cut == 1 ? 1 : some;
}

static void read_list(struct random *r, int cut, const struct buf *b, struct seen *s)
{
    struct kube_list_decoder *d = kube_list_decoder_new(s->encoding);
    struct kube_list_meta meta;
    for (size_t at = 0, n; at < b->len; at += n) {
        n = piece(r, cut, b->len - at);
        auto_free char *copy = xmalloc(n);
        memcpy(copy, b->data + at, n);
        assert_int_equal(kube_list_decode(d, copy, n, on_object, s, NULL), 0);
    }
    assert_int_equal(kube_list_decoder_end(d, &meta, NULL), 0);
    buf_printf(&s->text, "%s %s", meta.version, meta.next_page ? meta.next_page : "(last)");
    kube_list_decoder_free(d);
}

static void read_watch(struct random *r, int cut, const struct buf *b, struct seen *s)
{
    struct kube_watch_decoder *d = kube_watch_decoder_new(s->encoding);
    for (size_t at = 0, n; at < b->len; at += n) {
        n = piece(r, cut, b->len - at);
        auto_free char *copy = xmalloc(n);
        memcpy(copy, b->data + at, n);
        assert_int_equal(kube_watch_decode(d, copy, n, on_event, s, NULL), 0);
    }
    kube_watch_decoder_free(d);
}

typedef void read_fn(struct random *r, int cut, const struct buf *b, struct seen *s);

/* All that is seen must be the same; the first is the measure. */
static void check(struct random *r, enum kube_record_kind kind, const struct both *b, read_fn *read)
{
    auto_buf first = BUF_INIT(BYTES_MAX);
    for (int i = 0; i < 6; i++) {
        enum kube_encoding e = i < 3 ? KUBE_ENCODING_PROTO : KUBE_ENCODING_JSON;
        struct seen s = {e, kind, BUF_INIT(BYTES_MAX)};
        read(r, i % 3, e == KUBE_ENCODING_PROTO ? &b->proto : &b->json, &s);
        if (!i)
            buf_append(&first, s.text.data, s.text.len);
        assert_int_equal(s.text.len, first.len);
        assert_memory_equal(s.text.data, first.data, first.len);
        buf_done(&s.text);
    }
}

static void put_list_meta(struct random *r, struct both *list)
{
    struct buf meta = BUF_INIT(1000);
    const char *next_page = next(r, 2) ? "c\\d" : "";
    put_str(&meta, 2, "77");
    put_str(&meta, 3, next_page);
    put_sub(&list->proto, 1, &meta);
    buf_printf(&list->json,
               "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"77\",\"continue\":");
    put_json_text(r, &list->json, next_page);
    buf_puts(&list->json, "},\"items\":[");
}

static void test_lists(void **state)
{
    struct random r = {88172645463325252ULL};
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        enum kube_record_kind kind = (enum kube_record_kind)next(&r, KUBE_RECORD_KINDS);
        struct both list = both_new(), whole = both_new();
        put_list_meta(&r, &list);
        for (uint64_t n = next(&r, OBJECTS), i = 0; i < n; i++) {
            struct both obj = both_new();
            put_fields(&r, &obj, kube_schema(kind));
            put_sub(&list.proto, 2, &obj.proto);
            buf_puts(&list.json, i ? "," : "");
            buf_append(&list.json, obj.json.data, obj.json.len);
            both_done(&obj);
        }
        buf_puts(&list.json, "]}\n");
        put_envelope(&whole.proto, "L", list.proto.data, list.proto.len);
        buf_append(&whole.json, list.json.data, list.json.len);
        check(&r, kind, &whole, read_list);
        both_done(&list);
        both_done(&whole);
    }
}

static void put_event(struct both *stream, const char *type, struct both *obj)
{
    struct buf event = BUF_INIT(BYTES_MAX), object = BUF_INIT(BYTES_MAX), all = BUF_INIT(BYTES_MAX);
    put_envelope(&all, "X", obj->proto.data, obj->proto.len);
    put_sub(&object, 1, &all);
    put_str(&event, 1, type);
    put_sub(&event, 2, &object);
    char length[4] = {0, (char)(event.len >> 16), (char)(event.len >> 8), (char)event.len};
    buf_append(&stream->proto, length, 4);
    buf_append(&stream->proto, event.data, event.len);
    buf_done(&event);
    for (size_t i = 0; i < obj->json.len; i++) /* an event is one line */
        if (obj->json.data[i] == '\n')
            obj->json.data[i] = ' ';
    buf_printf(&stream->json, "{\"type\":\"%s\",\"object\":", type);
    buf_append(&stream->json, obj->json.data, obj->json.len);
    buf_puts(&stream->json, "}\n");
    both_done(obj);
}

static void test_watches(void **state)
{
    static const char *const types[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    struct random r = {1442695040888963407ULL};
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        enum kube_record_kind kind = (enum kube_record_kind)next(&r, KUBE_RECORD_KINDS);
        struct both stream = both_new();
        for (uint64_t n = next(&r, OBJECTS), i = 0; i < n; i++) {
            struct both obj = both_new();
            put_fields(&r, &obj, kube_schema(kind));
            put_event(&stream, types[next(&r, 5)], &obj);
        }
        check(&r, kind, &stream, read_watch);
        both_done(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_watches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
