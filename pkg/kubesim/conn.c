/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/conn.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"

/* Rounds in one turn of the loop; then others have their turn. */
enum { ROUNDS = 8 };

struct write {
    uv_write_t req;
    struct sim_conn *c;
    char data[];
};

/* --- the end --- */

static void closed(uv_handle_t *h)
{
    struct sim_conn *c = h->data;
    struct sim_listener *l = c->l;
    nghttp2_session_del(c->h2);
    h1_free(c->h1);
    SSL_free(c->tls);
    free(c->cluster);
    free(c->client_cn);
    free(c);
    listener_handle_closed(l);
}

/* Its memory stays until the loop has closed the handle, so that whoever is inside it now can get out. */
static void detach(struct sim_conn *c)
{
    c->closing = true;
    c->l->open--;
    DL_DELETE(c->l->conns, c);
    if (c->touched)
        DL_DELETE2(c->l->touched, c, touched_prev, touched_next);
    while (c->exchanges) {
        if (c->h2)
            h2_forget(c->exchanges);
        exchange_over(c->exchanges);
    }
}

void conn_close(struct sim_conn *c)
{
    if (c->closing)
        return;
    detach(c);
    uv_close((uv_handle_t *)&c->tcp, closed);
}

static void conn_reset(struct sim_conn *c)
{
    detach(c);
    if (uv_tcp_close_reset(&c->tcp, closed) < 0)
        uv_close((uv_handle_t *)&c->tcp, closed);
}

void conn_touch(struct sim_conn *c)
{
    if (c->touched || c->closing)
        return;
    c->touched = true;
    DL_APPEND2(c->l->touched, c, touched_prev, touched_next);
}

/* --- writing --- */

static void written(uv_write_t *req, int status)
{
    struct write *w = req->data;
    struct sim_conn *c = w->c;
    free(w);
    c->writing--;
    if (status < 0)
        conn_close(c);
    else
        conn_touch(c);
}

static void write_later(struct sim_conn *c, const char *data, size_t len)
{
    struct write *w = xmalloc(sizeof *w + len);
    w->c = c;
    w->req.data = w;
    memcpy(w->data, data, len);
    uv_buf_t b = uv_buf_init(w->data, (unsigned)len);
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, written) < 0) {
        free(w);
        conn_close(c);
        return;
    }
    c->writing++;
}

/* Gives the records made to the kernel, and empties the listener's buffer. */
static void send_out(struct sim_conn *c, bool later)
{
    struct buf *out = &c->l->out;
    uv_buf_t b = uv_buf_init(out->data, (unsigned)out->len);
    size_t sent = 0;
    if (!c->writing && !later) {
        int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
        if (n < 0 && n != UV_EAGAIN)
            conn_close(c);
        sent = n > 0 ? (size_t)n : 0;
    }
    if (!c->closing && sent < out->len)
        write_later(c, out->data + sent, out->len - sent);
    buf_reset(out);
}

static void seal(struct sim_conn *c, const char *data, size_t len)
{
    while (len) {
        ERR_clear_error();
        int n = SSL_write(c->tls, data, (int)(len < SIM_ROUND ? len : SIM_ROUND));
        if (n <= 0) {
            c->reset = true;
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

/* Full records go out as they are; the rest waits for more. */
void conn_write(struct sim_conn *c, const void *data, size_t len)
{
    struct buf *stage = &c->l->stage;
    const char *p = data;
    if (stage->len) {
        size_t room = SIM_RECORD - stage->len;
        size_t n = len < room ? len : room;
        buf_append(stage, p, n);
        p += n;
        len -= n;
        if (stage->len < SIM_RECORD)
            return;
        seal(c, stage->data, stage->len);
        buf_reset(stage);
    }
    size_t whole = len - len % SIM_RECORD;
    seal(c, p, whole);
    buf_append(stage, p + whole, len - whole);
}

static void produce(struct sim_conn *c)
{
    if (c->h2)
        h2_produce(c);
    else if (c->h1)
        h1_produce(c);
    seal(c, c->l->stage.data, c->l->stage.len);
    buf_reset(&c->l->stage);
}

static void finish(struct sim_conn *c)
{
    if (!c->cut) {
        SSL_shutdown(c->tls);
        if (c->l->out.len)
            send_out(c, false);
    }
    /* The last bytes go first when the kernel is full. */
    if (!c->writing)
        conn_close(c);
}

void conn_pump(struct sim_conn *c)
{
    for (int round = 0; !c->closing && !c->writing && !c->reset && !c->cut; round++) {
        produce(c);
        if (c->closing)
            buf_reset(&c->l->out);
        if (!c->l->out.len)
            break;
        send_out(c, round >= ROUNDS);
    }
    if (c->closing)
        return;
    if (c->reset)
        conn_reset(c);
    else if (!c->writing && (c->finish || c->cut))
        finish(c);
}

/* --- reading --- */

static void space(uv_handle_t *h, size_t size, uv_buf_t *b)
{
    struct sim_conn *c = h->data;
    (void)size;
    *b = uv_buf_init(c->l->in, sizeof c->l->in);
}

static void start_protocol(struct sim_conn *c)
{
    tls_peer(c);
    if (tls_is_h2(c))
        h2_start(c);
    else
        h1_start(c);
}

static void feed(struct sim_conn *c, size_t n)
{
    if (c->h2)
        h2_feed(c, c->l->plain, n);
    else
        h1_feed(c, c->l->plain, n);
}

/* Whether the connection goes on. */
static bool read_tls(struct sim_conn *c)
{
    for (;;) {
        ERR_clear_error();
        int n = SSL_read(c->tls, c->l->plain, sizeof c->l->plain);
        if (!c->h1 && !c->h2 && SSL_is_init_finished(c->tls))
            start_protocol(c);
        if (n <= 0)
            return SSL_get_error(c->tls, n) == SSL_ERROR_WANT_READ;
        if (!c->finish)
            feed(c, (size_t)n);
        if (c->closing)
            return true;
    }
}

static void read_some(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct sim_conn *c = s->data;
    if (n < 0) {
        conn_close(c);
        return;
    }
    c->in = b->base;
    c->in_len = (size_t)n;
    bool goes_on = read_tls(c);
    c->in_len = 0;
    if (c->closing)
        return;
    if (c->l->out.len)
        send_out(c, false);
    if (!goes_on)
        conn_close(c);
}

static void disposed(uv_handle_t *h)
{
    struct sim_conn *c = h->data;
    struct sim_listener *l = c->l;
    SSL_free(c->tls);
    free(c);
    listener_handle_closed(l);
}

void conn_new(struct sim_listener *l)
{
    struct sim_conn *c = xcalloc(1, sizeof *c);
    c->l = l;
    uv_tcp_init(l->loop, &c->tcp);
    c->tcp.data = c;
    l->handles++;
    c->tls = tls_new(c);
    if (!c->tls || uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&c->tcp) < 0) {
        uv_close((uv_handle_t *)&c->tcp, disposed);
        return;
    }
    l->open++;
    l->accepted++;
    DL_APPEND(l->conns, c);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, space, read_some);
}
