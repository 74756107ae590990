/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "json/jx.h"

static const struct plan_owner owner = {"web", "uid-1", PLAN_LABEL_GATEWAY};

struct box {
    struct arena arena;
    struct plan plan;
    struct api_gateway *cr;
    struct plain_service *services;
    size_t n;
    struct err err;
};

static void open_box(struct box *b, const char *spec)
{
    *b = (struct box){.arena = ARENA_INIT};
    auto_free char *text = xasprintf("{\"metadata\":{\"name\":\"web\"},\"spec\":%s}", spec);
    json_t *obj = jx_load(text, strlen(text), NULL);
    assert_non_null(obj);
    plan_init(&b->plan, "c1");
    assert_int_equal(api_gateway_decode(obj, &b->arena, &b->cr, &b->err), 0);
    json_decref(obj);
    b->n = plain_services(&b->arena, b->cr, &b->services);
}

static void close_box(struct box *b)
{
    plan_done(&b->plan);
    arena_done(&b->arena);
}

static const json_t *body(const struct box *b, size_t i)
{
    assert_true(i < b->plan.n);
    return b->plan.objects[i].body;
}

static void expect(const json_t *v, const char *path, const char *want)
{
    auto_free char *text = jx_dump(jx_get(v, path));
    assert_string_equal(text, want);
}

#define ROUTE(host, path, svc, port)                                                               \
    "{\"host\":\"" host "\",\"path\":\"" path "\",\"namespace\":\"shop\",\"service\":\"" svc       \
    "\",\"port\":" port "}"

static void services_are_each_once(void **state)
{
    (void)state;
    struct box b;
    open_box(&b,
             "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"routes\":[" ROUTE(
                 "a.x", "/", "cart",
                 "80") "," ROUTE("b.x", "/", "pay",
                                 "80") "," ROUTE("a.x", "/m", "cart",
                                                 "9090") "," ROUTE("c.x", "/", "cart", "80") "]}");
    assert_int_equal(b.n, 2);
    assert_string_equal(b.services[0].name, "cart");
    assert_int_equal(b.services[0].n_ports, 2);
    assert_int_equal(b.services[0].ports[1], 9090);
    assert_int_equal(b.services[1].n_ports, 1);
    close_box(&b);
}

static void long_names_stay_apart(void **state)
{
    (void)state;
    auto_arena a = ARENA_INIT;
    char one[64], two[64];
    memset(one, 'a', 63);
    memset(two, 'a', 63);
    one[63] = two[63] = '\0';
    two[62] = 'b';
    const char *x = plain_exposed_name(&a, "web", one), *y = plain_exposed_name(&a, "web", two);
    assert_int_equal(strlen(x), 63);
    assert_string_not_equal(x, y);
    assert_string_equal(plain_exposed_name(&a, "web", "cart"), "web-cart");
}

static json_t *service_spec(void)
{
    return json_loads(
        "{\"selector\":{\"app\":\"cart\"},\"ports\":["
        "{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":\"web\","
        "\"nodePort\":30001},"
        "{\"name\":\"admin\",\"port\":9090,\"protocol\":\"TCP\",\"targetPort\":9090}]}",
        0, NULL);
}

static void a_load_balancer_leads_to_the_pods(void **state)
{
    (void)state;
    struct box b;
    open_box(&b, "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"class\":\"x.io/lb\","
                 "\"serviceAnnotations\":{\"a\":\"b\"},\"routes\":[" ROUTE("a.x", "/", "cart",
                                                                           "80") "]}");
    auto_json *spec = service_spec();
    assert_int_equal(plain_expose(b.cr, &owner, &b.services[0], spec, &b.plan, &b.err), 0);
    expect(body(&b, 0), "metadata.name", "\"web-cart\"");
    expect(body(&b, 0), "metadata.annotations.a", "\"b\"");
    assert_string_equal(jx_str2(body(&b, 0), "metadata.labels", "meshwright.dev/dns-entry"),
                        "false");
    assert_string_equal(jx_str2(body(&b, 0), "metadata.labels", PLAN_LABEL_GATEWAY), "web");
    assert_null(jx_str2(body(&b, 0), "metadata.labels", PLAN_LABEL_MESH));
    expect(body(&b, 0), "spec",
           "{\"loadBalancerClass\":\"x.io/lb\",\"ports\":[{\"name\":\"http\",\"port\":80,"
           "\"protocol\":\"TCP\",\"targetPort\":\"web\"}],\"selector\":{\"app\":\"cart\"},"
           "\"type\":\"LoadBalancer\"}");
    close_box(&b);
}

static void inside_a_cluster_addresses_are_taken(void **state)
{
    (void)state;
    struct box b;
    open_box(&b, "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"exposure\":\"ClusterIP\","
                 "\"addresses\":[\"10.0.0.9\",\"lb.example\"],\"routes\":[" ROUTE(
                     "a.x", "/", "cart", "80") "]}");
    auto_json *spec = service_spec();
    assert_int_equal(plain_expose(b.cr, &owner, &b.services[0], spec, &b.plan, &b.err), 0);
    expect(body(&b, 0), "spec.externalIPs", "[\"10.0.0.9\"]");
    expect(body(&b, 0), "spec.type", "\"ClusterIP\"");
    close_box(&b);
}

static void what_can_not_be_exposed_is_said(void **state)
{
    (void)state;
    struct box b;
    open_box(&b, "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"routes\":[" ROUTE(
                     "a.x", "/", "cart", "81") "]}");
    auto_json *spec = service_spec();
    assert_int_equal(plain_expose(b.cr, &owner, &b.services[0], spec, &b.plan, &b.err), -1);
    assert_non_null(strstr(b.err.msg, "none of the ports"));
    json_object_del(spec, "selector");
    assert_int_equal(plain_expose(b.cr, &owner, &b.services[0], spec, &b.plan, &b.err), -1);
    assert_int_equal(b.err.class, ERR_INVALID);
    assert_non_null(strstr(b.err.msg, "no selector"));
    assert_int_equal(b.plan.n, 0);
    close_box(&b);
}

static void an_ingress_has_the_routes(void **state)
{
    (void)state;
    struct box b;
    open_box(&b,
             "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"exposure\":\"Ingress\","
             "\"class\":\"nginx\",\"tlsSecretRef\":{\"name\":\"crt\"},\"routes\":[" ROUTE(
                 "a.x", "/", "cart",
                 "80") "," ROUTE("a.x", "/pay", "pay",
                                 "8080") "," ROUTE("a.x", "/", "other",
                                                   "80") "," ROUTE("*", "/", "cart", "80") "]}");
    assert_int_equal(plain_ingress(b.cr, &owner, "shop", &b.plan, &b.err), 0);
    expect(body(&b, 0), "spec.ingressClassName", "\"nginx\"");
    expect(body(&b, 0), "spec.tls", "[{\"hosts\":[\"a.x\"],\"secretName\":\"web-tls\"}]");
    expect(body(&b, 0), "spec.rules",
           "[{\"host\":\"a.x\",\"http\":{\"paths\":[{\"backend\":{\"service\":{\"name\":\"cart\","
           "\"port\":{\"number\":80}}},\"path\":\"/\",\"pathType\":\"Prefix\"},{\"backend\":{"
           "\"service\":{\"name\":\"pay\",\"port\":{\"number\":8080}}},\"path\":\"/pay\","
           "\"pathType\":\"Prefix\"}]}},{\"http\":{\"paths\":[{\"backend\":{\"service\":{\"name\":"
           "\"cart\",\"port\":{\"number\":80}}},\"path\":\"/\",\"pathType\":\"Prefix\"}]}}]");
    close_box(&b);
}

/* Who comes by a DNS entry asks for the name inside a cluster. */
static void an_ingress_answers_to_published_names(void **state)
{
    (void)state;
    struct box b;
    open_box(&b, "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"exposure\":\"Ingress\","
                 "\"publishTo\":[\"c2\"],\"routes\":[" ROUTE("a.x", "/api", "cart", "80") "]}");
    assert_int_equal(plain_ingress(b.cr, &owner, "shop", &b.plan, &b.err), 0);
    const json_t *rules = jx_get(body(&b, 0), "spec.rules");
    assert_int_equal(json_array_size(rules), 4);
    assert_string_equal(jx_str(json_array_get(rules, 1), "host"), "cart.shop");
    assert_string_equal(jx_str(json_array_get(rules, 3), "host"), "cart.shop.svc.cluster.local");
    close_box(&b);
}

static void entries_follow_addresses(void **state)
{
    (void)state;
    struct box b;
    static const char *const one[] = {"172.30.101.1", "fd00::1"}, *const two[] = {"lb.example"};
    open_box(&b, "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"routes\":[" ROUTE(
                     "a.x", "/", "cart", "80") "]}");
    auto_json *spec = service_spec();
    auto_json *ports = plain_ports(&b.services[0], spec, 0);
    struct plain_site sites[] = {
        {"c2", two, 1, ports}, {"c3", one, 2, ports}, {"c4", NULL, 0, NULL}};
    assert_int_equal(plain_publish(&owner, &b.services[0], sites, 3, &b.plan, &b.err), 0);
    assert_int_equal(b.plan.n, 3);
    expect(body(&b, 0), "metadata.name", "\"cart\"");
    expect(body(&b, 0), "spec",
           "{\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80}],"
           "\"type\":\"ClusterIP\"}");
    expect(body(&b, 1), "metadata.name", "\"cart.c3.ipv4\"");
    expect(body(&b, 1), "endpoints",
           "[{\"addresses\":[\"172.30.101.1\"],\"conditions\":{\"ready\":true}}]");
    expect(body(&b, 1), "ports", "[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]");
    assert_string_equal(jx_str2(body(&b, 1), "metadata.labels", "kubernetes.io/service-name"),
                        "cart");
    expect(body(&b, 2), "metadata.name", "\"cart.c3.ipv6\"");
    expect(body(&b, 2), "addressType", "\"IPv6\"");
    close_box(&b);
}

static void a_host_name_is_another_kind_of_entry(void **state)
{
    (void)state;
    struct box b;
    static const char *const two[] = {"lb.example"};
    open_box(&b, "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"routes\":[" ROUTE(
                     "a.x", "/", "cart", "80") "]}");
    struct plain_site sites[] = {{"c2", two, 1, NULL}};
    assert_int_equal(plain_publish(&owner, &b.services[0], sites, 1, &b.plan, &b.err), 0);
    assert_int_equal(b.plan.n, 1);
    expect(body(&b, 0), "spec", "{\"externalName\":\"lb.example\",\"type\":\"ExternalName\"}");
    sites[0].n_addresses = 0;
    assert_int_equal(plain_publish(&owner, &b.services[0], sites, 1, &b.plan, &b.err), 0);
    assert_int_equal(b.plan.n, 1); /* nothing more */
    close_box(&b);
}

/* All ports of a Service come in at the Ingress's one. */
static void an_ingress_takes_all_ports(void **state)
{
    (void)state;
    struct box b;
    open_box(
        &b,
        "{\"type\":\"Ingress\",\"clusters\":[\"c1\"],\"exposure\":\"Ingress\",\"routes\":[" ROUTE(
            "a.x", "/", "cart", "8080") "," ROUTE("a.x", "/m", "cart", "9090") "]}");
    auto_json *ports = plain_ports(&b.services[0], NULL, PLAIN_HTTP_PORT);
    auto_free char *text = jx_dump(ports);
    assert_string_equal(
        text, "[{\"name\":\"port-8080\",\"port\":8080,\"protocol\":\"TCP\",\"target\":80},"
              "{\"name\":\"port-9090\",\"port\":9090,\"protocol\":\"TCP\",\"target\":80}]");
    close_box(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_are_each_once),
        cmocka_unit_test(long_names_stay_apart),
        cmocka_unit_test(a_load_balancer_leads_to_the_pods),
        cmocka_unit_test(inside_a_cluster_addresses_are_taken),
        cmocka_unit_test(what_can_not_be_exposed_is_said),
        cmocka_unit_test(an_ingress_has_the_routes),
        cmocka_unit_test(an_ingress_answers_to_published_names),
        cmocka_unit_test(entries_follow_addresses),
        cmocka_unit_test(a_host_name_is_another_kind_of_entry),
        cmocka_unit_test(an_ingress_takes_all_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
