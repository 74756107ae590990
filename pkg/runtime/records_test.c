/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/records.h"

static struct kube_record *made(const char *name, const char *uid, const char *rv)
{
    json_t *o = json_pack("{s:{s:s, s:s, s:s, s:s}}", "metadata", "namespace", "n", "name", name,
                          "uid", uid, "resourceVersion", rv);
    struct kube_record *r = kube_record_new(KUBE_RECORD_META, o);
    json_decref(o);
    return r;
}

static void test_newer_replaces_older_is_dropped(void **state)
{
    (void)state;
    struct records r = {0};
    assert_true(records_put(&r, made("a", "u", "9")));
    assert_true(records_put(&r, made("a", "u", "10")));
    assert_false(records_put(&r, made("a", "u", "9")));
    assert_string_equal(records_find(&r, "n", "a")->obj->meta.rv, "10");
    assert_true(records_put(&r, made("a", "v", "5"))); /* another object under the same name */
    assert_string_equal(records_find(&r, "n", "a")->obj->meta.uid, "v");
    records_done(&r);
}

static void test_what_was_verified_goes_with_the_version(void **state)
{
    (void)state;
    struct records r = {0};
    records_put(&r, made("a", "u", "1"));
    records_find(&r, "n", "a")->verified[0] = 'x';
    assert_false(records_put(&r, made("a", "u", "1")));
    assert_int_equal(records_find(&r, "n", "a")->verified[0], 'x');
    records_put(&r, made("a", "u", "2"));
    assert_int_equal(records_find(&r, "n", "a")->verified[0], 0);
    records_done(&r);
}

static void test_relist_finds_what_went(void **state)
{
    (void)state;
    struct records r = {0};
    records_put(&r, made("a", "u", "1"));
    records_put(&r, made("b", "w", "1"));
    records_list_begin(&r);
    records_put(&r, made("b", "w", "1"));
    assert_non_null(records_find(&r, "n", "a")); /* nothing goes before the list is complete */
    assert_int_equal(records_list_end(&r), 1);
    assert_null(records_find(&r, "n", "a"));
    assert_non_null(records_find(&r, "n", "b"));
    assert_true(r.synced);
    assert_true(records_remove(&r, "n", "b"));
    assert_false(records_remove(&r, "n", "b"));
    records_done(&r);
}

static void test_versions_compare_as_numbers(void **state)
{
    (void)state;
    assert_true(records_compare_versions("10", "9") > 0);
    assert_true(records_compare_versions("9", "10") < 0);
    assert_int_equal(records_compare_versions("7", "7"), 0);
    assert_true(records_compare_versions("x", "7") > 0);
    assert_true(records_compare_versions(NULL, "7") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newer_replaces_older_is_dropped),
        cmocka_unit_test(test_what_was_verified_goes_with_the_version),
        cmocka_unit_test(test_relist_finds_what_went),
        cmocka_unit_test(test_versions_compare_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
