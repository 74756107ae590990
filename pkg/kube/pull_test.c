/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kube/schema.h"
#include "kube/wire_put.h"

static const struct {
    const char *text, *values; /* NULL: not well-formed */
} cases[] = {
    {"{}", ""},
    {" \r\n\t{ \"text\" : \"hi\" , \"num\" : -12 , \"yes\" : true } \n", "1=hi 2#-12 4#1"},
    {"{\"text\":\"\",\"yes\":false}", "1= 4#0"},
    /* Escapes. */
    {"{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "1=\"\\/\b\f\n\r\t"},
    {"{\"text\":\"\\u0041\\u00e9\\u2603\\ud83d\\ude00z\"}",
     "1=A\xc3\xa9\xe2\x98\x83\xf0\x9f\x98\x80z"},
    {"{\"\\u0074ext\":\"x\",\"tex\\u0074\\u0000\":\"y\"}", "1=x"},
    {"{\"text\":\"\\ud83d\",\"text\":\"\\ude00a\",\"text\":\"\\ud83d\\ud83d\\ude00\","
     "\"text\":\"\\ud83dn\",\"text\":\"\\ud83d\\n\"}",
     "1=\xef\xbf\xbd 1=\xef\xbf\xbd"
     "a 1=\xef\xbf\xbd\xf0\x9f\x98\x80 1=\xef\xbf\xbdn 1=\xef\xbf\xbd\n"},
    {"{\"text\":\"\\u12g4\"}", NULL},
    {"{\"text\":\"\\u12\"}", NULL},
    {"{\"text\":\"\\x\"}", NULL},
    {"{\"text\":\"\\", NULL},
    {"{\"other\":\"\\q\"}", NULL},
    {"{\"text\":\"a\nb\"}", NULL},
    /* Bytes that are no UTF-8 stay. */
    {"{\"text\":\"\xff\xc3\",\"num\":1}", "1=\xff\xc3 2#1"},
    /* Numbers. */
    {"{\"num\":9223372036854775807,\"num\":-9223372036854775808}",
     "2#9223372036854775807 2#-9223372036854775808"},
    {"{\"num\":9223372036854775808,\"num\":-9223372036854775809,\"num\":1e3,\"num\":1.0,"
     "\"num\":99999999999999999999999999,\"text\":\"x\"}",
     "1=x"},
    {"{\"num\":-0,\"num\":0}", "2#0 2#0"},
    {"{\"num\":01}", NULL},
    {"{\"num\":-}", NULL},
    {"{\"num\":1.}", NULL},
    {"{\"num\":.5}", NULL},
    {"{\"num\":1e}", NULL},
    {"{\"num\":+1}", NULL},
    {"{\"other\":-1.5e+10,\"num\":2}", "2#2"},
    /* Other types than the table's are skipped, null is as absent. */
    {"{\"text\":1,\"num\":\"1\",\"yes\":\"true\",\"yes\":null,\"time\":5,\"sub\":[1],\"list\":{},"
     "\"words\":{\"a\":\"b\"},\"map\":[\"x\"],\"raw\":null,\"text\":null}",
     ""},
    {"{\"words\":[1,\"x\",null,{},\"y\"],\"map\":{\"a\":1,\"b\":\"x\",\"c\":null}}",
     "8=x 8=y 9:b=x"},
    {"{\"list\":[{\"a\":\"x\"},1,null,[],{},{\"b\":2}]}", "7< 1=x 7> 7< 7> 7< 2#2 7>"},
    {"{\"sub\":{\"a\":\"x\",\"text\":\"y\"},\"a\":\"z\",\"sub\":null}", "1=x"},
    {"{\"map\":{\"\":\"\",\"k\\n\":\"v\\n\"}}", "9:= 9:k\n=v\n"},
    {"{\"words\":[],\"map\":{},\"list\":[ ],\"sub\":{ }}", ""},
    {"{\"time\":\"1970-01-01T00:01:00Z\",\"time\":\"1970-01-01T01:00:00.5+01:00\"}", "5#60 5#0"},
    {"{\"time\":\"yesterday\",\"time\":\"\",\"time\":\"1970-01-01T00:01:00Z\\u0000\"}", ""},
    {"{\"raw\": {\"f:a\" : {\"k:{\\\"b\\\":1}\":{}}} }", "17={\"f:a\" : {\"k:{\\\"b\\\":1}\":{}}}"},
    {"{\"raw\":[1 , 2],\"raw\":\"s\"}", "17=[1 , 2] 17=\"s\""},
    /* Duplicates: each is said. */
    {"{\"text\":\"a\",\"text\":\"b\"}", "1=a 1=b"},
    {"{\"other\":[{\"text\":\"x\"},[[]],true,false,null,-0.1],\"Text\":\"y\"}", ""},
    /* No JSON object. */
    {"", NULL},
    {"[]", NULL},
    {"null", NULL},
    {"{", NULL},
    {"{\"text\"}", NULL},
    {"{\"text\":}", NULL},
    {"{\"text\":\"x\",}", NULL},
    {"{\"text\":\"x\" \"num\":1}", NULL},
    {"{,}", NULL},
    {"{text:1}", NULL},
    {"{\"text\":\"x\"", NULL},
    {"{\"text\":\"x", NULL},
    {"{\"words\":[\"x\",]}", NULL},
    {"{\"words\":[\"x\"}", NULL},
    {"{\"words\":[\"x\"", NULL},
    {"{\"yes\":tru}", NULL},
    {"{\"yes\":truee}", NULL},
    {"{\"other\":nul", NULL},
    {"{}{}", NULL},
    {"{} x", NULL},
    {"\xef\xbb\xbf{}", NULL},
};

static int read_exact(const char *text, size_t len, struct buf *out, struct err *err)
{
    auto_free char *copy = xmalloc(len + !len);
    memcpy(copy, text, len);
    return kube_read_json(every_type, copy, len, put_value, out, err);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_buf out = BUF_INIT(4096);
        struct err err = {0};
        int r = read_exact(cases[i].text, strlen(cases[i].text), &out, &err);
        if (r != (cases[i].values ? 0 : -1))
            fail_msg("case %zu: %d for %s", i, r, cases[i].text);
        assert_int_equal(err.class, r ? ERR_INVALID : ERR_NONE);
        if (!r && strcmp(out.data ? out.data : "", cases[i].values) != 0)
            fail_msg("case %zu: %s instead of %s", i, out.data, cases[i].values);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t n = 0; n < strlen(cases[i].text); n++) {
            auto_buf out = BUF_INIT(4096);
            (void)read_exact(cases[i].text, n, &out, NULL);
        }
    }
}

/* It is a character as any other, and the string goes on behind it. */
static void test_nul(void **state)
{
    static const char text[] = "{\"text\":\"a\\u0000b\"}", raw[] = "{\"text\":\"a\0b\"}";
    auto_buf out = BUF_INIT(4096);
    (void)state;
    assert_int_equal(kube_read_json(every_type, text, sizeof text - 1, put_value, &out, NULL), 0);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "1=a\0b", 5);
    assert_int_equal(kube_read_json(every_type, raw, sizeof raw - 1, put_value, &out, NULL), -1);
    assert_int_equal(kube_read_json(every_type, "{}\0", 3, put_value, &out, NULL), -1);
}

static int stop_at_second(void *arg, const struct kube_value *v)
{
    (void)v;
    return ++*(int *)arg == 2 ? 7 : 0;
}

static void test_stop(void **state)
{
    static const char *const texts[] = {
        "{\"text\":\"\",\"text\":\"\",\"text\":\"\"}",
        "{\"list\":[{\"a\":\"x\\n\"}]}",
        "{\"list\":[{}]}",
        "{\"map\":{\"a\":\"\",\"b\\n\":\"\\n\",\"c\":\"\"}}",
    };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        int n = 0;
        assert_int_equal(
            kube_read_json(every_type, texts[i], strlen(texts[i]), stop_at_second, &n, NULL), 7);
        assert_int_equal(n, 2);
    }
}

static void test_depth(void **state)
{
    enum { HERE = 7 /* bytes of {"raw": */ };
    char text[HERE + 2 * KUBE_DEPTH_MAX + 3] = "{\"raw\":";
    struct err err = {0};
    auto_buf out = BUF_INIT(4096);
    (void)state;
    for (size_t n = KUBE_DEPTH_MAX - 1; n <= KUBE_DEPTH_MAX; n++) {
        memset(text + HERE, '[', n);
        memset(text + HERE + n, ']', n);
        text[HERE + 2 * n] = '}';
        int r = kube_read_json(every_type, text, HERE + 2 * n + 1, put_value, &out, &err);
        assert_int_equal(r, n < KUBE_DEPTH_MAX ? 0 : -1);
    }
    assert_int_equal(err.class, ERR_INVALID);
}

static void test_size(void **state)
{
    auto_free char *text = xmalloc((size_t)KUBE_OBJECT_MAX + 1);
    struct err err = {0};
    (void)state;
    memset(text, ' ', (size_t)KUBE_OBJECT_MAX + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(kube_read_json(every_type, text, KUBE_OBJECT_MAX, put_value, NULL, &err), 0);
    assert_int_equal(kube_read_json(every_type, text, KUBE_OBJECT_MAX + 1, put_value, NULL, &err),
                     -1);
    assert_int_equal(err.class, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases), cmocka_unit_test(test_truncated), cmocka_unit_test(test_nul),
        cmocka_unit_test(test_stop),  cmocka_unit_test(test_depth),     cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
