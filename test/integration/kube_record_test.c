/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a real API server's objects: the same in protobuf and in JSON, from lists and from watches. */
#include "kube_fixture.h"

#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/watch_priv.h"
#include "runtime/records.h"

static const struct gvr services = {"", "v1", "services", "Service", true};
static const struct gvr slices = {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice",
                                  true};
static const struct gvr ingresses = {"networking.k8s.io", "v1", "ingresses", "Ingress", true};
static const struct gvr pods = {"", "v1", "pods", "Pod", true};
static const struct gvr deployments = {"apps", "v1", "deployments", "Deployment", true};
static const struct gvr roles = {"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole",
                                 false};
static const struct gvr crds = {"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                "CustomResourceDefinition", false};
static const struct gvr widgets = {"example.com", "v1", "widgets", "Widget", true};

/* A watch and what it has seen. */
struct seen {
    struct kube_watch *watch;
    struct records records;
    const char *ns;       /* NULL: of the whole cluster */
    const char *wait_for; /* "name@resourceVersion", or "name" that goes; NULL: a complete list */
    bool done;
    int begun, synced, failures;
};

static bool has_seen(const struct seen *s)
{
    size_t n = strcspn(s->wait_for, "@");
    auto_free char *name = xstrndup(s->wait_for, n);
    struct kube_view v;
    if (!records_view(&s->records, s->ns, name, &v))
        return !s->wait_for[n];
    return s->wait_for[n] && str_eq(v.meta.rv, s->wait_for + n + 1);
}

static void on_begin(void *arg)
{
    struct seen *s = arg;
    s->begun++;
    records_list_begin(&s->records);
}

static void on_upsert(void *arg, const struct kube_record *r)
{
    struct seen *s = arg;
    records_put(&s->records, r);
    s->done |= s->wait_for && has_seen(s);
}

static void on_remove(void *arg, const struct kube_record *r)
{
    struct seen *s = arg;
    records_remove(&s->records, kube_record_ns(r), kube_record_name(r));
    s->done |= s->wait_for && has_seen(s);
}

static void on_synced(void *arg)
{
    struct seen *s = arg;
    records_list_end(&s->records);
    s->synced++;
    s->done |= !s->wait_for;
}

static void on_state(void *arg, const struct err *err)
{
    struct seen *s = arg;
    s->failures += err != NULL;
}

static const struct kube_sink sink = {
    .list_begin = on_begin,
    .upsert = on_upsert,
    .remove = on_remove,
    .synced = on_synced,
    .state = on_state,
};

static void wait_for(struct fixture *f, struct seen *s, const char *what)
{
    s->wait_for = what;
    s->done = what && has_seen(s);
    assert_true(run_until(&f->loop, &s->done, 30000));
    s->done = false;
}

static void start(struct fixture *f, struct seen *s, const struct gvr *g,
                  enum kube_record_kind kind, bool json)
{
    struct kube_watch_opts opts = {.ns = g->namespaced ? f->ns : NULL, .record = kind};
    *s = (struct seen){.ns = opts.ns};
    s->watch = kube_watch_start(f->client, g, &opts, &sink, s);
    if (json) { /* anew, before anything was answered */
        s->watch->json = true;
        kube_stream_cancel(s->watch->stream);
        s->watch->stream = NULL;
        s->watch->reflector.phase = KUBE_REFLECTOR_WAITING;
        kube_watch_wake(s->watch);
    }
    wait_for(f, s, NULL);
    assert_int_equal(s->begun, 1);
    assert_int_equal(s->failures, 0);
    while (!s->watch->events && uv_run(&f->loop, UV_RUN_ONCE))
        continue;
    assert_int_equal(s->watch->encoding, json ? KUBE_ENCODING_JSON : KUBE_ENCODING_PROTO);
}

static void stop(struct seen *s)
{
    kube_watch_stop(s->watch);
    records_done(&s->records);
}

static void assert_same_text(const char *a, const char *b)
{
    assert_string_equal(str_or(a, "(none)"), str_or(b, "(none)"));
}

static void assert_same(const struct kube_record *a, const struct kube_record *b)
{
    struct arena arena = ARENA_INIT;
    struct kube_view x, y;
    kube_record_view(a, &x);
    kube_record_view(b, &y);
    assert_same_text(x.meta.fields, y.meta.fields);
    assert_same_text(x.labels, y.labels);
    assert_string_equal(kube_record_ports(&arena, a), kube_record_ports(&arena, b));
    assert_string_equal(kube_record_addresses(&arena, a), kube_record_addresses(&arena, b));
    assert_string_equal(kube_record_pods(&arena, a), kube_record_pods(&arena, b));
    assert_string_equal(kube_record_reached_at(&arena, a), kube_record_reached_at(&arena, b));
    arena_done(&arena);
    /* The same object and state are the same bytes. */
    assert_int_equal(kube_record_size(a), kube_record_size(b));
    assert_memory_equal(a, b, kube_record_size(a));
}

static bool are_same(const struct records *a, const struct records *b)
{
    const struct kube_record *r;
    size_t at = 0;
    if (a->n != b->n)
        return false;
    while ((r = records_next(a, &at))) {
        const struct kube_record *other = records_find(b, kube_record_ns(r), kube_record_name(r));
        if (!other || kube_record_size(r) != kube_record_size(other) ||
            memcmp(r, other, kube_record_size(r)) != 0)
            return false;
    }
    return true;
}

/* In the end: the server itself changes roles and namespaces at any time, and one watch hears of it first. */
static void assert_all_same(struct fixture *f, const struct records *a, const struct records *b)
{
    bool never = false;
    const struct kube_record *r;
    size_t at = 0;
    for (int i = 0; i < 100 && !are_same(a, b); i++)
        run_until(&f->loop, &never, 100);
    assert_int_equal(a->n, b->n);
    while ((r = records_next(a, &at))) {
        const struct kube_record *other = records_find(b, kube_record_ns(r), kube_record_name(r));
        assert_non_null(other);
        assert_same(r, other);
    }
}

/* The resourceVersion after it: "name@version". Owned. */
static char *put_part(struct fixture *f, const struct gvr *g, const char *name,
                      const char *subresource, const char *rest)
{
    auto_answer a = {0};
    auto_free char *api_version = gvr_api_version(g);
    auto_free char *body = xasprintf(
        "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":\"%s\",\"labels\":{"
        "\"app.kubernetes.io/managed-by\":\"meshwright\",\"meshwright.dev/mesh\":\"m\","
        "\"kubernetes.io/service-name\":\"plain\"},\"annotations\":{\"meshwright.dev/intent\":"
        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"x\":\"\\u00e4 "
        "\\\"quoted\\\"\"}},%s}",
        api_version, g->kind, name, rest);
    apply(f, g, name, subresource, body, &a);
    if (a.failed)
        fail_msg("%s", a.err.msg);
    return xasprintf("%s@%s", name, jx_str(a.body, "metadata.resourceVersion"));
}

static char *put(struct fixture *f, const struct gvr *g, const char *name, const char *rest)
{
    return put_part(f, g, name, NULL, rest);
}

static void del(struct fixture *f, const struct gvr *g, const char *name)
{
    auto_answer a = {0};
    kube_delete(f->client, g, g->namespaced ? f->ns : NULL, name, NULL, on_answer, &a);
    assert_true(run_until(&f->loop, &a.done, 10000));
}

/* Lists, then changes, then a removal, seen by a watch in each encoding. */
static void compare(struct fixture *f, const struct gvr *g, enum kube_record_kind kind,
                    const char *rest, const char *changed)
{
    struct seen proto, json;
    auto_free char *listed = xasprintf("%s-listed", f->ns),
                   *watched = xasprintf("%s-watched", f->ns);
    auto_free char *zeroth = put(f, g, listed, rest);
    start(f, &proto, g, kind, false);
    start(f, &json, g, kind, true);
    wait_for(f, &proto,
             zeroth); /* the list is of the server's cache, which may be a little behind */
    wait_for(f, &json, zeroth);
    assert_all_same(f, &proto.records, &json.records);
    auto_free char *first = put(f, g, watched, rest);
    wait_for(f, &proto, first);
    wait_for(f, &json, first);
    auto_free char *second = put(f, g, watched, changed);
    wait_for(f, &proto, second);
    wait_for(f, &json, second);
    assert_all_same(f, &proto.records, &json.records);
    del(f, g, watched);
    if (kind != KUBE_RECORD_NAMESPACE) { /* whose end takes a controller */
        wait_for(f, &proto, watched);
        wait_for(f, &json, watched);
        assert_all_same(f, &proto.records, &json.records);
    }
    struct kube_view v;
    assert_true(records_view(&proto.records, proto.ns, listed, &v));
    assert_true(v.meta.managed);
    assert_string_equal(v.meta.mesh, "m");
    assert_non_null(strstr(v.meta.fields, "f:meshwright.dev/mesh"));
    stop(&proto);
    stop(&json);
    del(f, g, listed);
}

#define BALANCED                                                                                   \
    "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"lb."        \
    "example\"}]}}"

/* The status comes, and is read from both encodings. */
static void compare_reached(struct fixture *f, const struct gvr *g, enum kube_record_kind kind,
                            const char *rest, const char *expected)
{
    struct seen proto, json;
    struct arena arena = ARENA_INIT;
    auto_free char *name = xasprintf("%s-reached", f->ns);
    start(f, &proto, g, kind, false);
    start(f, &json, g, kind, true);
    free(put(f, g, name, rest));
    auto_free char *told = put_part(f, g, name, "status", BALANCED);
    wait_for(f, &proto, told);
    wait_for(f, &json, told);
    assert_all_same(f, &proto.records, &json.records);
    const struct kube_record *r = records_find(&proto.records, f->ns, name);
    assert_string_equal(kube_record_reached_at(&arena, r), expected);
    if (kind == KUBE_RECORD_SERVICE) {
        assert_in_range(kube_record_node_port(r, 15443), 30000, 32767);
        assert_true(str_starts(kube_record_cluster_ips(&arena, r), "10.99."));
    }
    arena_done(&arena);
    stop(&proto);
    stop(&json);
    del(f, g, name);
}

static void test_reached_service(void **state)
{
    compare_reached(
        *state, &services, KUBE_RECORD_SERVICE,
        "\"spec\":{\"type\":\"LoadBalancer\",\"selector\":{\"a\":\"b\"},\"externalIPs\":["
        "\"192.0.2.9\"],\"ports\":[{\"name\":\"tls\",\"port\":15443}]}",
        "192.0.2.1 lb.example 192.0.2.9");
}

static void test_ingress(void **state)
{
    compare_reached(
        *state, &ingresses, KUBE_RECORD_INGRESS,
        "\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"s\",\"port\":{\"number\":80}}}"
        "}",
        "192.0.2.1 lb.example");
}

static void test_pod(void **state)
{
    static const char spec[] =
        "\"spec\":{\"serviceAccountName\":\"a\",\"containers\":[{\"name\":\"c\","
        "\"image\":\"%s\"}]}";
    auto_free char *one = xasprintf(spec, "i");
    auto_free char *two = xasprintf(spec, "j");
    compare(*state, &pods, KUBE_RECORD_POD, one, two);
}

static void test_external_name(void **state)
{
    compare(*state, &services, KUBE_RECORD_SERVICE,
            "\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.example\"}",
            "\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"b.example\"}");
}

static void test_service(void **state)
{
    compare(*state, &services, KUBE_RECORD_SERVICE,
            "\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"a\":\"b\"},\"ports\":[{\"name\":"
            "\"http\",\"port\":80},{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\","
            "\"appProtocol\":\"example.com/dns\"}]}",
            "\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":8080}]}");
}

static void test_endpoint_slice(void **state)
{
    compare(
        *state, &slices, KUBE_RECORD_ENDPOINT_SLICE,
        "\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.2.3\"],\"hostname\":\"h\","
        "\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"n\",\"name\":\"p\"},"
        "\"conditions\":{\"ready\":true}},{\"addresses\":[\"10.1.2.4\"],\"conditions\":"
        "{\"ready\":false}},{\"addresses\":[\"10.1.2.5\"]}],\"ports\":[{\"name\":\"http\","
        "\"port\":80,\"protocol\":\"TCP\"}]",
        "\"addressType\":\"IPv4\",\"endpoints\":[],\"ports\":[]");
}

static void test_namespace(void **state)
{
    compare(*state, &namespaces, KUBE_RECORD_NAMESPACE, "\"spec\":{}",
            "\"spec\":{\"finalizers\":[\"example.com/f\"]}");
}

static void test_deployment(void **state)
{
    static const char spec[] =
        "\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
        "\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
        "\"image\":\"i\"}]}}}";
    auto_free char *none = xasprintf(spec, 0);
    auto_free char *two = xasprintf(spec, 2);
    compare(*state, &deployments, KUBE_RECORD_DEPLOYMENT, none, two);
}

static void test_metadata_of_a_cluster_role(void **state)
{
    compare(*state, &roles, KUBE_RECORD_META,
            "\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}]",
            "\"rules\":[]");
}

/* A custom resource has no protobuf: the second choice comes, in the same answer. */
static void test_custom_resource(void **state)
{
    struct fixture *f = *state;
    static const char crd[] =
        "\"spec\":{\"group\":\"example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":"
        "\"widgets\",\"singular\":\"widget\",\"kind\":\"Widget\",\"listKind\":\"WidgetList\"},"
        "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
        "\"openAPIV3Schema\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]"
        "}";
    free(put(f, &crds, "widgets.example.com", crd));
    bool never = false;
    auto_free char *path = gvr_path(&widgets, f->ns, NULL);
    for (int i = 0; i < 50; i++) {
        auto_answer a = {0};
        get(f, f->client, path, &a);
        if (!a.failed)
            break;
        run_until(&f->loop, &never, 200);
    }
    struct seen s = {.ns = f->ns};
    struct kube_watch_opts opts = {.ns = f->ns, .record = KUBE_RECORD_NAMESPACE};
    auto_free char *listed = put(f, &widgets, "listed", "\"spec\":{}");
    s.watch = kube_watch_start(f->client, &widgets, &opts, &sink, &s);
    wait_for(f, &s, NULL);
    wait_for(f, &s, listed);
    auto_free char *seen = put(f, &widgets, "watched", "\"spec\":{}");
    wait_for(f, &s, seen);
    assert_int_equal(s.watch->encoding, KUBE_ENCODING_JSON);
    assert_int_equal(s.records.n, 2);
    assert_int_equal(s.failures, 0);
    stop(&s);
    del(f, &crds, "widgets.example.com");
}

/* A version from before the server's memory: 410 in protobuf, a new list, and on; what went meanwhile is found. */
static void test_relist(void **state)
{
    struct fixture *f = *state;
    struct seen s;
    static const char spec[] = "\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}";
    if (!f->dir)
        skip();
    apiserver(f, "restart"); /* it remembers from now on */
    auto_free char *stays = put(f, &services, "stays", spec);
    auto_free char *goes = put(f, &services, "goes", spec);
    start(f, &s, &services, KUBE_RECORD_SERVICE, false);
    wait_for(f, &s, stays);
    wait_for(f, &s, goes);
    kube_stream_cancel(s.watch->stream);
    s.watch->stream = NULL;
    s.watch->reflector.phase = KUBE_REFLECTOR_WAITING;
    s.watch->reflector.rewatch = true;
    snprintf(s.watch->reflector.rv, sizeof s.watch->reflector.rv, "1");
    del(f, &services, "goes");
    kube_watch_wake(s.watch);
    wait_for(f, &s, NULL);
    assert_int_equal(s.synced, 2);
    assert_int_equal(s.begun, 2);
    assert_int_equal(s.failures, 0);
    wait_for(f, &s, "goes");
    assert_int_equal(s.records.n, 1);
    auto_free char *later = put(f, &services, "later", spec);
    wait_for(f, &s, later);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_reached_service),
        cmocka_unit_test(test_external_name),
        cmocka_unit_test(test_ingress),
        cmocka_unit_test(test_pod),
        cmocka_unit_test(test_endpoint_slice),
        cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_deployment),
        cmocka_unit_test(test_metadata_of_a_cluster_role),
        cmocka_unit_test(test_custom_resource),
        cmocka_unit_test(test_relist),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
