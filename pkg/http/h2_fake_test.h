/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: an HTTP/2 server with TLS on loopback, on the loop of the test, whose answers the test writes. */
#ifndef HTTP_H2_FAKE_TEST_H
#define HTTP_H2_FAKE_TEST_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

/* --- certificates: self-signed, so each is its own authority --- */

struct h2_pair {
    char *cert, *key; /* PEM */
};

static inline char *h2_pem(BIO *b)
{
    char *data = NULL;
    long n = BIO_get_mem_data(b, &data);
    char *s = xstrndup(data, (size_t)n);
    BIO_free(b);
    return s;
}

static inline struct h2_pair h2_pair_new(const char *cn, const char *san)
{
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *c = BIO_new(BIO_s_mem()), *p = BIO_new(BIO_s_mem());
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, k);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    if (san) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    X509_sign(x, k, EVP_sha256());
    PEM_write_bio_X509(c, x);
    PEM_write_bio_PKCS8PrivateKey(p, k, NULL, NULL, 0, NULL, NULL);
    X509_free(x);
    EVP_PKEY_free(k);
    return (struct h2_pair){h2_pem(c), h2_pem(p)};
}

static inline void h2_pair_done(struct h2_pair *p)
{
    free(p->cert);
    free(p->key);
}

/* --- the server --- */

struct h2_fake;

struct h2_conn {
    uv_tcp_t tcp;
    struct h2_fake *server;
    SSL *ssl;
    BIO *in, *out;
    nghttp2_session *session;
    struct h2_stream *streams;
    bool deaf;   /* takes everything, and says nothing */
    char cn[64]; /* of the client's certificate, or "" */
    char chunk[65536];
    struct h2_conn *prev, *next;
};

struct h2_stream {
    struct h2_conn *conn;
    int32_t id;
    char method[16], path[256], token[128];
    struct buf body, answer;
    bool end;
    struct h2_stream *prev, *next;
};

struct h2_fake {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    char url[64];
    SSL_CTX *ctx;
    bool no_alpn;
    bool deaf;            /* to new connections */
    uint32_t streams_max; /* 0: 100 */
    void (*handle)(void *arg, struct h2_stream *s);
    void (*spoil)(void *arg, struct buf *frames); /* changes what is sent; or NULL */
    void *arg;
    struct h2_conn *conns;
    int accepted, requests, resumed, refused_handshakes;
};

static void h2_closed(uv_handle_t *h)
{
    struct h2_conn *c = h->data;
    struct h2_stream *s, *next;
    nghttp2_session_del(c->session);
    SSL_free(c->ssl);
    DL_FOREACH_SAFE(c->streams, s, next)
    {
        buf_done(&s->body);
        buf_done(&s->answer);
        free(s);
    }
    free(c);
}

static inline void h2_drop(struct h2_conn *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    DL_DELETE(c->server->conns, c);
    uv_close((uv_handle_t *)&c->tcp, h2_closed);
}

struct h2_write {
    uv_write_t req;
    char *data;
};

static void h2_written(uv_write_t *req, int status)
{
    struct h2_write *w = req->data;
    (void)status;
    free(w->data);
    free(w);
}

static void h2_flush_tls(struct h2_conn *c)
{
    char *data = NULL;
    long n = BIO_get_mem_data(c->out, &data);
    if (n <= 0 || uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    struct h2_write *w = xcalloc(1, sizeof *w);
    w->data = xmalloc((size_t)n);
    memcpy(w->data, data, (size_t)n);
    w->req.data = w;
    BIO_reset(c->out);
    uv_buf_t b = uv_buf_init(w->data, (unsigned)n);
    uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, h2_written);
}

static inline void h2_flush(struct h2_conn *c)
{
    const uint8_t *data = NULL;
    ssize_t n;
    auto_buf frames = BUF_INIT(1 << 26);
    while (c->session && (n = nghttp2_session_mem_send(c->session, &data)) > 0)
        buf_append(&frames, data, (size_t)n);
    if (frames.len && c->server->spoil)
        c->server->spoil(c->server->arg, &frames);
    if (frames.len)
        SSL_write(c->ssl, frames.data, (int)frames.len);
    h2_flush_tls(c);
}

static ssize_t h2_answer(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *s = source->ptr;
    (void)session;
    (void)id;
    (void)arg;
    size_t n = s->answer.len < len ? s->answer.len : len;
    if (n)
        memcpy(buf, s->answer.data, n);
    buf_shift(&s->answer, n);
    if (!s->answer.len && s->end)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n || s->end ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

/* The head of an answer; more headers: names and values in turn, ended by NULL, or NULL. */
static inline void h2_begin(struct h2_stream *s, int status, const char *const *headers)
{
    char text[16];
    nghttp2_nv nv[64];
    size_t n = 1;
    snprintf(text, sizeof text, "%d", status);
    nv[0] = (nghttp2_nv){(uint8_t *)(uintptr_t) ":status", (uint8_t *)text, 7, strlen(text), 0};
    for (size_t i = 0; headers && headers[i] && n < 64; i += 2)
        nv[n++] =
            (nghttp2_nv){(uint8_t *)(uintptr_t)headers[i], (uint8_t *)(uintptr_t)headers[i + 1],
                         strlen(headers[i]), strlen(headers[i + 1]), 0};
    nghttp2_data_provider p = {.source.ptr = s, .read_callback = h2_answer};
    nghttp2_submit_response(s->conn->session, s->id, nv, n, &p);
}

/* More of the body; flushed by h2_flush, or by the end of handle(). */
static inline void h2_chunk(struct h2_stream *s, const char *data, size_t len, bool end)
{
    buf_append(&s->answer, data, len);
    s->end = end;
    nghttp2_session_resume_data(s->conn->session, s->id);
}

static inline void h2_reply(struct h2_stream *s, int status, const char *body)
{
    h2_begin(s, status, NULL);
    h2_chunk(s, body, strlen(body), true);
}

static int h2_on_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *s = xcalloc(1, sizeof *s);
    s->conn = c;
    s->id = frame->hd.stream_id;
    s->body = BUF_INIT(1 << 22);
    s->answer = BUF_INIT(1 << 25);
    DL_APPEND(c->streams, s);
    nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

static int h2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                        size_t n, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)arg;
    if (n == 5 && memcmp(name, ":path", 5) == 0)
        snprintf(s->path, sizeof s->path, "%.*s", (int)len, (const char *)value);
    if (n == 7 && memcmp(name, ":method", 7) == 0)
        snprintf(s->method, sizeof s->method, "%.*s", (int)len, (const char *)value);
    if (n == 13 && memcmp(name, "authorization", 13) == 0)
        snprintf(s->token, sizeof s->token, "%.*s", (int)len, (const char *)value);
    return 0;
}

static int h2_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                      size_t len, void *arg)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    (void)arg;
    buf_append(&s->body, data, len);
    return 0;
}

static int h2_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!s || !last || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    c->server->requests++;
    c->server->handle(c->server->arg, s);
    return 0;
}

static void h2_on_tls(struct h2_conn *c)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    nghttp2_settings_entry max = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                  c->server->streams_max ? c->server->streams_max : 100};
    X509 *peer = SSL_get0_peer_certificate(c->ssl);
    if (peer)
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, c->cn, sizeof c->cn);
    c->server->resumed += SSL_session_reused(c->ssl) ? 1 : 0;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, h2_on_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, h2_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, h2_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, h2_on_frame);
    nghttp2_option_new(&option);
    nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
    nghttp2_session_server_new2(&c->session, cb, c, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(c->session, 0, &max, 1);
}

static void h2_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct h2_conn *c = stream->data;
    uint8_t plain[16384];
    int len;
    if (n < 0) {
        h2_drop(c);
        return;
    }
    if (c->deaf)
        return;
    BIO_write(c->in, b->base, (int)n);
    if (!c->session) {
        int r = SSL_do_handshake(c->ssl);
        h2_flush_tls(c);
        if (r != 1 && SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ) {
            c->server->refused_handshakes++;
            h2_drop(c);
        }
        if (r != 1)
            return;
        h2_on_tls(c);
    }
    while (!c->deaf && (len = SSL_read(c->ssl, plain, sizeof plain)) > 0)
        nghttp2_session_mem_recv(c->session, plain, (size_t)len);
    if (!c->deaf)
        h2_flush(c);
}

static void h2_space(uv_handle_t *h, size_t size, uv_buf_t *b)
{
    struct h2_conn *c = h->data;
    (void)size;
    *b = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void h2_accept(uv_stream_t *stream, int status)
{
    struct h2_fake *f = stream->data;
    if (status < 0)
        return;
    struct h2_conn *c = xcalloc(1, sizeof *c);
    c->server = f;
    c->deaf = f->deaf;
    c->ssl = SSL_new(f->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_accept_state(c->ssl);
    uv_tcp_init(f->loop, &c->tcp);
    c->tcp.data = c;
    uv_accept(stream, (uv_stream_t *)&c->tcp);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, h2_space, h2_read);
    DL_APPEND(f->conns, c);
    f->accepted++;
}

static int h2_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                   const unsigned char *in, unsigned len, void *arg)
{
    const struct h2_fake *f = arg;
    (void)ssl;
    (void)in;
    (void)len;
    *out = (const unsigned char *)"h2";
    *outlen = 2;
    return f->no_alpn ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

static int h2_any(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

static void h2_use(SSL_CTX *ctx, const struct h2_pair *pair)
{
    BIO *c = BIO_new_mem_buf(pair->cert, -1), *k = BIO_new_mem_buf(pair->key, -1);
    X509 *x = PEM_read_bio_X509(c, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
    SSL_CTX_use_certificate(ctx, x);
    SSL_CTX_use_PrivateKey(ctx, key);
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(c);
    BIO_free(k);
}

static inline void h2_start(struct h2_fake *f, uv_loop_t *loop, const struct h2_pair *pair,
                            void (*handle)(void *, struct h2_stream *), void *arg)
{
    struct sockaddr_in a;
    int len = sizeof a;
    *f = (struct h2_fake){.loop = loop, .handle = handle, .arg = arg};
    signal(SIGPIPE, SIG_IGN); /* libuv writes to connections that the client has closed */
    f->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_alpn_select_cb(f->ctx, h2_alpn, f);
    SSL_CTX_set_verify(f->ctx, SSL_VERIFY_PEER, h2_any);
    SSL_CTX_set_session_id_context(f->ctx, (const unsigned char *)"t", 1);
    h2_use(f->ctx, pair);
    uv_ip4_addr("127.0.0.1", 0, &a);
    uv_tcp_init(loop, &f->tcp);
    f->tcp.data = f;
    uv_tcp_bind(&f->tcp, (const struct sockaddr *)&a, 0);
    uv_listen((uv_stream_t *)&f->tcp, 64, h2_accept);
    uv_tcp_getsockname(&f->tcp, (struct sockaddr *)&a, &len);
    snprintf(f->url, sizeof f->url, "https://127.0.0.1:%d", ntohs(a.sin_port));
}

static inline void h2_stop(struct h2_fake *f)
{
    while (f->conns)
        h2_drop(f->conns);
    uv_close((uv_handle_t *)&f->tcp, NULL);
    SSL_CTX_free(f->ctx);
}

#endif
