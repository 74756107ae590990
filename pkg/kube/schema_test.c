/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <string.h>

static void check(const struct kube_field *table, unsigned depth)
{
    assert_true(depth < 16);
    for (const struct kube_field *f = table; f->number; f++) {
        bool has_sub = f->type == KUBE_TYPE_MESSAGE || f->type == KUBE_TYPE_LIST;
        assert_true(f == table || f->number > f[-1].number);
        assert_true(f->name && *f->name);
        assert_int_equal(f->sub != NULL, has_sub);
        assert_true(f->slot || f->type == KUBE_TYPE_MESSAGE);
        for (const struct kube_field *g = table; g < f; g++)
            assert_string_not_equal(f->name, g->name);
        if (f->sub)
            check(f->sub, depth + 1);
    }
}

/* The reader of protobuf relies on the order of the numbers. */
static void test_tables(void **state)
{
    (void)state;
    for (enum kube_record_kind k = 0; k < KUBE_RECORD_KINDS; k++) {
        const struct kube_field *table = kube_schema(k);
        assert_string_equal(table->name, "metadata");
        check(table, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
