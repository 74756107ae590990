/* SPDX-License-Identifier: Apache-2.0 */
/* Machines outside Kubernetes in what meshes let one another call. */
#include "mesh/trade_test.h"

/* A machine of the group, as istiod registers it; health: status of the condition, NULL: it left. */
static void show_machine(struct fleet *f, const char *cluster, const char *group, const char *name,
                         const char *address, const char *health)
{
    show(f, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:{s:s, s:s}, s:{s:[{s:s, s:s}]}}",
                   "apiVersion", ISTIO, "kind", "WorkloadEntry", "metadata", "name", name,
                   "namespace", "pay", "annotations", KUBE_ANNOTATION_GROUP, group,
                   KUBE_ANNOTATION_PROBED, "true",
                   health ? KUBE_ANNOTATION_CONNECTED : KUBE_ANNOTATION_DISCONNECTED,
                   "2026-01-02T03:04:05.6Z", "spec", "address", address, "network", "vms", "status",
                   "conditions", "type", "Healthy", "status", health ? health : "True"));
}

static void add_machines(struct fleet *f, const char *name, const char *app)
{
    fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, name,
                     json_pack("{s:{s:s}, s:s, s:s, s:{s:s}, s:[{s:s, s:i, s:i}]}", "meshRef",
                               "name", "bank", "namespace", "pay", "network", "vms", "labels",
                               "app", app, "ports", "name", "http", "port", 80, "targetPort",
                               9090));
    f->m.hub.spec_rev++;
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

/* The Service that was made for a group. */
static void show_machines_service(struct fleet *f, const char *cluster, const char *name)
{
    show(f, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:{s:{s:s}, s:[{s:s, s:i, s:s}]}}",
                   "apiVersion", "v1", "kind", "Service", "metadata", "name", name, "namespace",
                   "pay", "labels", PLAN_LABEL_MANAGED_BY, PLAN_MANAGED_BY, PLAN_LABEL_OWNER_UID,
                   "group", PLAN_LABEL_WAVE, "config", "spec", "selector", "app", "ledger-vm",
                   "ports", "name", "http", "port", 80, "protocol", "TCP"));
}

static void add_group(struct fleet *f, const char *mesh, const char *name, const char *network)
{
    fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, name,
                     json_pack("{s:{s:s}, s:s, s:s, s:{s:s}}", "meshRef", "name", mesh, "namespace",
                               "pay", "network", network, "service", "name", "old-ledger"));
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

/* They may answer from when their group is there, and do while they are connected and healthy. */
static void machines_answer_beside_pods(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    trust(&f);
    add_machines(&f, "books", "ledger");
    add_machines(&f, "safe", "vault");
    fleet_run(&f, 10000);
    assert_true(says(&f, "c1", "/destinationrules/", "spiffe://bank.mesh/ns/pay/sa/books"));
    assert_false(says(&f, "c1", "/destinationrules/", "spiffe://bank.mesh/ns/pay/sa/safe"));
    show_machine(&f, "c2", "books", "books-1", "172.31.1.2", "True");
    show_machine(&f, "c2", "books", "books-2", "172.31.2.2", "False");
    show_machine(&f, "c2", "books", "books-3", "172.31.3.2", NULL);
    show_machine(&f, "c2", "safe", "safe-1", "172.31.4.2", "True");
    fleet_run(&f, 2000);
    assert_true(says(&f, "c1", "/serviceentries/", "\"172.31.1.2\""));
    assert_true(says(&f, "c1", "/serviceentries/", "\"vms\""));
    assert_true(says(&f, "c1", "/serviceentries/", "9090"));
    assert_true(says(&f, "c1", "/serviceentries/", "\"10.2.0.5\""));
    assert_true(says(&f, "c2", "/authorizationpolicies/", "172.31.1.2"));
    static const char *const others[] = {"172.31.2.2", "172.31.3.2", "172.31.4.2"};
    for (size_t i = 0; i < 3; i++)
        assert_false(says(&f, "c1", "/serviceentries/", others[i]));
    show_machine(&f, "c2", "books", "books-1", "172.31.1.2", "False");
    fleet_run(&f, 2000);
    assert_false(says(&f, "c1", "/serviceentries/", "172.31.1.2"));
    jx_set_new(hub_find(&f.m.hub, API_KIND_WORKLOAD_GROUP, "fleet/books")->obj,
               "metadata.deletionTimestamp", json_string("2026-01-02T03:04:05Z"));
    f.m.hub.spec_rev++;
    manager_enqueue_meshes(&f.m, "fleet", 0);
    fleet_run(&f, 2000);
    assert_false(says(&f, "c1", "/destinationrules/", "spiffe://bank.mesh/ns/pay/sa/books"));
    fleet_stop(&f);
}

/* The Service of a group is ours, and is exported nevertheless; a gateway's is not. */
static void a_service_of_machines_alone(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    trust(&f);
    add_machines(&f, "books", "audit");
    edit(&f, API_KIND_MESH, "bank", "spec.exports",
         json_pack("[{s:s, s:[s]}]", "namespace", "pay", "to", "shop"));
    static const char *const services[][2] = {{"audit", "config"}, {"front", "gateways"}};
    for (size_t i = 0; i < 2; i++)
        show(&f, "c2",
             json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}}, s:{s:{s:s}, s:[{s:s, s:i}]}}",
                       "apiVersion", "v1", "kind", "Service", "metadata", "name", services[i][0],
                       "namespace", "pay", "labels", KUBE_LABEL_MANAGED_BY, KUBE_MANAGED_BY,
                       KUBE_LABEL_OWNER_UID, "books", KUBE_LABEL_WAVE, services[i][1], "spec",
                       "selector", "app", services[i][0], "ports", "name", "http", "port", 80));
    show_machine(&f, "c2", "books", "books-1", "172.31.1.2", "True");
    fleet_run(&f, 20000);
    assert_true(says(&f, "c1", "/destinationrules/meshwright-audit",
                     "[\"spiffe://bank.mesh/ns/pay/sa/books\"]"));
    assert_true(says(&f, "c1", "/serviceentries/meshwright-audit", "\"bank.n2\""));
    assert_false(says(&f, "c1", "/serviceentries/", "172.31.1.2")); /* behind the gateway */
    assert_false(says(&f, "c1", "/serviceentries/meshwright-front", "front"));
    fleet_stop(&f);
}

/* Their own mesh knows where they are; others come through its gateway, which leads on to them. */
static void machines_are_called_through_the_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    show_machines_service(&f, "c2", "old-ledger");
    add_group(&f, "bank", "ledger-vm", "dc3");
    trust(&f);
    fleet_run(&f, 5000);
    show_machine(&f, "c2", "ledger-vm", "ledger-vm-1", "172.31.1.2", "True");
    edit(&f, API_KIND_MESH, "bank", "spec.exports",
         json_pack("[{s:s, s:s, s:[s]}]", "namespace", "pay", "service", "old-ledger", "to",
                   "shop"));
    trust(&f);
    fleet_run(&f, 20000);
    assert_true(says(&f, "c2", "/deployments/istio-eastwestgateway", "\"n2,dc3\""));
    assert_true(says(&f, "c1", "/serviceentries/meshwright-old-ledger",
                     "old-ledger.pay.svc.cluster.local"));
    assert_true(says(&f, "c1", "/serviceentries/meshwright-old-ledger", "\"bank.n2\""));
    assert_true(says(&f, "c1", "/destinationrules/meshwright-old-ledger",
                     "spiffe://bank.mesh/ns/pay/sa/ledger-vm"));
    assert_non_null(fleet_find(&f, "c1", "v1", "Service", "pay", "old-ledger"));
    assert_true(says(&f, "c2", "/authorizationpolicies/meshwright-guard",
                     "outbound_.80_._.old-ledger.pay.svc.cluster.local"));
    assert_int_equal(since(&f, 60000), 0);
    fleet_stop(&f);
}

/* To a pod on their network the server name is only their word. */
static void machines_beside_the_pods_come_directly(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n2");
    trust(&f);
    fleet_run(&f, 20000);
    assert_true(says(&f, "c2", "/authorizationpolicies/meshwright-guard", "outbound_"));
    add_group(&f, "shop", "till", "n2");
    fleet_run(&f, 20000);
    assert_true(says(&f, "c2", "/authorizationpolicies/meshwright-guard", "10.2.0.5"));
    assert_false(says(&f, "c2", "/authorizationpolicies/meshwright-guard", "outbound_"));
    assert_true(says(&f, "c1", "/serviceentries/", "\"bank.n2\"")); /* pods of c1 are elsewhere */
    assert_false(says(&f, "c1", "/serviceentries/", "10.2.0.5"));
    fleet_stop(&f);
}

/* One list of endpoints serves pods and machines, so where the name is foreign both go through the gateway. */
static void machines_elsewhere_need_the_gateway(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "n1");
    edit(&f, API_KIND_MESH, "shop", "spec.imports",
         json_pack("[{s:s, s:s}]", "mesh", "bank", "names", "Foreign"));
    trust(&f);
    fleet_run(&f, 20000);
    assert_true(says(&f, "c1", "/serviceentries/", "10.2.0.5"));
    add_group(&f, "shop", "till", "dc3");
    fleet_run(&f, 20000);
    assert_true(says(&f, "c1", "/serviceentries/", "\"bank.n1\""));
    assert_false(says(&f, "c1", "/serviceentries/", "10.2.0.5"));
    assert_non_null(
        fleet_find(&f, "c2", "apps/v1", "Deployment", ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME));
    fleet_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_answer_beside_pods),
        cmocka_unit_test(a_service_of_machines_alone),
        cmocka_unit_test(machines_are_called_through_the_gateway),
        cmocka_unit_test(machines_beside_the_pods_come_directly),
        cmocka_unit_test(machines_elsewhere_need_the_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
