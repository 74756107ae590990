/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"

static void on_timer(uv_timer_t *timer);

static void wake_at(struct http2 *h, uint64_t when)
{
    uint64_t now = uv_now(h->shared->loop);
    if (h->due && h->due <= when && uv_is_active((uv_handle_t *)&h->timer))
        return;
    h->due = when ? when : 1;
    uv_timer_start(&h->timer, on_timer, when > now ? when - now : 0, 0);
}

void http2_wake(struct http2 *h, uint64_t ms)
{
    wake_at(h, uv_now(h->shared->loop) + ms);
}

struct http2 *http2_new(uv_loop_t *loop, struct http_origin *o, const struct http_pool_opts *opts)
{
    struct http_shared *shared = http_shared_get(loop);
    if (!shared)
        return NULL;
    struct http2 *h = xcalloc(1, sizeof *h);
    h->shared = shared;
    h->origin = http_origin_ref(o);
    h->refs = 1;
    h->silence_ms = HTTP2_SILENCE_MS;
    h->answer_ms = HTTP2_ANSWER_MS;
    h->lull_ms = HTTP_LULL_MS;
    h->idle_ms = opts->idle_ms ? opts->idle_ms : HTTP2_IDLE_MS;
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    return h;
}

struct http2 *http2_ref(struct http2 *h)
{
    h->refs++;
    return h;
}

static void on_closed(uv_handle_t *handle)
{
    struct http2 *h = handle->data;
    http_origin_put(h->origin);
    http_shared_put(h->shared);
    free(h);
}

void http2_put(struct http2 *h)
{
    struct http2_conn *c, *next;
    if (--h->refs)
        return;
    DL_FOREACH_SAFE(h->conns, c, next)
    {
        DL_DELETE(h->conns, c);
        http2_conn_free(c);
    }
    SSL_SESSION_free(h->session);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}

/* Out of the list that it is in. */
static void leave(struct http2 *h, struct http_transfer *t)
{
    if (t->conn) {
        DL_DELETE2(t->conn->transfers, t, prev2, next2);
        t->conn->streams--;
        t->conn->since = uv_now(h->shared->loop);
    } else if (t->broken) {
        DL_DELETE2(h->over, t, prev2, next2);
    } else {
        DL_DELETE2(h->waiting, t, prev2, next2);
    }
    t->conn = NULL;
}

void http2_over(struct http2 *h, struct http_transfer *t, enum http_fault fault,
                const char *message)
{
    leave(h, t);
    t->result = (struct http_result){
        .fault = t->stopped ? HTTP_STOPPED : fault,
        .status = t->status,
        .message = message,
        .retry_after_ms = t->retry_after_ms,
        .date_s = t->date_s,
    };
    t->broken = true;
    DL_APPEND2(h->over, t, prev2, next2);
}

/* --- giving transfers to connections --- */

static struct http2_conn *find_taker(struct http2 *h)
{
    struct http2_conn *c;
    DL_FOREACH (h->conns, c) {
        if (http2_session_takes(c))
            break;
    }
    return c;
}

static bool is_opening(const struct http2 *h)
{
    const struct http2_conn *c;
    DL_FOREACH (h->conns, c) {
        if (c->state < HTTP2_UP)
            return true;
    }
    return false;
}

static size_t count(const struct http2 *h)
{
    const struct http2_conn *c;
    size_t n = 0;
    DL_FOREACH (h->conns, c)
        n++;
    return n;
}

static void give(struct http2 *h, struct http2_conn *c, struct http_transfer *t)
{
    if (http2_session_submit(c, t) < 0) {
        c->goaway = true; /* as when its stream identifiers are used up */
        return;
    }
    if (!c->transfers) /* a connection without transfers was not listened to */
        c->heard = uv_now(h->shared->loop);
    DL_DELETE2(h->waiting, t, prev2, next2);
    DL_APPEND2(c->transfers, t, prev2, next2);
    http2_session_hurry(c);
    t->conn = c;
    c->streams++;
    wake_at(h, c->heard + (uint64_t)h->silence_ms);
}

static void give_all(struct http2 *h)
{
    while (h->waiting) {
        struct http2_conn *c = find_taker(h);
        if (!c)
            break;
        give(h, c, h->waiting);
    }
    if (h->waiting && !is_opening(h) && count(h) < HTTP2_CONNS_MAX)
        http2_conn_new(h);
}

/* --- the ends of connections --- */

/* Those that wait did so for the connection that could not be opened. */
static void fail_waiting(struct http2 *h, const struct http2_conn *c)
{
    while (h->waiting)
        http2_over(h, h->waiting, c->fault, c->problem);
}

static void bury(struct http2 *h, struct http2_conn *c)
{
    bool was_up = c->session;
    while (c->transfers) {
        struct http_transfer *t = c->transfers;
        http2_over(h, t, t->sent ? c->fault : HTTP_UNSENT, c->problem);
    }
    if (!was_up && !h->none)
        fail_waiting(h, c);
}

static void tell(struct http2 *h)
{
    while (h->over) {
        struct http_transfer *t = h->over;
        DL_DELETE2(h->over, t, prev2, next2);
        t->http2 = NULL;
        http_pool_over(t, &t->result);
    }
}

static void give_back(struct http2 *h)
{
    while (h->none && h->waiting) {
        struct http_transfer *t = h->waiting;
        DL_DELETE2(h->waiting, t, prev2, next2);
        t->http2 = NULL;
        http_pool_back(t);
    }
}

static void drop_all(struct http2 *h)
{
    struct http2_conn *c;
    h->reset = false;
    DL_FOREACH (h->conns, c)
        http2_conn_kill(c, HTTP_LOST, "the connection was given up");
}

/* The texts of the results belong to the dead connections, which go last. */
static struct http2_conn *take_dead(struct http2 *h)
{
    struct http2_conn *c, *next, *dead = NULL;
    DL_FOREACH_SAFE(h->conns, c, next)
    {
        if (c->state != HTTP2_DEAD)
            continue;
        DL_DELETE(h->conns, c);
        bury(h, c);
        DL_APPEND(dead, c);
    }
    return dead;
}

/* --- time --- */

static void expire(struct http2 *h, struct http_transfer *list, uint64_t now)
{
    struct http_transfer *t, *next;
    DL_FOREACH_SAFE2(list, t, next, next2)
    {
        if (!t->deadline || t->deadline > now)
            continue;
        if (t->conn) {
            t->conn->suspect |= t->conn->heard + (uint64_t)t->timeout_ms <= t->deadline;
            http2_session_cancel(t->conn, t);
        }
        http2_over(h, t, HTTP_TIMEOUT, "the request took too long");
    }
}

static void earlier(uint64_t *when, uint64_t other)
{
    if (other && (!*when || other < *when))
        *when = other;
}

static void earliest_deadline(const struct http_transfer *list, uint64_t *when)
{
    const struct http_transfer *t;
    DL_FOREACH2(list, t, next2)
    earlier(when, t->deadline);
}

/* What the clock asks for. Returns when to look again, or 0. */
static uint64_t check_time(struct http2 *h)
{
    struct http2_conn *c;
    uint64_t when = 0, now = uv_now(h->shared->loop);
    expire(h, h->waiting, now);
    DL_FOREACH (h->conns, c) {
        expire(h, c->transfers, now);
        if (c->state != HTTP2_DEAD)
            earlier(&when, http2_conn_check(c, now));
        earliest_deadline(c->transfers, &when);
    }
    earliest_deadline(h->waiting, &when);
    return when;
}

void http2_settle(struct http2 *h)
{
    struct http2_conn *dead, *next, *c;
    if (h->reset)
        drop_all(h);
    uint64_t when = check_time(h);
    dead = take_dead(h);
    tell(h);
    give_back(h);
    give_all(h);
    DL_FOREACH_SAFE(dead, c, next)
    http2_conn_free(c);
    if (dead)
        when = 1; /* once more, for what has changed */
    if (when)
        wake_at(h, when);
    http2_put(h);
}

static void on_timer(uv_timer_t *timer)
{
    struct http2 *h = timer->data;
    h->due = 0;
    http2_ref(h);
    http2_settle(h);
}

/* --- transfers --- */

void http2_start(struct http2 *h, struct http_transfer *t)
{
    t->http2 = h;
    if (t->timeout_ms > 0) {
        uv_update_time(h->shared->loop);
        t->deadline = uv_now(h->shared->loop) + (uint64_t)t->timeout_ms;
        wake_at(h, t->deadline);
    }
    DL_APPEND2(h->waiting, t, prev2, next2);
    if (h->none)
        wake_at(h, 0);
    else
        give_all(h);
}

void http2_cancel(struct http_transfer *t)
{
    struct http2 *h = t->http2;
    if (!h)
        return;
    if (t->conn)
        http2_session_cancel(t->conn, t);
    leave(h, t);
    http2_wake(h, (uint64_t)h->idle_ms);
    t->http2 = NULL;
}

void http2_reset(struct http2 *h)
{
    h->reset = true;
    wake_at(h, 0);
}

void http2_hurry(struct http2 *h)
{
    struct http2_conn *c;
    h->hurried = uv_now(h->shared->loop) + HTTP_HURRY_MS;
    DL_FOREACH (h->conns, c)
        http2_session_hurry(c);
}
