/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/record_fixture_test.h"

static const char *ports(struct fixture *f)
{
    return kube_record_ports(&f->arena, f->record);
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static void test_meta(void **state)
{
    const struct kube_view *v = make(
        *state, KUBE_RECORD_META,
        "{\"metadata\":{\"namespace\":\"n\",\"name\":\"x\",\"uid\":\"" UUID
        "\",\"resourceVersion\":\"9223372036854775807\","
        "\"deletionTimestamp\":"
        "\"2026-01-02T03:04:06Z\",\"labels\":{\"app.kubernetes.io/managed-by\":\"meshwright\","
        "\"meshwright.dev/mesh\":\"m\",\"meshwright.dev/owner-uid\":\"o\",\"meshwright.dev/wave\":"
        "\"rbac\"},\"annotations\":{\"meshwright.dev/intent\":\"" HASH "\",\"meshwright.dev/"
        "issued\":\"a\","
        "\"meshwright.dev/expires\":\"b\",\"meshwright.dev/created\":\"true\"},\"managedFields\":["
        "{\"manager\":\"other\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:no\":{}}},"
        "{\"manager\":\"meshwright\",\"operation\":\"Update\",\"fieldsV1\":{\"f:no\":{}}},"
        "{\"manager\":\"meshwright\",\"operation\":\"Apply\",\"subresource\":\"status\","
        "\"fieldsV1\":{\"f:no\":{}}},"
        "{\"fieldsV1\":{\"f:yes\":{}},\"manager\":\"meshwright\",\"operation\":\"Apply\"},"
        "{\"manager\":\"meshwright\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:late\":{}}}]}}");
    assert_non_null(v);
    assert_string_equal(v->meta.ns, "n");
    assert_string_equal(v->meta.name, "x");
    assert_string_equal(v->meta.uid, UUID);
    assert_string_equal(v->meta.rv, "9223372036854775807");
    assert_string_equal(v->meta.mesh, "m");
    assert_string_equal(v->meta.owner_uid, "o");
    assert_string_equal(v->meta.wave, "rbac");
    assert_string_equal(v->meta.intent, HASH);
    assert_string_equal(v->meta.issued, "a");
    assert_string_equal(v->meta.expires, "b");
    assert_string_equal(v->meta.created, "true");
    assert_string_equal(v->meta.fields, "{\"f:yes\":{}}");
    assert_true(v->meta.managed);
    assert_true(v->meta.deleting);
    struct fixture *f = *state;
    assert_string_equal(kube_record_name(f->record), "x");
    assert_string_equal(kube_record_ns(f->record), "n");
    assert_true(kube_record_managed(f->record));
}

static void test_bare(void **state)
{
    struct fixture *f = *state;
    for (enum kube_record_kind kind = 0; kind < KUBE_RECORD_KINDS; kind++) {
        const struct kube_view *v = make(f, kind, "{\"metadata\":{\"name\":\"x\",\"uid\":7}}");
        assert_string_equal(v->meta.name, "x");
        assert_int_equal(v->kind, kind);
        assert_null(v->meta.ns);
        assert_null(v->meta.uid);
        assert_null(v->meta.rv);
        assert_null(v->meta.intent);
        assert_null(v->meta.fields);
        assert_null(v->service);
        assert_false(v->meta.managed || v->meta.deleting || v->terminating || v->has_selector);
        assert_string_equal(v->type, "ClusterIP");
        assert_string_equal(v->labels, "{}");
        assert_string_equal(ports(f), "[]");
        assert_string_equal(addresses(f), "");
        assert_string_equal(kube_record_reached_at(&f->arena, f->record), "");
        assert_string_equal(kube_record_cluster_ips(&f->arena, f->record), "");
        assert_string_equal(kube_record_pods(&f->arena, f->record), "");
        assert_int_equal(kube_record_node_port(f->record, 80), 0);
        assert_string_equal(v->service_account, "default");
        assert_false(v->excluded);
        assert_null(kube_record_ns(f->record));
        assert_int_equal(kube_record_size(f->record), 6);
    }
}

static void test_nameless(void **state)
{
    static const char *const bad[] = {"{}",
                                      "[]",
                                      "{\"metadata\":[]}",
                                      "{\"metadata\":{\"name\":\"\"}}",
                                      "{\"metadata\":{\"name\":1}}",
                                      "{\"metadata\":{\"name\":\"a\\u0000b\"}}",
                                      "{\"metadata\":{\"name\":\"\xff\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(make(*state, KUBE_RECORD_SERVICE, bad[i]));
}

static void test_absurd(void **state)
{
    struct fixture *f = *state;
    char *name = xcalloc(1, KUBE_RECORD_MAX + 2);
    memset(name, 'x', KUBE_RECORD_MAX + 1);
    auto_free char *long_name = xasprintf("{\"metadata\":{\"name\":\"%s\"}}", name);
    assert_null(make(f, KUBE_RECORD_META, long_name));
    name[KUBE_RECORD_MAX - 7] = '\0';
    auto_free char *just = xasprintf("{\"metadata\":{\"name\":\"%s\"}}", name);
    assert_non_null(make(f, KUBE_RECORD_META, just));
    auto_free char *over = xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"n\"}}", name);
    assert_null(make(f, KUBE_RECORD_META, over));
    free(name);
}

/* Whatever the text of a value: it comes back as it was. */
static void test_odd_values_stay_as_they_are(void **state)
{
    static const char *const odd[] = {"01",
                                      "-1",
                                      "+1",
                                      "9223372036854775808",
                                      "0x1",
                                      "a",
                                      "ABCDEF01-89ab-cdef-0123-456789abcdef",
                                      "01234567-89ab-cdef-0123-456789abcde",
                                      "01234567-89ab-cdef-0123456789abcdef0",
                                      "01234567-89ab-cdef-0123-456789abcdef0",
                                      "0",
                                      "18446744073709551616",
                                      "\xc3\xa4\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        auto_free char *text =
            xasprintf("{\"metadata\":{\"name\":\"x\",\"namespace\":\"%s\",\"uid\":\"%s\","
                      "\"resourceVersion\":\"%s\",\"annotations\":{\"meshwright.dev/intent\":"
                      "\"%s\"}}}",
                      odd[i], odd[i], odd[i], odd[i]);
        const struct kube_view *v = make(*state, KUBE_RECORD_META, text);
        assert_string_equal(v->meta.ns, odd[i]);
        assert_string_equal(v->meta.uid, odd[i]);
        assert_string_equal(v->meta.rv, odd[i]);
        assert_string_equal(v->meta.intent, odd[i]);
    }
}

static void test_service(void **state)
{
    struct fixture *f = *state;
    const struct kube_view *v =
        make(f, KUBE_RECORD_SERVICE,
             "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"clusterIP\":\"None\",\"type\":"
             "\"NodePort\",\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80,\"targetPort\":8080,"
             "\"nodePort\":30000,\"name\":\"http\",\"protocol\":\"TCP\"},{\"port\":53,"
             "\"appProtocol\":\"dns\",\"protocol\":\"UDP\"},{\"port\":-7,\"protocol\":\"SCTP\","
             "\"name\":\"a\\\"b\\\\c\\u0001\"},{}]}}");
    assert_true(v->headless);
    assert_true(v->has_selector);
    assert_string_equal(v->selector, "{\"a\":\"b\"}");
    assert_string_equal(v->type, "NodePort");
    assert_string_equal(ports(f),
                        "[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"},"
                        "{\"appProtocol\":\"dns\",\"port\":53,\"protocol\":\"UDP\"},"
                        "{\"name\":\"a\\\"b\\\\c\\u0001\",\"port\":-7,\"protocol\":\"SCTP\"},{}]");
    v = make(f, KUBE_RECORD_SERVICE, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"selector\":{}}}");
    assert_false(v->headless || v->has_selector);
    assert_null(v->selector);
    assert_string_equal(v->type, "ClusterIP");
    assert_string_equal(ports(f), "[]");
}

/* Without one of its labels it would select what it does not. */
static void test_selectors_are_whole(void **state)
{
    auto_json *obj = json_pack("{s:{s:s}, s:{s:{}}}", "metadata", "name", "x", "spec", "selector");
    for (int i = 0; i < 1000; i++) {
        auto_free char *key = xasprintf("key-%03d", i);
        json_object_set_new(json_object_get(json_object_get(obj, "spec"), "selector"), key,
                            json_string("0123456789"));
    }
    auto_free char *text = json_dumps(obj, 0);
    const struct kube_view *v = make(*state, KUBE_RECORD_SERVICE, text);
    assert_true(v->has_selector);
    assert_null(v->selector);
    v = make(*state, KUBE_RECORD_SERVICE,
             "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"selector\":{\"z\":\"1\",\"e\":\"\"}}}");
    assert_string_equal(v->selector, "{\"e\":\"\",\"z\":\"1\"}");
}

static void test_endpoint_slice(void **state)
{
    struct fixture *f = *state;
    const struct kube_view *v =
        make(f, KUBE_RECORD_ENDPOINT_SLICE,
             "{\"metadata\":{\"name\":\"x-1\",\"labels\":{\"kubernetes.io/service-name\":\"x\"}},"
             "\"endpoints\":[{\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"],\"conditions\":{\"ready\":"
             "true}},{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":false}},"
             "{\"addresses\":[\"fd00::1\",\"FD00::2\",\"host.example\",\"two words\",\"01.2.3.4\"]"
             "},{}],"
             "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}");
    assert_string_equal(v->service, "x");
    assert_string_equal(addresses(f), "10.0.0.1 10.0.0.2 fd00::1 FD00::2 host.example 01.2.3.4");
    assert_string_equal(ports(f), "[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]");
}

static void test_namespace(void **state)
{
    const struct kube_view *v =
        make(*state, KUBE_RECORD_NAMESPACE,
             "{\"metadata\":{\"name\":\"x\",\"labels\":{\"z\":\"1\",\"istio-injection\":"
             "\"enabled\",\"e\":\"\"}},\"status\":{\"phase\":\"Terminating\"}}");
    assert_string_equal(v->labels, "{\"e\":\"\",\"istio-injection\":\"enabled\",\"z\":\"1\"}");
    assert_true(v->terminating);
    v = make(*state, KUBE_RECORD_NAMESPACE, "{\"metadata\":{\"name\":\"x\"}}");
    assert_string_equal(v->labels, "{}");
    assert_false(v->terminating);
}

static void test_labels_are_bounded(void **state)
{
    json_t *labels = json_object();
    for (int i = 0; i < 1000; i++) {
        auto_free char *key = xasprintf("key-%03d", 999 - i);
        json_object_set_new(labels, key, json_string("0123456789"));
    }
    auto_json *obj = json_pack("{s:{s:s, s:o}}", "metadata", "name", "x", "labels", labels);
    auto_free char *text = json_dumps(obj, 0);
    const struct kube_view *v = make(*state, KUBE_RECORD_NAMESPACE, text);
    assert_in_range(strlen(v->labels), KUBE_LABELS_MAX / 2, KUBE_LABELS_MAX);
    auto_json *kept = jx_load(v->labels, strlen(v->labels), NULL);
    assert_non_null(json_object_get(kept, "key-000"));
    assert_null(json_object_get(kept, "key-999"));
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
    for (size_t i = 0; i < sizeof deployments / sizeof *deployments; i++)
        assert_int_equal(make(*state, KUBE_RECORD_DEPLOYMENT, deployments[i].text)->available,
                         deployments[i].available);
}

static int compare(struct fixture *f, const char *uid, const char *rv, const char *uid2,
                   const char *rv2)
{
    char first[200];
    auto_free char *a = xasprintf(
        "{\"metadata\":{\"name\":\"x\",\"uid\":\"%s\",\"resourceVersion\":\"%s\"}}", uid, rv);
    auto_free char *b = xasprintf(
        "{\"metadata\":{\"name\":\"x\",\"uid\":\"%s\",\"resourceVersion\":\"%s\"}}", uid2, rv2);
    make(f, KUBE_RECORD_META, a);
    assert_in_range(kube_record_size(f->record), 1, sizeof first);
    memcpy(first, f->record, kube_record_size(f->record));
    make(f, KUBE_RECORD_META, b);
    return kube_record_compare((const struct kube_record *)(const void *)first, f->record);
}

static void test_compare(void **state)
{
    struct fixture *f = *state;
    assert_true(compare(f, UUID, "9", UUID, "10") < 0);
    assert_true(compare(f, UUID, "10", UUID, "9") > 0);
    assert_int_equal(compare(f, UUID, "10", UUID, "10"), 0);
    assert_true(compare(f, UUID, "9", "u", "10") > 0);
    assert_true(compare(f, "u", "9", "u", "10") < 0);
    assert_true(compare(f, "u", "9", "v", "10") > 0);
    assert_true(compare(f, "u", "a", "u", "10") > 0);
    assert_int_equal(compare(f, "u", "a", "u", "a"), 0);
    assert_true(compare(f, "u", "a", "u", "b") > 0);
    assert_true(compare(f, "u", "", "u", "") > 0);
}

/* What protobuf has and JSON leaves out: empty strings, an empty time. */
static void test_protobuf(void **state)
{
    struct fixture *f = *state;
    struct buf meta = BUF_INIT(10000), spec = BUF_INIT(10000), port = BUF_INIT(1000);
    struct buf entry = BUF_INIT(1000), fields = BUF_INIT(1000), label = BUF_INIT(1000);
    auto_buf obj = BUF_INIT(20000);
    put_str(&meta, 1, "svc");
    put_str(&meta, 3, "");
    put_str(&meta, 3, "ns");
    put_str(&meta, 5, UUID);
    put_str(&meta, 6, "77");
    put_bytes(&meta, 8, "", 0);
    put_str(&label, 1, KUBE_LABEL_MESH);
    put_bytes(&label, 2, "a\0b", 3);
    put_sub(&meta, 11, &label);
    put_str(&entry, 1, KUBE_FIELD_MANAGER);
    put_str(&entry, 2, "Apply");
    put_str(&fields, 1, "{\"f:a\":{}}");
    put_sub(&entry, 7, &fields);
    put_str(&entry, 8, "");
    put_sub(&meta, 17, &entry);
    put_str(&port, 1, "");
    put_str(&port, 2, "TCP");
    put_num(&port, 3, 80);
    put_sub(&spec, 1, &port);
    put_str(&spec, 3, "None");
    put_sub(&obj, 1, &meta);
    put_sub(&obj, 2, &spec);
    f->record = kube_record_make(f->maker, KUBE_RECORD_SERVICE, KUBE_ENCODING_PROTO, obj.data,
                                 obj.len, NULL);
    assert_non_null(f->record);
    kube_record_view(f->record, &f->view);
    assert_string_equal(f->view.meta.name, "svc");
    assert_string_equal(f->view.meta.ns, "ns");
    assert_string_equal(f->view.meta.uid, UUID);
    assert_string_equal(f->view.meta.rv, "77");
    assert_null(f->view.meta.mesh); /* no string with a NUL */
    assert_string_equal(f->view.meta.fields, "{\"f:a\":{}}");
    assert_true(f->view.headless);
    assert_string_equal(ports(f), "[{\"port\":80,\"protocol\":\"TCP\"}]");
    assert_null(kube_record_make(f->maker, KUBE_RECORD_SERVICE, KUBE_ENCODING_PROTO, obj.data,
                                 obj.len - 1, NULL));
}

/* In protobuf a label may come twice: the last one counts. */
static void test_last_value_counts(void **state)
{
    struct fixture *f = *state;
    static const struct kube_value values[] = {
        {.slot = KUBE_SLOT_NAME, .str = "a", .len = 1},
        {.slot = KUBE_SLOT_LABEL, .key = "k", .key_len = 1, .str = "1", .len = 1},
        {.slot = KUBE_SLOT_LABEL, .key = "j", .key_len = 1, .str = "", .len = 0},
        {.slot = KUBE_SLOT_LABEL, .key = "k", .key_len = 1, .str = "2", .len = 1},
        {.slot = KUBE_SLOT_NAME, .str = "b", .len = 1},
        {.slot = KUBE_SLOT_UID, .str = "u", .len = 1},
        {.slot = KUBE_SLOT_UID, .str = "", .len = 0},
    };
    kube_record_begin(f->maker, KUBE_RECORD_NAMESPACE);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(kube_record_value(f->maker, &values[i]), 0);
    kube_record_view(kube_record_end(f->maker, NULL), &f->view);
    assert_string_equal(f->view.meta.name, "b");
    assert_null(f->view.meta.uid);
    assert_string_equal(f->view.labels, "{\"j\":\"\",\"k\":\"2\"}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_meta),
        T(test_bare),
        T(test_nameless),
        T(test_absurd),
        T(test_odd_values_stay_as_they_are),
        T(test_service),
        T(test_selectors_are_whole),
        T(test_endpoint_slice),
        T(test_namespace),
        T(test_labels_are_bounded),
        T(test_deployment),
        T(test_compare),
        T(test_protobuf),
        T(test_last_value_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
