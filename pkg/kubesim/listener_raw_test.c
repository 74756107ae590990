/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that libcurl would not send: pipelines, HTTP/1.0, what is malformed, noise. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kubesim/client_test.h"

struct raw {
    struct fixture *f;
    int fd;
    SSL_CTX *ctx;
    SSL *tls;
    struct buf in;
    bool closed;
};

static void handle(void *arg, struct sim_exchange *x, const struct sim_request *q)
{
    struct fixture *f = arg;
    f->handled++;
    if (strcmp(q->path, "/stream") == 0) {
        sim_stream_begin(x, 200, "text/plain", NULL, NULL);
        sim_stream_write(x, "ab", 2);
        sim_stream_write(x, "cd", 2);
        sim_stream_end(x);
    } else if (strcmp(q->path, "/later") == 0) {
        f->held = x;
    } else if (strcmp(q->path, "/big") == 0) {
        sim_respond(x, 200, "text/plain", f->blob, BLOB);
    } else if (strcmp(q->path, "/who") == 0) {
        const char *name = q->client_cn ? q->client_cn : "nobody";
        sim_respond(x, 200, "text/plain", name, strlen(name));
    } else {
        sim_header(x, "X-Bad", "a\r\nb: c");
        sim_respond(x, 200, "text/plain", q->body_len ? q->body : q->path,
                    q->body_len ? q->body_len : strlen(q->path));
    }
}

static int setup(void **state)
{
    return fixture_setup(state, handle);
}

static void raw_pump(struct raw *r)
{
    char chunk[16384];
    int n;
    while ((n = SSL_read(r->tls, chunk, sizeof chunk)) > 0)
        buf_append(&r->in, chunk, (size_t)n);
    r->closed = SSL_get_error(r->tls, n) != SSL_ERROR_WANT_READ;
    turn(r->f);
}

struct raw_opts {
    bool h2;
    int tls;              /* 0: any version */
    SSL_SESSION *session; /* to go on with */
    const struct pki_pair *cert;
};

static void use_cert(SSL *tls, const struct pki_pair *p)
{
    BIO *cert = BIO_new_mem_buf(p->cert, -1), *key = BIO_new_mem_buf(p->key, -1);
    X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    assert_int_equal(SSL_use_certificate(tls, x), 1);
    assert_int_equal(SSL_use_PrivateKey(tls, k), 1);
    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(cert);
    BIO_free(key);
}

static void raw_open_with(struct fixture *f, struct raw *r, const struct raw_opts *o)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)sim_listener_port(f->listener)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *r = (struct raw){.f = f, .in.max = BODY_MAX};
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(r->fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
    r->ctx = SSL_CTX_new(TLS_client_method());
    r->tls = SSL_new(r->ctx);
    SSL_set_max_proto_version(r->tls, o->tls);
    if (o->cert)
        use_cert(r->tls, o->cert);
    if (o->session)
        SSL_set_session(r->tls, o->session);
    if (o->h2)
        SSL_set_alpn_protos(r->tls, (const unsigned char *)"\x02h2", 3);
    SSL_set_fd(r->tls, r->fd);
    SSL_set_connect_state(r->tls);
    for (int i = 0; i < 10000 && !SSL_is_init_finished(r->tls); i++)
        raw_pump(r);
    assert_true(SSL_is_init_finished(r->tls));
}

static void raw_open(struct fixture *f, struct raw *r, bool h2)
{
    raw_open_with(f, r, &(struct raw_opts){.h2 = h2});
}

static void raw_send(struct raw *r, const void *data, size_t len)
{
    const char *p = data;
    while (len && !r->closed) {
        int n = SSL_write(r->tls, p, (int)(len < 16384 ? len : 16384));
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (SSL_get_error(r->tls, n) != SSL_ERROR_WANT_WRITE) {
            return;
        }
        raw_pump(r);
    }
}

static void raw_puts(struct raw *r, const char *s)
{
    raw_send(r, s, strlen(s));
}

static void raw_close(struct raw *r)
{
    SSL_free(r->tls);
    SSL_CTX_free(r->ctx);
    close(r->fd);
    buf_done(&r->in);
    for (int i = 0; i < 5; i++)
        uv_run(&r->f->loop, UV_RUN_NOWAIT);
}

#define PUMP_UNTIL(r, condition)                                                                   \
    do {                                                                                           \
        uint64_t end_ = uv_hrtime() + UINT64_C(10000000000);                                       \
        while (!(condition) && uv_hrtime() < end_)                                                 \
            raw_pump(r);                                                                           \
        assert_true(condition);                                                                    \
    } while (0)

static unsigned count(const struct raw *r, const char *word)
{
    unsigned n = 0;
    for (const char *p = text_of(&r->in); (p = strstr(p, word)); p++)
        n++;
    return n;
}

/* A session goes on with its ticket, and with it who the client is. */
static void test_resumption(void **state)
{
    struct fixture *f = *state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 4; i++) {
        struct raw r;
        struct raw_opts o = {.tls = versions[i / 2], .cert = i % 2 ? &f->client : NULL};
        for (int again = 0; again <= 1; again++) {
            raw_open_with(f, &r, &o);
            assert_int_equal(SSL_version(r.tls), versions[i / 2]);
            assert_int_equal(SSL_session_reused(r.tls), again);
            raw_puts(&r, "GET /who HTTP/1.1\r\n\r\n");
            PUMP_UNTIL(&r, count(&r, i % 2 ? "\r\n\r\nsomebody" : "\r\n\r\nnobody") == 1);
            SSL_SESSION_free(o.session);
            o.session = SSL_get1_session(r.tls);
            SSL_shutdown(r.tls);
            raw_close(&r);
        }
        SSL_SESSION_free(o.session);
    }
}

/* Three at once, the second answered late: in order. */
static void test_pipeline(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    raw_open(f, &r, false);
    raw_puts(&r, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                 "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyzGET /d HT");
    PUMP_UNTIL(&r, f->held);
    raw_puts(&r, "TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_int_equal(f->handled, 2);
    sim_respond(f->held, 200, "text/plain", "/later", 6);
    PUMP_UNTIL(&r, r.closed);
    assert_int_equal(count(&r, "HTTP/1.1 200 OK\r\n"), 4);
    const char *a = strstr(r.in.data, "\r\n\r\n/a"), *b = strstr(r.in.data, "\r\n\r\n/later");
    const char *c = strstr(r.in.data, "\r\n\r\nxyz"), *d = strstr(r.in.data, "\r\n\r\n/d");
    assert_true(a && a < b && b < c && c < d);
    assert_int_equal(count(&r, "Connection: close"), 1);
    assert_null(strcasestr(r.in.data, "x-bad"));
    raw_close(&r);
}

static void test_many_in_a_pipeline(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    auto_buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_open(f, &r, false);
    raw_send(&r, text.data, text.len);
    PUMP_UNTIL(&r, f->handled == 2000 && count(&r, "200 OK") == 2000);
    raw_close(&r);
}

/* Behind a request that is not answered only so much may wait. */
static void test_pipeline_limit(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    auto_free char *noise = xcalloc(1, SIM_BODY_MAX);
    raw_open(f, &r, false);
    raw_puts(&r, "GET /later HTTP/1.1\r\n\r\n");
    PUMP_UNTIL(&r, f->held);
    raw_send(&r, noise, SIM_BODY_MAX);
    assert_false(r.closed);
    raw_send(&r, noise, SIM_BODY_MAX);
    PUMP_UNTIL(&r, r.closed);
    sim_respond(f->held, 200, NULL, "", 0);
    raw_close(&r);
}

static void test_old_and_head(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    raw_open(f, &r, false);
    raw_puts(&r, "GET /stream HTTP/1.0\r\n\r\n");
    PUMP_UNTIL(&r, r.closed);
    assert_non_null(strstr(r.in.data, "\r\n\r\nabcd"));
    assert_null(strstr(r.in.data, "chunked"));
    raw_close(&r);
    raw_open(f, &r, false);
    raw_puts(&r, "GET /stream HTTP/1.1\r\n\r\n");
    PUMP_UNTIL(&r, count(&r, "\r\n\r\n4\r\nabcd\r\n0\r\n\r\n") == 1);
    buf_reset(&r.in);
    raw_puts(&r, "HEAD /a HTTP/1.1\r\n\r\nHEAD /stream HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    PUMP_UNTIL(&r, count(&r, "\r\n\r\n/b") == 1);
    assert_int_equal(count(&r, "\r\n\r\nHTTP/1.1 200"), 2);
    assert_int_equal(count(&r, "Content-Length: 2"), 2);
    raw_close(&r);
}

static void test_continue(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    raw_open(f, &r, false);
    raw_puts(&r, "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    PUMP_UNTIL(&r, count(&r, "HTTP/1.1 100 Continue\r\n\r\n") == 1);
    raw_puts(&r, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    PUMP_UNTIL(&r, count(&r, "\r\n\r\nabcde") == 1);
    raw_close(&r);
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "\r\n\r\n\x01\x02garbage\r\n\r\n",
        "GET /%zz HTTP/1.1\r\n\r\n",
        "GET nothing HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "GET / HTTP/9\r\n\r\n",
        "BREW / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "CONNECT x:1 HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct raw r;
        raw_open(f, &r, false);
        raw_puts(&r, bad[i]);
        PUMP_UNTIL(&r, count(&r, "\"kind\":\"Status\"") == 1);
        assert_int_equal(count(&r, "HTTP/1.1 400 Bad Request\r\n"), 1);
        raw_close(&r);
    }
    assert_int_equal(f->handled, 0);
}

static void test_endless_header(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    auto_free char *name = xmalloc(200000);
    memset(name, 'a', 200000);
    raw_open(f, &r, false);
    raw_puts(&r, "GET / HTTP/1.1\r\nX: ");
    raw_send(&r, name, 200000);
    PUMP_UNTIL(&r, r.closed || count(&r, "400 Bad Request") == 1);
    raw_close(&r);
}

/* xorshift; each seed is one conversation that goes wrong somewhere. */
static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void spoil(char *data, size_t len, uint32_t *seed)
{
    for (uint32_t n = 1 + next(seed) % 4; n; n--)
        data[next(seed) % len] = (char)next(seed);
}

static void test_noise(void **state)
{
    struct fixture *f = *state;
    static const char h1[] = "POST /clusters/c/api?x=1 HTTP/1.1\r\nAccept: a\r\nContent-Length: "
                             "4\r\n\r\nbodyGET /stream HTTP/1.1\r\n\r\nGET /big HTTP/1.1\r\n\r\n";
    /* Preface, SETTINGS, GET / with its path and :authority literal, RST_STREAM, WINDOW_UPDATE, PING. */
    static const char h2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                             "\0\0\0\4\0\0\0\0\0"
                             "\0\0\xf\1\5\0\0\0\1\x82\x87\4\4/big\x01\5hello"
                             "\0\0\4\3\0\0\0\0\1\0\0\0\x8"
                             "\0\0\4\x8\0\0\0\0\0\0\1\0\0"
                             "\0\0\x8\6\0\0\0\0\0"
                             "12345678";
    for (uint32_t i = 1; i <= 200; i++) {
        struct raw r;
        uint32_t seed = i * 2654435761U;
        char text[sizeof h1 > sizeof h2 ? sizeof h1 : sizeof h2];
        size_t len = (i % 2 ? sizeof h2 : sizeof h1) - 1;
        memcpy(text, i % 2 ? h2 : h1, len);
        if (i > 2)
            spoil(text, len, &seed);
        raw_open(f, &r, i % 2);
        raw_send(&r, text, len);
        for (int k = 0; k < 4; k++)
            raw_pump(&r);
        if (i <= 2)
            assert_true(f->handled >= i);
        raw_close(&r);
    }
    /* Still there. */
    struct get g;
    get_init(f, &g, 2, "/x");
    get_run(&g);
    assert_int_equal(g.status, 200);
    get_done(&g);
}

/* What is no TLS at all. */
static void test_plain(void **state)
{
    struct fixture *f = *state;
    struct raw r;
    raw_open(f, &r, false);
    assert_int_equal(write(r.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    PUMP_UNTIL(&r, r.closed);
    raw_close(&r);
    assert_int_equal(f->handled, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_resumption),   T(test_pipeline), T(test_many_in_a_pipeline), T(test_pipeline_limit),
        T(test_old_and_head), T(test_continue), T(test_malformed),          T(test_endless_header),
        T(test_noise),        T(test_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
