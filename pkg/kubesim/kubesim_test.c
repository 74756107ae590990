/* SPDX-License-Identifier: Apache-2.0 */
/* Requests from inside the process, and who is told of requests. */
#include "kubesim/api_fixture_test.h"

#define MAPS NS "/default/configmaps"

static const char configmap[] = "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":\"v\"}}";

static void test_do(void **state)
{
    struct api *f = *state;
    int status;
    auto_json *made = local(f, 201, "POST", MAPS, configmap);
    check_str(made, "metadata.namespace", "default");
    auto_json *read = local(f, 200, "GET", MAPS "/x", NULL);
    assert_true(json_equal(made, read));
    auto_json *patched = kubesim_do(f->sim, "c", "PATCH", MAPS "/x", MERGE_PATCH,
                                    "{\"data\":{\"k\":\"w\"}}", &status);
    assert_int_equal(status, 200);
    check_str(patched, "data.k", "w");
    auto_json *page = local(f, 200, "GET", NS "?limit=1", NULL);
    assert_int_equal(json_array_size(jx_get(page, "items")), 1);
    auto_json *absent = local(f, 404, "GET", MAPS "/y", NULL);
    check_str(absent, "reason", "NotFound");
    do_local(f, 200, "DELETE", MAPS "/x", NULL);
    do_local(f, 404, "GET", MAPS "/x", NULL);
}

/* More than what a connection would pack with gzip. */
static void test_do_large(void **state)
{
    struct api *f = *state;
    auto_free char *long_text = xcalloc(300001, 1);
    memset(long_text, 'a', 300000);
    auto_json *map =
        json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "x", "data", "k", long_text);
    auto_free char *body = jx_dump(map);
    do_local(f, 201, "POST", MAPS, body);
    auto_json *list = local(f, 200, "GET", MAPS, NULL);
    check_str(json_array_get(jx_get(list, "items"), 0), "data.k", long_text);
}

static void test_do_elsewhere(void **state)
{
    struct api *f = *state;
    int status;
    assert_null(kubesim_do(f->sim, "absent", "GET", NS, NULL, NULL, &status));
    assert_int_equal(status, 404);
    assert_null(kubesim_do(f->sim, "c", "GET", NS "?watch=true", NULL, NULL, &status));
    assert_int_equal(status, 0);
    do_local(f, 201, "POST", NS, "{\"metadata\":{\"name\":\"n\"}}"); /* no watch is told of it */
}

/* What clients do is counted, and met by faults; what a test does beside them is not. */
static void test_do_is_apart(void **state)
{
    struct api *f = *state;
    struct kubesim_stats n;
    const struct sim_rule all = {.fault = {.kind = SIM_FAULT_STATUS, .status = 503}};
    unsigned rule = kubesim_add_rule(f->sim, &all);
    do_local(f, 201, "POST", MAPS, configmap);
    do_ask(f, 503, "GET", MAPS "/x", NULL, NULL);
    kubesim_remove_rule(f->sim, rule);
    do_ask(f, 200, "GET", MAPS "/x", NULL, NULL);
    do_local(f, 200, "GET", MAPS "/x", NULL);
    kubesim_stats(f->sim, "c", &n);
    assert_int_equal(n.requests, 1);
    assert_int_equal(n.writes, 1);
    assert_int_equal(sim_listener_requests(f->sim->listener), 2);
}

/* --- seen --- */

static struct buf seen = {.max = 65536};

static void on_seen(void *arg, const struct sim_request *q)
{
    assert_ptr_equal(arg, &seen);
    buf_printf(&seen, "%s %s %s?%s\n", q->cluster, q->method, q->path, q->query);
}

static int setup_seen(void **state)
{
    buf_reset(&seen);
    return api_setup_with(state, &(struct kubesim_opts){.seen = on_seen, .seen_arg = &seen});
}

static int teardown_seen(void **state)
{
    buf_done(&seen);
    return api_teardown(state);
}

static void test_seen(void **state)
{
    struct api *f = *state;
    const struct sim_rule once = {.times = 1, .fault = {.kind = SIM_FAULT_STATUS, .status = 503}};
    kubesim_add_rule(f->sim, &once);
    do_ask(f, 503, "GET", NS "/refused", NULL, NULL); /* never reaches the API */
    do_ask(f, 201, "POST", MAPS, NULL, configmap);
    do_local(f, 200, "GET", MAPS "?limit=1", NULL);
    do_ask(f, 404, "GET", NS "/absent", NULL, NULL);
    assert_string_equal(seen.data, "c POST " MAPS "?\n"
                                   "c GET " MAPS "?limit=1\n"
                                   "c GET " NS "/absent?\n");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_do),
        TEST(test_do_large),
        TEST(test_do_elsewhere),
        TEST(test_do_is_apart),
        cmocka_unit_test_setup_teardown(test_seen, setup_seen, teardown_seen),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
