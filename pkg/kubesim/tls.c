/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL over a BIO of ours: it reads what the loop has just read and writes into the listener's buffer, so that an
 * idle connection holds no buffer at all (SSL_MODE_RELEASE_BUFFERS does the same for OpenSSL's own). */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/conn.h"
#include "kubesim/target.h"
#include "pki/pem.h"

static int bio_read(BIO *b, char *to, int max)
{
    struct sim_conn *c = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (!c->in_len) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t n = c->in_len < (size_t)max ? c->in_len : (size_t)max;
    memcpy(to, c->in, n);
    c->in += n;
    c->in_len -= n;
    return (int)n;
}

static int bio_write(BIO *b, const char *data, int n)
{
    struct sim_conn *c = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    return buf_append(&c->l->out, data, (size_t)n) < 0 ? -1 : n;
}

static long bio_ctrl(BIO *b, int what, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_bio(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kubesim");
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

static int choose_protocol(SSL *s, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)s;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A wrong certificate does not end the handshake: as with the API server, the request is not authenticated. */
static int accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static int load_chain(SSL_CTX *ctx, const char *pem, struct err *err)
{
    auto_bio *text = pki_text(pem, err);
    X509 *next = NULL;
    int r = text ? pki_next_cert(text, true, &next, err) : -1;
    for (bool first = true; r == 1; first = false) {
        auto_x509 *cert = next;
        long ok = first ? SSL_CTX_use_certificate(ctx, cert) : SSL_CTX_add1_chain_cert(ctx, cert);
        if (ok != 1)
            return pki_fail(err, ERR_INVALID, "the server's certificate");
        r = pki_next_cert(text, true, &next, err);
    }
    return r;
}

static int load_client_ca(SSL_CTX *ctx, const char *pem, struct err *err)
{
    auto_bio *text = pki_text(pem, err);
    X509 *next = NULL;
    int r;
    while ((r = text ? pki_next_cert(text, true, &next, err) : -1) == 1) {
        auto_x509 *cert = next;
        if (SSL_CTX_add_client_CA(ctx, cert) != 1 ||
            X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1)
            return pki_fail(err, ERR_INVALID, "the clients' CA");
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
    return r;
}

static int configure(SSL_CTX *ctx, const struct sim_listener_opts *o, struct err *err)
{
    static const unsigned char name[] = "kubesim";
    auto_pkey *key = pki_key(o->key, err);
    if (!key || load_chain(ctx, o->cert, err) < 0)
        return -1;
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return pki_fail(err, ERR_INVALID, "the server's key");
    if (o->client_ca && load_client_ca(ctx, o->client_ca, err) < 0)
        return -1;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* Sessions are in the tickets, not here. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, name, sizeof name - 1);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return 0;
}

SSL_CTX *tls_context(const struct sim_listener_opts *o, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx && configure(ctx, o, err) == 0)
        return ctx;
    if (!ctx)
        pki_fail(err, ERR_BUG, "TLS");
    SSL_CTX_free(ctx);
    return NULL;
}

SSL *tls_new(struct sim_conn *c)
{
    SSL *s = SSL_new(c->l->tls);
    BIO *b = BIO_new(c->l->bio);
    if (!s || !b) {
        SSL_free(s);
        BIO_free(b);
        return NULL;
    }
    BIO_set_data(b, c);
    BIO_set_init(b, 1);
    SSL_set_bio(s, b, b);
    SSL_set_accept_state(s);
    return s;
}

bool tls_is_h2(const struct sim_conn *c)
{
    const unsigned char *name = NULL;
    unsigned n = 0;
    SSL_get0_alpn_selected(c->tls, &name, &n);
    return n == 2 && memcmp(name, "h2", 2) == 0;
}

void tls_peer(struct sim_conn *c)
{
    c->cluster = sim_target_of_server_name(SSL_get_servername(c->tls, TLSEXT_NAMETYPE_host_name));
    X509 *cert = SSL_get0_peer_certificate(c->tls);
    if (!cert || SSL_get_verify_result(c->tls) != X509_V_OK)
        return;
    char cn[256] = "";
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn, sizeof cn);
    if (n > 0 && strlen(cn) == (size_t)n)
        c->client_cn = xstrdup(cn);
}
