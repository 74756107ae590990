/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the transport: listener, connection, exchange. One loop thread. What is sent is made when the loop has called
 * everybody (conn_touch, listener.c), never inside a call from outside: so answers of one turn share TLS records and
 * system calls, and no protocol library is entered twice. */
#ifndef KUBESIM_CONN_H
#define KUBESIM_CONN_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <uv.h>

#include "base/buf.h"
#include "kubesim/exchange.h"
#include "kubesim/fault.h"

enum {
    SIM_RECORD = 16384,         /* a full TLS record */
    SIM_ROUND = 8 * SIM_RECORD, /* made before it is given to the kernel */
    SIM_HEADER_MAX = 65536,     /* one name or value */
    SIM_PIPELINE_MAX = SIM_BODY_MAX + SIM_HEADER_MAX,
};

struct sim_listener {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_prepare_t prepare;
    uv_check_t check;
    int port;
    unsigned handles; /* open ones: the listener's, the connections', timers */
    bool freed;
    sim_handler *handler;
    void *arg;
    SSL_CTX *tls;
    BIO_METHOD *bio;
    nghttp2_session_callbacks *h2;
    nghttp2_option *h2_option;
    struct sim_rules rules;
    uint64_t requests, open, accepted;
    struct sim_conn *conns, *touched;
    struct sim_exchange *orphans; /* the client has gone and the API still has them */
    /* Of the connection that is worked at, empty in between. */
    struct buf out;   /* TLS records for the socket */
    struct buf stage; /* plain text that makes no full record yet */
    char in[65536], plain[SIM_RECORD];
};

struct sim_conn {
    uv_tcp_t tcp;
    struct sim_listener *l;
    struct sim_conn *prev, *next, *touched_prev, *touched_next;
    struct sim_exchange *exchanges;
    SSL *tls;
    const char *in; /* TLS records not read yet, during a read */
    size_t in_len;
    char *cluster, *client_cn; /* as the handshake said, or NULL */
    struct sim_h1 *h1;         /* one of the two once the handshake is over */
    nghttp2_session *h2;
    unsigned writing;        /* writes the kernel has not taken */
    bool touched, closing;   /* in the list; being closed */
    bool finish, cut, reset; /* close: when all is sent; now, when it is sent; now, with RST */
};

/* What of a request is kept. */
enum { SIM_METHOD, SIM_TARGET, SIM_ACCEPT, SIM_CONTENT_TYPE, SIM_AUTHORIZATION, SIM_TEXTS };

struct sim_delay {
    uv_timer_t timer;
    struct sim_listener *l;
    struct sim_exchange *x; /* NULL: it has ended */
};

struct sim_exchange {
    struct sim_listener *l;
    struct sim_conn *c; /* NULL: the client has gone */
    struct sim_exchange *prev, *next;
    int32_t id; /* HTTP/2: the stream's */
    struct sim_request q;
    char *text[SIM_TEXTS];
    struct buf body;
    struct sim_fault fault;
    struct sim_delay *delay;
    bool too_large, expect;
    bool local;    /* there never was a client: the answer stays here */
    bool api;      /* the API has it: it will answer, or go on */
    bool answered; /* status and headers are known */
    bool stream;   /* the length is not known */
    bool ended;    /* no more bytes will come */
    bool mute;     /* a fault swallows the rest */
    bool waits;    /* HTTP/2: the data provider was told to wait */
    int status;
    char *content_type;
    struct buf headers; /* name NUL value NUL ... */
    struct buf out;
    const char *ref; /* in place of out */
    size_t ref_len, at;
    size_t left; /* of the body, before it is cut */
    void (*done)(void *arg);
    void *done_arg;
    void (*gone)(void *arg);
    void *gone_arg;
};

/* conn.c */
void conn_new(struct sim_listener *l);
void conn_touch(struct sim_conn *c); /* has something to send, or to close */
void conn_pump(struct sim_conn *c);
void conn_close(struct sim_conn *c);
void conn_write(struct sim_conn *c, const void *data,
                size_t len); /* plain text, inside conn_pump */

/* listener.c */
void listener_handle_closed(struct sim_listener *l);

/* tls.c */
SSL_CTX *tls_context(const struct sim_listener_opts *o, struct err *err);
BIO_METHOD *tls_bio(void);
SSL *tls_new(struct sim_conn *c);
void tls_peer(struct sim_conn *c); /* cluster and client_cn */
bool tls_is_h2(const struct sim_conn *c);

/* exchange.c */
struct sim_exchange *exchange_new(struct sim_conn *c, int32_t id);
void exchange_header(struct sim_exchange *x, const char *name, size_t name_len, const char *value,
                     size_t len);
void exchange_text(struct sim_exchange *x, int which, const char *s, size_t len);
void exchange_body(struct sim_exchange *x, const void *data, size_t len);
void exchange_complete(struct sim_exchange *x);
void exchange_refuse(struct sim_exchange *x, int status, const char *message);
/* The transport lets go of it: all is sent, or the client has gone. */
void exchange_over(struct sim_exchange *x);
/* The body's next bytes; how many there are. exchange_took: n of them are sent. */
size_t exchange_ready(const struct sim_exchange *x, const char **ret);
void exchange_took(struct sim_exchange *x, size_t n);
bool exchange_is_cut(const struct sim_exchange *x);  /* here the connection is to end */
bool exchange_is_sent(const struct sim_exchange *x); /* the answer is complete */
size_t exchange_length(const struct sim_exchange *x);
void exchange_free_orphans(struct sim_listener *l);
void exchange_tell_orphans(struct sim_listener *l); /* streams that began when nobody listened */

/* fault answers, status.c */
char *sim_status_text(int status, const char *message, int retry_after_s); /* JSON, owned */
const char *sim_status_line(int status);

/* gzip.c: level 1; what does not get smaller is false. */
bool sim_gzip(const void *data, size_t len, struct buf *ret);

/* h1.c, h2.c */
void h1_start(struct sim_conn *c);
void h1_free(struct sim_h1 *h);
void h1_feed(struct sim_conn *c, const char *data, size_t len);
void h1_produce(struct sim_conn *c);

nghttp2_session_callbacks *h2_callbacks(void);
nghttp2_option *h2_options(void);
void h2_start(struct sim_conn *c);
void h2_feed(struct sim_conn *c, const char *data, size_t len);
void h2_produce(struct sim_conn *c);
void h2_answer(struct sim_exchange *x);
void h2_more(struct sim_exchange *x);
void h2_reset(struct sim_exchange *x);
void h2_goaway(struct sim_exchange *x);
void h2_forget(struct sim_exchange *x); /* no callback reaches it any more */

#endif
