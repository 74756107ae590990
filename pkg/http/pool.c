/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pool.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"
#include "http/transfer.h"

enum {
    FULL_ROUNDS_MAX = 256,
    /* After a sign of life of an HTTP/2 connection it is looked at again after 2, 10, 50, 250 and 1,250 ms. */
    KICK_FIRST_MS = 2,
    KICK_FACTOR = 5,
    KICK_LAST_MS = 1250,
    IDLE_CONNECTIONS_MAX = 2,
};

struct http_pool {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_timer_t kick;
    uint64_t kick_ms;
    CURLM *multi;
    struct http_origin origin;
    struct http_transfer *transfers;
    curl_socket_t fd;            /* the last one that was ready, or CURL_SOCKET_BAD */
    bool full;                   /* a transfer's buffer came full in the last round */
    size_t running, max_running; /* transfers that libcurl has */
    /* libcurl, or one of our callbacks, is on the stack: nothing may be added, removed or freed. */
    bool busy;
    bool draining; /* ends when the last transfer has ended */
    bool closing;  /* ends as soon as libcurl can be called */
    bool failed;   /* the multi handle, or its connections, are of no use any more */
};

/* A socket that libcurl wants to be told about. */
struct socket_watch {
    uv_poll_t poll;
    struct http_pool *pool;
    curl_socket_t fd;
};

static void pool_settle(struct http_pool *p);

static void on_socket_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct http_pool *p = h->data;
    http_origin_done(&p->origin);
    free(p);
    curl_global_cleanup();
}

static void pool_close(struct http_pool *p)
{
    struct http_transfer *t, *next;
    DL_FOREACH_SAFE(p->transfers, t, next)
    {
        if (t->added)
            curl_multi_remove_handle(p->multi, t->easy);
        DL_DELETE(p->transfers, t);
        http_transfer_free(t);
    }
    /* Closes the connections, and through on_interest the poll handles; none of that runs our callbacks. */
    curl_multi_cleanup(p->multi);
    p->multi = NULL;
    uv_close((uv_handle_t *)&p->kick, NULL);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed); /* the later one: it frees the pool */
}

/* libcurl 7.88 leaves a part of an HTTP/2 DATA frame that did not fit a transfer's buffer in a buffer of its own, and
 * may look at it only when the socket has more: an event of a watch would wait for the next one, for a minute. So while
 * buffers come full, the socket is said to be readable again. */
static void pool_act_once(struct http_pool *p, curl_socket_t fd, int events)
{
    int running = 0;
    p->full = false;
    if (curl_multi_socket_action(p->multi, fd, events, &running) != CURLM_OK)
        p->failed = true;
}

/* Runs libcurl, then what its callbacks and ours asked for in the meantime. May free the pool. */
static void pool_action(struct http_pool *p, curl_socket_t fd, int events)
{
    p->busy = true;
    if (fd != CURL_SOCKET_TIMEOUT)
        p->fd = fd;
    pool_act_once(p, fd, events);
    for (int i = 0; i < FULL_ROUNDS_MAX && p->full && !p->failed && p->fd != CURL_SOCKET_BAD; i++)
        pool_act_once(p, p->fd, CURL_CSELECT_IN);
    pool_settle(p);
}

void http_pool_full(struct http_pool *p)
{
    p->full = true;
}

static void on_timer(uv_timer_t *timer)
{
    pool_action(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* What libcurl 7.88 keeps back on a connection with several streams (see pool_act_once) is not always a full buffer: it
 * has been seen to hold a small answer, or the end of a request, until the socket's next event. */
static void on_kick(uv_timer_t *kick)
{
    struct http_pool *p = kick->data;
    p->kick_ms *= KICK_FACTOR;
    if (p->kick_ms <= KICK_LAST_MS)
        uv_timer_start(kick, on_kick, p->kick_ms, 0);
    if (p->fd != CURL_SOCKET_BAD)
        pool_action(p, p->fd, CURL_CSELECT_IN | CURL_CSELECT_OUT);
}

static void kick_later(struct http_pool *p)
{
    if (p->origin.http1 || (p->kick_ms == KICK_FIRST_MS && uv_is_active((uv_handle_t *)&p->kick)))
        return;
    p->kick_ms = KICK_FIRST_MS;
    uv_timer_start(&p->kick, on_kick, p->kick_ms, 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *w = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    kick_later(w->pool);
    pool_action(w->pool, w->fd, flags);
}

static struct socket_watch *watch_new(struct http_pool *p, curl_socket_t fd)
{
    struct socket_watch *w = xcalloc(1, sizeof *w);
    w->pool = p;
    w->fd = fd;
    if (uv_poll_init_socket(p->loop, &w->poll, fd) < 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    return w;
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct http_pool *p = arg;
    struct socket_watch *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (p->fd == fd)
            p->fd = CURL_SOCKET_BAD;
        if (w) {
            curl_multi_assign(p->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, on_socket_closed);
        }
        return 0;
    }
    if (!w) {
        w = watch_new(p, fd);
        if (!w)
            return -1;
        curl_multi_assign(p->multi, fd, w);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_ready) < 0 ? -1 : 0;
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct http_pool *p = arg;
    if (ms < 0)
        return uv_timer_stop(&p->timer);
    /* The loop's time is that of its last turn: without this, long work would make timers early. */
    uv_update_time(p->loop);
    return uv_timer_start(&p->timer, on_timer, (uint64_t)ms, 0);
}

static void pool_add(struct http_pool *p, struct http_transfer *t)
{
    if (curl_multi_add_handle(p->multi, t->easy) == CURLM_OK) {
        t->added = true;
        p->running++;
        return;
    }
    t->broken = true;
    uv_timer_start(&p->timer, on_timer, 0, 0);
}

/* Those that wait, in their order. libcurl opens a connection for each transfer above what the first one carries. */
static void pool_fill(struct http_pool *p)
{
    struct http_transfer *t;
    DL_FOREACH (p->transfers, t) {
        if (p->max_running && p->running >= p->max_running)
            return;
        if (!t->added && !t->broken && !t->cancelled)
            pool_add(p, t);
    }
}

static void pool_remove(struct http_pool *p, struct http_transfer *t)
{
    if (t->added) {
        curl_multi_remove_handle(p->multi, t->easy);
        p->running--;
    }
    DL_DELETE(p->transfers, t);
    http_transfer_free(t);
}

static void finish(struct http_pool *p, struct http_transfer *t, CURLcode code)
{
    if (!t->cancelled && !p->closing) {
        t->cancelled = true; /* a cancel from inside done has nothing left to do */
        http_transfer_finish(t, code);
    }
    pool_remove(p, t);
}

static void pool_reap(struct http_pool *p)
{
    int left = 0;
    CURLMsg *m;
    while ((m = curl_multi_info_read(p->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        finish(p, (struct http_transfer *)(void *)private, code);
    }
}

static struct http_transfer *find_broken(struct http_pool *p)
{
    struct http_transfer *t;
    DL_FOREACH (p->transfers, t) {
        if (t->broken)
            break;
    }
    return t;
}

static void open_multi(struct http_pool *p)
{
    p->multi = curl_multi_init();
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_PIPELINING,
                      p->origin.http1 ? (long)CURLPIPE_NOTHING : (long)CURLPIPE_MULTIPLEX);
    if (p->origin.http1)
        curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
}

/* Its transfers are lost, and the next ones get a new multi handle. libcurl gives one up itself when a socket can't be
 * watched, as without memory. */
static void pool_reopen(struct http_pool *p)
{
    struct http_transfer *t = p->transfers;
    while (t) {
        struct http_transfer *next = t->next;
        if (t->added)
            finish(p, t, CURLE_RECV_ERROR);
        t = next;
    }
    curl_multi_cleanup(p->multi);
    open_multi(p);
    p->failed = false;
}

static void pool_settle(struct http_pool *p)
{
    struct http_transfer *t, *next;
    pool_reap(p);
    if (p->failed && !p->closing)
        pool_reopen(p);
    while (!p->closing && (t = find_broken(p)))
        finish(p, t, CURLE_FAILED_INIT);
    DL_FOREACH_SAFE(p->transfers, t, next)
    {
        if (t->cancelled)
            pool_remove(p, t);
    }
    if (!p->closing)
        pool_fill(p);
    p->busy = false;
    if (p->closing || (p->draining && !p->transfers))
        pool_close(p);
}

struct http_pool *http_pool_new(uv_loop_t *loop, const struct http_pool_opts *o, struct err *err)
{
    struct http_origin origin;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, ERR_BUG, 0, "libcurl does not start");
        return NULL;
    }
    if (http_origin_init(&origin, o, err) < 0) {
        curl_global_cleanup();
        return NULL;
    }
    struct http_pool *p = xcalloc(1, sizeof *p);
    p->loop = loop;
    p->origin = origin;
    p->max_running = o->max_running;
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    uv_timer_init(loop, &p->kick);
    p->kick.data = p;
    p->fd = CURL_SOCKET_BAD;
    open_multi(p);
    return p;
}

void http_pool_drain(struct http_pool *p)
{
    p->draining = true;
    if (!p->busy && !p->transfers)
        pool_close(p);
}

void http_pool_reset(struct http_pool *p)
{
    p->failed = true;
    uv_timer_start(&p->timer, on_timer, 0, 0);
}

void http_pool_free(struct http_pool *p)
{
    if (!p)
        return;
    p->closing = true;
    struct http_transfer *t;
    DL_FOREACH (p->transfers, t)
        t->cancelled = true;
    if (!p->busy)
        pool_close(p);
}

struct http_transfer *http_start(struct http_pool *p, const struct http_request *q,
                                 const struct http_handler *h, void *arg)
{
    struct http_transfer *t = http_transfer_new(&p->origin, q, h, arg);
    t->pool = p;
    DL_APPEND(p->transfers, t);
    if (t->broken)
        uv_timer_start(&p->timer, on_timer, 0, 0);
    else if (!p->busy)
        pool_fill(p);
    return t;
}

void http_cancel(struct http_transfer *t)
{
    struct http_pool *p = t->pool;
    t->cancelled = true;
    if (p->busy)
        return;
    pool_remove(p, t);
    pool_fill(p);
    if (p->draining && !p->transfers)
        pool_close(p);
}
