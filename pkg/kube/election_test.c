/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/election.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "json/jx.h"

static json_t *lease(const char *holder, const char *rv, int transitions)
{
    return json_pack("{s:{s:s}, s:{s:s, s:i, s:s, s:i}}", "metadata", "resourceVersion", rv, "spec",
                     "holderIdentity", holder, "leaseDurationSeconds", 15, "acquireTime",
                     "2026-01-01T00:00:00.000000Z", "leaseTransitions", transitions);
}

static struct kube_election_step read_lease(struct kube_election *e, const char *holder,
                                            const char *rv, int64_t now)
{
    auto_json *l = lease(holder, rv, 3);
    return kube_election_read(e, l, NULL, now);
}

static struct kube_election_step written(struct kube_election *e, const char *rv, int64_t now)
{
    auto_json *l = lease(e->identity, rv, 3);
    return kube_election_written(e, l, NULL, now);
}

static struct kube_election_step failed(struct kube_election *e, enum err_class class, int64_t now)
{
    struct err err = {.class = class};
    return kube_election_written(e, NULL, &err, now);
}

/* Nobody has it: it is made, then renewed without a read. */
static void test_first(void **state)
{
    struct kube_election e;
    struct err none = {.class = ERR_NOT_FOUND};
    (void)state;
    kube_election_init(&e, "me", 42);
    assert_int_equal(kube_election_tick(&e, 0).action, KUBE_ELECTION_READ);
    assert_int_equal(kube_election_read(&e, NULL, &none, 10).action, KUBE_ELECTION_CREATE);
    json_t *body = kube_election_body(&e, "n", "l", 1767225600123456, false);
    assert_string_equal(jx_str(body, "spec.holderIdentity"), "me");
    assert_string_equal(jx_str(body, "spec.renewTime"), "2026-01-01T00:00:00.123456Z");
    assert_int_equal(jx_int(body, "spec.leaseTransitions", -1), 0);
    assert_null(jx_str(body, "metadata.resourceVersion"));
    json_decref(body);
    struct kube_election_step s = written(&e, "1", 20);
    assert_true(s.acquired);
    assert_int_equal(s.action, KUBE_ELECTION_WAIT);
    assert_int_equal(s.wait_ms, 2000);
    assert_int_equal(kube_election_deadline(&e), 10010); /* from when the write began */
    assert_int_equal(kube_election_tick(&e, 2020).action, KUBE_ELECTION_UPDATE);
    body = kube_election_body(&e, "n", "l", 0, false);
    assert_string_equal(jx_str(body, "metadata.resourceVersion"), "1");
    assert_string_equal(jx_str(body, "spec.acquireTime"), "2026-01-01T00:00:00.000000Z");
    assert_int_equal(jx_int(body, "spec.leaseTransitions", -1), 3);
    json_decref(body);
    s = written(&e, "2", 2030);
    assert_false(s.acquired);
    assert_int_equal(kube_election_deadline(&e), 12020);
    kube_election_done(&e);
}

/* By the time that passed here since it last changed, whatever its own times say. */
static void test_take_over(void **state)
{
    struct kube_election e;
    (void)state;
    kube_election_init(&e, "me", 42);
    struct kube_election_step s = read_lease(&e, "other", "1", 1000);
    assert_int_equal(s.action, KUBE_ELECTION_WAIT);
    assert_in_range(s.wait_ms, 2000, 4400);
    assert_int_equal(read_lease(&e, "other", "2", 10000).action, KUBE_ELECTION_WAIT);
    assert_int_equal(read_lease(&e, "other", "2", 24999).action, KUBE_ELECTION_WAIT);
    assert_int_equal(read_lease(&e, "other", "2", 25000).action, KUBE_ELECTION_UPDATE);
    auto_json *body = kube_election_body(&e, "n", "l", 0, false);
    assert_int_equal(jx_int(body, "spec.leaseTransitions", -1), 4);
    assert_true(written(&e, "3", 25010).acquired);
    kube_election_done(&e);
}

static void test_given_up_by_other(void **state)
{
    struct kube_election e;
    (void)state;
    kube_election_init(&e, "me", 42);
    assert_int_equal(read_lease(&e, "", "1", 1000).action, KUBE_ELECTION_UPDATE);
    kube_election_done(&e);
}

static void lead(struct kube_election *e)
{
    kube_election_init(e, "me", 42);
    read_lease(e, "", "1", 0);
    assert_true(written(e, "2", 0).acquired);
}

/* Losing an answer is not losing the lease, until the deadline. */
static void test_renewal_fails(void **state)
{
    struct kube_election e;
    struct err err = {.class = ERR_TRANSIENT};
    (void)state;
    lead(&e);
    kube_election_tick(&e, 2000);
    assert_false(failed(&e, ERR_TRANSIENT, 7000).lost);
    assert_int_equal(kube_election_tick(&e, 9000).action, KUBE_ELECTION_READ);
    assert_false(kube_election_expire(&e, 9999));
    assert_true(kube_election_read(&e, NULL, &err, 10000).lost);
    assert_false(kube_election_expire(&e, 20000)); /* once */
    kube_election_done(&e);
}

static void test_late_answer(void **state)
{
    struct kube_election e;
    (void)state;
    lead(&e);
    kube_election_tick(&e, 9000);
    struct kube_election_step s = written(&e, "3", 10001);
    assert_true(s.lost);
    assert_false(s.acquired);
    kube_election_done(&e);
}

static void test_conflict(void **state)
{
    struct kube_election e;
    (void)state;
    lead(&e);
    kube_election_tick(&e, 2000);
    assert_false(failed(&e, ERR_CONFLICT, 2010).lost);
    assert_int_equal(kube_election_tick(&e, 4010).action, KUBE_ELECTION_READ);
    /* Our own write of which the answer was lost. */
    assert_int_equal(read_lease(&e, "me", "5", 4020).action, KUBE_ELECTION_UPDATE);
    assert_false(written(&e, "6", 4030).acquired);
    /* Somebody took it. */
    kube_election_tick(&e, 6000);
    failed(&e, ERR_CONFLICT, 6010);
    struct kube_election_step s = read_lease(&e, "other", "7", 8000);
    assert_true(s.lost);
    assert_int_equal(s.action, KUBE_ELECTION_WAIT);
    kube_election_done(&e);
}

static void test_deleted(void **state)
{
    struct kube_election e;
    struct err none = {.class = ERR_NOT_FOUND};
    (void)state;
    lead(&e);
    kube_election_tick(&e, 2000);
    failed(&e, ERR_NOT_FOUND, 2010);
    kube_election_tick(&e, 4010);
    assert_int_equal(kube_election_read(&e, NULL, &none, 4020).action, KUBE_ELECTION_CREATE);
    assert_false(written(&e, "9", 4030).lost);
    assert_true(e.held);
    kube_election_done(&e);
}

static void test_release(void **state)
{
    struct kube_election e;
    (void)state;
    lead(&e);
    auto_json *body = kube_election_body(&e, "n", "l", 0, true);
    assert_string_equal(jx_str(body, "spec.holderIdentity"), "");
    assert_int_equal(jx_int(body, "spec.leaseDurationSeconds", 0), 1);
    assert_string_equal(jx_str(body, "metadata.resourceVersion"), "2");
    kube_election_done(&e);
}

static void test_absurd_duration(void **state)
{
    struct kube_election e;
    (void)state;
    kube_election_init(&e, "me", 42);
    auto_json *l = lease("other", "1", 0);
    jx_set_new(l, "spec.leaseDurationSeconds", json_integer(INT64_MAX));
    kube_election_read(&e, l, NULL, 0);
    assert_int_equal(kube_election_read(&e, l, NULL, 15000).action, KUBE_ELECTION_UPDATE);
    kube_election_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_take_over),
        cmocka_unit_test(test_given_up_by_other),
        cmocka_unit_test(test_renewal_fails),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_absurd_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
