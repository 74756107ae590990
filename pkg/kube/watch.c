/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/query.h"
#include "kube/reflector.h"
#include "kube/retry.h"
#include "kube/timer.h"
#include "kube/watch_priv.h"
#include "json/jx.h"

enum {
    WATCH_PATH_MAX = 64 * 1024, /* continue tokens are long */
    OPEN_TIMEOUT_MS = 30000,    /* a watch whose headers do not come */
};

#define PROTO                 "application/vnd.kubernetes.protobuf"
#define AS_METADATA           ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define AS_METADATA_LIST      ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define ACCEPT_LIST           PROTO ", " KUBE_JSON
#define ACCEPT_WATCH          PROTO ";stream=watch, " KUBE_JSON
#define ACCEPT_METADATA_LIST  PROTO AS_METADATA_LIST ", " KUBE_ACCEPT_METADATA_LIST
#define ACCEPT_METADATA_WATCH PROTO ";stream=watch" AS_METADATA ", " KUBE_ACCEPT_METADATA

#define INITIAL_EVENTS_END "k8s.io/initial-events-end"

/* One for all watches: they make one record at a time. */
static struct {
    struct kube_record_maker *maker;
    size_t users;
} shared;

static void shared_begin(void)
{
    if (!shared.users++)
        shared.maker = kube_record_maker_new();
}

static void shared_end(void)
{
    if (--shared.users)
        return;
    kube_record_maker_free(shared.maker);
    shared.maker = NULL;
}

static void drop_decoders(struct kube_watch *w)
{
    kube_list_decoder_free(w->list);
    kube_watch_decoder_free(w->events);
    w->list = NULL;
    w->events = NULL;
}

static void watch_free(struct kube_watch *w)
{
    kube_timer_free(w->timer);
    kube_reflector_done(&w->reflector);
    drop_decoders(w);
    free(w->broken);
    free(w->path);
    free(w->api_version);
    free(w->kind);
    free(w->label_selector);
    free(w->field_selector);
    free(w);
    shared_end();
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

/* An object on its way to the sink, in the form that it wants; both NULL: nothing that it could be told. */
struct object {
    const struct kube_record *record;
    const json_t *tree;
};

static void upsert(struct kube_watch *w, const struct object *o)
{
    if (w->stopped)
        return;
    if (o->record && w->sink->upsert)
        w->sink->upsert(w->arg, o->record);
    if (o->tree && w->sink->upsert_tree)
        w->sink->upsert_tree(w->arg, o->tree);
}

static void remove_object(struct kube_watch *w, const struct object *o)
{
    if (w->stopped)
        return;
    if (o->record && w->sink->remove)
        w->sink->remove(w->arg, o->record);
    if (o->tree && w->sink->remove_tree)
        w->sink->remove_tree(w->arg, o->tree);
}

static void start_stream(struct kube_watch *w, bool list);

/* o: of an event, or NULL. */
static void step(struct kube_watch *w, const struct kube_input *in, const struct object *o)
{
    if (w->stopped)
        return;
    struct kube_output out = kube_reflector_step(&w->reflector, in, clock_ms(w->client->clock));
    if (out.cut)
        stop_stream(w);
    if (out.begin)
        tell(w, w->sink->list_begin);
    if (out.upsert && o)
        upsert(w, o);
    if (out.remove && o)
        remove_object(w, o);
    if (out.synced)
        tell(w, w->sink->synced);
    if (out.report && w->sink->state && !w->stopped)
        w->sink->state(w->arg, out.err);
    if (w->stopped)
        return;
    if (out.action == KUBE_ACTION_WAIT)
        kube_timer_start(w->timer, out.wait_ms);
    else if (out.action != KUBE_ACTION_NONE)
        start_stream(w, out.action == KUBE_ACTION_LIST);
}

/* New, or NULL: nothing usable, or another kind. A typed list's items do not say what they are. */
static json_t *load_tree(const struct kube_watch *w, const char *data, size_t len)
{
    struct err err = {0};
    auto_json *obj = jx_load(data, len, &err);
    if (!json_is_object(obj) || !str_eq(str_or(jx_str(obj, "kind"), w->kind), w->kind)) {
        log_debug("object skipped", "kind", w->kind, "error", err.msg);
        return NULL;
    }
    if (!json_object_get(obj, "kind"))
        json_object_set_new(obj, "kind", json_string(w->kind));
    if (!json_object_get(obj, "apiVersion"))
        json_object_set_new(obj, "apiVersion", json_string(w->api_version));
    return json_incref(obj);
}

static const struct kube_record *load_record(const struct kube_watch *w, const char *data,
                                             size_t len)
{
    struct err err = {0};
    const struct kube_record *r =
        kube_record_make(shared.maker, w->record, w->encoding, data, len, &err);
    if (!r)
        log_debug("object skipped", "kind", w->kind, "error", err.msg);
    return r;
}

static int on_item(void *arg, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    auto_json *tree = w->trees ? load_tree(w, data, len) : NULL;
    struct object o = {w->trees ? NULL : load_record(w, data, len), tree};
    upsert(w, &o);
    return w->stopped;
}

static void set_broken(struct kube_watch *w, const struct err *err)
{
    if (!w->broken)
        w->broken = xmalloc(sizeof *w->broken);
    *w->broken = *err;
}

static int on_list_data(void *arg, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    struct err err = {0};
    int r = -1;
    enter(w);
    w->list_bytes += len;
    if (w->list_bytes > KUBE_LIST_BYTES_MAX)
        err_set(&err, ERR_INVALID, 0, "the list of %s is larger than %d bytes", w->kind,
                KUBE_LIST_BYTES_MAX);
    else
        r = kube_list_decode(w->list, data, len, on_item, w, &err);
    if (err.class != ERR_NONE)
        set_broken(w, &err);
    leave(w);
    return r;
}

/* Of an event: what the reflector wants to know. */
struct event_meta {
    char version[KUBE_VERSION_MAX];
    bool initial_end;
};

static bool is_text(const char *s, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(s, text, len) == 0;
}

static int on_meta(void *arg, const struct kube_value *v)
{
    struct event_meta *m = arg;
    if (v->slot == KUBE_SLOT_VERSION) {
        size_t n = v->len < sizeof m->version ? v->len : 0;
        memcpy(m->version, n ? v->str : "", n);
        m->version[n] = '\0';
    } else if (v->slot == KUBE_SLOT_ANNOTATION && is_text(v->key, v->key_len, INITIAL_EVENTS_END)) {
        m->initial_end = is_text(v->str, v->len, "true");
    }
    return 0;
}

/* Not 0: the stream is given up. */
static int on_event(void *arg, enum kube_event_type type, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    struct err err = {0};
    struct event_meta meta = {0};
    struct kube_input in = {.type = KUBE_INPUT_EVENT, .event = type, .version = meta.version};
    bool object = type != KUBE_EVENT_ERROR && type != KUBE_EVENT_BOOKMARK;
    auto_json *tree = object && w->trees ? load_tree(w, data, len) : NULL;
    struct object o = {object && !w->trees ? load_record(w, data, len) : NULL, tree};
    if (type == KUBE_EVENT_ERROR) {
        kube_read_status(w->encoding, data, len, &err);
        err_wrap(&err, "watch of %s", w->kind);
        in.err = &err;
    } else if (kube_read(w->encoding, kube_schema(KUBE_RECORD_META), data, len, on_meta, &meta,
                         &err) < 0) {
        log_debug("event skipped", "kind", w->kind, "error", err.msg);
        return 0;
    }
    in.initial_end = meta.initial_end;
    step(w, &in, &o);
    return w->stopped || !w->stream;
}

static int on_watch_data(void *arg, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    struct err err = {0};
    enter(w);
    int r = kube_watch_decode(w->events, data, len, on_event, w, &err);
    if (err.class != ERR_NONE && !w->stopped)
        set_broken(w, &err);
    leave(w);
    return r;
}

static void on_opened(void *arg, const char *content_type)
{
    struct kube_watch *w = arg;
    enter(w);
    kube_timer_stop(w->timer);
    w->opened = true;
    w->encoding = kube_encoding_of(content_type);
    if (w->listing)
        w->list = kube_list_decoder_new(w->encoding);
    else
        w->events = kube_watch_decoder_new(w->encoding);
    step(w, &(struct kube_input){.type = KUBE_INPUT_OPENED}, NULL);
    leave(w);
}

/* What is not one of the list's objects names its version and the next page. */
static void list_complete(struct kube_watch *w)
{
    struct err err = {0};
    struct kube_list_meta meta = {0};
    struct kube_list_decoder *list = STEAL(w->list); /* the next page may need its own */
    struct kube_input in = {.type = KUBE_INPUT_ENDED, .err = &err};
    if (!list)
        err_set(&err, ERR_TRANSIENT, 0, "GET %s: an answer without content", w->path);
    else if (kube_list_decoder_end(list, &meta, &err) == 0)
        in = (struct kube_input){
            .type = KUBE_INPUT_PAGE,
            .version = meta.version,
            .next_page = meta.next_page,
        };
    step(w, &in, NULL);
    kube_list_decoder_free(list);
}

/* The server has neither protobuf nor metadata only in it: ask again, with less to choose from. */
static bool ask_for_json(struct kube_watch *w, const struct err *err)
{
    if (w->json || w->opened || !err || err->code != 406)
        return false;
    w->json = true;
    start_stream(w, w->listing);
    return true;
}

static void on_ended(void *arg, const struct err *err)
{
    struct kube_watch *w = arg;
    struct err *broken = STEAL(w->broken);
    enter(w);
    w->stream = NULL;
    kube_timer_stop(w->timer);
    if (broken)
        err = broken;
    if (w->listing && !err) {
        list_complete(w);
    } else if (!ask_for_json(w, err)) {
        drop_decoders(w);
        step(w, &(struct kube_input){.type = KUBE_INPUT_ENDED, .err = err}, NULL);
    }
    free(broken);
    leave(w);
}

/* NULL: JSON. */
static const char *accepts(const struct kube_watch *w, bool list)
{
    bool meta = w->record == KUBE_RECORD_META;
    if (w->trees || (w->json && !meta))
        return NULL;
    if (w->json)
        return list ? KUBE_ACCEPT_METADATA_LIST : KUBE_ACCEPT_METADATA;
    if (meta)
        return list ? ACCEPT_METADATA_LIST : ACCEPT_METADATA_WATCH;
    return list ? ACCEPT_LIST : ACCEPT_WATCH;
}

static void start_stream(struct kube_watch *w, bool list)
{
    static const struct kube_stream_handler list_handler = {on_opened, on_list_data, on_ended};
    static const struct kube_stream_handler watch_handler = {on_opened, on_watch_data, on_ended};
    auto_buf path = BUF_INIT(WATCH_PATH_MAX);
    buf_puts(&path, w->path);
    if (w->label_selector)
        kube_query_add(&path, "labelSelector", w->label_selector);
    if (w->field_selector)
        kube_query_add(&path, "fieldSelector", w->field_selector);
    kube_reflector_query(&w->reflector, &path);
    w->listing = list;
    w->opened = false;
    if (!w->reflector.next_page)
        w->list_bytes = 0;
    drop_decoders(w);
    enum kube_class class = w->bulk ? KUBE_CLASS_BULK : KUBE_CLASS_LIST;
    w->stream = kube_stream_start(w->client, list ? class : KUBE_CLASS_WATCH, path.data,
                                  accepts(w, list), (int)kube_reflector_timeout_ms(&w->reflector),
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
    w->record = opts->record;
    w->bulk = opts->bulk;
    w->trees = opts->trees;
    w->sink = sink;
    w->arg = arg;
    shared_begin();
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
