/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pki.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "pki/pem.h"

enum {
    SERIAL_BITS = 127
}; /* RFC 5280 allows 20 octets and wants no guessing; positive in 16 octets */

void pki_pair_done(struct pki_pair *p)
{
    free(p->cert);
    xfree_secret(p->key);
    *p = (struct pki_pair){0};
}

static bool set_serial(X509 *x)
{
    BIGNUM *bn = BN_new();
    bool ok = bn && BN_rand(bn, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
              BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    return ok;
}

static bool set_times(X509 *x, int64_t not_before, int64_t not_after)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)not_before) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after);
}

static int add_name(X509_NAME *name, const char *type, const char *value, struct err *err)
{
    if (X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value, -1, -1,
                                   0))
        return 0;
    pki_fail(err, ERR_INVALID, "not usable in a subject");
    return err_wrap(err, "%s", type);
}

static int set_subject(X509 *x, const char *org, const char *cn, const char *locality,
                       struct err *err)
{
    X509_NAME *name = X509_get_subject_name(x);
    if (add_name(name, "O", org, err) < 0 || add_name(name, "CN", cn, err) < 0)
        return -1;
    return locality ? add_name(name, "L", locality, err) : 0;
}

static bool add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

/* issuer NULL: self-signed, no authority key identifier. */
static bool add_extensions(X509 *x, X509 *issuer)
{
    if (!add_ext(x, x, NID_basic_constraints,
                 issuer ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE") ||
        !add_ext(x, x, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign") ||
        !add_ext(x, x, NID_subject_key_identifier, "hash"))
        return false;
    if (!issuer)
        return true;
    bool has_id = X509_get0_subject_key_id(issuer) != NULL; /* a user's own root may have none */
    return add_ext(x, issuer, NID_authority_key_identifier,
                   has_id ? "keyid:always" : "issuer:always");
}

static char *bio_string(BIO *b)
{
    char *data = NULL;
    long n = BIO_get_mem_data(b, &data);
    return n > 0 ? xstrndup(data, (size_t)n) : NULL;
}

static char *key_pem(EVP_PKEY *key)
{
    auto_bio *b = BIO_new(BIO_s_secmem()); /* wiped when freed */
    if (!b || !PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL))
        return NULL;
    return bio_string(b);
}

static char *cert_pem(X509 *x)
{
    auto_bio *b = BIO_new(BIO_s_mem());
    return b && PEM_write_bio_X509(b, x) ? bio_string(b) : NULL;
}

static int write_pair(X509 *x, EVP_PKEY *key, struct pki_pair *ret, struct err *err)
{
    struct pki_pair made = {.cert = cert_pem(x), .key = key_pem(key)};
    if (made.cert && made.key) {
        *ret = made;
        return 0;
    }
    pki_pair_done(&made);
    return pki_fail(err, ERR_BUG, "write PEM");
}

struct request {
    const char *org, *cn, *locality;
    int64_t not_before, not_after;
};

/* issuer NULL: self-signed. */
static int make(const struct request *rq, X509 *issuer, EVP_PKEY *issuer_key, struct pki_pair *ret,
                struct err *err)
{
    if (rq->not_before >= rq->not_after)
        return err_set(err, ERR_INVALID, 0, "the certificate would end before it begins");
    auto_pkey *key = EVP_EC_gen("P-256");
    auto_x509 *x = X509_new();
    if (!key || !x || !X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, key) ||
        !set_serial(x) || !set_times(x, rq->not_before, rq->not_after))
        return pki_fail(err, ERR_BUG, "make certificate");
    if (set_subject(x, rq->org, rq->cn, rq->locality, err) < 0)
        return -1;
    if (!X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) ||
        !add_extensions(x, issuer))
        return pki_fail(err, ERR_BUG, "make certificate");
    if (!X509_sign(x, issuer ? issuer_key : key, EVP_sha256()))
        return pki_fail(err, ERR_INVALID, "sign certificate");
    return write_pair(x, key, ret, err);
}

int pki_root_new(const char *org, const char *cn, int64_t not_before, int64_t not_after,
                 struct pki_pair *ret, struct err *err)
{
    struct request rq = {.org = org, .cn = cn, .not_before = not_before, .not_after = not_after};
    return make(&rq, NULL, NULL, ret, err);
}

/* May this certificate sign an intermediate? */
static int check_issuer(X509 *x, EVP_PKEY *key, struct err *err)
{
    if (!X509_check_private_key(x, key))
        return pki_fail(err, ERR_INVALID, "the root's key does not belong to its certificate");
    if (X509_check_ca(x) != 1 || !(X509_get_key_usage(x) & KU_KEY_CERT_SIGN))
        return err_set(err, ERR_INVALID, 0, "the root is not a certificate authority");
    if (X509_get_pathlen(x) == 0)
        return err_set(err, ERR_INVALID, 0, "the root's path length of 0 allows no intermediates");
    return 0;
}

int pki_intermediate_new(const struct pki_pair *root, const char *org, const char *cn,
                         const char *cluster, int64_t not_before, int64_t not_after,
                         struct pki_pair *ret, struct err *err)
{
    struct pki_cert_info info;
    if (pki_cert_info(root->cert, &info, err) < 0)
        return err_wrap(err, "root");
    auto_x509 *issuer = pki_first_cert(root->cert, err);
    auto_pkey *key = pki_key(root->key, err);
    if (!issuer || !key)
        return err_wrap(err, "root");
    if (check_issuer(issuer, key, err) < 0)
        return -1;
    struct request rq = {org, cn, cluster, not_before, not_after};
    if (rq.not_after > info.not_after)
        rq.not_after = info.not_after;
    return make(&rq, issuer, key, ret, err);
}
