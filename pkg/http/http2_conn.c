/* SPDX-License-Identifier: Apache-2.0 */
/* A connection from its beginning until HTTP/2 can begin, and its end. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/http2.h"

enum {
    USER_TIMEOUT_MS = 45000, /* the peer swallows our bytes without acknowledging them */
    ADDRESS_MS = 1500,       /* then the next address is tried */
};

struct http2_socket {
    uv_poll_t poll;
    struct http2_conn *conn; /* NULL: closing */
    int fd, events;
};

struct http2_lookup {
    uv_getaddrinfo_t req;
    struct http2_conn *conn; /* NULL: nobody waits for it any more */
};

/* --- the line of those that want to connect --- */

static void begin(struct http2_conn *c);

static void next_in_line(struct http_shared *s)
{
    while (s->line && s->connecting < HTTP_CONNECTING_MAX) {
        struct http2_conn *c = s->line;
        DL_DELETE2(s->line, c, prev2, next2);
        s->connecting++;
        c->slot = true;
        begin(c);
        http2_wake(c->owner, c->state == HTTP2_DEAD ? 0 : HTTP_CONNECTING_MS);
    }
}

/* It is up, or dead. */
static void leave_line(struct http2_conn *c)
{
    struct http_shared *s = c->owner->shared;
    if (c->state == HTTP2_LINE)
        DL_DELETE2(s->line, c, prev2, next2);
    else if (c->slot)
        s->connecting--;
    c->slot = false;
}

/* --- the socket --- */

static void on_socket_closed(uv_handle_t *h)
{
    free(h->data);
}

static void socket_drop(struct http2_conn *c)
{
    struct http2_socket *s = c->socket;
    c->socket = NULL;
    if (!s)
        return;
    s->conn = NULL;
    uv_close((uv_handle_t *)&s->poll, on_socket_closed);
    close(s->fd);
}

static void conn_ready(struct http2_conn *c, int events);

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct http2_socket *s = poll->data;
    struct http2 *h = s->conn->owner;
    http2_ref(h);
    conn_ready(s->conn, status < 0 ? UV_READABLE | UV_WRITABLE : events);
    http2_settle(h);
}

void http2_conn_interest(struct http2_conn *c, bool write)
{
    int events = (c->lull ? 0 : UV_READABLE) | (write ? UV_WRITABLE : 0);
    if (!c->socket || c->socket->events == events)
        return;
    c->socket->events = events;
    if (!events)
        uv_poll_stop(&c->socket->poll);
    else if (uv_poll_start(&c->socket->poll, events, on_ready) < 0)
        http2_conn_kill(c, HTTP_LOST, "the loop can't watch the socket");
}

static void set_options(int fd)
{
    int one = 1;
    unsigned user = USER_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof user);
}

/* 0: on its way; else errno. */
static int socket_open(struct http2_conn *c, const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    set_options(fd);
    int failed = connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS ? errno : 0;
    struct http2_socket *s = xcalloc(1, sizeof *s);
    if (!failed && uv_poll_init(c->owner->shared->loop, &s->poll, fd) < 0)
        failed = ENOMEM;
    if (failed) {
        free(s);
        close(fd);
        return failed;
    }
    s->poll.data = s;
    s->conn = c;
    s->fd = fd;
    c->socket = s;
    http2_conn_interest(c, true);
    return 0;
}

/* --- TCP --- */

static void try_next(struct http2_conn *c, int failed)
{
    uint64_t now = uv_now(c->owner->shared->loop);
    socket_drop(c);
    while (c->address && (failed = socket_open(c, c->address)) != 0 && c->state != HTTP2_DEAD)
        c->address = c->address->ai_next;
    if (c->state == HTTP2_DEAD)
        return;
    if (!c->address) {
        http2_conn_kill(c, HTTP_UNSENT, "can't connect: %s", strerror(failed));
        return;
    }
    c->state = HTTP2_CONNECT;
    c->address = c->address->ai_next;
    c->try_until = c->address ? now + ADDRESS_MS : 0;
}

static void on_addresses(struct http2_conn *c, int status, struct addrinfo *list)
{
    c->addresses = c->address = list;
    if (status < 0)
        http2_conn_kill(c, HTTP_UNSENT, "can't resolve the name %s: %s", c->owner->origin->host,
                        uv_strerror(status));
    else
        try_next(c, EHOSTUNREACH);
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct http2_lookup *l = req->data;
    struct http2_conn *c = l->conn;
    free(l);
    if (!c) {
        uv_freeaddrinfo(list);
        return;
    }
    struct http2 *h = c->owner;
    http2_ref(h);
    c->lookup = NULL;
    on_addresses(c, status, list);
    http2_settle(h);
}

static void begin(struct http2_conn *c)
{
    const struct http_origin *o = c->owner->origin;
    uv_loop_t *loop = c->owner->shared->loop;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    uv_update_time(loop);
    c->since = uv_now(loop);
    c->state = HTTP2_RESOLVE;
    if (getaddrinfo(o->host, o->port, &hints, &list) == 0) {
        on_addresses(c, 0, list);
        return;
    }
    struct http2_lookup *l = xcalloc(1, sizeof *l);
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    l->conn = c;
    l->req.data = l;
    int r = uv_getaddrinfo(loop, &l->req, on_lookup, o->host, o->port, &hints);
    if (r < 0) {
        free(l);
        on_addresses(c, r, NULL);
    } else {
        c->lookup = l;
    }
}

/* --- TLS --- */

static void on_up(struct http2_conn *c)
{
    const unsigned char *protocol = NULL;
    unsigned len = 0;
    struct http2 *h = c->owner;
    leave_line(c);
    c->state = HTTP2_UP;
    uv_freeaddrinfo(c->addresses);
    c->addresses = c->address = NULL;
    http_tls_settled(c->ssl);
    h->connections++;
    h->resumed += SSL_session_reused(c->ssl) ? 1 : 0;
    c->since = c->heard = uv_now(h->shared->loop);
    SSL_get0_alpn_selected(c->ssl, &protocol, &len);
    if (len != 2 || memcmp(protocol, "h2", 2) != 0) {
        h->none = true;
        http2_conn_kill(c, HTTP_UNSENT, "the server speaks no HTTP/2");
    } else if (http2_session_begin(c) < 0) {
        http2_conn_kill(c, HTTP_UNSENT, "HTTP/2 does not begin");
    } else {
        http2_session_write(c);
        http2_session_read(
            c); /* what came with the end of the handshake lies in OpenSSL's buffer */
    }
    next_in_line(h->shared);
}

static void kill_untrusted(struct http2_conn *c)
{
    long verdict = SSL_get_verify_result(c->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (verdict != X509_V_OK)
        http2_conn_kill(c, HTTP_UNTRUSTED, "the server's certificate: %s",
                        X509_verify_cert_error_string(verdict));
    else
        http2_conn_kill(c, HTTP_UNSENT, "TLS: %s", str_or(reason, "the connection broke"));
    ERR_clear_error();
}

static void shake(struct http2_conn *c)
{
    ERR_clear_error();
    int r = SSL_do_handshake(c->ssl);
    int why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
    if (why == SSL_ERROR_NONE)
        on_up(c);
    else if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        http2_conn_interest(c, why == SSL_ERROR_WANT_WRITE);
    else
        kill_untrusted(c);
}

static void on_connected(struct http2_conn *c)
{
    struct http2 *h = c->owner;
    const char *why = NULL;
    int failed = 0;
    socklen_t n = sizeof failed;
    if (getsockopt(c->socket->fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0 || failed) {
        try_next(c, failed);
        return;
    }
    c->state = HTTP2_SHAKE;
    c->ssl = http_tls_open(&h->shared->tls, h->origin, &h->session, &why);
    if (!c->ssl || http_tls_attach(&h->shared->tls, c->ssl, c->socket->fd) < 0)
        http2_conn_kill(c, HTTP_UNTRUSTED, "%s", str_or(why, "TLS: out of memory"));
    else
        shake(c);
}

static void conn_ready(struct http2_conn *c, int events)
{
    if (c->state == HTTP2_CONNECT) {
        on_connected(c);
    } else if (c->state == HTTP2_SHAKE) {
        shake(c);
    } else if (c->state == HTTP2_UP) {
        if (c->more || (events & UV_READABLE))
            http2_session_read(c);
        if (c->state == HTTP2_UP)
            http2_session_write(c);
    }
}

/* --- life --- */

void http2_conn_new(struct http2 *h)
{
    struct http2_conn *c = xcalloc(1, sizeof *c);
    c->owner = h;
    DL_APPEND(h->conns, c);
    DL_APPEND2(h->shared->line, c, prev2, next2);
    next_in_line(h->shared);
}

void http2_conn_kill(struct http2_conn *c, enum http_fault fault, const char *fmt, ...)
{
    va_list ap;
    if (c->state == HTTP2_DEAD)
        return;
    leave_line(c);
    c->state = HTTP2_DEAD;
    c->fault = fault;
    va_start(ap, fmt);
    vsnprintf(c->problem, sizeof c->problem, fmt, ap);
    va_end(ap);
    if (c->lookup) {
        c->lookup->conn = NULL;
        uv_cancel((uv_req_t *)&c->lookup->req);
        c->lookup = NULL;
    }
    socket_drop(c);
    http2_wake(c->owner, 0);
}

void http2_conn_free(struct http2_conn *c)
{
    struct http_shared *s = c->owner->shared;
    if (c->state == HTTP2_UP)
        SSL_shutdown(c->ssl); /* says good-bye, if the socket takes it */
    http2_conn_kill(c, HTTP_LOST, "closed");
    nghttp2_session_del(c->session);
    if (c->ssl)
        http_tls_forget(c->ssl);
    SSL_free(c->ssl);
    uv_freeaddrinfo(c->addresses);
    free(c->left);
    free(c);
    next_in_line(s);
}

static uint64_t check_up(struct http2_conn *c, uint64_t now)
{
    const struct http2 *h = c->owner;
    if (!c->transfers) {
        uint64_t until = c->since + (uint64_t)h->idle_ms;
        if (until > now && !c->goaway && !c->suspect)
            return until;
        http2_conn_kill(c, HTTP_LOST, "not needed any more");
        return 0;
    }
    if (c->asked) {
        if (c->asked + (uint64_t)h->answer_ms <= now)
            http2_conn_kill(c, HTTP_LOST, "the server does not answer any more");
        return c->asked + (uint64_t)h->answer_ms;
    }
    if (c->heard + (uint64_t)h->silence_ms > now && !c->suspect)
        return c->heard + (uint64_t)h->silence_ms;
    c->asked = now;
    http2_session_ping(c);
    return now + (uint64_t)h->answer_ms;
}

uint64_t http2_conn_check(struct http2_conn *c, uint64_t now)
{
    if (c->state == HTTP2_LINE)
        return 0;
    if (c->state == HTTP2_UP) {
        uint64_t lull = http2_session_lull(c, now),
                 when = c->state == HTTP2_UP ? check_up(c, now) : 0;
        return lull && lull < when ? lull : when;
    }
    if (c->since + HTTP_CONNECT_TIMEOUT_MS <= now) {
        http2_conn_kill(c, HTTP_UNSENT, "connecting took too long");
        return 0;
    }
    if (c->state == HTTP2_CONNECT && c->try_until && c->try_until <= now)
        try_next(c, ETIMEDOUT);
    if (c->slot && c->since + HTTP_CONNECTING_MS > now)
        return c->since + HTTP_CONNECTING_MS;
    if (c->slot && c->state != HTTP2_DEAD) {
        leave_line(c);
        next_in_line(c->owner->shared);
    }
    bool sooner = c->state == HTTP2_CONNECT && c->try_until;
    return sooner ? c->try_until : c->since + HTTP_CONNECT_TIMEOUT_MS;
}
