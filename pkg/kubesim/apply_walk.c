/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/apply_walk.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

void sim_changes_done(struct sim_changes *c)
{
    sim_fields_done(&c->added);
    sim_fields_done(&c->modified);
    sim_fields_done(&c->removed);
}

/* Whether v is compared and merged part by part. */
static bool has_parts(const struct sim_type *t, const json_t *v)
{
    if (json_is_object(v))
        return !t->whole;
    return json_is_array(v) && t->list != SIM_LIST_ATOMIC;
}

static bool is_empty(const json_t *v)
{
    return !json_object_size(v) && !json_array_size(v);
}

/* Two values whose parts are compared: of the same kind, or one of them null; not both empty. */
static bool have_parts(const struct sim_type *t, const json_t *a, const json_t *b)
{
    if (json_is_null(a))
        return has_parts(t, b) && !is_empty(b);
    if (json_is_null(b))
        return has_parts(t, a) && !is_empty(a);
    return json_typeof(a) == json_typeof(b) && has_parts(t, a) && !(is_empty(a) && is_empty(b));
}

static char *field_element(const char *name)
{
    return xasprintf("f:%s", name);
}

/* --- the parts of a value as pairs of path element and value: {"k:...": item}; the first of two with one key --- */

static json_t *parts_of(const struct sim_type *t, const json_t *v)
{
    json_t *parts = json_object();
    const char *key;
    json_t *part;
    SIM_EACH(v, key, part)
    {
        auto_free char *element = field_element(key);
        json_object_set(parts, element, part);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        auto_free char *element = sim_type_element(t, json_array_get(v, i));
        if (element && !json_object_get(parts, element))
            json_object_set(parts, element, json_array_get(v, i));
    }
    return parts;
}

/* --- compare --- */

/* Where the walk is in each of the three sets; nodes are made when something is put there. */
struct way {
    const struct way *up;
    const char *element;
};

static struct sim_fields *node_at(struct sim_fields *root, const struct way *at)
{
    return at->element ? sim_fields_at(node_at(root, at->up), at->element) : root;
}

static void put(struct sim_fields *set, const struct way *at)
{
    if (at->element)
        node_at(set, at)->member = true;
}

static void compare(const struct sim_type *t, const json_t *a, const json_t *b,
                    const struct way *at, struct sim_changes *c);

static void compare_parts(const struct sim_type *t, const json_t *a, const json_t *b,
                          const struct way *at, struct sim_changes *c)
{
    auto_json *left = parts_of(t, a), *right = parts_of(t, b);
    const char *element;
    json_t *part;
    SIM_EACH(left, element, part)
    {
        struct sim_type below = sim_type_below(t, element);
        compare(&below, part, json_object_get(right, element), &(struct way){at, element}, c);
    }
    SIM_EACH(right, element, part)
    {
        struct sim_type below = sim_type_below(t, element);
        if (!json_object_get(left, element))
            compare(&below, NULL, part, &(struct way){at, element}, c);
    }
}

static void compare(const struct sim_type *t, const json_t *a, const json_t *b,
                    const struct way *at, struct sim_changes *c)
{
    if (a && b) {
        if (have_parts(t, a, b))
            compare_parts(t, a, b, at, c);
        else if (!json_equal(a, b))
            put(&c->modified, at);
    } else if (a || b) {
        if (has_parts(t, a ? a : b))
            compare_parts(t, a, b, at, c);
        put(a ? &c->removed : &c->added, at);
    }
}

struct sim_changes sim_compare(const struct sim_type *t, const json_t *a, const json_t *b)
{
    struct sim_changes c = {0};
    compare(t, a, b, &(struct way){0}, &c);
    return c;
}

/* --- fields of a value --- */

static void collect(const struct sim_type *t, const json_t *v, struct sim_fields *s)
{
    if (!has_parts(t, v)) {
        s->member = true;
        return;
    }
    auto_json *parts = parts_of(t, v);
    const char *element;
    json_t *part;
    SIM_EACH(parts, element, part)
    {
        struct sim_type below = sim_type_below(t, element);
        bool nothing = json_is_null(part) || (json_is_object(part) && is_empty(part));
        /* An empty map or set without items of its own says nothing, and is no node of the tree. */
        if (json_is_array(part) && is_empty(part) && has_parts(&below, part) && below.declared)
            continue;
        struct sim_fields *kid = sim_fields_at(s, element);
        collect(&below, part, kid);
        kid->member |= nothing || *element != 'f' || !below.declared;
    }
    sim_fields_tidy(s);
}

struct sim_fields sim_fields_of(const struct sim_type *t, const json_t *v)
{
    struct sim_fields s = {0};
    if (v)
        collect(t, v, &s);
    s.member = false;
    return s;
}

void sim_fields_name(const struct sim_type *t, struct sim_fields *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct sim_type below = sim_type_below(t, s->kids[i].element);
        s->kids[i].member |= s->kids[i].n && *s->kids[i].element == 'f' && below.declared;
        sim_fields_name(&below, &s->kids[i]);
    }
}

/* --- merge --- */

static json_t *merge_objects(const struct sim_type *t, const json_t *a, const json_t *b)
{
    json_t *out = json_object();
    const char *key;
    json_t *v;
    SIM_EACH(a, key, v)
    {
        struct sim_type below = sim_type_field(t, key);
        json_object_set_new(out, key, sim_merge(&below, v, json_object_get(b, key)));
    }
    SIM_EACH(b, key, v)
    if (!json_object_get(a, key))
        json_object_set_new(out, key, json_deep_copy(v));
    return out;
}

/* The path elements of a list's items in their order: [element, ...]; null for an item that has none. */
static json_t *elements_of(const struct sim_type *t, const json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        auto_free char *element = sim_type_element(t, json_array_get(list, i));
        json_array_append_new(out, element ? json_string(element) : json_null());
    }
    return out;
}

struct lists {
    const struct sim_type *t;
    const json_t *a;
    const json_t *left, *right;             /* elements */
    const json_t *left_items, *right_items; /* items by element */
    size_t l, r, shared; /* next of each; shared: the next of right that is in left too */
    json_t *out;
};

static const char *nth(const json_t *elements, size_t i)
{
    return json_string_value(json_array_get(elements, i));
}

static const json_t *item_of(const json_t *items, const char *element)
{
    return element ? json_object_get(items, element) : NULL;
}

static void next_shared(struct lists *m)
{
    while (m->shared < json_array_size(m->right) &&
           !item_of(m->left_items, nth(m->right, m->shared)))
        m->shared++;
}

static void take_right(struct lists *m)
{
    const char *element = nth(m->right, m->r);
    struct sim_type item = sim_type_item(m->t);
    json_array_append_new(m->out, sim_merge(&item, item_of(m->left_items, element),
                                            item_of(m->right_items, element)));
    if (m->shared == m->r)
        m->shared++;
    m->r++;
    next_shared(m);
}

/* An item of left: true when it was dealt with, false when it is right's turn. */
static bool take_left(struct lists *m)
{
    const char *element = nth(m->left, m->l);
    if (!item_of(m->right_items, element)) {
        json_array_append_new(m->out, json_deep_copy(json_array_get(m->a, m->l++)));
        return true;
    }
    if (m->r >= json_array_size(m->right)) { /* it came with right already */
        m->l++;
        return true;
    }
    if (str_eq(element, nth(m->right, m->r))) {
        take_right(m);
        m->l++;
        return true;
    }
    if (str_eq(element, nth(m->right, m->shared)))
        return false; /* its turn comes after what is only in right */
    m->l++;
    return true;
}

static json_t *merge_lists(const struct sim_type *t, const json_t *a, const json_t *b)
{
    auto_json *left = elements_of(t, a), *right = elements_of(t, b);
    auto_json *left_items = parts_of(t, a), *right_items = parts_of(t, b);
    struct lists m = {.t = t,
                      .a = a,
                      .left = left,
                      .right = right,
                      .left_items = left_items,
                      .right_items = right_items,
                      .out = json_array()};
    next_shared(&m);
    while (m.l < json_array_size(left) || m.r < json_array_size(right))
        if (m.l >= json_array_size(left) || !take_left(&m))
            take_right(&m);
    return m.out;
}

json_t *sim_merge(const struct sim_type *t, const json_t *a, const json_t *b)
{
    if (!a || !b)
        return json_deep_copy(a ? a : b);
    if (!have_parts(t, a, b))
        return json_deep_copy(b);
    if (json_is_null(a) || json_is_null(b))
        return json_deep_copy(json_is_null(a) ? b : a);
    return json_is_object(a) ? merge_objects(t, a, b) : merge_lists(t, a, b);
}

/* --- remove --- */

static json_t *part_without(const struct sim_type *t, const json_t *v, const struct sim_fields *s)
{
    return s && s->n ? sim_without(t, v, s) : json_deep_copy(v);
}

static json_t *object_without(const struct sim_type *t, const json_t *v, const struct sim_fields *s)
{
    json_t *out = json_object();
    const char *key;
    json_t *part;
    SIM_EACH(v, key, part)
    {
        auto_free char *element = field_element(key);
        const struct sim_fields *kid = sim_fields_find(s, element);
        struct sim_type below = sim_type_field(t, key);
        if (!kid || !kid->member)
            json_object_set_new(out, key, part_without(&below, part, kid));
    }
    return out;
}

static json_t *list_without(const struct sim_type *t, const json_t *v, const struct sim_fields *s)
{
    json_t *out = json_array();
    struct sim_type below = sim_type_item(t);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        auto_free char *element = sim_type_element(t, item);
        const struct sim_fields *kid = element ? sim_fields_find(s, element) : NULL;
        if (!kid || !kid->member)
            json_array_append_new(out, part_without(&below, item, kid));
    }
    return out;
}

json_t *sim_without(const struct sim_type *t, const json_t *v, const struct sim_fields *s)
{
    if (!json_is_object(v) && !json_is_array(v))
        return json_deep_copy(v);
    if (!has_parts(t, v))
        return json_null();
    json_t *out = json_is_object(v) ? object_without(t, v, s) : list_without(t, v, s);
    if (!is_empty(out))
        return out;
    json_decref(out);
    return json_null();
}

/* --- other --- */

void sim_drop_nulls(const struct sim_type *t, json_t *v)
{
    struct sim_type item = sim_type_item(t);
    for (size_t i = 0; i < json_array_size(v); i++)
        sim_drop_nulls(&item, json_array_get(v, i));
    const char *key;
    json_t *part;
    void *next;
    json_object_foreach_safe (v, next, key, part) {
        struct sim_type below = sim_type_field(t, key);
        if (json_is_null(part) && !sim_type_nullable(&below))
            json_object_del(v, key);
        else
            sim_drop_nulls(&below, part);
    }
}

static char *below_duplicate(const struct sim_type *t, const json_t *v, const char *element)
{
    struct sim_type below = sim_type_below(t, element);
    auto_free char *found = sim_find_duplicate(&below, v);
    if (!found)
        return NULL;
    auto_free char *at = sim_element_text(element);
    return xasprintf("%s%s", at, found);
}

char *sim_find_duplicate(const struct sim_type *t, const json_t *v)
{
    if (!has_parts(t, v))
        return NULL;
    auto_json *parts = parts_of(t, v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        auto_free char *element = sim_type_element(t, json_array_get(v, i));
        if (element && json_object_get(parts, element) != json_array_get(v, i)) {
            auto_free char *text = sim_element_text(element);
            return xasprintf(": duplicate entries for key %s", text);
        }
    }
    const char *element;
    json_t *part;
    char *found = NULL;
    SIM_EACH(parts, element, part)
    if ((found = below_duplicate(t, part, element)))
        break;
    return found;
}
