/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    READ_BUFFER_BYTES = 64 * 1024, /* while there is something to read */
    CHAIN_MAX = 16,                /* certificates of a client */
    CA_MAX = 512,                  /* certificates of a bundle */
};

/* The system's roots, as Debian's libcurl has them. */
static const char roots_dir[] = "/etc/ssl/certs";
static const char roots_file[] = "/etc/ssl/certs/ca-certificates.crt";

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **slot = SSL_get_app_data(ssl);
    if (!slot)
        return 0;
    SSL_SESSION_free(*slot);
    *slot = session;
    return 1; /* ours now */
}

/* --- the socket: OpenSSL's own BIO writes with write(2), and SIGPIPE would end the process --- */

static int fd_of(BIO *b)
{
    return (int)(intptr_t)BIO_get_data(b);
}

static int after_io(BIO *b, ssize_t n)
{
    BIO_clear_retry_flags(b);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_read(b);
    return -1;
}

static int socket_read(BIO *b, char *buf, int len)
{
    return after_io(b, recv(fd_of(b), buf, (size_t)len, 0));
}

static int socket_write(BIO *b, const char *buf, int len)
{
    int n = after_io(b, send(fd_of(b), buf, (size_t)len, MSG_NOSIGNAL));
    if (n < 0 && BIO_should_retry(b)) {
        BIO_clear_retry_flags(b);
        BIO_set_retry_write(b);
    }
    return n;
}

static long socket_ctrl(BIO *b, int what, long number, void *arg)
{
    (void)b;
    (void)number;
    (void)arg;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (m) {
        BIO_meth_set_read(m, socket_read);
        BIO_meth_set_write(m, socket_write);
        BIO_meth_set_ctrl(m, socket_ctrl);
    }
    return m;
}

int http_tls_attach(struct http_tls *t, SSL *ssl, int fd)
{
    BIO *b = BIO_new(t->socket);
    if (!b)
        return -1;
    BIO_set_data(b, (void *)(intptr_t)fd);
    BIO_set_init(b, 1);
    SSL_set_bio(ssl, b, b);
    return 0;
}

int http_tls_init(struct http_tls *t)
{
    static const unsigned char alpn[] = "\x02h2\x08http/1.1";
    *t = (struct http_tls){.ctx = SSL_CTX_new(TLS_client_method()), .socket = socket_method()};
    if (!t->ctx || !t->socket)
        return -1;
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* An idle connection keeps no record buffers: 34 KiB each, and most connections idle. */
    SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(t->ctx, 1);
    SSL_CTX_set_default_read_buffer_len(t->ctx, READ_BUFFER_BYTES);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->ctx, on_session);
    return SSL_CTX_set_alpn_protos(t->ctx, alpn, sizeof alpn - 1) == 0 ? 0 : -1;
}

void http_tls_done(struct http_tls *t)
{
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->socket);
    X509_STORE_free(t->store);
    free(t->ca);
}

/* How many certificates of a PEM text went to each(); -1 when one of them was refused, or is none. */
static int each_cert(const char *pem, int max, int (*each)(void *arg, X509 *cert), void *arg)
{
    int n = 0;
    BIO *text = BIO_new_mem_buf(pem, -1);
    X509 *cert;
    ERR_clear_error();
    while (n >= 0 && text && (cert = PEM_read_bio_X509(text, NULL, NULL, NULL))) {
        n = n < max && each(arg, cert) == 0 ? n + 1 : -1;
        X509_free(cert);
    }
    BIO_free(text);
    if (n >= 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        n = -1;
    ERR_clear_error();
    return n;
}

static int add_root(void *arg, X509 *cert)
{
    return X509_STORE_add_cert(arg, cert) == 1 ? 0 : -1;
}

static X509_STORE *store_new(const char *ca)
{
    X509_STORE *s = X509_STORE_new();
    if (!s)
        return NULL;
    /* What is in the bundle is trusted, an intermediate too: as libcurl and Go do. */
    X509_STORE_set_flags(s, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    if (!ca) {
        X509_STORE_load_path(s, roots_dir);
        X509_STORE_load_file(s, roots_file);
        ERR_clear_error();
    } else if (each_cert(ca, CA_MAX, add_root, s) < 1) {
        X509_STORE_free(s);
        return NULL;
    }
    return s;
}

static X509_STORE *store_for(struct http_tls *t, const char *ca)
{
    if (t->store && str_eq(t->ca, ca))
        return t->store;
    X509_STORE_free(t->store);
    free(t->ca);
    t->ca = NULL;
    t->store = store_new(ca);
    if (t->store)
        t->ca = xstrdup0(ca);
    return t->store;
}

struct chain {
    SSL *ssl;
    bool leaf; /* is there */
};

static int add_own(void *arg, X509 *cert)
{
    struct chain *c = arg;
    bool first = !c->leaf;
    c->leaf = true;
    if (first)
        return SSL_use_certificate(c->ssl, cert) == 1 ? 0 : -1;
    return SSL_add1_chain_cert(c->ssl, cert) == 1 ? 0 : -1;
}

/* No passphrase is asked for on a terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static int use_key(SSL *ssl, const char *key)
{
    BIO *text = BIO_new_mem_buf(key, -1);
    EVP_PKEY *k = text ? PEM_read_bio_PrivateKey(text, NULL, no_passphrase, NULL) : NULL;
    int ok = k && SSL_use_PrivateKey(ssl, k) == 1 && SSL_check_private_key(ssl) == 1;
    EVP_PKEY_free(k);
    BIO_free(text);
    return ok ? 0 : -1;
}

static const char *give_credentials(SSL *ssl, struct http_tls *t, const struct http_origin *o)
{
    X509_STORE *store = store_for(t, o->ca);
    if (!store || SSL_set1_verify_cert_store(ssl, store) != 1)
        return "TLS: the certificates of the authority can't be read";
    struct chain chain = {ssl, false};
    if (o->cert && o->key &&
        (each_cert(o->cert, CHAIN_MAX, add_own, &chain) < 1 || use_key(ssl, o->key) < 0))
        return "TLS: our certificate or its key is of no use";
    return NULL;
}

static bool is_address(const char *host)
{
    unsigned char a[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, a) == 1 || inet_pton(AF_INET6, host, a) == 1;
}

static int expect(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    /* RFC 6125: the subject's common name is no host name. */
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1 ? 0 : -1;
    return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1
               ? 0
               : -1;
}

SSL *http_tls_open(struct http_tls *t, const struct http_origin *o, SSL_SESSION **session,
                   const char **why)
{
    SSL *ssl = SSL_new(t->ctx);
    *why = "TLS: out of memory";
    if (!ssl)
        return NULL;
    SSL_set_app_data(ssl, session);
    SSL_set_connect_state(ssl);
    *why = expect(ssl, o->name) < 0 ? "TLS: the server's name can't be verified"
                                    : give_credentials(ssl, t, o);
    ERR_clear_error();
    if (*why) {
        SSL_free(ssl);
        return NULL;
    }
    if (*session && SSL_SESSION_is_resumable(*session))
        SSL_set_session(ssl, *session);
    return ssl;
}

void http_tls_settled(SSL *ssl)
{
    SSL_set0_verify_cert_store(ssl, NULL);
    SSL_certs_clear(ssl);
}

void http_tls_forget(SSL *ssl)
{
    SSL_set_app_data(ssl, NULL);
    /* Without it OpenSSL takes the end for an attack, and the session is not used again. */
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}
