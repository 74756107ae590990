/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: what every transfer of a pool needs to know of the server. */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include "http/pool.h"

/* Pools over the same connections share one. */
struct http_origin {
    unsigned refs;
    char *base;        /* "https://name:port/prefix" */
    char *authority;   /* "name:port" */
    char *host, *port; /* where to connect to; an IPv6 address without brackets */
    char *name;        /* to ask for and to verify; like host when not given */
    char *prefix;      /* of every path, "" or "/..." */
    char *connect;     /* "name:port:host:port" for CURLOPT_CONNECT_TO, or NULL */
    char *ca, *cert, *key;
    bool plain;
};
/* NULL with *err set when the server is no such URL. */
struct http_origin *http_origin_new(const struct http_pool_opts *opts, struct err *err);
struct http_origin *http_origin_ref(struct http_origin *o);
void http_origin_put(struct http_origin *o);

#endif
