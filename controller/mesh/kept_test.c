/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/kept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/jx.h"

static const struct plan_owner owner = {"shop", "uid", NULL};

static void add(struct plan *p, const char *name, const char *value)
{
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind", "ConfigMap",
                  "metadata", "name", name, "namespace", "n", "data", "k", value);
    assert_non_null(plan_add(p, &owner, PLAN_CONFIG, body, NULL, NULL));
}

static void take(struct kept_object **all, struct kept_plan *k, const char *value)
{
    auto_plan p;
    plan_init(&p, "c");
    add(&p, "shared", "same");
    add(&p, "own", value);
    assert_int_equal(plan_finish(&p, NULL), 0);
    kept_take(all, &p, k);
}

static void equal_objects_are_held_once(void **state)
{
    (void)state;
    struct kept_object *all = NULL;
    struct kept_plan a = {0}, b = {0};
    take(&all, &a, "a");
    take(&all, &b, "b");
    assert_int_equal(a.n, 2);
    assert_ptr_equal(a.objects[0], b.objects[0]);
    assert_ptr_not_equal(a.objects[1], b.objects[1]);
    kept_drop(&all, &a);
    assert_string_equal(b.objects[0]->name, "shared"); /* the other still has it */
    kept_drop(&all, &b);
    assert_null(all);
}

static void an_object_is_as_it_was_planned(void **state)
{
    (void)state;
    struct kept_object *all = NULL;
    struct kept_plan k = {0};
    auto_plan p;
    size_t len;
    plan_init(&p, "c");
    add(&p, "one", "v");
    p.objects[0].content = PLAN_REMOTE_SECRET;
    p.objects[0].peer = "peer";
    kept_take(&all, &p, &k);
    const struct plan_object *o = k.objects[0];
    assert_null(o->body);
    assert_null(o->file);
    assert_string_equal(o->ns, "n");
    assert_string_equal(o->peer, "peer");
    assert_string_equal(o->intent, p.objects[0].intent);
    assert_int_equal(o->wave, PLAN_CONFIG);
    auto_json *body = kept_body(o);
    assert_true(json_equal(body, p.objects[0].body));
    const char *text = kept_text(o, &len);
    assert_int_equal(strlen(text), len);
    kept_drop(&all, &k);
}

static void a_new_plan_replaces_the_old_one(void **state)
{
    (void)state;
    struct kept_object *all = NULL;
    struct kept_plan k = {0};
    take(&all, &k, "a");
    const struct plan_object *shared = k.objects[0];
    take(&all, &k, "b");
    assert_ptr_equal(k.objects[0], shared);
    auto_json *body = kept_body(k.objects[1]);
    assert_string_equal(jx_str(body, "data.k"), "b");
    kept_drop(&all, &k);
    kept_drop(&all, &k);
    assert_null(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_objects_are_held_once),
        cmocka_unit_test(an_object_is_as_it_was_planned),
        cmocka_unit_test(a_new_plan_replaces_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
