/* SPDX-License-Identifier: Apache-2.0 */
#include "http/origin.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

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

static char *without_brackets(const char *host)
{
    size_t len = strlen(host);
    bool bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
    return bracketed ? xstrndup(host + 1, len - 2) : xstrdup(host);
}

static void compose(struct http_origin *o, const struct parts *p, const char *name)
{
    size_t len = strlen(p->path);
    while (len && p->path[len - 1] == '/')
        len--;
    o->prefix = xstrndup(p->path, len);
    o->authority = xasprintf("%s:%s", name ? name : p->host, p->port);
    o->base = xasprintf("%s://%s%s", p->scheme, o->authority, o->prefix);
    o->host = without_brackets(p->host);
    o->port = xstrdup(p->port);
    o->name = xstrdup(name ? name : o->host);
    if (name)
        o->connect = xasprintf("%s:%s:%s", o->authority, p->host, p->port);
}

static const char *flaw(CURLU *u, const struct http_pool_opts *opts, struct parts *p)
{
    const char *name = opts->tls_server_name;
    if (!u || split(u, opts->server, p) < 0)
        return "the server is not a URL as https://host:port";
    if (!str_eq(p->scheme, "https") && !(opts->plain && str_eq(p->scheme, "http")))
        return "the server's URL does not begin with https://";
    if (name && (!*name || strpbrk(name, ":/?#@[] \t\r\n")))
        return "the TLS server name is not a host name";
    return NULL;
}

struct http_origin *http_origin_new(const struct http_pool_opts *opts, struct err *err)
{
    struct parts p = {0};
    CURLU *u = curl_url();
    struct http_origin *o = NULL;
    const char *why = flaw(u, opts, &p);
    if (why) {
        err_set(err, ERR_INVALID, 0, "%s", why);
    } else {
        o = xcalloc(1, sizeof *o);
        o->refs = 1;
        o->ca = xstrdup0(opts->ca);
        o->cert = xstrdup0(opts->cert);
        o->key = xstrdup0(opts->key);
        o->plain = str_eq(p.scheme, "http");
        compose(o, &p, opts->tls_server_name);
    }
    parts_done(&p);
    curl_url_cleanup(u);
    return o;
}

struct http_origin *http_origin_ref(struct http_origin *o)
{
    o->refs++;
    return o;
}

void http_origin_put(struct http_origin *o)
{
    if (--o->refs)
        return;
    free(o->base);
    free(o->authority);
    free(o->host);
    free(o->port);
    free(o->name);
    free(o->prefix);
    free(o->connect);
    free(o->ca);
    free(o->cert);
    xfree_secret(o->key);
    free(o);
}
