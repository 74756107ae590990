/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/decode.h"
#include "base/mem.h"
#include "base/str.h"

#define META "\"metadata\":{\"name\":\"shop\",\"namespace\":\"fleet\"}"

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, JSON_ALLOW_NUL, &e);
    if (!v)
        fail_msg("%s: %s", text, e.text);
    return v;
}

static struct api_mesh *mesh(const char *spec, struct arena *a)
{
    auto_free char *text = xasprintf("{" META ",\"spec\":%s}", spec);
    json_t *obj = parse(text);
    struct api_mesh *m = NULL;
    struct err err = {0};
    int r = api_mesh_decode(obj, a, &m, &err);
    json_decref(obj); /* the arena holds it */
    if (r)
        fail_msg("%s: %s", spec, err.msg);
    return m;
}

static void test_all_fields(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    struct api_mesh *m = mesh(
        "{\"deletionPolicy\":\"Retain\",\"suspend\":true,\"version\":\"1.31\",\"revision\":"
        "\"blue\","
        "\"image\":{\"hub\":\"h\",\"tag\":\"t\"},"
        "\"istiod\":{\"env\":[{\"name\":\"A\",\"value\":\"b\"},{\"name\":\"C\",\"value\":\"\"}],"
        "\"minReplicas\":2,\"maxReplicas\":3,\"resources\":{\"requests\":{\"cpu\":1,\"memory\":"
        "\"1Gi\"}}},"
        "\"meshConfig\":{\"accessLogFile\":\"/dev/stdout\",\"x\":[1]},"
        "\"dnsEntries\":{\"mode\":\"Selected\",\"namespaceSelector\":{\"matchLabels\":{\"a\":\"b\"}"
        "}},"
        "\"remoteTokenTTLSeconds\":3600,"
        "\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\",\"role\":\"Remote\",\"primary\":\"a\","
        "\"istiod\":{\"minReplicas\":1},\"meshConfig\":{}}],"
        "\"trust\":{\"domain\":\"d\",\"issuerRef\":{\"name\":\"i\"}},"
        "\"exports\":[{\"namespace\":\"n\",\"to\":[\"x\",\"y\"]}],\"update\":{}}",
        &a);
    const struct api_mesh_spec *s = &m->spec;
    assert_int_equal(s->deletion_policy, API_MESH_DELETION_POLICY_RETAIN);
    assert_true(s->suspend);
    assert_string_equal(s->version, "1.31");
    assert_string_equal(s->revision, "blue");
    assert_string_equal(s->image->hub, "h");
    assert_string_equal(s->image->tag, "t");
    assert_int_equal(s->istiod->n_env, 2);
    assert_string_equal(s->istiod->env[1].name, "C");
    assert_string_equal(s->istiod->env[1].value, "");
    assert_int_equal(s->istiod->min_replicas, 2);
    assert_int_equal(s->istiod->max_replicas, 3);
    assert_int_equal(json_integer_value(json_object_get(s->istiod->resources->requests, "cpu")), 1);
    assert_null(s->istiod->resources->limits);
    assert_null(s->sidecar);
    assert_int_equal(json_object_size(s->mesh_config), 2);
    assert_int_equal(s->dns_entries->mode, API_MESH_DNS_ENTRIES_MODE_SELECTED);
    assert_non_null(s->dns_entries->namespace_selector->match_labels);
    assert_int_equal(s->remote_token_ttl_seconds, 3600);
    assert_int_equal(s->n_clusters, 2);
    assert_int_equal(s->clusters[0].role, API_MESH_CLUSTERS_ROLE_PRIMARY);
    assert_null(s->clusters[0].istiod);
    assert_int_equal(s->clusters[1].role, API_MESH_CLUSTERS_ROLE_REMOTE);
    assert_string_equal(s->clusters[1].primary, "a");
    assert_int_equal(s->clusters[1].istiod->min_replicas, 1);
    assert_int_equal(s->clusters[1].istiod->max_replicas, 0);
    assert_non_null(s->clusters[1].mesh_config);
    assert_string_equal(s->trust->domain, "d");
    assert_int_equal(s->trust->issuer_ref->kind, API_MESH_TRUST_ISSUER_REF_KIND_ISSUER);
    assert_null(s->trust->ca_secret_ref);
    assert_string_equal(s->exports[0].service, "*");
    assert_int_equal(s->exports[0].n_to, 2);
    assert_string_equal(s->exports[0].to[1], "y");
    assert_int_equal(s->update->type, API_MESH_UPDATE_TYPE_CANARY);
}

static void test_defaults(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    const struct api_mesh_spec *s =
        &mesh("{\"clusterSelector\":{},\"exports\":[],\"trust\":null}", &a)->spec;
    assert_int_equal(s->deletion_policy, API_MESH_DELETION_POLICY_DELETE);
    assert_false(s->suspend);
    assert_null(s->version);
    assert_null(s->istiod);
    assert_null(s->clusters);
    assert_int_equal(s->n_clusters, 0);
    assert_non_null(s->cluster_selector);
    assert_null(s->cluster_selector->match_labels);
    assert_int_equal(s->data_plane, API_MESH_DATA_PLANE_SIDECAR);
    assert_int_equal(s->remote_token_ttl_seconds, 86400);
    assert_null(s->dns_entries);
    assert_null(s->exports);
    assert_null(s->trust);
    assert_null(s->mesh_config);
    s = &mesh("{\"dnsEntries\":{},\"unknown\":{\"x\":1}}", &a)->spec;
    assert_int_equal(s->dns_entries->mode, API_MESH_DNS_ENTRIES_MODE_INJECTED);
}

static void test_meta(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    json_t *obj = parse(
        "{\"apiVersion\":\"meshwright.dev/"
        "v1alpha1\",\"kind\":\"Mesh\",\"metadata\":{\"name\":\"n\","
        "\"namespace\":\"fleet\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"generation\":3,"
        "\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"deletionTimestamp\":\"2026-01-02T03:04:"
        "06Z\","
        "\"finalizers\":[\"a/b\",\"c/d\"],\"labels\":{\"l\":\"1\"},\"annotations\":{\"k\":\"v\"}},"
        "\"spec\":{},\"status\":{\"version\":\"x\"}}");
    struct api_mesh *m = NULL;
    assert_int_equal(api_mesh_decode(obj, &a, &m, NULL), 0);
    json_decref(obj);
    assert_string_equal(m->meta.name, "n");
    assert_string_equal(m->meta.ns, "fleet");
    assert_string_equal(m->meta.uid, "u");
    assert_string_equal(m->meta.resource_version, "7");
    assert_string_equal(m->meta.creation_timestamp, "2026-01-02T03:04:05Z");
    assert_int_equal(m->meta.generation, 3);
    assert_true(m->meta.deleting);
    assert_int_equal(m->meta.n_finalizers, 2);
    assert_string_equal(m->meta.finalizers[1], "c/d");
    assert_string_equal(json_string_value(json_object_get(m->meta.labels, "l")), "1");
    assert_string_equal(json_string_value(json_object_get(m->meta.annotations, "k")), "v");
    assert_string_equal(json_string_value(json_object_get(m->status, "version")), "x");
}

/* A MemberCluster may be nothing but a name. */
static void test_no_spec(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    json_t *obj = parse("{\"metadata\":{\"name\":\"east\"}}");
    struct api_member_cluster *m = NULL;
    assert_int_equal(api_member_cluster_decode(obj, &a, &m, NULL), 0);
    json_decref(obj);
    assert_null(m->meta.ns);
    assert_false(m->meta.deleting);
    assert_null(m->status);
    assert_int_equal(m->spec.deletion_policy, API_MEMBER_CLUSTER_DELETION_POLICY_DELETE);
    assert_null(m->spec.in_cluster);
}

static void test_in_cluster_is_present(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    json_t *obj = parse("{\"metadata\":{\"name\":\"hub\"},\"spec\":{\"inCluster\":{}}}");
    struct api_member_cluster *m = NULL;
    assert_int_equal(api_member_cluster_decode(obj, &a, &m, NULL), 0);
    json_decref(obj);
    assert_non_null(m->spec.in_cluster);
}

static const struct {
    const char *object, *message;
} bad[] = {
    {"[]", "Mesh: must be an object"},
    {"{}", "metadata.name: is required"},
    {"{\"metadata\":7}", "metadata: must be an object, not an integer"},
    {"{\"metadata\":{\"name\":null}}", "metadata.name: is required"},
    {"{\"metadata\":{\"name\":\"\"}}", "metadata.name: length must be at least 1"},
    {"{\"metadata\":{\"name\":\"a\",\"finalizers\":[1]}}",
     "metadata.finalizers[0]: must be a string, not an integer"},
    {"{\"metadata\":{\"name\":\"a\",\"labels\":{\"l\":true}}}",
     "metadata.labels.l: must be a string, not a boolean"},
    {"{" META "}", "spec: is required"},
    {"{" META ",\"spec\":[]}", "spec: must be an object, not a list"},
    {"{\"kind\":\"Gateway\"," META ",\"spec\":{}}", "kind: must be Mesh, not \"Gateway\""},
    {"{\"apiVersion\":\"v1\"," META ",\"spec\":{}}",
     "apiVersion: must be meshwright.dev/v1alpha1, not \"v1\""},
    {"{" META ",\"spec\":{\"suspend\":\"yes\"}}", "spec.suspend: must be a boolean, not a string"},
    {"{" META ",\"spec\":{\"version\":1.30}}",
     "spec.version: must be a string, not a number with a fraction"},
    {"{" META ",\"spec\":{\"version\":\"1.\\u0000\"}}", "spec.version: has a NUL character"},
    {"{" META ",\"spec\":{\"revision\":\"123456789012345678901234567890123\"}}",
     "spec.revision: length must be at most 32"},
    {"{" META ",\"spec\":{\"remoteTokenTTLSeconds\":\"1\"}}",
     "spec.remoteTokenTTLSeconds: must be an integer, not a string"},
    {"{" META ",\"spec\":{\"remoteTokenTTLSeconds\":3599}}",
     "spec.remoteTokenTTLSeconds: value must be at least 3600"},
    {"{" META ",\"spec\":{\"istiod\":{\"maxReplicas\":21}}}",
     "spec.istiod.maxReplicas: value must be at most 20"},
    {"{" META ",\"spec\":{\"dataPlane\":\"sidecar\"}}",
     "spec.dataPlane: unknown value \"sidecar\""},
    {"{" META ",\"spec\":{\"dataPlane\":1}}", "spec.dataPlane: must be a string, not an integer"},
    {"{" META ",\"spec\":{\"clusters\":{}}}", "spec.clusters: must be a list, not an object"},
    {"{" META ",\"spec\":{\"clusters\":[]}}", "spec.clusters: number of items must be at least 1"},
    {"{" META ",\"spec\":{\"clusters\":[{}]}}", "spec.clusters[0].name: is required"},
    {"{" META ",\"spec\":{\"clusters\":[null]}}", "spec.clusters[0]: must be an object, not null"},
    {"{" META ",\"spec\":{\"clusters\":[{\"name\":\"a\"},{\"name\":\"b\",\"role\":\"X\"}]}}",
     "spec.clusters[1].role: unknown value \"X\""},
    {"{" META ",\"spec\":{\"exports\":[{\"namespace\":\"a\",\"to\":[\"x\",2]}]}}",
     "spec.exports[0].to[1]: must be a string, not an integer"},
    {"{" META ",\"spec\":{\"meshConfig\":\"x\"}}",
     "spec.meshConfig: must be an object, not a string"},
    {"{" META ",\"spec\":{\"istiod\":{\"resources\":{\"limits\":{\"cpu\":0.5}}}}}",
     "spec.istiod.resources.limits.cpu: must be a string, not a number with a fraction"},
    {"{" META ",\"spec\":{\"clusterSelector\":{\"matchLabels\":{\"a\":1}}}}",
     "spec.clusterSelector.matchLabels.a: must be a string, not an integer"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        auto_arena a = ARENA_INIT;
        json_t *obj = parse(bad[i].object);
        struct api_mesh *m = NULL;
        struct err err = {0};
        assert_int_equal(api_mesh_decode(obj, &a, &m, &err), -1);
        assert_null(m); /* set on success only */
        assert_int_equal(err.class, ERR_INVALID);
        assert_string_equal(err.msg, bad[i].message);
        json_decref(obj);
    }
}

/* The bound counts characters, as the API server does, not bytes. */
static void test_length_in_characters(void **state)
{
    (void)state;
    static const char *const name[] = {NULL};
    static const struct api_enum none = {name, 1};
    static const struct api_field f[] = {{.name = "s", .type = API_STRING, .max = 3}};
    static const struct api_struct t = {f, 1, sizeof(const char *)};
    auto_arena a = ARENA_INIT;
    const char *s = NULL;
    json_t *v = parse("{\"s\":\"\xC3\xA4\xC3\xB6\xC3\xBC\"}");
    assert_int_equal(api_decode_struct(&t, v, "x", &a, &s, NULL), 0);
    assert_int_equal(strlen(s), 6);
    json_decref(v);
    v = parse("{\"s\":\"\xC3\xA4\xC3\xB6\xC3\xBC!\"}");
    assert_int_equal(api_decode_struct(&t, v, "x", &a, &s, NULL), -1);
    json_decref(v);
    assert_null(api_enum_name(&none, 0));
    assert_null(api_enum_name(&none, 1));
}

/* A path deeper than the buffer is cut; nothing else happens. */
static void test_long_key(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    char key[601];
    memset(key, 'k', 600);
    key[600] = 0;
    auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"a\",\"labels\":{\"%s\":1}}}", key);
    json_t *obj = parse(text);
    struct api_mesh *m = NULL;
    struct err err = {0};
    assert_int_equal(api_mesh_decode(obj, &a, &m, &err), -1);
    assert_true(str_starts(err.msg, "metadata.labels.kkk"));
    json_decref(obj);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(api_mesh_clusters_role_name(API_MESH_CLUSTERS_ROLE_REMOTE), "Remote");
    assert_null(api_mesh_clusters_role_name(API_MESH_CLUSTERS_ROLE_UNSET));
    assert_null(api_mesh_clusters_role_name((enum api_mesh_clusters_role)99));
    assert_string_equal(api_gateway_exposure_name(API_GATEWAY_EXPOSURE_LOAD_BALANCER),
                        "LoadBalancer");
    assert_string_equal(api_gvrs[API_KIND_GATEWAY].plural, "meshgateways");
    assert_string_equal(api_gvrs[API_KIND_WORKLOAD_GROUP].kind, "WorkloadGroup");
    for (int i = 0; i < API_KIND_COUNT; i++) {
        assert_string_equal(api_gvrs[i].group, "meshwright.dev");
        assert_string_equal(api_gvrs[i].version, "v1alpha1");
        assert_true(api_gvrs[i].namespaced);
    }
}

static void test_other_kinds(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    json_t *g =
        parse("{" META ",\"spec\":{\"type\":\"Ingress\",\"clusters\":[\"a\"],\"class\":\"nginx\","
              "\"routes\":[{\"host\":\"h\",\"namespace\":\"n\",\"service\":\"s\",\"port\":80}]}}");
    json_t *w =
        parse("{" META
              ",\"spec\":{\"meshRef\":{\"name\":\"m\"},\"ports\":[{\"name\":\"p\",\"port\":1}]}}");
    json_t *t = parse(
        "{" META
        ",\"spec\":{\"members\":[{\"name\":\"a\"},{\"name\":\"b\",\"direction\":\"Import\"}]}}");
    struct api_gateway *gateway = NULL;
    struct api_workload_group *group = NULL;
    struct api_trust_bundle *bundle = NULL;
    assert_int_equal(api_gateway_decode(g, &a, &gateway, NULL), 0);
    assert_int_equal(api_workload_group_decode(w, &a, &group, NULL), 0);
    assert_int_equal(api_trust_bundle_decode(t, &a, &bundle, NULL), 0);
    json_decref(g);
    json_decref(w);
    json_decref(t);
    assert_int_equal(gateway->spec.exposure, API_GATEWAY_EXPOSURE_UNSET);
    assert_string_equal(gateway->spec.routes[0].path, "/");
    assert_string_equal(gateway->spec.class, "nginx");
    assert_int_equal(group->spec.token_ttl_seconds, 3600);
    assert_int_equal(group->spec.ports[0].protocol, API_WORKLOAD_GROUP_PORTS_PROTOCOL_TCP);
    assert_int_equal(group->spec.ports[0].target_port, 0);
    assert_int_equal(bundle->spec.members[0].direction, API_TRUST_BUNDLE_MEMBERS_DIRECTION_BOTH);
    assert_int_equal(bundle->spec.members[1].direction, API_TRUST_BUNDLE_MEMBERS_DIRECTION_IMPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_no_spec),
        cmocka_unit_test(test_in_cluster_is_present),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_length_in_characters),
        cmocka_unit_test(test_long_key),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
