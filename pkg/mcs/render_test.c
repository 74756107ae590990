/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mcs/mcs.h"
#include "json/jx.h"

/* The cluster for which is rendered. */
struct place {
    const char *network, *ns;
    const char *const *ips;
    size_t n_ips;
    bool taken;
};

static bool has_namespace(void *arg, const char *ns)
{
    return str_eq(((const struct place *)arg)->ns, ns);
}

static const char *const *cluster_ips(void *arg, const char *ns, const char *derived, size_t *n)
{
    const struct place *p = arg;
    assert_string_equal(ns, "shop");
    assert_true(str_starts(derived, MCS_PREFIX));
    *n = p->n_ips;
    return p->ips;
}

static bool is_taken(void *arg, const char *ns, const char *derived)
{
    (void)ns, (void)derived;
    return ((const struct place *)arg)->taken;
}

static const char *const one_ip[] = {"10.96.0.7"};
static const struct place here = {"n", "shop", one_ip, 1, false};

static void render(const struct place *at, const struct mcs_export *e, size_t n, struct plan *p)
{
    auto_arena a = ARENA_INIT;
    struct err err = {0};
    struct mcs_set set = mcs_join(&a, e, n);
    struct mcs_target t = {.owner = {"set", "uid", PLAN_LABEL_SET},
                           .cluster = "c1",
                           .network = at->network,
                           .has_namespace = has_namespace,
                           .is_taken = is_taken,
                           .cluster_ips = cluster_ips,
                           .arg = (void *)(uintptr_t)at};
    plan_init(p, "c1");
    assert_int_equal(mcs_render(&t, &set, p, &err), 0);
    assert_int_equal(plan_finish(p, &err), 0);
}

static const json_t *find(const struct plan *p, const char *kind, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->objects[i].gvr->kind, kind) && str_eq(p->objects[i].name, name))
            return p->objects[i].body;
    return NULL;
}

static size_t count(const struct plan *p, const char *kind)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += str_eq(p->objects[i].gvr->kind, kind);
    return n;
}

struct fixture {
    json_t *service, *ports;
    struct mcs_slice slices[2];
    struct mcs_export e[2];
};

static const struct mcs_endpoint first[] = {{"10.11.0.5", NULL}, {"10.11.0.4", "db-0"}};
static const struct mcs_endpoint second[] = {{"10.11.0.6", NULL}, {"fd00::6", NULL}, {"a.b", NULL}};

static void start(struct fixture *f, const char *spec)
{
    *f = (struct fixture){0};
    auto_free char *text = xasprintf("{\"spec\":%s}", spec);
    f->service = json_loads(text, 0, NULL);
    f->ports = json_loads("[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}]", 0, NULL);
    f->slices[0] = (struct mcs_slice){f->ports, first, 2};
    f->slices[1] = (struct mcs_slice){f->ports, second, 3};
    for (size_t i = 0; i < 2; i++)
        f->e[i] = (struct mcs_export){.cluster = i ? "c2" : "c1",
                                      .network = "n",
                                      .ns = "shop",
                                      .name = "db",
                                      .created = (int64_t)i,
                                      .service = f->service,
                                      .slices = f->slices,
                                      .n_slices = 2};
}

static void stop(struct fixture *f)
{
    json_decref(f->service);
    json_decref(f->ports);
}

#define SPEC                                                                                       \
    "{\"clusterIP\":\"10.96.5.5\",\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":8080}]" \
    "}"

static void each_cluster_has_import_service_and_slices(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p;
    start(&f, SPEC);
    render(&here, f.e, 2, &p);
    assert_int_equal(p.n, 1 + 4 + 1);
    const json_t *s = find(&p, "Service", "mcs-db");
    assert_int_equal(jx_int(json_array_get(jx_get(s, "spec.ports"), 0), "port", 0), 80);
    assert_null(jx_get(s, "spec.selector"));
    assert_null(jx_get(s, "spec.clusterIP"));
    const json_t *i = find(&p, "ServiceImport", "db");
    assert_string_equal(jx_str(i, "spec.type"), "ClusterSetIP");
    assert_string_equal(json_string_value(json_array_get(jx_get(i, "spec.ips"), 0)), "10.96.0.7");
    assert_string_equal(jx_str2(i, "metadata.labels", PLAN_LABEL_SET), "set");
    const json_t *e = find(&p, "EndpointSlice", "mcs-db.c2.0");
    assert_string_equal(jx_str2(e, "metadata.labels", "kubernetes.io/service-name"), "mcs-db");
    assert_string_equal(jx_str2(e, "metadata.labels", "multicluster.kubernetes.io/source-cluster"),
                        "c2");
    assert_int_equal(json_array_size(jx_get(e, "endpoints")), 3);
    assert_string_equal(jx_str(json_array_get(jx_get(e, "endpoints"), 0), "hostname"), "db-0-c2");
    assert_string_equal(jx_str(find(&p, "EndpointSlice", "mcs-db.c1.1"), "addressType"), "IPv6");
    stop(&f);
}

static void a_headless_service_is_imported_headless(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p;
    start(&f, "{\"clusterIP\":\"None\",\"sessionAffinity\":\"ClientIP\"}");
    struct place no_ip = {"n", "shop", NULL, 0, false};
    render(&no_ip, f.e, 2, &p);
    assert_string_equal(jx_str(find(&p, "Service", "mcs-db"), "spec.clusterIP"), "None");
    const json_t *i = find(&p, "ServiceImport", "db");
    assert_string_equal(jx_str(i, "spec.type"), "Headless");
    assert_null(jx_get(i, "spec.ips"));
    assert_null(jx_get(i, "spec.sessionAffinity"));
    stop(&f);
}

static void an_import_waits_for_its_address(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p;
    start(&f, SPEC);
    struct place no_ip = {"n", "shop", NULL, 0, false};
    render(&no_ip, f.e, 2, &p);
    assert_int_equal(count(&p, "ServiceImport"), 0);
    assert_int_equal(count(&p, "Service"), 1);
    stop(&f);
}

static void nothing_where_there_is_no_namespace(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p;
    start(&f, SPEC);
    struct place other = {"n", "elsewhere", one_ip, 1, false};
    render(&other, f.e, 2, &p);
    assert_int_equal(p.n, 0);
    stop(&f);
}

/* A Service of somebody else by the derived name gets none of our endpoints. */
static void somebody_elses_service_gets_no_endpoints(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p;
    start(&f, SPEC);
    struct place taken = {"n", "shop", one_ip, 1, true};
    render(&taken, f.e, 2, &p);
    assert_int_equal(p.n, 1);
    assert_non_null(find(&p, "Service", "mcs-db"));
    stop(&f);
}

static void pods_of_another_network_are_no_endpoints(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p;
    start(&f, SPEC);
    f.e[1].network = "far";
    render(&here, f.e, 2, &p);
    assert_null(find(&p, "EndpointSlice", "mcs-db.c2.0"));
    assert_non_null(find(&p, "EndpointSlice", "mcs-db.c1.0"));
    auto_arena a = ARENA_INIT;
    struct mcs_set set = mcs_join(&a, f.e, 2);
    auto_json *status = mcs_import_status(&set.services[0]);
    assert_int_equal(json_array_size(jx_get(status, "clusters")), 2);
    stop(&f);
}

/* In which slice of the exporter an endpoint stands, and in which order, changes nothing here. */
static void how_the_exporter_cuts_its_slices_does_not_matter(void **state)
{
    (void)state;
    struct fixture f;
    auto_plan p, q;
    start(&f, SPEC);
    render(&here, f.e, 2, &p);
    static const struct mcs_endpoint other[] = {
        {"fd00::6", NULL}, {"10.11.0.6", NULL}, {"10.11.0.5", NULL}};
    static const struct mcs_endpoint rest[] = {{"10.11.0.4", "db-0"}, {"10.11.0.5", NULL}};
    f.slices[0] = (struct mcs_slice){f.ports, rest, 2};
    f.slices[1] = (struct mcs_slice){f.ports, other, 3};
    render(&here, f.e, 2, &q);
    assert_int_equal(p.n, q.n);
    for (size_t i = 0; i < p.n; i++) {
        assert_string_equal(p.objects[i].name, q.objects[i].name);
        assert_string_equal(p.objects[i].intent, q.objects[i].intent);
    }
    stop(&f);
}

enum { MANY = 1201 };

static void many_endpoints_are_cut(void **state)
{
    (void)state;
    static char addresses[MANY][16];
    static struct mcs_endpoint many[MANY];
    struct fixture f;
    auto_plan p;
    start(&f, SPEC);
    for (int i = 0; i < MANY; i++) {
        snprintf(addresses[i], sizeof addresses[i], "10.0.%d.%d", i / 250, i % 250);
        many[i].address = addresses[i];
    }
    f.slices[0] = (struct mcs_slice){f.ports, many, MANY};
    f.e[0].n_slices = 1;
    render(&here, f.e, 1, &p);
    assert_int_equal(count(&p, "EndpointSlice"), 3);
    size_t n = 0;
    for (size_t i = 0; i < p.n; i++)
        n += json_array_size(jx_get(p.objects[i].body, "endpoints"));
    assert_int_equal(n, MANY);
    stop(&f);
}

static void a_slice_tells_whose_it_is(void **state)
{
    (void)state;
    static const char *const none[] = {"mcs-db", "mcs-db.0", "db.c2.0", "x", ""};
    auto_free char *c = mcs_slice_source("mcs-db.c2.0");
    assert_string_equal(c, "c2");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(mcs_slice_source(none[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cluster_has_import_service_and_slices),
        cmocka_unit_test(a_headless_service_is_imported_headless),
        cmocka_unit_test(an_import_waits_for_its_address),
        cmocka_unit_test(nothing_where_there_is_no_namespace),
        cmocka_unit_test(somebody_elses_service_gets_no_endpoints),
        cmocka_unit_test(pods_of_another_network_are_no_endpoints),
        cmocka_unit_test(how_the_exporter_cuts_its_slices_does_not_matter),
        cmocka_unit_test(many_endpoints_are_cut),
        cmocka_unit_test(a_slice_tells_whose_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
