/* SPDX-License-Identifier: Apache-2.0 */
/* Inside this package: PEM text to OpenSSL's objects, and OpenSSL's errors to ours. */
#ifndef PKI_PEM_H
#define PKI_PEM_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "base/err.h"

/* As err_set, with OpenSSL's last reason behind the message; empties OpenSSL's error queue. Returns -1. */
int pki_fail(struct err *err, enum err_class class, const char *what);

/* A BIO over the text (borrowed), or NULL with *err set when it is too long. */
BIO *pki_text(const char *pem, struct err *err);

/* The next certificate: 1 and *ret (owned), 0 at the end, -1 when there is text that is no certificate. Blocks of
 * another kind (keys) are an error when only_certs, else skipped. */
int pki_next_cert(BIO *text, bool only_certs, X509 **ret, struct err *err);

/* The first certificate; the private key. Owned; NULL with *err set. */
X509 *pki_first_cert(const char *pem, struct err *err);
EVP_PKEY *pki_key(const char *pem, struct err *err);

static inline void pki_x509p(X509 **x)
{
    X509_free(*x);
}
static inline void pki_pkeyp(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}
static inline void pki_biop(BIO **b)
{
    BIO_free(*b);
}
#define auto_x509 __attribute__((cleanup(pki_x509p))) X509
#define auto_pkey __attribute__((cleanup(pki_pkeyp))) EVP_PKEY
#define auto_bio  __attribute__((cleanup(pki_biop))) BIO

#endif
