/* SPDX-License-Identifier: Apache-2.0 */
/* Mesh shop in c1 and c2; the identity of a WorkloadGroup ends. */
#include "mesh/revoked.h"

#include "mesh/fleet_test.h"

#define DATA   "testdata/istio/data"
#define POLICY ISTIO_REVOKED "shop.shop.legacy-db"

static json_t *member(const char *name)
{
    return json_pack("{s:s, s:s}", "name", name, "role", "Primary");
}

static void start(struct fleet *f)
{
    fleet_start(f, DATA);
    f->istiod = true;
    fleet_add_cluster_on(f, "c1", "n1");
    fleet_add_cluster_on(f, "c2", "n1");
    fleet_set_address(f, "c1", "172.30.101.1");
    fleet_set_address(f, "c2", "172.30.102.1");
    fleet_add_mesh_of(f, "shop", json_pack("[o, o]", member("c1"), member("c2")));
    fleet_run(f, 20000);
    assert_string_equal(fleet_reason(f, "Ready"), "Ready");
}

/* The hub shows that an object changed: what the manager does then. */
static void changed(struct fleet *f)
{
    f->m.hub.spec_rev++;
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

/* A group whose account was made for it: shop/legacy-db. */
static struct hub_object *add_group(struct fleet *f, const char *name)
{
    struct hub_object *o =
        fleet_hub_object(f, API_KIND_WORKLOAD_GROUP, name,
                         json_pack("{s:{s:s}, s:s, s:s}", "meshRef", "name", "shop", "namespace",
                                   "shop", "serviceAccount", "legacy-db"));
    json_object_set_new(o->obj, "status",
                        json_pack("{s:s, s:s, s:s, s:b}", "cluster", "c1", "namespace", "shop",
                                  "serviceAccount", "legacy-db", "accountMade", 1));
    changed(f);
    return o;
}

static void begin_deletion(struct fleet *f, struct hub_object *o)
{
    jx_set_str(o->obj, "metadata.deletionTimestamp", "2024-02-01T00:00:00Z");
    changed(f);
}

static void end_deletion(struct fleet *f, struct hub_object *o)
{
    HASH_DEL(f->m.hub.kinds[API_KIND_WORKLOAD_GROUP].all, o);
    json_decref(o->obj);
    free(o);
    changed(f);
}

static bool refused(struct fleet *f, const char *cluster, const char *policy)
{
    return fleet_find(f, cluster, "security.istio.io/v1", "AuthorizationPolicy", ISTIO_NAMESPACE,
                      policy) != NULL;
}

static const json_t *on_record(struct fleet *f)
{
    return jx_get(fleet_status(f), "revoked");
}

static bool settled(struct fleet *f)
{
    return mesh_revoked_settled(&f->m, "fleet/shop", "shop", "legacy-db");
}

static void assert_silent(struct fleet *f)
{
    int writes = f->writes;
    fleet_run(f, 60000);
    assert_int_equal(f->writes, writes);
}

static void restart(struct fleet *f)
{
    mesh_forget_all(&f->m);
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

/* It is refused everywhere within ten seconds, on record, and stays so when the group is gone. */
static void a_group_that_goes_is_refused(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    fleet_run(&f, 20000);
    assert_null(on_record(&f));
    assert_true(settled(&f)); /* there is nothing to revoke */
    begin_deletion(&f, o);
    assert_false(settled(&f));
    fleet_run(&f, 10000);
    assert_true(refused(&f, "c1", POLICY) && refused(&f, "c2", POLICY));
    assert_true(settled(&f));
    const json_t *row = json_array_get(on_record(&f), 0);
    assert_string_equal(jx_str(row, "trustDomain"), "shop.mesh");
    assert_string_equal(jx_str(row, "namespace"), "shop");
    assert_string_equal(jx_str(row, "serviceAccount"), "legacy-db");
    assert_string_equal(jx_str(row, "group"), "legacy-db");
    auto_json *before = json_deep_copy(on_record(&f));
    end_deletion(&f, o);
    fleet_run(&f, 60000);
    assert_true(json_equal(on_record(&f), before)); /* with the time at which it was revoked */
    assert_true(refused(&f, "c1", POLICY) && refused(&f, "c2", POLICY));
    restart(&f);
    assert_silent(&f);
    fleet_stop(&f);
}

static void a_group_that_names_it_again_lets_it_in(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    begin_deletion(&f, o);
    fleet_run(&f, 20000);
    end_deletion(&f, o);
    fleet_run(&f, 5000);
    assert_true(refused(&f, "c2", POLICY));
    add_group(&f, "other");
    fleet_run(&f, 20000);
    assert_null(on_record(&f));
    assert_false(refused(&f, "c1", POLICY) || refused(&f, "c2", POLICY));
    assert_true(settled(&f));
    fleet_stop(&f);
}

static void what_is_not_the_groups_own_is_not_revoked(void **state)
{
    (void)state;
    static const char *const why[] = {"made", "retained", "named"};
    for (size_t i = 0; i < 3; i++) {
        struct fleet f;
        start(&f);
        struct hub_object *o = add_group(&f, "legacy-db");
        if (str_eq(why[i], "made"))
            jx_set_new(o->obj, "status.accountMade", json_false());
        if (str_eq(why[i], "retained"))
            jx_set_str(o->obj, "spec.deletionPolicy", "Retain");
        if (str_eq(why[i], "named"))
            add_group(&f, "other");
        begin_deletion(&f, o);
        fleet_run(&f, 20000);
        assert_null(on_record(&f));
        assert_false(refused(&f, "c1", POLICY));
        assert_int_equal(settled(&f), str_eq(why[i], "named"));
        fleet_stop(&f);
    }
}

/* The status keeps the former identity until it is revoked. */
static void a_former_identity_of_a_group_is_refused(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    fleet_run(&f, 20000);
    jx_set_str(o->obj, "spec.serviceAccount", "other");
    changed(&f);
    assert_false(settled(&f));
    fleet_run(&f, 10000);
    assert_true(settled(&f) && refused(&f, "c1", POLICY));
    jx_set_str(o->obj, "status.serviceAccount", "other");
    changed(&f);
    fleet_run(&f, 10000);
    assert_true(settled(&f) && refused(&f, "c1", POLICY));
    assert_int_equal(json_array_size(on_record(&f)), 1);
    fleet_stop(&f);
}

/* A cluster out of reach is not waited for, but gets it when it is back. */
static void who_is_away_is_told_later(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    fleet_run(&f, 20000);
    struct cluster *c2 = manager_cluster(&f.m, "fleet", "c2");
    c2->state = CLUSTER_UNREACHABLE;
    cluster_touch(c2);
    begin_deletion(&f, o);
    fleet_run(&f, 10000);
    assert_true(settled(&f));
    assert_false(refused(&f, "c2", POLICY));
    end_deletion(&f, o);
    fleet_run(&f, 5000);
    c2->state = CLUSTER_REACHABLE;
    cluster_touch(c2);
    fleet_run(&f, 10000);
    assert_true(refused(&f, "c2", POLICY));
    fleet_stop(&f);
}

/* One that does not take the policy is waited for. */
static void who_does_not_refuse_it_is_waited_for(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    fleet_run(&f, 20000);
    f.refusal =
        (struct fleet_refusal){.cluster = "c2", .only = "authorizationpolicies", .status = 500};
    begin_deletion(&f, o);
    fleet_run(&f, 10000);
    assert_true(refused(&f, "c1", POLICY));
    assert_int_equal(json_array_size(on_record(&f)), 1);
    assert_false(settled(&f));
    f.refusal = (struct fleet_refusal){0};
    fleet_run(&f, 120000);
    assert_true(settled(&f));
    fleet_stop(&f);
}

static void a_mesh_at_rest_or_gone_holds_nobody(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    fleet_edit(&f, "spec.suspend", json_true());
    fleet_run(&f, 5000);
    begin_deletion(&f, o);
    assert_false(settled(&f));
    fleet_run(&f, 10000);
    assert_true(settled(&f)); /* it is on record */
    assert_int_equal(json_array_size(on_record(&f)), 1);
    assert_false(refused(&f, "c1", POLICY));
    end_deletion(&f, o);
    fleet_edit(&f, "spec.suspend", json_false());
    fleet_run(&f, 10000);
    assert_true(refused(&f, "c1", POLICY));
    assert_true(mesh_revoked_settled(&f.m, "fleet/none", "shop", "legacy-db"));
    fleet_stop(&f);
}

/* What the hub does not know any more stays refused in the clusters, until a group names it. */
static void a_lost_status_opens_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    begin_deletion(&f, o);
    fleet_run(&f, 20000);
    end_deletion(&f, o);
    fleet_run(&f, 5000);
    struct hub_object *mesh = hub_find(&f.m.hub, API_KIND_MESH, "fleet/shop");
    json_object_del(mesh->obj, "status");
    restart(&f);
    changed(&f);
    fleet_run(&f, 60000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    assert_null(on_record(&f));
    assert_true(refused(&f, "c1", POLICY) && refused(&f, "c2", POLICY));
    assert_silent(&f);
    add_group(&f, "other");
    fleet_run(&f, 20000);
    assert_false(refused(&f, "c1", POLICY) || refused(&f, "c2", POLICY));
    fleet_stop(&f);
}

/* A Mesh whose spec can't be read still has it on record. */
static void a_spec_that_cannot_be_read_loses_nothing(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    begin_deletion(&f, o);
    fleet_run(&f, 10000);
    end_deletion(&f, o);
    fleet_edit(&f, "spec.clusters", json_string("none"));
    fleet_run(&f, 10000);
    assert_string_equal(fleet_reason(&f, "Ready"), "Invalid");
    assert_int_equal(json_array_size(on_record(&f)), 1);
    fleet_stop(&f);
}

/* An account under the domain that the mesh has now, and under the one that it had. */
static void a_former_domain_is_refused_too(void **state)
{
    (void)state;
    struct fleet f;
    start(&f);
    struct hub_object *o = add_group(&f, "legacy-db");
    begin_deletion(&f, o);
    fleet_run(&f, 10000);
    end_deletion(&f, o);
    fleet_edit(&f, "spec.trust.domain", json_string("shop.example"));
    fleet_run(&f, 20000);
    assert_int_equal(json_array_size(on_record(&f)), 1);
    o = add_group(
        &f, "again"); /* names the account as it is now: the old certificates are none of its */
    fleet_run(&f, 5000);
    assert_int_equal(json_array_size(on_record(&f)), 1);
    begin_deletion(&f, o);
    fleet_run(&f, 10000);
    assert_int_equal(json_array_size(on_record(&f)), 2);
    assert_true(settled(&f));
    assert_string_equal(fleet_reason(&f, "Ready"), "Ready");
    const json_t *policy =
        json_object_get(f.applied, "c1 /apis/security.istio.io/v1/namespaces/" ISTIO_NAMESPACE
                                   "/authorizationpolicies/" POLICY);
    const json_t *rule = json_array_get(jx_get(policy, "spec.rules"), 0);
    const json_t *from = json_array_get(json_object_get(rule, "from"), 0);
    auto_json *want =
        json_pack("[s, s]", "shop.example/ns/shop/sa/legacy-db", "shop.mesh/ns/shop/sa/legacy-db");
    assert_true(json_equal(jx_get(from, "source.principals"), want));
    fleet_stop(&f);
}

/* --- meshes that trust it --- */

static json_t *bundle(const char *direction_of_bank)
{
    return json_pack("{s:[{s:s}, {s:s, s:s}]}", "members", "name", "shop", "name", "bank",
                     "direction", direction_of_bank);
}

static void who_trusts_the_mesh_refuses_it_too(void **state)
{
    (void)state;
    static const char *const directions[] = {"Both", "Import", "Export"};
    for (size_t i = 0; i < 3; i++) {
        bool trusts = i < 2;
        struct fleet f;
        start(&f);
        fleet_add_cluster_on(&f, "b1", "n2");
        fleet_add_mesh_of(&f, "bank", json_pack("[o]", member("b1")));
        struct hub_object *bank = hub_find(&f.m.hub, API_KIND_MESH, "fleet/bank");
        jx_set_new(bank->obj, "spec.trust.caSecretRef", json_pack("{s:s}", "name", "bank-ca"));
        fleet_hub_object(&f, API_KIND_TRUST_BUNDLE, "partners", bundle(directions[i]));
        struct hub_object *o = add_group(&f, "legacy-db");
        fleet_run(&f, 20000);
        begin_deletion(&f, o);
        assert_false(settled(&f));
        fleet_run(&f, 10000);
        assert_true(refused(&f, "c1", POLICY));
        assert_int_equal(refused(&f, "b1", POLICY), trusts);
        assert_true(settled(&f));
        end_deletion(&f, o);
        struct hub_object *tie = hub_find(&f.m.hub, API_KIND_TRUST_BUNDLE, "fleet/partners");
        HASH_DEL(f.m.hub.kinds[API_KIND_TRUST_BUNDLE].all, tie);
        json_decref(tie->obj);
        free(tie);
        changed(&f);
        fleet_run(&f, 30000);
        assert_false(refused(&f, "b1", POLICY)); /* nobody of shop is trusted there any more */
        assert_true(refused(&f, "c1", POLICY));
        fleet_stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_that_goes_is_refused),
        cmocka_unit_test(a_group_that_names_it_again_lets_it_in),
        cmocka_unit_test(what_is_not_the_groups_own_is_not_revoked),
        cmocka_unit_test(a_former_identity_of_a_group_is_refused),
        cmocka_unit_test(who_is_away_is_told_later),
        cmocka_unit_test(who_does_not_refuse_it_is_waited_for),
        cmocka_unit_test(a_mesh_at_rest_or_gone_holds_nobody),
        cmocka_unit_test(a_lost_status_opens_nothing),
        cmocka_unit_test(a_spec_that_cannot_be_read_loses_nothing),
        cmocka_unit_test(a_former_domain_is_refused_too),
        cmocka_unit_test(who_trusts_the_mesh_refuses_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
