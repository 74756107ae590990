/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watch.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/frame.h"
#include "kube/items.h"
#include "kube/query.h"
#include "kube/reflector.h"
#include "kube/retry.h"
#include "kube/status.h"
#include "kube/timer.h"
#include "kube/watch_priv.h"
#include "json/jx.h"

enum {
    WATCH_PATH_MAX = 64 * 1024, /* continue tokens are long */
    OPEN_TIMEOUT_MS = 30000,    /* a watch whose headers do not come */
};

#define INITIAL_EVENTS_END "k8s.io/initial-events-end"

static void watch_free(struct kube_watch *w)
{
    kube_timer_free(w->timer);
    kube_reflector_done(&w->reflector);
    kube_frame_done(&w->frame);
    kube_items_done(&w->items);
    free(w->path);
    free(w->api_version);
    free(w->kind);
    free(w->label_selector);
    free(w->field_selector);
    free(w);
}

/* The sink may stop the watch from inside its callbacks: memory goes when the last of them has returned. */
static void enter(struct kube_watch *w)
{
    w->depth++;
}

static void leave(struct kube_watch *w)
{
    if (--w->depth == 0 && w->stopped)
        watch_free(w);
}

static void stop_stream(struct kube_watch *w)
{
    if (w->stream)
        kube_stream_cancel(w->stream);
    w->stream = NULL;
}

static void tell(struct kube_watch *w, void (*cb)(void *arg))
{
    if (cb && !w->stopped)
        cb(w->arg);
}

static void give(struct kube_watch *w, void (*cb)(void *arg, const json_t *obj), const json_t *obj)
{
    if (cb && obj && !w->stopped)
        cb(w->arg, obj);
}

static void start_stream(struct kube_watch *w, bool list);

/* obj: of an event, or NULL. */
static void step(struct kube_watch *w, const struct kube_input *in, const json_t *obj)
{
    if (w->stopped)
        return;
    struct kube_output out = kube_reflector_step(&w->reflector, in, clock_ms(w->client->clock));
    if (out.cut)
        stop_stream(w);
    if (out.begin)
        tell(w, w->sink.list_begin);
    if (out.upsert)
        give(w, w->sink.upsert, obj);
    if (out.remove)
        give(w, w->sink.remove, obj);
    if (out.synced)
        tell(w, w->sink.synced);
    if (out.report && w->sink.state && !w->stopped)
        w->sink.state(w->arg, out.err);
    if (w->stopped)
        return;
    if (out.action == KUBE_ACTION_WAIT)
        kube_timer_start(w->timer, out.wait_ms);
    else if (out.action != KUBE_ACTION_NONE)
        start_stream(w, out.action == KUBE_ACTION_LIST);
}

/* A typed list's items do not say what they are. */
static int on_item(void *arg, const char *text, size_t len)
{
    struct kube_watch *w = arg;
    struct err err = {0};
    auto_json *obj = jx_load(text, len, &err);
    if (!json_is_object(obj)) {
        log_debug("item of a list skipped", "kind", w->kind, "error", err.msg);
        return 0;
    }
    if (!json_object_get(obj, "kind"))
        json_object_set_new(obj, "kind", json_string(w->kind));
    if (!json_object_get(obj, "apiVersion"))
        json_object_set_new(obj, "apiVersion", json_string(w->api_version));
    give(w, w->sink.upsert, obj);
    return w->stopped;
}

static int on_list_data(void *arg, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    enter(w);
    int r = kube_items_feed(&w->items, data, len, on_item, w, &w->broken);
    leave(w);
    return r;
}

static bool event_type(const char *s, enum kube_event_type *ret)
{
    static const char *const names[] = {
        [KUBE_EVENT_ADDED] = "ADDED",     [KUBE_EVENT_MODIFIED] = "MODIFIED",
        [KUBE_EVENT_DELETED] = "DELETED", [KUBE_EVENT_BOOKMARK] = "BOOKMARK",
        [KUBE_EVENT_ERROR] = "ERROR",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq(s, names[i])) {
            *ret = (enum kube_event_type)i;
            return true;
        }
    }
    return false;
}

/* Not 0: the stream is given up. */
static int on_frame(void *arg, const char *line, size_t len)
{
    struct kube_watch *w = arg;
    struct err err = {0};
    auto_json *ev = jx_load(line, len, &err);
    const json_t *obj = json_object_get(ev, "object");
    struct kube_input in = {.type = KUBE_INPUT_EVENT};
    if (!event_type(jx_str(ev, "type"), &in.event) || !json_is_object(obj)) {
        log_debug("event of a watch skipped", "kind", w->kind, "error", err.msg);
        return 0;
    }
    if (in.event == KUBE_EVENT_ERROR) {
        kube_status_err(obj, &err);
        err_wrap(&err, "watch of %s", w->kind);
        in.err = &err;
    }
    const json_t *meta = json_object_get(obj, "metadata");
    in.version = jx_str(meta, "resourceVersion");
    in.initial_end = str_eq(jx_str2(meta, "annotations", INITIAL_EVENTS_END), "true");
    step(w, &in, obj);
    return w->stopped || !w->stream;
}

static int on_watch_data(void *arg, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    enter(w);
    int r = kube_frame_feed(&w->frame, data, len, on_frame, w, &w->broken);
    leave(w);
    return r;
}

static void on_opened(void *arg, const char *content_type)
{
    (void)content_type;
    struct kube_watch *w = arg;
    enter(w);
    kube_timer_stop(w->timer);
    step(w, &(struct kube_input){.type = KUBE_INPUT_OPENED}, NULL);
    leave(w);
}

/* The rest of the list names its version and the next page. */
static void list_complete(struct kube_watch *w)
{
    struct err err = {0};
    auto_json *rest = kube_items_end(&w->items, &err);
    struct kube_input in = {.type = KUBE_INPUT_ENDED, .err = &err};
    if (rest)
        in = (struct kube_input){
            .type = KUBE_INPUT_PAGE,
            .version = jx_str(rest, "metadata.resourceVersion"),
            .next_page = jx_str(rest, "metadata.continue"),
        };
    step(w, &in, NULL);
}

static void on_ended(void *arg, const struct err *err)
{
    struct kube_watch *w = arg;
    struct err broken = w->broken;
    enter(w);
    w->stream = NULL;
    kube_timer_stop(w->timer);
    if (broken.class != ERR_NONE)
        err = &broken;
    if (w->listing && !err)
        list_complete(w);
    else
        step(w, &(struct kube_input){.type = KUBE_INPUT_ENDED, .err = err}, NULL);
    leave(w);
}

static void start_stream(struct kube_watch *w, bool list)
{
    static const struct kube_stream_handler list_handler = {on_opened, on_list_data, on_ended};
    static const struct kube_stream_handler watch_handler = {on_opened, on_watch_data, on_ended};
    auto_buf path = BUF_INIT(WATCH_PATH_MAX);
    const char *accept = NULL;
    buf_puts(&path, w->path);
    if (w->label_selector)
        kube_query_add(&path, "labelSelector", w->label_selector);
    if (w->field_selector)
        kube_query_add(&path, "fieldSelector", w->field_selector);
    kube_reflector_query(&w->reflector, &path);
    if (w->metadata_only)
        accept = list ? KUBE_ACCEPT_METADATA_LIST : KUBE_ACCEPT_METADATA;
    w->listing = list;
    w->broken = (struct err){0};
    kube_frame_done(&w->frame);
    kube_items_done(&w->items);
    w->stream = kube_stream_start(w->client, list ? KUBE_CLASS_LIST : KUBE_CLASS_WATCH, path.data,
                                  accept, (int)kube_reflector_timeout_ms(&w->reflector),
                                  list ? &list_handler : &watch_handler, w);
    kube_timer_start(w->timer, OPEN_TIMEOUT_MS);
}

/* The wait is over, or what was asked for is not even begun to be answered. */
static void on_time(void *arg)
{
    struct kube_watch *w = arg;
    struct err late;
    struct kube_input in = {.type = KUBE_INPUT_GO};
    enter(w);
    if (w->stream) {
        stop_stream(w);
        err_set(&late, ERR_TRANSIENT, 0, "GET %s: no answer in %d s", w->path,
                OPEN_TIMEOUT_MS / 1000);
        in = (struct kube_input){.type = KUBE_INPUT_ENDED, .err = &late};
    }
    step(w, &in, NULL);
    leave(w);
}

struct kube_watch *kube_watch_start(struct kube_client *c, const struct gvr *gvr,
                                    const struct kube_watch_opts *opts,
                                    const struct kube_sink *sink, void *arg)
{
    struct kube_watch *w = xcalloc(1, sizeof *w);
    w->client = c;
    w->path = gvr_path(gvr, opts->ns, NULL);
    w->api_version = gvr_api_version(gvr);
    w->kind = xstrdup(gvr->kind);
    w->label_selector = xstrdup0(opts->label_selector);
    w->field_selector = xstrdup0(opts->field_selector);
    w->metadata_only = opts->metadata_only;
    w->sink = *sink;
    w->arg = arg;
    w->frame = KUBE_FRAME_INIT;
    w->items = KUBE_ITEMS_INIT;
    w->timer = kube_timer_new(c->loop, on_time, w);
    kube_reflector_init(&w->reflector, opts->watch_list, kube_random(&c->random));
    DL_APPEND(c->watches, w);
    step(w, &(struct kube_input){.type = KUBE_INPUT_GO}, NULL);
    return w;
}

void kube_watch_wake(struct kube_watch *w)
{
    enter(w);
    step(w, &(struct kube_input){.type = KUBE_INPUT_WAKE}, NULL);
    leave(w);
}

bool kube_watch_synced(const struct kube_watch *w)
{
    return w->reflector.synced;
}

void kube_watch_stop(struct kube_watch *w)
{
    if (w->stopped)
        return;
    w->stopped = true;
    stop_stream(w);
    DL_DELETE(w->client->watches, w);
    enter(w);
    leave(w);
}
