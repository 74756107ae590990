/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/str.h"

enum { PEM_BYTES_MAX = 1048576 };

int pki_fail(struct err *err, enum err_class class, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return err_set(err, class, 0, reason ? "%s: %s" : "%s", what, reason);
}

BIO *pki_text(const char *pem, struct err *err)
{
    size_t n = pem ? strnlen(pem, PEM_BYTES_MAX + 1) : 0;
    BIO *text = n && n <= PEM_BYTES_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
    if (!text)
        err_set(err, ERR_INVALID, 0, n ? "PEM text is too long" : "PEM text is empty");
    return text;
}

/* A next block of any kind: 1, 0 at the end, -1. *ret_name is owned; *ret_der too (OPENSSL_clear_free). */
static int next_block(BIO *text, char **ret_name, unsigned char **ret_der, long *ret_len,
                      struct err *err)
{
    char *header = NULL;
    if (PEM_read_bio(text, ret_name, &header, ret_der, ret_len)) {
        OPENSSL_free(header);
        return 1;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return pki_fail(err, ERR_INVALID, "not PEM");
    ERR_clear_error();
    return 0;
}

static X509 *parse_cert(const unsigned char *der, long len, struct err *err)
{
    const unsigned char *p = der;
    X509 *x = d2i_X509(NULL, &p, len);
    if (x && p == der + len)
        return x;
    X509_free(x);
    pki_fail(err, ERR_INVALID, "not an X.509 certificate");
    return NULL;
}

int pki_next_cert(BIO *text, bool only_certs, X509 **ret, struct err *err)
{
    for (;;) {
        char *name = NULL;
        unsigned char *der = NULL;
        long len = 0;
        int r = next_block(text, &name, &der, &len, err);
        if (r <= 0)
            return r;
        bool is_cert = str_eq(name, PEM_STRING_X509);
        X509 *x = is_cert ? parse_cert(der, len, err) : NULL;
        if (!is_cert && only_certs)
            r = err_set(err, ERR_INVALID, 0, "a block \"%.40s\" among the certificates", name);
        OPENSSL_free(name);
        OPENSSL_clear_free(der, (size_t)len);
        if (r < 0 || is_cert) {
            if (x)
                *ret = x;
            return x ? 1 : -1;
        }
    }
}

X509 *pki_first_cert(const char *pem, struct err *err)
{
    X509 *x = NULL;
    auto_bio *text = pki_text(pem, err);
    int r = text ? pki_next_cert(text, false, &x, err) : -1;
    if (r == 0)
        err_set(err, ERR_INVALID, 0, "no certificate in the PEM text");
    return x;
}

/* Without this OpenSSL asks for a password on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag, (void)u;
    return -1;
}

EVP_PKEY *pki_key(const char *pem, struct err *err)
{
    auto_bio *text = pki_text(pem, err);
    EVP_PKEY *key = text ? PEM_read_bio_PrivateKey(text, NULL, no_password, NULL) : NULL;
    if (text && !key)
        pki_fail(err, ERR_INVALID, "not an unencrypted private key in PEM");
    return key;
}
