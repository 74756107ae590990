/* SPDX-License-Identifier: Apache-2.0 */
#include "istio/template.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "json/jx.h"

enum { STRING_MAX = 256 * 1024 };

struct filling {
    const json_t *vars;
    json_t *used; /* object: the names seen */
    struct err *err;
};

static int fill_node(struct filling *f, json_t *node);

/* The name of the placeholder that starts at s ("${"), its length in *ret_len; NULL when it is malformed. */
static const char *name_at(const char *s, size_t *ret_len)
{
    const char *name = s + 2;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    *ret_len = n;
    return n > 0 && name[n] == '}' ? name : NULL;
}

static const json_t *lookup(struct filling *f, const char *text, const char *at, size_t *ret_len)
{
    const char *name = name_at(at, ret_len);
    if (!name) {
        err_set(f->err, ERR_BUG, 0, "bad placeholder in \"%.80s\"", text);
        return NULL;
    }
    const json_t *v = json_object_getn(f->vars, name, *ret_len);
    if (!v)
        err_set(f->err, ERR_BUG, 0, "unknown placeholder \"%.*s\"", (int)*ret_len, name);
    else
        json_object_setn_new(f->used, name, *ret_len, json_true());
    return v;
}

/* Puts strings into a longer string. NULL with the error set when that can't be. */
static json_t *expand(struct filling *f, const char *text)
{
    auto_buf out = BUF_INIT(STRING_MAX);
    const char *from = text;
    for (const char *at; (at = strstr(from, "${")) != NULL;) {
        size_t n;
        const json_t *v = lookup(f, text, at, &n);
        if (!v)
            return NULL;
        if (!json_is_string(v)) {
            err_set(f->err, ERR_BUG, 0, "\"%.*s\" inside a string is no string", (int)n, at + 2);
            return NULL;
        }
        if (buf_append(&out, from, (size_t)(at - from)) < 0 ||
            buf_append(&out, json_string_value(v), json_string_length(v)) < 0) {
            err_set(f->err, ERR_INVALID, 0, "a filled string is too long");
            return NULL;
        }
        from = at + 2 + n + 1;
    }
    if (buf_puts(&out, from) < 0) {
        err_set(f->err, ERR_INVALID, 0, "a filled string is too long");
        return NULL;
    }
    return json_stringn(out.data ? out.data : "", out.len);
}

/* What takes a string's place (new reference; JSON null: nothing), or NULL with the error set. */
static json_t *fill_string(struct filling *f, const char *text)
{
    size_t n;
    const char *name = strncmp(text, "${", 2) == 0 ? name_at(text, &n) : NULL;
    if (!name || name[n + 1] != '\0')
        return expand(f, text);
    const json_t *v = lookup(f, text, text, &n);
    return v ? json_deep_copy(v) : NULL;
}

static bool has_placeholder(const json_t *v)
{
    return json_is_string(v) && strstr(json_string_value(v), "${");
}

static int fill_object(struct filling *f, json_t *obj)
{
    const char *key;
    json_t *v;
    void *next;
    json_object_foreach_safe (obj, next, key, v) {
        if (strstr(key, "${"))
            return err_set(f->err, ERR_BUG, 0, "placeholder in the key \"%.80s\"", key);
        if (!has_placeholder(v)) {
            if (fill_node(f, v) < 0)
                return -1;
            continue;
        }
        json_t *filled = fill_string(f, json_string_value(v));
        if (!filled)
            return -1;
        if (json_is_null(filled)) {
            json_decref(filled);
            json_object_del(obj, key);
        } else {
            json_object_set_new(obj, key, filled);
        }
    }
    return 0;
}

static int fill_array(struct filling *f, json_t *array)
{
    for (size_t i = 0; i < json_array_size(array);) {
        json_t *v = json_array_get(array, i);
        if (!has_placeholder(v)) {
            if (fill_node(f, v) < 0)
                return -1;
            i++;
            continue;
        }
        json_t *filled = fill_string(f, json_string_value(v));
        if (!filled)
            return -1;
        if (json_is_null(filled)) {
            json_decref(filled);
            json_array_remove(array, i);
        } else {
            json_array_set_new(array, i++, filled);
        }
    }
    return 0;
}

static int fill_node(struct filling *f, json_t *node)
{
    if (json_is_object(node))
        return fill_object(f, node);
    return json_is_array(node) ? fill_array(f, node) : 0;
}

int template_fill(json_t *doc, const json_t *vars, struct err *err)
{
    auto_json *used = json_object();
    struct filling f = {.vars = vars, .used = used, .err = err};
    if (fill_node(&f, doc) < 0)
        return -1;
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)vars, name, v) {
        if (!json_object_get(used, name))
            return err_set(err, ERR_BUG, 0, "placeholder \"%s\" is not used", name);
    }
    return 0;
}
