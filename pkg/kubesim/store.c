/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/apply.h"
#include "json/jx.h"

enum { OBJECT_MAX = 64 * 1024 * 1024 };

/* --- objects --- */

static bool in_pieces(const char *key)
{
    return str_eq(key, "kind") || str_eq(key, "apiVersion") || str_eq(key, "metadata");
}

/* The members of a tree that are kept, as text without braces. */
static char *inner(const json_t *tree, bool metadata, size_t *ret_len)
{
    auto_json *kept = json_object();
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)(uintptr_t)tree, key, v) {
        bool left_out = metadata ? str_eq(key, "resourceVersion") || str_eq(key, "managedFields")
                                 : in_pieces(key);
        if (!left_out)
            json_object_set(kept, key, v);
    }
    char *s = jx_dump(kept);
    *ret_len = strlen(s) - 2;
    memmove(s, s + 1, *ret_len);
    s[*ret_len] = '\0';
    return s;
}

static struct sim_text *rest_of(const json_t *tree)
{
    size_t n;
    auto_free char *s = inner(tree, false, &n);
    return n ? sim_text_intern(s, n) : NULL;
}

static struct sim_text *fields_of(const json_t *tree)
{
    const json_t *fields = jx_get(tree, "metadata.managedFields");
    if (json_array_size(fields) == 0)
        return NULL;
    auto_free char *s = jx_dump(fields);
    return sim_text_intern(s, strlen(s));
}

struct sim_object *sim_object_new(const json_t *tree, uint64_t version)
{
    const json_t *metadata = jx_get(tree, "metadata");
    const char *ns = str_or(jx_str(metadata, "namespace"), "");
    const char *name = str_or(jx_str(metadata, "name"), "");
    size_t meta_len, ns_len = strlen(ns), key_len = ns_len + (ns_len > 0) + strlen(name);
    auto_free char *meta = inner(metadata, true, &meta_len);
    struct sim_object *o = xmalloc(sizeof *o + key_len + 1 + meta_len + 1);
    *o = (struct sim_object){
        .refs = 1,
        .meta_len = (uint32_t)meta_len,
        .version = version,
        .fields = fields_of(tree),
        .rest = rest_of(tree),
        .ns_len = (uint16_t)ns_len,
        .deleting = jx_str(metadata, "deletionTimestamp") != NULL,
    };
    snprintf(o->key, key_len + 1, "%s%s%s", ns, ns_len ? "/" : "", name);
    char *at = o->key + key_len + 1;
    memcpy(at, meta, meta_len + 1);
    o->meta = at;
    return o;
}

struct sim_object *sim_object_ref(struct sim_object *o)
{
    o->refs++;
    return o;
}

void sim_object_drop(struct sim_object *o)
{
    if (!o || --o->refs)
        return;
    sim_text_drop(o->fields);
    sim_text_drop(o->rest);
    free(o->proto);
    free(o);
}

const char *sim_object_meta(const struct sim_object *o, const char *key, size_t *ret_len)
{
    return sim_text_member(o->meta, o->meta_len, key, ret_len);
}

char *sim_object_meta_str(const struct sim_object *o, const char *key)
{
    size_t n;
    const char *s = sim_object_meta(o, key, &n);
    if (!s)
        return NULL;
    auto_json *v = jx_load(s, n, NULL);
    return xstrdup0(json_string_value(v));
}

static int put_meta(const struct sim_object *o, uint64_t version, struct buf *out)
{
    int r = buf_puts(out, "\"metadata\":{") < 0 || buf_append(out, o->meta, o->meta_len) < 0;
    if (!r && o->fields)
        r = buf_puts(out, ",\"managedFields\":") < 0 ||
            buf_append(out, o->fields->data, o->fields->len) < 0;
    if (!r && version)
        r = buf_printf(out, ",\"resourceVersion\":\"%" PRIu64 "\"", version) < 0;
    return r || buf_puts(out, "}") < 0 ? -1 : 0;
}

int sim_object_json(const struct sim_object *o, const struct sim_kind *k, const char *api_version,
                    enum sim_view view, uint64_t version, struct buf *out)
{
    if (buf_puts(out, "{") < 0)
        return -1;
    if (view == SIM_VIEW_PARTIAL)
        buf_puts(out, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
    else if (view == SIM_VIEW_WHOLE || (k->traits & SIM_CUSTOM))
        buf_printf(out, "\"kind\":\"%s\",\"apiVersion\":\"%s\",", k->kind, api_version);
    if (put_meta(o, version, out) < 0)
        return -1;
    if (o->rest && view != SIM_VIEW_PARTIAL &&
        (buf_puts(out, ",") < 0 || buf_append(out, o->rest->data, o->rest->len) < 0))
        return -1;
    return buf_puts(out, "}");
}

json_t *sim_object_tree(const struct sim_object *o, const struct sim_kind *k,
                        const char *api_version, enum sim_view view, uint64_t version)
{
    auto_buf b = BUF_INIT(OBJECT_MAX);
    if (sim_object_json(o, k, api_version, view, version, &b) < 0)
        return json_object();
    json_t *tree = jx_load(b.data, b.len, NULL);
    return tree ? tree : json_object();
}

static int encode(const struct sim_object *o, const struct sim_kind *k, const char *api_version,
                  enum sim_view view, uint64_t version, struct buf *out)
{
    bool partial = view == SIM_VIEW_PARTIAL;
    auto_json *tree = sim_object_tree(o, k, api_version, view, version);
    return sim_proto_object(partial ? "meta.k8s.io" : k->group,
                            partial ? "PartialObjectMetadata" : k->kind, tree, out);
}

int sim_object_proto(struct sim_object *o, const struct sim_kind *k, const char *api_version,
                     enum sim_view view, uint64_t version, struct buf *out)
{
    if (view == SIM_VIEW_PARTIAL || version != o->version)
        return encode(o, k, api_version, view, version, out);
    if (!o->proto) {
        struct buf b = BUF_INIT(OBJECT_MAX);
        if (encode(o, k, api_version, view, version, &b) < 0) {
            buf_done(&b);
            return -1;
        }
        o->proto_len = (uint32_t)b.len;
        o->proto = xmalloc(b.len);
        memcpy(o->proto, b.data ? b.data : "", b.len);
        buf_done(&b);
    }
    return buf_append(out, o->proto, o->proto_len);
}

/* --- collections --- */

struct sim_collection *sim_collection_new(const struct sim_kind *k, unsigned max_events,
                                          uint64_t floor)
{
    struct sim_collection *c = xcalloc(1, sizeof *c);
    c->kind = k;
    c->max_events = max_events;
    c->floor = floor;
    return c;
}

static void event_done(struct sim_event *e)
{
    sim_object_drop(e->object);
    sim_object_drop(e->before);
}

void sim_collection_free(struct sim_collection *c)
{
    for (unsigned i = 0; i < c->nevents; i++)
        event_done(&c->events[(c->first + i) % c->cap_events]);
    for (size_t i = 0; i < c->count; i++)
        sim_object_drop(c->objects[i]);
    free(c->events);
    free(c->objects);
    free(c);
}

size_t sim_collection_seek(const struct sim_collection *c, const char *key, bool *ret_found)
{
    size_t lo = 0, hi = c->count;
    /* Most of a large load comes in order. */
    if (hi > 0 && strcmp(c->objects[hi - 1]->key, key) < 0)
        lo = hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(c->objects[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (ret_found)
        *ret_found = lo < c->count && strcmp(c->objects[lo]->key, key) == 0;
    return lo;
}

struct sim_object *sim_collection_get(const struct sim_collection *c, const char *ns,
                                      const char *name)
{
    bool found;
    auto_free char *key = ns ? xasprintf("%s/%s", ns, name) : xstrdup(name);
    size_t i = sim_collection_seek(c, key, &found);
    return found ? c->objects[i] : NULL;
}

/* Room for one more event: the ring grows until it is full, then the oldest goes. */
static struct sim_event *next_event(struct sim_collection *c)
{
    if (c->nevents == c->cap_events && c->cap_events < c->max_events) {
        unsigned cap = c->cap_events ? c->cap_events * 2 : 8;
        if (cap > c->max_events)
            cap = c->max_events;
        c->events = xrealloc(c->events, cap * sizeof *c->events); /* never wrapped so far */
        c->cap_events = cap;
    }
    if (c->nevents == c->cap_events) {
        struct sim_event *oldest = &c->events[c->first];
        c->floor = oldest->version;
        event_done(oldest);
        c->first = (c->first + 1) % c->cap_events;
        c->nevents--;
    }
    return &c->events[(c->first + c->nevents++) % c->cap_events];
}

/* The protobuf of a version that is no longer the newest is not asked for again. */
static void retire(struct sim_object *o)
{
    free(o->proto);
    o->proto = NULL;
    o->proto_len = 0;
}

const struct sim_event *sim_collection_put(struct sim_collection *c, struct sim_object *o)
{
    bool found;
    size_t i = sim_collection_seek(c, o->key, &found);
    struct sim_object *before = found ? c->objects[i] : NULL;
    if (!found) {
        if (c->count == c->cap) {
            c->cap = c->cap ? c->cap * 2 : 4;
            c->objects = xrealloc(c->objects, c->cap * sizeof *c->objects);
        }
        memmove(c->objects + i + 1, c->objects + i, (c->count - i) * sizeof *c->objects);
        c->count++;
    } else {
        retire(before);
    }
    c->objects[i] = o;
    struct sim_event *e = next_event(c);
    *e =
        (struct sim_event){found ? SIM_MODIFIED : SIM_ADDED, o->version, sim_object_ref(o), before};
    return e;
}

const struct sim_event *sim_collection_remove(struct sim_collection *c, struct sim_object *o,
                                              uint64_t version)
{
    size_t i = sim_collection_seek(c, o->key, NULL);
    memmove(c->objects + i, c->objects + i + 1, (c->count - i - 1) * sizeof *c->objects);
    c->count--;
    retire(o);
    struct sim_event *e = next_event(c);
    *e = (struct sim_event){SIM_DELETED, version, o, sim_object_ref(o)};
    return e;
}

const struct sim_event *sim_collection_event(const struct sim_collection *c, unsigned i)
{
    return &c->events[(c->first + i) % c->cap_events];
}

/* --- the past --- */

struct past {
    struct sim_object **list;
    size_t n;
};

static size_t past_seek(const struct past *p, const char *key, bool *ret_found)
{
    struct sim_collection view = {.objects = p->list, .count = p->n};
    return sim_collection_seek(&view, key, ret_found);
}

/* Undoes one event in a list that has room for one more. */
static void undo(struct past *p, const struct sim_event *e)
{
    bool found;
    size_t i = past_seek(p, e->object->key, &found);
    if (found) {
        sim_object_drop(p->list[i]);
        memmove(p->list + i, p->list + i + 1, (--p->n - i) * sizeof *p->list);
    }
    if (e->before) {
        memmove(p->list + i + 1, p->list + i, (p->n++ - i) * sizeof *p->list);
        p->list[i] = sim_object_ref(e->before);
    }
}

struct sim_object **sim_collection_at(const struct sim_collection *c, uint64_t version,
                                      size_t *ret_n)
{
    if (version < c->floor)
        return NULL;
    struct past p = {xcalloc(c->count + c->nevents + 1, sizeof *p.list), c->count};
    for (size_t i = 0; i < c->count; i++)
        p.list[i] = sim_object_ref(c->objects[i]);
    for (unsigned i = c->nevents; i-- > 0;) {
        const struct sim_event *e = sim_collection_event(c, i);
        if (e->version <= version)
            break;
        undo(&p, e);
    }
    *ret_n = p.n;
    return p.list;
}

void sim_snapshot_free(struct sim_object **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sim_object_drop(list[i]);
    free(list);
}
