/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/trade_test.h"

static void consent_is_asked_of_both(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    fleet_run(&f, 10000);
    assert_string_equal(reason(&f, API_KIND_MESH, "bank", "ExportsReady"), "NotTrusted");
    assert_string_equal(reason(&f, API_KIND_MESH, "shop", "ImportsReady"), "");
    assert_int_equal(count(&f, "c1", ISTIO, "ServiceEntry"), 0);
    trust(&f);
    edit(&f, API_KIND_TRUST_BUNDLE, "both", "spec.members",
         json_pack("[{s:s, s:s}, {s:s}]", "name", "shop", "direction", "Import", "name", "bank"));
    fleet_run(&f, 10000);
    assert_string_equal(reason(&f, API_KIND_MESH, "bank", "ExportsReady"), "NotTrusted");
    assert_int_equal(count(&f, "c1", ISTIO, "ServiceEntry"), 0);
    assert_true(says(&f, "c1", CONFIG, "bank.mesh"));
    assert_false(says(&f, "c2", CONFIG, "shop.mesh"));
    edit(&f, API_KIND_TRUST_BUNDLE, "both", "spec.members",
         json_pack("[{s:s}, {s:s}]", "name", "shop", "name", "bank"));
    fleet_run(&f, 10000);
    assert_string_equal(reason(&f, API_KIND_MESH, "bank", "ExportsReady"), "Ready");
    assert_string_equal(reason(&f, API_KIND_MESH, "shop", "ImportsReady"), "Ready");
    fleet_stop(&f);
}

static void one_network_goes_to_the_pods(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    trust(&f);
    fleet_run(&f, 10000);
    assert_int_equal(count(&f, "c1", ISTIO, "ServiceEntry"), 1);
    assert_true(says(&f, "c1", "/serviceentries/", "\"10.2.0.5\""));
    assert_true(says(&f, "c1", "/serviceentries/", "8080"));
    assert_true(says(&f, "c1", "/destinationrules/", "spiffe://bank.mesh/ns/pay/sa/ledger"));
    assert_false(says(&f, "c1", "/destinationrules/", "vault"));
    assert_non_null(fleet_find(&f, "c1", "v1", "Service", "pay", "ledger"));
    assert_null(fleet_find(&f, "c1", "v1", "Service", "pay", "vault"));
    assert_true(says(&f, "c2", "/authorizationpolicies/", "10.2.0.5"));
    assert_false(says(&f, "c2", "/authorizationpolicies/", "10.2.0.6"));
    assert_false(says(&f, "c2", "/authorizationpolicies/", "outbound_"));
    assert_null(
        fleet_find(&f, "c2", "apps/v1", "Deployment", ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME));
    fleet_stop(&f);
}

/* Only what is bound is published, and not before what it is for is closed. */
/* Pods of the other mesh that are on this network, and no others, are taken at their address. */
static void plain_text_of_the_others_is_refused(void **state)
{
    (void)state;
    static const char *const networks[] = {"n1", "n2"};
    for (size_t i = 0; i < 2; i++) {
        struct fleet f;
        start(&f, networks[i]);
        edit(&f, API_KIND_MEMBER_CLUSTER, "c2", "spec.podCIDRs", json_pack("[s]", "10.2.0.0/16"));
        trust(&f);
        fleet_run(&f, 20000);
        assert_true(says(&f, "c1", "meshwright-guard", "notPrincipals"));
        assert_int_equal(says(&f, "c1", "meshwright-guard", "10.2.0.0/16"), i == 0);
        edit(&f, API_KIND_MEMBER_CLUSTER, "c2", "spec.podCIDRs", json_pack("[s]", "10.3.0.0/16"));
        fleet_run(&f, 20000);
        assert_int_equal(says(&f, "c1", "meshwright-guard", "10.3.0.0/16"), i == 0);
        fleet_stop(&f);
    }
}

static void anchors_come_after_the_guard(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    fleet_run(&f, 10000);
    trust(&f);
    fleet_run(&f, 10000);
    auto_free char *anchor = pki_bound_anchor(f.banks_root.cert, "bank.mesh", NULL);
    char *line = strchr(anchor, '\n') + 1; /* of base64; the text as a whole is escaped */
    auto_free char *part = xstrndup(line, 60);
    const char *plain = strchr(f.banks_root.cert, '\n') + 1;
    auto_free char *plain_part = xstrndup(plain + 130, 60);
    assert_true(says(&f, "c1", CONFIG, part));
    assert_false(says(&f, "c1", CONFIG, plain_part));
    int guard = version_of(&f, "c1", "security.istio.io/v1", "AuthorizationPolicy");
    struct kube_view v;
    kube_record_view(fleet_find(&f, "c1", "v1", "ConfigMap", ISTIO_NAMESPACE, "istio"), &v);
    int64_t config = 0;
    str_to_i64(v.meta.rv, 0, INT32_MAX, &config);
    assert_true(guard < config);
    fleet_stop(&f);
}

static void two_networks_go_through_the_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    trust(&f);
    fleet_run(&f, 20000);
    assert_non_null(
        fleet_find(&f, "c2", "apps/v1", "Deployment", ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME));
    assert_null(
        fleet_find(&f, "c1", "apps/v1", "Deployment", ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME));
    assert_true(says(&f, "c1", "/serviceentries/", "\"bank.n2\""));
    assert_false(says(&f, "c1", "/serviceentries/", "10.2.0.5"));
    assert_int_equal(count(&f, "c1", "gateway.networking.k8s.io/v1", "Gateway"), 1);
    assert_true(says(&f, "c1", "gateway.networking.k8s.io", "172.30.102.1"));
    assert_true(says(&f, "c1", "gateway.networking.k8s.io", "\"bank.n2\""));
    assert_true(
        says(&f, "c2", "/authorizationpolicies/", "outbound_.80_._.ledger.pay.svc.cluster.local"));
    assert_false(says(&f, "c2", "/authorizationpolicies/", "vault"));
    assert_true(says(&f, "c2", "networking.istio.io", "ledger.pay.svc.cluster.local"));
    fleet_set_address(&f, "c2", "172.30.102.9"); /* the load balancer gives another one */
    fleet_run(&f, 2000);
    assert_true(says(&f, "c1", "gateway.networking.k8s.io", "172.30.102.9"));
    fleet_stop(&f);
}

static void what_is_as_wanted_is_not_written(void **state)
{
    (void)state;
    static const char *const networks[] = {"n1", "n2"};
    for (size_t i = 0; i < 2; i++) {
        struct fleet f;
        start(&f, networks[i]);
        trust(&f);
        fleet_run(&f, 20000);
        uint64_t renders = f.m.renders;
        assert_int_equal(since(&f, 60000), 0);
        show_service(&f, "c2", "unrelated");
        show_pod(&f, "c2", "unrelated", "unrelated-0", "10.2.0.7", "x");
        assert_int_equal(since(&f, 5000), 0);
        assert_int_equal(f.m.renders, renders);
        fleet_stop(&f);
    }
}

static void pods_are_followed(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    trust(&f);
    fleet_run(&f, 10000);
    show_pod(&f, "c2", "ledger", "ledger-1", "10.2.0.8", "ledger");
    assert_int_equal(since(&f, 2000), 2); /* the entry there, and who may be reached here */
    assert_true(says(&f, "c1", "/serviceentries/", "10.2.0.8"));
    assert_true(says(&f, "c2", "/authorizationpolicies/", "10.2.0.8"));
    show_pod(&f, "c2", "ledger", "ledger-2", "10.2.0.9", "another");
    assert_int_equal(since(&f, 2000), 3);
    assert_true(says(&f, "c1", "/destinationrules/", "spiffe://bank.mesh/ns/pay/sa/another"));
    fleet_stop(&f);
}

static void a_local_service_answers_too(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    show_service(&f, "c1", "ledger");
    show_pod(&f, "c1", "ledger", "ledger-0", "10.1.0.5", "books");
    trust(&f);
    fleet_run(&f, 10000);
    assert_true(says(&f, "c1", "/destinationrules/", "spiffe://shop.mesh/ns/pay/sa/books"));
    assert_true(says(&f, "c1", "/destinationrules/", "spiffe://bank.mesh/ns/pay/sa/ledger"));
    assert_false(says(&f, "c1", "/serviceentries/", "10.1.0.5"));
    struct kube_view v;
    kube_record_view(fleet_find(&f, "c1", "v1", "Service", "pay", "ledger"), &v);
    assert_false(v.meta.managed);
    fleet_stop(&f);
}

static void foreign_names(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    edit(&f, API_KIND_MESH, "shop", "spec.imports",
         json_pack("[{s:s, s:s}]", "mesh", "bank", "names", "Foreign"));
    trust(&f);
    fleet_run(&f, 20000);
    assert_non_null(fleet_find(&f, "c1", "v1", "Service", "pay", "ledger-bank"));
    assert_null(fleet_find(&f, "c1", "v1", "Service", "pay", "ledger"));
    assert_true(says(&f, "c1", "/serviceentries/", "ledger-bank.pay.svc.cluster.local"));
    assert_true(
        says(&f, "c1", "/destinationrules/", "outbound_.80_._.ledger.pay.svc.cluster.local"));
    edit(&f, API_KIND_MESH, "shop", "spec.imports",
         json_pack("[{s:s, s:s}]", "mesh", "bank", "names", "None"));
    fleet_run(&f, 10000);
    assert_int_equal(count(&f, "c1", ISTIO, "ServiceEntry"), 0);
    assert_null(fleet_find(&f, "c1", "v1", "Service", "pay", "ledger-bank"));
    fleet_stop(&f);
}

static size_t objects(struct fleet *f, const char *cluster)
{
    size_t n = 0;
    const struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    for (size_t i = 0; i < c->n_watches; i++)
        n += c->watches[i].records.n;
    return n;
}

static void what_gave_it_takes_it(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    fleet_run(&f, 10000);
    size_t one = objects(&f, "c1"), two = objects(&f, "c2");
    trust(&f);
    fleet_run(&f, 20000);
    edit(&f, API_KIND_MESH, "bank", "spec.exports", NULL);
    json_object_del(jx_get(hub_find(&f.m.hub, API_KIND_MESH, "fleet/bank")->obj, "spec"),
                    "exports");
    fleet_run(&f, 10000);
    assert_int_equal(count(&f, "c1", ISTIO, "ServiceEntry"), 0);
    assert_int_equal(count(&f, "c1", ISTIO, "DestinationRule"), 0);
    assert_true(says(&f, "c1", CONFIG, "bank.mesh"));
    assert_int_equal(count(&f, "c2", "security.istio.io/v1", "AuthorizationPolicy"), 1);
    assert_false(says(&f, "c2", "/authorizationpolicies/", "ledger"));
    edit(&f, API_KIND_MESH, "bank", "spec.exports",
         json_pack("[{s:s, s:s, s:[s]}]", "namespace", "pay", "service", "ledger", "to", "shop"));
    fleet_run(&f, 10000);
    assert_int_equal(count(&f, "c1", ISTIO, "ServiceEntry"), 1);
    distrust(&f);
    fleet_run(&f, 2000);
    assert_false(says(&f, "c1", CONFIG, "bank.mesh"));
    assert_false(says(&f, "c2", CONFIG, "shop.mesh"));
    /* The guard outlives the trust by a moment. */
    assert_int_equal(count(&f, "c2", "security.istio.io/v1", "AuthorizationPolicy"), 1);
    fleet_run(&f, 30000);
    assert_int_equal(objects(&f, "c1"), one);
    assert_int_equal(objects(&f, "c2"), two);
    fleet_stop(&f);
}

static void a_root_that_cant_be_read_takes_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    trust(&f);
    fleet_run(&f, 10000);
    struct mesh *bank = ties_state(&f.m, "fleet", "bank");
    enum root_state *s = &bank->root.state;
    *s = ROOT_FAILED; /* as after a restart with a Secret that can't be read */
    bank->root.read_ms = INT64_MAX / 2;
    manager_enqueue(&f.m, API_KIND_MESH, "fleet/shop", 0);
    fleet_run(&f, 2000);
    assert_true(says(&f, "c1", CONFIG, "bank.mesh"));
    *s = ROOT_READY;
    manager_enqueue(&f.m, API_KIND_MESH, "fleet/shop", 0);
    assert_int_equal(since(&f, 2000), 0);
    fleet_stop(&f);
}

/* What a controller finds that has just been started: the cluster of the other mesh is not read yet. */
static void set_read(struct fleet *f, const char *cluster, bool read)
{
    struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    for (size_t i = 0; i < c->n_watches; i++)
        c->watches[i].records.synced = read;
    c->born_ms = clock_ms(f->m.clock);
    cluster_touch(c);
}

static void a_restart_is_no_news(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    f.istiod = true;
    trust(&f);
    fleet_run(&f, 20000);
    assert_string_equal(fleet_reason(&f, "ImportsReady"), "Ready");
    mesh_forget_all(&f.m);
    set_read(&f, "c2", false);
    manager_enqueue_meshes(&f.m, "fleet", 0);
    fleet_run(&f, 3000);
    assert_string_equal(fleet_reason(&f, "ImportsReady"), "Ready");
    set_read(&f, "c2", true);
    assert_int_equal(since(&f, 3000), 0);
    assert_string_equal(fleet_reason(&f, "ImportsReady"), "Ready");
    fleet_stop(&f);
}

/* So that a definition without instances may be deleted. */
static const char *serves_doors(struct fleet *f, const struct cluster *c, const char *path)
{
    (void)f, (void)c;
    return str_eq(path, "/apis/gateways.example.io")
               ? "{\"preferredVersion\":{\"groupVersion\":\"gateways.example.io/v1\"}}"
               : NULL;
}

/* Of the other mesh it is not known what it offers, nor that nothing is reached through a gateway. */
static void a_restart_takes_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    f.istiod = true;
    f.answer = serves_doors;
    json_object_set_new(f.answers,
                        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                        "doors.gateways.example.io",
                        json_null()); /* before it is ours, it is nobody's */
    trust(&f);
    fleet_run(&f, 20000);
    size_t crds = count(&f, "c1", "apiextensions.k8s.io/v1", "CustomResourceDefinition");
    mesh_forget_all(&f.m);
    auto_json *kind = json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "Service");
    fleet_hide(fleet_watch(manager_cluster(&f.m, "fleet", "c2"), kind), "pay", "ledger");
    set_read(&f, "c2", false);
    manager_enqueue_meshes(&f.m, "fleet", 0);
    assert_int_equal(since(&f, 30000), 0);
    assert_int_equal(count(&f, "c1", "gateway.networking.k8s.io/v1", "Gateway"), 1);
    assert_int_equal(count(&f, "c1", "apiextensions.k8s.io/v1", "CustomResourceDefinition"), crds);
    fleet_stop(&f);
}

/* What another cluster of this mesh offers is let in by the gateways and guards of all: it may not be read yet. */
static void a_restart_shuts_no_door(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    f.istiod = true;
    fleet_add_cluster_on(&f, "c3", "n2");
    edit(&f, API_KIND_MESH, "bank", "spec.clusters",
         json_pack("[{s:s}, {s:s}]", "name", "c2", "name", "c3"));
    edit(&f, API_KIND_MESH, "bank", "spec.exports",
         json_pack("[{s:s, s:s, s:[s]}]", "namespace", "pay", "service", "*", "to", "shop"));
    show_namespace(&f, "c3", "pay");
    show_service(&f, "c3", "safe");
    show_pod(&f, "c3", "safe", "safe-0", "10.3.0.5", "safe");
    trust(&f);
    fleet_run(&f, 20000);
    assert_true(says(&f, "c2", "/authorizationpolicies/", ".safe.pay"));
    mesh_forget_all(&f.m);
    auto_json *kind = json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "Service");
    fleet_hide(fleet_watch(manager_cluster(&f.m, "fleet", "c3"), kind), "pay", "safe");
    set_read(&f, "c3", false);
    manager_enqueue_meshes(&f.m, "fleet", 0);
    int writes = since(&f, 1000);
    show_service(&f, "c3", "safe");
    set_read(&f, "c3", true);
    assert_int_equal(writes + since(&f, 3000), 0);
    fleet_stop(&f);
}

/* The others' gateway stays where it was as long as nobody says where it is now. */
static void an_address_that_is_lost_takes_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    f.istiod = true;
    trust(&f);
    fleet_run(&f, 20000);
    json_object_del(f.addresses, "c2");
    json_t *service = json_object_get(f.balanced, "c2");
    assert_non_null(service);
    f.rv++;
    fleet_show(&f, manager_cluster(&f.m, "fleet", "c2"), service, true);
    assert_int_equal(since(&f, 30000), 0);
    assert_int_equal(count(&f, "c1", "gateway.networking.k8s.io/v1", "Gateway"), 1);
    assert_string_equal(fleet_reason(&f, "ImportsReady"), "GatewayNotReady");
    fleet_stop(&f);
}

static void a_bundle_tells_what_is_where(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    trust(&f);
    fleet_run(&f, 10000);
    const json_t *s =
        json_object_get(hub_find(&f.m.hub, API_KIND_TRUST_BUNDLE, "fleet/both")->obj, "status");
    assert_string_equal(jx_str(s, "summary.distributed"), "2/2");
    assert_string_equal(jx_str(s, "summary.members"), "shop,bank");
    assert_true(cond_is_true(json_object_get(s, "conditions"), "Ready"));
    const json_t *bank = json_array_get(json_object_get(s, "domains"), 1);
    assert_string_equal(jx_str(bank, "trustDomain"), "bank.mesh");
    const json_t *root = json_array_get(json_object_get(bank, "roots"), 0);
    struct pki_cert_info info;
    pki_cert_info(f.banks_root.cert, &info, NULL);
    assert_string_equal(jx_str(root, "sha256"), info.sha256);
    assert_string_equal(jx_str(root, "subject"), "CN=root,O=bank");
    assert_string_equal(jx_str(root, "notAfterTime"), "2033-05-18T03:33:19Z");
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "clusters"), 0)),
                        "c1");
    edit(&f, API_KIND_MESH, "shop", "spec.trust", json_pack("{s:s}", "domain", "bank.mesh"));
    fleet_run(&f, 5000);
    assert_string_equal(reason(&f, API_KIND_TRUST_BUNDLE, "both", "ResolvedRefs"),
                        "SameTrustDomain");
    edit(&f, API_KIND_TRUST_BUNDLE, "both", "spec.members",
         json_pack("[{s:s}, {s:s}, {s:s, s:{s:s, s:s}}]", "name", "bank", "name", "none", "name",
                   "far", "external", "trustDomain", "far.away", "pem", "x"));
    fleet_run(&f, 5000);
    assert_string_equal(reason(&f, API_KIND_TRUST_BUNDLE, "both", "Accepted"), "NotImplemented");
    assert_string_equal(reason(&f, API_KIND_TRUST_BUNDLE, "both", "ResolvedRefs"), "MeshNotFound");
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consent_is_asked_of_both),
        cmocka_unit_test(one_network_goes_to_the_pods),
        cmocka_unit_test(plain_text_of_the_others_is_refused),
        cmocka_unit_test(anchors_come_after_the_guard),
        cmocka_unit_test(two_networks_go_through_the_gateway),
        cmocka_unit_test(what_is_as_wanted_is_not_written),
        cmocka_unit_test(pods_are_followed),
        cmocka_unit_test(a_local_service_answers_too),
        cmocka_unit_test(foreign_names),
        cmocka_unit_test(what_gave_it_takes_it),
        cmocka_unit_test(a_root_that_cant_be_read_takes_nothing),
        cmocka_unit_test(a_restart_is_no_news),
        cmocka_unit_test(a_restart_takes_nothing),
        cmocka_unit_test(a_restart_shuts_no_door),
        cmocka_unit_test(an_address_that_is_lost_takes_nothing),
        cmocka_unit_test(a_bundle_tells_what_is_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
