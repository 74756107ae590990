/* SPDX-License-Identifier: Apache-2.0 */
/* Records: where things are reached, and what is behind a Service. */
#include "kube/record_fixture_test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UUID "01234567-89ab-cdef-0123-456789abcdef"

#define OURS "\"labels\":{\"app.kubernetes.io/managed-by\":\"meshwright\"}"
/* Spec and status of a Service that is reached in every way. */
#define REACHED                                                                                    \
    "\"spec\":{\"clusterIP\":\"10.96.0.1\",\"clusterIPs\":[\"10.96.0.1\",\"fd00::1\"],"            \
    "\"externalIPs\":["                                                                            \
    "\"192.0.2.9\"],\"type\":\"LoadBalancer\",\"ports\":[{\"port\":15443,\"nodePort\":31443},{"    \
    "\"port\":"                                                                                    \
    "53,\"protocol\":\"UDP\",\"nodePort\":30053},{\"port\":53,\"protocol\":\"TCP\",\"nodePort\":"  \
    "30054},"                                                                                      \
    "{\"port\":7,\"nodePort\":70000}]},\"status\":{\"loadBalancer\":{\"ingress\":[{\"hostname\":"  \
    "\"lb.example\",\"ip\":\"192.0.2.1\"},{\"ip\":\"fd00::2\",\"ports\":[{}]},{\"hostname\":\"b."  \
    "example\"}"                                                                                   \
    "]}}"

static void test_where_a_service_of_ours_is_reached(void **state)
{
    struct fixture *f = *state;
    make(f, KUBE_RECORD_SERVICE, "{" REACHED ",\"metadata\":{\"name\":\"x\"," OURS "}}");
    assert_string_equal(kube_record_reached_at(&f->arena, f->record),
                        "192.0.2.1 lb.example fd00::2 b.example 192.0.2.9");
    assert_string_equal(kube_record_cluster_ips(&f->arena, f->record), "10.96.0.1 fd00::1");
    assert_int_equal(kube_record_node_port(f->record, 15443), 31443);
    assert_int_equal(kube_record_node_port(f->record, 53), 30054);
    assert_int_equal(kube_record_node_port(f->record, 7), 0);
    assert_int_equal(kube_record_node_port(f->record, 8), 0);
    make(f, KUBE_RECORD_SERVICE,
         "{\"metadata\":{\"name\":\"x\"," OURS "},\"spec\":{\"clusterIP\":\"None\"}}");
    assert_string_equal(kube_record_cluster_ips(&f->arena, f->record), "None");
}

/* Of Services there may be very many: of others' nothing of it is kept. */
static void test_services_of_others_stay_small(void **state)
{
    struct fixture *f = *state;
    make(f, KUBE_RECORD_SERVICE,
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{\"port\":"
         "15443},{\"port\":53,\"protocol\":\"UDP\"},{\"port\":53,\"protocol\":\"TCP\"},{\"port\":7}"
         "]}}");
    size_t small = kube_record_size(f->record);
    make(f, KUBE_RECORD_SERVICE, "{\"metadata\":{\"name\":\"x\"}," REACHED "}");
    assert_int_equal(kube_record_size(f->record), small);
    assert_string_equal(kube_record_reached_at(&f->arena, f->record), "");
    assert_string_equal(kube_record_cluster_ips(&f->arena, f->record), "");
    make(f, KUBE_RECORD_INGRESS, "{\"metadata\":{\"name\":\"x\"}," REACHED "}");
    assert_int_equal(kube_record_size(f->record), 6);
}

static void test_external_name(void **state)
{
    struct fixture *f = *state;
    const struct kube_view *v =
        make(f, KUBE_RECORD_SERVICE,
             "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"externalName\":\"db.example\",\"type\":"
             "\"ExternalName\"}}");
    assert_string_equal(v->type, "ExternalName");
    assert_string_equal(kube_record_cluster_ips(&f->arena, f->record), "db.example");
}

static void test_ingress(void **state)
{
    struct fixture *f = *state;
    make(f, KUBE_RECORD_INGRESS,
         "{\"metadata\":{\"name\":\"x\"," OURS
         "},\"spec\":{\"ingressClassName\":\"c\"},\"status\":{"
         "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"a.example\"}]}}}");
    assert_string_equal(kube_record_reached_at(&f->arena, f->record), "192.0.2.1 a.example");
}

static void test_pod(void **state)
{
    const struct kube_view *v =
        make(*state, KUBE_RECORD_POD,
             "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"serviceAccountName\":\"a\"}}");
    assert_string_equal(v->service_account, "a");
    v = make(*state, KUBE_RECORD_POD,
             "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"serviceAccountName\":\"default\"}}");
    assert_string_equal(v->service_account, "default");
}

static const struct {
    enum kube_record_kind kind;
    const char *label;
    bool excluded;
} exclusions[] = {
    {KUBE_RECORD_SERVICE, "\"meshwright.dev/dns-entry\":\"false\"", true},
    {KUBE_RECORD_NAMESPACE, "\"meshwright.dev/dns-entry\":\"false\"", true},
    {KUBE_RECORD_SERVICE, "\"meshwright.dev/dns-entry\":\"true\"", false},
    {KUBE_RECORD_NAMESPACE, "\"meshwright.dev/dns-entry\":\"\"", false},
    {KUBE_RECORD_NAMESPACE, "\"dns-entry\":\"false\"", false},
    {KUBE_RECORD_META, "\"meshwright.dev/dns-entry\":\"false\"", false},
};

static void test_exclusion(void **state)
{
    for (size_t i = 0; i < sizeof exclusions / sizeof *exclusions; i++) {
        auto_free char *text =
            xasprintf("{\"metadata\":{\"name\":\"x\",\"labels\":{%s}}}", exclusions[i].label);
        assert_int_equal(make(*state, exclusions[i].kind, text)->excluded, exclusions[i].excluded);
    }
}

static void is_endpoint(const struct kube_endpoint *e, const char *address, const char *hostname,
                        const char *pod)
{
    assert_string_equal(e->address, address);
    assert_true(str_eq(e->hostname, hostname));
    assert_true(str_eq(e->pod, pod));
}

static void test_endpoints(void **state)
{
    struct fixture *f = *state;
    size_t n;
    make(
        f, KUBE_RECORD_ENDPOINT_SLICE,
        "{\"metadata\":{\"name\":\"x\"},\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]},"
        "{\"hostname\":\"db-0\",\"targetRef\":{\"kind\":\"Pod\",\"name\":\"p-0\"},\"addresses\":["
        "\"10.0.0.2\",\"fd00::2\"]},{\"addresses\":[\"10.0.0.3\"],\"targetRef\":{\"kind\":\"Pod\","
        "\"name\":\"p-1\"},\"conditions\":{\"ready\":false}},{\"addresses\":[\"10.0.0.4\"],"
        "\"targetRef\":{\"kind\":\"Node\",\"name\":\"n\"}},{\"addresses\":[\"host.example\"],"
        "\"targetRef\":{\"kind\":\"Pod\",\"name\":\"p-2\"}},{\"targetRef\":{\"kind\":\"Pod\","
        "\"name\":\"p-3\"}},{\"addresses\":[\"10.0.0.5\"],\"targetRef\":{\"kind\":\"Pod\",\"name\":"
        "\"p 4\"}}]}");
    const struct kube_endpoint *e = kube_record_endpoints(&f->arena, f->record, &n);
    assert_int_equal(n, 6);
    is_endpoint(&e[0], "10.0.0.1", NULL, NULL);
    is_endpoint(&e[1], "10.0.0.2", "db-0", "p-0");
    is_endpoint(&e[2], "fd00::2", "db-0", "p-0");
    is_endpoint(&e[3], "10.0.0.4", NULL, NULL);
    is_endpoint(&e[4], "host.example", NULL, "p-2");
    is_endpoint(&e[5], "10.0.0.5", NULL, NULL);
    assert_string_equal(addresses(f), "10.0.0.1 10.0.0.2 fd00::2 10.0.0.4 host.example 10.0.0.5");
    assert_string_equal(kube_record_pods(&f->arena, f->record), "p-0 p-2");
    make(f, KUBE_RECORD_ENDPOINT_SLICE, "{\"metadata\":{\"name\":\"x\"},\"endpoints\":[]}");
    assert_null(kube_record_endpoints(&f->arena, f->record, &n));
    assert_int_equal(n, 0);
}

/* Labels of a Service are copied to its slices. */
static void test_slices_that_controllers_made(void **state)
{
    static const struct {
        const char *by;
        bool ours;
    } makers[] = {{"endpointslice-controller.k8s.io", false},
                  {"endpointslicemirroring-controller.k8s.io", false},
                  {"meshwright.dev", true}};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        auto_free char *text =
            xasprintf("{\"metadata\":{\"name\":\"x\",\"labels\":{\"app.kubernetes.io/managed-by\":"
                      "\"meshwright\",\"endpointslice.kubernetes.io/managed-by\":\"%s\"}}}",
                      makers[i].by);
        assert_int_equal(make(*state, KUBE_RECORD_ENDPOINT_SLICE, text)->meta.managed,
                         makers[i].ours);
    }
}

static bool same_content(struct fixture *f, const char *x, const char *y)
{
    char first[200];
    make(f, KUBE_RECORD_ENDPOINT_SLICE, x);
    assert_in_range(kube_record_size(f->record), 1, sizeof first);
    memcpy(first, f->record, kube_record_size(f->record));
    make(f, KUBE_RECORD_ENDPOINT_SLICE, y);
    const struct kube_record *a = (const struct kube_record *)(const void *)first;
    bool same = kube_record_same_content(a, f->record);
    assert_int_equal(kube_record_same_content(f->record, a), same);
    return same;
}

static void test_same_content(void **state)
{
#define SLICE(meta, rest) "{\"metadata\":{\"name\":\"x\"" meta "}" rest "}"
#define VERSION(v)        ",\"resourceVersion\":\"" v "\""
#define ENDPOINT(a)       ",\"endpoints\":[{\"addresses\":[\"" a "\"]}]"
    static const char one[] = SLICE(VERSION("1"), ENDPOINT("10.0.0.1"));
    struct fixture *f = *state;
    assert_true(same_content(f, one, one));
    assert_true(same_content(f, one, SLICE(VERSION("2"), ENDPOINT("10.0.0.1"))));
    assert_true(same_content(f, one, SLICE("", ENDPOINT("10.0.0.1"))));
    assert_false(same_content(f, one, SLICE(VERSION("1"), ENDPOINT("10.0.0.2"))));
    assert_false(same_content(f, one, SLICE(VERSION("1"), "")));
    assert_false(same_content(f, one, SLICE(VERSION("1") ",\"uid\":\"u\"", ENDPOINT("10.0.0.1"))));
    assert_false(same_content(
        f, one, SLICE(",\"deletionTimestamp\":\"2026-01-02T03:04:06Z\"", ENDPOINT("10.0.0.1"))));
    assert_false(same_content(f, one, "{\"metadata\":{\"name\":\"y\"}" ENDPOINT("10.0.0.1") "}"));
}

/* By the numbers of the fields. */
static void test_protobuf_of_endpoints_and_addresses(void **state)
{
    struct fixture *f = *state;
    size_t n;
    struct buf meta = BUF_INIT(1000), label = BUF_INIT(1000), port = BUF_INIT(1000);
    struct buf spec = BUF_INIT(1000), point = BUF_INIT(1000), balancer = BUF_INIT(1000);
    struct buf status = BUF_INIT(1000), target = BUF_INIT(1000), endpoint = BUF_INIT(1000);
    auto_buf service = BUF_INIT(10000), slice = BUF_INIT(10000), pod = BUF_INIT(1000);
    put_str(&label, 1, KUBE_LABEL_MANAGED_BY);
    put_str(&label, 2, KUBE_MANAGED_BY);
    put_str(&meta, 1, "x");
    put_sub(&meta, 11, &label);
    put_bytes(&service, 1, meta.data, meta.len);
    put_bytes(&slice, 1, meta.data, meta.len);
    put_sub(&pod, 1, &meta);
    put_num(&port, 3, 80);
    put_num(&port, 5, 30080);
    put_sub(&spec, 1, &port);
    put_str(&spec, 5, "192.0.2.9");
    put_str(&spec, 18, "10.96.0.1");
    put_sub(&service, 2, &spec);
    put_str(&point, 1, "192.0.2.1");
    put_str(&point, 2, "lb.example");
    put_sub(&balancer, 1, &point);
    put_sub(&status, 1, &balancer);
    put_sub(&service, 3, &status);
    f->record = kube_record_make(f->maker, KUBE_RECORD_SERVICE, KUBE_ENCODING_PROTO, service.data,
                                 service.len, NULL);
    assert_string_equal(kube_record_reached_at(&f->arena, f->record),
                        "192.0.2.1 lb.example 192.0.2.9");
    assert_string_equal(kube_record_cluster_ips(&f->arena, f->record), "10.96.0.1");
    assert_int_equal(kube_record_node_port(f->record, 80), 30080);
    f->record = kube_record_make(f->maker, KUBE_RECORD_INGRESS, KUBE_ENCODING_PROTO, service.data,
                                 service.len, NULL);
    assert_string_equal(kube_record_reached_at(&f->arena, f->record), "192.0.2.1 lb.example");
    put_str(&target, 1, "Pod");
    put_str(&target, 3, "p");
    put_str(&endpoint, 1, "10.0.0.1");
    put_str(&endpoint, 3, "h");
    put_sub(&endpoint, 4, &target);
    put_sub(&slice, 2, &endpoint);
    f->record = kube_record_make(f->maker, KUBE_RECORD_ENDPOINT_SLICE, KUBE_ENCODING_PROTO,
                                 slice.data, slice.len, NULL);
    is_endpoint(kube_record_endpoints(&f->arena, f->record, &n), "10.0.0.1", "h", "p");
    put_str(&spec, 8, "account");
    put_sub(&pod, 2, &spec);
    f->record =
        kube_record_make(f->maker, KUBE_RECORD_POD, KUBE_ENCODING_PROTO, pod.data, pod.len, NULL);
    kube_record_view(f->record, &f->view);
    assert_string_equal(f->view.service_account, "account");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_where_a_service_of_ours_is_reached),
        T(test_services_of_others_stay_small),
        T(test_external_name),
        T(test_ingress),
        T(test_pod),
        T(test_exclusion),
        T(test_endpoints),
        T(test_slices_that_controllers_made),
        T(test_same_content),
        T(test_protobuf_of_endpoints_and_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
