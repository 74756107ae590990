/* SPDX-License-Identifier: Apache-2.0 */
/* Calls, leases and events against a real API server. */
#include "kube_fixture.h"

#include "base/str.h"
#include "kube/events.h"
#include "kube/lease.h"
#include "kube/record.h"

static const struct gvr services = {"", "v1", "services", "Service", true};
static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};
static const struct gvr accounts = {"", "v1", "serviceaccounts", "ServiceAccount", true};
static const struct gvr widgets = {"test.example", "v1", "widgets", "Widget", true};

/* --- calls --- */

static void test_get(void **state)
{
    struct fixture *f = *state;
    auto_answer a = {0}, missing = {0};
    get(f, f->client, "/version", &a);
    assert_int_equal(a.status, 200);
    assert_non_null(jx_str(a.body, "gitVersion"));
    get(f, f->client, "/api/v1/namespaces/default/configmaps/absent", &missing);
    assert_true(missing.failed);
    assert_int_equal(missing.err.class, ERR_NOT_FOUND);
    assert_int_equal(missing.err.code, 404);
    assert_string_equal(missing.err.msg,
                        "GET /api/v1/namespaces/default/configmaps/absent: 404 NotFound: "
                        "configmaps \"absent\" not found");
}

static void test_apply(void **state)
{
    struct fixture *f = *state;
    auto_answer first = {0}, again = {0}, full = {0};
    auto_free char *body = configmap(f, "applied", "1");
    uint64_t writes = kube_client_writes(f->client);
    apply(f, &configmaps, "applied", NULL, body, &first);
    assert_int_equal(first.status, 201);
    assert_string_equal(jx_str(first.body, "kind"), "PartialObjectMetadata");
    assert_null(json_object_get(first.body, "data"));
    apply(f, &configmaps, "applied", NULL, body, &again);
    assert_string_equal(jx_str(first.body, "metadata.resourceVersion"),
                        jx_str(again.body, "metadata.resourceVersion"));
    assert_int_equal(kube_client_writes(f->client), writes + 2);
    auto_free char *path = gvr_path(&configmaps, f->ns, "applied");
    get(f, f->client, path, &full);
    auto_free char *text = jx_dump(full.body);
    struct kube_record_maker *maker = kube_record_maker_new();
    struct kube_view v;
    kube_record_view(
        kube_record_make(maker, KUBE_RECORD_META, KUBE_ENCODING_JSON, text, strlen(text), NULL),
        &v);
    assert_true(v.meta.managed);
    assert_string_equal(v.meta.fields, "{\"f:data\":{\"f:k\":{}},\"f:metadata\":{\"f:labels\":{"
                                       "\"f:app.kubernetes.io/managed-by\":{}}}}");
    kube_record_maker_free(maker);
}

static void test_invalid(void **state)
{
    struct fixture *f = *state;
    auto_answer bad_name = {0}, unknown = {0};
    auto_free char *body = configmap(f, "Upper", "1");
    apply(f, &configmaps, "Upper", NULL, body, &bad_name);
    assert_int_equal(bad_name.err.code, 422);
    assert_int_equal(bad_name.err.class, ERR_INVALID);
    static const char strict[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s\"},"
        "\"spec\":{\"nonsense\":1,\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}";
    apply(f, &services, "s", NULL, strict, &unknown);
    assert_true(unknown.failed);
    if (unknown.err.class != ERR_INVALID)
        fail_msg("%s", unknown.err.msg);
}

static void test_delete(void **state)
{
    struct fixture *f = *state;
    auto_answer made = {0}, wrong = {0}, right = {0}, gone = {0};
    auto_free char *body = configmap(f, "deleted", "1");
    apply(f, &configmaps, "deleted", NULL, body, &made);
    kube_delete(f->client, &configmaps, f->ns, "deleted", "another-uid", on_answer, &wrong);
    assert_true(run_until(&f->loop, &wrong.done, 10000));
    assert_int_equal(wrong.err.class, ERR_CONFLICT);
    kube_delete(f->client, &configmaps, f->ns, "deleted", jx_str(made.body, "metadata.uid"),
                on_answer, &right);
    assert_true(run_until(&f->loop, &right.done, 10000));
    assert_false(right.failed);
    kube_delete(f->client, &configmaps, f->ns, "deleted", NULL, on_answer, &gone);
    assert_true(run_until(&f->loop, &gone.done, 10000));
    assert_int_equal(gone.err.class, ERR_NOT_FOUND);
}

static void test_secret_answer_is_metadata(void **state)
{
    struct fixture *f = *state;
    auto_answer made = {0}, deleted = {0};
    apply(f, &secrets, "hidden", NULL,
          "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"hidden\","
          "\"finalizers\":[\"test.example/hold\"]},\"stringData\":{\"k\":\"v\"}}",
          &made);
    assert_false(made.failed);
    kube_delete(f->client, &secrets, f->ns, "hidden", NULL, on_answer, &deleted);
    assert_true(run_until(&f->loop, &deleted.done, 10000));
    assert_false(deleted.failed);
    assert_null(json_object_get(deleted.body, "data"));
    auto_answer released = {0};
    auto_free char *path = gvr_path(&secrets, f->ns, "hidden");
    struct kube_request q = {
        .method = "PATCH",
        .path = path,
        .content_type = KUBE_JSON_PATCH,
        .accept = KUBE_ACCEPT_METADATA,
        .body = "[{\"op\":\"remove\",\"path\":\"/metadata/finalizers/0\"}]",
    };
    call(f, f->client, &q, &released);
    assert_false(released.failed);
}

static void test_token(void **state)
{
    struct fixture *f = *state;
    auto_answer made = {0}, token = {0}, denied = {0};
    apply(f, &accounts, "reader", NULL,
          "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"reader\"}}",
          &made);
    uint64_t writes = kube_client_writes(f->client);
    kube_token_request(f->client, f->ns, "reader", NULL, 3600, on_answer, &token);
    assert_true(run_until(&f->loop, &token.done, 10000));
    if (token.failed)
        fail_msg("%s", token.err.msg);
    assert_int_equal(kube_client_writes(f->client), writes);
    assert_non_null(jx_str(token.body, "status.expirationTimestamp"));
    char *text = xstrdup(jx_str(token.body, "status.token"));
    struct kube_config config = {.server = f->config.server, .ca = f->config.ca, .token = text};
    struct kube_client *c = client_with(f, &config);
    get(f, c, "/api/v1/namespaces/default/secrets", &denied);
    kube_client_free(c);
    free(text);
    assert_int_equal(denied.err.class, ERR_FORBIDDEN);
    assert_non_null(strstr(denied.err.msg, "reader"));
}

/* A token file is read again after a 401, and the call after that uses the new one. */
static void test_token_file(void **state)
{
    struct fixture *f = *state;
    auto_answer made = {0}, token = {0}, before = {0}, after = {0};
    char path[] = "/tmp/token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "nonsense\n", 9), 9);
    struct kube_config config = {
        .server = f->config.server, .ca = f->config.ca, .token_file = path};
    struct kube_client *c = client_with(f, &config);
    get(f, c, "/version", &before);
    assert_int_equal(before.err.class, ERR_UNAUTHORIZED);
    apply(f, &accounts, "filed", NULL,
          "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"filed\"}}",
          &made);
    kube_token_request(f->client, f->ns, "filed", NULL, 3600, on_answer, &token);
    assert_true(run_until(&f->loop, &token.done, 10000));
    const char *text = jx_str(token.body, "status.token");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    get(f, c, "/version", &after);
    kube_client_free(c);
    close(fd);
    unlink(path);
    assert_int_equal(after.status, 200);
}

static void test_credentials(void **state)
{
    struct fixture *f = *state;
    auto_answer unauthorized = {0}, forbidden = {0}, untrusted = {0}, changed = {0};
    struct kube_config config = {.server = f->config.server, .ca = f->config.ca};
    config.token = xstrdup("nonsense");
    struct kube_client *c = client_with(f, &config);
    get(f, c, "/api/v1/namespaces", &unauthorized);
    assert_int_equal(unauthorized.err.class, ERR_UNAUTHORIZED);
    /* New credentials for the same client. */
    assert_int_equal(kube_client_set_config(c, &f->config, NULL), 0);
    get(f, c, "/api/v1/namespaces", &changed);
    assert_int_equal(changed.status, 200);
    kube_client_free(c);
    free(config.token);
    if (f->dir) {
        auto_kube_config nobody = {0};
        auto_free char *path = xasprintf("%s/nobody.kubeconfig", f->dir);
        load(path, &nobody);
        c = client_with(f, &nobody);
        get(f, c, "/api/v1/namespaces", &forbidden);
        kube_client_free(c);
        assert_int_equal(forbidden.err.class, ERR_FORBIDDEN);
    }
    /* The system's roots did not sign the test's server. */
    config = (struct kube_config){.server = f->config.server};
    c = client_with(f, &config);
    get(f, c, "/version", &untrusted);
    kube_client_free(c);
    assert_int_equal(untrusted.status, 0);
    assert_int_equal(untrusted.err.class, ERR_TRANSIENT);
    assert_non_null(strstr(untrusted.err.msg, "certificate"));
}

/* The certificate's name is checked, also when it is not that of the URL. */
static void test_tls_server_name(void **state)
{
    struct fixture *f = *state;
    auto_answer good = {0}, bad = {0};
    if (!f->dir)
        skip();
    struct kube_config config = f->config;
    config.tls_server_name = xstrdup("kubernetes.test");
    struct kube_client *c = client_with(f, &config);
    get(f, c, "/version", &good);
    kube_client_free(c);
    free(config.tls_server_name);
    assert_int_equal(good.status, 200);
    config.tls_server_name = xstrdup("another.test");
    c = client_with(f, &config);
    get(f, c, "/version", &bad);
    kube_client_free(c);
    free(config.tls_server_name);
    assert_int_equal(bad.status, 0);
}

static void test_version_too_large(void **state)
{
    struct fixture *f = *state;
    auto_answer a = {0};
    get(f, f->client, "/api/v1/configmaps?resourceVersion=99999999", &a);
    assert_int_equal(a.err.class, ERR_EXPIRED);
}

static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    enum { N = 300 };
    static struct answer a[N];
    memset(a, 0, sizeof a);
    struct kube_request q = {.method = "GET", .path = "/version"};
    for (size_t i = 0; i < N; i++)
        kube_call(f->client, &q, on_answer, &a[i]);
    for (size_t i = 0; i < N; i++) {
        assert_true(run_until(&f->loop, &a[i].done, 20000));
        assert_int_equal(a[i].status, 200);
        answer_done(&a[i]);
    }
}

/* --- a custom resource's status --- */

static void test_status(void **state)
{
    struct fixture *f = *state;
    static const struct gvr crds = {"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                    "CustomResourceDefinition", false};
    auto_answer crd = {0}, made = {0}, status = {0}, read = {0};
    auto_free char *body = read_file("testdata/kube/widgets.json");
    assert_non_null(body);
    apply(f, &crds, "widgets.test.example", NULL, body, &crd);
    if (crd.failed)
        fail_msg("%s", crd.err.msg);
    const char *widget = "{\"apiVersion\":\"test.example/v1\",\"kind\":\"Widget\",\"metadata\":{"
                         "\"name\":\"w\"},\"spec\":{\"size\":1}}";
    for (int i = 0; i < 100; i++) { /* the API server serves a new kind after a moment */
        bool never = false;
        made = (struct answer){0};
        apply(f, &widgets, "w", NULL, widget, &made);
        if (!made.failed)
            break;
        run_until(&f->loop, &never, 100);
    }
    if (made.failed)
        fail_msg("%s", made.err.msg);
    apply(f, &widgets, "w", "status",
          "{\"apiVersion\":\"test.example/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\"},"
          "\"status\":{\"phase\":\"Good\"}}",
          &status);
    if (status.failed)
        fail_msg("%s", status.err.msg);
    auto_free char *path = gvr_path(&widgets, f->ns, "w");
    get(f, f->client, path, &read);
    assert_string_equal(jx_str(read.body, "status.phase"), "Good");
    assert_int_equal(jx_int(read.body, "spec.size", 0), 1);
}

/* --- lease and events --- */

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

struct candidate {
    bool acquired, lost, released;
};

static void candidate_acquired(void *arg)
{
    ((struct candidate *)arg)->acquired = true;
}

static void candidate_lost(void *arg)
{
    ((struct candidate *)arg)->lost = true;
}

static void test_lease(void **state)
{
    struct fixture *f = *state;
    struct candidate a = {0}, b = {0};
    struct kube_lease *one =
        kube_lease_start(f->client, f->ns, "leader", "one", candidate_acquired, candidate_lost, &a);
    assert_true(run_until(&f->loop, &a.acquired, 10000));
    struct kube_lease *two =
        kube_lease_start(f->client, f->ns, "leader", "two", candidate_acquired, candidate_lost, &b);
    run_until(&f->loop, &b.acquired, 5000);
    assert_false(b.acquired);
    assert_false(a.lost);
    kube_lease_release(one, set_flag, &a.released);
    assert_true(run_until(&f->loop, &a.released, 5000));
    assert_true(run_until(&f->loop, &b.acquired, 10000)); /* no need to wait for 15 s */
    kube_lease_release(two, set_flag, &b.released);
    assert_true(run_until(&f->loop, &b.released, 5000));
    auto_answer read = {0};
    auto_free char *path =
        xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases/leader", f->ns);
    get(f, f->client, path, &read);
    assert_string_equal(str_or(jx_str(read.body, "spec.holderIdentity"), ""), "");
    assert_int_equal(jx_int(read.body, "spec.leaseTransitions", 0), 1);
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    struct kube_events *e = kube_events_new(f->client, "meshwright");
    struct kube_event ev = {"v1", "ConfigMap", f->ns, "thing", "uid-1", true, "Tried", "it failed"};
    kube_events_emit(e, &ev);
    kube_events_emit(e, &ev);
    kube_events_emit(e, &ev);
    auto_free char *path = xasprintf("/api/v1/namespaces/%s/events", f->ns);
    int64_t count = 0;
    for (int i = 0; i < 50 && count < 3; i++) {
        bool never = false;
        auto_answer a = {0};
        run_until(&f->loop, &never, 100);
        get(f, f->client, path, &a);
        const json_t *items = json_object_get(a.body, "items");
        assert_true(json_array_size(items) <= 1);
        count = jx_int(json_array_get(items, 0), "count", 0);
    }
    assert_int_equal(count, 3);
    kube_events_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_secret_answer_is_metadata),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_token_file),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_tls_server_name),
        cmocka_unit_test(test_version_too_large),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
