/* SPDX-License-Identifier: Apache-2.0 */
/* An exchange has two holders: the transport (x->c) until the last byte is sent or the client has gone, and the API
 * (x->api) from the handler's call until it has answered. The one that lets go last frees it. */
#include "kubesim/exchange.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/conn.h"
#include "kubesim/target.h"

enum { GZIP_FROM = 128 * 1024, ANSWER_MAX = 1 << 30, HEADERS_MAX = 16384 };

/* --- life --- */

struct sim_exchange *exchange_new(struct sim_conn *c, int32_t id)
{
    struct sim_exchange *x = xcalloc(1, sizeof *x);
    x->l = c->l;
    x->c = c;
    x->id = id;
    x->body = BUF_INIT(SIM_BODY_MAX);
    x->headers = BUF_INIT(HEADERS_MAX);
    x->out = BUF_INIT(ANSWER_MAX);
    x->left = SIZE_MAX;
    DL_APPEND(c->exchanges, x);
    return x;
}

static void release_ref(struct sim_exchange *x)
{
    void (*done)(void *) = x->done;
    x->done = NULL;
    x->ref = NULL;
    if (done)
        done(x->done_arg);
}

static void delay_closed(uv_handle_t *h)
{
    struct sim_delay *d = h->data;
    struct sim_listener *l = d->l;
    free(d);
    listener_handle_closed(l);
}

static void stop_delay(struct sim_exchange *x)
{
    if (!x->delay)
        return;
    x->delay->x = NULL;
    uv_close((uv_handle_t *)&x->delay->timer, delay_closed);
    x->delay = NULL;
}

static void exchange_free(struct sim_exchange *x)
{
    stop_delay(x);
    release_ref(x);
    for (int i = 0; i < SIM_TEXTS; i++)
        free(x->text[i]);
    free(x->content_type);
    buf_done(&x->body);
    buf_done(&x->headers);
    buf_done(&x->out);
    free(x);
}

static void tell_gone(struct sim_exchange *x)
{
    x->api = false;
    x->gone(x->gone_arg);
}

void exchange_over(struct sim_exchange *x)
{
    DL_DELETE(x->c->exchanges, x);
    x->c = NULL;
    stop_delay(x);
    if (x->api && !x->answered) {
        DL_APPEND(x->l->orphans, x);
        return;
    }
    if (x->api)
        tell_gone(x);
    exchange_free(x);
}

static void free_orphan(struct sim_exchange *x)
{
    DL_DELETE(x->l->orphans, x);
    exchange_free(x);
}

void exchange_tell_orphans(struct sim_listener *l)
{
    struct sim_exchange *x = l->orphans;
    while (x) {
        if (!x->answered) {
            x = x->next;
            continue;
        }
        DL_DELETE(l->orphans, x);
        tell_gone(x);
        exchange_free(x);
        x = l->orphans; /* whoever was told may have ended others */
    }
}

void exchange_free_orphans(struct sim_listener *l)
{
    exchange_tell_orphans(l);
    while (l->orphans)
        free_orphan(l->orphans);
}

/* --- the request --- */

void exchange_text(struct sim_exchange *x, int which, const char *s, size_t len)
{
    if (!x->text[which])
        x->text[which] = xstrndup(s, len);
}

/* "gzip", and not "gzip;q=0". */
static bool accepts_gzip(const char *s, size_t len)
{
    auto_free char *text = xstrndup(s, len);
    const char *found = strcasestr(text, "gzip");
    if (!found)
        return false;
    found += 4;
    found += strspn(found, " ");
    return !str_starts(found, ";q=0") || found[4] == '.';
}

void exchange_header(struct sim_exchange *x, const char *name, size_t name_len, const char *value,
                     size_t len)
{
    static const struct {
        const char *name;
        int which;
    } kept[] = {
        {"accept", SIM_ACCEPT},
        {"content-type", SIM_CONTENT_TYPE},
        {"authorization", SIM_AUTHORIZATION},
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strlen(kept[i].name) == name_len && strncasecmp(kept[i].name, name, name_len) == 0)
            exchange_text(x, kept[i].which, value, len);
    if (name_len == 15 && strncasecmp("accept-encoding", name, 15) == 0)
        x->q.gzip = accepts_gzip(value, len);
    if (name_len == 6 && strncasecmp("expect", name, 6) == 0)
        x->expect = true;
}

void exchange_body(struct sim_exchange *x, const void *data, size_t len)
{
    if (x->too_large || buf_append(&x->body, data, len) == 0)
        return;
    x->too_large = true;
    buf_done(&x->body);
}

static void hand_on(struct sim_exchange *x)
{
    x->api = true;
    x->l->handler(x->l->arg, x, &x->q);
}

static void delay_over(uv_timer_t *t)
{
    struct sim_delay *d = t->data;
    struct sim_exchange *x = d->x;
    stop_delay(x);
    hand_on(x);
}

static void delay(struct sim_exchange *x)
{
    struct sim_delay *d = xcalloc(1, sizeof *d);
    d->l = x->l;
    d->x = x;
    x->delay = d;
    uv_timer_init(x->l->loop, &d->timer);
    d->timer.data = d;
    x->l->handles++;
    uv_timer_start(&d->timer, delay_over, (uint64_t)(x->fault.ms > 0 ? x->fault.ms : 0), 0);
}

/* The connection of HTTP/1.1, the stream of HTTP/2. Later: the caller may be deep inside it. */
static void reset(struct sim_exchange *x)
{
    x->mute = true;
    if (x->c->h2)
        h2_reset(x);
    else
        x->c->reset = true;
    conn_touch(x->c);
}

static void go_away(struct sim_exchange *x)
{
    x->mute = true;
    if (x->c->h2)
        h2_goaway(x);
    else
        x->c->finish = true;
    conn_touch(x->c);
}

static void begin(struct sim_exchange *x)
{
    switch (x->fault.kind) {
    case SIM_FAULT_DELAY:
        delay(x);
        return;
    case SIM_FAULT_DROP:
        x->mute = true;
        return;
    case SIM_FAULT_RESET_BEFORE:
        reset(x);
        return;
    case SIM_FAULT_GOAWAY:
        go_away(x);
        return;
    case SIM_FAULT_STATUS:
        exchange_refuse(x, x->fault.status, "a fault was asked for");
        return;
    case SIM_FAULT_TRUNCATE:
        x->left = x->fault.bytes;
        break;
    case SIM_FAULT_DUPLICATE:
    case SIM_FAULT_REORDER:
    case SIM_FAULT_EXPIRE:
        x->q.fault = x->fault;
        break;
    case SIM_FAULT_NONE:
    case SIM_FAULT_RESET_AFTER:
    case SIM_FAULT_HALF_LINE:
    case SIM_FAULT_SILENCE:
        break;
    }
    hand_on(x);
}

void exchange_complete(struct sim_exchange *x)
{
    struct sim_request *q = &x->q;
    struct sim_target t;
    q->index = ++x->l->requests;
    if (!x->text[SIM_METHOD] || !x->text[SIM_TARGET] ||
        sim_target_split(x->text[SIM_TARGET], &t) < 0) {
        exchange_refuse(x, 400, "no request that is understood");
        return;
    }
    q->method = x->text[SIM_METHOD];
    q->cluster = *t.cluster ? t.cluster : str_or(x->c->cluster, "");
    q->path = t.path;
    q->query = t.query;
    q->accept = str_or(x->text[SIM_ACCEPT], "");
    q->content_type = str_or(x->text[SIM_CONTENT_TYPE], "");
    q->authorization = str_or(x->text[SIM_AUTHORIZATION], "");
    q->client_cn = x->c->client_cn;
    q->body = str_or(x->body.data, "");
    q->body_len = x->body.len;
    if (x->too_large) {
        exchange_refuse(x, 413, "the request is too large");
        return;
    }
    x->fault = sim_rules_match(&x->l->rules, q);
    begin(x);
}

/* --- the answer --- */

/* A new answer. False: nobody is there to have it. */
static bool answer(struct sim_exchange *x, int status, const char *content_type)
{
    x->status = status;
    x->content_type = xstrdup0(content_type);
    x->answered = true;
    return x->c;
}

static void send_answer(struct sim_exchange *x)
{
    if (x->fault.kind == SIM_FAULT_RESET_AFTER) {
        reset(x);
        return;
    }
    if (x->c->h2)
        h2_answer(x);
    conn_touch(x->c);
}

static bool compress(struct sim_exchange *x, const void *body, size_t len)
{
    if (!x->q.gzip || len <= GZIP_FROM || !sim_gzip(body, len, &x->out))
        return false;
    sim_header(x, "content-encoding", "gzip");
    return true;
}

static void finish_answer(struct sim_exchange *x)
{
    x->ended = true;
    x->api = false;
    send_answer(x);
}

/* Nobody is there to have it. */
static void keep_or_drop(struct sim_exchange *x, const void *body, size_t len)
{
    if (x->local)
        buf_append(&x->out, body, len);
    else
        free_orphan(x);
}

void sim_respond(struct sim_exchange *x, int status, const char *content_type, const void *body,
                 size_t len)
{
    if (!answer(x, status, content_type)) {
        keep_or_drop(x, body, len);
        return;
    }
    if (!compress(x, body, len))
        buf_append(&x->out, body, len);
    finish_answer(x);
}

void sim_respond_ref(struct sim_exchange *x, int status, const char *content_type, const void *body,
                     size_t len, void (*done)(void *arg), void *arg)
{
    x->done = done;
    x->done_arg = arg;
    if (!answer(x, status, content_type)) {
        keep_or_drop(x, body, len);
        return;
    }
    if (compress(x, body, len)) {
        release_ref(x);
    } else {
        x->ref = body;
        x->ref_len = len;
    }
    finish_answer(x);
}

void exchange_refuse(struct sim_exchange *x, int status, const char *message)
{
    auto_free char *text = sim_status_text(status, message, x->fault.retry_after_s);
    if (x->fault.retry_after_s > 0) {
        auto_free char *seconds = xasprintf("%d", x->fault.retry_after_s);
        sim_header(x, "retry-after", seconds);
    }
    sim_respond(x, status, "application/json", text, strlen(text));
}

void sim_header(struct sim_exchange *x, const char *name, const char *value)
{
    size_t before = x->headers.len;
    if (strpbrk(value, "\r\n") || buf_append(&x->headers, name, strlen(name) + 1) < 0)
        return;
    if (buf_append(&x->headers, value, strlen(value) + 1) < 0)
        x->headers.len = before;
}

void sim_stream_begin(struct sim_exchange *x, int status, const char *content_type,
                      void (*gone)(void *arg), void *arg)
{
    x->stream = true;
    x->gone = gone;
    x->gone_arg = arg;
    if (x->fault.kind == SIM_FAULT_SILENCE)
        x->mute = true;
    if (answer(x, status, content_type))
        send_answer(x);
}

static void more(struct sim_exchange *x)
{
    if (x->c->h2)
        h2_more(x);
    conn_touch(x->c);
}

bool sim_stream_write(struct sim_exchange *x, const void *data, size_t len)
{
    if (!x->c || x->mute)
        return true;
    if (x->out.len - x->at + len > SIM_STREAM_BEHIND_MAX)
        return false;
    if (x->fault.kind == SIM_FAULT_HALF_LINE) {
        len /= 2;
        x->mute = x->ended = true;
    }
    if (x->at > x->out.len / 2) {
        buf_shift(&x->out, x->at);
        x->at = 0;
    }
    buf_append(&x->out, data, len);
    more(x);
    return true;
}

void sim_stream_end(struct sim_exchange *x)
{
    x->api = false;
    if (!x->c) {
        free_orphan(x);
        return;
    }
    if (x->mute)
        return;
    x->ended = true;
    more(x);
}

/* --- without a client --- */

int sim_local(struct sim_listener *l, const struct sim_request *q, struct buf *ret)
{
    if (sim_is_watch(q))
        return 0;
    struct sim_exchange *x = xcalloc(1, sizeof *x);
    x->l = l;
    x->local = x->api = true;
    x->headers = BUF_INIT(HEADERS_MAX);
    x->out = BUF_INIT(ANSWER_MAX);
    x->q = *q;
    l->handler(l->arg, x, &x->q);
    int status = x->answered ? x->status : 0;
    buf_append(ret, str_or(x->out.data, ""), x->out.len);
    exchange_free(x);
    return status;
}

/* --- what the transport takes of it --- */

size_t exchange_ready(const struct sim_exchange *x, const char **ret)
{
    const char *data = x->ref ? x->ref : x->out.data;
    size_t n = (x->ref ? x->ref_len : x->out.len) - x->at;
    *ret = n ? data + x->at : "";
    return n < x->left ? n : x->left;
}

void exchange_took(struct sim_exchange *x, size_t n)
{
    x->at += n;
    if (x->left != SIZE_MAX)
        x->left -= n;
    if (x->stream && x->at == x->out.len) {
        buf_done(&x->out);
        x->at = 0;
    }
}

bool exchange_is_cut(const struct sim_exchange *x)
{
    return x->left == 0;
}

size_t exchange_length(const struct sim_exchange *x)
{
    return x->ref ? x->ref_len : x->out.len;
}

bool exchange_is_sent(const struct sim_exchange *x)
{
    return x->ended && x->at == exchange_length(x);
}
