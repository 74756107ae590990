/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "topology/topology.h"
#include "json/jx.h"

#define INJECTED "{\"istio-injection\":\"enabled\"}"
#define PORTS    "[{\"port\":80}]"
#define N(x)     (sizeof(x) / sizeof *(x))

/* Services and namespaces of three clusters on one network; a test fills in what it needs. */
struct world {
    struct arena a;
    struct topo_dns_rule rule;
    struct topo_cluster c[3];
    struct topo_service services[3][8];
    struct topo_namespace namespaces[3][4];
    struct topo_entry imports[4];
    size_t n_imports;
    struct topo_dns_result r;
};

static struct topo_namespace *add_namespace(struct world *w, size_t at, const char *name)
{
    struct topo_namespace *ns = &w->namespaces[at][w->c[at].n_namespaces++];
    *ns = (struct topo_namespace){.name = name, .labels = INJECTED};
    return ns;
}

static int setup(void **state)
{
    static const char *const names[] = {"c1", "c2", "c3"};
    struct world *w = xcalloc(1, sizeof *w);
    w->rule = (struct topo_dns_rule){.mode = TOPO_DNS_INJECTED, .revision = ""};
    for (size_t i = 0; i < 3; i++) {
        w->c[i] = (struct topo_cluster){.name = names[i],
                                        .network = "lan",
                                        .services = w->services[i],
                                        .namespaces = w->namespaces[i]};
        add_namespace(w, i, "demo");
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_done(&w->a);
    free(w);
    return 0;
}

static struct topo_service *add(struct world *w, size_t at, const char *name)
{
    struct topo_service *s = &w->services[at][w->c[at].n_services++];
    *s = (struct topo_service){.ns = "demo", .name = name, .ports = PORTS};
    return s;
}

/* The entries of a cluster as "ns/name ...", then its troubles as reason. */
static const char *made(struct world *w, size_t at)
{
    const char *text = "", *message, *reason;
    topo_dns(&w->a, &w->rule, w->c, 3, at, w->imports, w->n_imports, &w->r);
    for (size_t i = 0; i < w->r.n; i++)
        text = arena_printf(&w->a, "%s%s%s/%s", text, i ? " " : "", w->r.entries[i].ns,
                            w->r.entries[i].name);
    reason = topo_dns_verdict(&w->a, &w->r, w->c[at].name, &message);
    return reason ? arena_printf(&w->a, "%s%s%s", text, *text ? " " : "", reason) : text;
}

static const char *message_of(struct world *w, size_t at)
{
    const char *message;
    topo_dns(&w->a, &w->rule, w->c, 3, at, w->imports, w->n_imports, &w->r);
    topo_dns_verdict(&w->a, &w->r, w->c[at].name, &message);
    return message;
}

static void test_entry_only_where_missing(void **state)
{
    struct world *w = *state;
    add(w, 0, "a");
    add(w, 1, "a");
    add(w, 1, "b");
    assert_string_equal(made(w, 0), "demo/b");
    assert_string_equal(made(w, 1), "");
    assert_string_equal(made(w, 2), "demo/a demo/b");
}

static void test_our_entries_are_no_sources_and_stay(void **state)
{
    struct world *w = *state;
    add(w, 0, "b")->ours = true;
    assert_string_equal(made(w, 0), "");
    assert_string_equal(made(w, 1), "");
    add(w, 1, "b");
    assert_string_equal(made(w, 0), "demo/b");
}

static void test_selection(void **state)
{
    struct world *w = *state;
    auto_json *want = json_pack("{s:s}", "mesh", "yes");
    const struct topo_dns_rule none = {.mode = TOPO_DNS_NONE};
    const struct topo_dns_rule canary = {.mode = TOPO_DNS_INJECTED, .revision = "canary"};
    const struct topo_dns_rule selected = {.mode = TOPO_DNS_SELECTED, .match_labels = want};
    struct {
        const struct topo_dns_rule *rule;
        struct topo_namespace ns;
        bool yes;
    } cases[] = {
        {&w->rule, {.name = "x", .labels = INJECTED}, true},
        {&w->rule, {.name = "x", .labels = "{\"istio-injection\":\"disabled\"}"}, false},
        {&w->rule, {.name = "x", .labels = "{\"istio.io/rev\":\"default\"}"}, true},
        {&w->rule, {.name = "x", .labels = "{\"istio.io/rev\":\"canary\"}"}, false},
        {&w->rule, {.name = "x"}, false},
        {&w->rule, {.name = "x", .labels = INJECTED, .terminating = true}, false},
        {&w->rule, {.name = "x", .labels = INJECTED, .excluded = true}, false},
        {&w->rule, {.name = "kube-system", .labels = INJECTED}, false},
        {&canary, {.name = "x", .labels = "{\"istio.io/rev\":\"canary\"}"}, true},
        {&canary, {.name = "x", .labels = INJECTED}, false},
        {&none, {.name = "x", .labels = INJECTED}, false},
        {&selected, {.name = "x", .labels = "{\"mesh\":\"yes\",\"b\":\"c\"}"}, true},
        {&selected, {.name = "x", .labels = "{\"mesh\":\"no\"}"}, false},
    };
    for (size_t i = 0; i < N(cases); i++)
        assert_int_equal(topo_selects(cases[i].rule, &cases[i].ns), cases[i].yes);
}

static void test_excluded_by_label(void **state)
{
    struct world *w = *state;
    add(w, 1, "a")->excluded = true;
    add(w, 1, "b");
    assert_string_equal(made(w, 0), "demo/b");
    add(w, 2, "a"); /* the other one's owner wants it */
    assert_string_equal(made(w, 0), "demo/a demo/b");
    w->namespaces[0][0].excluded = true; /* nothing goes there */
    assert_string_equal(made(w, 0), "");
    w->namespaces[0][0].excluded = false;
    w->namespaces[1][0].excluded = true; /* nothing comes from there */
    assert_string_equal(made(w, 0), "demo/a");
}

/* --- namespaces --- */

static void test_namespace_missing(void **state)
{
    struct world *w = *state;
    add(w, 1, "a");
    add(w, 1, "b");
    w->c[0].n_namespaces = 0;
    assert_string_equal(made(w, 0), "NamespaceMissing");
    assert_int_equal(w->r.troubles[TOPO_DNS_NAMESPACE_MISSING].n, 1);
    assert_non_null(strstr(message_of(w, 0), "cluster c1: there are no namespaces demo; next: "));
    w->namespaces[2][0].terminating = true; /* it will come again, or not: nothing to say */
    assert_string_equal(made(w, 2), "");
}

static void test_namespaces_are_made(void **state)
{
    struct world *w = *state;
    add(w, 1, "a");
    w->c[0].n_namespaces = 0;
    w->rule.create_namespaces = true;
    assert_string_equal(made(w, 0), "demo/a");
    assert_int_equal(w->r.n_namespaces, 1);
    assert_string_equal(w->r.namespaces[0], "demo");
    add_namespace(w, 0, "demo")->ours = true; /* it is there: still wanted */
    assert_string_equal(made(w, 0), "demo/a");
    assert_int_equal(w->r.n_namespaces, 1);
    w->c[1].n_services = 0; /* nothing to go there any more */
    assert_string_equal(made(w, 0), "");
    assert_int_equal(w->r.n_namespaces, 0);
    add(w, 1, "a");
    w->rule.create_namespaces = false; /* no longer wanted at all */
    assert_string_equal(made(w, 0), "NamespaceMissing");
    assert_int_equal(w->r.n_namespaces, 0);
}

static void test_a_namespace_of_others_is_not_made(void **state)
{
    struct world *w = *state;
    add(w, 1, "a");
    w->rule.create_namespaces = true;
    assert_string_equal(made(w, 0), "demo/a");
    assert_int_equal(w->r.n_namespaces, 0);
}

/* --- names that are taken --- */

static void test_names_of_users(void **state)
{
    struct world *w = *state;
    add(w, 1, "a");
    struct topo_service *own = add(w, 0, "a");
    assert_string_equal(made(w, 0), ""); /* the same service, with pods here too */
    own->bare = true;
    assert_string_equal(made(w, 0), "NameTaken");
    assert_non_null(strstr(message_of(w, 0), "have the names demo/a;"));
    own->bare = false;
    own->kind = TOPO_EXTERNAL_NAME;
    assert_string_equal(made(w, 0), "NameTaken");
    w->services[1][0].bare = true; /* both are users' own entries */
    assert_string_equal(made(w, 0), "");
}

/* --- ports --- */

static void test_ports_follow_the_sources(void **state)
{
    struct world *w = *state;
    struct topo_service *s = add(w, 1, "a");
    made(w, 0);
    assert_string_equal(w->r.entries[0].ports, PORTS);
    s->ports = "[{\"name\":\"http\",\"port\":81}]";
    made(w, 0);
    assert_string_equal(w->r.entries[0].ports, "[{\"name\":\"http\",\"port\":81}]");
}

static void test_ports_of_several_sources(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *second, *third, *all;
        bool differ;
    } cases[] = {
        /* the order of keys, and a protocol that is the usual one, are no difference */
        {"[{\"name\":\"h\",\"port\":80}]", "[{\"port\":80,\"name\":\"h\",\"protocol\":\"TCP\"}]",
         "[{\"name\":\"h\",\"port\":80}]", false},
        /* what only one has is added */
        {"[{\"name\":\"h\",\"port\":80}]",
         "[{\"name\":\"g\",\"port\":90},{\"name\":\"h\",\"port\":80}]",
         "[{\"name\":\"h\",\"port\":80},{\"name\":\"g\",\"port\":90}]", false},
        {"[{\"name\":\"d\",\"port\":53}]", "[{\"name\":\"u\",\"port\":53,\"protocol\":\"UDP\"}]",
         "[{\"name\":\"d\",\"port\":53},{\"name\":\"u\",\"port\":53,\"protocol\":\"UDP\"}]", false},
        /* one name, two numbers; one number, two names; no names: the first decides */
        {"[{\"name\":\"h\",\"port\":80}]", "[{\"name\":\"h\",\"port\":81}]",
         "[{\"name\":\"h\",\"port\":80}]", true},
        {"[{\"name\":\"h\",\"port\":80}]", "[{\"name\":\"web\",\"port\":80}]",
         "[{\"name\":\"h\",\"port\":80}]", true},
        {"[{\"port\":80}]", "[{\"port\":81}]", "[{\"port\":80}]", true},
        {"[{\"name\":\"h\",\"port\":80}]",
         "[{\"appProtocol\":\"grpc\",\"name\":\"h\",\"port\":80}]",
         "[{\"name\":\"h\",\"port\":80}]", true},
    };
    struct topo_service *three = add(w, 2, "a"), *two = add(w, 1, "a");
    for (size_t i = 0; i < N(cases); i++) {
        two->ports = cases[i].second;
        three->ports = cases[i].third;
        assert_string_equal(made(w, 0), cases[i].differ ? "demo/a PortsDiffer" : "demo/a");
        assert_string_equal(w->r.entries[0].ports, cases[i].all);
    }
}

/* --- kinds --- */

static void test_external_names(void **state)
{
    struct world *w = *state;
    struct topo_service *two = add(w, 1, "a");
    two->kind = TOPO_EXTERNAL_NAME;
    two->ports = "[]";
    two->external_name = "db.example.com";
    assert_string_equal(made(w, 0), "demo/a");
    assert_int_equal(w->r.entries[0].kind, TOPO_EXTERNAL_NAME);
    assert_string_equal(w->r.entries[0].external_name, "db.example.com");
    struct topo_service *three = add(w, 2, "a");
    *three = *two;
    assert_string_equal(made(w, 0), "demo/a");
    three->external_name = "db2.example.com";
    assert_string_equal(made(w, 0), "demo/a ExternalNamesDiffer");
    assert_string_equal(w->r.entries[0].external_name, "db.example.com");
    three->kind = TOPO_CLUSTER_IP;
    assert_string_equal(made(w, 0), "demo/a TypesDiffer");
    assert_int_equal(w->r.entries[0].kind, TOPO_EXTERNAL_NAME);
}

static void test_headless(void **state)
{
    struct world *w = *state;
    add(w, 1, "a")->kind = TOPO_HEADLESS;
    add(w, 2, "a")->kind = TOPO_HEADLESS;
    assert_string_equal(made(w, 0), "demo/a");
    assert_int_equal(w->r.entries[0].kind, TOPO_HEADLESS);
    assert_int_equal(w->r.entries[0].n_sources, 2);
    w->c[1].network = "far"; /* its pods have no address here */
    assert_string_equal(made(w, 0), "demo/a");
    assert_int_equal(w->r.entries[0].n_sources, 1);
    assert_int_equal(w->r.entries[0].sources[0], 2);
    w->c[2].network = "farther";
    assert_string_equal(made(w, 0), "OtherNetwork");
}

/* --- services of other meshes --- */

static void test_imports(void **state)
{
    struct world *w = *state;
    w->imports[w->n_imports++] =
        (struct topo_entry){.ns = "demo", .name = "a-bank", .ports = "[{\"port\":1}]"};
    w->imports[w->n_imports++] = (struct topo_entry){.ns = "pay", .name = "a", .ports = PORTS};
    assert_string_equal(made(w, 0), "demo/a-bank NamespaceMissing");
    assert_string_equal(w->r.entries[0].ports, "[{\"port\":1}]");
    w->rule.create_namespaces = true;
    assert_string_equal(made(w, 0), "demo/a-bank pay/a");
    add(w, 0, "a-bank");
    assert_string_equal(made(w, 0), "pay/a");
    add(w, 1, "a-bank"); /* our own decide */
    add_namespace(w, 2, "pay");
    assert_string_equal(made(w, 2), "demo/a-bank pay/a PortsDiffer");
    assert_string_equal(w->r.entries[0].ports, PORTS);
    w->rule.mode = TOPO_DNS_NONE;
    assert_string_equal(made(w, 2), "");
}

/* --- words --- */

static void test_a_message_names_a_few(void **state)
{
    struct world *w = *state;
    char names[7][8];
    for (size_t i = 0; i < N(names); i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        add(w, 0, names[i])->bare = true;
        add(w, 1, names[i]);
    }
    add(w, 2, "h")->kind = TOPO_HEADLESS;
    w->c[2].network = "far";
    const char *message = message_of(w, 0);
    assert_non_null(
        strstr(message, "demo/s0, demo/s1, demo/s2, demo/s3, demo/s4 and 2 more; they"));
    assert_non_null(strstr(message, "pods of headless Services can't be reached"));
    assert_string_equal(made(w, 0), "NameTaken");
    assert_true(strlen(message) < 1024);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_entry_only_where_missing),
        T(test_our_entries_are_no_sources_and_stay),
        T(test_selection),
        T(test_excluded_by_label),
        T(test_namespace_missing),
        T(test_namespaces_are_made),
        T(test_a_namespace_of_others_is_not_made),
        T(test_names_of_users),
        T(test_ports_follow_the_sources),
        T(test_ports_of_several_sources),
        T(test_external_names),
        T(test_headless),
        T(test_imports),
        T(test_a_message_names_a_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
