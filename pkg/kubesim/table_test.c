/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/api_fixture_test.h"

#define TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"
#define FOOS  "/apis/x.io/v1/namespaces/default/foos"
#define MAPS  NS "/default/configmaps"

/* The definition of the kind Foo with these columns. */
static void define(struct api *f, const char *columns)
{
    auto_free char *crd = xasprintf(
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
        "\"metadata\":{\"name\":\"foos.x.io\"},\"spec\":{\"group\":\"x.io\",\"names\":{"
        "\"kind\":\"Foo\",\"plural\":\"foos\"},\"scope\":\"Namespaced\",\"versions\":[{"
        "\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
        "\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}},"
        "\"additionalPrinterColumns\":%s}]}}",
        columns);
    do_local(f, 201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
}

static void add_foo(struct api *f, const char *name, const char *more)
{
    auto_free char *body = xasprintf("{\"apiVersion\":\"x.io/v1\",\"kind\":\"Foo\",\"metadata\":{"
                                     "\"name\":\"%s\"}%s}",
                                     name, more);
    do_local(f, 201, "POST", FOOS, body);
}

static json_t *table(struct api *f, const char *path, const char *query)
{
    auto_buf text = BUF_INIT(1 << 20);
    auto_free char *bearer = xasprintf("Bearer %s", f->sim->token);
    const struct sim_request q = {.cluster = "c",
                                  .method = "GET",
                                  .path = path,
                                  .query = query,
                                  .accept = TABLE,
                                  .content_type = "",
                                  .body = "",
                                  .authorization = bearer};
    assert_int_equal(sim_local(f->sim->listener, &q, &text), 200);
    json_t *t = jx_load(text.data, text.len, NULL);
    check_str(t, "kind", "Table");
    check_str(t, "apiVersion", "meta.k8s.io/v1");
    return t;
}

static const json_t *row(const json_t *table, size_t i)
{
    return json_array_get(json_object_get(table, "rows"), i);
}

static void check_cells(const json_t *table, size_t i, const char *want)
{
    auto_free char *cells = jx_dump(json_object_get(row(table, i), "cells"));
    assert_string_equal(cells, want);
}

/* The values of one column, a JSONPath each: of the object f, whose content is this. */
static void check_path(const char *path, const char *type, const char *more, const char *want)
{
    void *state;
    assert_int_equal(api_setup(&state), 0);
    auto_json *column = json_pack("[{s:s, s:s, s:s}]", "name", "C", "type", type, "jsonPath", path);
    auto_free char *columns = jx_dump(column);
    define(state, columns);
    add_foo(state, "f", more);
    auto_json *t = table(state, FOOS, "");
    auto_free char *cells = xasprintf("[\"f\",%s]", want);
    check_cells(t, 0, cells);
    assert_int_equal(api_teardown(&state), 0);
}

static void test_definitions(void **state)
{
    struct api *f = *state;
    define(f, "[{\"name\":\"Ready\",\"type\":\"string\",\"jsonPath\":\".status.ready\","
              "\"description\":\"Whether it is.\"},"
              "{\"name\":\"Count\",\"type\":\"integer\",\"format\":\"int32\",\"priority\":1,"
              "\"jsonPath\":\".spec.count\"}]");
    add_foo(f, "f", ",\"spec\":{\"count\":3},\"status\":{\"ready\":\"yes\"}");
    add_foo(f, "g", ",\"spec\":{\"count\":4}");
    auto_json *t = table(f, FOOS, "");
    auto_free char *columns = jx_dump(json_object_get(t, "columnDefinitions"));
    assert_string_equal(columns,
                        "[{\"description\":\"metadata.name\",\"format\":\"name\",\"name\":\"Name\","
                        "\"priority\":0,\"type\":\"string\"},"
                        "{\"description\":\"Whether it is.\",\"format\":\"\",\"name\":\"Ready\","
                        "\"priority\":0,\"type\":\"string\"},"
                        "{\"description\":\"\",\"format\":\"int32\",\"name\":\"Count\","
                        "\"priority\":1,\"type\":\"integer\"}]");
    check_cells(t, 0, "[\"f\",\"yes\",3]");
    check_cells(t, 1, "[\"g\",null,4]");
    check_str(row(t, 0), "object.kind", "PartialObjectMetadata");
    check_str(row(t, 0), "object.metadata.name", "f");
    assert_null(jx_get(row(t, 0), "object.spec"));
    auto_json *one = table(f, FOOS "/g", "");
    assert_int_equal(json_array_size(json_object_get(one, "rows")), 1);
    check_cells(one, 0, "[\"g\",null,4]");
}

static void test_pages(void **state)
{
    struct api *f = *state;
    define(f, "[]");
    add_foo(f, "f", "");
    add_foo(f, "g", "");
    auto_json *t = table(f, FOOS, "limit=1");
    assert_int_equal(json_array_size(json_object_get(t, "rows")), 1);
    auto_free char *query = xasprintf("limit=1&continue=%s", jx_str(t, "metadata.continue"));
    auto_json *rest = table(f, FOOS, query);
    check_str(row(rest, 0), "object.metadata.name", "g");
    check_str(rest, "metadata.continue", NULL);
}

#define CONDITIONS                                                                                 \
    ",\"status\":{\"conditions\":[{\"type\":\"Other\",\"reason\":\"No\"},"                         \
    "{\"type\":\"Ready\",\"reason\":\"Fine\",\"sub\":{\"x\":true}},\"no object\"]}"

static void test_filter(void **state)
{
    (void)state;
    check_path(".status.conditions[?(@.type==\"Ready\")].reason", "string", CONDITIONS, "\"Fine\"");
    check_path(".status.conditions[?(@.type==\"Ready\")].sub.x", "boolean", CONDITIONS, "true");
    check_path(".status.conditions[?(@.sub.x==\"Ready\")].reason", "string", CONDITIONS, "null");
    check_path(".status.conditions[?(@.type==\"Absent\")].reason", "string", CONDITIONS, "null");
}

static void test_missing(void **state)
{
    (void)state;
    static const char *const paths[] = {
        ".status", ".status.a", ".metadata.name.a", ".a[?(@.b==\"c\")]", ".spec.list.a",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        check_path(paths[i], "string", ",\"spec\":{\"list\":[1]}", "null");
    check_path(".spec.at", "date", "", "null");
    check_path(".spec.null", "string", ",\"spec\":{\"null\":null}", "null");
}

/* Of JSONPath there is what columns use; the rest shows nothing, whatever it says. */
static void test_other_paths(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "[",
        ".",
        "..",
        ".a[",
        ".a[0]",
        ".a[?(@.",
        ".a[?(@.b==\"",
        ".a[?(@.b==\"c\"",
        ".a[*]",
        ".a[?(@.b==\"c\")",
        ".a[?(@.\")]==\"c",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        check_path(paths[i], "string", ",\"a\":[{\"b\":\"c\"}]", "null");
}

/* --- dates --- */

static void check_age(int64_t seconds, const char *want)
{
    char at[CLOCK_RFC3339_MAX];
    clock_format(clock_s(&clock_system) - seconds, at);
    auto_free char *more = xasprintf(",\"spec\":{\"at\":\"%s\"}", at);
    auto_free char *cell = xasprintf("\"%s\"", want);
    check_path(".spec.at", "date", more, cell);
}

/* Far enough from a change of the text that a slow machine shows the same. */
static void test_dates(void **state)
{
    (void)state;
    check_age(-1000, "0s");
    check_age(20 * 60 + 10, "20m");
    check_age(5 * 3600 + 12 * 60 + 10, "5h12m");
    check_age(4 * 3600 + 10, "4h");
    check_age(30 * 3600 + 1200, "30h");
    check_age(3 * 86400 + 1200, "3d");
    check_path(".spec.at", "date", ",\"spec\":{\"at\":\"yesterday\"}", "\"<unknown>\"");
    check_path(".spec.at", "date", ",\"spec\":{\"at\":3}", "\"<unknown>\"");
}

static void test_builtin(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"}}");
    auto_json *t = table(f, MAPS, "");
    const json_t *columns = json_object_get(t, "columnDefinitions");
    assert_int_equal(json_array_size(columns), 2);
    check_str(json_array_get(columns, 1), "name", "Age");
    const json_t *cells = json_object_get(row(t, 0), "cells");
    assert_int_equal(json_array_size(cells), 2);
    assert_string_equal(json_string_value(json_array_get(cells, 0)), "x");
    const char *age = json_string_value(json_array_get(cells, 1));
    assert_non_null(age);
    assert_int_equal(age[strlen(age) - 1], 's');
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_definitions),
        TEST(test_pages),
        TEST(test_builtin),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_other_paths),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
