/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: one transfer, as the pool sees it, and as libcurl or a HTTP/2 connection carries it. */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include "http/gunzip.h"
#include "http/pool.h"

struct http2;
struct http2_conn;
struct http_easy;

enum http_at {
    HTTP_AT_LINE, /* waits for its turn */
    HTTP_AT_CURL,
    HTTP_AT_HTTP2,
};

struct http_transfer {
    struct http_pool *pool;
    struct http_handler handler;
    void *arg;
    /* "GET\0/path\0Name: value\0...\0": until it was handed over, then wiped and freed. */
    char *request;
    size_t request_len;
    const char *body;
    size_t body_len, body_at; /* body_at: sent so far */
    int timeout_ms;
    size_t head_bytes;
    int64_t retry_after_ms;
    int64_t date_s;
    enum http_at at;
    bool cancelled; /* freed as soon as libcurl can be called */
    bool broken;    /* it is over, and not told so yet */
    bool stopped;   /* by data() or a bound */
    struct http_easy *easy;

    struct http2 *http2;
    struct http2_conn *conn; /* NULL: waits for one, or it is over */
    int32_t stream;
    uint64_t deadline; /* of uv_now; 0: none */
    int status;
    bool sent;                  /* the request, or its begin */
    bool opened;                /* the final headers are here */
    bool gzip;                  /* asked for */
    bool patient;               /* as of its request */
    struct http_gunzip *gunzip; /* the answer is compressed */
    char *type;                 /* Content-Type */
    struct http_result result;  /* of one that is over, but was not told so */

    struct http_transfer *prev, *next; /* of the pool */
    struct http_transfer *prev2,
        *next2; /* of the connection, or of those that wait for one or are over */
};

struct http_transfer *http_transfer_new(const struct http_request *q, const struct http_handler *h,
                                        void *arg);
/* Whoever carried it must have let go of it. */
void http_transfer_free(struct http_transfer *t);
/* Forgets the request: it was handed over. */
void http_transfer_taken(struct http_transfer *t);

/* The parts of t->request. */
const char *http_transfer_method(const struct http_transfer *t);
const char *http_transfer_path(const struct http_transfer *t);
/* The header after h, the first one for NULL; NULL at the end. */
const char *http_transfer_header(const struct http_transfer *t, const char *h);

/* Retry-After in milliseconds, 0 when it is no number of seconds within bounds. */
int64_t http_retry_after(const char *value, size_t len);
/* Date (RFC 9110, 5.6.7) in seconds since 1970, 0 when it is none. */
int64_t http_date(const char *value, size_t len);

/* On the pool's side, for who carries it: it is over, and the handler is told. Frees it. */
void http_pool_over(struct http_transfer *t, const struct http_result *r);
/* The server speaks no HTTP/2: the transfer, which was not sent, goes back to its pool. */
void http_pool_back(struct http_transfer *t);

#endif
