/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP to one server on a libuv loop: transfers, and the connections that they share.
 *
 * HTTP/2 (ours: http2.h), or HTTP/1.1 (libcurl) for servers that don't speak it; over TLS 1.2 or newer, always
 * verified. A connection belongs to one pool and to those made over it, and so to one set of credentials. It is opened
 * for the first transfer; without transfers it is closed after a while (60 s, HTTP/1.1 30 s).
 * Proxies, environment, redirects and user names in URLs are ignored.
 * One thread; callbacks run on the loop, never before the function that started the transfer has returned. Every
 * function here may be called from any callback. */
#ifndef HTTP_POOL_H
#define HTTP_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"

enum {
    HTTP_CONNECT_TIMEOUT_MS = 5000,
    HTTP_HEAD_MAX = 64 * 1024, /* bytes of answer headers */
    HTTP_LULL_MS = 20,         /* see http_request.patient */
    HTTP_HURRY_MS = 1000,      /* see http_pool_hurry */
};

struct http_pool;

struct http_pool_opts {
    const char *server;          /* https://host[:port][/prefix] */
    const char *tls_server_name; /* the name to ask for and to verify; NULL: the host of server */
    const char *ca;              /* PEM bundle; NULL: the system's roots */
    const char *cert, *key;      /* PEM, or NULL */
    /* Another pool, whose server, credentials and HTTP/2 connections are used; the above are not looked at. It may go
     * first. */
    const struct http_pool *over;
    size_t max_running; /* transfers at a time, the others wait in line; 0: no bound */
    bool http1;         /* HTTP/1.1, a connection for each running transfer */
    size_t buffer_size; /* of each transfer over HTTP/1.1; 0: 16 KiB */
    bool
        gzip; /* answers may come compressed; data() gets them as they were, and has to bound them */
    bool plain;  /* http:// (HTTP/1.1) is accepted as well: for tests only */
    int idle_ms; /* how long an HTTP/2 connection stays without transfers; 0: 60 s */
};

/* Copies what it needs. ERR_INVALID when server is no such URL. */
struct http_pool *http_pool_new(uv_loop_t *loop, const struct http_pool_opts *o, struct err *err);
/* Running transfers end as they are; then the pool is freed. Nothing may be started any more. */
void http_pool_drain(struct http_pool *p);
/* Drops all connections, those shared with other pools too: running transfers end, later, as lost; the next ones
 * connect anew. */
void http_pool_reset(struct http_pool *p);
/* Cancels all transfers and frees; memory goes when the loop has closed the handles. NULL is fine. */
void http_pool_free(struct http_pool *p);

/* Whether it finds connections that are open and dead on its own: over HTTP/2, where after 30 s of silence the server
 * has 15 s to answer a PING. */
bool http_pool_watches_life(const struct http_pool *p);
/* Other times than these; without effect on HTTP/1.1. */
void http_pool_set_silence(struct http_pool *p, int silence_ms, int answer_ms);
/* For HTTP_HURRY_MS nothing is patient: somebody waits for what comes. */
void http_pool_hurry(struct http_pool *p);
/* Another time than HTTP_LULL_MS, likewise. */
void http_pool_set_lull(struct http_pool *p, int lull_ms);

/* Of the HTTP/2 connections. */
struct http_stats {
    unsigned open;        /* now, those on their way too */
    unsigned connections; /* so far */
    unsigned resumed;     /* of them, with a TLS session of an earlier one */
};
void http_pool_stats(const struct http_pool *p, struct http_stats *ret);

enum http_fault {
    HTTP_OK,     /* there is an answer, complete, whatever its status */
    HTTP_UNSENT, /* the server surely did not take the request: no connection, or a refused stream */
    HTTP_LOST,   /* the connection broke in the middle */
    HTTP_TIMEOUT,   /* timeout_ms passed */
    HTTP_UNTRUSTED, /* TLS: the server's certificate is not good, or ours is not usable */
    HTTP_STOPPED,   /* data() or a bound stopped it */
};

struct http_result {
    enum http_fault fault;
    int status;             /* 0 when no headers came */
    const char *message;    /* what went wrong, one line; borrowed for the callback */
    int64_t retry_after_ms; /* Retry-After in seconds form; 0 when absent */
    int64_t date_s;         /* the server's clock: Date, in seconds since 1970; 0 when absent */
};

/* All may be NULL, but done. */
struct http_handler {
    /* The final headers are here; content_type NULL when absent, borrowed for the call. */
    void (*head)(void *arg, int status, const char *content_type);
    int (*data)(void *arg, const void *data, size_t len); /* a piece of the body; not 0: stop */
    void (*done)(void *arg, const struct http_result *r); /* once, the last */
};

struct http_request {
    const char *method, *path;  /* path with query, begins with '/' and is percent-encoded */
    const char *const *headers; /* "Name: value", ended by NULL; copied, and the copy is wiped */
    const char *body;           /* borrowed until done or cancel; NULL: none */
    size_t body_len;
    int timeout_ms; /* of the whole transfer; 0: none */
    /* What comes may be handed on HTTP_LULL_MS later, together with what came meanwhile: a watch. */
    bool patient;
};

struct http_transfer;
/* The handle is valid until done has been called. */
struct http_transfer *http_start(struct http_pool *p, const struct http_request *q,
                                 const struct http_handler *h, void *arg);
/* No callback runs after this. */
void http_cancel(struct http_transfer *t);

#endif
