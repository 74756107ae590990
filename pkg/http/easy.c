/* SPDX-License-Identifier: Apache-2.0 */
#include "http/easy.h"

#include <openssl/ssl.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"

enum {
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 5,
    USER_TIMEOUT_MS = 45000,
};

/* libcurl 7.88 sends HTTP/2 PINGs on idle connections at most, and checks no answer: the kernel has to find the dead
 * peers, those that swallow our bytes too. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype type)
{
    (void)arg;
    (void)type;
    int one = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_INTERVAL_S;
    unsigned user = USER_TIMEOUT_MS;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof user);
    return CURL_SOCKOPT_OK;
}

/* The line's value when it is the header of this name ("retry-after:"), else unchanged. */
static void read_number(const char *name, const char *line, size_t len,
                        int64_t (*read)(const char *value, size_t len), int64_t *ret)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0)
        return;
    const char *from = line + n, *end = line + len;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    *ret = read(from, (size_t)(end - from));
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    size_t len = size * n;
    t->head_bytes += len;
    if (t->cancelled || t->head_bytes > HTTP_HEAD_MAX) {
        t->stopped = true;
        return 0;
    }
    read_number("retry-after:", line, len, http_retry_after, &t->retry_after_ms);
    read_number("date:", line, len, http_date, &t->date_s);
    if (len > 2 || (len && line[0] != '\r' && line[0] != '\n'))
        return len;
    long status = 0;
    curl_easy_getinfo(t->easy->handle, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && t->handler.head) {
        char *type = NULL;
        curl_easy_getinfo(t->easy->handle, CURLINFO_CONTENT_TYPE, &type);
        t->handler.head(t->arg, (int)status, type);
    }
    return len;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    size_t len = size * n;
    if (!t->cancelled && t->handler.data && t->handler.data(t->arg, data, len) != 0)
        t->stopped = true;
    return t->cancelled || t->stopped ? (size_t)CURL_WRITEFUNC_ERROR : len;
}

/* The first refusal counts, and ends the rest: a transfer without one of these options must not run. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (rc == CURLE_OK)                                                                        \
            rc = curl_easy_setopt(e->handle, option, value);                                       \
    } while (0)

static struct curl_blob blob(char *pem)
{
    return (struct curl_blob){.data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
}

/* An idle connection keeps no record buffers: 34 KiB each, and most connections idle. */
static CURLcode on_ssl(CURL *easy, void *ssl_ctx, void *arg)
{
    (void)easy;
    (void)arg;
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS);
    return CURLE_OK;
}

static CURLcode set_tls(struct http_easy *e, const struct http_origin *o)
{
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (o->ca) {
        /* The distribution's directory of roots would be trusted beside the blob. */
        struct curl_blob ca = blob(o->ca);
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_CAINFO, NULL);
        SET(CURLOPT_CAINFO_BLOB, &ca);
    }
    if (o->cert && o->key) {
        struct curl_blob cert = blob(o->cert), key = blob(o->key);
        SET(CURLOPT_SSLCERT_BLOB, &cert);
        SET(CURLOPT_SSLKEY_BLOB, &key);
    }
    return rc;
}

static CURLcode set_connection(struct http_easy *e, const struct http_origin *o, long buffer_size)
{
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, o->plain ? "http,https" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_BUFFERSIZE, buffer_size);
    SET(CURLOPT_QUICK_EXIT, 1L);
    if (o->connect) {
        e->connect_to = curl_slist_append(NULL, o->connect);
        SET(CURLOPT_CONNECT_TO, e->connect_to);
    }
    return rc;
}

static void set_headers(struct http_easy *e, const struct http_transfer *t)
{
    for (const char *h = http_transfer_header(t, NULL); h; h = http_transfer_header(t, h))
        e->headers = curl_slist_append(e->headers, h);
    /* A body that waits for "100 Continue" would cost a round trip. */
    e->headers = curl_slist_append(e->headers, "Expect:");
}

static CURLcode set_request(struct http_easy *e, struct http_transfer *t,
                            const struct http_origin *o)
{
    CURLcode rc = CURLE_OK;
    const char *method = http_transfer_method(t);
    auto_free char *url = xasprintf("%s%s", o->base, http_transfer_path(t));
    set_headers(e, t);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTPHEADER, e->headers);
    if (t->body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
        SET(CURLOPT_POSTFIELDS, t->body);
    }
    if (t->body || strcmp(method, "GET") != 0)
        SET(CURLOPT_CUSTOMREQUEST, method);
    SET(CURLOPT_TIMEOUT_MS, (long)t->timeout_ms);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_data);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_ERRORBUFFER, e->error);
    SET(CURLOPT_PRIVATE, t);
    return rc;
}

int http_easy_new(struct http_transfer *t, const struct http_origin *o, size_t buffer_size,
                  bool gzip)
{
    CURLcode rc = CURLE_OK;
    struct http_easy *e = t->easy = xcalloc(1, sizeof *e);
    e->handle = curl_easy_init();
    if (!e->handle || set_connection(e, o, (long)buffer_size) != CURLE_OK ||
        set_tls(e, o) != CURLE_OK || set_request(e, t, o) != CURLE_OK)
        return -1;
    if (gzip)
        SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    http_transfer_taken(t);
    return rc == CURLE_OK ? 0 : -1;
}

void http_easy_free(struct http_easy *e)
{
    if (!e)
        return;
    curl_easy_cleanup(e->handle);
    for (struct curl_slist *h = e->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(e->headers);
    curl_slist_free_all(e->connect_to);
    free(e);
}

static enum http_fault fault_of(const struct http_transfer *t, CURLcode code)
{
    if (t->stopped)
        return HTTP_STOPPED;
    switch ((int)code) {
    case CURLE_OK:
        return HTTP_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_UNSENT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_UNTRUSTED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    default:
        break;
    }
    long sent = 0;
    curl_easy_getinfo(t->easy->handle, CURLINFO_REQUEST_SIZE, &sent);
    return sent ? HTTP_LOST : HTTP_UNSENT;
}

void http_easy_result(const struct http_transfer *t, CURLcode code, struct http_result *r)
{
    long status = 0;
    *r = (struct http_result){.fault = HTTP_UNSENT, .message = "libcurl refused the request"};
    if (!t->easy || !t->easy->handle || code == CURLE_FAILED_INIT)
        return;
    curl_easy_getinfo(t->easy->handle, CURLINFO_RESPONSE_CODE, &status);
    r->fault = fault_of(t, code);
    r->status = (int)status;
    r->message = *t->easy->error ? t->easy->error : curl_easy_strerror(code);
    r->retry_after_ms = t->retry_after_ms;
    r->date_s = t->date_s;
}
