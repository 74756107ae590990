/* SPDX-License-Identifier: Apache-2.0 */
/* Golden plans: testdata/istio/<case>/in.yaml -> out.yaml; UPDATE_GOLDEN=1 writes them anew. */
#include "istio/golden_test.h"
#include "istio/input.h"

static const char *const cases[] = {
    "primary-c1",      "primary-c2",      "canary",       "scaled",           "overlay",
    "classic",         "stubs",           "three-peers",  "two-networks",     "remote",
    "remote-name",     "remote-early",    "with-remotes", "meshes-near-shop", "meshes-near-bank",
    "meshes-far-shop", "meshes-far-bank", "gateways",     "machines",         "revoked",
};

static void check_golden(const char *name)
{
    auto_input in;
    input_load(&in, name);
    auto_plan p;
    render(&in, &p);
    golden_check(name, &p);
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_golden(cases[i]);
}

static void test_twice_is_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_input a, b;
        input_load(&a, cases[i]);
        input_load(&b, cases[i]);
        auto_plan p, q;
        render(&a, &p);
        render(&b, &q);
        auto_free char *one = golden_print(&p), *two = golden_print(&q);
        assert_string_equal(one, two);
    }
}

/* Which intents differ between the case as it is and as changed: "Kind/name Kind/name ", for a comparison. */
static char *changed_intents(const char *name, void (*change)(struct input *))
{
    auto_input a, b;
    input_load(&a, name);
    input_load(&b, name);
    change(&b);
    auto_plan p, q;
    render(&a, &p);
    render(&b, &q);
    auto_buf out = BUF_INIT(4096);
    for (size_t i = 0; i < q.n; i++) {
        const struct plan_object *n = &q.objects[i], *o = find(&p, n->gvr->kind, n->name);
        if (!o || !str_eq(o->intent, n->intent))
            assert_int_equal(buf_printf(&out, "%s/%s ", n->gvr->kind, n->name), 0);
    }
    return buf_take(&out);
}

static void change_nothing(struct input *in)
{
    in->peers[0].ca = xstrdup0(in->peers[0].ca);
    json_object_set_new(in->doc, "kept", json_string(str_or(in->peers[0].ca, "")));
    free((char *)(uintptr_t)in->peers[0].ca);
    in->peers[0].ca = jx_str(in->doc, "kept");
}
static void change_root(struct input *in)
{
    in->t.root_sha256 = "other";
}
static void change_generation(struct input *in)
{
    in->t.ca_generation++;
}
static void change_peer_uid(struct input *in)
{
    in->peers[0].uid = "other";
}
static void change_peer_account(struct input *in)
{
    in->peers[0].account = "made anew";
}
static void change_peer_server(struct input *in)
{
    in->peers[0].server = "https://other";
}
static void change_peer_ca(struct input *in)
{
    in->peers[0].ca = "other";
}
static void change_tag(struct input *in)
{
    in->t.settings.tag = "1.31.1";
}
static void change_network(struct input *in)
{
    in->t.network = "other";
}
static void change_trust_domain(struct input *in)
{
    in->t.trust_domain = "other.local";
}
static void change_replicas(struct input *in)
{
    in->t.settings.max_replicas = in->t.settings.min_replicas = 2;
}

static void test_intents(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct input *);
        const char *want;
    } rows[] = {
        {change_nothing, ""},
        {change_root, "Secret/cacerts "},
        {change_generation, "Secret/cacerts "},
        {change_peer_uid, "Secret/istio-remote-secret-c2 "},
        {change_peer_account, "Secret/istio-remote-secret-c2 "},
        {change_peer_server, "Secret/istio-remote-secret-c2 "},
        {change_peer_ca, "Secret/istio-remote-secret-c2 "},
        {change_tag, "ConfigMap/istio-sidecar-injector Deployment/istiod "},
        {change_network, "Namespace/istio-system "}, /* pods need not know it */
        {change_trust_domain, "ConfigMap/istio "},
        {change_replicas, "Deployment/istiod PodDisruptionBudget/istiod "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        auto_free char *got = changed_intents("primary-c1", rows[i].change);
        assert_string_equal(got, rows[i].want);
    }
}

/* The order in which a user wrote the variables is no difference. */
static void test_env_order(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "primary-c1");
    auto_json *ab = json_pack("{s:s, s:s}", "A", "1", "B", "2");
    auto_json *ba = json_pack("{s:s, s:s}", "B", "2", "A", "1");
    auto_plan p, q;
    in.t.settings.env = ab;
    render(&in, &p);
    in.t.settings.env = ba;
    render(&in, &q);
    assert_string_equal(find(&p, "Deployment", "istiod")->intent,
                        find(&q, "Deployment", "istiod")->intent);
}

static void test_waits_and_waves(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "stubs");
    auto_plan p;
    render(&in, &p);
    for (size_t i = 0; i < p.n; i++) {
        const struct plan_object *o = &p.objects[i];
        assert_true(i == 0 || p.objects[i - 1].wave <= o->wave);
        assert_int_equal(o->wait_available, str_eq(o->gvr->kind, "Deployment"));
        assert_string_equal(jx_str2(o->body, "metadata.annotations", PLAN_ANNOTATION_INTENT),
                            o->intent);
        assert_string_equal(jx_str2(o->body, "metadata.labels", PLAN_LABEL_WAVE),
                            plan_wave_name(o->wave));
    }
    const struct plan_object *secret = find(&p, "Secret", "istio-remote-secret-c2");
    assert_int_equal(secret->content, PLAN_REMOTE_SECRET);
    assert_string_equal(secret->peer, "c2");
    assert_int_equal(find(&p, "Secret", "cacerts")->content, PLAN_CACERTS);
    assert_string_equal(find(&p, "CustomResourceDefinition", "things.example.istio.io")->file,
                        DATA_DIR "/1.31.0/crds/things.example.istio.io.json");
}

static void test_never_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        auto_input in;
        input_load(&in, cases[i]);
        auto_plan p;
        render(&in, &p);
        for (size_t k = 0; k < p.n; k++) {
            auto_free char *text = jx_dump(p.objects[k].body);
            assert_null(strstr(text, "caBundle"));
            assert_null(strstr(text, "${"));
            bool validating = str_eq(p.objects[k].gvr->kind, "ValidatingWebhookConfiguration");
            assert_false(validating && strstr(text, "failurePolicy"));
        }
    }
}

static void expect_refused(struct input *in, const char *msg)
{
    struct err err = {0};
    auto_plan p;
    plan_init(&p, "c1");
    assert_int_equal(istio_render(&in->t, &p, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    if (!strstr(err.msg, msg))
        fail_msg("\"%s\" is not in \"%s\"", msg, err.msg);
}

static void test_refuses(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "primary-c1");
    auto_json *td = json_pack("{s:s}", "trustDomain", "evil.local");
    auto_json *root = json_pack("{s:n}", "rootNamespace");
    auto_json *list = json_array();
    auto_json *env = json_pack("{s:i}", "A", 1);
    in.t.settings.mesh_config = td;
    expect_refused(&in, "meshConfig.trustDomain");
    in.t.settings.mesh_config = root;
    expect_refused(&in, "meshConfig.rootNamespace");
    in.t.settings.mesh_config = list;
    expect_refused(&in, "meshConfig is not an object");
    in.t.settings.mesh_config = NULL;
    in.t.settings.env = env;
    expect_refused(&in, "env A is not a string");
    in.t.settings.env = NULL;
    in.t.n_peers = 2;
    in.peers[1] = in.peers[0];
    expect_refused(&in, "Secret istio-system/istio-remote-secret-c2 is wanted twice");
    in.t.trust_domain = "";
    expect_refused(&in, "without a trust domain");
}

static void test_data_versions(void **state)
{
    (void)state;
    static const char *const good[] = {NULL, "1.31", "1.31.0", "1"};
    static const char *const bad[] = {"1.30", "1.31.1", "1.31.0.0", "../data/1.31.0", "", "1.31.x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct istio_data *d = istio_data_load(DATA_DIR, good[i], NULL);
        assert_non_null(d);
        assert_string_equal(istio_data_version(d), "1.31.0");
        istio_data_free(d);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        assert_null(istio_data_load(DATA_DIR, bad[i], &err));
        assert_int_equal(err.class, ERR_INVALID);
        assert_non_null(strstr(err.msg, "carried: 1.31.0"));
    }
    struct err err = {0};
    assert_null(istio_data_load("no/such/folder", NULL, &err));
    assert_int_equal(err.class, ERR_INVALID);
    istio_data_free(NULL);
}

static void test_kubeconfig(void **state)
{
    (void)state;
    struct istio_peer peer = {
        .name = "c2", .uid = "uid", .server = "https://10.0.2.10:6443", .ca = "PEM\n"};
    auto_free char *text = istio_remote_kubeconfig(&peer, "t.o.k");
    assert_string_equal(
        text,
        "{\"apiVersion\":\"v1\",\"clusters\":[{\"cluster\":{\"certificate-authority-data\":"
        "\"UEVNCg==\",\"server\":\"https://10.0.2.10:6443\"},\"name\":\"c2\"}],\"contexts\":[{"
        "\"context\":{\"cluster\":\"c2\",\"user\":\"c2\"},\"name\":\"c2\"}],"
        "\"current-context\":\"c2\",\"kind\":\"Config\",\"preferences\":{},\"users\":[{"
        "\"name\":\"c2\",\"user\":{\"token\":\"t.o.k\"}}]}");
    peer.ca = NULL;
    auto_free char *public_roots = istio_remote_kubeconfig(&peer, "t");
    assert_null(strstr(public_roots, "certificate-authority-data"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),          cmocka_unit_test(test_twice_is_equal),
        cmocka_unit_test(test_intents),         cmocka_unit_test(test_env_order),
        cmocka_unit_test(test_waits_and_waves), cmocka_unit_test(test_never_ours),
        cmocka_unit_test(test_refuses),         cmocka_unit_test(test_data_versions),
        cmocka_unit_test(test_kubeconfig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
