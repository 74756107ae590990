/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gvr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static const struct gvr pods = {"", "v1", "pods", "Pod", true};
static const struct gvr deployments = {"apps", "v1", "deployments", "Deployment", true};
static const struct gvr nodes = {"", "v1", "nodes", "Node", false};

static void test_path(void **state)
{
    (void)state;
    const struct {
        const struct gvr *gvr;
        const char *ns, *name, *want;
    } cases[] = {
        {&pods, NULL, NULL, "/api/v1/pods"},
        {&pods, "a", NULL, "/api/v1/namespaces/a/pods"},
        {&pods, "a", "b", "/api/v1/namespaces/a/pods/b"},
        {&deployments, "a", "b", "/apis/apps/v1/namespaces/a/deployments/b"},
        {&nodes, "ignored", "n", "/api/v1/nodes/n"},
        {&pods, "a/../b", "c?d#e f%g", "/api/v1/namespaces/a%2F..%2Fb/pods/c%3Fd%23e%20f%25g"},
        {&pods, "..", ".", "/api/v1/namespaces/%2E%2E/pods/%2E"},
        {&nodes, NULL, "system:node:a", "/api/v1/nodes/system%3Anode%3Aa"},
        {&nodes, NULL, "\xc3\xa9", "/api/v1/nodes/%C3%A9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_free char *got = gvr_path(cases[i].gvr, cases[i].ns, cases[i].name);
        assert_string_equal(got, cases[i].want);
    }
}

static void test_never_the_collection_by_mistake(void **state)
{
    (void)state;
    char longest[6000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    auto_free char *empty = gvr_path(&pods, "n", ""), *cut = gvr_path(&pods, longest, "p");
    assert_string_equal(empty, "/a-name-that-makes-no-path");
    assert_string_equal(cut, "/a-name-that-makes-no-path");
}

static void test_api_version(void **state)
{
    (void)state;
    auto_free char *core = gvr_api_version(&pods), *apps = gvr_api_version(&deployments);
    assert_string_equal(core, "v1");
    assert_string_equal(apps, "apps/v1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_never_the_collection_by_mistake),
        cmocka_unit_test(test_api_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
