/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/yaml.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"
#include "yaml/resolve.h"

struct loader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    size_t nodes;
    struct err *err;
};

static json_t *load_node(struct loader *l, unsigned depth);

static json_t *refuse(struct loader *l, const char *why)
{
    const yaml_mark_t *at = &l->event.start_mark;
    err_set(l->err, ERR_INVALID, 0, "line %zu, column %zu: %s", at->line + 1, at->column + 1, why);
    return NULL;
}

static int next(struct loader *l)
{
    yaml_event_delete(&l->event);
    if (yaml_parser_parse(&l->parser, &l->event))
        return 0;
    const yaml_parser_t *p = &l->parser;
    return err_set(l->err, ERR_INVALID, 0, "line %zu, column %zu: %s", p->problem_mark.line + 1,
                   p->problem_mark.column + 1, p->problem ? p->problem : "not YAML");
}

static bool tag_is(const yaml_char_t *tag, const char *want)
{
    return !tag || strcmp((const char *)tag, want) == 0;
}

static json_t *load_scalar(struct loader *l)
{
    const char *s = (const char *)l->event.data.scalar.value,
               *tag = (const char *)l->event.data.scalar.tag;
    size_t n = l->event.data.scalar.length;
    bool plain = l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (tag && !str_eq(tag, YAML_STR_TAG) && !str_eq(tag, "!"))
        return refuse(l, "this tag is not supported");
    json_t *v = plain && !tag ? yaml_resolve(s, n) : json_stringn(s, n);
    return v ? v : refuse(l, "JSON has no such value");
}

static json_t *load_sequence(struct loader *l, unsigned depth)
{
    if (!tag_is(l->event.data.sequence_start.tag, YAML_SEQ_TAG))
        return refuse(l, "this tag is not supported");
    json_t *list = json_array();
    while (next(l) == 0) {
        if (l->event.type == YAML_SEQUENCE_END_EVENT)
            return list;
        json_t *v = load_node(l, depth + 1);
        if (!v)
            break;
        json_array_append_new(list, v);
    }
    json_decref(list);
    return NULL;
}

/* The key as kubectl reads it: y: becomes "true", 0x10: becomes "16". A new string, or NULL with the error set. */
static json_t *load_key(struct loader *l)
{
    if (l->event.type != YAML_SCALAR_EVENT)
        return refuse(l, "a key must be a string");
    if (l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        str_eq((const char *)l->event.data.scalar.value, "<<"))
        return refuse(l, "merge keys (<<) are not supported");
    json_t *key = load_node(l, 0), *text = NULL;
    if (!key)
        return NULL;
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRId64, (int64_t)json_integer_value(key));
    if (json_is_boolean(key))
        text = json_string(json_is_true(key) ? "true" : "false");
    else if (json_is_integer(key))
        text = json_string(digits);
    else if (json_is_string(key) && strlen(json_string_value(key)) == json_string_length(key))
        text = json_incref(key);
    json_decref(key);
    return text ? text : refuse(l, "a key must be a string: quote it");
}

static int load_entry(struct loader *l, json_t *map, unsigned depth)
{
    json_auto_t *key = load_key(l);
    if (!key)
        return -1;
    if (json_object_get(map, json_string_value(key))) {
        refuse(l, "this key was there before in the same mapping");
        return -1;
    }
    json_t *v = next(l) < 0 ? NULL : load_node(l, depth + 1);
    return v ? json_object_set_new(map, json_string_value(key), v) : -1;
}

static json_t *load_mapping(struct loader *l, unsigned depth)
{
    if (!tag_is(l->event.data.mapping_start.tag, YAML_MAP_TAG))
        return refuse(l, "this tag is not supported");
    json_t *map = json_object();
    while (next(l) == 0) {
        if (l->event.type == YAML_MAPPING_END_EVENT)
            return map;
        if (load_entry(l, map, depth) < 0)
            break;
    }
    json_decref(map);
    return NULL;
}

static bool has_anchor(const yaml_event_t *e)
{
    return e->type == YAML_ALIAS_EVENT || (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor);
}

/* The value that the current event begins; afterwards its last event is the current one. */
static json_t *load_node(struct loader *l, unsigned depth)
{
    if (has_anchor(&l->event))
        return refuse(l, "anchors and aliases are not supported");
    if (++l->nodes > YAML_NODES_MAX)
        return refuse(l, "too many values");
    if (l->event.type == YAML_SCALAR_EVENT)
        return load_scalar(l);
    if (depth >= YAML_DEPTH_MAX)
        return refuse(l, "nested too deep");
    return l->event.type == YAML_SEQUENCE_START_EVENT ? load_sequence(l, depth)
                                                      : load_mapping(l, depth);
}

static int load_documents(struct loader *l, json_t *docs)
{
    while (next(l) == 0) {
        if (l->event.type == YAML_STREAM_END_EVENT)
            return 0;
        if (l->event.type != YAML_DOCUMENT_START_EVENT)
            continue;
        json_t *doc = next(l) < 0 ? NULL : load_node(l, 0);
        if (!doc)
            return -1;
        if (json_is_null(doc))
            json_decref(doc);
        else
            json_array_append_new(docs, doc);
    }
    return -1;
}

json_t *yaml_load_all(const char *data, size_t len, struct err *err)
{
    struct loader l = {.err = err};
    if (len > YAML_BYTES_MAX) {
        err_set(err, ERR_INVALID, 0, "YAML of %zu bytes; at most %d are read", len, YAML_BYTES_MAX);
        return NULL;
    }
    if (!yaml_parser_initialize(&l.parser)) {
        err_set(err, ERR_TRANSIENT, 0, "no memory for a YAML parser");
        return NULL;
    }
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)data, len);
    json_t *docs = json_array();
    if (load_documents(&l, docs) < 0) {
        json_decref(docs);
        docs = NULL;
    }
    yaml_event_delete(&l.event);
    yaml_parser_delete(&l.parser);
    return docs;
}

json_t *yaml_load(const char *data, size_t len, struct err *err)
{
    json_auto_t *docs = yaml_load_all(data, len, err);
    if (!docs)
        return NULL;
    if (json_array_size(docs) != 1) {
        err_set(err, ERR_INVALID, 0, "line 1, column 1: %zu YAML documents where one is wanted",
                json_array_size(docs));
        return NULL;
    }
    return json_incref(json_array_get(docs, 0));
}
