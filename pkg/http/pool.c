/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pool.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"
#include "http/easy.h"
#include "http/http2.h"

enum {
    BUFFER_BYTES = 16 * 1024, /* of each transfer over HTTP/1.1, unless told otherwise */
    IDLE_CONNECTIONS_MAX = 2, /* over HTTP/1.1 */
    IDLE_MS = 30000, /* without a transfer: then they are closed, and libcurl's tables freed */
};

struct http_pool {
    uv_loop_t *loop;
    uv_timer_t timer;    /* libcurl's; of a pool that idles: its end */
    struct http2 *http2; /* NULL: HTTP/1.1 */
    CURLM *multi;        /* of HTTP/1.1; NULL: there was no transfer for a while */
    struct http_origin *origin;
    struct http_transfer *transfers;
    size_t buffer_size;
    bool gzip;
    size_t running, max_running; /* transfers that are not in line any more */
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
    http_origin_put(p->origin);
    free(p);
    curl_global_cleanup();
}

/* Whoever carries it lets go of it. */
static void take_back(struct http_pool *p, struct http_transfer *t)
{
    if (t->at == HTTP_AT_CURL)
        curl_multi_remove_handle(p->multi, t->easy->handle);
    else if (t->at == HTTP_AT_HTTP2)
        http2_cancel(t);
    if (t->at != HTTP_AT_LINE)
        p->running--;
    t->at = HTTP_AT_LINE;
}

static void pool_remove(struct http_pool *p, struct http_transfer *t)
{
    take_back(p, t);
    DL_DELETE(p->transfers, t);
    http_easy_free(t->easy);
    http_transfer_free(t);
}

static void pool_close(struct http_pool *p)
{
    while (p->transfers)
        pool_remove(p, p->transfers);
    /* Closes the connections, and through on_interest the poll handles; none of that runs our callbacks. */
    curl_multi_cleanup(p->multi);
    p->multi = NULL;
    if (p->http2)
        http2_put(p->http2);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

/* Runs libcurl, then what its callbacks and ours asked for in the meantime. May free the pool. */
static void pool_action(struct http_pool *p, curl_socket_t fd, int events)
{
    int running = 0;
    p->busy = true;
    if (p->multi && curl_multi_socket_action(p->multi, fd, events, &running) != CURLM_OK)
        p->failed = true;
    pool_settle(p);
}

static void on_idle(uv_timer_t *timer)
{
    struct http_pool *p = timer->data;
    if (p->transfers)
        return;
    curl_multi_cleanup(p->multi);
    p->multi = NULL;
}

static void on_timer(uv_timer_t *timer)
{
    pool_action(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *w = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
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

static void open_multi(struct http_pool *p)
{
    p->multi = curl_multi_init();
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
}

static void add_to_curl(struct http_pool *p, struct http_transfer *t)
{
    if (!p->multi)
        open_multi(p);
    if (http_easy_new(t, p->origin, p->buffer_size, p->gzip) == 0 &&
        curl_multi_add_handle(p->multi, t->easy->handle) == CURLM_OK) {
        t->at = HTTP_AT_CURL;
        p->running++;
        return;
    }
    t->broken = true;
    uv_timer_start(&p->timer, on_timer, 0, 0);
}

static void pool_add(struct http_pool *p, struct http_transfer *t)
{
    if (!p->http2) {
        add_to_curl(p, t);
        return;
    }
    t->at = HTTP_AT_HTTP2;
    t->gzip = p->gzip;
    p->running++;
    http2_start(p->http2, t);
}

/* Those that wait, in their order. */
static void pool_fill(struct http_pool *p)
{
    struct http_transfer *t;
    DL_FOREACH (p->transfers, t) {
        if (p->max_running && p->running >= p->max_running)
            return;
        if (t->at == HTTP_AT_LINE && !t->broken && !t->cancelled)
            pool_add(p, t);
    }
}

static void finish(struct http_pool *p, struct http_transfer *t, const struct http_result *r)
{
    if (!t->cancelled && !p->closing) {
        t->cancelled = true; /* a cancel from inside done has nothing left to do */
        t->handler.done(t->arg, r);
    }
    pool_remove(p, t);
}

static void finish_curl(struct http_pool *p, struct http_transfer *t, CURLcode code)
{
    struct http_result r;
    http_easy_result(t, code, &r);
    finish(p, t, &r);
}

static void pool_reap(struct http_pool *p)
{
    int left = 0;
    CURLMsg *m;
    while (p->multi && (m = curl_multi_info_read(p->multi, &left))) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        finish_curl(p, (struct http_transfer *)(void *)private, code);
    }
}

static struct http_transfer *find_broken(struct http_pool *p)
{
    struct http_transfer *t;
    DL_FOREACH (p->transfers, t) {
        if (t->broken && t->at == HTTP_AT_LINE)
            break;
    }
    return t;
}

/* Its transfers are lost, and the next ones get a new multi handle. libcurl gives one up itself when a socket can't be
 * watched, as without memory. */
static void pool_reopen(struct http_pool *p)
{
    struct http_transfer *t = p->transfers;
    while (t) {
        struct http_transfer *next = t->next;
        if (t->at == HTTP_AT_CURL)
            finish_curl(p, t, CURLE_RECV_ERROR);
        t = next;
    }
    curl_multi_cleanup(p->multi);
    p->multi = NULL;
    p->failed = false;
}

/* What is to be done when nothing is. May free the pool. */
static void pool_rest(struct http_pool *p)
{
    if (p->closing || (p->draining && !p->transfers))
        pool_close(p);
    else if (p->multi && !p->transfers)
        uv_timer_start(&p->timer, on_idle, IDLE_MS, 0);
}

static void pool_settle(struct http_pool *p)
{
    struct http_transfer *t, *next;
    pool_reap(p);
    if (p->failed && !p->closing)
        pool_reopen(p);
    while (!p->closing && (t = find_broken(p)))
        finish_curl(p, t, CURLE_FAILED_INIT);
    DL_FOREACH_SAFE(p->transfers, t, next)
    {
        if (t->cancelled)
            pool_remove(p, t);
    }
    if (!p->closing)
        pool_fill(p);
    p->busy = false;
    pool_rest(p);
}

void http_pool_over(struct http_transfer *t, const struct http_result *r)
{
    struct http_pool *p = t->pool;
    p->busy = true;
    finish(p, t, r);
    pool_settle(p);
}

void http_pool_back(struct http_transfer *t)
{
    struct http_pool *p = t->pool;
    take_back(p, t);
    if (p->http2)
        http2_put(p->http2);
    p->http2 = NULL;
    if (!p->busy)
        pool_fill(p);
}

static bool is_http1(const struct http_pool_opts *o, const struct http_origin *origin)
{
    return o->http1 || origin->plain || (o->over && !o->over->http2);
}

struct http_pool *http_pool_new(uv_loop_t *loop, const struct http_pool_opts *o, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, ERR_BUG, 0, "libcurl does not start");
        return NULL;
    }
    struct http_origin *origin =
        o->over ? http_origin_ref(o->over->origin) : http_origin_new(o, err);
    struct http2 *http2 = NULL;
    if (origin && !is_http1(o, origin)) {
        http2 = o->over ? http2_ref(o->over->http2) : http2_new(loop, origin, o);
        if (!http2)
            err_set(err, ERR_BUG, 0, "OpenSSL does not start");
    }
    if (!origin || (!http2 && !is_http1(o, origin))) {
        if (origin)
            http_origin_put(origin);
        curl_global_cleanup();
        return NULL;
    }
    struct http_pool *p = xcalloc(1, sizeof *p);
    p->loop = loop;
    p->origin = origin;
    p->http2 = http2;
    p->buffer_size = o->buffer_size ? o->buffer_size : BUFFER_BYTES;
    p->gzip = o->gzip;
    p->max_running = o->max_running;
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
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
    if (p->http2) {
        http2_reset(p->http2);
        return;
    }
    p->failed = true;
    uv_timer_start(&p->timer, on_timer, 0, 0);
}

bool http_pool_watches_life(const struct http_pool *p)
{
    return p->http2;
}

void http_pool_set_silence(struct http_pool *p, int silence_ms, int answer_ms)
{
    if (!p->http2)
        return;
    p->http2->silence_ms = silence_ms;
    p->http2->answer_ms = answer_ms;
    http2_wake(p->http2, 0);
}

void http_pool_hurry(struct http_pool *p)
{
    if (p->http2)
        http2_hurry(p->http2);
}

void http_pool_set_lull(struct http_pool *p, int lull_ms)
{
    if (p->http2)
        p->http2->lull_ms = lull_ms;
}

void http_pool_stats(const struct http_pool *p, struct http_stats *ret)
{
    const struct http2_conn *c;
    *ret = (struct http_stats){0};
    if (!p->http2)
        return;
    ret->connections = p->http2->connections;
    ret->resumed = p->http2->resumed;
    DL_FOREACH (p->http2->conns, c)
        ret->open++;
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
    struct http_transfer *t = http_transfer_new(q, h, arg);
    t->pool = p;
    DL_APPEND(p->transfers, t);
    if (!p->busy)
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
    pool_rest(p);
}
