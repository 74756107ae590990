/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of golden plans: with PLAN_OUT=<folder> plans are also written as JSON, one object a file, with made-up
 * content, for an API server to judge; with PLAN_ANSWERS=<folder> what it answered is judged (hack/dry-run). */
#ifndef ISTIO_GOLDEN_TEST_H
#define ISTIO_GOLDEN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "plan/plan.h"
#include "json/jx.h"

enum { GOLDEN_BYTES_MAX = 4194304 };

static inline void golden_write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static inline char *golden_print(const struct plan *p)
{
    auto_buf out = BUF_INIT(GOLDEN_BYTES_MAX);
    assert_int_equal(plan_print(p, &out), 0);
    return buf_take(&out);
}

/* The whole body, with content that has the right shape. */
static inline json_t *golden_made_up(const struct plan_object *o)
{
    json_t *body = json_deep_copy(o->body);
    if (o->content == PLAN_CACERTS)
        jx_set_str(body, "data.x", "eA==");
    if (o->content == PLAN_REMOTE_SECRET)
        json_object_set_new(body, "data", json_pack("{s:s}", o->peer, "eA=="));
    if (o->content == PLAN_FILE) {
        auto_free char *text = file_read(o->file, GOLDEN_BYTES_MAX, NULL, &(struct err){0});
        auto_json *file = text ? json_loads(text, 0, NULL) : NULL;
        assert_non_null(file);
        json_object_set(body, "spec", json_object_get(file, "spec"));
    }
    return body;
}

static inline void golden_write_objects(const char *folder, const char *name, const struct plan *p)
{
    auto_free char *dir = xasprintf("%s/%s", folder, name);
    mkdir(dir, 0777);
    for (size_t i = 0; i < p->n; i++) {
        auto_json *body = golden_made_up(&p->objects[i]);
        auto_free char *text = jx_dump(body);
        auto_free char *path = xasprintf("%s/%03zu.json", dir, i);
        golden_write_file(path, text);
    }
}

static inline const json_t *golden_answer_for(const json_t *list, const struct plan_object *o)
{
    size_t i;
    json_t *v;
    json_array_foreach (jx_get(list, "items"), i, v) {
        if (str_eq(jx_str(v, "kind"), o->gvr->kind) &&
            str_eq(jx_str(v, "apiVersion"), jx_str(o->body, "apiVersion")) &&
            str_eq(jx_str(v, "metadata.name"), o->name) &&
            str_eq(jx_str(v, "metadata.namespace"), o->ns))
            return v;
    }
    return NULL;
}

/* What an API server answered to the apply of a plan: applied again, it must be found to be ours. */
static inline void golden_check_owned(const char *folder, const char *name, const struct plan *p)
{
    auto_free char *path = xasprintf("%s/%s.json", folder, name);
    auto_free char *text = file_read(path, GOLDEN_BYTES_MAX, NULL, &(struct err){0});
    auto_json *list = text ? json_loads(text, 0, NULL) : NULL;
    for (size_t i = 0; i < p->n; i++) {
        const struct plan_object *o = &p->objects[i];
        const json_t *live = golden_answer_for(list, o);
        bool owned = false;
        size_t k;
        json_t *v;
        json_array_foreach (jx_get(live, "metadata.managedFields"), k, v) {
            if (str_eq(jx_str(v, "manager"), "meshwright") &&
                str_eq(jx_str(v, "operation"), "Apply"))
                owned = plan_owns(o->body, json_object_get(v, "fieldsV1"));
        }
        if (!owned)
            fail_msg("%s: %s %s is %s", name, o->gvr->kind, o->name,
                     live ? "not found to be ours" : "not answered");
    }
}

/* The plan of a golden case as its file should be. UPDATE_GOLDEN=1 writes it anew. */
static inline void golden_check(const char *name, const struct plan *p)
{
    auto_free char *got = golden_print(p);
    auto_free char *path = xasprintf("testdata/istio/%s/out.yaml", name);
    if (getenv("UPDATE_GOLDEN"))
        golden_write_file(path, got);
    if (getenv("PLAN_OUT"))
        golden_write_objects(getenv("PLAN_OUT"), name, p);
    if (getenv("PLAN_ANSWERS"))
        golden_check_owned(getenv("PLAN_ANSWERS"), name, p);
    auto_free char *want = file_read(path, GOLDEN_BYTES_MAX, NULL, &(struct err){0});
    if (!want)
        fail_msg("%s is missing", path);
    assert_string_equal(got, want);
}

#endif
