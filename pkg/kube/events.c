/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/retry.h"
#include "kube/spam.h"
#include "json/jx.h"

enum { IN_FLIGHT_MAX = 256, OBJECT_NAME_MAX = 200 };

static const struct gvr events = {"", "v1", "events", "Event", true};

/* One write on its way. What happens meanwhile to the same event waits for it: a count can't overtake its object. */
struct flight {
    struct kube_events *owner;
    struct kube_call *call;
    char *key;
    int count; /* that the API server will know */
    struct flight *prev, *next;
};

struct kube_events {
    struct kube_client *client;
    char *component;
    struct kube_spam spam;
    struct flight *flights;
    int n_flights;
};

static void flight_free(struct flight *f)
{
    DL_DELETE(f->owner->flights, f);
    f->owner->n_flights--;
    free(f->key);
    free(f);
}

static struct flight *find_flight(struct kube_events *e, const char *key)
{
    for (struct flight *f = e->flights; f; f = f->next) {
        if (str_eq(f->key, key))
            return f;
    }
    return NULL;
}

static void send_count(struct kube_events *e, const struct kube_sent *sent);

static void on_sent(void *arg, const struct kube_response *r, const struct err *err)
{
    struct flight *f = arg;
    struct kube_events *e = f->owner;
    auto_free char *key = xstrdup(f->key);
    int told = f->count;
    (void)r;
    flight_free(f);
    if (err) {
        log_debug("event dropped", "error", err->msg);
        kube_spam_forget(&e->spam, key);
        return;
    }
    struct kube_sent *sent;
    HASH_FIND_STR(e->spam.sent, key, sent);
    if (sent && sent->count > told)
        send_count(e, sent);
}

static void launch(struct kube_events *e, const struct kube_sent *sent, const char *method,
                   const char *type, const json_t *body)
{
    bool post = str_eq(method, "POST");
    auto_free char *path = gvr_path(&events, sent->ns, post ? NULL : sent->name);
    auto_free char *text = jx_dump(body);
    struct kube_request q = {
        .method = method,
        .path = path,
        .content_type = type,
        .accept = KUBE_ACCEPT_METADATA,
        .body = text,
    };
    struct flight *f = xcalloc(1, sizeof *f);
    f->owner = e;
    f->key = xstrdup(sent->key);
    f->count = sent->count;
    DL_APPEND(e->flights, f);
    e->n_flights++;
    f->call = kube_call(e->client, &q, on_sent, f);
}

static void send_count(struct kube_events *e, const struct kube_sent *sent)
{
    char now[CLOCK_RFC3339_MAX];
    clock_format(clock_s(e->client->clock), now);
    auto_json *body = json_pack("{s:i, s:s}", "count", sent->count, "lastTimestamp", now);
    launch(e, sent, "PATCH", KUBE_MERGE_PATCH, body);
}

/* The longest beginning of at most max bytes that does not cut a UTF-8 sequence. */
static size_t cut(const char *s, size_t max)
{
    size_t n = strnlen(s, max + 1);
    if (n <= max)
        return n;
    for (n = max; n && ((unsigned char)s[n] & 0xC0) == 0x80;)
        n--;
    return n;
}

static json_t *event_object(const struct kube_events *e, const struct kube_event *ev,
                            const struct kube_sent *sent)
{
    const char *message = str_or(ev->message, "");
    json_t *o = json_pack(
        "{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:s, s:s, s:{s:s}, s:s, s:s,"
        " s:i, s:s, s:s}",
        "apiVersion", "v1", "kind", "Event", "metadata", "name", sent->name, "namespace", sent->ns,
        "involvedObject", "apiVersion", str_or(ev->api_version, ""), "kind", str_or(ev->kind, ""),
        "name", str_or(ev->name, ""), "type", ev->warning ? "Warning" : "Normal", "reason",
        str_or(ev->reason, "Unknown"), "source", "component", e->component, "firstTimestamp",
        sent->first, "lastTimestamp", sent->first, "count", sent->count, "reportingComponent",
        e->component, "reportingInstance", "");
    json_object_set_new(o, "message", json_stringn(message, cut(message, KUBE_EVENT_MESSAGE_MAX)));
    jx_set_str(o, "involvedObject.namespace", ev->ns);
    jx_set_str(o, "involvedObject.uid", ev->uid);
    return o;
}

static void send_new(struct kube_events *e, const struct kube_event *ev, struct kube_sent *sent)
{
    clock_format(clock_s(e->client->clock), sent->first);
    sent->ns = xstrdup(ev->ns && *ev->ns ? ev->ns : "default");
    sent->name = xasprintf("%.*s.%016" PRIx64, OBJECT_NAME_MAX, str_or(ev->name, "unknown"),
                           kube_random(&e->client->random));
    auto_json *body = event_object(e, ev, sent);
    launch(e, sent, "POST", KUBE_JSON, body);
}

struct kube_events *kube_events_new(struct kube_client *c, const char *component)
{
    struct kube_events *e = xcalloc(1, sizeof *e);
    e->client = c;
    e->component = xstrdup(component);
    return e;
}

void kube_events_free(struct kube_events *e)
{
    if (!e)
        return;
    while (e->flights) {
        kube_call_cancel(e->flights->call);
        flight_free(e->flights);
    }
    kube_spam_done(&e->spam);
    free(e->component);
    free(e);
}

void kube_events_emit(struct kube_events *e, const struct kube_event *ev)
{
    struct kube_sent *sent = NULL;
    if (e->n_flights >= IN_FLIGHT_MAX)
        return;
    switch (kube_spam_judge(&e->spam, ev, clock_ms(e->client->clock), &sent)) {
    case KUBE_SPAM_CREATE:
        send_new(e, ev, sent);
        break;
    case KUBE_SPAM_COUNT:
        if (!find_flight(e, sent->key))
            send_count(e, sent);
        break;
    case KUBE_SPAM_DROP:
        break;
    }
}
