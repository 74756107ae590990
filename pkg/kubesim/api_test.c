/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: what their life looks like to a client. hack/kubesim/diff compares the same with a real server. */
#include "kubesim/api_fixture_test.h"

static const char configmap[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},"
    "\"data\":{\"k\":\"v\"}}";

#define MAPS NS "/default/configmaps"

static void test_life(void **state)
{
    struct api *f = *state;
    struct kubesim_stats n;
    auto_json *made = ask(f, 201, "POST", MAPS, NULL, configmap);
    auto_json *read = get(f, 200, MAPS "/x");
    auto_json *again = ask(f, 409, "POST", MAPS, NULL, configmap);
    assert_true(json_equal(made, read));
    check_str(made, "metadata.namespace", "default");
    assert_non_null(jx_str(made, "metadata.uid"));
    assert_non_null(jx_str(made, "metadata.creationTimestamp"));
    check_str(again, "message", "configmaps \"x\" already exists");
    check_str(again, "reason", "AlreadyExists");
    auto_json *gone = ask(f, 200, "DELETE", MAPS "/x", NULL, NULL);
    check_str(gone, "status", "Success");
    check_str(gone, "details.uid", jx_str(made, "metadata.uid"));
    auto_json *absent = get(f, 404, MAPS "/x");
    check_str(absent, "message", "configmaps \"x\" not found");
    kubesim_stats(f->sim, "c", &n);
    assert_int_equal(n.requests, 5);
    assert_int_equal(n.writes, 2);
    assert_int_equal(n.objects, 4); /* namespaces */
}

static void test_update(void **state)
{
    struct api *f = *state;
    struct kubesim_stats n;
    auto_json *made = ask(f, 201, "POST", MAPS, NULL, configmap);
    jx_set_str(made, "data.k", "w");
    auto_free char *body = jx_dump(made);
    auto_json *changed = ask(f, 200, "PUT", MAPS "/x", NULL, body);
    check_str(changed, "data.k", "w");
    auto_json *conflict = ask(f, 409, "PUT", MAPS "/x", NULL, body);
    check_str(conflict, "reason", "Conflict");
    auto_json *same = ask(f, 200, "PATCH", MAPS "/x", MERGE_PATCH, "{\"data\":{\"k\":\"w\"}}");
    check_str(same, "metadata.resourceVersion", jx_str(changed, "metadata.resourceVersion"));
    kubesim_stats(f->sim, "c", &n);
    assert_int_equal(n.writes, 2);
    assert_int_equal(n.noops, 1);
    auto_json *dry =
        ask(f, 200, "PATCH", MAPS "/x?dryRun=All", MERGE_PATCH, "{\"data\":{\"k\":\"z\"}}");
    check_str(dry, "data.k", "z");
    auto_json *read = get(f, 200, MAPS "/x");
    assert_true(json_equal(read, changed));
}

static void test_apply(void **state)
{
    struct api *f = *state;
    auto_json *made = ask(f, 201, "PATCH", MAPS "/x?fieldManager=a", APPLY_PATCH, configmap);
    auto_json *again = ask(f, 200, "PATCH", MAPS "/x?fieldManager=a", APPLY_PATCH, configmap);
    assert_true(json_equal(made, again));
    static const char other[] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
                                "data:\n  k: other\n";
    auto_json *conflict = ask(f, 409, "PATCH", MAPS "/x?fieldManager=b", APPLY_PATCH, other);
    check_str(conflict, "message", "Apply failed with 1 conflict: conflict with \"a\": .data.k");
    auto_json *forced =
        ask(f, 200, "PATCH", MAPS "/x?fieldManager=b&force=true", APPLY_PATCH, other);
    check_str(forced, "data.k", "other");
    do_ask(f, 422, "PATCH", MAPS "/x", APPLY_PATCH, configmap);
    do_ask(f, 404, "PATCH", NS "/absent/configmaps/x?fieldManager=a", APPLY_PATCH, configmap);
}

static void test_finalizers(void **state)
{
    struct api *f = *state;
    do_ask(f, 201, "POST", MAPS, NULL,
           "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.b/c\"]}}");
    auto_json *held = ask(f, 200, "DELETE", MAPS "/x", NULL, NULL);
    assert_non_null(jx_str(held, "metadata.deletionTimestamp"));
    auto_json *more = ask(f, 422, "PATCH", MAPS "/x", MERGE_PATCH,
                          "{\"metadata\":{\"finalizers\":[\"a.b/c\",\"d.e/f\"]}}");
    check_str(more, "reason", "Invalid");
    do_ask(f, 200, "PATCH", MAPS "/x", MERGE_PATCH, "{\"metadata\":{\"finalizers\":null}}");
    do_ask(f, 404, "GET", MAPS "/x", NULL, NULL);
}

static void test_preconditions(void **state)
{
    struct api *f = *state;
    auto_json *made = ask(f, 201, "POST", MAPS, NULL, configmap);
    do_ask(f, 409, "DELETE", MAPS "/x", NULL, "{\"preconditions\":{\"uid\":\"z\"}}");
    do_ask(f, 409, "DELETE", MAPS "/x", NULL, "{\"preconditions\":{\"resourceVersion\":\"1\"}}");
    auto_free char *right =
        xasprintf("{\"preconditions\":{\"uid\":\"%s\"}}", jx_str(made, "metadata.uid"));
    do_ask(f, 200, "DELETE", MAPS "/x", NULL, right);
}

/* What has finalizers holds its namespace. */
static void test_namespace(void **state)
{
    struct api *f = *state;
    do_ask(f, 201, "POST", NS, NULL, "{\"metadata\":{\"name\":\"n\"}}");
    do_ask(f, 201, "POST", NS "/n/configmaps", NULL, configmap);
    do_ask(
        f, 201, "POST", NS "/n/secrets", NULL,
        "{\"metadata\":{\"name\":\"s\",\"finalizers\":[\"a.b/c\"]},\"stringData\":{\"a\":\"b\"}}");
    auto_json *ends = ask(f, 200, "DELETE", NS "/n", NULL, NULL);
    check_str(ends, "status.phase", "Terminating");
    do_ask(f, 404, "GET", NS "/n/configmaps/x", NULL, NULL);
    auto_json *secret = get(f, 200, NS "/n/secrets/s");
    check_str(secret, "data.a", "Yg==");
    auto_json *late = ask(f, 403, "POST", NS "/n/configmaps", NULL, configmap);
    check_str(late, "reason", "Forbidden");
    do_ask(f, 200, "PATCH", NS "/n/secrets/s", MERGE_PATCH, "{\"metadata\":{\"finalizers\":null}}");
    do_ask(f, 404, "GET", NS "/n", NULL, NULL);
    do_ask(f, 403, "DELETE", NS "/default", NULL, NULL);
}

/* What is stored can be read again. */
static void test_depth(void **state)
{
    struct api *f = *state;
    struct kubesim_stats n;
    auto_buf b = BUF_INIT(4096);
    buf_puts(&b, "{\"metadata\":{\"name\":\"deep\"},\"spec\":");
    for (int i = 0; i < 62; i++)
        buf_puts(&b, "{\"a\":");
    buf_puts(&b, "1");
    for (int i = 0; i < 63; i++)
        buf_puts(&b, "}");
    do_ask(f, 422, "POST", "/apis/batch/v1/namespaces/default/jobs", NULL, b.data);
    do_ask(f, 201, "POST", MAPS, NULL, configmap);
    do_ask(f, 200, "PATCH", MAPS "/x", MERGE_PATCH, "{\"data\":{\"a\":{\"a\":{\"a\":{}}}}}");
    buf_reset(&b);
    buf_puts(&b, "[{\"op\":\"add\",\"path\":\"/data/a/a/a/a\",\"value\":");
    for (int i = 0; i < 60; i++)
        buf_puts(&b, "[");
    for (int i = 0; i < 60; i++)
        buf_puts(&b, "]");
    buf_puts(&b, "}]");
    do_ask(f, 422, "PATCH", MAPS "/x", "application/json-patch+json", b.data);
    kubesim_stats(f->sim, "c", &n);
    assert_int_equal(n.writes, 2);
}

/* --- custom kinds --- */

static const char crd[] =
    "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
    "\"metadata\":{\"name\":\"foos.x.io\"},\"spec\":{\"group\":\"x.io\",\"names\":{"
    "\"kind\":\"Foo\",\"plural\":\"foos\"},\"scope\":\"Namespaced\",\"versions\":[{\"name\":\"v1\","
    "\"served\":true,\"storage\":true,\"subresources\":{\"status\":{}},\"schema\":{"
    "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","
    "\"required\":[\"b\"],\"properties\":{\"a\":{\"type\":\"string\",\"default\":\"q\"},"
    "\"b\":{\"type\":\"string\",\"enum\":[\"x\",\"y\"]}}},"
    "\"status\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}}}]}}";

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define FOOS "/apis/x.io/v1/namespaces/default/foos"
#define FOO(spec)                                                                                  \
    "{\"apiVersion\":\"x.io/v1\",\"kind\":\"Foo\",\"metadata\":{\"name\":\"f\"},\"spec\":" spec    \
    ",\"status\":{\"s\":1}}"

static void test_custom(void **state)
{
    struct api *f = *state;
    do_ask(f, 404, "GET", FOOS, NULL, NULL);
    do_ask(f, 201, "POST", CRDS, NULL, crd);
    auto_json *established = get(f, 200, CRDS "/foos.x.io");
    assert_int_equal(json_array_size(jx_get(established, "status.conditions")), 2);
    check_str(established, "status.acceptedNames.singular", "foo");
    auto_json *missing = ask(f, 422, "POST", FOOS, NULL, FOO("{}"));
    check_str(missing, "message", "Foo.x.io \"f\" is invalid: spec.b: Required value");
    do_ask(f, 422, "POST", FOOS, NULL, FOO("{\"b\":\"z\"}"));
    do_ask(f, 422, "POST", FOOS, NULL, FOO("{\"b\":1}"));
    auto_json *made = ask(f, 201, "POST", FOOS, NULL, FOO("{\"b\":\"x\",\"unknown\":1}"));
    check_str(made, "spec.a", "q");
    assert_null(jx_get(made, "spec.unknown"));
    assert_null(jx_get(made, "status"));
    auto_json *status = ask(f, 200, "PATCH", FOOS "/f/status", MERGE_PATCH,
                            "{\"status\":{\"s\":2},\"spec\":{\"b\":\"y\"}}");
    check_str(status, "spec.b", "x");
    assert_int_equal(jx_int(status, "metadata.generation", 0), 1);
    auto_json *changed =
        ask(f, 200, "PATCH", FOOS "/f", MERGE_PATCH, "{\"status\":null,\"spec\":{\"b\":\"y\"}}");
    assert_int_equal(jx_int(changed, "status.s", 0), 2);
    assert_int_equal(jx_int(changed, "metadata.generation", 0), 2);
}

static void test_end_of_custom(void **state)
{
    struct api *f = *state;
    do_ask(f, 201, "POST", CRDS, NULL, crd);
    do_ask(f, 201, "POST", FOOS, NULL, FOO("{\"b\":\"x\"}"));
    do_ask(f, 200, "PATCH", FOOS "/f", MERGE_PATCH, "{\"metadata\":{\"finalizers\":[\"a.b/c\"]}}");
    do_ask(f, 200, "DELETE", CRDS "/foos.x.io", NULL, NULL);
    do_ask(f, 405, "POST", FOOS, NULL, FOO("{\"b\":\"x\"}"));
    auto_json *held = get(f, 200, CRDS "/foos.x.io");
    assert_non_null(jx_str(held, "metadata.deletionTimestamp"));
    do_ask(f, 200, "PATCH", FOOS "/f", MERGE_PATCH, "{\"metadata\":{\"finalizers\":null}}");
    do_ask(f, 404, "GET", FOOS, NULL, NULL);
    do_ask(f, 404, "GET", CRDS "/foos.x.io", NULL, NULL);
    /* Deleted with what it has when nothing holds it. */
    do_ask(f, 201, "POST", CRDS, NULL, crd);
    do_ask(f, 201, "POST", FOOS, NULL, FOO("{\"b\":\"x\"}"));
    do_ask(f, 200, "DELETE", CRDS "/foos.x.io", NULL, NULL);
    do_ask(f, 404, "GET", FOOS "/f", NULL, NULL);
}

/* --- tokens --- */

static long status_with(struct api *f, const char *path, const char *token)
{
    auto_ask a = {.method = "GET", .path = path, .token = token};
    ask_start(f, &a);
    ask_wait(&a);
    return a.status;
}

static void test_tokens(void **state)
{
    struct api *f = *state;
    do_ask(f, 201, "POST", NS "/default/serviceaccounts", NULL, "{\"metadata\":{\"name\":\"s\"}}");
    auto_json *made = ask(f, 201, "POST", NS "/default/serviceaccounts/s/token", NULL,
                          "{\"spec\":{\"expirationSeconds\":600}}");
    const char *token = jx_str(made, "status.token");
    assert_int_equal(status_with(f, "/version", token), 200);
    assert_int_equal(status_with(f, NS, token), 200);
    assert_int_equal(status_with(f, "/version", "nonsense"), 401);
    auto_free char *forged = xstrdup(token);
    forged[strlen(forged) - 2] ^= 1;
    assert_int_equal(status_with(f, NS, forged), 401);
    do_ask(f, 422, "POST", NS "/default/serviceaccounts/s/token", NULL,
           "{\"spec\":{\"expirationSeconds\":1}}");
    do_ask(f, 200, "DELETE", NS "/default/serviceaccounts/s", NULL, NULL);
    assert_int_equal(status_with(f, NS, token), 401);
}

static void test_dump(void **state)
{
    struct api *f = *state;
    do_ask(f, 201, "POST", MAPS, NULL, configmap);
    auto_json *first = kubesim_dump(f->sim, "c");
    do_ask(f, 200, "DELETE", MAPS "/x", NULL, NULL);
    auto_json *without = kubesim_dump(f->sim, "c");
    do_ask(f, 201, "POST", MAPS, NULL, configmap);
    auto_json *again = kubesim_dump(f->sim, "c");
    assert_int_equal(json_array_size(first), 5);
    assert_int_equal(json_array_size(without), 4);
    assert_true(json_equal(first, again));
    check_str(json_array_get(first, 0), "kind", "ConfigMap");
}

/* --- act --- */

static int setup_acting(void **state)
{
    return api_setup_with(state, &(struct kubesim_opts){.act = true});
}

static void test_act(void **state)
{
    struct api *f = *state;
    static const char path[] = "/apis/apps/v1/namespaces/default/deployments";
    do_ask(f, 201, "POST", path, NULL,
           "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{"
           "\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
           "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}");
    auto_json *d = get(f, 200, "/apis/apps/v1/namespaces/default/deployments/d");
    assert_int_equal(jx_int(d, "status.availableReplicas", 0), 2);
    assert_int_equal(jx_int(d, "status.observedGeneration", 0), 1);
    do_ask(f, 201, "POST", NS "/default/services", NULL,
           "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{"
           "\"port\":80}]}}");
    auto_json *s = get(f, 200, NS "/default/services/s");
    assert_int_equal(json_array_size(jx_get(s, "status.loadBalancer.ingress")), 1);
    check_str(json_array_get(jx_get(s, "status.loadBalancer.ingress"), 0), "ip", "100.64.0.1");
    check_str(s, "spec.clusterIP", "10.96.0.1");
    static const char ingresses[] = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    do_ask(f, 201, "POST", ingresses, NULL,
           "{\"metadata\":{\"name\":\"i\"},\"spec\":{\"defaultBackend\":{\"service\":{\"name\":"
           "\"s\",\"port\":{\"number\":80}}}}}");
    auto_json *i = get(f, 200, "/apis/networking.k8s.io/v1/namespaces/default/ingresses/i");
    check_str(json_array_get(jx_get(i, "status.loadBalancer.ingress"), 0), "ip", "100.65.0.1");
}

/* Addresses of two clusters' gateways are never the same. */
static void test_act_in_two_clusters(void **state)
{
    struct api *f = *state;
    struct err err;
    int status;
    static const char service[] = "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":"
                                  "\"LoadBalancer\",\"ports\":[{\"port\":80}]}}";
    assert_int_equal(kubesim_add_cluster(f->sim, "two", &err), 0);
    auto_json *made =
        kubesim_do(f->sim, "two", "POST", NS "/default/services", NULL, service, &status);
    assert_int_equal(status, 201);
    auto_json *s = kubesim_do(f->sim, "two", "GET", NS "/default/services/s", NULL, NULL, &status);
    check_str(json_array_get(jx_get(s, "status.loadBalancer.ingress"), 0), "ip", "100.64.0.2");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_life),
        TEST(test_update),
        TEST(test_apply),
        TEST(test_finalizers),
        TEST(test_preconditions),
        TEST(test_namespace),
        TEST(test_depth),
        TEST(test_custom),
        TEST(test_end_of_custom),
        TEST(test_tokens),
        TEST(test_dump),
        cmocka_unit_test_setup_teardown(test_act, setup_acting, api_teardown),
        cmocka_unit_test_setup_teardown(test_act_in_two_clusters, setup_acting, api_teardown),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
