/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kube/wire_put.h"

#define BYTES(s) s, sizeof s - 1
static const struct {
    const char *bytes;
    size_t len;
    const char *values; /* NULL: not well-formed */
} cases[] = {
    {BYTES(""), ""},
    {BYTES("\x0a\x02hi\x10\x96\x01\x20\x01"), "1=hi 2#150 4#1"},
    {BYTES("\x0a\x00"), "1="},
    /* Numbers: negative, above 64 bits, too long, cut. */
    {BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "2#-1"},
    {BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "2#-1"},
    {BYTES("\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), "2#0"},
    {BYTES("\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), NULL},
    {BYTES("\x10\x96"), NULL},
    {BYTES("\x10"), NULL},
    {BYTES("\x20\x02\x20\x00"), "4#1 4#0"},
    /* Lengths beyond the end, also where the sum would wrap. */
    {BYTES("\x0a\x03hi"), NULL},
    {BYTES("\x0a"), NULL},
    {BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL},
    {BYTES("\x32\x02\x0a\x01x"), NULL},
    /* Tags: number 0, more than 32 bits, groups, types that are none. */
    {BYTES("\x02\x00"), NULL},
    {BYTES("\x8a\x80\x80\x80\x10\x00"), NULL},
    {BYTES("\x0b\x0c"), NULL},
    {BYTES("\x0c"), NULL},
    {BYTES("\x0e\x00"), NULL},
    /* Unknown fields of each type are skipped. */
    {BYTES("\x18\x05\x1a\x02zz\x1d....\x19........\x92\x03\x01z\x10\x01"), "2#1"},
    {BYTES("\x1d..."), NULL},
    {BYTES("\x19......."), NULL},
    /* And so are known ones of another type. */
    {BYTES("\x08\x05\x12\x01z\x15....\x0d....\x3a\x02\x08\x05\x38\x01"), "7< 7>"},
    /* Any order, more than once. */
    {BYTES("\x20\x01\x0a\x01x\x92\x03\x00\x0a\x01y\x10\x01"), "4#1 1=x 1=y 2#1"},
    {BYTES("\x2a\x02\x08\x05"), "5#5"},
    {BYTES("\x2a\x04\x08\x05\x10\x63"), "5#5"},
    {BYTES("\x2a\x00"), ""},
    {BYTES("\x32\x05\x0a\x01x\x10\x02\x32\x00"), "1=x 2#2"},
    {BYTES("\x3a\x03\x0a\x01x\x3a\x00\x3a\x02\x10\x02"), "7< 1=x 7> 7< 7> 7< 2#2 7>"},
    {BYTES("\x42\x01x\x42\x00\x42\x01y"), "8=x 8= 8=y"},
    {BYTES("\x4a\x06\x0a\x01k\x12\x01v"), "9:k=v"},
    {BYTES("\x4a\x06\x12\x01v\x0a\x01k\x4a\x00\x4a\x03\x12\x01v\x4a\x05\x0a\x01k\x08\x07"),
     "9:k=v 9:= 9:=v 9:k="},
    {BYTES("\x4a\x03\x0a\x02k"), NULL},
    {BYTES("\x8a\x01\x04\x0a\x02{}"), "17={}"},
    {BYTES("\x8a\x01\x00"), ""},
};

/* In memory of exactly that size, so that a sanitizer sees the first byte too far. */
static int read_exact(const char *bytes, size_t len, struct buf *out, struct err *err)
{
    auto_free char *copy = xmalloc(len + !len);
    if (len)
        memcpy(copy, bytes, len);
    return kube_read_proto(every_type, copy, len, put_value, out, err);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_buf out = BUF_INIT(4096);
        struct err err = {0};
        int r = read_exact(cases[i].bytes, cases[i].len, &out, &err);
        if (r != (cases[i].values ? 0 : -1))
            fail_msg("case %zu: %d", i, r);
        assert_int_equal(err.class, r ? ERR_INVALID : ERR_NONE);
        if (!r && strcmp(out.data ? out.data : "", cases[i].values) != 0)
            fail_msg("case %zu: %s instead of %s", i, out.data, cases[i].values);
    }
}

/* What is cut short is refused, or is a shorter object: never a byte too far. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t n = 0; n < cases[i].len; n++) {
            auto_buf out = BUF_INIT(4096);
            (void)read_exact(cases[i].bytes, n, &out, NULL);
        }
    }
}

static int stop_at_second(void *arg, const struct kube_value *v)
{
    (void)v;
    return ++*(int *)arg == 2 ? 7 : 0;
}

static void test_stop(void **state)
{
    static const char *const bytes[] = {"\x0a\x01x\x0a\x01x\x0a\x01x", "\x3a\x03\x0a\x01x"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int n = 0;
        assert_int_equal(
            kube_read_proto(every_type, bytes[i], strlen(bytes[i]), stop_at_second, &n, NULL), 7);
        assert_int_equal(n, 2);
    }
}

/* A message in itself, depth times. */
static void nested(struct buf *b, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        struct buf outer = BUF_INIT(64 * 1024);
        put_bytes(&outer, 1, b->data, b->len);
        buf_done(b);
        *b = outer;
    }
}

static void test_depth(void **state)
{
    static const struct kube_field deep[] = {{1, "m", KUBE_TYPE_MESSAGE, 1, deep}, {0}};
    static const struct kube_field shallow[] = {{2, "m", KUBE_TYPE_MESSAGE, 1, NULL}, {0}};
    struct buf b = BUF_INIT(64 * 1024);
    struct err err = {0};
    (void)state;
    nested(&b, KUBE_DEPTH_MAX - 1);
    assert_int_equal(kube_read_proto(deep, b.data, b.len, put_value, NULL, &err), 0);
    nested(&b, 1);
    assert_int_equal(kube_read_proto(deep, b.data, b.len, put_value, NULL, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    /* What is skipped may be as deep as it likes. */
    nested(&b, 1000);
    assert_int_equal(kube_read_proto(shallow, b.data, b.len, put_value, NULL, NULL), 0);
    buf_done(&b);
}

static void test_size(void **state)
{
    auto_free char *zero = xcalloc(1, (size_t)KUBE_OBJECT_MAX + 1);
    struct buf b = BUF_INIT(KUBE_OBJECT_MAX + 100);
    struct err err = {0};
    (void)state;
    put_bytes(&b, 3, zero, KUBE_OBJECT_MAX - 5);
    assert_int_equal(b.len, KUBE_OBJECT_MAX);
    assert_int_equal(kube_read_proto(every_type, b.data, b.len, put_value, NULL, &err), 0);
    assert_int_equal(kube_read_proto(every_type, b.data, b.len + 1, put_value, NULL, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    buf_done(&b);
}

static void test_envelope(void **state)
{
    struct kube_wire_envelope e;
    struct err err = {0};
    auto_buf b = BUF_INIT(4096);
    (void)state;
    put_envelope(&b, "Pod", "abc", 3);
    assert_true(kube_wire_is_enveloped(b.data, b.len));
    assert_int_equal(kube_wire_open(b.data, b.len, &e, &err), 0);
    assert_int_equal(e.kind_len, 3);
    assert_memory_equal(e.kind, "Pod", 3);
    assert_int_equal(e.raw_len, 3);
    assert_memory_equal(e.raw, "abc", 3);
    put_str(&b, 3, "gzip");
    assert_int_equal(kube_wire_open(b.data, b.len, &e, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    for (size_t n = 0; n < 16; n++) /* magic and typeMeta alone are no object */
        assert_int_equal(kube_wire_open(b.data, n, &e, &err), -1);
    assert_false(kube_wire_is_enveloped("k8s", 3));
    assert_false(kube_wire_is_enveloped("k8t", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_stop),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),  cmocka_unit_test(test_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
