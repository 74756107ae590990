/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/api_fixture_test.h"

#define DEPLOYMENTS "/apis/apps/v1/namespaces/"
#define ISTIO       NS "/istio-system"
#define METRICS     ISTIO "/pods/istiod-main-0:15014/proxy/metrics"
#define BODY(name)                                                                                 \
    "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"selector\":{\"matchLabels\":{"              \
    "\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"               \
    "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"
#define SECRET(name, label, key)                                                                   \
    "{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"istio/multiCluster\":\"" label "\"}},"     \
    "\"data\":{\"" key "\":\"eA==\"}}"

static int setup(void **state, bool act)
{
    int r = api_setup_with(state, &(struct kubesim_opts){.act = act});
    if (r == 0)
        do_local(*state, 201, "POST", NS, "{\"metadata\":{\"name\":\"istio-system\"}}");
    return r;
}

static int setup_acting(void **state)
{
    return setup(state, true);
}

static int setup_plain(void **state)
{
    return setup(state, false);
}

/* The text that path answers with; "" unless it is 200. The caller frees it. */
static char *text_at(struct api *f, const char *path)
{
    auto_buf text = BUF_INIT(1 << 20);
    auto_free char *bearer = xasprintf("Bearer %s", f->sim->token);
    const struct sim_request q = {.cluster = "c",
                                  .method = "GET",
                                  .path = path,
                                  .query = "",
                                  .accept = "*/*",
                                  .content_type = "",
                                  .body = "",
                                  .authorization = bearer};
    int status = sim_local(f->sim->listener, &q, &text);
    return xstrdup(status == 200 ? str_or(text.data, "") : "");
}

static void test_pod(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("istiod-main"));
    auto_json *pod = local(f, 200, "GET", ISTIO "/pods/istiod-main-0", NULL);
    check_str(pod, "status.phase", "Running");
    check_str(pod, "metadata.labels.a", "b");
    auto_json *pods = local(f, 200, "GET", ISTIO "/pods?labelSelector=a%3Db", NULL);
    assert_int_equal(json_array_size(jx_get(pods, "items")), 1);
    /* It stays while its Deployment changes. */
    auto_json *d = local(f, 200, "GET", DEPLOYMENTS "istio-system/deployments/istiod-main", NULL);
    jx_set_new(d, "spec.replicas", json_integer(2));
    auto_free char *more = jx_dump(d);
    do_local(f, 200, "PUT", DEPLOYMENTS "istio-system/deployments/istiod-main", more);
    auto_json *same = local(f, 200, "GET", ISTIO "/pods/istiod-main-0", NULL);
    check_str(same, "metadata.uid", jx_str(pod, "metadata.uid"));
}

static void test_end(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("istiod-main"));
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("istiod-other"));
    do_local(f, 200, "DELETE", DEPLOYMENTS "istio-system/deployments/istiod-main", NULL);
    do_local(f, 404, "GET", ISTIO "/pods/istiod-main-0", NULL);
    do_local(f, 200, "GET", ISTIO "/pods/istiod-other-0", NULL);
    do_local(f, 404, "GET", METRICS, NULL);
}

/* Other Deployments have none, and those of other namespaces. */
static void test_others(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", DEPLOYMENTS "default/deployments", BODY("istiod"));
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("gateway"));
    auto_json *pods = local(f, 200, "GET", "/api/v1/pods", NULL);
    assert_int_equal(json_array_size(jx_get(pods, "items")), 0);
}

static void test_metrics(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("istiod-main"));
    auto_free char *alone = text_at(f, METRICS);
    assert_non_null(strstr(alone, "pilot_xds"));
    assert_null(strstr(alone, "cluster="));
    do_local(f, 201, "POST", ISTIO "/secrets", SECRET("one", "true", "c1"));
    do_local(f, 201, "POST", ISTIO "/secrets", SECRET("two", "true", "c2"));
    do_local(f, 201, "POST", ISTIO "/secrets", SECRET("three", "false", "c3"));
    do_local(f, 201, "POST", NS "/default/secrets", SECRET("four", "true", "c4"));
    auto_free char *both = text_at(f, METRICS);
    static const char line[] = "istiod_remote_cluster_sync_status{cluster=\"%s\","
                               "cluster_type=\"remote\",status=\"synced\"} 1\n";
    auto_free char *c1 = xasprintf(line, "c1"), *c2 = xasprintf(line, "c2");
    assert_non_null(strstr(both, c1));
    assert_non_null(strstr(both, c2));
    assert_null(strstr(both, "c3"));
    assert_null(strstr(both, "c4"));
    do_local(f, 200, "DELETE", ISTIO "/secrets/one", NULL);
    auto_free char *left = text_at(f, METRICS);
    assert_null(strstr(left, c1));
    assert_non_null(strstr(left, c2));
}

static void test_other_paths(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("istiod-main"));
    static const char *const paths[] = {
        ISTIO "/pods/istiod-main-0:80/proxy/metrics",
        ISTIO "/pods/:15014/proxy/metrics",
        ISTIO "/pods/istiod-main-0:15014/proxy/other",
        ISTIO "/pods/istiod-main-0:15014/proxy",
        NS "/default/pods/istiod-main-0:15014/proxy/metrics",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        do_local(f, 404, "GET", paths[i], NULL);
}

static void test_without_act(void **state)
{
    struct api *f = *state;
    do_local(f, 201, "POST", DEPLOYMENTS "istio-system/deployments", BODY("istiod-main"));
    do_local(f, 404, "GET", ISTIO "/pods/istiod-main-0", NULL);
    do_local(f, 404, "GET", METRICS, NULL);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup_acting, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pod),
        TEST(test_end),
        TEST(test_others),
        TEST(test_metrics),
        TEST(test_other_paths),
        cmocka_unit_test_setup_teardown(test_without_act, setup_plain, api_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
