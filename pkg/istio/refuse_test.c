/* SPDX-License-Identifier: Apache-2.0 */
/* What the renderer refuses of gateways, roles and other meshes, each for its reason. */
#include "istio/input.h"

static struct istio_listener listener(const char *protocol)
{
    return (struct istio_listener){8080, protocol};
}

static void refuses(struct input *in, enum err_class class, const char *msg)
{
    struct err err = {0};
    auto_plan p;
    plan_init(&p, "c1");
    assert_int_equal(istio_render(&in->t, &p, &err), -1);
    if (!strstr(err.msg, msg))
        fail_msg("\"%s\" is not in \"%s\"", msg, err.msg);
    assert_int_equal(err.class, class);
}

static void test_roles(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "remote");
    in.t.primary = NULL;
    refuses(&in, ERR_INVALID, "a Remote cannot be rendered without its Primary");
    in.t.primary = in.t.cluster;
    refuses(&in, ERR_INVALID, "a Remote cannot be rendered without its Primary");
    in.t.primary = "c1";
    struct istio_endpoint named = {.address = "db.example.com"};
    in.stubs[2].endpoints = &named;
    in.stubs[2].n_endpoints = 1;
    refuses(&in, ERR_INVALID, "endpoint \"db.example.com\" of service demo/db is no IP address");
}

static void test_ingress(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "gateways");
    in.gateways[0].tls_secret = NULL;
    refuses(&in, ERR_INVALID, "gateway front: a listener HTTPS needs a certificate");
    struct istio_route nowhere = {.host = "db.example.com", .port = 80};
    const struct istio_route *routes = in.gateways[1].routes;
    in.gateways[0].tls_secret = "front-tls";
    in.gateways[1].routes = &nowhere;
    refuses(&in, ERR_INVALID, "gateway raw: the route of host db.example.com names no Service");
    in.gateways[1].routes = routes;
    struct istio_listener tcp = listener("TCP"), tls = listener("TLS");
    in.gateways[0].listeners = &tcp;
    in.gateways[0].n_listeners = 1;
    refuses(&in, ERR_INVALID, "a listener TCP leads to one Service, there are 4 routes");
    in.gateways[0].listeners = &tls;
    refuses(&in, ERR_INVALID, "host shop.example.com has several routes");
}

static void test_egress(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "gateways");
    struct istio_listener tcp = listener("TCP");
    struct istio_route route = {.host = "db.example.com", .port = 8080};
    in.gateways[3].routes = &route;
    in.gateways[3].n_routes = 1;
    in.gateways[3].listeners = &tcp;
    refuses(&in, ERR_INVALID, "gateway out: host db.example.com: plain TCP on port 8080");
    route.host = "*.example.com";
    refuses(&in, ERR_INVALID, "host *.example.com: an Egress gateway needs whole names");
}

static void test_trust(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "meshes-near-bank");
    auto_json *alias = json_pack("{s:[s]}", "trustDomainAliases", "shop.mesh.local");
    auto_json *roots = json_pack("{s:{}}", "caCertificates");
    auto_json *agent = json_pack("{s:{s:{s:s}}}", "defaultConfig", "proxyMetadata",
                                 "PROXY_CONFIG_XDS_AGENT", "false");
    auto_json *env = json_pack("{s:s}", "ISTIO_MULTIROOT_MESH", "false");
    in.t.settings.mesh_config = alias;
    refuses(&in, ERR_INVALID, "its identities would count as this mesh's own");
    in.t.settings.mesh_config = roots;
    refuses(&in, ERR_INVALID, "meshConfig.caCertificates is not a list");
    in.t.settings.mesh_config = agent;
    refuses(&in, ERR_INVALID, "needs PROXY_CONFIG_XDS_AGENT");
    in.t.settings.mesh_config = NULL;
    in.t.settings.env = env;
    refuses(&in, ERR_INVALID, "needs ISTIO_MULTIROOT_MESH");
    in.t.settings.env = NULL;
    in.admitted[0].trust_domain = "bank.mesh.local";
    refuses(&in, ERR_INVALID, "is this mesh's own");
    in.admitted[0].trust_domain = "shop.mesh.local";
    const char *host = "pod.example.com";
    in.admitted[0].addresses = &host;
    in.admitted[0].n_addresses = 1;
    refuses(&in, ERR_INVALID, "exported address \"pod.example.com\" is no IP address");
}

static void test_imports(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "meshes-near-bank");
    struct istio_import_endpoint nowhere = {.weight = 1}, named = {.address = "pod.example.com"};
    in.imports[0].endpoints = &nowhere;
    in.imports[0].n_endpoints = 1;
    refuses(&in, ERR_BUG, "an endpoint without address and network");
    in.imports[0].endpoints = &named;
    refuses(&in, ERR_BUG, "an endpoint without address and network");
    /* nobody may answer: then nothing is said, rather than a rule that lets anybody */
    in.imports[0].n_sans = 0;
    auto_plan p;
    render(&in, &p);
    assert_null(find(&p, "ServiceEntry", "meshwright-web-shop"));
    assert_null(find(&p, "DestinationRule", "meshwright-web-shop"));
}

/* With addresses the SNI is never asked for: a direct caller says in it what it likes. */
static void test_one_condition_guards(void **state)
{
    (void)state;
    auto_input in;
    input_load(&in, "meshes-near-shop");
    auto_plan both, sni;
    render(&in, &both);
    auto_free char *with = jx_dump(find(&both, "AuthorizationPolicy", "meshwright-guard")->body);
    assert_null(strstr(with, "connection.sni"));
    assert_non_null(strstr(with, "destination.ip"));
    in.admitted[0].n_addresses = 0;
    render(&in, &sni);
    auto_free char *without = jx_dump(find(&sni, "AuthorizationPolicy", "meshwright-guard")->body);
    assert_non_null(strstr(without, "connection.sni"));
    assert_null(strstr(without, "destination.ip"));
}

static void test_revoked(void **state)
{
    (void)state;
    static const struct istio_revoked bad[] = {
        {"shop", "shop.mesh.local", "*", "legacy-db"},
        {"shop", "shop.mesh.local", "shop", "*"},
        {"shop", "*", "shop", "legacy-db"},
        {"shop", "shop.mesh.local", "shop", "a/sa/b"},
        {"shop", "shop.mesh.local", "shop", ""},
        {NULL, "shop.mesh.local", "shop", "legacy-db"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        auto_input in;
        input_load(&in, "revoked");
        in.t.revoked = &bad[i];
        in.t.n_revoked = 1;
        refuses(&in, ERR_INVALID, "is no identity to refuse");
    }
}

/* Its proxies are told by its Primary. */
static void test_a_remote_refuses_nobody_itself(void **state)
{
    (void)state;
    static const struct istio_revoked one = {"shop", "shop.mesh.local", "shop", "legacy-db"};
    auto_input in;
    auto_plan p;
    input_load(&in, "remote");
    in.t.revoked = &one;
    in.t.n_revoked = 1;
    render(&in, &p);
    for (size_t i = 0; i < p.n; i++)
        assert_string_not_equal(p.objects[i].gvr->kind, "AuthorizationPolicy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revoked), cmocka_unit_test(test_a_remote_refuses_nobody_itself),
        cmocka_unit_test(test_roles),   cmocka_unit_test(test_ingress),
        cmocka_unit_test(test_egress),  cmocka_unit_test(test_trust),
        cmocka_unit_test(test_imports), cmocka_unit_test(test_one_condition_guards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
