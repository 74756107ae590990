/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/http: a transfer in libcurl's hands: HTTP/1.1. */
#ifndef HTTP_EASY_H
#define HTTP_EASY_H

#include <curl/curl.h>

#include "http/origin.h"
#include "http/transfer.h"

struct http_easy {
    CURL *handle;
    struct curl_slist *headers, *connect_to;
    char error[CURL_ERROR_SIZE];
};

/* Makes t->easy. -1: libcurl refused an option. */
int http_easy_new(struct http_transfer *t, const struct http_origin *o, size_t buffer_size,
                  bool gzip);
/* The multi handle must have let go of it. NULL is fine. */
void http_easy_free(struct http_easy *e);
/* r->message is borrowed from t. */
void http_easy_result(const struct http_transfer *t, CURLcode code, struct http_result *r);

#endif
