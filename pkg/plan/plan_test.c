/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

static const struct plan_owner owner = {"shop", "uid-1", NULL};

static json_t *config_map(const char *name)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind", "ConfigMap",
                     "metadata", "name", name, "namespace", "ns", "data", "k", "v");
}

static struct plan_object *add(struct plan *p, enum plan_wave wave, json_t *body,
                               const json_t *inputs)
{
    struct err err = {0};
    struct plan_object *o = plan_add(p, &owner, wave, body, inputs, &err);
    if (!o)
        fail_msg("%s", err.msg);
    return o;
}

static void test_waves(void **state)
{
    (void)state;
    for (int w = 0; w < PLAN_WAVES; w++)
        assert_int_equal(plan_wave_of(plan_wave_name((enum plan_wave)w)), w);
    assert_int_equal(plan_wave_of(NULL), PLAN_DNS);
    assert_int_equal(plan_wave_of("nonsense"), PLAN_DNS);
    assert_string_equal(plan_wave_name(PLAN_WAVES), "unknown");
}

static void test_kinds(void **state)
{
    (void)state;
    assert_string_equal(plan_gvr("v1", "Service")->plural, "services");
    assert_string_equal(plan_gvr("apps/v1", "Deployment")->plural, "deployments");
    assert_string_equal(plan_gvr("autoscaling/v2", "HorizontalPodAutoscaler")->version, "v2");
    static const char *const none[][2] = {
        {"apps/v1", "Service"},
        {"v1", "Deployment"},
        {"apps", "Deployment"},
        {"apps/", "Deployment"},
        {"apps/v1x", "Deployment"},
        {"appsx/v1", "Deployment"},
        {"v1", "Node"},
        {"", "Service"},
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(plan_gvr(none[i][0], none[i][1]));
    assert_null(plan_gvr(NULL, "Service"));
    assert_null(plan_gvr("v1", NULL));
    for (const struct gvr *g = plan_kinds; g->kind; g++) {
        auto_free char *api_version = gvr_api_version(g);
        assert_ptr_equal(plan_gvr(api_version, g->kind), g);
    }
}

static void test_add(void **state)
{
    (void)state;
    auto_plan p;
    plan_init(&p, "c1");
    struct plan_object *o = add(&p, PLAN_CONFIG, config_map("a"), NULL);
    assert_string_equal(o->name, "a");
    assert_string_equal(o->ns, "ns");
    assert_string_equal(o->gvr->kind, "ConfigMap");
    assert_int_equal(strlen(o->intent), JX_SHA256_HEX - 1);
    auto_free char *labels = jx_dump(jx_get(o->body, "metadata.labels"));
    assert_string_equal(labels, "{\"app.kubernetes.io/managed-by\":\"meshwright\","
                                "\"meshwright.dev/mesh\":\"shop\","
                                "\"meshwright.dev/owner-uid\":\"uid-1\","
                                "\"meshwright.dev/wave\":\"config\"}");
    assert_string_equal(jx_str2(o->body, "metadata.annotations", PLAN_ANNOTATION_INTENT),
                        o->intent);
}

static void test_intent(void **state)
{
    (void)state;
    auto_plan p;
    plan_init(&p, "c1");
    auto_json *one = json_pack("{s:i}", "generation", 1),
              *two = json_pack("{s:i}", "generation", 2);
    json_t *edited = config_map("a");
    jx_set_str(edited, "data.k", "w");
    const char *plain = add(&p, PLAN_CONFIG, config_map("a"), NULL)->intent;
    assert_string_equal(plain, add(&p, PLAN_CONFIG, config_map("a"), NULL)->intent);
    assert_string_not_equal(plain, add(&p, PLAN_CONFIG, edited, NULL)->intent);
    assert_string_not_equal(plain, add(&p, PLAN_DNS, config_map("a"), NULL)->intent);
    const char *first = add(&p, PLAN_CONFIG, config_map("a"), one)->intent;
    assert_string_not_equal(plain, first);
    assert_string_not_equal(first, add(&p, PLAN_CONFIG, config_map("a"), two)->intent);
    assert_string_equal(first, add(&p, PLAN_CONFIG, config_map("a"), one)->intent);
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}"
        "}",
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"a\"}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"\",\"namespace\":"
        "\"a\"}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\",\"namespace\":"
        "\"b\"}}",
    };
    auto_plan p;
    plan_init(&p, "c1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        assert_null(plan_add(&p, &owner, PLAN_CONFIG, json_loads(bad[i], 0, NULL), NULL, &err));
        assert_int_equal(err.class, ERR_BUG);
    }
    assert_int_equal(p.n, 0);
    assert_int_equal(plan_finish(&p, NULL), 0);
}

static void test_order(void **state)
{
    (void)state;
    auto_plan p;
    plan_init(&p, "c1");
    for (int i = 0; i < 300; i++) {
        auto_free char *name = xasprintf("n%03d", i);
        add(&p, i % 3 ? PLAN_CONFIG : PLAN_RBAC, config_map(name), NULL);
    }
    assert_int_equal(plan_finish(&p, NULL), 0);
    assert_int_equal(p.n, 300);
    for (size_t i = 1; i < p.n; i++) {
        assert_true(p.objects[i - 1].wave <= p.objects[i].wave);
        if (p.objects[i - 1].wave == p.objects[i].wave)
            assert_true(strcmp(p.objects[i - 1].name, p.objects[i].name) < 0);
    }
}

static void test_twice(void **state)
{
    (void)state;
    struct err err = {0};
    auto_plan p;
    plan_init(&p, "c1");
    add(&p, PLAN_CONFIG, config_map("a"), NULL);
    add(&p, PLAN_CONFIG, config_map("b"), NULL);
    add(&p, PLAN_DNS, config_map("a"), NULL);
    assert_int_equal(plan_finish(&p, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    assert_string_equal(err.msg, "ConfigMap ns/a is wanted twice");
}

static char *print(const struct plan *p)
{
    auto_buf out = BUF_INIT(65536);
    assert_int_equal(plan_print(p, &out), 0);
    return buf_take(&out);
}

/* No value of a Secret is printed, and what is made later is said. */
static void test_print(void **state)
{
    (void)state;
    auto_plan p;
    plan_init(&p, "c1");
    json_t *secret = config_map("s");
    jx_set_str(secret, "kind", "Secret");
    jx_set_str(secret, "stringData.x", "hunter2");
    add(&p, PLAN_CA, secret, NULL);
    json_t *remote = config_map("r");
    jx_set_str(remote, "kind", "Secret");
    json_object_del(remote, "data");
    struct plan_object *o = add(&p, PLAN_REMOTE_ACCESS, remote, NULL);
    o->content = PLAN_REMOTE_SECRET;
    o->peer = "c2";
    json_t *file =
        json_pack("{s:s, s:s, s:{s:s}, s:{s:[]}}", "apiVersion", "apiextensions.k8s.io/v1", "kind",
                  "CustomResourceDefinition", "metadata", "name", "f", "spec", "versions");
    o = add(&p, PLAN_CRDS, file, NULL);
    o->content = PLAN_FILE;
    o->file = "crds/f.json";
    assert_int_equal(plan_finish(&p, NULL), 0);
    auto_free char *text = print(&p), *again = print(&p);
    assert_string_equal(text, again);
    assert_true(str_starts(text, "# crds\n"));
    assert_non_null(strstr(text, "<file: crds/f.json>"));
    assert_non_null(strstr(text, "---\n# ca\n"));
    assert_non_null(strstr(text, "---\n# remote-access\n"));
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "x: <redacted>"));
    assert_non_null(strstr(text, "<generated: kubeconfig for cluster c2>"));
    assert_string_equal(jx_str(p.objects[1].body, "stringData.x"), "hunter2");
}

static void test_print_full(void **state)
{
    (void)state;
    auto_plan p;
    plan_init(&p, "c1");
    add(&p, PLAN_CONFIG, config_map("a"), NULL);
    auto_buf out = BUF_INIT(20);
    assert_int_equal(plan_print(&p, &out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waves),      cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_add),        cmocka_unit_test(test_intent),
        cmocka_unit_test(test_refuses),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_twice),      cmocka_unit_test(test_print),
        cmocka_unit_test(test_print_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
