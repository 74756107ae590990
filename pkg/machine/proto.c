/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/proto.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { NAME_MAX_LEN = 64, DURATION_TEXT = 40 };
static const int64_t second_ns = 1000000000;

/* "status_port" -> "statusPort" */
static void camel(const char *name, char out[NAME_MAX_LEN])
{
    size_t n = 0;
    for (bool up = false; *name && n < NAME_MAX_LEN - 1; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        out[n++] = (char)(up ? toupper((unsigned char)*name) : *name);
        up = false;
    }
    out[n] = 0;
}

/* --- durations (Go's time.ParseDuration) --- */

static bool unit_at(const char **s, int64_t *ret_ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},
                 {"us", 1000},
                 {"\xc2\xb5s", 1000},
                 {"\xce\xbcs", 1000},
                 {"ms", 1000000},
                 {"s", 1000000000},
                 {"m", 60 * INT64_C(1000000000)},
                 {"h", 3600 * INT64_C(1000000000)}};
    size_t len = strcspn(*s, ".0123456789");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strlen(units[i].name) != len || memcmp(*s, units[i].name, len) != 0)
            continue;
        *s += len;
        *ret_ns = units[i].ns;
        return true;
    }
    return false;
}

/* "1.5s" at *s; false when there is none or it is too large. */
static bool part_at(const char **s, int64_t *ret_ns)
{
    int64_t whole = 0, unit;
    double fraction = 0, scale = 1;
    size_t digits = 0;
    for (; isdigit((unsigned char)**s); (*s)++, digits++)
        if (__builtin_mul_overflow(whole, (int64_t)10, &whole) ||
            __builtin_add_overflow(whole, (int64_t)(**s - '0'), &whole))
            return false;
    if (**s == '.')
        for ((*s)++; isdigit((unsigned char)**s); (*s)++, digits++) {
            fraction = fraction * 10 + (**s - '0');
            scale *= 10;
        }
    if (!digits || !unit_at(s, &unit) || __builtin_mul_overflow(whole, unit, &whole))
        return false;
    return !__builtin_add_overflow(whole, (int64_t)(fraction * ((double)unit / scale)), ret_ns);
}

static bool parse_duration(const char *s, int64_t *ret_ns)
{
    bool neg = *s == '-';
    int64_t sum = 0, part;
    if (*s == '-' || *s == '+')
        s++;
    if (str_eq(s, "0")) {
        *ret_ns = 0;
        return true;
    }
    if (!*s)
        return false;
    while (*s)
        if (!part_at(&s, &part) || __builtin_add_overflow(sum, part, &sum))
            return false;
    *ret_ns = neg ? -sum : sum;
    return true;
}

/* Seconds with as many groups of three decimals as it takes. */
static json_t *duration_text(int64_t ns)
{
    char s[DURATION_TEXT];
    int64_t whole = ns / second_ns, rest = ns % second_ns;
    const char *sign = ns < 0 ? "-" : "";
    whole = whole < 0 ? -whole : whole;
    rest = rest < 0 ? -rest : rest;
    if (rest == 0)
        snprintf(s, sizeof s, "%s%" PRId64 "s", sign, whole);
    else if (rest % 1000000 == 0)
        snprintf(s, sizeof s, "%s%" PRId64 ".%03" PRId64 "s", sign, whole, rest / 1000000);
    else if (rest % 1000 == 0)
        snprintf(s, sizeof s, "%s%" PRId64 ".%06" PRId64 "s", sign, whole, rest / 1000);
    else
        snprintf(s, sizeof s, "%s%" PRId64 ".%09" PRId64 "s", sign, whole, rest);
    return json_string(s);
}

static json_t *read_duration(const json_t *v)
{
    int64_t ns;
    const char *s = json_string_value(v);
    return s && parse_duration(s, &ns) ? duration_text(ns) : NULL;
}

/* --- scalars: new reference, or NULL when v is not of the kind --- */

static json_t *read_integer(const json_t *v, int64_t min, int64_t max)
{
    int64_t n = 0;
    double real = json_real_value(v);
    if (json_is_real(v) && real >= -1e15 && real <= 1e15 && real == floor(real))
        n = (int64_t)real;
    else if (json_is_integer(v))
        n = json_integer_value(v);
    else if (!json_is_string(v) || str_to_i64(json_string_value(v), min, max, &n) < 0)
        return NULL;
    return n < min || n > max ? NULL : json_integer(n);
}

static json_t *read_long(const json_t *v)
{
    char s[DURATION_TEXT];
    json_auto_t *n = read_integer(v, INT64_MIN, INT64_MAX);
    if (!n)
        return NULL;
    snprintf(s, sizeof s, "%" JSON_INTEGER_FORMAT, json_integer_value(n));
    return json_string(s);
}

static json_t *read_double(const json_t *v)
{
    double d = json_number_value(v);
    if (json_is_string(v)) {
        const char *s = json_string_value(v);
        char *end;
        d = strtod(s, &end);
        if (!strchr("-0123456789", *s) || *end || !isfinite(d))
            return NULL;
    } else if (!json_is_number(v)) {
        return NULL;
    }
    return d == floor(d) && fabs(d) < 1e15 ? json_integer((json_int_t)d) : json_real(d);
}

/* A number without a name stays a number. */
static json_t *read_enum(const struct proto_value *values, const json_t *v)
{
    const char *s = json_string_value(v);
    json_auto_t *n = s ? NULL : read_integer(v, INT32_MIN, INT32_MAX);
    for (; values->name; values++)
        if (s ? str_eq(s, values->name) : n && json_integer_value(n) == values->number)
            return json_string(values->name);
    return json_incref(n);
}

static json_t *read_message(const struct proto_field *type, const json_t *v, struct err *err)
{
    json_auto_t *ret = json_object();
    if (json_is_null(v))
        return json_incref(ret);
    return json_is_object(v) && proto_apply(type, v, ret, err) == 0 ? json_incref(ret) : NULL;
}

/* What stands for null within a list or map. */
static json_t *default_value(const struct proto_field *f)
{
    switch (f->kind) {
    case PROTO_BOOL:
        return json_false();
    case PROTO_INT32:
    case PROTO_UINT32:
    case PROTO_INT64:
    case PROTO_DOUBLE:
        return json_integer(0);
    case PROTO_ENUM:
        return json_string(f->values[0].name);
    case PROTO_STRING:
    case PROTO_DURATION:
    case PROTO_MESSAGE:
    default:
        return json_string("");
    }
}

static json_t *read_one(const struct proto_field *f, const json_t *v, struct err *err)
{
    if (json_is_null(v) && f->kind != PROTO_MESSAGE)
        return default_value(f);
    switch (f->kind) {
    case PROTO_STRING:
        return json_is_string(v) ? json_string(json_string_value(v)) : NULL;
    case PROTO_BOOL:
        return json_is_boolean(v) ? json_boolean(json_is_true(v)) : NULL;
    case PROTO_INT32:
        return read_integer(v, INT32_MIN, INT32_MAX);
    case PROTO_UINT32:
        return read_integer(v, 0, UINT32_MAX);
    case PROTO_INT64:
        return read_long(v);
    case PROTO_DOUBLE:
        return read_double(v);
    case PROTO_DURATION:
        return read_duration(v);
    case PROTO_ENUM:
        return read_enum(f->values, v);
    case PROTO_MESSAGE:
    default:
        return read_message(f->message, v, err);
    }
}

/* --- fields --- */

static json_t *read_list(const struct proto_field *f, const json_t *v, struct err *err)
{
    if (!json_is_array(v))
        return NULL;
    json_auto_t *ret = json_array();
    for (size_t i = 0; i < json_array_size(v); i++)
        if (json_array_append_new(ret, read_one(f, json_array_get(v, i), err)) < 0)
            return NULL;
    return json_incref(ret);
}

static json_t *read_map(const struct proto_field *f, const json_t *v, struct err *err)
{
    if (!json_is_object(v))
        return NULL;
    json_auto_t *ret = json_object();
    json_t *obj = (json_t *)(uintptr_t)v;
    for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it))
        if (json_object_set_new(ret, json_object_iter_key(it),
                                read_one(f, json_object_iter_value(it), err)) < 0)
            return NULL;
    return json_incref(ret);
}

static json_t *read_field(const struct proto_field *f, const json_t *v, struct err *err)
{
    if (f->flags & PROTO_LIST)
        return read_list(f, v, err);
    return f->flags & PROTO_MAP ? read_map(f, v, err) : read_one(f, v, err);
}

static bool is_default(const struct proto_field *f, const json_t *v)
{
    if (f->flags & (PROTO_LIST | PROTO_MAP))
        return json_object_size(v) + json_array_size(v) == 0;
    if (f->flags & PROTO_KEPT || f->kind == PROTO_MESSAGE || f->kind == PROTO_DURATION)
        return false;
    if (f->kind == PROTO_ENUM)
        return str_eq(json_string_value(v), f->values[0].name);
    return json_is_string(v) ? !*json_string_value(v) : json_is_false(v) || !json_number_value(v);
}

static void drop_others(const struct proto_field *type, const struct proto_field *f, json_t *into)
{
    char key[NAME_MAX_LEN];
    for (const struct proto_field *o = type; o->name; o++) {
        if (o == f || (o->flags & PROTO_ONEOF) != PROTO_ONEOF)
            continue;
        camel(o->name, key);
        json_object_del(into, key);
    }
}

static int apply_field(const struct proto_field *type, const struct proto_field *f,
                       const json_t *obj, json_t *into, struct err *err)
{
    char key[NAME_MAX_LEN];
    camel(f->name, key);
    const json_t *v = json_object_get(obj, key);
    if (!v)
        v = json_object_get(obj, f->name);
    if (!v || json_is_null(v))
        return 0;
    struct err inner = {0};
    json_auto_t *read = read_field(f, v, &inner);
    if (!read && inner.class)
        return err_set(err, ERR_INVALID, 0, "%s.%s", key, inner.msg);
    if (!read)
        return err_set(err, ERR_INVALID, 0, "%s: not a value of this field", key);
    if ((f->flags & PROTO_ONEOF) == PROTO_ONEOF)
        drop_others(type, f, into);
    if (is_default(f, read))
        json_object_del(into, key);
    else
        json_object_set(into, key, read);
    return 0;
}

int proto_apply(const struct proto_field *type, const json_t *obj, json_t *into, struct err *err)
{
    for (const struct proto_field *f = type; f->name; f++)
        if (apply_field(type, f, obj, into, err) < 0)
            return -1;
    return 0;
}
