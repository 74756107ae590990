/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: what the HTTP/2 connections of one loop have in common. */
#ifndef HTTP_SHARED_H
#define HTTP_SHARED_H

#include "http/tls.h"

enum {
    HTTP_READ_BYTES = 32 * 1024,
    HTTP_WRITE_BYTES =
        32 * 1024, /* a gathered write, and room for the greatest HTTP/2 frame that we send */
    /* Connections that are being opened at a time: a handshake needs memory and a millisecond of the thread. */
    HTTP_CONNECTING_MAX = 16,
};

struct http2_conn;

struct http_shared {
    uv_loop_t *loop;
    unsigned refs;
    struct http_tls tls;
    unsigned connecting;
    struct http2_conn *line; /* those that wait for their turn to connect */
    uint8_t in[HTTP_READ_BYTES], out[HTTP_WRITE_BYTES];
    struct http_shared *next;
};

/* The loop's, made when there is none. NULL: OpenSSL does not start. */
struct http_shared *http_shared_get(uv_loop_t *loop);
void http_shared_put(struct http_shared *s);

#endif
