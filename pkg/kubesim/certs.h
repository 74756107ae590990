/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBESIM_CERTS_H
#define KUBESIM_CERTS_H

#include "pki/pki.h"

/* The servers' certificate for 127.0.0.1, localhost and *.kubesim, signed by ca (of pki_root_new). EC P-256. */
int sim_server_cert(const struct pki_pair *ca, struct pki_pair *ret, struct err *err);

#endif
