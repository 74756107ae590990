/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: TLS of the HTTP/2 connections, made for many that idle.
 *
 * One SSL_CTX for all connections of a loop; it trusts nobody. What a connection needs for its handshake (the roots,
 * our certificate and key) is given to it alone and taken away again afterwards. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <openssl/ssl.h>

#include "http/origin.h"

struct http_tls {
    SSL_CTX *ctx;
    BIO_METHOD *socket;
    char *ca; /* the last bundle, and its certificates: many clusters may have the same */
    X509_STORE *store;
};

int http_tls_init(struct http_tls *t);
void http_tls_done(struct http_tls *t);

/* A client's side of a connection, HTTP/2 preferred, to be verified as o says. A session that the server gives ends up
 * in *session (owned by the caller, who may have one in it: it is offered). NULL with *why set (static text): our
 * credentials are of no use. */
SSL *http_tls_open(struct http_tls *t, const struct http_origin *o, SSL_SESSION **session,
                   const char **why);
/* Reads and writes the socket from now on, without SIGPIPE. */
int http_tls_attach(struct http_tls *t, SSL *ssl, int fd);
/* The handshake is over: frees what only it needed. */
void http_tls_settled(SSL *ssl);
/* Session tickets that are still to come go nowhere. */
void http_tls_forget(SSL *ssl);

#endif
