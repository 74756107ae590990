/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pki/pem.h"

enum { DAY = 86400, T0 = 1767225600, YEAR = 365 * DAY }; /* 2026-01-01 */

static struct pki_pair new_root(const char *cn)
{
    struct pki_pair p = {0};
    struct err err = {0};
    if (pki_root_new("meshwright", cn, T0, T0 + 10LL * YEAR, &p, &err) < 0)
        fail_msg("%s", err.msg);
    return p;
}

static struct pki_pair new_intermediate(const struct pki_pair *root, const char *cluster)
{
    struct pki_pair p = {0};
    struct err err = {0};
    if (pki_intermediate_new(root, "meshwright", "mesh-1", cluster, T0, T0 + 2LL * YEAR, &p, &err) <
        0)
        fail_msg("%s", err.msg);
    return p;
}

static X509 *parse(const char *pem)
{
    X509 *x = pki_first_cert(pem, NULL);
    assert_non_null(x);
    return x;
}

static bool is_critical(X509 *x, int nid)
{
    int at = X509_get_ext_by_NID(x, nid, -1);
    assert_true(at >= 0);
    return X509_EXTENSION_get_critical(X509_get_ext(x, at));
}

static char *slurp(const char *name)
{
    auto_free char *path = xasprintf("testdata/pki/%s", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing", path);
    struct buf b = BUF_INIT(1 << 16);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_append(&b, chunk, n);
    fclose(f);
    return buf_take(&b);
}

static void test_root(void **state)
{
    (void)state;
    auto_pki_pair root = new_root("mesh-1");
    struct pki_cert_info info;
    assert_int_equal(pki_cert_info(root.cert, &info, NULL), 0);
    assert_string_equal(info.subject, "CN=mesh-1,O=meshwright");
    assert_int_equal(info.not_before, T0);
    assert_true(info.not_after == T0 + 10LL * YEAR);
    assert_true(info.is_ca);
    assert_int_equal(strlen(info.sha256), 64);
    assert_int_equal(pki_check_pair(root.cert, root.key, NULL), 0);
    assert_int_equal(strncmp(root.key, "-----BEGIN PRIVATE KEY-----\n", 28), 0);
    auto_x509 *x = parse(root.cert);
    assert_int_equal(X509_get_pathlen(x), -1);
    assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_true(is_critical(x, NID_basic_constraints) && is_critical(x, NID_key_usage));
    assert_non_null(X509_get0_subject_key_id(x));
    assert_null(X509_get0_authority_key_id(x));
    assert_int_equal(X509_get_version(x), X509_VERSION_3);
    assert_int_equal(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
    assert_int_equal(pki_verify(root.cert, root.cert, T0 + DAY, NULL), 0);
}

static void test_serials_differ(void **state)
{
    (void)state;
    auto_pki_pair a = new_root("r"), b = new_root("r");
    auto_x509 *x = parse(a.cert), *y = parse(b.cert);
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)), 0);
    assert_true(ASN1_STRING_length(X509_get0_serialNumber(x)) >=
                8); /* a chance of 2^-63 to be shorter */
    assert_int_equal(ASN1_STRING_type(X509_get0_serialNumber(x)), V_ASN1_INTEGER); /* positive */
    assert_string_not_equal(a.key, b.key);
}

static void test_intermediate(void **state)
{
    (void)state;
    auto_pki_pair root = new_root("mesh-1"), ca = new_intermediate(&root, "cluster-a");
    struct pki_cert_info info;
    assert_int_equal(pki_cert_info(ca.cert, &info, NULL), 0);
    assert_string_equal(info.subject, "L=cluster-a,CN=mesh-1,O=meshwright");
    assert_true(info.is_ca);
    auto_x509 *x = parse(ca.cert), *r = parse(root.cert);
    assert_int_equal(X509_get_pathlen(x), 0);
    assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_true(is_critical(x, NID_basic_constraints) && is_critical(x, NID_key_usage));
    assert_int_equal(X509_get_ext_by_NID(x, NID_subject_alt_name, -1), -1);
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(x), X509_get0_subject_key_id(r)), 0);
    assert_non_null(X509_get0_subject_key_id(x));
    assert_int_equal(pki_check_pair(ca.cert, ca.key, NULL), 0);
    assert_int_equal(pki_check_pair(ca.cert, root.key, NULL), -1);
}

/* A workload's certificate as istiod makes it: an empty subject, a critical SPIFFE name, no CA. */
static char *new_leaf(const struct pki_pair *ca)
{
    auto_x509 *issuer = parse(ca->cert), *x = X509_new();
    auto_pkey *issuer_key = pki_key(ca->key, NULL), *key = EVP_EC_gen("P-256");
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), T0);
    ASN1_TIME_set(X509_getm_notAfter(x), T0 + DAY);
    X509_set_pubkey(x, key);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    const struct {
        int nid;
        const char *value;
    } exts[] = {{NID_subject_alt_name, "critical,URI:spiffe://cluster.local/ns/a/sa/b"},
                {NID_basic_constraints, "critical,CA:FALSE"},
                {NID_authority_key_identifier, "keyid:always"}};
    for (size_t i = 0; i < 3; i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, exts[i].nid, exts[i].value);
        assert_non_null(e);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    assert_true(X509_sign(x, issuer_key, EVP_sha256()));
    auto_bio *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, x);
    char *data;
    long n = BIO_get_mem_data(b, &data);
    return xasprintf("%.*s%s", (int)n, data, ca->cert);
}

static void test_verify(void **state)
{
    (void)state;
    auto_pki_pair root = new_root("mesh-1"), other = new_root("mesh-1");
    auto_pki_pair ca = new_intermediate(&root, "a"), ca2 = new_intermediate(&root, "b");
    auto_free char *leaf = new_leaf(&ca), *leaf2 = new_leaf(&ca2);
    auto_free char *both = xasprintf("%s%s", other.cert, root.cert);
    const char *alone_end = strstr(leaf, "-----END CERTIFICATE-----\n") + 26;
    auto_free char *alone = xstrndup(leaf, (size_t)(alone_end - leaf));
    auto_free char *swapped = xasprintf("%s%s", alone, ca2.cert);
    const struct {
        const char *leaf, *roots;
        int64_t now;
        const char *problem; /* NULL: verifies */
    } cases[] = {
        {ca.cert, root.cert, T0 + DAY, NULL},
        {leaf, root.cert, T0 + 100, NULL},
        {leaf2, root.cert, T0 + 100, NULL},
        {leaf, both, T0 + 100, NULL},
        {leaf, other.cert, T0 + 100, "certificate"},
        {leaf, root.cert, T0 + 2 * DAY, "expired"},
        {leaf, root.cert, T0 - 100, "not yet valid"},
        {ca.cert, root.cert, T0 + 3LL * YEAR, "expired"},
        {alone, root.cert, T0 + 100, "issuer"},
        {swapped, root.cert, T0 + 100, "issuer"},
        {leaf, ca.cert, T0 + 100, "issuer"}, /* an intermediate is no anchor */
        {"", root.cert, T0, "empty"},
        {leaf, "", T0, "roots"},
        {leaf, "text without PEM", T0, "no certificate"},
        {root.key, root.cert, T0, "no certificate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        int r = pki_verify(cases[i].leaf, cases[i].roots, cases[i].now, &err);
        if (r != (cases[i].problem ? -1 : 0) || (r && !strstr(err.msg, cases[i].problem)))
            fail_msg("case %zu: %d %s", i, r, err.msg);
    }
}

/* pathlen:0 means that an intermediate's own CA certificates are worthless. */
static void test_pathlen_counts(void **state)
{
    (void)state;
    auto_pki_pair root = new_root("r"), ca = new_intermediate(&root, "a"), below = {0};
    struct err err = {0};
    assert_int_equal(pki_intermediate_new(&ca, "o", "c", "x", T0, T0 + DAY, &below, &err), -1);
    assert_non_null(strstr(err.msg, "path length"));
    auto_free char *leaf = new_leaf(&ca);
    struct pki_pair not_ca = {.cert = leaf, .key = ca.key};
    assert_int_equal(pki_intermediate_new(&not_ca, "o", "c", "x", T0, T0 + DAY, &below, &err), -1);
    assert_null(below.cert);
}

static void test_not_after_is_capped(void **state)
{
    (void)state;
    auto_pki_pair root = new_root("r"), ca = {0};
    assert_int_equal(pki_intermediate_new(&root, "o", "c", "x", T0, T0 + 99LL * YEAR, &ca, NULL),
                     0);
    struct pki_cert_info info;
    pki_cert_info(ca.cert, &info, NULL);
    assert_true(info.not_after == T0 + 10LL * YEAR);
    auto_pki_pair late = {0};
    struct err err = {0};
    int64_t after = T0 + 11LL * YEAR;
    assert_int_equal(pki_intermediate_new(&root, "o", "c", "x", after, after + DAY, &late, &err),
                     -1);
    assert_non_null(strstr(err.msg, "end before"));
}

static void test_far_future(void **state)
{
    (void)state;
    auto_pki_pair p = {0};
    int64_t end = 4102444800; /* 2100: GeneralizedTime */
    assert_int_equal(pki_root_new("o", "c", T0 - DAY, end, &p, NULL), 0);
    struct pki_cert_info info;
    assert_int_equal(pki_cert_info(p.cert, &info, NULL), 0);
    assert_true(info.not_after == end && info.not_before == T0 - DAY);
}

static void test_subject_too_long(void **state)
{
    (void)state;
    char name[201];
    memset(name, 'x', sizeof name - 1);
    name[200] = '\0';
    struct pki_pair p = {0};
    struct err err = {0};
    assert_int_equal(pki_root_new("o", name, T0, T0 + DAY, &p, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    assert_int_equal(strncmp(err.msg, "CN: ", 4), 0);
    assert_int_equal(pki_root_new("o", "", T0, T0 + DAY, &p, &err), -1);
    assert_null(p.cert);
    assert_null(p.key);
}

static void test_check_pair(void **state)
{
    (void)state;
    auto_pki_pair a = new_root("a"), b = new_root("b");
    auto_free char *encrypted = slurp("encrypted-key.pem"), *cut = xstrndup(a.key, 60);
    const char *bad[] = {b.key, "", "junk", a.cert, encrypted, cut};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        assert_int_equal(pki_check_pair(a.cert, bad[i], &err), -1);
        assert_int_equal(err.class, ERR_INVALID);
    }
    assert_int_equal(pki_check_pair(a.key, a.key, NULL), -1);
    auto_free char *mixed =
        xasprintf("%s%s", a.key, a.cert); /* one file with both, as kubelet writes */
    assert_int_equal(pki_check_pair(mixed, mixed, NULL), 0);
}

static void test_check_bundle(void **state)
{
    (void)state;
    auto_pki_pair a = new_root("a"), b = new_root("b");
    auto_free char *two = xasprintf("# first\n%s\nsome words\n%s", a.cert, b.cert);
    auto_free char *with_key = xasprintf("%s%s", a.cert, a.key);
    auto_free char *cut = xstrndup(two, strlen(two) - 40);
    auto_free char *broken = xstrdup(two);
    strstr(broken, "BEGIN CERT")[40] = '!';
    struct err err = {0};
    assert_int_equal(pki_check_bundle(two, 2, &err), 0);
    assert_int_equal(pki_check_bundle(two, 1, &err), -1);
    assert_non_null(strstr(err.msg, "more than 1"));
    assert_int_equal(pki_check_bundle(with_key, 9, &err), -1);
    assert_non_null(strstr(err.msg, "PRIVATE KEY"));
    const char *bad[] = {"",   "junk",
                         cut,  broken,
                         NULL, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pki_check_bundle(bad[i], 9, &err), -1);
}

static void test_cert_info_of_others(void **state)
{
    (void)state;
    auto_free char *odd = slurp("odd-subject.pem");
    struct pki_cert_info info;
    struct err err = {0};
    if (pki_cert_info(odd, &info, &err) < 0)
        fail_msg("%s", err.msg);
    assert_false(info.is_ca);
    assert_null(
        strpbrk(info.subject, "\n\r\x1b")); /* a name from outside cannot break a log line */
    assert_string_equal(info.sha256,
                        "6b51ebd67de9e4d69d7c3c9689f58494ddcf42668151479d8d5301ed9112780d");
}

static void test_refusals_leave_no_trace(void **state)
{
    (void)state;
    struct pki_cert_info info = {.not_after = 5};
    assert_int_equal(pki_cert_info("junk", &info, NULL), -1);
    assert_int_equal(info.not_after, 5);
    struct pki_pair none = {0};
    pki_pair_done(&none);
    pki_pair_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_serials_differ),
        cmocka_unit_test(test_intermediate),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_pathlen_counts),
        cmocka_unit_test(test_not_after_is_capped),
        cmocka_unit_test(test_far_future),
        cmocka_unit_test(test_subject_too_long),
        cmocka_unit_test(test_check_pair),
        cmocka_unit_test(test_check_bundle),
        cmocka_unit_test(test_cert_info_of_others),
        cmocka_unit_test(test_refusals_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
