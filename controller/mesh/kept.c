/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

#define uthash_malloc(n) xmalloc(n)
#include <uthash.h>

/* One block: the object, the strings that it points to, the text. */
struct kept_object {
    struct plan_object o; /* first: what is handed out is its address */
    size_t refs, len;
    const char *text;
    UT_hash_handle hh;
    char strings[];
};

static size_t size_of(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static const char *copy(char **at, const char *s)
{
    if (!s)
        return NULL;
    char *start = *at;
    *at = (char *)mempcpy(start, s, strlen(s) + 1);
    return start;
}

static struct kept_object *keep(const struct plan_object *o)
{
    auto_free char *text = jx_dump(o->body);
    size_t len = strlen(text);
    struct kept_object *k =
        xcalloc(1, sizeof *k + size_of(o->ns) + size_of(o->name) + size_of(o->peer) +
                       size_of(o->file) + size_of(o->intent) + len + 1);
    char *at = k->strings;
    k->o = *o;
    k->o.body = NULL;
    k->o.ns = copy(&at, o->ns);
    k->o.name = copy(&at, o->name);
    k->o.peer = copy(&at, o->peer);
    k->o.file = copy(&at, o->file);
    k->o.intent = copy(&at, o->intent);
    k->text = copy(&at, text);
    k->len = len;
    return k;
}

static void drop_all(struct kept_object **all, const struct plan_object **objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct kept_object *k = (struct kept_object *)(uintptr_t)objects[i];
        if (--k->refs > 0)
            continue;
        HASH_DEL(*all, k);
        free(k);
    }
    free(objects);
}

void kept_take(struct kept_object **all, const struct plan *p, struct kept_plan *k)
{
    const struct plan_object **objects = xcalloc(p->n + 1, sizeof *objects);
    for (size_t i = 0; i < p->n; i++) {
        struct kept_object *one;
        HASH_FIND_STR(*all, p->objects[i].intent, one);
        if (!one) {
            one = keep(&p->objects[i]);
            HASH_ADD_KEYPTR(hh, *all, one->o.intent, strlen(one->o.intent), one);
        }
        one->refs++;
        objects[i] = &one->o;
    }
    drop_all(all, k->objects, k->n); /* after the new ones: what both have stays */
    *k = (struct kept_plan){objects, p->n};
}

void kept_drop(struct kept_object **all, struct kept_plan *k)
{
    drop_all(all, k->objects, k->n);
    *k = (struct kept_plan){0};
}

static int by_key(const void *a, const void *b)
{
    const struct plan_object *x = *(const struct plan_object *const *)a;
    const struct plan_object *y = *(const struct plan_object *const *)b;
    int c = (x->gvr > y->gvr) - (x->gvr < y->gvr);
    c = c ? c : str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

struct kept_index kept_index(struct arena *a, const struct kept_plan *k)
{
    struct kept_index x = {.n = k ? k->n : 0};
    x.sorted = arena_array(a, x.n + 1, sizeof *x.sorted);
    for (size_t i = 0; i < x.n; i++)
        x.sorted[i] = k->objects[i];
    qsort(x.sorted, x.n, sizeof *x.sorted, by_key);
    return x;
}

bool kept_has(const struct kept_index *x, const struct gvr *g, const char *ns, const char *name)
{
    struct plan_object probe = {.gvr = g, .ns = ns, .name = name};
    const struct plan_object *key = &probe;
    return x->n && bsearch(&key, x->sorted, x->n, sizeof *x->sorted, by_key);
}

static const struct kept_object *kept(const struct plan_object *o)
{
    return (const struct kept_object *)o;
}

const char *kept_text(const struct plan_object *o, size_t *len)
{
    *len = kept(o)->len;
    return kept(o)->text;
}

json_t *kept_body(const struct plan_object *o)
{
    return jx_load(kept(o)->text, kept(o)->len, NULL);
}
