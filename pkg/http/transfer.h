/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: one transfer, as the pool sees it. */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include <curl/curl.h>

#include "http/pool.h"

/* What every transfer of a pool needs to know of the server. */
struct http_origin {
    char *base;    /* "https://name:port/prefix" */
    char *connect; /* "name:port:host:port" for CURLOPT_CONNECT_TO, or NULL */
    char *ca, *cert, *key;
    long buffer_size;
    bool plain;
    bool http1;
};
int http_origin_init(struct http_origin *o, const struct http_pool_opts *opts, struct err *err);
void http_origin_done(struct http_origin *o);

struct http_transfer {
    struct http_pool *pool;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct http_handler handler;
    void *arg;
    size_t head_bytes;
    size_t full_bytes; /* a piece of this size has filled the buffer */
    int64_t retry_after_ms;
    bool added;     /* to the multi handle */
    bool cancelled; /* freed as soon as libcurl can be called */
    bool broken;    /* libcurl refused an option or the handle: done reports it */
    bool stopped;   /* by data() or a bound */
    char error[CURL_ERROR_SIZE];
    struct http_transfer *prev, *next;
};

/* A buffer came full: more may be waiting inside libcurl. */
void http_pool_full(struct http_pool *p);

struct http_transfer *http_transfer_new(const struct http_origin *o, const struct http_request *q,
                                        const struct http_handler *h, void *arg);
/* The multi handle must have let go of it. */
void http_transfer_free(struct http_transfer *t);
/* Tells the handler that it is over. */
void http_transfer_finish(struct http_transfer *t, CURLcode code);

#endif
