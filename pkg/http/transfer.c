/* SPDX-License-Identifier: Apache-2.0 */
#include "http/transfer.h"

#include <openssl/ssl.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 5,
    USER_TIMEOUT_MS = 45000,
    RETRY_AFTER_MAX_S = 3600,
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

static void read_retry_after(struct http_transfer *t, const char *line, size_t len)
{
    static const char name[] = "retry-after:";
    if (len < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0)
        return;
    const char *from = line + sizeof name - 1, *end = line + len;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    auto_free char *value = xstrndup(from, (size_t)(end - from));
    int64_t s = 0;
    if (str_to_i64(value, 0, RETRY_AFTER_MAX_S, &s) == 0)
        t->retry_after_ms = s * 1000;
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
    read_retry_after(t, line, len);
    if (len > 2 || (len && line[0] != '\r' && line[0] != '\n'))
        return len;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && t->handler.head) {
        char *type = NULL;
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
        t->handler.head(t->arg, (int)status, type);
    }
    return len;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    size_t len = size * n;
    if (len >= t->full_bytes)
        http_pool_full(t->pool);
    if (!t->cancelled && t->handler.data && t->handler.data(t->arg, data, len) != 0)
        t->stopped = true;
    return t->cancelled || t->stopped ? (size_t)CURL_WRITEFUNC_ERROR : len;
}

/* The first refusal counts, and ends the rest: a transfer without one of these options must not run. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (rc == CURLE_OK)                                                                        \
            rc = curl_easy_setopt(t->easy, option, value);                                         \
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

static CURLcode set_tls(struct http_transfer *t, const struct http_origin *o)
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

static CURLcode set_connection(struct http_transfer *t, const struct http_origin *o)
{
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, o->plain ? "http,https" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_VERSION,
        o->http1 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_PIPEWAIT, o->plain || o->http1
                              ? 0L
                              : 1L); /* without TLS nothing would tell it that waiting is useless */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_BUFFERSIZE, o->buffer_size);
    SET(CURLOPT_QUICK_EXIT, 1L);
    if (o->connect) {
        t->connect_to = curl_slist_append(NULL, o->connect);
        SET(CURLOPT_CONNECT_TO, t->connect_to);
    }
    return rc;
}

static void set_headers(struct http_transfer *t, const struct http_request *q)
{
    for (const char *const *h = q->headers; h && *h; h++)
        t->headers = curl_slist_append(t->headers, *h);
    /* A body that waits for "100 Continue" would cost a round trip. */
    t->headers = curl_slist_append(t->headers, "Expect:");
}

static CURLcode set_request(struct http_transfer *t, const struct http_origin *o,
                            const struct http_request *q)
{
    CURLcode rc = CURLE_OK;
    auto_free char *url = xasprintf("%s%s", o->base, q->path);
    set_headers(t, q);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTPHEADER, t->headers);
    if (q->body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
        SET(CURLOPT_POSTFIELDS, q->body);
    }
    if (q->body || strcmp(q->method, "GET") != 0)
        SET(CURLOPT_CUSTOMREQUEST, q->method);
    SET(CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_data);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_PRIVATE, t);
    return rc;
}

struct http_transfer *http_transfer_new(const struct http_origin *o, const struct http_request *q,
                                        const struct http_handler *h, void *arg)
{
    struct http_transfer *t = xcalloc(1, sizeof *t);
    t->handler = *h;
    t->arg = arg;
    t->full_bytes =
        o->buffer_size < CURL_MAX_WRITE_SIZE ? (size_t)o->buffer_size : CURL_MAX_WRITE_SIZE;
    t->easy = curl_easy_init();
    t->broken = !t->easy || set_connection(t, o) != CURLE_OK || set_tls(t, o) != CURLE_OK ||
                set_request(t, o, q) != CURLE_OK;
    return t;
}

void http_transfer_free(struct http_transfer *t)
{
    curl_easy_cleanup(t->easy);
    for (struct curl_slist *h = t->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    free(t);
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
    /* libcurl names the HTTP/2 error only in its text. */
    if (strstr(t->error, "REFUSED_STREAM"))
        return HTTP_UNSENT;
    long sent = 0;
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent ? HTTP_LOST : HTTP_UNSENT;
}

void http_transfer_finish(struct http_transfer *t, CURLcode code)
{
    long status = 0;
    if (t->broken) {
        struct http_result r = {.fault = HTTP_UNSENT, .message = "libcurl refused the request"};
        t->handler.done(t->arg, &r);
        return;
    }
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    struct http_result r = {
        .fault = fault_of(t, code),
        .status = (int)status,
        .message = *t->error ? t->error : curl_easy_strerror(code),
        .retry_after_ms = t->retry_after_ms,
    };
    t->handler.done(t->arg, &r);
}
