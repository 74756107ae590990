/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: what a collection's events mean to each of them, and how long they live. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "kubesim/selector.h"
#include "json/jx.h"

enum {
    EVENT_MAX = 64 * 1024 * 1024,
    TIMEOUT_MIN_S = 1800,    /* when the client names none: from this to its double */
    LAST_BOOKMARK_MS = 2000, /* before the end */
    HELD_MS =
        500, /* an event to be told after the next one is told when there is none: no server keeps one back */
};

static const char *const type_names[] = {
    [SIM_ADDED] = "ADDED", [SIM_MODIFIED] = "MODIFIED", [SIM_DELETED] = "DELETED"};

struct sim_watch {
    struct sim_cluster *cluster;
    struct sim_collection *at;
    struct sim_exchange *x;
    struct sim_selector selector;
    char *ns, *api_version;
    struct sim_accept accept;
    uint64_t since; /* events up to this version are known */
    bool bookmarks;
    bool first;      /* of a table: its columns were not told yet */
    bool busy, gone; /* the client may go while we write to it */
    struct sim_fault fault;
    struct buf held;                /* REORDER: the event that waits for the next one */
    uint64_t deadline, bookmark_ms; /* of the loop's clock, ms */
    uv_timer_t timer;
    struct sim_watch *prev, *next;
};

/* --- life --- */

static void on_closed(uv_handle_t *h)
{
    struct sim_watch *w = h->data;
    sim_selector_done(&w->selector);
    buf_done(&w->held);
    free(w->ns);
    free(w->api_version);
    free(w);
}

static void unlink_watch(struct sim_watch *w)
{
    if (w->at)
        DL_DELETE(w->at->watches, w);
    w->at = NULL;
    if (!uv_is_closing((uv_handle_t *)&w->timer))
        uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void on_gone(void *arg)
{
    struct sim_watch *w = arg;
    w->gone = true;
    if (!w->busy)
        unlink_watch(w);
}

static void end(struct sim_watch *w)
{
    if (!w->gone)
        sim_stream_end(w->x);
    w->gone = true;
    unlink_watch(w);
}

void sim_watches_end(struct sim_collection *at)
{
    while (at->watches)
        end(at->watches);
}

/* False: the watch has ended. */
static bool send_bytes(struct sim_watch *w, const struct buf *b)
{
    w->busy = true;
    bool kept_up = sim_stream_write(w->x, b->data, b->len);
    w->busy = false;
    if (!w->gone && kept_up)
        return true;
    end(w);
    return false;
}

/* --- events as bytes --- */

static const char *shown_kind(const struct sim_watch *w)
{
    return w->accept.as == SIM_AS_PARTIAL ? "PartialObjectMetadata" : w->at->kind->kind;
}

static const char *shown_version(const struct sim_watch *w)
{
    return w->accept.as == SIM_AS_PARTIAL ? "meta.k8s.io/v1" : w->api_version;
}

static enum sim_view shown_view(const struct sim_watch *w)
{
    return w->accept.as == SIM_AS_PARTIAL ? SIM_VIEW_PARTIAL : SIM_VIEW_WHOLE;
}

static void put_json_tree(const char *type, const json_t *object, struct buf *out)
{
    auto_free char *text = jx_dump(object);
    buf_printf(out, "{\"type\":\"%s\",\"object\":", type);
    buf_puts(out, text);
    buf_puts(out, "}\n");
}

static void put_proto_tree(const char *type, const char *group, const char *api_version,
                           const char *kind, const json_t *object, struct buf *out)
{
    auto_buf raw = BUF_INIT(EVENT_MAX);
    sim_proto_object(group, kind, object, &raw);
    sim_proto_event(type, api_version, kind, raw.data ? raw.data : "", raw.len, out);
}

static void put_object(struct sim_watch *w, const char *type, struct sim_object *o,
                       uint64_t version, struct buf *out)
{
    if (w->accept.as == SIM_AS_TABLE) {
        auto_json *table = sim_table_new(w->at->kind, version, NULL, w->first);
        w->first = false;
        sim_table_add(table, w->at->kind, o, version);
        put_json_tree(type, table, out);
    } else if (w->accept.proto) {
        auto_buf raw = BUF_INIT(EVENT_MAX);
        sim_object_proto(o, w->at->kind, w->api_version, shown_view(w), version, &raw);
        sim_proto_event(type, shown_version(w), shown_kind(w), raw.data ? raw.data : "", raw.len,
                        out);
    } else {
        buf_printf(out, "{\"type\":\"%s\",\"object\":", type);
        sim_object_json(o, w->at->kind, w->api_version, shown_view(w), version, out);
        buf_puts(out, "}\n");
    }
}

static bool send_bookmark(struct sim_watch *w, bool initial_end)
{
    char version[24];
    snprintf(version, sizeof version, "%" PRIu64, w->cluster->version);
    auto_buf b = BUF_INIT(EVENT_MAX);
    auto_json *o = json_pack("{s:s, s:s, s:{s:s}}", "kind", shown_kind(w), "apiVersion",
                             shown_version(w), "metadata", "resourceVersion", version);
    if (initial_end)
        jx_set_new(o, "metadata.annotations",
                   json_pack("{s:s}", "k8s.io/initial-events-end", "true"));
    if (w->accept.as == SIM_AS_TABLE) {
        auto_json *table = sim_table_new(w->at->kind, w->cluster->version, NULL, w->first);
        put_json_tree("BOOKMARK", table, &b);
    } else if (w->accept.proto) {
        bool partial = w->accept.as == SIM_AS_PARTIAL;
        put_proto_tree("BOOKMARK", partial ? "meta.k8s.io" : w->at->kind->group, shown_version(w),
                       shown_kind(w), o, &b);
    } else {
        put_json_tree("BOOKMARK", o, &b);
    }
    return send_bytes(w, &b);
}

static void send_expired(struct sim_watch *w, const char *message)
{
    auto_json *status = sim_status(410, "Expired", NULL, message);
    auto_buf b = BUF_INIT(EVENT_MAX);
    if (w->accept.proto && sim_proto_has("", "Status"))
        put_proto_tree("ERROR", "", "v1", "Status", status, &b);
    else
        put_json_tree("ERROR", status, &b);
    if (send_bytes(w, &b))
        end(w);
}

/* --- faults --- */

static void schedule(struct sim_watch *w);

static bool release(struct sim_watch *w)
{
    w->fault.kind = SIM_FAULT_NONE;
    bool alive = send_bytes(w, &w->held);
    if (alive)
        buf_done(&w->held);
    return alive;
}

static bool deliver(struct sim_watch *w, struct buf *b)
{
    enum sim_fault_kind kind = w->fault.kind;
    if (kind == SIM_FAULT_REORDER && !w->held.data) {
        w->held = *b;
        *b = BUF_INIT(EVENT_MAX);
        schedule(w);
        return true;
    }
    if (kind == SIM_FAULT_EXPIRE) {
        send_expired(w, "The resourceVersion for the provided watch is too old.");
        return false;
    }
    if (!send_bytes(w, b) || (kind == SIM_FAULT_DUPLICATE && !send_bytes(w, b)))
        return false;
    return kind != SIM_FAULT_REORDER || release(w);
}

/* --- what an event means to a watch --- */

static bool wants(const struct sim_watch *w, const struct sim_object *o)
{
    if (!o)
        return false;
    if (w->ns && (o->ns_len != strlen(w->ns) || memcmp(o->key, w->ns, o->ns_len) != 0))
        return false;
    return sim_selector_empty(&w->selector) || sim_selector_matches(&w->selector, w->at->kind, o);
}

static bool tell(struct sim_watch *w, const struct sim_event *e)
{
    bool now = e->type != SIM_DELETED && wants(w, e->object), before = wants(w, e->before);
    if ((!now && !before) || e->version <= w->since)
        return true;
    enum sim_event_type type = !before ? SIM_ADDED : now ? SIM_MODIFIED : SIM_DELETED;
    struct buf b = BUF_INIT(EVENT_MAX);
    put_object(w, type_names[type], now ? e->object : e->before, e->version, &b);
    bool alive = deliver(w, &b);
    buf_done(&b);
    return alive;
}

void sim_watches_notify(struct sim_cluster *c, struct sim_collection *at, const struct sim_event *e)
{
    (void)c;
    for (struct sim_watch *w = at->watches, *next; w; w = next) {
        next = w->next;
        tell(w, e);
    }
}

/* --- the clock --- */

static void on_timer(uv_timer_t *t)
{
    struct sim_watch *w = t->data;
    uint64_t now = uv_now(w->timer.loop);
    if (w->held.data) {
        if (release(w))
            schedule(w);
        return;
    }
    if (now >= w->deadline) {
        end(w);
        return;
    }
    if (!w->bookmarks || send_bookmark(w, false))
        schedule(w);
}

static void schedule(struct sim_watch *w)
{
    uint64_t now = uv_now(w->timer.loop), at = w->deadline;
    if (w->bookmarks && now + w->bookmark_ms < at)
        at = now + w->bookmark_ms;
    if (w->bookmarks && at + LAST_BOOKMARK_MS > w->deadline && now + LAST_BOOKMARK_MS < w->deadline)
        at = w->deadline - LAST_BOOKMARK_MS;
    if (w->held.data)
        at = now + HELD_MS;
    uv_timer_start(&w->timer, on_timer, at > now ? at - now : 0, 0);
}

/* --- the beginning --- */

static bool send_all(struct sim_watch *w)
{
    bool alive = true;
    size_t n;
    struct sim_object **all = sim_collection_at(w->at, w->cluster->version, &n);
    for (size_t i = 0; alive && i < n; i++) {
        auto_buf b = BUF_INIT(EVENT_MAX);
        if (!wants(w, all[i]))
            continue;
        put_object(w, "ADDED", all[i], all[i]->version, &b);
        alive = send_bytes(w, &b);
    }
    sim_snapshot_free(all, n);
    return alive;
}

static bool send_since(struct sim_watch *w, uint64_t version)
{
    struct sim_collection *at = w->at;
    if (version < at->floor) {
        uint64_t oldest = at->nevents == at->max_events && at->nevents
                              ? sim_collection_event(at, 0)->version - 1
                              : at->floor;
        auto_free char *message =
            xasprintf("too old resource version: %" PRIu64 " (%" PRIu64 ")", version, oldest);
        send_expired(w, message);
        return false;
    }
    for (unsigned i = 0; i < at->nevents; i++) {
        const struct sim_event *e = sim_collection_event(at, i);
        if (!tell(w, e))
            return false;
    }
    return true;
}

static void begin(struct sim_watch *w, uint64_t version, bool initial)
{
    w->since = initial ? w->cluster->version : version;
    if (initial ? !send_all(w) : !send_since(w, version))
        return;
    if (initial && w->bookmarks && !send_bookmark(w, true))
        return;
    schedule(w);
}

static uint64_t timeout_ms(struct sim_call *c)
{
    int64_t s = 0;
    const char *text = sim_query_get(&c->query, "timeoutSeconds");
    if (text)
        str_to_i64(text, 0, 86400, &s);
    if (s == 0)
        s = TIMEOUT_MIN_S + (int64_t)(c->q->index % TIMEOUT_MIN_S);
    return (uint64_t)s * 1000;
}

static struct sim_watch *watch_new(struct sim_call *c, struct sim_selector *selector)
{
    struct sim_watch *w = xcalloc(1, sizeof *w);
    uint64_t now = uv_now(c->sim->loop);
    *w = (struct sim_watch){
        .cluster = c->cluster,
        .at = c->at,
        .x = c->x,
        .selector = *selector,
        .ns = xstrdup0(c->ns),
        .api_version = xstrdup(c->api_version),
        .accept = c->accept,
        .bookmarks = sim_query_true(&c->query, "allowWatchBookmarks"),
        .first = true,
        .fault = c->q->fault,
        .held = BUF_INIT(EVENT_MAX),
        .deadline = now + timeout_ms(c),
        .bookmark_ms = (uint64_t)c->sim->opts.bookmark_ms,
    };
    uv_timer_init(c->sim->loop, &w->timer);
    w->timer.data = w;
    DL_APPEND(c->at->watches, w);
    return w;
}

/* The kinds of answers that a watch has; false: refused. */
static bool check(struct sim_call *c, uint64_t *ret_version, bool *ret_initial)
{
    const char *rv = str_or(sim_query_get(&c->query, "resourceVersion"), "");
    const char *match = str_or(sim_query_get(&c->query, "resourceVersionMatch"), "");
    const char *send = sim_query_get(&c->query, "sendInitialEvents");
    bool initial = send && sim_query_true(&c->query, "sendInitialEvents");
    int64_t n = 0;
    if (send && !str_eq(match, "NotOlderThan")) {
        sim_fail_options(c, "ListOptions", "resourceVersionMatch", "FieldValueForbidden",
                         "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                         "NotOlderThan");
        return false;
    }
    if (!send && *match) {
        sim_fail_options(c, "ListOptions", "resourceVersionMatch", "FieldValueForbidden",
                         "Forbidden: resourceVersionMatch is forbidden for watch unless "
                         "sendInitialEvents is provided");
        return false;
    }
    if (*rv && str_to_i64(rv, 0, INT64_MAX, &n) < 0) {
        sim_fail(c, 500, NULL, NULL,
                 "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": "
                 "invalid syntax",
                 rv, rv);
        return false;
    }
    *ret_version = (uint64_t)n;
    *ret_initial = initial || (n == 0 && !send);
    if (send && !initial && n == 0)
        *ret_version = c->cluster->version; /* from now on */
    return true;
}

void sim_watch_begin(struct sim_call *c)
{
    uint64_t version;
    bool initial;
    struct sim_selector selector;
    struct err err = {0};
    if (c->accept.as == SIM_AS_PARTIAL_LIST)
        c->accept.as = SIM_AS_PARTIAL;
    if (!check(c, &version, &initial))
        return;
    if (sim_selector_parse(c->kind, sim_query_get(&c->query, "labelSelector"),
                           sim_query_get(&c->query, "fieldSelector"), &selector, &err) < 0) {
        sim_fail_err(c, &err);
        return;
    }
    c->cluster->stats.watches++;
    struct sim_watch *w = watch_new(c, &selector);
    sim_stream_begin(c->x, 200, c->accept.proto ? SIM_PROTO ";stream=watch" : SIM_JSON, on_gone, w);
    begin(w, version, initial);
}
