/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply.h"
#include "kubesim/apply_walk.h"
#include "json/jx.h"

/* As the API server bounds them. */
enum { OPERATIONS_MAX = 10000, COPIED_MAX = 3 * 1024 * 1024 };

json_t *sim_merge_patch(const json_t *obj, const json_t *patch)
{
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    json_t *out = json_deep_copy(obj);
    jx_merge(out, patch);
    return out;
}

/* --- strategic merge --- */

static json_t *strategic(const struct sim_type *t, const json_t *obj, const json_t *patch,
                         struct err *err);

static const char *directive(const json_t *v)
{
    return str_or(json_string_value(json_object_get(v, "$patch")), "");
}

/* "$setElementOrder/<field>" and the like: the field, or NULL. */
static const char *after(const char *key, const char *prefix)
{
    return str_starts(key, prefix) ? key + strlen(prefix) : NULL;
}

/* A value that only the patch has: as it is, without directives and null. */
static json_t *fresh(const struct sim_type *t, const json_t *patch, struct err *err)
{
    auto_json *nothing = json_is_array(patch) ? json_array() : json_object();
    return json_is_object(patch) || json_is_array(patch) ? strategic(t, nothing, patch, err)
                                                         : json_deep_copy(patch);
}

static size_t index_of(const json_t *list, const char *key, const json_t *like)
{
    size_t i;
    json_t *item;
    const json_t *wanted = json_object_get(like, key);
    json_array_foreach (list, i, item)
        if (json_equal(json_object_get(item, key), wanted))
            return i;
    return SIZE_MAX;
}

static int merge_item(const struct sim_type *t, const char *key, json_t *out, const json_t *item,
                      struct err *err)
{
    struct sim_type below = sim_type_item(t);
    if (!json_object_get(item, key))
        return err_set(err, ERR_INVALID, 400, "an item of the patch has no merge key \"%.64s\"",
                       key);
    size_t at = index_of(out, key, item);
    if (strcmp(directive(item), "delete") == 0) {
        if (at != SIZE_MAX)
            json_array_remove(out, at);
        return 0;
    }
    json_t *merged = at == SIZE_MAX ? fresh(&below, item, err)
                                    : strategic(&below, json_array_get(out, at), item, err);
    if (!merged)
        return -1;
    return at == SIZE_MAX ? json_array_append_new(out, merged)
                          : json_array_set_new(out, at, merged);
}

/* {"$patch": "replace"} among the items: the others are all that there will be. */
static bool replaces(const json_t *patch)
{
    size_t i;
    const json_t *item;
    json_array_foreach (patch, i, item)
        if (json_object_size(item) == 1 && strcmp(directive(item), "replace") == 0)
            return true;
    return false;
}

static json_t *merge_map(const struct sim_type *t, const json_t *list, const json_t *patch,
                         struct err *err)
{
    auto_free char *key = sim_type_merge_key(t);
    bool anew = replaces(patch);
    auto_json *out = anew ? json_array() : json_deep_copy(list);
    size_t i;
    const json_t *item;
    json_array_foreach (patch, i, item) {
        if (anew && strcmp(directive(item), "replace") == 0)
            continue;
        if (merge_item(t, str_or(key, ""), out, item, err) < 0)
            return NULL;
    }
    return json_incref(out);
}

static bool has_item(const json_t *list, const json_t *like)
{
    size_t i;
    const json_t *item;
    json_array_foreach (list, i, item)
        if (json_equal(item, like))
            return true;
    return false;
}

static json_t *merge_set(const json_t *list, const json_t *patch)
{
    json_t *out = json_deep_copy(list);
    size_t i;
    json_t *item;
    json_array_foreach (patch, i, item)
        if (!has_item(out, item))
            json_array_append(out, item);
    return out;
}

static json_t *merge_list(const struct sim_type *t, const json_t *list, const json_t *patch,
                          struct err *err)
{
    if (t->list == SIM_LIST_ATOMIC || !json_is_array(list))
        return json_deep_copy(patch);
    return t->list == SIM_LIST_SET ? merge_set(list, patch) : merge_map(t, list, patch, err);
}

/* "$retainKeys": what it does not name goes. */
static void retain(json_t *out, const json_t *names)
{
    const char *key;
    json_t *v;
    void *next;
    if (!json_is_array(names))
        return;
    json_object_foreach_safe (out, next, key, v) {
        auto_json *name = json_string(key);
        if (!has_item(names, name))
            json_object_del(out, key);
    }
}

static void delete_from(json_t *list, const json_t *gone)
{
    for (size_t i = json_array_size(list); i-- > 0;)
        if (has_item(gone, json_array_get(list, i)))
            json_array_remove(list, i);
}

static int patch_member(const struct sim_type *t, json_t *out, const char *key, const json_t *patch,
                        struct err *err)
{
    const char *list = after(key, "$deleteFromPrimitiveList/");
    if (list)
        delete_from(json_object_get(out, list), patch);
    if (*key == '$')
        return 0;
    if (json_is_null(patch) || strcmp(directive(patch), "delete") == 0) {
        json_object_del(out, key);
        return 0;
    }
    struct sim_type below = sim_type_field(t, key);
    const json_t *was = json_object_get(out, key);
    json_t *merged = was ? strategic(&below, was, patch, err) : fresh(&below, patch, err);
    return merged ? json_object_set_new(out, key, merged) : -1;
}

static json_t *strategic(const struct sim_type *t, const json_t *obj, const json_t *patch,
                         struct err *err)
{
    if (json_is_array(patch))
        return merge_list(t, obj, patch, err);
    if (!json_is_object(patch))
        return json_deep_copy(patch);
    bool anew = !json_is_object(obj) || strcmp(directive(patch), "replace") == 0;
    auto_json *out = anew ? json_object() : json_deep_copy(obj);
    const char *key;
    json_t *v;
    retain(out, json_object_get(patch, "$retainKeys"));
    SIM_EACH(patch, key, v)
    if (patch_member(t, out, key, v, err) < 0)
        return NULL;
    return json_incref(out);
}

json_t *sim_strategic_patch(const struct sim_apply *a, const json_t *obj, const json_t *patch,
                            struct err *err)
{
    struct sim_type t = sim_type_of(a->group, a->kind, a->schema);
    if (!json_is_object(patch)) {
        err_set(err, ERR_INVALID, 400, "a strategic merge patch is an object");
        return NULL;
    }
    return strategic(&t, obj, patch, err);
}

/* --- JSON Patch --- */

struct pointer {
    char *parts[JX_DEPTH_MAX];
    size_t n;
};

static void pointer_done(struct pointer *p)
{
    for (size_t i = 0; i < p->n; i++)
        xfreep(&p->parts[i]);
}

#define auto_pointer __attribute__((cleanup(pointer_done))) struct pointer

/* "~1" is "/", "~0" is "~". */
static char *unescape(const char *s, size_t len)
{
    char *out = xstrndup(s, len), *to = out;
    for (const char *from = out; *from; from++) {
        char c = *from;
        if (c == '~' && (from[1] == '0' || from[1] == '1'))
            c = *++from == '0' ? '~' : '/';
        *to++ = c;
    }
    *to = '\0';
    return out;
}

static int pointer_of(const char *s, struct pointer *ret)
{
    if (!s || (*s && *s != '/'))
        return -1;
    while (*s) {
        size_t len = strcspn(++s, "/");
        if (ret->n == JX_DEPTH_MAX)
            return -1;
        ret->parts[ret->n++] = unescape(s, len);
        s += len;
    }
    return 0;
}

/* The index a part names: below max; "-" is max. -1 when it is none. */
static int index_in(const char *part, size_t max, size_t *ret)
{
    int64_t i;
    if (strcmp(part, "-") == 0) {
        *ret = max;
        return 0;
    }
    if (!max || str_to_i64(part, 0, (int64_t)max - 1, &i) < 0)
        return -1;
    *ret = (size_t)i;
    return 0;
}

static json_t *child(json_t *v, const char *part)
{
    size_t i;
    if (json_is_object(v))
        return json_object_get(v, part);
    return json_is_array(v) && index_in(part, json_array_size(v), &i) == 0 ? json_array_get(v, i)
                                                                           : NULL;
}

/* The value that holds the last part, or NULL. */
static json_t *holder(json_t *doc, const struct pointer *p)
{
    for (size_t i = 0; doc && i + 1 < p->n; i++)
        doc = child(doc, p->parts[i]);
    return doc;
}

static json_t *value_at(json_t *doc, const struct pointer *p)
{
    return p->n ? child(holder(doc, p), p->parts[p->n - 1]) : doc;
}

static size_t depth(const json_t *v)
{
    size_t deepest = 0, d, i;
    const char *key;
    json_t *part;
    SIM_EACH(v, key, part)
    if ((d = depth(part)) > deepest)
        deepest = d;
    json_array_foreach (v, i, part)
        if ((d = depth(part)) > deepest)
            deepest = d;
    return deepest + 1;
}

static int add(json_t **doc, const struct pointer *p, json_t *v)
{
    if (!v || p->n + depth(v) > JX_DEPTH_MAX)
        return -1;
    if (!p->n) {
        json_incref(v);
        json_decref(*doc);
        *doc = v;
        return 0;
    }
    json_t *to = holder(*doc, p);
    const char *last = p->parts[p->n - 1];
    size_t i;
    if (json_is_object(to))
        return json_object_set(to, last, v);
    if (!json_is_array(to))
        return -1;
    if (strcmp(last, "-") == 0)
        return json_array_append(to, v);
    return index_in(last, json_array_size(to) + 1, &i) < 0 ? -1 : json_array_insert(to, i, v);
}

static int take_away(json_t *doc, const struct pointer *p)
{
    json_t *from = p->n ? holder(doc, p) : NULL;
    size_t i;
    if (json_is_object(from))
        return json_object_del(from, p->parts[p->n - 1]);
    if (!json_is_array(from) || index_in(p->parts[p->n - 1], json_array_size(from), &i) < 0)
        return -1;
    return json_array_remove(from, i);
}

static int replace(json_t **doc, const struct pointer *p, json_t *v)
{
    if (!value_at(*doc, p))
        return -1;
    if (p->n && take_away(*doc, p) < 0)
        return -1;
    return add(doc, p, v);
}

static bool is_within(const struct pointer *outer, const struct pointer *p)
{
    if (outer->n >= p->n)
        return false;
    for (size_t i = 0; i < outer->n; i++)
        if (strcmp(outer->parts[i], p->parts[i]) != 0)
            return false;
    return true;
}

static int move(json_t **doc, const struct pointer *from, const struct pointer *p)
{
    auto_json *v = json_incref(value_at(*doc, from));
    if (!v || is_within(from, p) || take_away(*doc, from) < 0)
        return -1;
    return add(doc, p, v);
}

/* Copies count, or a few operations could make a value of any size. */
static int copy(json_t **doc, const struct pointer *from, const struct pointer *p, size_t *copied)
{
    const json_t *v = value_at(*doc, from);
    auto_free char *text = v ? jx_dump(v) : NULL;
    if (!v || (*copied += text ? strlen(text) : 0) > COPIED_MAX)
        return -1;
    auto_json *own = json_deep_copy(v);
    return add(doc, p, own);
}

/* 0, -1: it cannot be done, -2: not an operation. */
static int operate(json_t **doc, const json_t *op, size_t *copied)
{
    const char *name = json_string_value(json_object_get(op, "op"));
    auto_pointer p = {0}, from = {0};
    if (!name || pointer_of(json_string_value(json_object_get(op, "path")), &p) < 0)
        return -2;
    auto_json *v = json_deep_copy(json_object_get(op, "value"));
    if (strcmp(name, "add") == 0)
        return v ? add(doc, &p, v) : -2;
    if (strcmp(name, "remove") == 0)
        return take_away(*doc, &p);
    if (strcmp(name, "replace") == 0)
        return v ? replace(doc, &p, v) : -2;
    if (strcmp(name, "test") == 0) {
        const json_t *is = value_at(*doc, &p);
        return (is && v && json_equal(is, v)) || (!is && json_is_null(v)) ? 0 : -1;
    }
    if (pointer_of(json_string_value(json_object_get(op, "from")), &from) < 0)
        return -2;
    if (strcmp(name, "move") == 0)
        return move(doc, &from, &p);
    return strcmp(name, "copy") == 0 ? copy(doc, &from, &p, copied) : -2;
}

static int refuse(const json_t *op, int why, struct err *err)
{
    const char *path = str_or(json_string_value(json_object_get(op, "path")), "");
    if (why == -2)
        return err_set(err, ERR_INVALID, 400, "an operation of the patch is malformed");
    return err_set(err, ERR_INVALID, 422, "the patch's operation on \"%.128s\" fails", path);
}

json_t *sim_json_patch(const json_t *obj, const json_t *patch, struct err *err)
{
    auto_json *doc = json_deep_copy(obj);
    size_t i, copied = 0;
    const json_t *op;
    if (!json_is_array(patch) || json_array_size(patch) > OPERATIONS_MAX) {
        err_set(err, ERR_INVALID, json_is_array(patch) ? 413 : 400,
                "a JSON patch is a list of at most %d operations", OPERATIONS_MAX);
        return NULL;
    }
    json_array_foreach (patch, i, op) {
        int did = operate(&doc, op, &copied);
        if (did < 0) {
            refuse(op, did, err);
            return NULL;
        }
    }
    return json_incref(doc);
}
