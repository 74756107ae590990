/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/transfer.h"

struct parts {
    char *scheme, *host, *port, *path;
};

static void parts_done(struct parts *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->path);
}

static bool has(CURLU *u, CURLUPart part)
{
    char *s = NULL;
    bool found = curl_url_get(u, part, &s, 0) == CURLUE_OK;
    curl_free(s);
    return found;
}

static int split(CURLU *u, const char *server, struct parts *p)
{
    if (curl_url_set(u, CURLUPART_URL, server, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return -1;
    if (has(u, CURLUPART_USER) || has(u, CURLUPART_PASSWORD) || has(u, CURLUPART_QUERY) ||
        has(u, CURLUPART_FRAGMENT))
        return -1;
    if (curl_url_get(u, CURLUPART_SCHEME, &p->scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &p->host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PATH, &p->path, 0) != CURLUE_OK)
        return -1;
    return 0;
}

static void compose(struct http_origin *o, const struct parts *p, const char *name)
{
    size_t len = strlen(p->path);
    while (len && p->path[len - 1] == '/')
        len--;
    o->base =
        xasprintf("%s://%s:%s%.*s", p->scheme, name ? name : p->host, p->port, (int)len, p->path);
    if (name)
        o->connect = xasprintf("%s:%s:%s:%s", name, p->port, p->host, p->port);
}

int http_origin_init(struct http_origin *o, const struct http_pool_opts *opts, struct err *err)
{
    struct parts p = {0};
    CURLU *u = curl_url();
    int r = -1;
    const char *name = opts->tls_server_name;
    if (!u || split(u, opts->server, &p) < 0)
        err_set(err, ERR_INVALID, 0, "the server is not a URL as https://host:port");
    else if (!str_eq(p.scheme, "https") && !(opts->plain && str_eq(p.scheme, "http")))
        err_set(err, ERR_INVALID, 0, "the server's URL does not begin with https://");
    else if (name && (!*name || strpbrk(name, ":/?#@[] \t\r\n")))
        err_set(err, ERR_INVALID, 0, "the TLS server name is not a host name");
    else
        r = 0;
    if (!r) {
        *o = (struct http_origin){
            .ca = xstrdup0(opts->ca),
            .cert = xstrdup0(opts->cert),
            .key = xstrdup0(opts->key),
            .buffer_size = opts->buffer_size ? (long)opts->buffer_size : 16 * 1024,
            .plain = opts->plain,
            .http1 = opts->http1,
        };
        compose(o, &p, name);
    }
    parts_done(&p);
    curl_url_cleanup(u);
    return r;
}

void http_origin_done(struct http_origin *o)
{
    free(o->base);
    free(o->connect);
    free(o->ca);
    free(o->cert);
    xfree_secret(o->key);
    *o = (struct http_origin){0};
}
