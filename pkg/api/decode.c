/* SPDX-License-Identifier: Apache-2.0 */
#include "api/decode.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/meta.h"
#include "base/str.h"

enum { PATH_MAX_LEN = 256 };

/* One value on its way from JSON into a struct. */
struct slot {
    const struct api_field *f;
    const json_t *v;
    const char *path;
    struct arena *a;
    char *dst; /* the struct */
    struct err *err;
};

/* A path only informs, so one that is too long may be cut. */
__attribute__((format(printf, 2, 3))) static void path_set(char out[PATH_MAX_LEN], const char *fmt,
                                                           ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out, PATH_MAX_LEN, fmt, ap);
    va_end(ap);
}

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int wrong_type(const char *path, const char *want, const json_t *v, struct err *err)
{
    return err_set(err, ERR_INVALID, 0, "%s: must be %s, not %s", path, want, type_name(v));
}

static void put(const struct slot *s, size_t offset, const void *value, size_t size)
{
    memcpy(s->dst + offset, value, size);
}

static int check_bounds(const struct slot *s, int64_t n, const char *what)
{
    if (n < s->f->min)
        return err_set(s->err, ERR_INVALID, 0, "%s: %s must be at least %" PRId64, s->path, what,
                       s->f->min);
    if (s->f->max && n > s->f->max)
        return err_set(s->err, ERR_INVALID, 0, "%s: %s must be at most %" PRId64, s->path, what,
                       s->f->max);
    return 0;
}

/* Characters, as the schema counts them: bytes that don't continue a UTF-8 sequence. */
static int64_t characters(const char *s)
{
    int64_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* A borrowed string that C can hold. */
static int get_string(const json_t *v, const char *path, const char **ret, struct err *err)
{
    if (!json_is_string(v))
        return wrong_type(path, "a string", v, err);
    const char *s = json_string_value(v);
    if (strlen(s) != json_string_length(v))
        return err_set(err, ERR_INVALID, 0, "%s: has a NUL character", path);
    *ret = s;
    return 0;
}

static int decode_string(const struct slot *s)
{
    const char *str = NULL;
    if (get_string(s->v, s->path, &str, s->err) || check_bounds(s, characters(str), "length"))
        return -1;
    put(s, s->f->offset, &str, sizeof(str));
    return 0;
}

static int decode_bool(const struct slot *s)
{
    if (!json_is_boolean(s->v))
        return wrong_type(s->path, "a boolean", s->v, s->err);
    bool b = json_is_true(s->v);
    put(s, s->f->offset, &b, sizeof(b));
    return 0;
}

static int decode_int(const struct slot *s)
{
    if (!json_is_integer(s->v))
        return wrong_type(s->path, "an integer", s->v, s->err);
    int64_t n = json_integer_value(s->v);
    if (check_bounds(s, n, "value"))
        return -1;
    put(s, s->f->offset, &n, sizeof(n));
    return 0;
}

static int decode_enum(const struct slot *s)
{
    const char *str = NULL;
    if (get_string(s->v, s->path, &str, s->err))
        return -1;
    for (int i = 1; i < s->f->values->n; i++)
        if (str_eq(str, s->f->values->names[i])) {
            put(s, s->f->offset, &i, sizeof(i));
            return 0;
        }
    return err_set(s->err, ERR_INVALID, 0, "%s: unknown value \"%.64s\"", s->path, str);
}

static int decode_object(const struct slot *s)
{
    void *sub = arena_alloc(s->a, s->f->sub->size);
    if (api_decode_struct(s->f->sub, s->v, s->path, s->a, sub, s->err))
        return -1;
    put(s, s->f->offset, &sub, sizeof(sub));
    return 0;
}

static int check_map_value(const struct slot *s, const char *key, const json_t *v)
{
    char path[PATH_MAX_LEN];
    path_set(path, "%s.%.100s", s->path, key);
    if (s->f->type == API_MAP_QUANTITY && json_is_integer(v))
        return 0;
    const char *unused = NULL;
    return get_string(v, path, &unused, s->err);
}

/* All that stays JSON: maps, and objects whose fields are not ours. */
static int decode_json(const struct slot *s)
{
    if (!json_is_object(s->v))
        return wrong_type(s->path, "an object", s->v, s->err);
    if (check_bounds(s, (int64_t)json_object_size(s->v), "number of entries"))
        return -1;
    const char *key = NULL;
    json_t *v = NULL;
    if (s->f->type != API_JSON) {
        json_object_foreach ((json_t *)(uintptr_t)s->v, key, v)
            if (check_map_value(s, key, v))
                return -1;
    }
    put(s, s->f->offset, &s->v, sizeof(s->v));
    return 0;
}

static int decode_item(const struct slot *s, size_t i, char *item)
{
    char path[PATH_MAX_LEN];
    path_set(path, "%s[%zu]", s->path, i);
    const json_t *v = json_array_get(s->v, i);
    if (s->f->type == API_LIST_OBJECT)
        return api_decode_struct(s->f->sub, v, path, s->a, item, s->err);
    const char *str = NULL;
    if (get_string(v, path, &str, s->err))
        return -1;
    memcpy(item, &str, sizeof(str));
    return 0;
}

static int decode_list(const struct slot *s)
{
    if (!json_is_array(s->v))
        return wrong_type(s->path, "a list", s->v, s->err);
    size_t n = json_array_size(s->v);
    if (check_bounds(s, (int64_t)n, "number of items"))
        return -1;
    if (n == 0)
        return 0;
    size_t size = s->f->type == API_LIST_OBJECT ? s->f->sub->size : sizeof(const char *);
    char *items = arena_array(s->a, n, size);
    for (size_t i = 0; i < n; i++)
        if (decode_item(s, i, items + i * size))
            return -1;
    put(s, s->f->offset, &items, sizeof(items));
    put(s, s->f->n_offset, &n, sizeof(n));
    return 0;
}

static int decode_present(const struct slot *s)
{
    switch (s->f->type) {
    case API_STRING:
        return decode_string(s);
    case API_BOOL:
        return decode_bool(s);
    case API_INT:
        return decode_int(s);
    case API_ENUM:
        return decode_enum(s);
    case API_OBJECT:
        return decode_object(s);
    case API_JSON:
    case API_MAP_STRING:
    case API_MAP_QUANTITY:
        return decode_json(s);
    case API_LIST_OBJECT:
    case API_LIST_STRING:
        return decode_list(s);
    }
    return err_set(s->err, ERR_BUG, 0, "%s: no such type in the table", s->path);
}

static int decode_absent(const struct slot *s)
{
    const struct api_field *f = s->f;
    bool b = f->def_number != 0;
    int e = (int)f->def_number;
    if (f->required)
        return err_set(s->err, ERR_INVALID, 0, "%s: is required", s->path);
    if (f->type == API_STRING)
        put(s, f->offset, &f->def_string, sizeof(f->def_string));
    else if (f->type == API_BOOL)
        put(s, f->offset, &b, sizeof(b));
    else if (f->type == API_INT)
        put(s, f->offset, &f->def_number, sizeof(f->def_number));
    else if (f->type == API_ENUM)
        put(s, f->offset, &e, sizeof(e));
    return 0;
}

int api_decode_struct(const struct api_struct *t, const json_t *v, const char *path,
                      struct arena *a, void *dst, struct err *err)
{
    if (v && !json_is_object(v))
        return wrong_type(path, "an object", v, err);
    for (size_t i = 0; i < t->n_fields; i++) {
        const struct api_field *f = &t->fields[i];
        const json_t *value = json_object_get(v, f->name);
        char field_path[PATH_MAX_LEN];
        path_set(field_path, "%s.%s", path, f->name);
        struct slot s = {f, value, field_path, a, dst, err};
        if (value && !json_is_null(value) ? decode_present(&s) : decode_absent(&s))
            return -1;
    }
    return 0;
}

static const struct api_field meta_fields[] = {
    {.name = "namespace", .type = API_STRING, .offset = offsetof(struct api_meta, ns)},
    {.name = "name",
     .type = API_STRING,
     .offset = offsetof(struct api_meta, name),
     .required = true,
     .min = 1},
    {.name = "uid", .type = API_STRING, .offset = offsetof(struct api_meta, uid)},
    {.name = "resourceVersion",
     .type = API_STRING,
     .offset = offsetof(struct api_meta, resource_version)},
    {.name = "creationTimestamp",
     .type = API_STRING,
     .offset = offsetof(struct api_meta, creation_timestamp)},
    {.name = "generation", .type = API_INT, .offset = offsetof(struct api_meta, generation)},
    {.name = "finalizers",
     .type = API_LIST_STRING,
     .offset = offsetof(struct api_meta, finalizers),
     .n_offset = offsetof(struct api_meta, n_finalizers)},
    {.name = "labels", .type = API_MAP_STRING, .offset = offsetof(struct api_meta, labels)},
    {.name = "annotations",
     .type = API_MAP_STRING,
     .offset = offsetof(struct api_meta, annotations)},
};
static const struct api_struct meta_table = {
    meta_fields, sizeof(meta_fields) / sizeof(meta_fields[0]), sizeof(struct api_meta)};

static int decode_meta(const json_t *obj, struct arena *a, struct api_meta *ret, struct err *err)
{
    const json_t *meta = json_object_get(obj, "metadata");
    if (api_decode_struct(&meta_table, meta, "metadata", a, ret, err))
        return -1;
    const json_t *deletion = json_object_get(meta, "deletionTimestamp");
    ret->deleting = deletion && !json_is_null(deletion);
    return 0;
}

static int check_type(const struct gvr *g, const json_t *obj, struct err *err)
{
    char want[128];
    snprintf(want, sizeof(want), "%s/%s", g->group, g->version);
    const char *version = json_string_value(json_object_get(obj, "apiVersion"));
    if (version && !str_eq(version, want))
        return err_set(err, ERR_INVALID, 0, "apiVersion: must be %s, not \"%.64s\"", want, version);
    const char *kind = json_string_value(json_object_get(obj, "kind"));
    if (kind && !str_eq(kind, g->kind))
        return err_set(err, ERR_INVALID, 0, "kind: must be %s, not \"%.64s\"", g->kind, kind);
    return 0;
}

static int decode_spec(const struct api_object *o, const json_t *obj, struct arena *a, void *dst,
                       struct err *err)
{
    const json_t *spec = json_object_get(obj, "spec");
    if (json_is_null(spec))
        spec = NULL;
    if (!spec && o->spec_required)
        return err_set(err, ERR_INVALID, 0, "spec: is required");
    return api_decode_struct(o->spec_table, spec, "spec", a, dst, err);
}

static void release_json(void *p)
{
    json_decref(p);
}

void *api_decode(const struct api_object *o, const json_t *obj, struct arena *a, struct err *err)
{
    if (!json_is_object(obj)) {
        err_set(err, ERR_INVALID, 0, "%s: must be an object", o->gvr->kind);
        return NULL;
    }
    char *ret = arena_alloc(a, o->size);
    if (check_type(o->gvr, obj, err) ||
        decode_meta(obj, a, (struct api_meta *)(void *)(ret + o->meta), err) ||
        decode_spec(o, obj, a, ret + o->spec, err))
        return NULL;
    const json_t *status = json_object_get(obj, "status");
    if (json_is_object(status))
        memcpy(ret + o->status, &status, sizeof(status));
    /* The reference count is not part of the value, so counting one more is no change to a const object. */
    arena_hold(a, json_incref((json_t *)(uintptr_t)obj), release_json);
    return ret;
}

const char *api_enum_name(const struct api_enum *e, int v)
{
    return v > 0 && v < e->n ? e->names[v] : NULL;
}
