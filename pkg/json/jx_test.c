/* SPDX-License-Identifier: Apache-2.0 */
#include "json/jx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static json_t *load(const char *s)
{
    struct err err = {0};
    json_t *v = jx_load(s, strlen(s), &err);
    if (!v)
        fail_msg("%s: %s", s, err.msg);
    return v;
}

static void assert_dump(const json_t *v, const char *want)
{
    auto_free char *got = jx_dump(v);
    assert_string_equal(got, want);
}

static void test_load_accepts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"  [1, 2.5, true, null, \"x\"]\n", "[1,2.5,true,null,\"x\"]"},
        {"{\"b\":1,\"a\":{\"d\":1,\"c\":2}}", "{\"a\":{\"c\":2,\"d\":1},\"b\":1}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
        {"\"a\\u0000b\"", "\"a\\u0000b\""},
        {"\"[[[{{{ \\\" \\\\\"", "\"[[[{{{ \\\" \\\\\""},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"{\"n\":18446744073709551615,\"s\":\"99999999999999999999\"}",
         "{\"n\":1.8446744073709552e19,\"s\":\"99999999999999999999\"}"},
        {"[9223372036854775808,1]", "[9.2233720368547758e18,1]"},
        {"[-9223372036854775809]", "[-9.2233720368547758e18]"},
        {"true", "true"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *v = load(cases[i][0]);
        assert_dump(v, cases[i][1]);
    }
}

static void test_load_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",         " ",
        "{",        "{}x",
        "{} {}",    "[1,]",
        "{\"a\"}",  "'a'",
        "nul",      "01",
        "[1e999]",  "\"\\ud800\"",
        "\"\xff\"", "\"a",
        "\"a\\",    "{\"a\\u0000\":1}",
        "[1 2]",    "-",
        "\"\t\"",   "\xef\xbb\xbf{}",
        "NaN",      "\"\xc0\x80\"",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        assert_null(jx_load(cases[i], strlen(cases[i]), &err));
        assert_int_equal(err.class, ERR_INVALID);
        assert_true(*err.msg);
    }
}

static void test_load_never_quotes_the_text(void **state)
{
    (void)state;
    static const char s[] = "{\"password\": \"hunter2\" \"hunter2\"}";
    struct err err = {0};
    assert_null(jx_load(s, strlen(s), &err));
    assert_null(strstr(err.msg, "hunter2"));
    assert_non_null(strstr(err.msg, "line 1"));
}

/* n levels of arrays and objects around "null", with brackets in strings that must not count. */
static char *nested(size_t n)
{
    struct buf b = BUF_INIT(1 << 24);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, i % 2 ? "{\"]}\\\"\":" : "[\"{[\",");
    buf_puts(&b, "null");
    for (size_t i = n; i-- > 0;)
        buf_puts(&b, i % 2 ? "}" : "]");
    return buf_take(&b);
}

static void test_load_depth(void **state)
{
    (void)state;
    auto_free char *most = nested(JX_DEPTH_MAX);
    auto_json *v = jx_load(most, strlen(most), NULL);
    assert_non_null(v);
    size_t bad[] = {JX_DEPTH_MAX + 1, 1000, 1000000};
    for (size_t i = 0; i < 3; i++) {
        auto_free char *deep = nested(bad[i]);
        struct err err = {0};
        assert_null(jx_load(deep, strlen(deep), &err));
        assert_non_null(strstr(err.msg, "deeper"));
    }
}

static void test_load_size(void **state)
{
    (void)state;
    size_t n = (size_t)JX_BYTES_MAX + 1;
    auto_free char *s = xmalloc(n);
    memset(s, ' ', n);
    struct err err = {0};
    assert_null(jx_load(s, n, &err));
    assert_int_equal(err.class, ERR_INVALID);
}

static void test_load_reads_no_further_than_len(void **state)
{
    (void)state;
    static const char s[] = "[\"abc\\\"]";
    for (size_t n = 0; n < sizeof s; n++) {
        auto_free char *cut = xmalloc(n); /* no NUL: the sanitizer sees any step too far */
        memcpy(cut, s, n);
        assert_null(jx_load(cut, n, NULL));
    }
}

static void test_get(void **state)
{
    (void)state;
    auto_json *v = load(
        "{\"a\":{\"b\":\"x\",\"n\":7,\"t\":true,\"l\":[1],\"k.d/e\":\"y\",\"r\":1.5},\"z\":null}");
    assert_string_equal(jx_str(v, "a.b"), "x");
    assert_null(jx_str(v, "a.n"));
    assert_null(jx_str(v, "a.b.c"));
    assert_null(jx_str(v, "a.l.0"));
    assert_null(jx_str(v, "q"));
    assert_null(jx_str(NULL, "a"));
    assert_string_equal(jx_str2(v, "a", "k.d/e"), "y");
    assert_null(jx_str2(v, "q", "k"));
    assert_int_equal(jx_int(v, "a.n", -1), 7);
    assert_int_equal(jx_int(v, "a.b", -1), -1);
    assert_int_equal(jx_int(v, "a.r", -1), -1);
    assert_true(jx_bool(v, "a.t", false));
    assert_true(jx_bool(v, "a.q", true));
    assert_true(json_is_null(jx_get(v, "z")));
    assert_ptr_equal(jx_get(v, ""), v);
    assert_string_equal(jx_str2(jx_get(v, "a"), "", "b"), "x");
}

static void test_set(void **state)
{
    (void)state;
    auto_json *v = json_object();
    jx_set_new(v, "a.b.c", json_integer(1));
    jx_set_str(v, "a.b.d", "s");
    jx_set_str(v, "a.b.e", NULL);
    jx_set_new(v, "x.y", NULL);
    jx_set_new(v, "top", json_true());
    assert_dump(v, "{\"a\":{\"b\":{\"c\":1,\"d\":\"s\"}},\"top\":true}");
    jx_set_new(v, "top.under", json_null());
    assert_dump(v, "{\"a\":{\"b\":{\"c\":1,\"d\":\"s\"}},\"top\":{\"under\":null}}");
}

/* The table of RFC 7396, appendix A (cases whose both sides are objects), and some of ours. */
static void test_merge(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"a\":1,\"e\":null}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":7}", "{\"a\":{\"x\":null,\"y\":1}}", "{\"a\":{\"y\":1}}"},
        {"{\"a\":7}", "[1]", "{\"a\":7}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *base = load(cases[i][0]), *overlay = load(cases[i][1]);
        jx_merge(base, overlay);
        assert_dump(base, cases[i][2]);
        assert_dump(overlay, cases[i][1]);
    }
}

static void test_merge_shares_nothing(void **state)
{
    (void)state;
    auto_json *base = json_object(), *overlay = load("{\"l\":[{\"a\":1}],\"o\":{\"b\":2}}");
    jx_merge(base, overlay);
    json_object_set_new(json_array_get(jx_get(base, "l"), 0), "a", json_integer(9));
    jx_set_new(base, "o.b", json_integer(9));
    assert_dump(overlay, "{\"l\":[{\"a\":1}],\"o\":{\"b\":2}}");
}

static void test_sha256(void **state)
{
    (void)state;
    char a[JX_SHA256_HEX], b[JX_SHA256_HEX];
    jx_sha256_bytes("abc", 3, a); /* FIPS 180-2, appendix B.1 */
    assert_string_equal(a, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    auto_json *v = load("{\"x\":1,\"y\":[]}"), *w = load("{\"y\":[],\"x\":1}");
    jx_sha256(v, a);
    jx_sha256(w, b);
    assert_string_equal(a, b);
    json_object_set_new(w, "x", json_integer(2));
    jx_sha256(w, b);
    assert_string_not_equal(a, b);
}

static void test_b64(void **state)
{
    (void)state;
    static const char *const cases[][2] = {/* RFC 4648, section 10 */
                                           {"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_free char *got = jx_b64(cases[i][0], strlen(cases[i][0]));
        assert_string_equal(got, cases[i][1]);
        size_t n = 99;
        auto_free char *back = jx_unb64(got, &n);
        assert_non_null(back);
        assert_string_equal(back, cases[i][0]);
        assert_int_equal(n, strlen(cases[i][0]));
    }
    size_t n = 0;
    auto_free char *wrapped = jx_unb64("Zm9v\nYmE=\r\n", &n);
    assert_string_equal(wrapped, "fooba");
}

static void test_b64_every_byte(void **state)
{
    (void)state;
    unsigned char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)(i * 7);
    for (size_t len = 0; len <= sizeof all; len++) {
        auto_free char *s = jx_b64(all, len);
        size_t n = 0;
        auto_free char *back = jx_unb64(s, &n);
        assert_int_equal(n, len);
        assert_memory_equal(back, all, len);
    }
}

static void test_b64_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {"Z",        "Zg",    "Zg=",   "Z===", "====",
                                        "Zg==Zg==", "Zm9v=", "Zm 9v", "Zm-_", "Zm9\1",
                                        "\xff===",  "=Zg=",  "Zg===", "Zm8=="};
    size_t n = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_null(jx_unb64(cases[i], &n));
    assert_null(jx_unb64(NULL, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_accepts),
        cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_load_never_quotes_the_text),
        cmocka_unit_test(test_load_depth),
        cmocka_unit_test(test_load_size),
        cmocka_unit_test(test_load_reads_no_further_than_len),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_shares_nothing),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_b64),
        cmocka_unit_test(test_b64_every_byte),
        cmocka_unit_test(test_b64_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
