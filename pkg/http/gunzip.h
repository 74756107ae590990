/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: answers that come compressed (Content-Encoding: gzip, RFC 1952), piece by piece. What comes out
 * is not bounded here: who takes it counts. */
#ifndef HTTP_GUNZIP_H
#define HTTP_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

struct http_gunzip;

struct http_gunzip *http_gunzip_new(void);
void http_gunzip_free(struct http_gunzip *g); /* NULL is fine */
/* The next piece; borrowed until it is used up. */
void http_gunzip_give(struct http_gunzip *g, const void *data, size_t len);
/* Fills out as far as what was given goes: how many bytes, 0 when more must be given, -1 when it is no gzip. */
long http_gunzip_take(struct http_gunzip *g, void *out, size_t size);
/* Whether the end was there. */
bool http_gunzip_complete(const struct http_gunzip *g);

#endif
