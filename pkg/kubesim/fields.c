/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { PATH_MAX_BYTES = 1024 * 1024 };

void sim_fields_done(struct sim_fields *s)
{
    for (size_t i = 0; i < s->n; i++)
        sim_fields_done(&s->kids[i]);
    xfreep(&s->kids);
    xfreep(&s->element);
    s->n = s->cap = 0;
}

/* Names sort before keys, keys before values, values before indexes. */
static int rank(const char *element)
{
    static const char order[] = "fkvi";
    const char *at = strchr(order, *element);
    return at ? (int)(at - order) : (int)sizeof order;
}

static bool is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-';
}

/* Compact JSON with the same keys, by value: numbers by size, strings by their bytes. Walks to the first difference. */
static int compare_json(const char *a, const char *b)
{
    bool quoted = false;
    size_t number = 0; /* where the number begins that i is in */
    size_t i = 0;
    for (; a[i] && a[i] == b[i]; i++) {
        if (a[i] == '"')
            quoted = !quoted;
        else if (a[i] == '\\' && a[i + 1] && a[i + 1] == b[i + 1])
            i++;
        if (quoted || !is_number(a[i]))
            number = i + 1;
    }
    if (!quoted && is_number(a[number]) && is_number(b[number])) {
        double x = strtod(a + number, NULL), y = strtod(b + number, NULL);
        return isgreater(x, y) - isless(x, y);
    }
    if (quoted && (a[i] == '"') != (b[i] == '"'))
        return a[i] == '"' ? -1 : 1;
    return (unsigned char)a[i] - (unsigned char)b[i];
}

static int compare(const char *a, const char *b)
{
    if (*a != *b)
        return rank(a) - rank(b);
    return *a == 'f' ? strcmp(a, b) : compare_json(a, b);
}

/* The place of the first child that is not before element. */
static size_t place(const struct sim_fields *s, const char *element, bool *ret_found)
{
    size_t low = 0, high = s->n;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(s->kids[middle].element, element);
        if (!c) {
            *ret_found = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct sim_fields *insert(struct sim_fields *s, size_t at, struct sim_fields kid)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 4;
        s->kids = xrealloc(s->kids, s->cap * sizeof *s->kids);
    }
    memmove(s->kids + at + 1, s->kids + at, (s->n - at) * sizeof *s->kids);
    s->kids[at] = kid;
    s->n++;
    return &s->kids[at];
}

struct sim_fields *sim_fields_at(struct sim_fields *s, const char *element)
{
    bool found;
    size_t at = place(s, element, &found);
    if (found)
        return &s->kids[at];
    return insert(s, at, (struct sim_fields){.element = xstrdup(element)});
}

struct sim_fields *sim_fields_find(const struct sim_fields *s, const char *element)
{
    bool found;
    size_t at = s ? place(s, element, &found) : 0;
    return s && found ? &s->kids[at] : NULL;
}

bool sim_fields_empty(const struct sim_fields *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->kids[i].member || !sim_fields_empty(&s->kids[i]))
            return false;
    return true;
}

struct sim_fields sim_fields_copy(const struct sim_fields *s)
{
    struct sim_fields copy = {
        .element = xstrdup0(s->element), .member = s->member, .n = s->n, .cap = s->n};
    if (s->n)
        copy.kids = xcalloc(s->n, sizeof *copy.kids);
    for (size_t i = 0; i < s->n; i++)
        copy.kids[i] = sim_fields_copy(&s->kids[i]);
    return copy;
}

void sim_fields_add(struct sim_fields *s, const struct sim_fields *other)
{
    for (size_t i = 0; i < other->n; i++) {
        struct sim_fields *kid = sim_fields_at(s, other->kids[i].element);
        kid->member |= other->kids[i].member;
        sim_fields_add(kid, &other->kids[i]);
    }
}

void sim_fields_tidy(struct sim_fields *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->kids[i].member || s->kids[i].n)
            s->kids[kept++] = s->kids[i];
        else
            sim_fields_done(&s->kids[i]);
    s->n = kept;
}

static void remove_all(struct sim_fields *s, const struct sim_fields *other, bool below)
{
    for (size_t i = 0; i < s->n; i++) {
        struct sim_fields *kid = &s->kids[i];
        const struct sim_fields *match = sim_fields_find(other, kid->element);
        if (!match)
            continue;
        if (match->member && below)
            for (; kid->n; kid->n--)
                sim_fields_done(&kid->kids[kid->n - 1]);
        kid->member &= !match->member;
        remove_all(kid, match, below);
    }
    sim_fields_tidy(s);
}

void sim_fields_remove(struct sim_fields *s, const struct sim_fields *other)
{
    remove_all(s, other, false);
}

void sim_fields_remove_below(struct sim_fields *s, const struct sim_fields *other)
{
    remove_all(s, other, true);
}

void sim_fields_keep(struct sim_fields *s, const struct sim_fields *other)
{
    static const struct sim_fields none;
    for (size_t i = 0; i < s->n; i++) {
        const struct sim_fields *match = sim_fields_find(other, s->kids[i].element);
        s->kids[i].member &= match && match->member;
        sim_fields_keep(&s->kids[i], match ? match : &none);
    }
    sim_fields_tidy(s);
}

static void read_json(struct sim_fields *s, const json_t *v)
{
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it;
         it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        const char *key = json_object_iter_key(it);
        const json_t *below = json_object_iter_value(it);
        if (!*key || !strchr("fkvi", *key) || key[1] != ':')
            continue;
        struct sim_fields *kid = sim_fields_at(s, key);
        kid->member = !json_object_size(below) || json_object_get(below, ".");
        read_json(kid, below);
    }
}

struct sim_fields sim_fields_of_json(const json_t *v)
{
    struct sim_fields s = {0};
    read_json(&s, v);
    return s;
}

json_t *sim_fields_to_json(const struct sim_fields *s)
{
    json_t *v = json_object();
    if (s->element && s->member && s->n)
        json_object_set_new(v, ".", json_object());
    for (size_t i = 0; i < s->n; i++)
        json_object_set_new(v, s->kids[i].element, sim_fields_to_json(&s->kids[i]));
    return v;
}

static void print_keys(struct buf *out, const json_t *keys)
{
    const char *before = "[";
    for (void *it = json_object_iter((json_t *)(uintptr_t)keys); it;
         it = json_object_iter_next((json_t *)(uintptr_t)keys, it)) {
        auto_free char *value = json_dumps(json_object_iter_value(it), JSON_ENCODE_ANY);
        buf_printf(out, "%s%s=%s", before, json_object_iter_key(it), value);
        before = ",";
    }
    buf_puts(out, "]");
}

static void print_element(struct buf *out, const char *element)
{
    const char *text = element + 2;
    if (*element == 'k') {
        auto_json *keys = json_loads(text, 0, NULL);
        print_keys(out, keys);
    } else {
        buf_printf(out, *element == 'f' ? ".%s" : *element == 'v' ? "[=%s]" : "[%s]", text);
    }
}

char *sim_element_text(const char *element)
{
    auto_buf out = BUF_INIT(PATH_MAX_BYTES);
    print_element(&out, element);
    return buf_take(&out);
}

static void each(const struct sim_fields *s, struct buf *path,
                 void (*fn)(void *arg, const char *path), void *arg, bool members)
{
    size_t len = path->len;
    for (size_t i = 0; i < s->n; i++) {
        if (members && !s->kids[i].member)
            continue;
        print_element(path, s->kids[i].element);
        if (members) {
            fn(arg, path->data);
        } else {
            each(&s->kids[i], path, fn, arg, true);
            each(&s->kids[i], path, fn, arg, false);
        }
        path->data[path->len = len] = '\0';
    }
}

void sim_fields_each(const struct sim_fields *s, void (*fn)(void *arg, const char *path), void *arg)
{
    auto_buf path = BUF_INIT(PATH_MAX_BYTES);
    buf_puts(&path, "");
    each(s, &path, fn, arg, true);
    each(s, &path, fn, arg, false);
}
