/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/yaml.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

static json_t *load(const char *s)
{
    struct err err = {0};
    json_t *v = yaml_load(s, strlen(s), &err);
    if (!v)
        fail_msg("%s: %s", s, err.msg);
    return v;
}

static char *dump(const json_t *v)
{
    struct buf b = BUF_INIT(1 << 26);
    assert_int_equal(yaml_dump(v, &b), 0);
    return buf_take(&b);
}

static void test_scalars(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"~", "null"},
        {"null", "null"},
        {"NULL", "null"},
        {"nUll", "\"nUll\""},
        {"''", "\"\""},
        {"y", "true"},
        {"Yes", "true"},
        {"ON", "true"},
        {"n", "false"},
        {"No", "false"},
        {"off", "false"},
        {"yEs", "\"yEs\""},
        {"'y'", "\"y\""},
        {"\"no\"", "\"no\""},
        {"0", "0"},
        {"-0", "0"},
        {"+7", "7"},
        {"007", "7"},
        {"0755", "493"},
        {"0o755", "493"},
        {"0x1F", "31"},
        {"-0x10", "-16"},
        {"0b101", "5"},
        {"08", "8.0"},
        {"1_000", "1000"},
        {"_1", "\"_1\""},
        {"1.5", "1.5"},
        {"-.5", "-0.5"},
        {"1.", "1.0"},
        {"1e3", "1000.0"},
        {"1e", "\"1e\""},
        {"1e+", "\"1e+\""},
        {"e3", "\"e3\""},
        {".", "\".\""},
        {"+", "\"+\""},
        {"0x", "\"0x\""},
        {"0xg", "\"0xg\""},
        {"1.2.3", "\"1.2.3\""},
        {"1:30", "\"1:30\""},
        {"10.0.0.1", "\"10.0.0.1\""},
        {"1e999", "\"1e999\""},
        {"!!str 12", "\"12\""},
        {"! 12", "\"12\""},
        {"2026-01-02", "\"2026-01-02\""},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9.2233720368547758e18"},
        {"99999999999999999999", "1e20"},
        {"0x10000000000000000", "\"0x10000000000000000\""},
        {"\"a\\0b\"", "\"a\\u0000b\""},
        {"\"\\u263a\"", "\"\u263a\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_free char *text = xasprintf("- %s\n", cases[i][0]);
        auto_json *v = load(text);
        auto_free char *got = jx_dump(json_array_get(v, 0));
        assert_string_equal(got, cases[i][1]);
    }
}

static void test_collections(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a: 1\nb:\n- x\n- z: 2\n", "{\"a\":1,\"b\":[\"x\",{\"z\":2}]}"},
        {"{a: [1, {b: c}], d: }", "{\"a\":[1,{\"b\":\"c\"}],\"d\":null}"},
        {"y: 1\n'y': 2\n", "{\"true\":1,\"y\":2}"},
        {"0x10: a\n", "{\"16\":\"a\"}"},
        {"'<<': a\n", "{\"<<\":\"a\"}"},
        {"a: '<<'\n", "{\"a\":\"<<\"}"},
        {"t: |\n  a\n   b\n\nu: >-\n  c\n  d\n", "{\"t\":\"a\\n b\\n\",\"u\":\"c d\"}"},
        {"\xef\xbb\xbf"
         "a: 1\n",
         "{\"a\":1}"},
        {"{\"json\": [true, null, 1.5]}", "{\"json\":[true,null,1.5]}"},
        {"# a comment\n---\na: 1\n...\n", "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *v = load(cases[i][0]);
        auto_free char *got = jx_dump(v);
        assert_string_equal(got, cases[i][1]);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *why;
    } cases[] = {
        {"a: 1\na: 2\n", "line 2, column 1", "there before"},
        {"y: 1\nyes: 2\n", "line 2, column 1", "there before"},
        {"a: &x 1\n", "line 1, column 4", "anchors"},
        {"a: *x\n", "line 1, column 4", "anchors"},
        {"&k a: 1\n", "line 1, column 1", "anchors"},
        {"a: &x [1]\n", "line 1, column 4", "anchors"},
        {"a: &x {}\n", "line 1, column 4", "anchors"},
        {"<<: {a: 1}\n", "line 1, column 1", "merge"},
        {"[a]: 1\n", "line 1", "key"},
        {"{a: 1}: 1\n", "line 1", "key"},
        {"~: 1\n", "line 1", "key"},
        {"1.5: 1\n", "line 1", "key"},
        {"\"a\\0\": 1\n", "line 1", "key"},
        {"a: .inf\n", "line 1, column 4", "JSON"},
        {"a: -.Inf\n", "line 1", "JSON"},
        {"a: .nan\n", "line 1", "JSON"},
        {"a: !!binary Zm8=\n", "line 1", "tag"},
        {"a: !x 1\n", "line 1", "tag"},
        {"a: !x [1]\n", "line 1", "tag"},
        {"a: !x {b: 1}\n", "line 1", "tag"},
        {"a: [1\n", "line 2", ""},
        {"\ta: 1\n", "line 1", ""},
        {"a: b: c\n", "line 1", ""},
        {"a: \"\\ud800\"\n", "line 1", ""},
        {"a: \xff\n", "line 1", ""},
        {"a: \x01\n", "line 1", ""},
        {"", "", "0 YAML documents"},
        {"# only a comment\n", "", "0 YAML documents"},
        {"---\na: 1\n---\nb: 1\n", "", "2 YAML documents"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        json_t *v = yaml_load(cases[i].text, strlen(cases[i].text), &err);
        if (v)
            fail_msg("accepted: %s", cases[i].text);
        assert_int_equal(err.class, ERR_INVALID);
        if (!strstr(err.msg, cases[i].where) || !strstr(err.msg, cases[i].why))
            fail_msg("%s: %s", cases[i].text, err.msg);
    }
}

static void test_documents(void **state)
{
    (void)state;
    static const char s[] = "---\n---\na: 1\n---\n# nothing\n---\n~\n---\n- b\n--- text\n";
    auto_json *v = yaml_load_all(s, strlen(s), NULL);
    auto_free char *got = jx_dump(v);
    assert_string_equal(got, "[{\"a\":1},[\"b\"],\"text\"]");
    auto_json *none = yaml_load_all("", 0, NULL);
    assert_int_equal(json_array_size(none), 0);
}

static json_t *load_repeated(const char *before, const char *part, size_t times, struct err *err)
{
    auto_buf b = BUF_INIT((size_t)YAML_BYTES_MAX * 2);
    buf_puts(&b, before);
    while (times--)
        buf_puts(&b, part);
    return yaml_load(b.data, b.len, err);
}

static void test_bounds(void **state)
{
    (void)state;
    struct err err = {0};
    auto_json *wide = load_repeated("", "- 1\n", YAML_NODES_MAX - 1, &err);
    assert_int_equal(json_array_size(wide), YAML_NODES_MAX - 1);
    assert_null(load_repeated("", "- 1\n", YAML_NODES_MAX, &err));
    assert_non_null(strstr(err.msg, "too many"));
    auto_json *deep = load_repeated("", "- ", YAML_DEPTH_MAX, &err);
    assert_non_null(deep);
    assert_null(load_repeated("", "- ", YAML_DEPTH_MAX + 1, &err));
    assert_non_null(strstr(err.msg, "too deep"));
    assert_null(load_repeated("", "[", 100000, &err));
    assert_null(load_repeated("", "{a: ", 100000, &err));
    assert_null(load_repeated("", "? ", 100000, &err));
    assert_null(load_repeated("# ", "x", YAML_BYTES_MAX, &err));
    assert_non_null(strstr(err.msg, "bytes"));
}

static void test_dump_form(void **state)
{
    (void)state;
    static const char text[] = "\"1e3\": \"0x1\"\n"
                               "addr: 10.0.0.1\n"
                               "args:\n"
                               "- --flag=x:y\n"
                               "- \"- dash\"\n"
                               "- - 1\n"
                               "  - []\n"
                               "- a: 1\n"
                               "  b:\n"
                               "  - c: {}\n"
                               "date: \"2026-01-02\"\n"
                               "\"n\": \"no\"\n"
                               "nothing: null\n"
                               "nul: \"a\\u0000b\"\n"
                               "num: 1.5\n"
                               "one: 0.1\n"
                               "script: |\n"
                               "  line 1\n"
                               "\n"
                               "    line 2\n"
                               "sixty: \"1:30\"\n"
                               "space: \"x \"\n"
                               "strip: |-\n"
                               "  a\n"
                               "  b\n"
                               "unicode: \u00e4\u263a\n"
                               "version: 1.31.0\n";
    auto_json *v = load(text);
    auto_free char *got = dump(v);
    assert_string_equal(got, text);
}

static void test_dump_full(void **state)
{
    (void)state;
    auto_json *v = load("a: [1, {b: \"x\\ny\", c: \"\\0\"}, 1.5]\nd: {}\n");
    auto_free char *whole = dump(v);
    for (size_t max = 0; max < strlen(whole); max++) {
        auto_buf b = BUF_INIT(max);
        assert_int_equal(yaml_dump(v, &b), -1);
    }
    auto_buf b = BUF_INIT(strlen(whole));
    assert_int_equal(yaml_dump(v, &b), 0);
}

static void assert_round_trip(const json_t *v)
{
    auto_free char *once = dump(v);
    struct err err = {0};
    auto_json *back = yaml_load_all(once, strlen(once), &err);
    const json_t *first = json_array_get(back, 0);
    if (!back || !(json_is_null(v) ? json_array_size(back) == 0 : json_equal(v, first))) {
        auto_free char *want = jx_dump(v), *got = jx_dump(first);
        fail_msg("%s\nwanted %s\n   got %s\n%s", err.msg, want, got, once);
    }
    auto_free char *twice = dump(json_is_null(v) ? v : first);
    assert_string_equal(once, twice);
}

/* Strings that other tools have mangled, alone and in every place a string can stand. */
static void test_tricky_strings(void **state)
{
    (void)state;
    static const char *const strings[] = {
        "",          " ",           "  x",        "x ",
        "\n",        "\n\n",        "a\n",        "a\n\n",
        "a\n\n\n",   "\na",         "\n a",       " a\nb",
        "\ta\nb",    "a\n b",       "a\n  ",      "a\n  \n",
        "a \nb",     "a\tb",        "a\r\nb",     "a\n\tb\n",
        "\n\n  x\n", "---",         "--- a",      "...",
        "---\na",    "a\n---\nb\n", "a\n...\n",   "-",
        "- a",       "-a",          "--",         "?",
        "? a",       "?a",          ":",          ": a",
        ":a",        "a:",          "a: b",       "a:b",
        "a #b",      "a#b",         "#a",         "&a",
        "*a",        "!a",          "|",          ">",
        "'",         "\"",          "'a'",        "%a",
        "@a",        "`a",          "[a]",        "{a}",
        "a,b",       "a]",          ",",          "=",
        "<<",        "~",           "null",       "true",
        "y",         "N",           "off",        "0",
        "00",        "08",          "1e3",        ".5",
        "5.",        ".inf",        "-.INF",      ".nan",
        "0x1f",      "0b1",         "0o7",        "1_0",
        "_1",        "+1",          "-1",         "+",
        "1:30",      "1:30:00.5",   "::1",        "2026-01-02T03:04:05Z",
        "2026-01",   "12-34",       "\xc2\x85",   "\u2028",
        "\u2029a",   "\ufeff",      "\ufeffa\nb", "\xc2\xa0",
        "\uffff",    "\U0001f600",  "\x7f",       "\x01",
        "\x1b[0m",   "\\",          "\\n",        "a\\\nb",
        "${x}",      "{{ .x }}",    "a\n# b\n",   "key: |\n  x\n",
        "\\u263a\"",
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        const char *s = strings[i];
        auto_json *v = json_pack("{s:s, s:[s, [s], {s:s}], s:{s:{s:s}}}", "v", s, "l", s, s, s, s,
                                 "o", s, s, s);
        assert_non_null(v);
        assert_round_trip(v);
        auto_json *alone = json_string(s);
        assert_round_trip(alone);
        auto_json *list = json_pack("[[[s, n], s], s]", s, s, s);
        assert_round_trip(list);
    }
}

static void test_long_key(void **state)
{
    (void)state;
    char key[3001];
    memset(key, 'k', sizeof key - 1);
    for (size_t n = 900; n < sizeof key; n += 50) {
        key[n] = '\0';
        auto_json *v = json_pack("[{s:{s:[i], s:i, s:s}}]", key, key, 1, "a", 2, "b", "x\ny\n");
        assert_round_trip(v);
        key[n] = 'k';
    }
}

static uint32_t random_next(uint32_t *seed)
{
    *seed =
        *seed * 1664525 + 1013904223; /* Numerical Recipes' generator: the same run every time */
    return *seed >> 8;
}

static json_t *random_string(uint32_t *seed)
{
    static const char *const parts[] = {
        "a", "b", "1",  "0", ".",  ":", " ", "\n", "-", "#", "'",      "\"",     "\\", "\t",
        "e", "x", "\r", "%", "\n", " ", "_", "~",  "|", ">", "\u2028", "\u00e4", ",",  "?"};
    char s[64] = "";
    for (uint32_t n = random_next(seed) % 9; n; n--)
        strncat(s, parts[random_next(seed) % (sizeof parts / sizeof *parts)], 4);
    return json_string(s);
}

static json_t *random_value(uint32_t *seed, unsigned depth)
{
    uint32_t kind = random_next(seed) % (depth ? 9 : 7), n = random_next(seed) % 4;
    json_t *v = kind == 7 ? json_array() : json_object();
    for (; kind >= 7 && n; n--) {
        json_t *item = random_value(seed, depth - 1);
        auto_json *key = random_string(seed);
        if (kind == 7)
            json_array_append_new(v, item);
        else
            json_object_set_new(v, json_string_value(key), item);
    }
    if (kind >= 7)
        return v;
    json_decref(v);
    if (kind > 3)
        return random_string(seed);
    int64_t i = (int64_t)((uint64_t)random_next(seed) << (random_next(seed) % 40)) - 8388608;
    if (kind == 3)
        return json_real((double)i / 1024 * 1.1);
    return kind == 2 ? json_integer(i) : kind ? json_boolean(i & 1) : json_null();
}

static void test_random_round_trips(void **state)
{
    (void)state;
    uint32_t seed = 42;
    for (int i = 0; i < 3000; i++) {
        auto_json *v = random_value(&seed, 5);
        assert_round_trip(v);
    }
}

static char *slurp(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    struct buf b = BUF_INIT(YAML_BYTES_MAX);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        assert_int_equal(buf_append(&b, chunk, n), 0);
    fclose(f);
    *ret_len = b.len;
    return buf_take(&b);
}

/* Real manifests, every file of the folder: what is read can be written, and reads back the same. */
static void test_files(void **state)
{
    (void)state;
    static const char folder[] = "testdata/yaml";
    DIR *d = opendir(folder);
    assert_non_null(d);
    int files = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (!str_ends(e->d_name, ".yaml"))
            continue;
        auto_free char *path = xasprintf("%s/%s", folder, e->d_name);
        size_t len;
        auto_free char *text = slurp(path, &len);
        struct err err = {0};
        auto_json *docs = yaml_load_all(text, len, &err);
        if (!docs)
            fail_msg("%s: %s", path, err.msg);
        assert_true(json_array_size(docs) > 0);
        assert_round_trip(docs);
        files++;
    }
    closedir(d);
    assert_true(files >= 4);
}

/* What sigs.k8s.io/yaml 1.6 prints for the same values. */
static void test_dump_go(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "{}\n"},
        {"{\"a\": []}", "a: []\n"},
        {"{\"b\": [1, 0.5, true, null], \"a\": {}}", "a: {}\nb:\n- 1\n- 0.5\n- true\n- null\n"},
        {"{\"A_B\": \"x\", \"AB\": \"y\", \"A10\": \"z\", \"A9\": \"\"}",
         "A_B: x\nA9: \"\"\nA10: z\nAB: \"y\"\n"},
        {"\"*\"", "'*'\n"},
        {"\"yes\"", "\"yes\"\n"},
        {"\"1e3\"", "\"1e3\"\n"},
        {"\"1:30\"", "\"1:30\"\n"},
        {"\"1:60\"", "1:60\n"},
        {"\"<<\"", "<<\n"},
        {"\"2024-01-02\"", "\"2024-01-02\"\n"},
        {"\"2024-02-30\"", "2024-02-30\n"},
        {"\"2024-01-02T10:11:12Z\"", "\"2024-01-02T10:11:12Z\"\n"},
        {"\"2024-01-02 10:11:12.5\"", "\"2024-01-02 10:11:12.5\"\n"},
        {"\"2024-01-02rc\"", "2024-01-02rc\n"},
        {"\"a: b\"", "'a: b'\n"},
        {"\"it's\"", "it's\n"},
        {"\"'\"", "''''\n"},
        {"\"\\t\"", "\"\\t\"\n"},
        {"\"[\\\"\\\\\"", "'[\"\\'\n"},
        {"{\"a\": \"a\\nb\\n\"}", "a: |\n  a\n  b\n"},
        {"{\"a\": \"a\\nb\"}", "a: |-\n  a\n  b\n"},
        {"{\"a\": \"a\\n\\n\"}", "a: |+\n  a\n\n"},
        {"\"\xc3\xa9\"", "\xc3\xa9\n"},
        {"{\"a\": \"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
         "0123 56\"}",
         "a: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123\n"
         "  56\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_json *v = json_loads(cases[i][0], JSON_DECODE_ANY, NULL);
        auto_buf b = BUF_INIT(1 << 16);
        assert_non_null(v);
        assert_int_equal(yaml_dump_go(v, &b), 0);
        assert_string_equal(b.data, cases[i][1]);
    }
}

static void test_dump_go_full(void **state)
{
    (void)state;
    auto_json *v = json_pack("{s:s}", "a", "long enough");
    auto_buf b = BUF_INIT(8);
    assert_int_equal(yaml_dump_go(v, &b), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dump_go),   cmocka_unit_test(test_dump_go_full),
        cmocka_unit_test(test_scalars),   cmocka_unit_test(test_collections),
        cmocka_unit_test(test_refuses),   cmocka_unit_test(test_documents),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_dump_form),
        cmocka_unit_test(test_dump_full), cmocka_unit_test(test_tricky_strings),
        cmocka_unit_test(test_long_key),  cmocka_unit_test(test_random_round_trips),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
