/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/spam.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static const struct kube_event base = {"v1", "Mesh", "n", "m", "u", false, "Ready", "all is well"};

static enum kube_spam_verdict judge(struct kube_spam *s, const struct kube_event *ev, int64_t now)
{
    struct kube_sent *sent;
    return kube_spam_judge(s, ev, now, &sent);
}

static void test_same(void **state)
{
    struct kube_spam s = {0};
    struct kube_sent *sent;
    (void)state;
    assert_int_equal(kube_spam_judge(&s, &base, 0, &sent), KUBE_SPAM_CREATE);
    assert_int_equal(sent->count, 1);
    assert_int_equal(kube_spam_judge(&s, &base, 600000, &sent), KUBE_SPAM_COUNT);
    assert_int_equal(sent->count, 2);
    assert_int_equal(kube_spam_judge(&s, &base, 1200001, &sent), KUBE_SPAM_CREATE);
    assert_int_equal(sent->count, 1);
    kube_spam_done(&s);
}

static void test_different(void **state)
{
    struct kube_spam s = {0};
    struct kube_event ev[6];
    (void)state;
    for (size_t i = 0; i < 6; i++)
        ev[i] = base;
    ev[1].warning = true;
    ev[2].reason = "Stalled";
    ev[3].message = "something else";
    ev[4].uid = "another";
    ev[5].ns = NULL;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(judge(&s, &ev[i], 0), KUBE_SPAM_CREATE);
    kube_spam_done(&s);
}

static void test_burst(void **state)
{
    struct kube_spam s = {0};
    struct kube_event other = base;
    (void)state;
    for (int i = 0; i < KUBE_EVENT_BURST; i++)
        assert_int_not_equal(judge(&s, &base, 0), KUBE_SPAM_DROP);
    assert_int_equal(judge(&s, &base, 299999), KUBE_SPAM_DROP);
    assert_int_not_equal(judge(&s, &base, 300000), KUBE_SPAM_DROP);
    assert_int_equal(judge(&s, &base, 300001), KUBE_SPAM_DROP);
    other.name = "another";
    assert_int_equal(judge(&s, &other, 300001), KUBE_SPAM_CREATE);
    /* A day later the bucket is full, and not more than full. */
    for (int i = 0; i < KUBE_EVENT_BURST; i++)
        assert_int_not_equal(judge(&s, &base, 86400000), KUBE_SPAM_DROP);
    assert_int_equal(judge(&s, &base, 86400000), KUBE_SPAM_DROP);
    kube_spam_done(&s);
}

static void test_memory_is_bounded(void **state)
{
    struct kube_spam s = {0};
    (void)state;
    for (int i = 0; i < 3 * KUBE_EVENT_MEMORY; i++) {
        char name[16];
        struct kube_event ev = base;
        snprintf(name, sizeof name, "m%d", i);
        ev.name = name;
        assert_int_equal(judge(&s, &ev, i), KUBE_SPAM_CREATE);
        assert_int_not_equal(judge(&s, &base, i), i ? KUBE_SPAM_CREATE : KUBE_SPAM_DROP);
    }
    assert_in_range(HASH_COUNT(s.sent), 1, KUBE_EVENT_MEMORY);
    assert_in_range(HASH_COUNT(s.buckets), 1, KUBE_EVENT_MEMORY);
    kube_spam_done(&s);
}

static void test_forget(void **state)
{
    struct kube_spam s = {0};
    (void)state;
    judge(&s, &base, 0);
    char *key = kube_spam_key(&base);
    kube_spam_forget(&s, key);
    kube_spam_forget(&s, key);
    free(key);
    assert_int_equal(judge(&s, &base, 1), KUBE_SPAM_CREATE);
    kube_spam_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),   cmocka_unit_test(test_different),
        cmocka_unit_test(test_burst),  cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
