/* SPDX-License-Identifier: Apache-2.0 */
/* From the hub to the files, over simulated API servers. */
#include "vm_bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/kubesim.h"
#include "pki/pki.h"
#include "json/jx.h"

#define OURS  "/apis/meshwright.dev/v1alpha1/namespaces/fleet/"
#define ISTIO "/apis/networking.istio.io/v1/namespaces/billing/workloadgroups"

struct fixture {
    uv_loop_t loop;
    struct kubesim *sim;
    struct kube_config hub;
    struct options options;
    struct pki_pair root;
    bool done;
    struct err err;
    char what[512], token[4096], hosts[256], env[4096];
};

static void create(struct fixture *f, const char *cluster, const char *path, json_t *body)
{
    int status = 0;
    auto_free char *text = jx_dump(body);
    auto_json *answer =
        kubesim_do(f->sim, cluster, "POST", path, "application/json", text, &status);
    if (status != 201)
        fail_msg("%s: %d %s", path, status, str_or(jx_str(answer, "message"), ""));
    json_decref(body);
}

static void patch(struct fixture *f, const char *cluster, const char *path, const char *text)
{
    int status = 0;
    auto_json *answer =
        kubesim_do(f->sim, cluster, "PATCH", path, "application/merge-patch+json", text, &status);
    if (status != 200)
        fail_msg("%s: %d %s", path, status, str_or(jx_str(answer, "message"), ""));
}

static void crd(struct fixture *f, const char *cluster, const char *group, const char *plural,
                const char *kind, const char *version)
{
    auto_free char *name = xasprintf("%s.%s", plural, group);
    create(f, cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
           json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:{s:s, s:s}, s:[{s:s, s:b, s:b, "
                     "s:{s:{s:s, s:b}}}]}}",
                     "apiVersion", "apiextensions.k8s.io/v1", "kind", "CustomResourceDefinition",
                     "metadata", "name", name, "spec", "group", group, "scope", "Namespaced",
                     "names", "plural", plural, "kind", kind, "versions", "name", version, "served",
                     1, "storage", 1, "schema", "openAPIV3Schema", "type", "object",
                     "x-kubernetes-preserve-unknown-fields", 1));
}

static json_t *object(const char *api, const char *kind, const char *name)
{
    return json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", api, "kind", kind, "metadata", "name",
                     name);
}

static json_t *with(json_t *obj, const char *path, json_t *v)
{
    jx_set_new(obj, path, v);
    return obj;
}

static void fill_hub(struct fixture *f)
{
    auto_free char *config = kubesim_kubeconfig(f->sim, "c1");
    auto_free char *value = jx_b64(config, strlen(config));
    crd(f, "hub", "meshwright.dev", "meshworkloadgroups", "WorkloadGroup", "v1alpha1");
    crd(f, "hub", "meshwright.dev", "memberclusters", "MemberCluster", "v1alpha1");
    crd(f, "hub", "meshwright.dev", "meshes", "Mesh", "v1alpha1");
    create(f, "hub", "/api/v1/namespaces", object("v1", "Namespace", "fleet"));
    create(
        f, "hub", "/api/v1/namespaces/fleet/secrets",
        with(object("v1", "Secret", "c1-kubeconfig"), "data", json_pack("{s:s}", "value", value)));
    create(f, "hub", OURS "memberclusters",
           object("meshwright.dev/v1alpha1", "MemberCluster", "c1"));
    create(f, "hub", OURS "meshes", object("meshwright.dev/v1alpha1", "Mesh", "shop"));
    create(
        f, "hub", OURS "meshworkloadgroups",
        with(with(object("meshwright.dev/v1alpha1", "WorkloadGroup", "vm"), "spec",
                  json_pack("{s:{s:s}, s:i}", "meshRef", "name", "shop", "tokenTTLSeconds", 1800)),
             "status",
             json_pack("{s:s, s:s, s:i}", "cluster", "c1", "namespace", "billing",
                       "observedGeneration", 99)));
}

static void fill_member(struct fixture *f)
{
    crd(f, "c1", "networking.istio.io", "workloadgroups", "WorkloadGroup", "v1");
    create(f, "c1", "/api/v1/namespaces", object("v1", "Namespace", "billing"));
    create(f, "c1", "/api/v1/namespaces", object("v1", "Namespace", "istio-system"));
    create(f, "c1", "/api/v1/namespaces/billing/serviceaccounts",
           object("v1", "ServiceAccount", "bill"));
    create(f, "c1", "/api/v1/namespaces/billing/configmaps",
           with(object("v1", "ConfigMap", "istio-ca-root-cert"), "data",
                json_pack("{s:s}", "root-cert.pem", f->root.cert)));
    create(f, "c1", "/api/v1/namespaces/istio-system/configmaps",
           with(object("v1", "ConfigMap", "istio"), "data",
                json_pack("{s:s}", "mesh", "trustDomain: shop.mesh")));
    create(
        f, "c1", "/api/v1/namespaces/istio-system/services",
        with(object("v1", "Service", "istio-eastwestgateway"), "spec",
             json_pack("{s:[s], s:[{s:i}]}", "externalIPs", "192.0.2.7", "ports", "port", 15012)));
    create(f, "c1", ISTIO,
           with(object("networking.istio.io/v1", "WorkloadGroup", "vm"), "spec.template",
                json_pack("{s:s}", "serviceAccount", "bill")));
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct kubesim_opts o = {0};
    struct err err = {0};
    *state = f;
    uv_loop_init(&f->loop);
    f->sim = kubesim_new(&f->loop, &o, &err);
    if (!f->sim || kubesim_add_cluster(f->sim, "hub", &err) < 0 ||
        kubesim_add_cluster(f->sim, "c1", &err) < 0 ||
        pki_root_new("shop", "root", 0, 4102444800, &f->root, &err) < 0)
        return -1;
    auto_free char *text = kubesim_kubeconfig(f->sim, "hub");
    f->options = (struct options){.command = OPTIONS_VM_BUNDLE,
                                  .allow_local_members = true,
                                  .vm = {.name = "vm", .output = "-"}};
    fill_hub(f);
    fill_member(f);
    return kubeconfig_load(text, strlen(text), KUBECONFIG_OWN, &f->hub, NULL, &err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kubesim_free(f->sim);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    kube_config_done(&f->hub);
    pki_pair_done(&f->root);
    free(f);
    return r;
}

static void copy(char *to, size_t n, const struct machine_bundle *b, const char *name)
{
    snprintf(to, n, "%s", machine_bundle_file(b, name)->data);
}

static void on_bundle(void *arg, const struct machine_bundle *b, const char *what,
                      const struct err *err)
{
    struct fixture *f = arg;
    assert_false(f->done);
    f->done = true;
    if (err) {
        f->err = *err;
        return;
    }
    snprintf(f->what, sizeof f->what, "%s", what);
    copy(f->token, sizeof f->token, b, "istio-token");
    copy(f->hosts, sizeof f->hosts, b, "hosts");
    copy(f->env, sizeof f->env, b, "cluster.env");
}

static void run(struct fixture *f)
{
    struct err err = {0};
    uint64_t end = uv_hrtime() + UINT64_C(20000000000);
    f->done = false;
    f->err = (struct err){0};
    if (vm_bundle_start(&f->loop, &f->options, &f->hub, "fleet", on_bundle, f, &err) < 0)
        fail_msg("%s", err.msg);
    while (!f->done && uv_hrtime() < end)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_true(f->done);
}

static void check_made(struct fixture *f, const char *hosts)
{
    if (f->err.class)
        fail_msg("%s", f->err.msg);
    assert_string_equal(f->hosts, hosts);
    assert_non_null(strstr(f->env, "\nISTIO_META_CLUSTER_ID='c1'\n"));
    assert_non_null(strstr(f->env, "\nISTIO_META_AUTO_REGISTER_GROUP='vm'\n"));
    assert_non_null(strstr(f->env, "\nTRUST_DOMAIN='shop.mesh'\n"));
    assert_non_null(strstr(f->what, "mesh shop through cluster c1"));
}

/* A claim of the token, which ends "seconds" after it was made. */
static void check_token_life(const struct fixture *f, int64_t seconds)
{
    const char *dot = strchr(f->token, '.') + 1;
    auto_free char *body = xasprintf("%.*s===", (int)strcspn(dot, "."), dot);
    for (char *p = body; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    body[strlen(body) / 4 * 4] = '\0';
    size_t n = 0;
    auto_free char *text = jx_unb64(body, &n);
    auto_json *claims = text ? jx_load(text, n, NULL) : NULL;
    assert_int_equal(jx_int(claims, "exp", 0) - jx_int(claims, "iat", 0), seconds);
    assert_string_equal(json_string_value(json_array_get(jx_get(claims, "aud"), 0)), "istio-ca");
    assert_string_equal(jx_str(claims, "sub"), "system:serviceaccount:billing:bill");
}

static void test_with_the_members_secret(void **state)
{
    struct fixture *f = *state;
    run(f);
    check_made(f, "192.0.2.7 istiod.istio-system.svc\n");
    check_token_life(f, 1800);
}

static void test_status_address_wins(void **state)
{
    struct fixture *f = *state;
    patch(f, "hub", OURS "meshworkloadgroups/vm", "{\"status\":{\"istiodAddress\":\"192.0.2.8\"}}");
    f->options.vm.token_s = 700;
    run(f);
    check_made(f, "192.0.2.8 istiod.istio-system.svc\n");
    check_token_life(f, 700);
    patch(f, "hub", OURS "meshworkloadgroups/vm",
          "{\"status\":{\"istiodAddress\":\"lb.example\"}}");
    run(f);
    check_made(f, "192.0.2.7 istiod.istio-system.svc\n");
    f->options.vm.istiod_address = "2001:db8::9";
    run(f);
    check_made(f, "2001:db8::9 istiod.istio-system.svc\n");
}

static void test_own_access_needs_no_secret(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    char path[] = "/tmp/vm-bundle-XXXXXX";
    int fd = mkstemp(path);
    auto_free char *config = kubesim_kubeconfig(f->sim, "c1");
    assert_int_equal(write(fd, config, strlen(config)), strlen(config));
    close(fd);
    json_decref(kubesim_do(f->sim, "hub", "DELETE",
                           "/api/v1/namespaces/fleet/secrets/c1-kubeconfig", NULL, NULL, &status));
    f->options.vm.cluster_kubeconfig = path;
    f->options.allow_local_members = false;
    run(f);
    unlink(path);
    check_made(f, "192.0.2.7 istiod.istio-system.svc\n");
    run(f);
    assert_non_null(strstr(f->err.msg, "--cluster-kubeconfig"));
}

static void test_in_cluster(void **state)
{
    struct fixture *f = *state;
    patch(f, "hub", OURS "memberclusters/c1", "{\"spec\":{\"inCluster\":{}}}");
    run(f);
    assert_non_null(strstr(f->err.msg, "cluster c1"));
    assert_non_null(strstr(f->err.msg, "WorkloadGroup")); /* the hub has no Istio */
}

static void test_other_secret(void **state)
{
    struct fixture *f = *state;
    patch(f, "hub", OURS "memberclusters/c1",
          "{\"spec\":{\"kubeconfigSecretRef\":{\"name\":\"c1-kubeconfig\",\"key\":\"k\"}}}");
    run(f);
    assert_non_null(strstr(f->err.msg, "Secret c1-kubeconfig"));
    patch(f, "hub", OURS "memberclusters/c1",
          "{\"spec\":{\"kubeconfigSecretRef\":{\"name\":\"other\",\"key\":null}}}");
    run(f);
    assert_non_null(strstr(f->err.msg, "has no Secret other in namespace fleet"));
}

static void test_local_members_are_refused(void **state)
{
    struct fixture *f = *state;
    f->options.allow_local_members = false;
    run(f);
    assert_int_equal(f->err.class, ERR_INVALID);
    assert_non_null(strstr(f->err.msg, "Secret c1-kubeconfig: clusters["));
}

static void test_group_not_fit(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *patch, *says;
    } cases[] = {
        {"{\"status\":{\"cluster\":null,\"conditions\":[{\"type\":\"Ready\",\"message\":\"no "
         "Primary\"}]}}",
         "has no cluster yet (no Primary)"},
        {"{\"status\":{\"cluster\":\"c2\",\"observedGeneration\":0}}", "has changed"},
        {"{\"status\":{\"cluster\":\"c2\",\"observedGeneration\":99}}", "no MemberCluster c2"},
        {"{\"spec\":{\"meshRef\":{\"name\":\"none\"}}}", "no Mesh none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        patch(f, "hub", OURS "meshworkloadgroups/vm", cases[i].patch);
        run(f);
        if (!strstr(f->err.msg, cases[i].says))
            fail_msg("'%s' does not say '%s'", f->err.msg, cases[i].says);
    }
    f->options.vm.name = "nobody";
    run(f);
    assert_int_equal(f->err.class, ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.msg, "has no WorkloadGroup nobody in namespace fleet"));
}

static void test_group_that_leaves(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    patch(f, "hub", OURS "meshworkloadgroups/vm", "{\"metadata\":{\"finalizers\":[\"x.y/z\"]}}");
    json_decref(
        kubesim_do(f->sim, "hub", "DELETE", OURS "meshworkloadgroups/vm", NULL, NULL, &status));
    run(f);
    assert_int_equal(f->err.class, ERR_INVALID);
    assert_non_null(strstr(f->err.msg, "is being deleted"));
}

static void test_hostile_member(void **state)
{
    struct fixture *f = *state;
    patch(f, "c1", "/api/v1/namespaces/istio-system/configmaps/istio",
          "{\"data\":{\"mesh\":\"defaultConfig: {proxyMetadata: {LD_PRELOAD: /tmp/x}}\"}}");
    run(f);
    assert_int_equal(f->err.class, ERR_INVALID);
    assert_non_null(strstr(f->err.msg, "what cluster c1 holds"));
    assert_non_null(strstr(f->err.msg, "LD_PRELOAD"));
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_with_the_members_secret),
        T(test_status_address_wins),
        T(test_own_access_needs_no_secret),
        T(test_in_cluster),
        T(test_other_secret),
        T(test_local_members_are_refused),
        T(test_group_not_fit),
        T(test_group_that_leaves),
        T(test_hostile_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
