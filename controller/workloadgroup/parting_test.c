/* SPDX-License-Identifier: Apache-2.0 */
/* A Mesh that is deleted: its istiods have to tell all proxies, machines too, before they and the way to them go. */
#include "mesh/deletion_test.h"

#define DATA          "testdata/istio/data"
#define NETWORKING    "networking.istio.io/v1"
#define IN_SHOP       "shop-0 /apis/" NETWORKING "/namespaces/shop"
#define IN_ISTIO(api) "shop-0 /apis/" api "/namespaces/" ISTIO_NAMESPACE

static struct hub_object *group(struct fleet *f, const char *more)
{
    auto_free char *text =
        xasprintf("{\"meshRef\":{\"name\":\"shop\"},\"namespace\":\"shop\",\"network\":\"dc3\","
                  "\"ports\":[{\"name\":\"mysql\",\"port\":3306}]%s}",
                  more);
    struct hub_object *o =
        fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, "db", jx_load(text, strlen(text), NULL));
    manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, o->key, 0);
    manager_enqueue_meshes(&f->m, "fleet", 0);
    return o;
}

/* Mesh shop in one cluster, with an east-west gateway that leads machines to its istiod. */
static struct hub_object *start(struct fleet *f, const char *more)
{
    fleet_start(f, DATA);
    f->owner = "db";
    f->istiod = true;
    fleet_add_mesh(f, "shop", 1);
    auto_json *ns = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
                              "metadata", "name", "shop");
    f->rv++;
    fleet_show(f, manager_cluster(&f->m, "fleet", "shop-0"), ns, false);
    fleet_set_address(f, "shop-0", "172.30.100.1");
    struct hub_object *o = group(f, more);
    fleet_run(f, 20000);
    return o;
}

static void delete_mesh(struct fleet *f)
{
    struct hub_object *mesh = hub_find(&f->m.hub, API_KIND_MESH, "fleet/shop");
    jx_set_str(mesh->obj, "metadata.deletionTimestamp", "2024-02-01T00:00:00Z");
    f->m.hub.spec_rev++;
    json_array_clear(f->deleted);
    manager_enqueue(&f->m, API_KIND_WORKLOAD_GROUP, "fleet/db", 0);
    manager_enqueue(&f->m, API_KIND_MESH, mesh->key, 0);
}

static bool has(struct fleet *f, const char *kind, const char *name)
{
    bool ours = str_eq(kind, "WorkloadGroup");
    return fleet_find(f, "shop-0", ours ? NETWORKING : "apps/v1", kind,
                      ours ? "shop" : ISTIO_NAMESPACE, name);
}

static void machines_leave_before_the_way_to_istiod_does(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f, "");
    assert_true(has(&f, "WorkloadGroup", "db"));
    assert_true(has(&f, "Deployment", ISTIO_EASTWEST_NAME));
    delete_mesh(&f);
    fleet_run(&f, 20000);
    assert_false(has(&f, "Deployment", "istiod"));
    size_t machines = fleet_deletion(&f, IN_SHOP "/workloadgroups/db"),
           exposure = fleet_deletion(&f, IN_ISTIO(NETWORKING) "/gateways/"),
           gateway = fleet_deletion(&f, IN_ISTIO("apps/v1") "/deployments/" ISTIO_EASTWEST_NAME),
           istiod = fleet_deletion(&f, IN_ISTIO("apps/v1") "/deployments/istiod");
    assert_true(machines < gateway);
    assert_true(machines < exposure);
    assert_true(gateway < istiod && istiod < json_array_size(f.deleted));
    assert_true(hub_has_finalizer(o)); /* the group is somebody's wish, and stays */
    fleet_stop(&f);
}

static void istiod_has_time_to_tell(void **state)
{
    (void)state;
    struct fleet f;
    start(&f, "");
    delete_mesh(&f);
    fleet_run(&f, 2500);
    assert_false(has(&f, "Deployment", ISTIO_EASTWEST_NAME));
    assert_true(has(&f, "Deployment", "istiod"));
    fleet_run(&f, 5000);
    assert_false(has(&f, "Deployment", "istiod"));
    fleet_stop(&f);
}

/* Machines that nobody takes out of it hold a mesh up for a while only. */
static void a_group_that_stays_is_given_up(void **state)
{
    (void)state;
    struct fleet f;
    struct hub_object *o = start(&f, "");
    jx_set_new(o->obj, "spec.network", json_integer(1)); /* nobody acts on that */
    delete_mesh(&f);
    fleet_run(&f, 8000);
    assert_true(has(&f, "Deployment", ISTIO_EASTWEST_NAME));
    fleet_run(&f, 12000);
    assert_false(has(&f, "Deployment", ISTIO_EASTWEST_NAME));
    assert_false(has(&f, "Deployment", "istiod"));
    fleet_stop(&f);
}

static void who_keeps_what_it_has_holds_up_nothing(void **state)
{

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fleet f;
        struct hub_object *o = start(&f, i == 0 ? ",\"deletionPolicy\":\"Retain\"" : "");
        if (i == 1)
            jx_set_new(o->obj, "spec.suspend", json_true());
        delete_mesh(&f);
        fleet_run(&f, 2500);
        assert_true(has(&f, "WorkloadGroup", "db"));
        assert_false(has(&f, "Deployment", ISTIO_EASTWEST_NAME));
        fleet_stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_leave_before_the_way_to_istiod_does),
        cmocka_unit_test(istiod_has_time_to_tell),
        cmocka_unit_test(a_group_that_stays_is_given_up),
        cmocka_unit_test(who_keeps_what_it_has_holds_up_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
