/* SPDX-License-Identifier: Apache-2.0 */
#include "api/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"

#define NAME_40 "a234567890123456789012345678901234567890"

static json_t *object(const char *name, const char *spec)
{
    auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":%s}", name, spec);
    json_t *v = json_loads(text, 0, NULL);
    assert_non_null(v);
    return v;
}

static const struct {
    const char *name, *spec, *message; /* NULL: fine */
} meshes[] = {
    {"shop", "{\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\"}]}", NULL},
    {NAME_40, "{\"clusterSelector\":{}}", NULL},
    {"shop", "{\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\",\"role\":\"Remote\"}]}", NULL},
    {"shop",
     "{\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\",\"role\":\"Remote\","
     "\"primary\":\"b\"}]}",
     NULL},
    {NAME_40 "1", "{\"clusterSelector\":{}}",
     "metadata.name: \"" NAME_40 "1\" must be at most 40 lower-case letters, digits and '-', which "
     "is not the first or the last: it becomes part of "
     "label values and Service names in member clusters"},
    {"shop", "{}", "spec: set exactly one of clusters and clusterSelector"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"clusterSelector\":{}}",
     "spec: set exactly one of clusters and clusterSelector"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"},{\"name\":\"a\"}]}",
     "spec.clusters: a is named twice"},
    {"shop", "{\"clusters\":[{\"name\":\"a\",\"role\":\"Remote\"}]}",
     "spec.clusters: at least one must have role Primary: it runs istiod"},
    {"shop", "{\"clusters\":[{\"name\":\"a\",\"primary\":\"b\"},{\"name\":\"b\"}]}",
     "spec.clusters: a: primary is only for role Remote"},
    {"shop",
     "{\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\",\"role\":\"Remote\"}]}",
     "spec.clusters: c: with several Primary clusters each Remote must say which: set primary"},
    {"shop",
     "{\"clusters\":[{\"name\":\"a\"},{\"name\":\"c\",\"role\":\"Remote\",\"primary\":\"c\"}]}",
     "spec.clusters: c: primary \"c\" is no Primary of this mesh"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"istiod\":{\"minReplicas\":3,\"maxReplicas\":2}}",
     "spec.istiod: minReplicas must not be greater than maxReplicas"},
    {"shop", "{\"clusters\":[{\"name\":\"a\",\"istiod\":{\"minReplicas\":3,\"maxReplicas\":2}}]}",
     "spec.clusters: a: istiod: minReplicas must not be greater than maxReplicas"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"istiod\":{\"minReplicas\":3}}", NULL},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"meshConfig\":{\"trustDomain\":\"x\"}}",
     "spec.meshConfig: trustDomain is not set here: set spec.trust.domain"},
    {"shop",
     "{\"clusters\":[{\"name\":\"a\",\"meshConfig\":{\"defaultConfig\":{\"meshId\":\"x\"}}}]}",
     "spec.clusters: a: meshConfig: meshId is not set here: it is the name of the Mesh"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"dnsEntries\":{\"mode\":\"Selected\"}}",
     "spec.dnsEntries: namespaceSelector goes with mode Selected, and only with it"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"dnsEntries\":{\"namespaceSelector\":{}}}",
     "spec.dnsEntries: namespaceSelector goes with mode Selected, and only with it"},
    {"shop",
     "{\"clusters\":[{\"name\":\"a\"}],\"trust\":{\"caSecretRef\":{\"name\":\"a\"},\"issuerRef\":{"
     "\"name\":\"b\"}}}",
     "spec.trust: set at most one of caSecretRef and issuerRef"},
    {"shop", "{\"clusters\":[{\"name\":\"a\"}],\"revision\":\"Blue\"}",
     "spec.revision: must be a DNS label of at most 32 characters"},
};

static void test_mesh(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(meshes) / sizeof(meshes[0]); i++) {
        auto_arena a = ARENA_INIT;
        json_t *obj = object(meshes[i].name, meshes[i].spec);
        struct api_mesh *m = NULL;
        struct err err = {0};
        assert_int_equal(api_mesh_decode(obj, &a, &m, &err), 0);
        json_decref(obj);
        int r = api_mesh_validate(m, &err);
        assert_int_equal(r, meshes[i].message ? -1 : 0);
        assert_string_equal(err.msg, meshes[i].message ? meshes[i].message : "");
        assert_int_equal(err.class, meshes[i].message ? ERR_INVALID : ERR_NONE);
    }
}

static const struct {
    const char *name, *spec;
    int want;
} members[] = {
    {"east", "{}", 0},
    {"east", "{\"inCluster\":{}}", 0},
    {"east", "{\"inCluster\":{},\"kubeconfigSecretRef\":{\"name\":\"k\"}}", -1},
    {"east.eu", "{}", -1},
    {"-east", "{}", -1},
    {"east-", "{}", -1},
    {"East", "{}", -1},
};

static void test_member_cluster(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        auto_arena a = ARENA_INIT;
        json_t *obj = object(members[i].name, members[i].spec);
        struct api_member_cluster *m = NULL;
        assert_int_equal(api_member_cluster_decode(obj, &a, &m, NULL), 0);
        json_decref(obj);
        assert_int_equal(api_member_cluster_validate(m, NULL), members[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mesh),
        cmocka_unit_test(test_member_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
