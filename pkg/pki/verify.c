/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pki.h"

#include <openssl/x509_vfy.h>
#include <time.h>

#include "pki/pem.h"

enum { CERTS_MAX = 1000 };

static void stackp(STACK_OF(X509) * *s)
{
    sk_X509_pop_free(*s, X509_free);
}
static void storep(X509_STORE **s)
{
    X509_STORE_free(*s);
}
static void ctxp(X509_STORE_CTX **c)
{
    X509_STORE_CTX_free(*c);
}
#define auto_stack __attribute__((cleanup(stackp))) STACK_OF(X509)
#define auto_store __attribute__((cleanup(storep))) X509_STORE
#define auto_ctx   __attribute__((cleanup(ctxp))) X509_STORE_CTX

/* All certificates of the text; NULL with *err set. */
static STACK_OF(X509) * load_all(const char *pem, struct err *err)
{
    auto_bio *text = pki_text(pem, err);
    auto_stack *all = sk_X509_new_null();
    if (!text || !all)
        return NULL;
    X509 *x = NULL;
    int r;
    while ((r = pki_next_cert(text, false, &x, err)) > 0)
        if (sk_X509_num(all) >= CERTS_MAX || !sk_X509_push(all, x)) {
            X509_free(x);
            r = err_set(err, ERR_INVALID, 0, "more than %d certificates", CERTS_MAX);
            break;
        }
    if (r == 0 && sk_X509_num(all) == 0)
        r = err_set(err, ERR_INVALID, 0, "no certificate in the PEM text");
    if (r < 0)
        return NULL;
    STACK_OF(X509) *ret = all;
    all = NULL;
    return ret;
}

static X509_STORE *trust(const STACK_OF(X509) * roots)
{
    X509_STORE *store = X509_STORE_new();
    for (int i = 0; store && i < sk_X509_num(roots); i++)
        X509_STORE_add_cert(store, sk_X509_value(roots, i));
    return store;
}

int pki_verify(const char *leaf_pem, const char *roots_pem, int64_t now, struct err *err)
{
    auto_stack *roots = load_all(roots_pem, err);
    if (!roots)
        return err_wrap(err, "roots");
    auto_stack *chain = load_all(leaf_pem, err);
    if (!chain)
        return -1;
    auto_store *store = trust(roots);
    auto_ctx *ctx = X509_STORE_CTX_new();
    if (!store || !ctx || !X509_STORE_CTX_init(ctx, store, sk_X509_value(chain, 0), chain))
        return pki_fail(err, ERR_BUG, "verify");
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now);
    if (X509_verify_cert(ctx) == 1)
        return 0;
    int code = X509_STORE_CTX_get_error(ctx);
    pki_fail(err, ERR_INVALID, "verify");
    return err_set(err, ERR_INVALID, code, "%s (certificate %d of the chain)",
                   X509_verify_cert_error_string(code), X509_STORE_CTX_get_error_depth(ctx) + 1);
}
