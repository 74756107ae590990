/* SPDX-License-Identifier: Apache-2.0 */
/* Bound anchors: a certificate authority issued anew, good for the names of one trust domain. */
#include "pki/pki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pki/pem.h"

enum { SHA256_LEN = 32, SERIAL_LEN = 16, DOMAIN_MAX = 253 };

static void ncp(NAME_CONSTRAINTS **n)
{
    NAME_CONSTRAINTS_free(*n);
}
#define auto_nc __attribute__((cleanup(ncp))) NAME_CONSTRAINTS

/* A domain is compared as text inside of names: what is no host name could mean something else there. */
static int check_domain(const char *td, struct err *err)
{
    size_t n = strnlen(td, DOMAIN_MAX + 1);
    bool ok = n > 0 && n <= DOMAIN_MAX && td[0] != '.' && td[n - 1] != '.' &&
              strspn(td, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == n;
    return ok ? 0 : err_set(err, ERR_INVALID, 0, "\"%.64s\" is not a trust domain", td);
}

static int check_root(X509 *root, struct err *err)
{
    if (X509_check_ca(root) != 1)
        return err_set(err, ERR_INVALID, 0, "not a certificate authority");
    if (X509_get_ext_by_NID(root, NID_name_constraints, -1) >= 0)
        return err_set(err, ERR_INVALID, 0,
                       "the root has name constraints of its own: they can't be joined with ours");
    return 0;
}

/* --- what follows from root and domain --- */

/* use: 's' for the serial number, 'k' for the signing key. */
static int derive(const X509 *root, const char *td, char use, unsigned char out[SHA256_LEN])
{
    unsigned char root_digest[EVP_MAX_MD_SIZE];
    unsigned n = 0, len = 0;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && X509_digest(root, EVP_sha256(), root_digest, &n) && n == SHA256_LEN &&
              EVP_DigestInit_ex(c, EVP_sha256(), NULL) && EVP_DigestUpdate(c, &use, 1) &&
              EVP_DigestUpdate(c, root_digest, n) && EVP_DigestUpdate(c, td, strlen(td)) &&
              EVP_DigestFinal_ex(c, out, &len) && len == SHA256_LEN;
    EVP_MD_CTX_free(c);
    return ok ? 0 : -1;
}

static bool set_serial(X509 *x, const X509 *root, const char *td)
{
    unsigned char d[SHA256_LEN];
    if (derive(root, td, 's', d) < 0)
        return false;
    d[0] = (unsigned char)((d[0] & 0x3f) | 0x40); /* positive, and always as long */
    BIGNUM *bn = BN_bin2bn(d, SERIAL_LEN, NULL);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    return ok;
}

/* Anybody can derive this key: nobody checks what an anchor is signed with. */
static bool sign(X509 *x, const X509 *root, const char *td)
{
    unsigned char seed[SHA256_LEN];
    if (derive(root, td, 'k', seed) < 0)
        return false;
    auto_pkey *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    return key && X509_sign(x, key, NULL);
}

/* --- name constraints --- */

static GENERAL_NAME *name_of(int type, const void *value, int len)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (g && s && ASN1_STRING_set(s, value, len)) {
        GENERAL_NAME_set0_value(g, type, s);
        return g;
    }
    GENERAL_NAME_free(g);
    ASN1_STRING_free(s);
    return NULL;
}

static bool add_subtree(STACK_OF(GENERAL_SUBTREE) * *all, int type, const void *value, int len)
{
    GENERAL_SUBTREE *t = GENERAL_SUBTREE_new();
    GENERAL_NAME *g = name_of(type, value, len);
    if (!*all)
        *all = sk_GENERAL_SUBTREE_new_null();
    if (!t || !g || !*all || !sk_GENERAL_SUBTREE_push(*all, t)) {
        GENERAL_SUBTREE_free(t);
        GENERAL_NAME_free(g);
        return false;
    }
    GENERAL_NAME_free(t->base);
    t->base = g;
    return true;
}

/* Envoy reads DNS names where there is no URI, and compares either with SPIFFE ids: so no kind of name is left open. An
 * address range is an address and a mask. To exclude the empty mail domain is to exclude all for Go, and nothing for
 * OpenSSL and BoringSSL: for them one mailbox that can't exist is permitted, so that no other is. */
static bool add_constraints(X509 *x, const char *td)
{
    static const unsigned char all_of_it[32];
    static const char nobody[] = "nobody@invalid";
    auto_nc *nc = NAME_CONSTRAINTS_new();
    return nc && add_subtree(&nc->permittedSubtrees, GEN_URI, td, (int)strlen(td)) &&
           add_subtree(&nc->permittedSubtrees, GEN_EMAIL, nobody, sizeof nobody - 1) &&
           add_subtree(&nc->excludedSubtrees, GEN_DNS, "", 0) &&
           add_subtree(&nc->excludedSubtrees, GEN_EMAIL, "", 0) &&
           add_subtree(&nc->excludedSubtrees, GEN_IPADD, all_of_it, 8) &&
           add_subtree(&nc->excludedSubtrees, GEN_IPADD, all_of_it, 32) &&
           X509_add1_ext_i2d(x, NID_name_constraints, nc, 1, 0);
}

/* --- the rest --- */

static bool add_text(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool add_basic(X509 *x, X509 *root)
{
    long pathlen = X509_get_pathlen(root);
    auto_free char *value = pathlen < 0 ? xstrdup("critical,CA:TRUE")
                                        : xasprintf("critical,CA:TRUE,pathlen:%ld", pathlen);
    return add_text(x, NID_basic_constraints, value) &&
           add_text(x, NID_key_usage, "critical,keyCertSign,cRLSign");
}

/* By which the certificates below find it. A user's root may have none. */
static bool copy_key_id(X509 *x, X509 *root)
{
    int at = X509_get_ext_by_NID(root, NID_subject_key_identifier, -1);
    return at < 0 || X509_add_ext(x, X509_get_ext(root, at), -1);
}

static bool set_names(X509 *x, X509 *root)
{
    X509_NAME *issuer = X509_NAME_new();
    static const unsigned char cn[] = "Meshwright bound anchor";
    bool ok = issuer && X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_UTF8, cn, -1, -1, 0) &&
              X509_set_issuer_name(x, issuer) &&
              X509_set_subject_name(x, X509_get_subject_name(root));
    X509_NAME_free(issuer);
    return ok;
}

static bool fill(X509 *x, X509 *root, const char *td)
{
    return X509_set_version(x, X509_VERSION_3) && set_serial(x, root, td) && set_names(x, root) &&
           X509_set_pubkey(x, X509_get0_pubkey(root)) &&
           X509_set1_notBefore(x, X509_get0_notBefore(root)) &&
           X509_set1_notAfter(x, X509_get0_notAfter(root)) && add_basic(x, root) &&
           copy_key_id(x, root) && add_constraints(x, td) && sign(x, root, td);
}

static char *to_pem(X509 *x)
{
    auto_bio *b = BIO_new(BIO_s_mem());
    char *data = NULL;
    if (!b || !PEM_write_bio_X509(b, x))
        return NULL;
    long n = BIO_get_mem_data(b, &data);
    return n > 0 ? xstrndup(data, (size_t)n) : NULL;
}

char *pki_bound_anchor(const char *root_pem, const char *trust_domain, struct err *err)
{
    auto_x509 *root = pki_first_cert(root_pem, err);
    if (!root || check_root(root, err) < 0 || check_domain(trust_domain, err) < 0)
        return NULL;
    auto_x509 *x = X509_new();
    char *pem = x && fill(x, root, trust_domain) ? to_pem(x) : NULL;
    if (!pem)
        pki_fail(err, ERR_INVALID, "make a bound anchor");
    return pem;
}

char *pki_cert_at(const char *pem, size_t at)
{
    auto_bio *text = pki_text(pem, NULL);
    X509 *x = NULL;
    for (size_t i = 0; text && pki_next_cert(text, false, &x, NULL) > 0; i++) {
        char *ret = i == at ? to_pem(x) : NULL;
        X509_free(x);
        if (i == at)
            return ret;
    }
    return NULL;
}
