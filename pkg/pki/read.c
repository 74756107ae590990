/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pki.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "pki/pem.h"

static int digest(const X509 *x, char out[65])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!X509_digest(x, EVP_sha256(), md, &n) || n != 32)
        return -1;
    str_hex(md, n, out);
    return 0;
}

static int subject(const X509 *x, char *out, size_t size)
{
    auto_bio *b = BIO_new(BIO_s_mem());
    if (!b || X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) < 0)
        return -1;
    char *data = NULL;
    long n = BIO_get_mem_data(b, &data);
    snprintf(out, size, "%.*s", (int)n, n > 0 ? data : "");
    return 0;
}

static int seconds(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm;
    if (!t || !ASN1_TIME_to_tm(t, &tm))
        return -1;
    *ret = (int64_t)timegm(&tm);
    return 0;
}

int pki_cert_info(const char *pem, struct pki_cert_info *ret, struct err *err)
{
    auto_x509 *x = pki_first_cert(pem, err);
    if (!x)
        return -1;
    struct pki_cert_info info = {.is_ca = X509_check_ca(x) == 1};
    if (seconds(X509_get0_notBefore(x), &info.not_before) < 0 ||
        seconds(X509_get0_notAfter(x), &info.not_after) < 0)
        return pki_fail(err, ERR_INVALID, "the certificate's times can't be read");
    if (digest(x, info.sha256) < 0 || subject(x, info.subject, sizeof info.subject) < 0)
        return pki_fail(err, ERR_INVALID, "the certificate can't be read");
    *ret = info;
    return 0;
}

int pki_check_pair(const char *cert, const char *key, struct err *err)
{
    auto_x509 *x = pki_first_cert(cert, err);
    auto_pkey *k = x ? pki_key(key, err) : NULL;
    if (!k)
        return -1;
    return X509_check_private_key(x, k)
               ? 0
               : pki_fail(err, ERR_INVALID, "key and certificate don't belong together");
}

int pki_check_bundle(const char *pem, int max, struct err *err)
{
    auto_bio *text = pki_text(pem, err);
    if (!text)
        return -1;
    int n = 0, r;
    X509 *x = NULL;
    while ((r = pki_next_cert(text, true, &x, err)) > 0) {
        X509_free(x);
        if (++n > max)
            return err_set(err, ERR_INVALID, 0, "more than %d certificates", max);
    }
    if (r == 0 && n == 0)
        return err_set(err, ERR_INVALID, 0, "no certificate in the PEM text");
    return r < 0 ? err_wrap(err, "certificate %d", n + 1) : 0;
}
