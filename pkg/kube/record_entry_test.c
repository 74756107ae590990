/* SPDX-License-Identifier: Apache-2.0 */
/* Records of machines: Istio's WorkloadEntries. */
#include "kube/record_fixture_test.h"

#define ENTRY(annotations, rest)                                                                   \
    "{\"metadata\":{\"name\":\"db-172.16.0.5-dc3\",\"namespace\":\"shop\",\"annotations\":{"       \
    "\"istio.io/autoRegistrationGroup\":\"db\"" annotations                                        \
    "}},\"spec\":{\"address\":\"172.16.0.5\",\"network\":\"dc3\",\"labels\":{\"app\":\"db\"}"      \
    "}" rest "}"

static void test_connected(void **state)
{
    const struct kube_view *v = make(*state, KUBE_RECORD_WORKLOAD_ENTRY,
                                     ENTRY(",\"istio.io/connectedAt\":\"2026-01-02T03:04:05.123Z\","
                                           "\"istio.io/workloadController\":\"istiod-0\"",
                                           ""));
    assert_string_equal(v->group, "db");
    assert_string_equal(v->connected, "2026-01-02T03:04:05.123Z");
    assert_null(v->disconnected);
    assert_string_equal(v->address, "172.16.0.5");
    assert_string_equal(v->network, "dc3");
    assert_false(v->probed || v->healthy || v->unhealthy);
    assert_false(v->has_selector || v->headless || v->available);
}

static void health(struct fixture *f, const char *status, bool healthy, bool unhealthy)
{
    auto_free char *text = xasprintf(
        ENTRY(",\"proxy.istio.io/health-checks-enabled\":\"true\"",
              ",\"status\":{\"conditions\":[{\"type\":\"Reconciled\",\"status\":\"False\"}"
              ",{\"status\":\"%s\",\"type\":\"Healthy\"}]}"),
        status);
    const struct kube_view *v = make(f, KUBE_RECORD_WORKLOAD_ENTRY, text);
    assert_true(v->probed);
    assert_int_equal(v->healthy, healthy);
    assert_int_equal(v->unhealthy, unhealthy);
}

static void test_health(void **state)
{
    health(*state, "True", true, false);
    health(*state, "False", false, true);
    health(*state, "Unknown", false, false);
    const struct kube_view *v =
        make(*state, KUBE_RECORD_WORKLOAD_ENTRY,
             ENTRY(",\"proxy.istio.io/health-checks-enabled\":\"true\"", ""));
    assert_true(v->probed && !v->healthy && !v->unhealthy);
}

/* A machine chooses its labels, and istiod puts them on the entry: they make it nobody's. */
static void test_labels_of_a_machine_are_not_believed(void **state)
{
    const struct kube_view *v = make(
        *state, KUBE_RECORD_WORKLOAD_ENTRY,
        "{\"metadata\":{\"name\":\"x\",\"namespace\":\"shop\",\"labels\":{"
        "\"app.kubernetes.io/managed-by\":\"meshwright\",\"meshwright.dev/owner-uid\":\"u\","
        "\"meshwright.dev/mesh\":\"shop\",\"meshwright.dev/wave\":\"crds\"},"
        "\"annotations\":{\"meshwright.dev/intent\":\"i\",\"meshwright.dev/created\":\"true\"}}}");
    assert_false(v->meta.managed);
    assert_null(v->meta.owner_uid);
    assert_null(v->meta.mesh);
    assert_null(v->meta.wave);
    assert_null(v->meta.intent);
    assert_null(v->meta.created);
    assert_null(v->group);
}

/* The time of the last probe changes all the time, and is no news. */
static void test_probes_are_no_news(void **state)
{
    struct fixture *f = *state;
    static const char first[] =
        ENTRY("", ",\"status\":{\"conditions\":[{\"type\":\"Healthy\",\"status\":\"True\","
                  "\"lastProbeTime\":\"2026-01-01T00:00:00Z\"}]}");
    static const char second[] =
        ENTRY("", ",\"status\":{\"conditions\":[{\"type\":\"Healthy\",\"status\":\"True\","
                  "\"lastProbeTime\":\"2026-01-01T00:00:10Z\"}]}");
    make(f, KUBE_RECORD_WORKLOAD_ENTRY, first);
    size_t size = kube_record_size(f->record);
    auto_free void *copy = xcalloc(1, size);
    memcpy(copy, f->record, size);
    make(f, KUBE_RECORD_WORKLOAD_ENTRY, second);
    assert_true(kube_record_same_content(copy, f->record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_health, setup, teardown),
        cmocka_unit_test_setup_teardown(test_labels_of_a_machine_are_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probes_are_no_news, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
