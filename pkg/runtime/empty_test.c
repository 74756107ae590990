/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "runtime/empty.h"
#include "json/jx.h"

#define N(x) (sizeof(x) / sizeof *(x))

static json_t *load(const char *text)
{
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

static void test_paths(void **state)
{
    (void)state;
    auto_json *core =
        load("{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{},\"versions\":[{"
             "\"version\":\"v1\","
             "\"resources\":[{\"resource\":\"pods\",\"scope\":\"Namespaced\",\"verbs\":[\"get\","
             "\"list\"]},"
             "{\"resource\":\"nodes\",\"scope\":\"Cluster\",\"verbs\":[\"list\"]},"
             "{\"resource\":\"events\",\"scope\":\"Namespaced\",\"verbs\":[\"list\"]},"
             "{\"resource\":\"bindings\",\"scope\":\"Namespaced\",\"verbs\":[\"create\"]}]}]}]}");
    auto_json *paths = empty_paths(core, "demo");
    auto_free char *text = jx_dump(paths);
    assert_string_equal(text, "[\"/api/v1/namespaces/demo/pods?limit=10\"]");
    auto_json *groups = load(
        "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"apps\"},"
        "\"versions\":["
        "{\"version\":\"v1\",\"resources\":[{\"resource\":\"deployments\",\"scope\":\"Namespaced\","
        "\"verbs\":[\"list\"]}]},{\"version\":\"v1beta1\",\"resources\":[{\"resource\":"
        "\"deployments\","
        "\"scope\":\"Namespaced\",\"verbs\":[\"list\"]}]}]},{\"metadata\":{\"name\":\"x\"}}]}");
    auto_json *more = empty_paths(groups, "demo");
    auto_free char *apps = jx_dump(more);
    assert_string_equal(apps, "[\"/apis/apps/v1/namespaces/demo/deployments?limit=10\"]");
    auto_json *old = load("{\"kind\":\"APIGroupList\",\"groups\":[]}");
    assert_null(empty_paths(old, "demo"));
    assert_null(empty_paths(NULL, "demo"));
}

static void test_what_counts(void **state)
{
    (void)state;
    static const struct {
        const char *resource, *metadata;
        bool counts;
    } cases[] = {
        {"configmaps", "{\"name\":\"kube-root-ca.crt\"}", false},
        {"configmaps", "{\"name\":\"istio-ca-root-cert\"}", false},
        {"configmaps", "{\"name\":\"settings\"}", true},
        {"serviceaccounts", "{\"name\":\"default\"}", false},
        {"serviceaccounts", "{\"name\":\"app\"}", true},
        {"secrets", "{\"name\":\"default\"}", true},
        {"secrets",
         "{\"name\":\"t\",\"annotations\":{\"kubernetes.io/service-account.name\":\"default\"}}",
         false},
        {"pods", "{\"name\":\"default\"}", true},
        {"services",
         "{\"name\":\"a\",\"labels\":{\"app.kubernetes.io/managed-by\":\"meshwright\"},"
         "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"}",
         false},
        {"services",
         "{\"name\":\"a\",\"labels\":{\"app.kubernetes.io/managed-by\":\"meshwright\"}}", true},
    };
    for (size_t i = 0; i < N(cases); i++) {
        auto_free char *path = xasprintf("/api/v1/namespaces/demo/%s?limit=10", cases[i].resource);
        auto_json *item = json_pack("{s:o}", "metadata", load(cases[i].metadata));
        assert_int_equal(empty_counts(path, item), cases[i].counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_what_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
