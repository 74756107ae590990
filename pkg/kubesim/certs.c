/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/certs.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

enum { VALID_S = 10 * 365 * 86400 };

struct issuer {
    X509 *cert;
    EVP_PKEY *key;
};

static void issuer_done(struct issuer *i)
{
    X509_free(i->cert);
    EVP_PKEY_free(i->key);
}

static struct issuer issuer_read(const struct pki_pair *p)
{
    BIO *cert = BIO_new_mem_buf(p->cert, -1), *key = BIO_new_mem_buf(p->key, -1);
    struct issuer i = {PEM_read_bio_X509(cert, NULL, NULL, NULL),
                       PEM_read_bio_PrivateKey(key, NULL, NULL, NULL)};
    BIO_free(cert);
    BIO_free(key);
    return i;
}

static bool extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const struct issuer *by)
{
    uint64_t serial;
    RAND_bytes((unsigned char *)&serial, sizeof serial);
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"kubesim",
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, X509_get_subject_name(by->cert)) == 1 &&
           X509_set_pubkey(cert, key) == 1 &&
           extend(cert, by->cert, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(cert, by->cert, NID_key_usage, "critical,digitalSignature") &&
           extend(cert, by->cert, NID_ext_key_usage, "serverAuth") &&
           extend(cert, by->cert, NID_authority_key_identifier, "keyid:always") &&
           extend(cert, by->cert, NID_subject_alt_name,
                  "IP:127.0.0.1,DNS:localhost,DNS:*.kubesim") &&
           X509_sign(cert, by->key, EVP_sha256()) > 0;
}

static char *take_text(BIO *b)
{
    char *data;
    long n = BIO_get_mem_data(b, &data);
    char *s = xstrndup(data, (size_t)n);
    BIO_free(b);
    return s;
}

int sim_server_cert(const struct pki_pair *ca, struct pki_pair *ret, struct err *err)
{
    struct issuer by = issuer_read(ca);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool ok = by.cert && by.key && key && cert && fill(cert, key, &by);
    if (ok) {
        BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(c, cert);
        PEM_write_bio_PKCS8PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
        *ret = (struct pki_pair){take_text(c), take_text(k)};
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    issuer_done(&by);
    return ok ? 0 : err_set(err, ERR_BUG, 0, "OpenSSL makes no certificate");
}
