/* SPDX-License-Identifier: Apache-2.0 */
/* GET and LIST: which version of which objects, in pages, in the form that was asked for. The semantics of
 * resourceVersion and resourceVersionMatch are those of k8s.io/apiserver (pkg/storage/cacher, etcd3/store.go). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "kubesim/selector.h"
#include "json/jx.h"

#define LIST_MAX ((size_t)2048 * 1024 * 1024)

struct list {
    struct sim_selector selector;
    uint64_t version;            /* that the answer shows */
    struct sim_object **objects; /* borrowed, unless snapshot */
    size_t n;
    bool snapshot;
    size_t begin, end; /* of the objects, those in the namespace */
    char *start;       /* from this key on (of a continue token), or NULL */
    int64_t limit;     /* 0: none */
};

/* --- GET --- */

static bool check_version(struct sim_call *c, const char *rv, uint64_t *ret)
{
    int64_t n = 0;
    if (rv && *rv && str_to_i64(rv, 0, INT64_MAX, &n) < 0) {
        sim_fail(c, 400, "BadRequest", NULL,
                 "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                 "strconv.ParseUint: parsing \"%s\": invalid syntax",
                 rv, rv);
        return false;
    }
    if ((uint64_t)n > c->cluster->version) {
        sim_fail_too_large(c, rv);
        return false;
    }
    *ret = (uint64_t)n;
    return true;
}

void sim_get(struct sim_call *c)
{
    uint64_t version;
    if (!check_version(c, sim_query_get(&c->query, "resourceVersion"), &version))
        return;
    struct sim_object *o = sim_collection_get(c->at, c->ns, c->name);
    if (o)
        sim_answer_object(c, 200, o, o->version);
    else
        sim_fail_name(c, c->kind, c->name);
}

/* --- what is asked for --- */

static char *to_base64url(const char *text)
{
    char *s = jx_b64(text, strlen(text));
    for (char *p = s; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    s[strcspn(s, "=")] = '\0';
    return s;
}

static char *from_base64url(const char *text)
{
    size_t n = strlen(text), len;
    auto_free char *padded = xasprintf("%s%.*s", text, (int)((4 - n % 4) % 4), "===");
    for (char *p = padded; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    return jx_unb64(padded, &len);
}

/* The page after an object. version < 0: whatever is there by then. */
static char *token_after(const struct sim_object *o, int64_t version)
{
    auto_json *name = json_string(o->key);
    auto_free char *key = jx_dump(name);
    auto_free char *text =
        xasprintf("{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRId64 ",\"start\":\"/%.*s\\u0000\"}",
                  version, (int)strlen(key) - 2, key + 1);
    return to_base64url(text);
}

static bool read_token(struct sim_call *c, const char *token, struct list *l, int64_t *ret_version)
{
    auto_free char *text = from_base64url(token);
    auto_json *t = text ? jx_load(text, strlen(text), NULL) : NULL;
    const json_t *start = json_object_get(t, "start");
    *ret_version = jx_int(t, "rv", 0);
    if (!t || !json_is_string(start) || *ret_version == 0) {
        sim_fail(c, 400, "BadRequest", NULL,
                 "invalid continue token: continue key is not valid: %s",
                 t ? "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
                   : "invalid character 'i' looking for beginning of value");
        return false;
    }
    /* "/<key>\0": the NUL makes it the first key after the one that was told. */
    const char *s = json_string_value(start);
    l->start = xstrdup(s + (*s == '/'));
    return true;
}

static bool fail_match(struct sim_call *c, const char *reason, const char *message)
{
    sim_fail_options(c, "ListOptions", "resourceVersionMatch", reason, message);
    return false;
}

static bool check_match(struct sim_call *c, const char *rv, const char *match, const char *token)
{
    if (!match || !*match)
        return true;
    if (token && *token)
        return fail_match(c, "FieldValueForbidden",
                          "Forbidden: resourceVersionMatch is forbidden when continue is provided");
    if (!rv || !*rv)
        return fail_match(c, "FieldValueForbidden",
                          "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
                          "provided");
    if (!str_eq(match, "Exact") && !str_eq(match, "NotOlderThan")) {
        auto_free char *m = xasprintf("Unsupported value: \"%s\": supported values: \"Exact\", "
                                      "\"NotOlderThan\", \"\"",
                                      match);
        return fail_match(c, "FieldValueNotSupported", m);
    }
    if (str_eq(match, "Exact") && str_eq(rv, "0"))
        return fail_match(c, "FieldValueForbidden",
                          "Forbidden: resourceVersionMatch \"exact\" is forbidden for "
                          "resourceVersion \"0\"");
    return true;
}

/* --- which objects --- */

static const char inconsistent[] =
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

static void fail_page(struct sim_call *c, const struct list *l)
{
    auto_json *key = json_string(l->start);
    auto_free char *quoted = jx_dump(key);
    auto_free char *text =
        xasprintf("{\"v\":\"meta.k8s.io/v1\",\"rv\":-1,\"start\":\"/%.*s\\u0000\"}",
                  (int)strlen(quoted) - 2, quoted + 1);
    auto_free char *token = to_base64url(text);
    json_t *status = sim_status(410, "Expired", NULL, inconsistent);
    jx_set_str(status, "metadata.continue", token);
    sim_answer(c, 410, status);
}

/* The objects at an exact version: the present ones, or from the history. */
static bool take_exact(struct sim_call *c, struct list *l, uint64_t version)
{
    l->version = version;
    if (version == c->cluster->version)
        return true;
    struct sim_object **past = sim_collection_at(c->at, version, &l->n);
    if (past) {
        l->objects = past;
        l->snapshot = true;
        return true;
    }
    if (l->start)
        fail_page(c, l);
    else
        sim_fail_expired(c, "The resourceVersion for the provided list is too old.");
    return false;
}

static bool take_objects(struct sim_call *c, struct list *l)
{
    const char *rv = sim_query_get(&c->query, "resourceVersion");
    const char *match = sim_query_get(&c->query, "resourceVersionMatch");
    const char *token = sim_query_get(&c->query, "continue");
    uint64_t version;
    int64_t paged = -1;
    if (!check_match(c, rv, match, token))
        return false;
    l->objects = c->at->objects;
    l->n = c->at->count;
    l->version = c->cluster->version;
    if (token && *token) {
        if (!read_token(c, token, l, &paged))
            return false;
        if (rv && *rv && !str_eq(rv, "0")) {
            sim_fail(c, 400, "BadRequest", NULL,
                     "specifying resource version is not allowed when using continue");
            return false;
        }
        return paged < 0 || take_exact(c, l, (uint64_t)paged);
    }
    if (!check_version(c, rv, &version))
        return false;
    /* Without a match a page at a version means exactly that version. */
    bool exact = str_eq(match, "Exact") || (!match && l->limit > 0 && version > 0);
    return !exact || take_exact(c, l, version);
}

static size_t seek(const struct list *l, const char *key)
{
    struct sim_collection view = {.objects = l->objects, .count = l->n};
    return sim_collection_seek(&view, key, NULL);
}

/* The range of the namespace and of the page: [begin, end). */
static void bound(const struct sim_call *c, struct list *l)
{
    l->end = l->n;
    if (c->ns) {
        auto_free char *first = xasprintf("%s/", c->ns), *after = xasprintf("%s0", c->ns);
        l->begin = seek(l, first);
        l->end = seek(l, after); /* '0' follows '/' */
    }
    if (l->start) {
        size_t from = seek(l, l->start);
        bool same = from < l->n && str_eq(l->objects[from]->key, l->start);
        from += same;
        if (from > l->begin)
            l->begin = from;
    }
    if (l->begin > l->end)
        l->begin = l->end;
}

/* --- the answer --- */

static bool selected(const struct sim_call *c, const struct list *l, const struct sim_object *o)
{
    return sim_selector_empty(&l->selector) || sim_selector_matches(&l->selector, c->kind, o);
}

static int put_item(struct sim_call *c, struct sim_object *o, bool first, struct buf *out)
{
    bool partial = c->accept.as == SIM_AS_PARTIAL_LIST;
    if (c->accept.proto) {
        auto_buf item = BUF_INIT(LIST_MAX);
        enum sim_view view = partial ? SIM_VIEW_PARTIAL : SIM_VIEW_ITEM;
        if (sim_object_proto(o, c->kind, c->api_version, view, o->version, &item) < 0)
            return -1;
        return sim_proto_list_item(item.data ? item.data : "", item.len, out);
    }
    if (!first && buf_puts(out, ",") < 0)
        return -1;
    return sim_object_json(o, c->kind, c->api_version, partial ? SIM_VIEW_PARTIAL : SIM_VIEW_ITEM,
                           o->version, out);
}

/* How far the page goes: moves l->end. *ret_last: its last object, *ret_rest: how many are behind it. */
static void cut(struct sim_call *c, struct list *l, const struct sim_object **ret_last,
                size_t *ret_rest)
{
    int64_t taken = 0;
    size_t i = l->begin;
    for (; i < l->end && taken < l->limit; i++) {
        if (!selected(c, l, l->objects[i]))
            continue;
        *ret_last = l->objects[i];
        taken++;
    }
    *ret_rest = l->end - i;
    l->end = i;
}

static int put_items(struct sim_call *c, const struct list *l, struct buf *out)
{
    bool first = true;
    for (size_t i = l->begin; i < l->end; i++) {
        if (!selected(c, l, l->objects[i]))
            continue;
        if (put_item(c, l->objects[i], first, out) < 0)
            return -1;
        first = false;
    }
    return 0;
}

/* Is there one more that would be told? */
static bool more_follow(const struct sim_call *c, const struct list *l, size_t rest)
{
    for (size_t i = l->end; i < l->end + rest; i++)
        if (selected(c, l, l->objects[i]))
            return true;
    return false;
}

static const char *list_kind(const struct sim_call *c)
{
    return c->accept.as == SIM_AS_PARTIAL_LIST ? "PartialObjectMetadataList" : c->kind->list_kind;
}

static const char *list_version(const struct sim_call *c)
{
    return c->accept.as == SIM_AS_PARTIAL_LIST ? "meta.k8s.io/v1" : c->api_version;
}

static void json_head(const struct sim_call *c, const struct list *l, const char *next,
                      int64_t rest, struct buf *out)
{
    buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{", list_kind(c),
               list_version(c));
    buf_printf(out, "\"resourceVersion\":\"%" PRIu64 "\"", l->version);
    if (next)
        buf_printf(out, ",\"continue\":\"%s\"", next);
    else if ((c->kind->traits & SIM_CUSTOM) && c->accept.as != SIM_AS_PARTIAL_LIST)
        buf_puts(out, ",\"continue\":\"\"");
    if (next && rest > 0)
        buf_printf(out, ",\"remainingItemCount\":%" PRId64, rest);
    buf_puts(out, "},\"items\":[");
}

/* The token of the next page, or NULL; the list ends with its page then. */
static char *paginate(struct sim_call *c, struct list *l, int64_t *ret_remaining)
{
    const struct sim_object *last = NULL;
    size_t rest = 0;
    *ret_remaining = 0;
    if (l->limit == 0)
        return NULL;
    cut(c, l, &last, &rest);
    if (!last || !more_follow(c, l, rest))
        return NULL;
    if (sim_selector_empty(&l->selector))
        *ret_remaining = (int64_t)rest;
    return token_after(last, (int64_t)l->version);
}

static void answer(struct sim_call *c, struct list *l)
{
    struct buf out = BUF_INIT(LIST_MAX);
    int64_t remaining;
    auto_free char *next = paginate(c, l, &remaining);
    char version[24];
    snprintf(version, sizeof version, "%" PRIu64, l->version);
    if (c->accept.proto)
        sim_proto_list_meta(version, next, remaining, &out);
    else
        json_head(c, l, next, remaining, &out);
    int r = put_items(c, l, &out);
    if (!c->accept.proto)
        r = r || buf_puts(&out, "]}") < 0;
    if (r)
        sim_fail(c, 500, "InternalError", NULL, "the list is too large");
    else
        sim_answer_list(c, list_kind(c), list_version(c), &out);
    buf_done(&out);
}

static void answer_table(struct sim_call *c, struct list *l)
{
    int64_t remaining;
    auto_free char *next = paginate(c, l, &remaining);
    json_t *table = sim_table_new(l->version, next, true);
    for (size_t i = l->begin; i < l->end; i++)
        if (selected(c, l, l->objects[i]))
            sim_table_add(table, l->objects[i], l->objects[i]->version);
    sim_answer(c, 200, table);
}

void sim_list(struct sim_call *c)
{
    struct list l = {0};
    struct err err = {0};
    const char *limit = sim_query_get(&c->query, "limit");
    c->cluster->stats.lists++;
    if (c->accept.as == SIM_AS_PARTIAL) {
        sim_fail(c, 406, "NotAcceptable", NULL,
                 "you requested PartialObjectMetadata, but the requested object is a list (*%s.%s)",
                 *c->kind->group ? c->kind->group : "core", c->kind->list_kind);
        return;
    }
    if (limit && *limit && str_to_i64(limit, 0, INT64_MAX, &l.limit) < 0)
        l.limit = 0;
    if (sim_selector_parse(c->kind, sim_query_get(&c->query, "labelSelector"),
                           sim_query_get(&c->query, "fieldSelector"), &l.selector, &err) < 0) {
        sim_fail_err(c, &err);
        return;
    }
    if (take_objects(c, &l)) {
        bound(c, &l);
        if (c->accept.as == SIM_AS_TABLE)
            answer_table(c, &l);
        else
            answer(c, &l);
    }
    if (l.snapshot)
        sim_snapshot_free(l.objects, l.n);
    sim_selector_done(&l.selector);
    free(l.start);
}
