/* SPDX-License-Identifier: Apache-2.0 */
#include "applyplan.h"

#include "mesh/fleet_test.h"

/* One cluster "c", and an owner with a plan for it. */
struct fixture {
    struct fleet f;
    struct cluster *c;
    struct kept_plan kept;
    struct arena arena; /* of the last step */
    applyplan_hold_cb *hold;
};

static json_t *object(const char *api, const char *kind, const char *name)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", api, "kind", kind,
                     "metadata", "name", name, "namespace", "shop", "spec", "value", "mine");
}

static const struct plan_owner owner = {"web", "uid-of-web", PLAN_LABEL_GATEWAY};

/* Of what the letters say, each in its wave: C a ConfigMap, D a Deployment that is waited for, S a Service. */
static void plan_of(struct fixture *x, const char *letters)
{
    auto_plan p;
    struct err err = {0};
    plan_init(&p, "c");
    if (strchr(letters, 'S'))
        assert_non_null(plan_add(&p, &owner, PLAN_DNS, object("v1", "Service", "s"), NULL, &err));
    if (strchr(letters, 'C'))
        assert_non_null(
            plan_add(&p, &owner, PLAN_CONFIG, object("v1", "ConfigMap", "c"), NULL, &err));
    if (strchr(letters, 'D'))
        plan_add(&p, &owner, PLAN_GATEWAYS, object("apps/v1", "Deployment", "d"), NULL, &err)
            ->wait_available = true;
    assert_int_equal(plan_finish(&p, &err), 0);
    kept_take(&x->f.m.kept, &p, &x->kept);
}

static void start(struct fixture *x)
{
    *x = (struct fixture){0};
    fleet_start(&x->f, "testdata/istio/data");
    x->c = fleet_add_cluster(&x->f, "c");
}

static void stop(struct fixture *x)
{
    kept_drop(&x->f.m.kept, &x->kept);
    arena_done(&x->arena);
    fleet_stop(&x->f);
}

static struct applyplan step(struct fixture *x, bool wanted)
{
    arena_done(&x->arena);
    struct applyplan a = {.cluster = x->c,
                          .arena = &x->arena,
                          .owner_uid = owner.mesh_uid,
                          .plan = wanted ? &x->kept : NULL,
                          .hold = x->hold};
    applyplan_step(&a);
    return a;
}

/* Steps until nothing changes any more. */
static struct applyplan settle(struct fixture *x, bool wanted)
{
    struct applyplan a;
    for (int i = 0; i < 50; i++) {
        a = step(x, wanted);
        fleet_run(&x->f, 40);
    }
    return a;
}

static bool has(const struct fixture *x, const char *api, const char *kind, const char *name)
{
    return records_find(cluster_records(x->c, plan_gvr(api, kind)), "shop", name) != NULL;
}

/* What somebody else has made. */
static void show(struct fixture *x, json_t *obj, const char *uid)
{
    if (uid) {
        auto_json *labels = json_pack("{s:s, s:s}", PLAN_LABEL_MANAGED_BY, PLAN_MANAGED_BY,
                                      PLAN_LABEL_OWNER_UID, uid);
        jx_set_new(obj, "metadata.labels", json_incref(labels));
    }
    x->f.rv++;
    fleet_show(&x->f, x->c, obj, false);
    json_decref(obj);
}

static void applies_in_waves_and_rests(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    plan_of(&x, "SCD");
    struct applyplan a = step(&x, true);
    assert_false(applyplan_complete(&a));
    assert_int_equal(a.wave, PLAN_CONFIG);
    a = settle(&x, true);
    assert_true(applyplan_complete(&a));
    assert_true(has(&x, "v1", "ConfigMap", "c") && has(&x, "apps/v1", "Deployment", "d") &&
                has(&x, "v1", "Service", "s"));
    assert_int_equal(x.f.waves_out_of_order, 0);
    assert_int_equal(x.f.writes, 3);
    settle(&x, true);
    assert_int_equal(x.f.writes, 3);
    stop(&x);
}

static void carries_the_owners_own_label(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    plan_of(&x, "C");
    auto_json *body = kept_body(x.kept.objects[0]);
    assert_string_equal(jx_str2(body, "metadata.labels", PLAN_LABEL_GATEWAY), "web");
    assert_null(jx_str2(body, "metadata.labels", PLAN_LABEL_MESH));
    assert_string_equal(jx_str2(body, "metadata.labels", PLAN_LABEL_OWNER_UID), "uid-of-web");
    stop(&x);
}

static void what_is_in_no_plan_goes_and_at_the_end_all(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    plan_of(&x, "SCD");
    settle(&x, true);
    show(&x, object("v1", "ConfigMap", "other"), "somebody-else");
    plan_of(&x, "C");
    struct applyplan a = settle(&x, true);
    assert_true(applyplan_complete(&a));
    assert_false(has(&x, "v1", "Service", "s") || has(&x, "apps/v1", "Deployment", "d"));
    a = settle(&x, false);
    assert_true(applyplan_complete(&a));
    assert_false(has(&x, "v1", "ConfigMap", "c"));
    assert_true(has(&x, "v1", "ConfigMap", "other"));
    stop(&x);
}

/* A user's object, and one of another owner: named, untouched, and no reason to stop. */
static void others_objects_are_left_and_named(void **state)
{
    (void)state;
    static const char *const owners[] = {NULL, "somebody-else"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture x;
        start(&x);
        show(&x, object("v1", "ConfigMap", "c"), owners[i]);
        plan_of(&x, "SC");
        struct applyplan a = settle(&x, true);
        assert_true(applyplan_complete(&a));
        assert_int_equal(a.n_foreign, 1);
        assert_string_equal(a.foreign, "ConfigMap shop/c");
        assert_int_equal(x.f.writes, 1);
        assert_true(has(&x, "v1", "Service", "s"));
        a = settle(&x, false);
        assert_true(has(&x, "v1", "ConfigMap", "c"));
        assert_false(has(&x, "v1", "Service", "s"));
        stop(&x);
    }
}

/* The API server knows of an object that our watch, of our labels only, does not show. */
static void a_conflict_is_somebody_elses_object(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    x.f.refusal = (struct fleet_refusal){.cluster = "c", .only = "/configmaps/", .status = 409};
    plan_of(&x, "SC");
    struct applyplan a = settle(&x, true);
    assert_true(applyplan_complete(&a));
    assert_string_equal(a.foreign, "ConfigMap shop/c");
    assert_int_equal(x.f.refusal.forced, 0);
    assert_true(has(&x, "v1", "Service", "s"));
    stop(&x);
}

static void a_write_that_fails_is_told(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    x.f.refusal = (struct fleet_refusal){.cluster = "c", .only = "/configmaps/", .status = 403};
    plan_of(&x, "SC");
    struct applyplan a = settle(&x, true);
    assert_false(applyplan_complete(&a));
    assert_int_equal(a.wave, PLAN_CONFIG);
    assert_non_null(a.failed);
    assert_true(str_starts(a.failed, "ConfigMap shop/c: "));
    assert_true(a.again_ms > 0);
    assert_false(has(&x, "v1", "Service", "s"));
    stop(&x);
}

static bool hold_services(void *arg, const struct gvr *g, const char *ns, const char *name)
{
    (void)arg, (void)ns, (void)name;
    return str_eq(g->kind, "Service");
}

static void what_is_held_stays_as_it_is(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    plan_of(&x, "SC");
    settle(&x, true);
    x.hold = hold_services;
    plan_of(&x, "D");
    struct applyplan a = settle(&x, true);
    assert_true(applyplan_complete(&a));
    assert_true(has(&x, "v1", "Service", "s"));
    assert_false(has(&x, "v1", "ConfigMap", "c"));
    settle(&x, false); /* the end is the end */
    assert_false(has(&x, "v1", "Service", "s"));
    stop(&x);
}

static void a_cluster_that_is_away_is_not_touched(void **state)
{
    (void)state;
    struct fixture x;
    start(&x);
    plan_of(&x, "SC");
    settle(&x, true);
    int writes = x.f.writes;
    x.c->state = CLUSTER_UNREACHABLE;
    struct applyplan a = settle(&x, false);
    assert_false(a.ready || applyplan_complete(&a));
    assert_int_equal(x.f.writes, writes);
    stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applies_in_waves_and_rests),
        cmocka_unit_test(carries_the_owners_own_label),
        cmocka_unit_test(what_is_in_no_plan_goes_and_at_the_end_all),
        cmocka_unit_test(others_objects_are_left_and_named),
        cmocka_unit_test(a_conflict_is_somebody_elses_object),
        cmocka_unit_test(a_write_that_fails_is_told),
        cmocka_unit_test(what_is_held_stays_as_it_is),
        cmocka_unit_test(a_cluster_that_is_away_is_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
