/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kube/wire_put.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

/* What came out of a decoder: the fields of each object, each object followed by "|". */
struct seen {
    enum kube_encoding encoding;
    struct buf text;
    int n, stop_at;
};

static int on_object(void *arg, const char *data, size_t len)
{
    struct seen *s = arg;
    auto_buf values = BUF_INIT(TEXT_MAX);
    assert_int_equal(kube_read(s->encoding, kube_schema(KUBE_RECORD_SERVICE), data, len, put_value,
                               &values, NULL),
                     0);
    buf_append(&s->text, values.data, values.len);
    buf_puts(&s->text, "|");
    return ++s->n == s->stop_at ? 7 : 0;
}

static int on_event(void *arg, enum kube_event_type type, const char *data, size_t len)
{
    struct seen *s = arg;
    buf_printf(&s->text, "%d ", (int)type);
    return on_object(arg, data, len);
}

static struct buf service(const char *name)
{
    struct buf meta = BUF_INIT(4096), obj = BUF_INIT(4096);
    put_str(&meta, 1, name);
    put_sub(&obj, 1, &meta);
    return obj;
}

static struct buf list_meta(void)
{
    struct buf meta = BUF_INIT(4096);
    put_str(&meta, 1, "");
    put_str(&meta, 2, "42");
    put_str(&meta, 3, "more");
    put_num(&meta, 4, 9);
    return meta;
}

static struct buf enveloped(const char *kind, struct buf *raw)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    put_envelope(&out, kind, raw->data, raw->len);
    buf_done(raw);
    return out;
}

static struct buf small_list(void)
{
    struct buf raw = BUF_INIT(4096), meta = list_meta();
    put_sub(&raw, 1, &meta);
    for (int i = 0; i < 3; i++) {
        struct buf obj = i == 1 ? BUF_INIT(10) : service(i ? "b" : "a");
        put_sub(&raw, 2, &obj);
    }
    put_num(&raw, 7, 300); /* unknown, of each type */
    buf_append(&raw, "\x3d....\x41........\x4a\x02hi", 18);
    return enveloped("ServiceList", &raw);
}

/* A copy of exactly that piece, so that a sanitizer sees the first byte too far. */
static int decode_piece(struct kube_list_decoder *d, const char *data, size_t len, struct seen *s,
                        struct err *err)
{
    auto_free char *copy = xmalloc(len + !len);
    memcpy(copy, data, len);
    return kube_list_decode(d, copy, len, on_object, s, err);
}

static int decode_list(struct kube_list_decoder *d, const char *data, size_t len, size_t piece,
                       struct seen *s, struct err *err)
{
    for (size_t at = 0; at < len; at += piece) {
        int r = decode_piece(d, data + at, len - at < piece ? len - at : piece, s, err);
        if (r)
            return r;
    }
    return 0;
}

static void test_encoding(void **state)
{
    (void)state;
    assert_int_equal(kube_encoding_of(NULL), KUBE_ENCODING_JSON);
    assert_int_equal(kube_encoding_of("application/json"), KUBE_ENCODING_JSON);
    assert_int_equal(kube_encoding_of("application/vnd.kubernetes.protobuf"), KUBE_ENCODING_PROTO);
    assert_int_equal(kube_encoding_of("Application/vnd.kubernetes.protobuf;stream=watch"),
                     KUBE_ENCODING_PROTO);
    assert_int_equal(kube_encoding_of("application/vnd.kubernetes.protobuffer"),
                     KUBE_ENCODING_JSON);
}

static void test_list(void **state)
{
    auto_buf list = small_list();
    (void)state;
    for (size_t piece = 1; piece <= list.len; piece++) {
        struct kube_list_decoder *d = kube_list_decoder_new(KUBE_ENCODING_PROTO);
        struct seen s = {KUBE_ENCODING_PROTO, BUF_INIT(4096), 0, 0};
        struct kube_list_meta meta;
        assert_int_equal(decode_list(d, list.data, list.len, piece, &s, NULL), 0);
        assert_int_equal(kube_list_decoder_end(d, &meta, NULL), 0);
        assert_string_equal(s.text.data, "1=a||1=b|");
        assert_string_equal(meta.version, "42");
        assert_string_equal(meta.next_page, "more");
        kube_list_decoder_free(d);
        buf_done(&s.text);
    }
}

/* Cut anywhere but behind the list itself, it is not complete. */
static void test_list_incomplete(void **state)
{
    enum { BEHIND = 4 /* bytes of the envelope's empty strings */ };
    auto_buf list = small_list();
    struct kube_list_meta meta;
    (void)state;
    for (size_t n = 0; n <= list.len; n++) {
        struct kube_list_decoder *d = kube_list_decoder_new(KUBE_ENCODING_PROTO);
        struct seen s = {KUBE_ENCODING_PROTO, BUF_INIT(4096), 0, 0};
        struct err err = {0};
        assert_int_equal(decode_list(d, list.data, n, 5, &s, &err), 0);
        bool complete = n >= list.len - BEHIND && (list.len - n) % 2 == 0;
        assert_int_equal(kube_list_decoder_end(d, &meta, &err), complete ? 0 : -1);
        assert_int_equal(err.class, complete ? ERR_NONE : ERR_TRANSIENT);
        kube_list_decoder_free(d);
        buf_done(&s.text);
    }
}

#define BYTES(s) s, sizeof s - 1
static const struct {
    const char *bytes;
    size_t len;
    bool ok;
} lists[] = {
    {BYTES("k8s\0\x12\x00"), true},
    {BYTES("k8s\0\x0a\x00\x12\x02\x12\x00\x18\x01"), true},
    {BYTES("k8t\0"), false},
    {BYTES("{\"items\":[]}"), false},
    {BYTES("k8s\0\x12\x00\x12\x00"), false},         /* two lists */
    {BYTES("k8s\0\x12\x02\x12\x01x"), false},        /* an item larger than the list */
    {BYTES("k8s\0\x12\x02\x09........"), false},     /* a number */
    {BYTES("k8s\0\x12\x01\x12\x00"), false},         /* its length lies outside */
    {BYTES("k8s\0\x12\x02\x12\x80\x00"), false},     /* a part of it */
    {BYTES("k8s\0\x0b"), false},                     /* a group */
    {BYTES("k8s\0\x02\x00"), false},                 /* field 0 */
    {BYTES("k8s\0\x8a\x80\x80\x80\x10\x00"), false}, /* a field that is none */
    {BYTES("k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"), false},
    {BYTES("k8s\0\x12\x04\x0a\x02\x12\x05"), false}, /* metadata that is none */
};

static void test_list_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (size_t piece = 1; piece <= lists[i].len; piece += lists[i].len - 1) {
            struct kube_list_decoder *d = kube_list_decoder_new(KUBE_ENCODING_PROTO);
            struct seen s = {KUBE_ENCODING_PROTO, BUF_INIT(4096), 0, 0};
            struct kube_list_meta meta;
            struct err err = {0};
            int r = decode_list(d, lists[i].bytes, lists[i].len, piece, &s, &err);
            if (r != (lists[i].ok ? 0 : -1))
                fail_msg("case %zu: %d", i, r);
            assert_int_equal(err.class, r ? ERR_INVALID : ERR_NONE);
            if (!r)
                assert_int_equal(kube_list_decoder_end(d, &meta, NULL), 0);
            kube_list_decoder_free(d);
            buf_done(&s.text);
        }
    }
}

static void test_list_stop(void **state)
{
    static const char json[] = "{\"items\":[{},{},{}]}";
    auto_buf proto = small_list();
    (void)state;
    for (enum kube_encoding e = KUBE_ENCODING_JSON; e <= KUBE_ENCODING_PROTO; e++) {
        bool is_proto = e == KUBE_ENCODING_PROTO;
        struct kube_list_decoder *d = kube_list_decoder_new(e);
        struct seen s = {e, BUF_INIT(4096), 0, 2};
        assert_int_equal(decode_list(d, is_proto ? proto.data : json,
                                     is_proto ? proto.len : sizeof json - 1, 1000, &s, NULL),
                         7);
        assert_int_equal(s.n, 2);
        kube_list_decoder_free(d);
        buf_done(&s.text);
    }
}

static int count(void *arg, const char *data, size_t len)
{
    (void)data;
    (void)len;
    ++*(size_t *)arg;
    return 0;
}

static int feed_head(struct kube_list_decoder *d, uint64_t list_len)
{
    size_t n = 0;
    auto_buf b = BUF_INIT(100);
    buf_append(&b, "k8s\0\x12", 5);
    put_varint(&b, list_len);
    return kube_list_decode(d, b.data, b.len, count, &n, NULL);
}

static void test_items_max(void **state)
{
    enum { PIECE = 1000 };
    static const char *const unit[] = {"{},", "\x12"};
    (void)state;
    for (enum kube_encoding e = KUBE_ENCODING_JSON; e <= KUBE_ENCODING_PROTO; e++) {
        struct kube_list_decoder *d = kube_list_decoder_new(e);
        size_t n = 0, len = e == KUBE_ENCODING_JSON ? 3 : 2;
        struct err err = {0};
        auto_buf piece = BUF_INIT(PIECE * 3);
        for (int i = 0; i < PIECE; i++)
            buf_append(&piece, unit[e], len);
        if (e == KUBE_ENCODING_JSON)
            assert_int_equal(kube_list_decode(d, "{\"items\":[", 10, count, &n, NULL), 0);
        else
            assert_int_equal(feed_head(d, UINT32_MAX), 0);
        for (int i = 0; i < KUBE_LIST_ITEMS_MAX / PIECE; i++)
            assert_int_equal(kube_list_decode(d, piece.data, piece.len, count, &n, &err), 0);
        assert_int_equal(n, KUBE_LIST_ITEMS_MAX);
        assert_int_equal(kube_list_decode(d, unit[e], len, count, &n, &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
        kube_list_decoder_free(d);
    }
}

/* One field of that number and size; in pieces, of which the first says the size. */
static int feed_field(uint32_t number, size_t size, bool in_list, size_t *ret_items,
                      struct err *err)
{
    struct kube_list_decoder *d = kube_list_decoder_new(KUBE_ENCODING_PROTO);
    auto_free char *zero = xcalloc(1, size);
    auto_buf b = BUF_INIT(100);
    *ret_items = 0;
    if (in_list)
        feed_head(d, size + 100);
    else
        kube_list_decode(d, "k8s", KUBE_WIRE_MAGIC, count, ret_items, NULL);
    put_varint(&b, (uint64_t)number << 3 | KUBE_WIRE_BYTES);
    put_varint(&b, size);
    int r = kube_list_decode(d, b.data, b.len, count, ret_items, err);
    if (!r)
        r = kube_list_decode(d, zero, size / 2, count, ret_items, err);
    if (!r)
        r = kube_list_decode(d, zero, size - size / 2, count, ret_items, err);
    kube_list_decoder_free(d);
    return r;
}

static void test_sizes(void **state)
{
    struct err err = {0};
    size_t n;
    (void)state;
    assert_int_equal(feed_field(2, KUBE_OBJECT_MAX, true, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(feed_field(2, KUBE_OBJECT_MAX + 1, true, &n, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    for (uint32_t number = 1; number <= 9; number += 8) { /* in the list: its metadata, another */
        int r = feed_field(number, KUBE_LIST_HEAD_MAX - 1, true, &n, &err);
        assert_int_equal(r, number == 1 ? -1 : 0); /* zeros are no metadata */
        assert_int_equal(feed_field(number, KUBE_LIST_HEAD_MAX, true, &n, &err), -1);
        assert_string_equal(err.msg, "the list has an item or a header that is too large");
    }
    assert_int_equal(feed_field(1, KUBE_LIST_HEAD_MAX - 1, false, &n, &err), 0);
    assert_int_equal(feed_field(1, KUBE_LIST_HEAD_MAX, false, &n, &err), -1);
}

/* Many small fields beside the objects are too many at some time. */
static void test_head_count(void **state)
{
    struct kube_list_decoder *d = kube_list_decoder_new(KUBE_ENCODING_PROTO);
    size_t n = 0;
    (void)state;
    feed_head(d, UINT32_MAX);
    for (int i = 0; i < KUBE_LIST_HEAD_MAX; i++)
        assert_int_equal(kube_list_decode(d, "\x38\x01", 2, count, &n, NULL), 0);
    assert_int_equal(kube_list_decode(d, "\x38\x01", 2, count, &n, NULL), -1);
    kube_list_decoder_free(d);
}

static void put_frame(struct buf *out, const char *type, const char *kind, struct buf *raw)
{
    struct buf event = BUF_INIT(TEXT_MAX), object = BUF_INIT(TEXT_MAX);
    struct buf envelope = enveloped(kind, raw);
    put_sub(&object, 1, &envelope);
    put_str(&event, 1, type);
    put_sub(&event, 2, &object);
    char length[4] = {(char)(event.len >> 24), (char)(event.len >> 16), (char)(event.len >> 8),
                      (char)event.len};
    buf_append(out, length, 4);
    buf_append(out, event.data, event.len);
    buf_done(&event);
}

static int decode_watch(struct kube_watch_decoder *d, const char *data, size_t len, size_t piece,
                        struct seen *s, struct err *err)
{
    int r = 0;
    for (size_t at = 0; !r && at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        auto_free char *copy = xmalloc(n);
        memcpy(copy, data + at, n);
        r = kube_watch_decode(d, copy, n, on_event, s, err);
    }
    return r;
}

static void test_watch(void **state)
{
    static const char *const types[] = {"ADDED", "MODIFIED", "BOOKMARK", "DELETED"};
    auto_buf stream = BUF_INIT(4096);
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct buf obj = service(types[i]), other = service("x");
        put_frame(&stream, types[i], "Service", &obj);
        /* What is no event is skipped: of no known type, empty, without object, without envelope. */
        put_frame(&stream, "WHAT", "Service", &other);
        buf_append(&stream, "\0\0\0\0", 4);
        buf_append(&stream,
                   "\0\0\0\x07\x0a\x05"
                   "ADDED",
                   11);
        buf_append(&stream,
                   "\0\0\0\x0c\x0a\x05"
                   "ADDED\x12\x03\x0a\x01x",
                   16);
        buf_append(&stream, "\0\0\0\x01\x0b", 5);
    }
    for (size_t piece = 1; piece <= stream.len; piece++) {
        struct kube_watch_decoder *d = kube_watch_decoder_new(KUBE_ENCODING_PROTO);
        struct seen s = {KUBE_ENCODING_PROTO, BUF_INIT(4096), 0, 0};
        assert_int_equal(decode_watch(d, stream.data, stream.len, piece, &s, NULL), 0);
        assert_string_equal(s.text.data, "0 1=ADDED|1 1=MODIFIED|3 1=BOOKMARK|2 1=DELETED|");
        assert_int_equal(kube_watch_decoder_held(d), 0);
        assert_int_equal(kube_watch_decode(d, "\0", 1, on_event, &s, NULL), 0);
        assert_int_not_equal(kube_watch_decoder_held(d), 0);
        kube_watch_decoder_free(d);
        buf_done(&s.text);
    }
}

static void test_watch_json(void **state)
{
    static const char stream[] =
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n"
        "nonsense\n{\"type\":\"WHAT\",\"object\":{}}\n{\"type\":\"ADDED\"}\n"
        "{\"type\":\"ADDED\",\"object\":[]}\n{\"type\":\"ADDED\",\"object\":null}\n"
        "{ \"object\" : {\"metadata\":{\"name\":\"b\"}} , \"type\" : \"ERROR\" }\r\n";
    (void)state;
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        struct kube_watch_decoder *d = kube_watch_decoder_new(KUBE_ENCODING_JSON);
        struct seen s = {KUBE_ENCODING_JSON, BUF_INIT(4096), 0, 0};
        assert_int_equal(decode_watch(d, stream, sizeof stream - 1, piece, &s, NULL), 0);
        assert_string_equal(s.text.data, "0 1=a|4 1=b|");
        assert_int_equal(kube_watch_decoder_held(d), 0);
        assert_int_equal(kube_watch_decode(d, "{", 1, on_event, &s, NULL), 0);
        assert_int_not_equal(kube_watch_decoder_held(d), 0);
        kube_watch_decoder_free(d);
        buf_done(&s.text);
    }
}

static void test_watch_stop(void **state)
{
    auto_buf stream = BUF_INIT(4096);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct buf obj = service("a");
        put_frame(&stream, "ADDED", "Service", &obj);
    }
    for (size_t piece = 1; piece <= stream.len; piece += stream.len - 1) {
        struct kube_watch_decoder *d = kube_watch_decoder_new(KUBE_ENCODING_PROTO);
        struct seen s = {KUBE_ENCODING_PROTO, BUF_INIT(4096), 0, 2};
        assert_int_equal(decode_watch(d, stream.data, stream.len, piece, &s, NULL), 7);
        assert_int_equal(s.n, 2);
        kube_watch_decoder_free(d);
        buf_done(&s.text);
    }
}

struct bounds {
    const char *from, *to;
    int n;
};

static int in_bounds(void *arg, const char *data, size_t len)
{
    struct bounds *b = arg;
    assert_true(data >= b->from && data + len <= b->to);
    b->n++;
    return 0;
}

static int event_in_bounds(void *arg, enum kube_event_type type, const char *data, size_t len)
{
    (void)type;
    return in_bounds(arg, data, len);
}

/* What lies whole in a piece is given as it lies there. */
static void test_no_copy(void **state)
{
    auto_buf list = small_list(), stream = BUF_INIT(4096);
    struct buf obj = service("a");
    struct kube_list_decoder *l = kube_list_decoder_new(KUBE_ENCODING_PROTO);
    struct kube_watch_decoder *w = kube_watch_decoder_new(KUBE_ENCODING_PROTO);
    struct bounds b = {list.data, list.data + list.len, 0};
    (void)state;
    assert_int_equal(kube_list_decode(l, list.data, list.len, in_bounds, &b, NULL), 0);
    assert_int_equal(b.n, 3);
    put_frame(&stream, "ADDED", "Service", &obj);
    b = (struct bounds){stream.data, stream.data + stream.len, 0};
    assert_int_equal(kube_watch_decode(w, stream.data, stream.len, event_in_bounds, &b, NULL), 0);
    assert_int_equal(b.n, 1);
    kube_list_decoder_free(l);
    kube_watch_decoder_free(w);
}

/* 16 MiB and no more; refused by what the length says, before any byte of it is kept. */
static void test_watch_size(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= 4; piece += 3) {
        struct kube_watch_decoder *d = kube_watch_decoder_new(KUBE_ENCODING_PROTO);
        struct seen s = {.encoding = KUBE_ENCODING_PROTO};
        struct err err = {0};
        assert_int_equal(decode_watch(d, "\x01\0\0\0", 4, piece, &s, &err), 0);
        kube_watch_decoder_free(d);
        d = kube_watch_decoder_new(KUBE_ENCODING_PROTO);
        assert_int_equal(decode_watch(d, "\x01\0\0\x01", 4, piece, &s, &err), -1);
        assert_int_equal(err.class, ERR_TRANSIENT);
        kube_watch_decoder_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_incomplete), cmocka_unit_test(test_list_malformed),
        cmocka_unit_test(test_list_stop),       cmocka_unit_test(test_items_max),
        cmocka_unit_test(test_sizes),           cmocka_unit_test(test_head_count),
        cmocka_unit_test(test_watch),           cmocka_unit_test(test_watch_json),
        cmocka_unit_test(test_watch_stop),      cmocka_unit_test(test_watch_size),
        cmocka_unit_test(test_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
