/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    CONNECTIONS_MAX = 32,
    FDS_MAX = 64,       /* the library's tables; the connections and what it opens itself */
    HEADERS_MAX = 8192, /* of one request; a scraper's bearer token has room */
    CHUNK = 8192,
    BODY_MAX = 4 << 20,
    REQUEST_TIMEOUT_S = 10,
    IDLE_TIMEOUT_S = 5, /* short: an idle connection takes the place of a probe */
    STOP_TICK_MS = 1,
    STOP_TICKS = 3,
    BACKLOG = 64,
};

struct serve {
    struct lws_context *context; /* set to NULL by the library when it is gone */
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct serve_hooks hooks;
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t stopping;
    int ticks;
    int connections;
};

/* What one request is answered with; the library allocates it zeroed with the request. */
struct reply {
    unsigned char *bytes; /* LWS_PRE bytes of room for the library, then the body */
    size_t len, sent;
    bool last; /* on this connection */
};

/* --- replies ---- */

static void reply_done(struct reply *r)
{
    if (!r)
        return;
    free(r->bytes);
    *r = (struct reply){0};
}

static int reply_finish(struct lws *wsi, struct reply *r)
{
    bool last = r->last;
    reply_done(r);
    return last || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int add_header(struct lws *wsi, enum lws_token_indexes name, const char *value,
                      unsigned char **p, unsigned char *end)
{
    return lws_add_http_header_by_token(wsi, name, (const unsigned char *)value, (int)strlen(value),
                                        p, end);
}

static int write_head(struct lws *wsi, unsigned status, const char *type, size_t len, bool last)
{
    unsigned char head[LWS_PRE + 512], *start = head + LWS_PRE, *p = start;
    unsigned char *end = head + sizeof head - 1;
    if (lws_add_http_common_headers(wsi, status, type, len, &p, end) ||
        (status == HTTP_STATUS_METHOD_NOT_ALLOWED &&
         add_header(wsi, WSI_TOKEN_HTTP_ALLOW, "GET, HEAD", &p, end)) ||
        (last && add_header(wsi, WSI_TOKEN_CONNECTION, "close", &p, end)))
        return -1;
    return lws_finalize_write_http_header(wsi, start, &p, end);
}

static int reply_with(struct lws *wsi, struct reply *r, unsigned status, const char *type,
                      const char *body, size_t len)
{
    char *uri;
    int uri_len;
    bool head_only = lws_http_get_uri_and_method(wsi, &uri, &uri_len) == LWSHUMETH_HEAD;
    reply_done(r);
    r->last = status == HTTP_STATUS_METHOD_NOT_ALLOWED; /* a body may follow, which nobody reads */
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_TIMEOUT_S);
    if (write_head(wsi, status, type, len, r->last))
        return -1;
    if (head_only || !len)
        return reply_finish(wsi, r);
    r->bytes = xmalloc(LWS_PRE + len);
    memcpy(r->bytes + LWS_PRE, body, len);
    r->len = len;
    lws_callback_on_writable(wsi);
    return 0;
}

static int reply_text(struct lws *wsi, struct reply *r, unsigned status, const char *text)
{
    return reply_with(wsi, r, status, "text/plain; charset=utf-8", text, strlen(text));
}

static int reply_continue(struct lws *wsi, struct reply *r)
{
    if (!r || !r->bytes)
        return 0;
    size_t n = r->len - r->sent < CHUNK ? r->len - r->sent : CHUNK;
    bool final = r->sent + n == r->len;
    int written = lws_write(wsi, r->bytes + LWS_PRE + r->sent, n,
                            final ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
    if (written < (int)n)
        return -1;
    r->sent += n;
    if (final)
        return reply_finish(wsi, r);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_TIMEOUT_S);
    lws_callback_on_writable(wsi);
    return 0;
}

/* --- requests ---- */

static int probe(struct lws *wsi, struct reply *r, bool good)
{
    return good ? reply_text(wsi, r, HTTP_STATUS_OK, "ok\n")
                : reply_text(wsi, r, HTTP_STATUS_SERVICE_UNAVAILABLE, "not ok\n");
}

static int metrics(struct lws *wsi, struct reply *r, const struct serve_hooks *h)
{
    auto_buf b = BUF_INIT(BODY_MAX);
    h->metrics(h->arg, &b);
    return reply_with(wsi, r, HTTP_STATUS_OK, "text/plain; version=0.0.4; charset=utf-8", b.data,
                      b.len);
}

static int request(struct serve *s, struct lws *wsi, struct reply *r, const char *path)
{
    char *uri;
    int uri_len;
    int method = lws_http_get_uri_and_method(wsi, &uri, &uri_len);
    if (method != LWSHUMETH_GET && method != LWSHUMETH_HEAD)
        return reply_text(wsi, r, HTTP_STATUS_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (str_eq(path, "/healthz"))
        return probe(wsi, r, s->hooks.healthy(s->hooks.arg));
    if (str_eq(path, "/readyz"))
        return probe(wsi, r, s->hooks.ready(s->hooks.arg));
    if (str_eq(path, "/metrics"))
        return metrics(wsi, r, &s->hooks);
    return reply_text(wsi, r, HTTP_STATUS_NOT_FOUND, "not found: /healthz, /readyz, /metrics\n");
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct serve *s = lws_context_user(lws_get_context(wsi));
    (void)len;
    switch ((int)reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        s->connections++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        s->connections -= s->connections > 0;
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: /* neither WebSocket nor HTTP/2 here */
        return -1;
    case LWS_CALLBACK_HTTP:
        return request(s, wsi, user, in);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return reply_continue(wsi, user);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        reply_done(user);
        return 0;
    default:
        return 0;
    }
}

/* --- listening ---- */

/* An address to bind to. No names: asking DNS would stop the loop. */
static int parse_address(const char *address, struct sockaddr_storage *ret, struct err *err)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';
    int64_t port;
    if (!colon || str_to_i64(colon + 1, 0, UINT16_MAX, &port) < 0)
        return err_set(err, ERR_INVALID, 0, "'%s' is not [HOST]:PORT", address);
    auto_free char *host = xstrndup(address + bracketed, n - 2 * bracketed);
    if (uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret) == 0 ||
        uv_ip6_addr(*host ? host : "::", (int)port, (struct sockaddr_in6 *)ret) == 0)
        return 0;
    return err_set(err, ERR_INVALID, 0, "'%s': the host must be an IP address", address);
}

/* A bound socket, or -errno. */
static int bind_socket(const struct sockaddr_storage *a)
{
    int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool v4 = a->ss_family == AF_INET;
    socklen_t len = v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (bind(fd, (const struct sockaddr *)a, len) == 0)
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

static int bind_address(const char *address, struct err *err)
{
    struct sockaddr_storage a = {0};
    if (parse_address(address, &a, err) < 0)
        return -1;
    int fd = bind_socket(&a);
    if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && *address == ':') {
        in_port_t port = ((struct sockaddr_in6 *)&a)->sin6_port; /* a machine without IPv6 */
        *(struct sockaddr_in *)&a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        fd = bind_socket(&a);
    }
    if (fd < 0)
        err_set(err, ERR_INVALID, -fd, "cannot listen on %s: %s", address, strerror(-fd));
    return fd;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

/* libuv accepts, for it stays calm when the process has no descriptor left (it closes what comes),
 * where the library's own listener would spin. */
static void on_connection(uv_stream_t *listener, int status)
{
    struct serve *s = listener->data;
    if (status < 0)
        return;
    uv_tcp_t *peer = xcalloc(1, sizeof *peer);
    uv_tcp_init(s->loop, peer);
    uv_os_fd_t fd;
    if (uv_accept(listener, (uv_stream_t *)peer) == 0 && s->connections < CONNECTIONS_MAX &&
        uv_fileno((uv_handle_t *)peer, &fd) == 0) {
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (own >= 0)
            lws_adopt_socket_vhost(s->vhost, own);
    }
    uv_close((uv_handle_t *)peer, free_handle);
}

static void on_library_log(int level, const char *line)
{
    (void)level;
    auto_free char *text = xstrndup(line, strcspn(line, "\n"));
    log_debug("libwebsockets", "text", text);
}

static struct lws_context *new_context(struct serve *s)
{
    void *loops[] = {s->loop};
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .foreign_loops = loops,
        .pcontext = &s->context,
        .user = s,
        .uid = -1,
        .gid = -1,
        .server_string = "meshwright",
        .fd_limit_per_thread = FDS_MAX,
        .pt_serv_buf_size = 4096,
        .max_http_header_data = HEADERS_MAX,
        .max_http_header_pool = CONNECTIONS_MAX,
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    return lws_create_context(&info);
}

static struct lws_vhost *new_vhost(struct serve *s)
{
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = s->protocols,
        .vhost_name = "serve",
        .timeout_secs = REQUEST_TIMEOUT_S,
        .timeout_secs_ah_idle = REQUEST_TIMEOUT_S,
        .keepalive_timeout = IDLE_TIMEOUT_S,
        .user = s,
    };
    return lws_create_vhost(s->context, &info);
}

/* Takes fd. */
static int start(struct serve *s, const char *address, int fd, struct err *err)
{
    uv_tcp_init(s->loop, &s->listener);
    s->listener.data = s;
    int rc = uv_tcp_open(&s->listener, fd);
    if (rc < 0)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (rc < 0)
        return err_set(err, ERR_INVALID, -rc, "cannot listen on %s: %s", address, strerror(-rc));
    s->context = new_context(s);
    if (s->context)
        s->vhost = new_vhost(s);
    if (!s->vhost)
        return err_set(err, ERR_BUG, 0, "libwebsockets did not start: is its libuv plugin there?");
    return 0;
}

struct serve *serve_start(uv_loop_t *loop, const char *address, const struct serve_hooks *hooks,
                          struct err *err)
{
    int fd = bind_address(address, err);
    if (fd < 0)
        return NULL;
    struct serve *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->hooks = *hooks;
    s->protocols[0] = (struct lws_protocols){
        .name = "http",
        .callback = on_event,
        .per_session_data_size = sizeof(struct reply),
    };
    if (start(s, address, fd, err) == 0)
        return s;
    serve_stop(s);
    return NULL;
}

int serve_port(const struct serve *s)
{
    struct sockaddr_storage a = {0};
    int len = sizeof a;
    uv_tcp_getsockname(&s->listener, (struct sockaddr *)&a, &len);
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

/* --- stopping ---- */

static void on_stopped(uv_handle_t *h)
{
    free(h->data);
}

/* On a loop that is not its own, the library wants to be destroyed twice: at first it closes its
 * handles; when the loop has run their callbacks, it frees. A few turns of the loop are enough,
 * whichever phase the stop was called in. */
static void on_stopping(uv_timer_t *timer)
{
    struct serve *s = timer->data;
    if (++s->ticks < STOP_TICKS)
        return;
    if (s->context)
        lws_context_destroy(s->context);
    uv_close((uv_handle_t *)timer, on_stopped);
}

void serve_stop(struct serve *s)
{
    if (!s)
        return;
    uv_timer_init(s->loop, &s->stopping);
    s->stopping.data = s;
    uv_timer_start(&s->stopping, on_stopping, STOP_TICK_MS, STOP_TICK_MS);
    uv_close((uv_handle_t *)&s->listener, NULL); /* closed long before the last tick */
    if (s->context)
        lws_context_destroy(s->context);
}
