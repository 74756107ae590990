/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of records: one maker, and the view of the record that was made last. */
#ifndef KUBE_RECORD_FIXTURE_TEST_H
#define KUBE_RECORD_FIXTURE_TEST_H

#include "kube/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/client.h"
#include "kube/wire_put.h"
#include "json/jx.h"

struct fixture {
    struct kube_record_maker *maker;
    struct arena arena;
    struct kube_view view; /* of the last record */
    const struct kube_record *record;
};

static inline int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->maker = kube_record_maker_new();
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    kube_record_maker_free(f->maker);
    arena_done(&f->arena);
    xfreep(state);
    return 0;
}

/* NULL when it can't be made. */
static inline const struct kube_view *make(struct fixture *f, enum kube_record_kind kind,
                                           const char *text)
{
    f->record =
        kube_record_make(f->maker, kind, KUBE_ENCODING_JSON, text, strlen(text), &(struct err){0});
    if (!f->record)
        return NULL;
    memset(&f->view, 0xee, sizeof f->view);
    kube_record_view(f->record, &f->view);
    return &f->view;
}

static inline const char *addresses(struct fixture *f)
{
    return kube_record_addresses(&f->arena, f->record);
}

#endif
