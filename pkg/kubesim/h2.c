/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 (RFC 9113) by nghttp2. A stream's user data is its exchange, or NULL when that has ended before it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/conn.h"

enum {
    STREAMS_MAX = 100, /* as the API server's --http2-max-streams-per-connection */
    WINDOW = 256 * 1024,
    CONN_WINDOW = 1024 * 1024,
    FRAME_HEAD = 9,
    HEADERS = 32,
};

static struct sim_exchange *exchange_of(nghttp2_session *s, int32_t id)
{
    return nghttp2_session_get_stream_user_data(s, id);
}

/* --- reading --- */

static int on_begin_headers(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
    struct sim_conn *c = arg;
    if (c->closing)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (f->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct sim_exchange *x = exchange_new(c, f->hd.stream_id);
    nghttp2_session_set_stream_user_data(s, f->hd.stream_id, x);
    return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    struct sim_exchange *x = exchange_of(s, f->hd.stream_id);
    const char *n = (const char *)name, *v = (const char *)value;
    (void)flags;
    (void)arg;
    if (!x || f->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (strcmp(n, ":method") == 0)
        exchange_text(x, SIM_METHOD, v, len);
    else if (strcmp(n, ":path") == 0)
        exchange_text(x, SIM_TARGET, v, len);
    else
        exchange_header(x, n, name_len, v, len);
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *arg)
{
    struct sim_exchange *x = exchange_of(s, id);
    (void)flags;
    (void)arg;
    if (x)
        exchange_body(x, data, len);
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
    struct sim_conn *c = arg;
    if (c->closing)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
        return 0;
    struct sim_exchange *x = exchange_of(s, f->hd.stream_id);
    if (x && f->hd.flags & NGHTTP2_FLAG_END_STREAM)
        exchange_complete(x);
    return c->closing ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *s, int32_t id, uint32_t code, void *arg)
{
    struct sim_exchange *x = exchange_of(s, id);
    (void)code;
    (void)arg;
    if (x)
        exchange_over(x);
    return 0;
}

void h2_feed(struct sim_conn *c, const char *data, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(c->h2, (const uint8_t *)data, len);
    if (n < 0)
        c->finish = true;
    conn_touch(c);
}

/* --- writing --- */

static ssize_t read_answer(nghttp2_session *s, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
    struct sim_conn *c = arg;
    struct sim_exchange *x = exchange_of(s, id);
    const char *data;
    (void)source;
    if (!x)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    /* A full frame makes one full record. */
    if (max > SIM_RECORD - FRAME_HEAD)
        max = SIM_RECORD - FRAME_HEAD;
    size_t n = exchange_ready(x, &data);
    n = n < max ? n : max;
    memcpy(to, data, n);
    exchange_took(x, n);
    if (exchange_is_cut(x))
        c->cut = true;
    else if (exchange_is_sent(x))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (n || *flags & NGHTTP2_DATA_FLAG_EOF)
        return (ssize_t)n;
    x->waits = true;
    return NGHTTP2_ERR_DEFERRED;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* Names have to be in lower case here. */
static void add_headers(struct sim_exchange *x, nghttp2_nv *list, size_t *n)
{
    char *p = x->headers.data, *end = p ? p + x->headers.len : p;
    while (p < end && *n < HEADERS) {
        char *value = p + strlen(p) + 1;
        for (char *q = p; *q; q++)
            *q = (char)tolower((unsigned char)*q);
        list[(*n)++] = header(p, value);
        p = value + strlen(value) + 1;
    }
}

void h2_answer(struct sim_exchange *x)
{
    static const nghttp2_data_provider provider = {.read_callback = read_answer};
    char status[16], length[32];
    nghttp2_nv list[HEADERS];
    size_t n = 0;
    snprintf(status, sizeof status, "%d", x->status);
    snprintf(length, sizeof length, "%zu", exchange_length(x));
    list[n++] = header(":status", status);
    if (x->content_type)
        list[n++] = header("content-type", x->content_type);
    if (!x->stream)
        list[n++] = header("content-length", length);
    add_headers(x, list, &n);
    bool body = (x->stream || exchange_length(x)) && !str_eq(x->q.method, "HEAD");
    if (nghttp2_submit_response(x->c->h2, x->id, list, n, body ? &provider : NULL) != 0)
        h2_reset(x);
}

void h2_more(struct sim_exchange *x)
{
    if (!x->waits)
        return;
    x->waits = false;
    nghttp2_session_resume_data(x->c->h2, x->id);
}

void h2_reset(struct sim_exchange *x)
{
    nghttp2_submit_rst_stream(x->c->h2, NGHTTP2_FLAG_NONE, x->id, NGHTTP2_INTERNAL_ERROR);
}

/* nghttp2 closes the streams above the last one with REFUSED_STREAM when the frame is sent. */
void h2_goaway(struct sim_exchange *x)
{
    nghttp2_submit_goaway(x->c->h2, NGHTTP2_FLAG_NONE, x->id > 2 ? x->id - 2 : 0, NGHTTP2_NO_ERROR,
                          NULL, 0);
}

void h2_forget(struct sim_exchange *x)
{
    nghttp2_session_set_stream_user_data(x->c->h2, x->id, NULL);
}

void h2_produce(struct sim_conn *c)
{
    size_t total = 0;
    while (total < SIM_ROUND && !c->cut) {
        const uint8_t *data = NULL;
        ssize_t n = nghttp2_session_mem_send(c->h2, &data);
        if (n < 0)
            c->reset = true;
        if (n <= 0)
            break;
        conn_write(c, data, (size_t)n);
        total += (size_t)n;
    }
    if (!nghttp2_session_want_read(c->h2) && !nghttp2_session_want_write(c->h2))
        c->finish = true;
}

/* --- the session --- */

nghttp2_session_callbacks *h2_callbacks(void)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    return cb;
}

nghttp2_option *h2_options(void)
{
    nghttp2_option *o;
    if (nghttp2_option_new(&o) != 0)
        return NULL;
    nghttp2_option_set_no_closed_streams(o, 1);
    /* A client that ends thousands of watches at once is none that attacks. */
    nghttp2_option_set_stream_reset_rate_limit(o, 1000000, 1000000);
    return o;
}

void h2_start(struct sim_conn *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
    };
    nghttp2_session_server_new2(&c->h2, c->l->h2, c, c->l->h2_option);
    nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    conn_touch(c);
}
