/* SPDX-License-Identifier: Apache-2.0 */
/* testdata/kubesim/proto/objects.json: the same objects as JSON and as protobuf, from a real API server. */
#include "kubesim/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply.h"
#include "json/jx.h"

enum { BYTES_MAX = 16 * 1024 * 1024, ROUNDS = 400 };

static const char *const kinds[][2] = {
    {"", "Service"},
    {"discovery.k8s.io", "EndpointSlice"},
    {"", "Namespace"},
    {"", "Secret"},
    {"", "ConfigMap"},
    {"", "ServiceAccount"},
    {"coordination.k8s.io", "Lease"},
    {"apps", "PartialObjectMetadata"},
    {"", "Status"},
    {"policy", "DeleteOptions"},
};

static json_t *read_objects(void)
{
    auto_free char *text = file_read("testdata/kubesim/proto/objects.json", BYTES_MAX, NULL, NULL);
    json_t *v = text ? json_loads(text, 0, NULL) : NULL;
    assert_non_null(v);
    return v;
}

static void assert_json(const json_t *got, const json_t *want)
{
    auto_free char *a = jx_dump(got), *b = jx_dump(want);
    assert_string_equal(a, b);
}

static void group_of(const json_t *obj, char *out, size_t size)
{
    const char *version = jx_str(obj, "apiVersion");
    snprintf(out, size, "%.*s", strchr(version, '/') ? (int)strcspn(version, "/") : 0, version);
}

static json_t *decode(const struct buf *b)
{
    struct err err = {0};
    json_t *v = sim_proto_decode(b->data, b->len, &err);
    if (!v)
        fail_msg("%s", err.msg);
    return v;
}

/* Appends the object in its envelope. */
static void encode(const json_t *obj, struct buf *out)
{
    char group[64];
    auto_buf raw = BUF_INIT(BYTES_MAX);
    group_of(obj, group, sizeof group);
    const char *kind = jx_str(obj, "kind");
    assert_int_equal(sim_proto_object(group, kind, obj, &raw), 0);
    assert_int_equal(sim_proto_envelope(jx_str(obj, "apiVersion"), kind, raw.data, raw.len, out),
                     0);
}

static void test_reads_what_the_server_writes(void **state)
{
    (void)state;
    auto_json *pairs = read_objects();
    const json_t *pair;
    size_t i, read = 0;
    json_array_foreach (pairs, i, pair) {
        const json_t *want = json_object_get(pair, "json");
        if (!want)
            continue;
        size_t len;
        auto_free char *bytes = jx_unb64(jx_str(pair, "protobuf"), &len);
        struct err err = {0};
        auto_json *got = sim_proto_decode(bytes, len, &err);
        if (!got)
            fail_msg("%s: %s", jx_str(want, "kind"), err.msg);
        assert_json(got, want);
        auto_buf again = BUF_INIT(BYTES_MAX);
        encode(want, &again);
        auto_json *same = decode(&again);
        assert_json(same, want);
        read++;
    }
    assert_true(read > sizeof kinds / sizeof *kinds);
}

/* --- lists and frames, taken apart by hand --- */

static const unsigned char *field(const unsigned char *p, unsigned want, size_t *ret_len)
{
    unsigned tag = *p++;
    assert_int_equal(tag, want << 3 | PROTO_BYTES);
    size_t len = 0;
    unsigned shift = 0;
    do {
        len |= (size_t)(*p & 0x7f) << shift;
        shift += 7;
    } while (*p++ & 0x80);
    *ret_len = len;
    return p;
}

static void test_list(void **state)
{
    (void)state;
    auto_buf items = BUF_INIT(BYTES_MAX), all = BUF_INIT(BYTES_MAX);
    auto_json *obj = json_pack("{s{ss}s{ss}}", "metadata", "name", "n", "data", "k", "v");
    auto_buf raw = BUF_INIT(BYTES_MAX);
    assert_int_equal(sim_proto_object("", "ConfigMap", obj, &raw), 0);
    assert_int_equal(sim_proto_list_meta("7", "next", 3, &items), 0);
    assert_int_equal(sim_proto_list_item(raw.data, raw.len, &items), 0);
    assert_int_equal(sim_proto_list_item(raw.data, raw.len, &items), 0);
    assert_int_equal(sim_proto_envelope("v1", "ConfigMapList", items.data, items.len, &all), 0);
    static const unsigned char want[] = "\x0a\x0b\x12\x01\x37\x1a\x04next\x20\x03";
    assert_memory_equal(items.data, want, sizeof want - 1);
    size_t len;
    const unsigned char *p = (const unsigned char *)items.data + sizeof want - 1;
    p = field(p, 2, &len);
    assert_int_equal(len, raw.len);
    assert_memory_equal(p, raw.data, len);
    p = field(p + len, 2, &len);
    assert_ptr_equal(p + len, items.data + items.len);
}

/* The server's frame differs from ours only in fields that are empty, so both are read the same way. */
static void check_frame(const unsigned char *p, size_t len, const char *type, const json_t *want)
{
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    assert_int_equal(n + 4, len);
    p = field(p + 4, 1, &n);
    assert_int_equal(n, strlen(type));
    assert_memory_equal(p, type, n);
    p = field(p + n, 2, &n);
    p = field(p, 1, &n);
    struct buf body = {.data = (char *)(uintptr_t)p, .len = n};
    auto_json *got = decode(&body);
    assert_json(got, want);
}

static void test_watch_frame(void **state)
{
    (void)state;
    auto_json *pairs = read_objects();
    const json_t *pair = json_array_get(pairs, json_array_size(pairs) - 1);
    const json_t *event = json_array_get(json_object_get(pair, "watch"), 0);
    const json_t *obj = json_object_get(event, "object");
    size_t len;
    auto_free unsigned char *bytes = jx_unb64(jx_str(pair, "protobuf"), &len);
    check_frame(bytes, len, "ADDED", obj);
    auto_buf raw = BUF_INIT(BYTES_MAX), frame = BUF_INIT(BYTES_MAX);
    assert_int_equal(sim_proto_object("", "ConfigMap", obj, &raw), 0);
    assert_int_equal(sim_proto_event("ADDED", "v1", "ConfigMap", raw.data, raw.len, &frame), 0);
    check_frame((unsigned char *)frame.data, frame.len, "ADDED", obj);
}

/* --- random objects --- */

static uint64_t seed = 42;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static json_t *random_text(size_t max)
{
    static const char *const pieces[] = {"a", "Z", "0", "-", "ß", "\n", "\"", "日", " "};
    auto_buf out = BUF_INIT(BYTES_MAX);
    for (size_t n = 1 + below((unsigned)max); n > 0; n--)
        buf_puts(&out, pieces[below(sizeof pieces / sizeof *pieces)]);
    return json_string(out.data);
}

static json_t *random_bytes(void)
{
    unsigned char raw[300];
    size_t n = below(sizeof raw);
    for (size_t i = 0; i < n; i++)
        raw[i] = (unsigned char)below(256);
    auto_free char *text = jx_b64(raw, n);
    return json_string(text);
}

static json_t *random_map(bool bytes)
{
    json_t *map = json_object();
    for (unsigned n = 1 + below(4); n > 0; n--) {
        auto_json *key = random_text(6);
        json_object_set_new(map, json_string_value(key), bytes ? random_bytes() : random_text(200));
    }
    return map;
}

static json_t *random_message(const struct proto_message *m);

static json_t *random_value(const struct proto_field *f)
{
    static const json_int_t numbers[] = {1, -1, 127, 128, 65535, 2147483647, -2147483647};
    switch ((enum proto_type)f->type) {
    case STRING:
        return random_text(20);
    case BOOL:
        return f->flags & KEEP ? json_boolean(below(2)) : json_true();
    case INT:
        return json_integer(numbers[below(sizeof numbers / sizeof *numbers)]);
    case MESSAGE:
        return random_message(f->message);
    case MAP:
    case BYTES_MAP:
        return random_map(f->type == BYTES_MAP);
    case TIME:
        return json_string(below(2) ? "2026-02-03T04:05:06Z" : "1969-12-31T23:59:59Z");
    case MICROTIME:
        return json_string("2026-02-03T04:05:06.000007Z");
    case INT_OR_STRING:
        return below(2) ? random_text(5) : json_integer(1 + below(70000));
    case RAW_JSON:
        return random_map(false);
    }
    return NULL;
}

static json_t *random_message(const struct proto_message *m)
{
    json_t *v = json_object();
    for (size_t i = 0; i < m->n; i++) {
        const struct proto_field *f = &m->fields[i];
        if (below(3) == 0)
            continue;
        if (!(f->flags & REPEATED)) {
            json_object_set_new(v, f->name, random_value(f));
            continue;
        }
        json_t *list = json_array();
        for (unsigned n = 1 + below(3); n > 0; n--)
            json_array_append_new(list, random_value(f));
        json_object_set_new(v, f->name, list);
    }
    return v;
}

static json_t *random_object(void)
{
    const char *const *kind = kinds[below(sizeof kinds / sizeof *kinds)];
    json_t *obj = random_message(proto_of_kind(kind[0], kind[1]));
    json_object_set_new(obj, "kind", json_string(kind[1]));
    json_object_set_new(obj, "apiVersion",
                        **kind ? json_sprintf("%s/v1", kind[0]) : json_string("v1"));
    return obj;
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        auto_json *obj = random_object();
        auto_buf b = BUF_INIT(BYTES_MAX);
        encode(obj, &b);
        auto_json *got = decode(&b);
        assert_json(got, obj);
    }
}

/* Bytes that are cut or changed are read or refused, and nothing else happens. */
static void test_broken_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS / 10; i++) {
        auto_json *obj = random_object();
        auto_buf b = BUF_INIT(BYTES_MAX);
        encode(obj, &b);
        for (int j = 0; j < 200; j++) {
            size_t cut = below((unsigned)b.len);
            auto_free char *copy = xmalloc(cut + 1);
            memcpy(copy, b.data, cut);
            if (cut && j % 2)
                copy[below((unsigned)cut)] ^= (char)(1u << below(8));
            json_decref(sim_proto_decode(copy, cut, NULL));
        }
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int code;
    } cases[] = {
        {"", 0, 400},
        {"k8s", 4, 400},
        {"{\"kind\":\"Secret\"}", 17, 400},
        {"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x05", 20, 400},          /* cut */
        {"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x03\x0a\x7fx", 23, 400}, /* too long */
        {"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x02\x08\x01", 22, 400},  /* number */
        {"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x02\x0b\x01", 22, 400},  /* group */
        {"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x05\x0a\x03\x0a\x01\xff", 25, 400}, /* UTF-8 */
        {"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x1a\x04gzip", 24, 400},
        {"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x00", 17, 415},
        {"k8s\0\x0a\x0c\x0a\x02v2\x12\x06\xff\xff\xff\xff\xff\xff", 18, 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        assert_null(sim_proto_decode(cases[i].bytes, cases[i].len, &err));
        assert_int_equal(err.class, ERR_INVALID);
        assert_int_equal(err.code, cases[i].code);
    }
}

static void test_types_of_another_kind(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"data\":[]}",
        "{\"data\":{\"k\":1}}",
        "{\"immutable\":\"x\"}",
        "{\"metadata\":1}",
        "{\"metadata\":{\"finalizers\":\"x\"}}",
        "{\"metadata\":{\"creationTimestamp\":\"yesterday\"}}",
        "{\"binaryData\":{\"k\":\"*\"}}",
        "[]",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *obj = json_loads(cases[i], 0, NULL);
        auto_buf b = BUF_INIT(BYTES_MAX);
        assert_int_equal(sim_proto_object("", "ConfigMap", obj, &b), -1);
    }
    auto_json *obj = json_loads("{\"data\":null,\"metadata\":{\"name\":null}}", 0, NULL);
    auto_buf b = BUF_INIT(BYTES_MAX), small = BUF_INIT(1);
    assert_int_equal(sim_proto_object("", "ConfigMap", obj, &b), 0);
    assert_int_equal(sim_proto_object("", "ConfigMap", obj, &small), -1);
    assert_int_equal(sim_proto_object("", "Pod", obj, &b), -1);
    assert_false(sim_proto_has("", "Pod"));
    assert_false(sim_proto_has("apps", "Secret"));
    assert_true(sim_proto_has(NULL, "Secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_the_server_writes),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_watch_frame),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_broken_bytes),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_types_of_another_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
