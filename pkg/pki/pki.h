/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate authorities of a mesh: one root per mesh, one intermediate per cluster (OpenSSL 3, EC P-256,
 * ECDSA with SHA-256, RFC 5280). Private keys exist as PEM strings in the caller's hands: free them with
 * pki_pair_done, which wipes them. */
#ifndef PKI_PKI_H
#define PKI_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A certificate with its key, both PEM (key: PKCS#8, unencrypted), both owned. */
struct pki_pair {
    char *cert;
    char *key;
};
void pki_pair_done(struct pki_pair *p); /* wipes the key; safe on {0} */
#define auto_pki_pair __attribute__((cleanup(pki_pair_done))) struct pki_pair

/* A self-signed root: CA:TRUE critical, no path length, keyUsage critical (digitalSignature, keyCertSign, cRLSign),
 * SKI; subject O=<org>, CN=<cn>. Serial: 127 random bits. not_before is backdated by the caller. */
int pki_root_new(const char *org, const char *cn, int64_t not_before, int64_t not_after,
                 struct pki_pair *ret, struct err *err);

/* An intermediate signed by root: CA:TRUE pathlen:0 critical, keyUsage critical (digitalSignature, keyCertSign,
 * cRLSign), SKI, AKI, NO subject alternative names (a peer mesh's name constraints would hit them); subject
 * O=<org>, CN=<cn>, L=<cluster>. not_after is capped to the root's. */
int pki_intermediate_new(const struct pki_pair *root, const char *org, const char *cn,
                         const char *cluster, int64_t not_before, int64_t not_after,
                         struct pki_pair *ret, struct err *err);

/* Facts of the first certificate in a PEM text. */
struct pki_cert_info {
    char sha256[65];               /* lower-case hex of the DER */
    char subject[512];             /* RFC 2253 */
    int64_t not_before, not_after; /* seconds since 1970 */
    bool is_ca;
};
int pki_cert_info(const char *pem, struct pki_cert_info *ret, struct err *err);

/* 0 when key (PEM) is the private key of the first certificate of cert (PEM). */
int pki_check_pair(const char *cert, const char *key, struct err *err);

/* 0 when every certificate in the PEM text parses and there are at most max of them and at least one. */
int pki_check_bundle(const char *pem, int max, struct err *err);

/* 0 when leaf_pem (first certificate) verifies to one of roots_pem, with the further certificates of leaf_pem as
 * intermediates, at time now. */
int pki_verify(const char *leaf_pem, const char *roots_pem, int64_t now, struct err *err);

/* A bound anchor: the CA certificate root_pem (the first one) issued anew so that it is good for one trust domain only.
 * Same subject, public key, key identifier and validity; CA:TRUE; critical name constraints (RFC 5280, 4.2.1.10): URI
 * names of trust_domain alone, no DNS names, mail addresses or IP addresses at all. A peer's authority that is
 * published so can't issue identities of another trust domain. Whoever verifies takes it as a trust anchor and does
 * not check who signed it; its serial number and its signing key follow from root and domain, so the same input gives
 * the same bytes. Owned PEM; NULL with *err. */
char *pki_bound_anchor(const char *root_pem, const char *trust_domain, struct err *err);

/* The certificate number `at` (from 0) of a PEM text alone; owned, NULL when it has no so many. */
char *pki_cert_at(const char *pem, size_t at);

#endif
