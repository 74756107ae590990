/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/lists.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/jx.h"

/* The type at a dotted path; "*" is an item. */
static struct sim_type at(const char *group, const char *kind, const json_t *schema,
                          const char *path)
{
    struct sim_type t = sim_type_of(group, kind, schema);
    while (*path) {
        size_t len = strcspn(path, ".");
        auto_free char *name = xstrndup(path, len);
        t = *name == '*' ? sim_type_item(&t) : sim_type_field(&t, name);
        path += len + (path[len] == '.');
    }
    return t;
}

static void test_built_in(void **state)
{
    (void)state;
    static const struct {
        const char *group, *kind, *path;
        enum sim_list_type list;
        bool whole;
        const char *merge_key;
    } cases[] = {
        {"apps", "Deployment", "spec.template.spec.containers", SIM_LIST_MAP, false, "name"},
        {"apps", "Deployment", "spec.template.spec.containers.*.ports", SIM_LIST_MAP, false,
         "containerPort"},
        {"apps", "Deployment", "spec.template.spec.containers.*.args", SIM_LIST_ATOMIC, false,
         NULL},
        {"apps", "Deployment", "spec.template.spec.tolerations", SIM_LIST_ATOMIC, false, NULL},
        {"apps", "Deployment", "spec.selector", SIM_LIST_ATOMIC, true, NULL},
        {"apps", "StatefulSet", "spec.template.spec.volumes", SIM_LIST_MAP, false, "name"},
        {"", "Service", "spec.ports", SIM_LIST_MAP, false, "port"},
        {"", "Service", "spec.selector", SIM_LIST_ATOMIC, true, NULL},
        {"", "ServiceAccount", "secrets", SIM_LIST_MAP, false, "name"},
        {"", "ServiceAccount", "secrets.*", SIM_LIST_ATOMIC, true, NULL},
        {"", "ServiceAccount", "imagePullSecrets", SIM_LIST_ATOMIC, false, NULL},
        {"", "ConfigMap", "metadata.finalizers", SIM_LIST_SET, false, NULL},
        {"x", "Unknown", "metadata.ownerReferences", SIM_LIST_MAP, false, "uid"},
        {"rbac.authorization.k8s.io", "ClusterRole", "rules", SIM_LIST_ATOMIC, false, NULL},
        {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "webhooks", SIM_LIST_MAP,
         false, "name"},
        {"apiextensions.k8s.io", "CustomResourceDefinition", "spec.versions", SIM_LIST_ATOMIC,
         false, NULL},
        {"apiextensions.k8s.io", "CustomResourceDefinition", "status.conditions", SIM_LIST_MAP,
         false, "type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_type t = at(cases[i].group, cases[i].kind, NULL, cases[i].path);
        auto_free char *key = sim_type_merge_key(&t);
        assert_int_equal(t.list, cases[i].list);
        assert_int_equal(t.whole, cases[i].whole);
        assert_int_equal(key != NULL, cases[i].merge_key != NULL);
        if (key)
            assert_string_equal(key, cases[i].merge_key);
    }
}

static void test_elements(void **state)
{
    (void)state;
    static const struct {
        const char *path, *item, *want;
    } cases[] = {
        {"spec.ports", "{\"port\":80}", "k:{\"port\":80,\"protocol\":\"TCP\"}"},
        {"spec.ports", "{\"protocol\":\"UDP\",\"port\":53}",
         "k:{\"port\":53,\"protocol\":\"UDP\"}"},
        {"spec.ports", "{}", "k:{\"port\":0,\"protocol\":\"TCP\"}"},
        {"spec.ports", "1", NULL},
        {"metadata.finalizers", "\"a\\\"b\"", "v:\"a\\\"b\""},
        {"metadata.finalizers", "{}", NULL},
        {"metadata.finalizers", "null", NULL},
        {"spec.clusterIPs", "\"a\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_type t = at("", "Service", NULL, cases[i].path);
        auto_json *item = json_loads(cases[i].item, JSON_DECODE_ANY, NULL);
        auto_free char *got = sim_type_element(&t, item);
        assert_int_equal(got != NULL, cases[i].want != NULL);
        if (got)
            assert_string_equal(got, cases[i].want);
    }
}

static void test_schema(void **state)
{
    (void)state;
    auto_json *schema = json_loads(
        "{\"properties\":{\"metadata\":{},\"spec\":{\"properties\":{"
        "\"m\":{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"n\",\"p\"],"
        "\"items\":{\"properties\":{\"p\":{\"default\":\"d\"}}}},"
        "\"s\":{\"x-kubernetes-list-type\":\"set\"},\"w\":{\"x-kubernetes-map-type\":\"atomic\"},"
        "\"a\":{\"additionalProperties\":{\"x-kubernetes-list-type\":\"set\",\"nullable\":true}},"
        "\"o\":{\"x-kubernetes-preserve-unknown-fields\":true}}}}}",
        0, NULL);
    struct sim_type m = at("g", "K", schema, "spec.m"), s = at("g", "K", schema, "spec.s");
    struct sim_type a = at("g", "K", schema, "spec.a.any"), o = at("g", "K", schema, "spec.o.x.y");
    assert_int_equal(m.list, SIM_LIST_MAP);
    assert_int_equal(s.list, SIM_LIST_SET);
    assert_true(at("g", "K", schema, "spec.w").whole);
    assert_true(!a.declared && a.list == SIM_LIST_SET && sim_type_nullable(&a));
    assert_true(!o.declared && o.open && sim_type_nullable(&o));
    assert_false(sim_type_nullable(&m));
    assert_int_equal(at("g", "K", schema, "metadata.finalizers").list, SIM_LIST_SET);
    assert_true(at("g", "K", schema, "kind").declared);
    auto_json *item = json_loads("{\"n\":\"x\"}", 0, NULL);
    auto_free char *element = sim_type_element(&m, item);
    assert_string_equal(element, "k:{\"n\":\"x\",\"p\":\"d\"}");
    auto_json *none = json_object();
    json_object_del(jx_get(schema, "properties.spec.properties.m.items"), "properties");
    assert_null(sim_type_element(&m, none));
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(sim_kind_has_status("", "Service"));
    assert_false(sim_kind_has_status("", "Secret"));
    assert_false(sim_kind_has_status("apps", "Service"));
    static const char *const names[][2] = {
        {"apps", "Deployment"}, {"", "Secret"}, {"batch", "Job"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        auto_json *zero = sim_kind_zero(names[i][0], names[i][1]);
        assert_true(json_is_object(json_object_get(zero, "metadata")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
