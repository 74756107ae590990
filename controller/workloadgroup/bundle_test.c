/* SPDX-License-Identifier: Apache-2.0 */
/* The Secret with a bootstrap bundle. */
#include "mesh/fleet_test.h"

#include "runtime/conditions.h"

#define DATA   "testdata/istio/data"
#define SECRET "/api/v1/namespaces/fleet/secrets/join"
#define OTHER  "/api/v1/namespaces/fleet/secrets/other"
#define TOKEN  "/api/v1/namespaces/shop/serviceaccounts/db/token"
#define GROUP  "/apis/networking.istio.io/v1/namespaces/shop/workloadgroups/db"

/* --- helpers --- */

static void answer(struct fleet *f, const char *path, const char *text)
{
    json_object_set_new(f->answers, path, text ? jx_load(text, strlen(text), NULL) : json_null());
}

static void give_token(struct fleet *f, const char *token, int64_t expires_s)
{
    char expires[CLOCK_RFC3339_MAX];
    clock_format(expires_s, expires);
    auto_free char *text =
        xasprintf("{\"status\":{\"token\":\"%s\",\"expirationTimestamp\":\"%s\"}}", token, expires);
    answer(f, TOKEN, text);
}

static void edit(struct fleet *f, struct hub_object *o, const char *path, json_t *v)
{
    jx_set_new(o->obj, path, v);
    jx_set_new(o->obj, "metadata.generation",
               json_integer(jx_int(o->obj, "metadata.generation", 0) + 1));
    f->m.hub.spec_rev++;
    manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, o->key, 0);
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

static struct hub_object *start(struct fleet *f)
{
    static const char spec[] =
        "{\"meshRef\":{\"name\":\"shop\"},\"namespace\":\"shop\",\"network\":\"dc3\","
        "\"bundleSecret\":{\"name\":\"join\"},\"tokenTTLSeconds\":3600}";
    static const char namespace[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}";
    fleet_start(f, DATA);
    f->owner = "db";
    fleet_add_mesh(f, "shop", 1);
    auto_json *ns = jx_load(namespace, strlen(namespace), NULL);
    f->rv++;
    fleet_show(f, manager_cluster(&f->m, "fleet", "shop-0"), ns, false);
    fleet_set_address(f, "shop-0", "172.30.100.1");
    answer(f, SECRET, NULL);
    answer(f, OTHER, NULL);
    answer(f, GROUP,
           "{\"metadata\":{\"name\":\"db\",\"namespace\":\"shop\"},\"spec\":{\"template\":{"
           "\"serviceAccount\":\"db\",\"network\":\"dc3\"}}}");
    answer(f, "/api/v1/namespaces/istio-system/configmaps/istio",
           "{\"data\":{\"mesh\":\"trustDomain: shop.mesh\\ndefaultConfig: {meshId: shop}\"}}");
    auto_json *root = json_pack("{s:{s:s}}", "data", "root-cert.pem", f->root.cert);
    json_object_set(f->answers, "/api/v1/namespaces/shop/configmaps/istio-ca-root-cert", root);
    give_token(f, "first.to.ken", clock_s(&f->clock.clock) + 3600);
    struct hub_object *o =
        fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, "db", jx_load(spec, strlen(spec), NULL));
    manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, o->key, 0);
    return o;
}

static const char *reason(const struct hub_object *o, const char *type)
{
    return str_or(jx_str(cond_find(jx_get(o->obj, "status.conditions"), type), "reason"), "");
}

static const json_t *written(struct fleet *f, const char *path)
{
    auto_free char *where = xasprintf("hub %s", path);
    return json_object_get(f->applied, where);
}

static char *file(struct fleet *f, const char *path, const char *name)
{
    size_t len;
    const char *b64 =
        json_string_value(json_object_get(json_object_get(written(f, path), "data"), name));
    return b64 ? jx_unb64(b64, &len) : NULL;
}

/* From now on the hub has what was written. */
static void keep(struct fleet *f, const char *path)
{
    auto_json *o = json_deep_copy(written(f, path));
    json_object_del(o, "data");
    jx_set_str(o, "metadata.uid", "uid-of-secret");
    json_object_set(f->answers, path, o);
}

static void restart(struct fleet *f, const struct hub_object *o)
{
    workloadgroup_forget_all(&f->m);
    auto_free char *key = xstrdup(o->key);
    manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, key, 0);
    json_object_clear(f->applied);
}

/* --- --- */

static void a_bundle_is_made(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    fleet_run(&f, 15000);
    assert_string_equal(reason(o, "BundleReady"), "Ready");
    assert_string_equal(reason(o, "Ready"), "Ready");
    const json_t *s = written(&f, SECRET);
    assert_int_equal(json_object_size(json_object_get(s, "data")), 6);
    auto_free char *token = file(&f, SECRET, "istio-token");
    auto_free char *hosts = file(&f, SECRET, "hosts");
    assert_string_equal(token, "first.to.ken");
    assert_non_null(strstr(hosts, "172.30.100.1 istiod.istio-system.svc"));
    const json_t *owner = json_array_get(jx_get(s, "metadata.ownerReferences"), 0);
    assert_string_equal(jx_str(owner, "uid"), "db");
    assert_string_equal(jx_str(owner, "kind"), "WorkloadGroup");
    assert_string_equal(jx_str(o->obj, "status.bundle.secret"), "join");
    assert_non_null(jx_str(o->obj, "status.bundle.tokenExpires"));
    auto_free char *status = jx_dump(json_object_get(o->obj, "status"));
    assert_null(strstr(status, "first.to"));
    fleet_stop(&f);
}

/* The hub's copy is never read back, so this is known by its metadata. */
static void a_restart_asks_for_no_token(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    fleet_run(&f, 15000);
    keep(&f, SECRET);
    restart(&f, o);
    fleet_run(&f, 5000);
    assert_null(written(&f, SECRET));
    assert_string_equal(reason(o, "Ready"), "Ready");
    fleet_stop(&f);
}

static void it_is_renewed_at_half_of_its_life(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    fleet_run(&f, 15000);
    keep(&f, SECRET);
    json_object_clear(f.applied);
    fleet_run(&f, 1700000);
    assert_null(written(&f, SECRET));
    give_token(&f, "sec.o.nd", clock_s(&f.clock.clock) + 3600);
    fleet_run(&f, 120000);
    auto_free char *token = file(&f, SECRET, "istio-token");
    assert_string_equal(token, "sec.o.nd");
    assert_string_equal(reason(o, "BundleReady"), "Ready");
    fleet_stop(&f);
}

static void it_follows_the_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    fleet_run(&f, 15000);
    keep(&f, SECRET);
    json_object_clear(f.applied);
    fleet_set_address(&f, "shop-0", "172.30.100.2");
    fleet_run(&f, 5000);
    auto_free char *hosts = file(&f, SECRET, "hosts");
    assert_non_null(strstr(hosts, "172.30.100.2 istiod.istio-system.svc"));
    fleet_stop(&f);
}

static void a_users_secret_stays_the_users(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    answer(&f, SECRET, "{\"metadata\":{\"name\":\"join\",\"uid\":\"theirs\"}}");
    fleet_run(&f, 15000);
    assert_string_equal(reason(o, "BundleReady"), "NotOurs");
    assert_null(written(&f, SECRET));
    answer(&f, SECRET, NULL); /* it is deleted */
    fleet_run(&f, 70000);
    assert_string_equal(reason(o, "BundleReady"), "Ready");
    fleet_stop(&f);
}

/* What keeps it from being made is said, and nothing of it lies in the hub. */
static void what_is_missing_is_said(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    answer(&f, "/api/v1/namespaces/shop/configmaps/istio-ca-root-cert", NULL);
    fleet_run(&f, 20000);
    assert_string_equal(reason(o, "BundleReady"), "BundleFailed");
    assert_non_null(
        strstr(jx_str(cond_find(jx_get(o->obj, "status.conditions"), "BundleReady"), "message"),
               "istio-ca-root-cert"));
    assert_null(written(&f, SECRET));
    fleet_stop(&f);
}

static size_t deletions_of(const struct fleet *f, const char *path)
{
    auto_free char *where = xasprintf("hub %s", path);
    size_t i, n = 0;
    json_t *one;
    json_array_foreach (f->deleted, i, one) {
        n += str_eq(json_string_value(one), where);
    }
    return n;
}

static void another_name_is_another_secret(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    fleet_run(&f, 15000);
    keep(&f, SECRET);
    restart(&f, o);
    edit(&f, o, "spec.bundleSecret.name", json_string("other"));
    fleet_run(&f, 6000);
    assert_int_equal(deletions_of(&f, SECRET), 1);
    assert_non_null(written(&f, OTHER));
    assert_string_equal(jx_str(o->obj, "status.bundle.secret"), "other");
    json_object_del(jx_get(o->obj, "spec"), "bundleSecret");
    edit(&f, o, "spec.weight", json_integer(2));
    keep(&f, OTHER);
    fleet_run(&f, 6000);
    assert_int_equal(deletions_of(&f, OTHER), 1);
    assert_int_equal(deletions_of(&f, SECRET), 1);
    assert_null(jx_get(o->obj, "status.bundle"));
    assert_string_equal(reason(o, "BundleReady"), "");
    fleet_stop(&f);
}

/* The client of the cluster ends while it is asked: nothing of the bundle is left behind, and it is begun anew. */
static void a_cluster_that_goes_is_no_harm(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f);
    struct cluster *c = manager_cluster(&f.m, "fleet", "shop-0");
    int ended = 0;
    f.m.hub.changed = fleet_hub_changed;
    for (int i = 0; i < 2000 && ended < 20; i++) {
        fleet_pass(&f);
        uv_run(&f.loop, UV_RUN_NOWAIT);
        ended += c->tasks != NULL;
        if (c->tasks)
            fleet_new_client(&f, c);
        clock_virtual_advance(&f.clock, 20);
        cluster_touch(c);
    }
    assert_int_equal(ended, 20);
    fleet_run(&f, 15000);
    assert_string_equal(reason(o, "BundleReady"), "Ready");
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_is_made),
        cmocka_unit_test(a_restart_asks_for_no_token),
        cmocka_unit_test(it_is_renewed_at_half_of_its_life),
        cmocka_unit_test(it_follows_the_gateway),
        cmocka_unit_test(a_users_secret_stays_the_users),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(another_name_is_another_secret),
        cmocka_unit_test(a_cluster_that_goes_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
