/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/diff.h"

static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};
static const struct gvr services = {"", "v1", "services", "Service", true};

#define FIELDS_C2 "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}},\"f:data\":{\"f:k\":{},\"f:c2\":{}}}"
#define FIELDS    "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}},\"f:data\":{\"f:k\":{}}}"

static const struct kube_meta good = {
    .ns = "n",
    .name = "s",
    .managed = true,
    .owner_uid = "u",
    .intent = "1",
    .fields = FIELDS,
};

static struct plan_object want_new(enum plan_content content)
{
    json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:s}}", "apiVersion", "v1",
                             "kind", "Secret", "metadata", "name", "s", "namespace", "n", "labels",
                             "a", "b", "data", "k", "v");
    return (struct plan_object){.wave = PLAN_CONFIG,
                                .gvr = &secrets,
                                .ns = "n",
                                .name = "s",
                                .content = content,
                                .body = body,
                                .intent = "1"};
}

static enum diff_verdict judge(const struct plan_object *want, const struct kube_meta *meta,
                               int64_t now)
{
    struct kube_view live = {.meta = meta ? *meta : (struct kube_meta){0}};
    int64_t renew;
    bool verified = false;
    return diff_object(want, meta ? &live : NULL, &verified, "u", now, &renew);
}

static void test_verdicts(void **state)
{
    (void)state;
    struct plan_object want = want_new(PLAN_PLAIN);
    struct kube_meta other = good, older = good, taken = good, unmanaged = good;
    other.owner_uid = "somebody";
    older.intent = "0";
    taken.fields = "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}}}";
    unmanaged.managed = false;
    unmanaged.owner_uid = NULL;
    assert_int_equal(judge(&want, NULL, 0), DIFF_APPLY);
    assert_int_equal(judge(&want, &good, 0), DIFF_SAME);
    assert_int_equal(judge(&want, &other, 0), DIFF_FOREIGN);
    assert_int_equal(judge(&want, &older, 0), DIFF_APPLY);
    assert_int_equal(judge(&want, &taken, 0), DIFF_APPLY);
    assert_int_equal(judge(&want, &unmanaged, 0), DIFF_APPLY);
    json_decref(want.body);
}

static void test_what_was_verified_is_not_read_again(void **state)
{
    (void)state;
    struct plan_object want = want_new(PLAN_PLAIN);
    struct kube_view live = {.meta = good};
    bool verified = false;
    int64_t renew;
    assert_int_equal(diff_object(&want, &live, &verified, "u", 0, &renew), DIFF_SAME);
    assert_true(verified);
    live.meta.fields = NULL;
    assert_int_equal(diff_object(&want, &live, &verified, "u", 0, &renew), DIFF_SAME);
    want.intent = "2";
    assert_int_equal(diff_object(&want, &live, &verified, "u", 0, &renew), DIFF_APPLY);
    want.intent = "1";
    verified = false;
    assert_int_equal(diff_object(&want, &live, &verified, "u", 0, &renew), DIFF_APPLY);
    assert_false(verified);
    json_decref(want.body);
}

static void test_users_service_is_never_taken(void **state)
{
    (void)state;
    struct plan_object want = want_new(PLAN_PLAIN);
    want.wave = PLAN_DNS;
    want.gvr = &services;
    struct kube_meta unmanaged = good;
    unmanaged.managed = false;
    assert_int_equal(judge(&want, &unmanaged, 0), DIFF_FOREIGN);
    /* The user laid the real Service over ours. */
    struct kube_view live = {.meta = good, .has_selector = true};
    bool verified = true;
    int64_t renew;
    assert_int_equal(diff_object(&want, &live, &verified, "u", 0, &renew), DIFF_FOREIGN);
    json_decref(want.body);
}

static void test_content_is_renewed_before_its_end(void **state)
{
    (void)state;
    struct plan_object want = want_new(PLAN_REMOTE_SECRET);
    want.peer = "c2";
    struct kube_meta m = good;
    m.issued = "2026-01-01T00:00:00Z";
    m.expires = "2026-01-02T00:00:00Z";
    m.fields = FIELDS_C2;
    const int64_t issued = 1767225600, life = 86400;
    assert_int_equal(judge(&want, &m, issued + life * 69 / 100), DIFF_SAME);
    assert_int_equal(judge(&want, &m, issued + life * 81 / 100), DIFF_APPLY);
    m.expires = "soon";
    assert_int_equal(judge(&want, &m, issued), DIFF_APPLY);
    json_decref(want.body);
}

static void test_generated_data_that_somebody_took_is_made_anew(void **state)
{
    (void)state;
    struct plan_object remote = want_new(PLAN_REMOTE_SECRET), ca = want_new(PLAN_CACERTS);
    remote.peer = "c2";
    struct kube_meta m = good;
    m.issued = "2026-01-01T00:00:00Z";
    m.expires = "2026-01-02T00:00:00Z";
    assert_int_equal(judge(&remote, &m, 1767225600), DIFF_APPLY);
    assert_int_equal(judge(&ca, &m, 1767225600), DIFF_APPLY);
    m.fields =
        "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}},\"f:data\":{\"f:k\":{},\"f:ca-cert.pem\":{},"
        "\"f:ca-key.pem\":{},\"f:cert-chain.pem\":{},\"f:root-cert.pem\":{}}}";
    assert_int_equal(judge(&ca, &m, 1767225600), DIFF_SAME);
    json_decref(remote.body);
    json_decref(ca.body);
}

static void test_renewal_is_spread_over_a_tenth(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    char seed[] = "aa";
    for (seed[0] = 'a'; seed[0] <= 'z'; seed[0]++)
        for (seed[1] = 'a'; seed[1] <= 'z'; seed[1]++) {
            int64_t at = diff_renewal(1000, 1000 + 100000, seed) - 1000;
            assert_in_range(at, 70000, 80000);
            least = at < least ? at : least;
            most = at > most ? at : most;
        }
    assert_true(most - least > 8000);
    assert_int_equal(diff_renewal(10, 5, "x"), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_what_was_verified_is_not_read_again),
        cmocka_unit_test(test_users_service_is_never_taken),
        cmocka_unit_test(test_content_is_renewed_before_its_end),
        cmocka_unit_test(test_generated_data_that_somebody_took_is_made_anew),
        cmocka_unit_test(test_renewal_is_spread_over_a_tenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
