/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: the HTTP/2 connections to one server, and the transfers over them (RFC 9113; nghttp2, OpenSSL).
 *
 * Normally there is one connection, opened for the first transfer. Another one is opened when all streams are taken, or
 * when the server says that no new ones may be opened (GOAWAY). One without transfers is closed after a while; one that
 * is silent for a while is asked for a sign of life (PING), and without an answer its transfers end as lost. */
#ifndef HTTP_HTTP2_H
#define HTTP_HTTP2_H

#include <nghttp2/nghttp2.h>

#include "http/shared.h"
#include "http/transfer.h"

enum {
    HTTP2_SILENCE_MS = 30000,
    HTTP2_ANSWER_MS = 15000,
    HTTP2_IDLE_MS = 60000,
    HTTP2_CONNS_MAX = 16, /* to one server */
    HTTP2_PROBLEM_MAX = 160,
};

struct http2 {
    struct http_shared *shared;
    struct http_origin *origin;
    unsigned refs;
    struct http2_conn *conns;
    struct http_transfer *waiting; /* for a connection */
    struct http_transfer *over;    /* and not told so yet */
    uv_timer_t timer;
    uint64_t due;     /* when the timer is set for; 0: it is not */
    uint64_t hurried; /* until then nothing is patient */
    SSL_SESSION *session;
    int silence_ms, answer_ms, idle_ms, lull_ms;
    unsigned connections, resumed; /* so far */
    bool none;                     /* the server speaks no HTTP/2 */
    bool reset;                    /* all connections are to be dropped */
};

/* NULL: OpenSSL does not start. */
struct http2 *http2_new(uv_loop_t *loop, struct http_origin *o, const struct http_pool_opts *opts);
struct http2 *http2_ref(struct http2 *h);
void http2_put(struct http2 *h);

/* Sends it as soon as there is a connection. Ends with http_pool_over or http_pool_back, later. */
void http2_start(struct http2 *h, struct http_transfer *t);
/* Lets go of it. */
void http2_cancel(struct http_transfer *t);
/* Drops the connections, in a turn of the loop of its own. */
void http2_reset(struct http2 *h);
void http2_hurry(struct http2 *h);

/* --- for the connections --- */

enum http2_state {
    HTTP2_LINE,    /* waits for its turn to connect */
    HTTP2_RESOLVE, /* the server's name */
    HTTP2_CONNECT, /* TCP */
    HTTP2_SHAKE,   /* TLS */
    HTTP2_UP,
    HTTP2_DEAD, /* is freed when nothing of it is on the stack */
};

struct http2_socket; /* a file descriptor that the loop looks at */
struct http2_lookup;

struct http2_conn {
    struct http2 *owner;
    enum http2_state state;
    struct http2_lookup *lookup;
    struct addrinfo *addresses, *address; /* all, and the one that is tried */
    struct http2_socket *socket;
    SSL *ssl;
    nghttp2_session *session;
    struct http_transfer *transfers;
    size_t streams, streams_max;
    char *left; /* bytes that the socket did not take */
    size_t left_len, left_at;
    uint64_t since;     /* when it began to be opened; then when it last had a transfer */
    uint64_t heard;     /* the last byte from the server */
    uint64_t lull;      /* when the socket is looked at again; 0: it is */
    uint64_t asked;     /* when the PING that is not answered was sent; 0: none */
    uint64_t try_until; /* for the address that is tried */
    bool goaway;        /* no new streams */
    /* A request was not answered in time, nor was anything else heard: no new streams until it is. */
    bool suspect;
    bool more;             /* reading was broken off: OpenSSL has more */
    enum http_fault fault; /* of a dead one */
    char problem[HTTP2_PROBLEM_MAX];
    bool slot; /* counts as one that is being opened */
    struct http2_conn *prev, *next;
    struct http2_conn *prev2, *next2; /* in the line */
};

/* http2_conn.c: from nothing to HTTP2_UP. */
void http2_conn_new(struct http2 *h);
void http2_conn_free(struct http2_conn *c);
/* Ends it with a reason, which its transfers get. */
void http2_conn_kill(struct http2_conn *c, enum http_fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Looks at the clock: an address that does not answer, the whole that takes too long. Returns when to look again. */
uint64_t http2_conn_check(struct http2_conn *c, uint64_t now);
/* The loop tells when there is something to read, but in a lull, or (write) when it can be written to as well. */
void http2_conn_interest(struct http2_conn *c, bool write);

/* http2_session.c: HTTP/2 over a connection that is up. */
int http2_session_begin(struct http2_conn *c);
void http2_session_read(struct http2_conn *c);
void http2_session_write(struct http2_conn *c);
/* The end of a lull: somebody is in a hurry, or now is the time to read. Returns when that will be; 0: no lull. */
void http2_session_hurry(struct http2_conn *c);
uint64_t http2_session_lull(struct http2_conn *c, uint64_t now);
/* Whether another stream may be opened. */
bool http2_session_takes(const struct http2_conn *c);
int http2_session_submit(struct http2_conn *c, struct http_transfer *t);
void http2_session_cancel(struct http2_conn *c, struct http_transfer *t);
void http2_session_ping(struct http2_conn *c);

/* http2.c: a transfer is over; it is told in the next http2_settle. message must live until then. */
void http2_over(struct http2 *h, struct http_transfer *t, enum http_fault fault,
                const char *message);
/* http2_settle in ms milliseconds at the latest. */
void http2_wake(struct http2 *h, uint64_t ms);
/* The end of each callback of the loop: tells whose transfers are over, frees dead connections, and takes a reference
 * away. */
void http2_settle(struct http2 *h);

#endif
