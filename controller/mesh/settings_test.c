/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/str.h"
#include "mesh/settings.h"
#include "yaml/yaml.h"
#include "json/jx.h"

static struct istio_data *data;

static int load_data(void **state)
{
    (void)state;
    struct err err = {0};
    data = istio_data_load("testdata/istio/data", NULL, &err);
    return data ? 0 : -1;
}

static int free_data(void **state)
{
    (void)state;
    istio_data_free(data);
    return 0;
}

static struct api_mesh *mesh_of(struct arena *a, const char *spec)
{
    struct err err = {0};
    json_t *parsed = yaml_load(spec, strlen(spec), &err);
    assert_non_null(parsed);
    json_t *obj = json_pack("{s:{s:s, s:s}, s:o}", "metadata", "name", "shop", "namespace", "fleet",
                            "spec", parsed);
    struct api_mesh *cr;
    assert_int_equal(api_mesh_decode(obj, a, &cr, &err), 0);
    json_decref(obj); /* the arena holds it */
    return cr;
}

static void test_defaults_are_the_operators(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct options o = {.hub = "registry.example/istio"};
    struct api_mesh *cr = mesh_of(&a, "clusters: [{name: c1}]");
    struct istio_settings s;
    struct err err = {0};
    assert_int_equal(settings_merge(&a, &o, cr, &cr->spec.clusters[0], data, &s, &err), 0);
    assert_string_equal(s.hub, "registry.example/istio");
    assert_string_equal(s.tag, istio_data_version(data));
    assert_string_equal(s.revision, "");
    assert_int_equal(s.min_replicas, 1);
    assert_int_equal(s.max_replicas, 1);
    assert_int_equal(json_object_size(s.env), 0);
}

static void test_cluster_wins_over_mesh_over_operator(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct options o = {.hub = "h",
                        .tag = "t",
                        .istiod_env = json_pack("{s:s, s:s, s:s}", "A", "o", "B", "o", "C", "o")};
    struct api_mesh *cr =
        mesh_of(&a, "image: {tag: mesh}\n"
                    "istiod: {minReplicas: 2, env: [{name: B, value: m}, {name: C, value: m}]}\n"
                    "meshConfig: {accessLogFile: /dev/stdout, defaultConfig: {concurrency: 2}}\n"
                    "clusters:\n"
                    "- name: c1\n"
                    "  istiod: {maxReplicas: 4, env: [{name: C, value: c}]}\n"
                    "  meshConfig: {defaultConfig: {concurrency: 1}}\n"
                    "- name: c2\n");
    struct istio_settings s1, s2;
    struct err err = {0};
    assert_int_equal(settings_merge(&a, &o, cr, &cr->spec.clusters[0], data, &s1, &err), 0);
    assert_int_equal(settings_merge(&a, &o, cr, &cr->spec.clusters[1], data, &s2, &err), 0);
    assert_string_equal(s1.hub, "h");
    assert_string_equal(s1.tag, "mesh");
    assert_string_equal(jx_str(s1.env, "A"), "o");
    assert_string_equal(jx_str(s1.env, "B"), "m");
    assert_string_equal(jx_str(s1.env, "C"), "c");
    assert_string_equal(jx_str(s2.env, "C"), "m"); /* one cluster's override is no other's */
    assert_int_equal(s1.min_replicas, 2);
    assert_int_equal(s1.max_replicas, 4);
    assert_int_equal(s2.max_replicas, 2);
    assert_int_equal(jx_int(s1.mesh_config, "defaultConfig.concurrency", 0), 1);
    assert_int_equal(jx_int(s2.mesh_config, "defaultConfig.concurrency", 0), 2);
    assert_string_equal(jx_str(s1.mesh_config, "accessLogFile"), "/dev/stdout");
    json_decref(o.istiod_env);
}

static void test_replicas_that_contradict_across_levels(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct options o = {.hub = "h"};
    struct api_mesh *cr = mesh_of(&a, "istiod: {minReplicas: 3, maxReplicas: 3}\n"
                                      "clusters: [{name: c1, istiod: {maxReplicas: 2}}]");
    struct istio_settings s;
    struct err err = {0};
    assert_int_equal(settings_merge(&a, &o, cr, &cr->spec.clusters[0], data, &s, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_operators),
        cmocka_unit_test(test_cluster_wins_over_mesh_over_operator),
        cmocka_unit_test(test_replicas_that_contradict_across_levels),
    };
    return cmocka_run_group_tests(tests, load_data, free_data);
}
