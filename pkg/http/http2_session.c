/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 over a connection that is up. */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/http2.h"

enum {
    /* What we get is used up at once: the windows only bound what is on its way. */
    STREAM_WINDOW = 4 * 1024 * 1024,
    CONN_WINDOW = 16 * 1024 * 1024,
    STREAMS_FIRST = 100, /* until the server has told */
    ROUNDS_MAX = 64,     /* of reading, then the others' turn comes */
    BULK_BYTES = 8 * 1024,
    LULL_BYTES = 16 * 1024, /* that many at a time are worth a wake-up */
    FRAME_ROOM = 16 * 1024 + 64,
    HEADERS_MAX = 32,
    SEND_HEAD_MAX = 128 * 1024,
    TYPE_MAX = 256,
};

/* --- what comes --- */

static struct http_transfer *transfer_of(nghttp2_session *s, int32_t id)
{
    return nghttp2_session_get_stream_user_data(s, id);
}

static bool is(const uint8_t *name, size_t len, const char *what)
{
    return len == strlen(what) && memcmp(name, what, len) == 0;
}

static int to_status(const uint8_t *value, size_t len)
{
    auto_free char *text = xstrndup((const char *)value, len);
    int64_t n = 0;
    return str_to_i64(text, 100, 999, &n) == 0 ? (int)n : 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t n,
                     const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    (void)flags;
    (void)arg;
    struct http_transfer *t = transfer_of(s, frame->hd.stream_id);
    if (!t)
        return 0;
    t->head_bytes += n + len;
    if (t->head_bytes > HTTP_HEAD_MAX) {
        t->stopped = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (t->opened)
        return 0; /* trailers */
    if (is(name, n, ":status"))
        t->status = to_status(value, len);
    else if (is(name, n, "retry-after"))
        t->retry_after_ms = http_retry_after((const char *)value, len);
    else if (is(name, n, "date"))
        t->date_s = http_date((const char *)value, len);
    else if (is(name, n, "content-type") && !t->type && len <= TYPE_MAX)
        t->type = xstrndup((const char *)value, len);
    else if (is(name, n, "content-encoding") && is(value, len, "gzip") && t->gzip && !t->gunzip)
        t->gunzip = http_gunzip_new();
    return 0;
}

/* The handler may cancel or free anything: the transfer is not ours after it. */
static void on_head(struct http_transfer *t)
{
    if (t->opened || t->status < 200)
        return;
    t->opened = true;
    if (t->handler.head)
        t->handler.head(t->arg, t->status, t->type);
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    struct http2_conn *c = arg;
    struct http_transfer *t;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        t = transfer_of(s, frame->hd.stream_id);
        if (t)
            on_head(t);
        break;
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            c->streams_max =
                nghttp2_session_get_remote_settings(s, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        break;
    case NGHTTP2_GOAWAY:
        c->goaway = true;
        break;
    default:
        break;
    }
    return 0;
}

/* Hands it to the handler, which may cancel or free anything. Returns the transfer, or NULL when it is over. */
static struct http_transfer *hand_on(struct http2_conn *c, struct http_transfer *t,
                                     const void *data, size_t len)
{
    int32_t id = t->stream;
    int stop = t->handler.data ? t->handler.data(t->arg, data, len) : 0;
    t = transfer_of(c->session, id);
    if (!t || !stop)
        return t;
    t->stopped = true;
    http2_session_cancel(c, t);
    http2_over(c->owner, t, HTTP_STOPPED, "stopped");
    return NULL;
}

static void hand_on_plain(struct http2_conn *c, struct http_transfer *t)
{
    uint8_t *plain = c->owner->shared->plain;
    long n = 0;
    while (t && (n = http_gunzip_take(t->gunzip, plain, HTTP_READ_BYTES)) > 0)
        t = hand_on(c, t, plain, (size_t)n);
    if (!t || n == 0)
        return;
    http2_session_cancel(c, t);
    http2_over(c->owner, t, HTTP_LOST, "the answer is no gzip");
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *arg)
{
    (void)flags;
    struct http2_conn *c = arg;
    struct http_transfer *t = transfer_of(s, id);
    if (t && t->gunzip) {
        http_gunzip_give(t->gunzip, data, len);
        hand_on_plain(c, t);
    } else if (t) {
        hand_on(c, t, data, len);
    }
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *arg)
{
    struct http2_conn *c = arg;
    struct http_transfer *t = transfer_of(s, id);
    if (!t)
        return 0;
    if (code == NGHTTP2_NO_ERROR && t->gunzip && !http_gunzip_complete(t->gunzip))
        http2_over(c->owner, t, HTTP_LOST, "the compressed answer is cut off");
    else if (code == NGHTTP2_NO_ERROR && t->opened)
        http2_over(c->owner, t, HTTP_OK, "");
    else
        http2_over(c->owner, t, code == NGHTTP2_REFUSED_STREAM ? HTTP_UNSENT : HTTP_LOST,
                   nghttp2_http2_strerror(code));
    return 0;
}

/* --- what goes --- */

static int on_sent(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    struct http_transfer *t =
        frame->hd.type == NGHTTP2_HEADERS ? transfer_of(s, frame->hd.stream_id) : NULL;
    if (t)
        t->sent = true;
    return 0;
}

/* A request that may not be sent any more, as after GOAWAY: it is no stream yet. */
static int on_not_sent(nghttp2_session *s, const nghttp2_frame *frame, int code, void *arg)
{
    (void)s;
    struct http2_conn *c = arg;
    struct http_transfer *t;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    LL_SEARCH_SCALAR2(c->transfers, t, stream, frame->hd.stream_id, next2);
    if (t)
        http2_over(c->owner, t, HTTP_UNSENT, nghttp2_strerror(code));
    return 0;
}

static ssize_t read_body(nghttp2_session *s, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    (void)source;
    (void)arg;
    struct http_transfer *t = transfer_of(s, id);
    if (!t)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = t->body_len - t->body_at;
    if (n > len)
        n = len;
    memcpy(buf, t->body + t->body_at, n);
    t->body_at += n;
    if (t->body_at == t->body_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv pair_n(const char *name, size_t n, const char *value)
{
    bool secret = n == 13 && strncasecmp(name, "authorization", n) == 0;
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, n, strlen(value),
                        secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE};
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return pair_n(name, strlen(name), value);
}

static size_t add_headers(const struct http_transfer *t, nghttp2_nv *nv, size_t n)
{
    for (const char *h = http_transfer_header(t, NULL); h && n < HEADERS_MAX;
         h = http_transfer_header(t, h)) {
        size_t len = strcspn(h, ":");
        const char *value = h + len + (h[len] == ':');
        nv[n++] = pair_n(h, len, value + strspn(value, " "));
    }
    return n;
}

int http2_session_submit(struct http2_conn *c, struct http_transfer *t)
{
    const struct http_origin *o = c->owner->origin;
    auto_free char *path = xasprintf("%s%s", o->prefix, http_transfer_path(t));
    char length[32];
    snprintf(length, sizeof length, "%zu", t->body_len);
    nghttp2_nv nv[HEADERS_MAX] = {
        pair(":method", http_transfer_method(t)),
        pair(":scheme", "https"),
        pair(":authority", o->authority),
        pair(":path", path),
    };
    size_t n = 4;
    if (t->body)
        nv[n++] = pair("content-length", length);
    if (t->gzip)
        nv[n++] = pair("accept-encoding", "gzip");
    n = add_headers(t, nv, n);
    nghttp2_data_provider body = {.read_callback = read_body};
    t->stream = nghttp2_submit_request(c->session, NULL, nv, n, t->body ? &body : NULL, t);
    if (t->stream < 0)
        return -1;
    http_transfer_taken(t);
    http2_conn_interest(c, true);
    return 0;
}

void http2_session_cancel(struct http2_conn *c, struct http_transfer *t)
{
    if (c->state != HTTP2_UP)
        return;
    nghttp2_session_set_stream_user_data(c->session, t->stream, NULL);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, t->stream, NGHTTP2_CANCEL);
    http2_conn_interest(c, true);
}

void http2_session_ping(struct http2_conn *c)
{
    nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
    http2_conn_interest(c, true);
}

bool http2_session_takes(const struct http2_conn *c)
{
    return c->state == HTTP2_UP && !c->goaway && !c->suspect && c->streams < c->streams_max;
}

/* --- life --- */

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *cb = NULL;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_not_sent);
    return cb;
}

/* Tables of header compression would stay: up to 4 KiB each way, for a handful of headers. */
static nghttp2_option *option_new(void)
{
    nghttp2_option *o = NULL;
    if (nghttp2_option_new(&o) != 0)
        return NULL;
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(o, 0);
    nghttp2_option_set_max_send_header_block_length(o, SEND_HEAD_MAX);
    return o;
}

int http2_session_begin(struct http2_conn *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
    };
    nghttp2_session_callbacks *cb = callbacks_new();
    nghttp2_option *option = option_new();
    int r = -1;
    if (cb && option)
        r = nghttp2_session_client_new2(&c->session, cb, c, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    if (r != 0)
        return -1;
    c->streams_max = STREAMS_FIRST;
    r = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings);
    if (r == 0)
        r = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    return r == 0 ? 0 : -1;
}

/* --- bytes --- */

static void kill_broken(struct http2_conn *c, int r)
{
    int why = SSL_get_error(c->ssl, r);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return;
    if (why == SSL_ERROR_SSL && reason)
        http2_conn_kill(c, HTTP_LOST, "TLS: %s", reason);
    else
        http2_conn_kill(c, HTTP_LOST, "the server closed the connection");
    ERR_clear_error();
}

/* Reads what there is. Returns how many bytes that were. */
static size_t read_all(struct http2_conn *c)
{
    struct http_shared *shared = c->owner->shared;
    size_t total = 0;
    c->more = false;
    for (int i = 0; i < ROUNDS_MAX && c->state == HTTP2_UP; i++) {
        ERR_clear_error();
        int n = SSL_read(c->ssl, shared->in, sizeof shared->in);
        if (n <= 0) {
            kill_broken(c, n);
            return total;
        }
        total += (size_t)n;
        c->heard = uv_now(shared->loop);
        c->asked = 0;
        c->suspect = false;
        ssize_t r = nghttp2_session_mem_recv(c->session, shared->in, (size_t)n);
        if (r < 0)
            http2_conn_kill(c, HTTP_LOST, "HTTP/2: %s", nghttp2_strerror((int)r));
        /* The loop tells of what the socket still has; of what OpenSSL has, nobody does. */
        if (n < BULK_BYTES && !SSL_has_pending(c->ssl))
            return total;
    }
    c->more = true;
    return total;
}

/* --- lulls: where events come one by one all the time, each costs a wake-up and a system call for a few bytes --- */

static bool all_patient(const struct http2_conn *c)
{
    const struct http_transfer *t;
    DL_FOREACH2(c->transfers, t, next2)
    {
        if (!t->patient || !t->opened)
            return false;
    }
    return c->transfers;
}

void http2_session_read(struct http2_conn *c)
{
    uint64_t now = uv_now(c->owner->shared->loop), ms = (uint64_t)c->owner->lull_ms;
    bool busy = c->lull || now - c->heard < ms; /* an event after a long time waits for no others */
    busy = busy && c->owner->hurried <= now;
    size_t n = read_all(c);
    bool few = n > 0 && n < LULL_BYTES && !c->more;
    c->lull = c->state == HTTP2_UP && busy && few && all_patient(c) ? now + ms : 0;
    if (c->lull)
        http2_wake(c->owner, ms);
}

void http2_session_hurry(struct http2_conn *c)
{
    if (!c->lull)
        return;
    c->lull = 0;
    http2_conn_interest(c, true);
}

uint64_t http2_session_lull(struct http2_conn *c, uint64_t now)
{
    if (c->lull && c->lull <= now) {
        http2_session_read(c);
        if (c->state == HTTP2_UP)
            http2_session_write(c);
    }
    return c->lull;
}

/* How much of it the connection takes. */
static size_t push(struct http2_conn *c, const void *data, size_t len)
{
    size_t at = 0;
    while (at < len && c->state == HTTP2_UP) {
        ERR_clear_error();
        int n = SSL_write(c->ssl, (const char *)data + at, (int)(len - at));
        if (n <= 0) {
            kill_broken(c, n);
            break;
        }
        at += (size_t)n;
    }
    return at;
}

/* Whether there is room for more. */
static bool push_left(struct http2_conn *c)
{
    if (c->left)
        c->left_at += push(c, c->left + c->left_at, c->left_len - c->left_at);
    if (c->left_at < c->left_len)
        return false;
    xfreep(&c->left);
    c->left_at = c->left_len = 0;
    return true;
}

/* Small frames go in one record. */
static size_t gather(struct http2_conn *c, uint8_t *out)
{
    size_t n = 0;
    while (n + FRAME_ROOM <= HTTP_WRITE_BYTES) {
        const uint8_t *frame = NULL;
        ssize_t len = nghttp2_session_mem_send(c->session, &frame);
        if (len < 0 || (size_t)len > FRAME_ROOM) {
            http2_conn_kill(c, HTTP_LOST, "HTTP/2: the request can't be sent");
            return 0;
        }
        if (len == 0)
            break;
        memcpy(out + n, frame, (size_t)len);
        n += (size_t)len;
    }
    return n;
}

void http2_session_write(struct http2_conn *c)
{
    uint8_t *out = c->owner->shared->out;
    size_t n;
    while (c->state == HTTP2_UP && push_left(c) && (n = gather(c, out)) > 0) {
        size_t done = push(c, out, n);
        if (done == n || c->state != HTTP2_UP)
            continue;
        c->left_len = n - done;
        c->left = xmalloc(c->left_len);
        memcpy(c->left, out + done, c->left_len);
    }
    if (c->state != HTTP2_UP)
        return;
    http2_conn_interest(c, c->left || c->more);
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session))
        http2_conn_kill(c, HTTP_LOST, "the server ended the connection");
}
