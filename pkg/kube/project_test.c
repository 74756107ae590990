/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/jx.h"

static struct kube_record *record(enum kube_record_kind kind, const char *text)
{
    struct err err = {0};
    auto_json *obj = jx_load(text, strlen(text), &err);
    if (!obj)
        fail_msg("%s", err.msg);
    return kube_record_new(kind, obj); /* outlives the tree */
}

static void test_meta(void **state)
{
    (void)state;
    struct kube_record *r = record(
        KUBE_RECORD_META,
        "{\"metadata\":{\"namespace\":\"n\",\"name\":\"x\",\"uid\":\"u\",\"resourceVersion\":\"5\","
        "\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"deletionTimestamp\":"
        "\"2026-01-02T03:04:06Z\",\"labels\":{\"app.kubernetes.io/managed-by\":\"meshwright\","
        "\"meshwright.dev/mesh\":\"m\",\"meshwright.dev/owner-uid\":\"o\",\"meshwright.dev/wave\":"
        "\"rbac\"},\"annotations\":{\"meshwright.dev/intent\":\"i\",\"meshwright.dev/"
        "issued\":\"a\","
        "\"meshwright.dev/expires\":\"b\",\"meshwright.dev/created\":\"true\"},\"managedFields\":["
        "{\"manager\":\"other\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:no\":{}}},"
        "{\"manager\":\"meshwright\",\"operation\":\"Update\",\"fieldsV1\":{\"f:no\":{}}},"
        "{\"manager\":\"meshwright\",\"operation\":\"Apply\",\"subresource\":\"status\","
        "\"fieldsV1\":{\"f:no\":{}}},"
        "{\"manager\":\"meshwright\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:yes\":{}}}]}}");
    assert_non_null(r);
    assert_string_equal(r->meta.ns, "n");
    assert_string_equal(r->meta.name, "x");
    assert_string_equal(r->meta.uid, "u");
    assert_string_equal(r->meta.rv, "5");
    assert_string_equal(r->meta.creation, "2026-01-02T03:04:05Z");
    assert_string_equal(r->meta.mesh, "m");
    assert_string_equal(r->meta.owner_uid, "o");
    assert_string_equal(r->meta.wave, "rbac");
    assert_string_equal(r->meta.intent, "i");
    assert_string_equal(r->meta.issued, "a");
    assert_string_equal(r->meta.expires, "b");
    assert_string_equal(r->meta.created, "true");
    assert_string_equal(r->meta.fields, "{\"f:yes\":{}}");
    assert_true(r->meta.managed);
    assert_true(r->meta.deleting);
    free(r);
}

static void test_bare(void **state)
{
    (void)state;
    struct kube_record *r = record(KUBE_RECORD_META, "{\"metadata\":{\"name\":\"x\",\"uid\":7}}");
    assert_string_equal(r->meta.name, "x");
    assert_null(r->meta.ns);
    assert_null(r->meta.uid);
    assert_null(r->meta.fields);
    assert_false(r->meta.managed);
    free(r);
}

static void test_nameless(void **state)
{
    static const char *const bad[] = {"{}", "[]", "{\"metadata\":[]}",
                                      "{\"metadata\":{\"name\":\"\"}}",
                                      "{\"metadata\":{\"name\":1}}"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(record(KUBE_RECORD_SERVICE, bad[i]));
}

static void test_absurd(void **state)
{
    (void)state;
    char *name = xcalloc(1, KUBE_RECORD_MAX + 2);
    memset(name, 'x', KUBE_RECORD_MAX + 1);
    json_t *obj = json_pack("{s:{s:s}}", "metadata", "name", name);
    assert_null(kube_record_new(KUBE_RECORD_META, obj));
    json_decref(obj);
    free(name);
}

static void test_service(void **state)
{
    (void)state;
    struct kube_record *r = record(
        KUBE_RECORD_SERVICE,
        "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"clusterIP\":\"None\",\"type\":\"NodePort\","
        "\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80,\"targetPort\":8080,\"nodePort\":"
        "30000,\"name\":\"http\",\"protocol\":\"TCP\"},{\"port\":53,\"appProtocol\":\"dns\"},"
        "17]}}");
    assert_true(r->headless);
    assert_true(r->has_selector);
    assert_string_equal(r->type, "NodePort");
    assert_string_equal(r->ports, "[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"},"
                                  "{\"appProtocol\":\"dns\",\"port\":53},{}]");
    free(r);
    r = record(KUBE_RECORD_SERVICE, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"selector\":{}}}");
    assert_false(r->headless);
    assert_false(r->has_selector);
    assert_string_equal(r->type, "ClusterIP");
    assert_string_equal(r->ports, "[]");
    free(r);
}

static void test_namespace(void **state)
{
    (void)state;
    struct kube_record *r =
        record(KUBE_RECORD_NAMESPACE, "{\"metadata\":{\"name\":\"x\",\"labels\":{\"z\":\"1\","
                                      "\"istio-injection\":\"enabled\"}},"
                                      "\"status\":{\"phase\":\"Terminating\"}}");
    assert_string_equal(r->labels, "{\"istio-injection\":\"enabled\",\"z\":\"1\"}");
    assert_true(r->terminating);
    free(r);
    r = record(KUBE_RECORD_NAMESPACE, "{\"metadata\":{\"name\":\"x\"}}");
    assert_string_equal(r->labels, "{}");
    assert_false(r->terminating);
    free(r);
}

static void test_labels_are_bounded(void **state)
{
    (void)state;
    json_t *labels = json_object();
    for (int i = 0; i < 1000; i++) {
        auto_free char *key = xasprintf("key-%03d", i);
        json_object_set_new(labels, key, json_string("0123456789"));
    }
    json_t *obj = json_pack("{s:{s:s, s:o}}", "metadata", "name", "x", "labels", labels);
    struct kube_record *r = kube_record_new(KUBE_RECORD_NAMESPACE, obj);
    assert_in_range(strlen(r->labels), KUBE_LABELS_MAX / 2, KUBE_LABELS_MAX);
    auto_json *kept = jx_load(r->labels, strlen(r->labels), NULL);
    assert_non_null(json_object_get(kept, "key-000"));
    free(r);
    json_decref(obj);
}

static const struct {
    const char *text;
    bool available;
} deployments[] = {
    {"{\"metadata\":{\"name\":\"x\",\"generation\":2},\"spec\":{\"replicas\":2},\"status\":"
     "{\"observedGeneration\":2,\"availableReplicas\":2,\"updatedReplicas\":2}}",
     true},
    {"{\"metadata\":{\"name\":\"x\",\"generation\":3},\"spec\":{\"replicas\":2},\"status\":"
     "{\"observedGeneration\":2,\"availableReplicas\":2,\"updatedReplicas\":2}}",
     false},
    {"{\"metadata\":{\"name\":\"x\",\"generation\":2},\"spec\":{\"replicas\":2},\"status\":"
     "{\"observedGeneration\":2,\"availableReplicas\":1,\"updatedReplicas\":2}}",
     false},
    {"{\"metadata\":{\"name\":\"x\",\"generation\":2},\"spec\":{\"replicas\":2},\"status\":"
     "{\"observedGeneration\":2,\"availableReplicas\":2,\"updatedReplicas\":1}}",
     false},
    {"{\"metadata\":{\"name\":\"x\",\"generation\":1}}", false},
    {"{\"metadata\":{\"name\":\"x\",\"generation\":1},\"status\":{\"observedGeneration\":1,"
     "\"availableReplicas\":1,\"updatedReplicas\":1}}",
     true},
    {"{\"metadata\":{\"name\":\"x\",\"generation\":1},\"spec\":{\"replicas\":0},\"status\":"
     "{\"observedGeneration\":1}}",
     true},
};

static void test_deployment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof deployments / sizeof *deployments; i++) {
        struct kube_record *r = record(KUBE_RECORD_DEPLOYMENT, deployments[i].text);
        assert_int_equal(r->available, deployments[i].available);
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_nameless),
        cmocka_unit_test(test_absurd),
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_labels_are_bounded),
        cmocka_unit_test(test_deployment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
