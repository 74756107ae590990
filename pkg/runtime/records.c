/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/records.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { KEY_MAX = 600 };

static size_t make_key(char out[KEY_MAX], const char *ns, const char *name)
{
    int n = snprintf(out, KEY_MAX, "%s/%s", ns ? ns : "", name);
    return n < 0 || n >= KEY_MAX ? 0 : (size_t)n;
}

struct record *records_find(const struct records *r, const char *ns, const char *name)
{
    char key[KEY_MAX];
    size_t n = make_key(key, ns, name);
    struct record *found = NULL;
    if (n)
        HASH_FIND(hh, r->all, key, n, found);
    return found;
}

int records_compare_versions(const char *a, const char *b)
{
    int64_t x, y;
    if (str_to_i64(a, 0, INT64_MAX, &x) < 0 || str_to_i64(b, 0, INT64_MAX, &y) < 0)
        return 1;
    return (x > y) - (x < y);
}

bool records_put(struct records *r, struct kube_record *obj)
{
    char key[KEY_MAX];
    size_t n = make_key(key, obj->meta.ns, obj->meta.name);
    struct record *e = n ? records_find(r, obj->meta.ns, obj->meta.name) : NULL;
    bool stale = e && str_eq(e->obj->meta.uid, obj->meta.uid) &&
                 records_compare_versions(obj->meta.rv, e->obj->meta.rv) < 0;
    if (e)
        e->listed = true;
    if (!n || stale) {
        free(obj);
        return false;
    }
    if (!e) {
        e = xcalloc(1, sizeof *e + n + 1);
        memcpy(e->key, key, n + 1);
        HASH_ADD(hh, r->all, key[0], n, e);
    }
    if (e->obj && str_eq(e->obj->meta.rv, obj->meta.rv) &&
        str_eq(e->obj->meta.uid, obj->meta.uid)) {
        free(obj); /* listed again, unchanged: what was verified stays verified */
        return false;
    }
    free(e->obj);
    e->obj = obj;
    e->listed = true;
    e->verified[0] = '\0';
    return true;
}

static void drop(struct records *r, struct record *e)
{
    HASH_DEL(r->all, e);
    free(e->obj);
    free(e);
}

bool records_remove(struct records *r, const char *ns, const char *name)
{
    struct record *e = records_find(r, ns, name);
    if (e)
        drop(r, e);
    return e != NULL;
}

void records_list_begin(struct records *r)
{
    struct record *e, *tmp;
    HASH_ITER (hh, r->all, e, tmp) {
        e->listed = false;
    }
}

size_t records_list_end(struct records *r)
{
    size_t gone = 0;
    struct record *e, *tmp;
    HASH_ITER (hh, r->all, e, tmp) {
        if (!e->listed) {
            drop(r, e);
            gone++;
        }
    }
    r->synced = true;
    return gone;
}

void records_done(struct records *r)
{
    struct record *e, *tmp;
    HASH_ITER (hh, r->all, e, tmp) {
        drop(r, e);
    }
    r->synced = false;
}
