/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "runtime/release.h"
#include "json/jx.h"

static char *patch_of(const char *metadata)
{
    json_t *obj = json_pack("{s:o}", "metadata", json_loads(metadata, 0, NULL));
    json_t *patch = release_patch(obj);
    char *text = jx_dump(patch);
    json_decref(patch);
    json_decref(obj);
    return text;
}

static void test_only_ours_goes(void **state)
{
    (void)state;
    char *text =
        patch_of("{\"resourceVersion\":\"7\","
                 "\"labels\":{\"app\":\"x\",\"meshwright.dev/mesh\":\"shop\"},"
                 "\"annotations\":{\"note\":\"y\",\"meshwright.dev/intent\":\"1\"},"
                 "\"managedFields\":[{\"manager\":\"kubectl\"},{\"manager\":\"meshwright\"},"
                 "{\"manager\":\"meshwright\",\"subresource\":\"status\"}]}");
    assert_string_equal(
        text, "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"},"
              "{\"op\":\"remove\",\"path\":\"/metadata/labels/meshwright.dev~1mesh\"},"
              "{\"op\":\"remove\",\"path\":\"/metadata/annotations/meshwright.dev~1intent\"},"
              "{\"op\":\"remove\",\"path\":\"/metadata/managedFields/2\"},"
              "{\"op\":\"remove\",\"path\":\"/metadata/managedFields/1\"}]");
    free(text);
}

static void test_somebody_elses_managed_by_stays(void **state)
{
    (void)state;
    char *text = patch_of(
        "{\"resourceVersion\":\"7\",\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"}}");
    assert_string_equal(
        text, "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"}]");
    free(text);
    text = patch_of(
        "{\"resourceVersion\":\"7\",\"labels\":{\"app.kubernetes.io/managed-by\":\"meshwright\"}}");
    assert_string_equal(
        text, "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"},"
              "{\"op\":\"remove\",\"path\":\"/metadata/labels/app.kubernetes.io~1managed-by\"}]");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_ours_goes),
        cmocka_unit_test(test_somebody_elses_managed_by_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
