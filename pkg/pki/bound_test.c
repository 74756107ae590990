/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "pki/pem.h"

enum { DAY = 86400, T0 = 1767225600, YEAR = 365 * DAY };

/* The authority of the peer, bank, as it is and as it is published here. */
struct peer {
    struct pki_pair root, ca;
    char *anchor;
};

static void make_pair(const struct pki_pair *root, struct pki_pair *ret)
{
    struct err err = {0};
    int r = root ? pki_intermediate_new(root, "bank", "bank", "c2", T0, T0 + YEAR, ret, &err)
                 : pki_root_new("bank", "Root CA", T0, T0 + YEAR, ret, &err);
    if (r < 0)
        fail_msg("%s", err.msg);
}

static struct peer new_peer(void)
{
    struct peer p = {0};
    struct err err = {0};
    make_pair(NULL, &p.root);
    make_pair(&p.root, &p.ca);
    p.anchor = pki_bound_anchor(p.root.cert, "bank.mesh", &err);
    if (!p.anchor)
        fail_msg("%s", err.msg);
    return p;
}

static void peer_done(struct peer *p)
{
    pki_pair_done(&p->root);
    pki_pair_done(&p->ca);
    free(p->anchor);
}
#define auto_peer __attribute__((cleanup(peer_done))) struct peer

static X509 *parse(const char *pem)
{
    X509 *x = pki_first_cert(pem, NULL);
    assert_non_null(x);
    return x;
}

/* A certificate with these names, signed by any authority that has the key. */
static X509 *issue(const struct pki_pair *by, const char *names)
{
    auto_x509 *issuer = parse(by->cert);
    auto_pkey *issuer_key = pki_key(by->key, NULL), *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509V3_CTX ctx;
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    ASN1_TIME_set(X509_getm_notBefore(x), T0);
    ASN1_TIME_set(X509_getm_notAfter(x), T0 + DAY);
    X509_set_pubkey(x, key);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    const char *const values[] = {names, "critical,CA:FALSE", "keyid:always"};
    const int nids[] = {NID_subject_alt_name, NID_basic_constraints, NID_authority_key_identifier};
    for (size_t i = 0; i < 3; i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nids[i], values[i]);
        assert_non_null(e);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    assert_true(X509_sign(x, issuer_key, EVP_sha256()));
    return x;
}

/* As Envoy does: any certificate in the pool is an anchor (partial chains), and the peer may present its whole chain,
 * its own unbound root included. Returns OpenSSL's verdict. */
static int verdict(X509 *leaf, const char *anchor, const char *const *presented, size_t n)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    auto_x509 *a = parse(anchor);
    X509_STORE_add_cert(store, a);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    for (size_t i = 0; i < n; i++)
        sk_X509_push(chain, parse(presented[i]));
    assert_true(X509_STORE_CTX_init(ctx, store, leaf, chain));
    X509_STORE_CTX_set_time(ctx, 0, T0 + 100);
    int code = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    sk_X509_pop_free(chain, X509_free);
    X509_STORE_free(store);
    return code;
}

/* What an authority of the peer may and may not say, signed by its root or by an intermediate. */
static void test_forged_names_are_refused(void **state)
{
    (void)state;
    auto_peer bank = new_peer();
    static const struct {
        const char *names;
        bool good;
    } cases[] = {
        {"critical,URI:spiffe://bank.mesh/ns/pay/sa/ledger", true},
        {"critical,URI:spiffe://shop.mesh/ns/shop/sa/cart", false},
        {"critical,URI:spiffe://sub.bank.mesh/ns/pay/sa/ledger", false},
        {"critical,URI:spiffe://bank.mesh.evil/ns/pay/sa/ledger", false},
        {"critical,URI:spiffe://bank.mesh/ns/pay/sa/x,URI:spiffe://shop.mesh/ns/shop/sa/cart",
         false},
        {"critical,DNS:spiffe\\://shop.mesh/ns/shop/sa/cart", false},
        {"critical,URI:spiffe://bank.mesh/ns/a/sa/b,DNS:istiod.istio-system.svc", false},
        {"critical,DNS:bank.mesh", false},
        {"critical,email:cart@shop.mesh", false},
        {"critical,IP:10.1.2.3", false},
        {"critical,IP:fd00::1", false},
    };
    const char *const presented[] = {bank.ca.cert, bank.root.cert};
    const struct pki_pair *const by[] = {&bank.ca, &bank.root};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < 2; k++) {
            auto_x509 *leaf = issue(by[k], cases[i].names);
            /* Under the plain root each of them is good: that is what the binding is for. */
            assert_int_equal(verdict(leaf, bank.root.cert, presented, 1), X509_V_OK);
            for (size_t n = k == 0; n <= 2; n++) {
                int code = verdict(leaf, bank.anchor, presented, n);
                if ((code == X509_V_OK) != cases[i].good)
                    fail_msg("%s by %zu, presented %zu: %d", cases[i].names, k, n, code);
            }
        }
}

static void test_what_is_as_in_the_root(void **state)
{
    (void)state;
    auto_peer bank = new_peer();
    auto_x509 *root = parse(bank.root.cert), *x = parse(bank.anchor);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(x), X509_get_subject_name(root)), 0);
    assert_true(EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(root)));
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(x), X509_get0_subject_key_id(root)), 0);
    assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(root)), 0);
    assert_int_equal(ASN1_TIME_compare(X509_get0_notBefore(x), X509_get0_notBefore(root)), 0);
    assert_int_equal(X509_check_ca(x), 1);
    assert_int_equal(X509_get_pathlen(x), X509_get_pathlen(root));
    assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    int at = X509_get_ext_by_NID(x, NID_name_constraints, -1);
    assert_true(at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x, at)));
}

/* Nothing is pushed to any proxy because a controller was started anew. */
static void test_same_input_same_bytes(void **state)
{
    (void)state;
    auto_peer bank = new_peer();
    auto_free char *same = pki_bound_anchor(bank.root.cert, "bank.mesh", NULL);
    auto_free char *other = pki_bound_anchor(bank.root.cert, "bank2.mesh", NULL);
    assert_string_equal(same, bank.anchor);
    assert_string_not_equal(other, bank.anchor);
    auto_x509 *x = parse(same), *y = parse(other);
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(x), X509_get0_serialNumber(y)), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    auto_peer bank = new_peer();
    struct err err = {0};
    static const char *const domains[] = {"",       ".bank.mesh", "bank.mesh.", "bank/mesh",
                                          "a:8080", "BANK",       "a b",        "spiffe://bank"};
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++)
        assert_null(pki_bound_anchor(bank.root.cert, domains[i], &err));
    assert_non_null(strstr(err.msg, "trust domain"));
    assert_null(pki_bound_anchor("junk", "bank.mesh", &err));
    /* An anchor is bound once. */
    assert_null(pki_bound_anchor(bank.anchor, "bank.mesh", &err));
    assert_non_null(strstr(err.msg, "name constraints"));
    auto_x509 *leaf = issue(&bank.ca, "URI:spiffe://bank.mesh/ns/a/sa/b");
    auto_bio *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, leaf);
    char *data;
    long n = BIO_get_mem_data(b, &data);
    auto_free char *pem = xstrndup(data, (size_t)n);
    assert_null(pki_bound_anchor(pem, "bank.mesh", &err));
    assert_non_null(strstr(err.msg, "authority"));
}

/* A trust domain longer than a name in a subject may be. */
static void test_long_domain(void **state)
{
    (void)state;
    auto_peer bank = new_peer();
    char td[254] = "";
    memset(td, 'a', 253);
    auto_free char *anchor = pki_bound_anchor(bank.root.cert, td, NULL);
    assert_non_null(anchor);
    auto_free char *names = xasprintf("critical,URI:spiffe://%s/ns/a/sa/b", td);
    auto_x509 *leaf = issue(&bank.root, names);
    assert_int_equal(verdict(leaf, anchor, NULL, 0), X509_V_OK);
}

static void test_certificates_of_a_bundle(void **state)
{
    (void)state;
    auto_peer bank = new_peer();
    auto_free char *both = xasprintf("# two\n%s\nwords\n%s", bank.root.cert, bank.ca.cert);
    auto_free char *first = pki_cert_at(both, 0), *second = pki_cert_at(both, 1);
    assert_string_equal(first, bank.root.cert);
    assert_string_equal(second, bank.ca.cert);
    assert_null(pki_cert_at(both, 2));
    assert_null(pki_cert_at("junk", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged_names_are_refused),
        cmocka_unit_test(test_what_is_as_in_the_root),
        cmocka_unit_test(test_same_input_same_bytes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_domain),
        cmocka_unit_test(test_certificates_of_a_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
