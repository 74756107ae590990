/* SPDX-License-Identifier: Apache-2.0 */
/* The carried Istio data: one folder per version, of which only the index is held. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

enum { INDEX_MAX = 1048576, PARTS = 3 };

struct istio_data {
    char *dir; /* <dir>/<version> */
    char *version;
    json_t *index;
};

/* "1.31.0" as numbers, -1 for what is no such version. n_parts: how many there are (1..3). */
static int parse_version(const char *s, int64_t part[PARTS], int *ret_parts)
{
    int n = 0;
    for (;;) {
        size_t len = strcspn(s, ".");
        auto_free char *one = xstrndup(s, len);
        if (n == PARTS || str_to_i64(one, 0, INT32_MAX, &part[n]) < 0)
            return -1;
        n++;
        if (!s[len])
            break;
        s += len + 1;
    }
    *ret_parts = n;
    return 0;
}

static int cmp_version(const int64_t a[PARTS], const int64_t b[PARTS])
{
    for (int i = 0; i < PARTS; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

struct search {
    const char *wanted; /* or NULL */
    int64_t part[PARTS];
    int parts; /* of wanted that count; 0: any; -1: wanted is no version */
    int64_t best[PARTS];
    char *found;
    struct buf seen; /* "1.30.2, 1.31.0", for the message */
};

static bool matches(const struct search *s, const int64_t v[PARTS])
{
    for (int i = 0; i < s->parts; i++)
        if (v[i] != s->part[i])
            return false;
    return s->parts >= 0;
}

static void consider(struct search *s, const char *name)
{
    int64_t v[PARTS] = {0};
    int n;
    if (parse_version(name, v, &n) < 0 || n != PARTS)
        return;
    (void)buf_printf(&s->seen, "%s%s", s->seen.len ? ", " : "", name);
    if (!matches(s, v) || (s->found && cmp_version(v, s->best) <= 0))
        return;
    memcpy(s->best, v, sizeof v);
    free(s->found);
    s->found = xstrdup(name);
}

/* The version to use; owned, NULL with *err set. */
static char *find_version(const char *dir, const char *version, struct err *err)
{
    struct search s = {.wanted = version, .seen = BUF_INIT(256)};
    if (version && parse_version(version, s.part, &s.parts) < 0)
        s.parts = -1;
    DIR *d = opendir(dir);
    if (!d) {
        err_set(err, ERR_INVALID, errno, "no Istio data in %s: %s", dir, strerror(errno));
        return NULL;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        consider(&s, e->d_name);
    closedir(d);
    if (!s.found)
        err_set(err, ERR_INVALID, 0, "Istio %s is not carried (carried: %s)",
                str_or(version, "(any)"), s.seen.len ? s.seen.data : "none");
    buf_done(&s.seen);
    return s.found;
}

static json_t *load_index(const char *path, struct err *err)
{
    size_t n;
    auto_free char *text = file_read(path, INDEX_MAX, &n, err);
    if (!text)
        return NULL;
    json_t *index = jx_load(text, n, err);
    if (!index)
        err_wrap(err, "%s", path);
    return index;
}

struct istio_data *istio_data_load(const char *dir, const char *version, struct err *err)
{
    char *found = find_version(dir, version, err);
    if (!found)
        return NULL;
    struct istio_data *d = xcalloc(1, sizeof *d);
    d->version = found;
    d->dir = xasprintf("%s/%s", dir, found);
    auto_free char *path = xasprintf("%s/index.json", d->dir);
    d->index = load_index(path, err);
    if (d->index && json_array_size(jx_get(d->index, "crds")) == 0) {
        err_set(err, ERR_INVALID, 0, "%s lists no CRDs", path);
        json_decref(STEAL(d->index));
    }
    if (!d->index) {
        istio_data_free(d);
        return NULL;
    }
    return d;
}

void istio_data_free(struct istio_data *d)
{
    if (!d)
        return;
    json_decref(d->index);
    free(d->version);
    free(d->dir);
    free(d);
}

const char *istio_data_version(const struct istio_data *d)
{
    return d->version;
}

static json_t *copy_or_null(const json_t *v)
{
    return v ? json_deep_copy(v) : json_null();
}

static bool is_istio(const json_t *crd)
{
    return str_eq(str_or(jx_str(crd, "set"), ISTIO_SET_ISTIO), ISTIO_SET_ISTIO);
}

static int render_crd(struct render *r, const json_t *crd)
{
    const char *name = jx_str(crd, "name");
    const char *file = jx_str(crd, "file");
    const json_t *owned = jx_get(crd, "owned");
    if (!name || !file || strchr(file, '/') || !json_is_object(owned))
        return err_set(r->err, ERR_INVALID, 0, "bad entry in the index of Istio %s",
                       r->t->data->version);
    json_t *vars = json_pack(
        "{s:s, s:o, s:o, s:o}", "name", name, "labels", copy_or_null(jx_get(crd, "labels")),
        "annotations", copy_or_null(jx_get(crd, "annotations")), "spec", json_deep_copy(owned));
    json_t *inputs = json_pack("{s:s*}", "sha256", jx_str(crd, "sha256"));
    struct plan_object *o = render_add_one(r, PLAN_CRDS, "crd", vars, inputs);
    if (!o)
        return -1;
    o->content = PLAN_FILE;
    o->file = arena_printf(&r->p->arena, "%s/crds/%s", r->t->data->dir, file);
    o->yields = !is_istio(crd);
    return 0;
}

static int render_set(struct render *r, const char *set)
{
    size_t i, n = 0;
    json_t *crd;
    json_array_foreach (jx_get(r->t->data->index, "crds"), i, crd) {
        if (!str_eq(str_or(jx_str(crd, "set"), ISTIO_SET_ISTIO), set))
            continue;
        if (render_crd(r, crd) < 0)
            return -1;
        n++;
    }
    return n ? 0
             : err_set(r->err, ERR_INVALID, 0, "Istio %s is carried without CRDs of %s",
                       r->t->data->version, set);
}

int istio_data_plan(const struct istio_data *d, const char *set, const struct plan_owner *owner,
                    struct plan *p, struct err *err)
{
    struct istio_target t = {.owner = *owner, .data = d};
    struct render r = {.t = &t, .p = p, .err = err};
    return render_set(&r, set);
}

int render_crds(struct render *r)
{
    const struct istio_target *t = r->t;
    if (render_set(r, ISTIO_SET_ISTIO) < 0)
        return -1;
    bool gateways = !render_is_remote(r) && t->n_network_gateways;
    return gateways ? render_set(r, ISTIO_SET_GATEWAY_API) : 0;
}
