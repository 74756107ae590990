/* SPDX-License-Identifier: Apache-2.0 */
#include "pki/pki.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* PEM from outside: certificates, bundles, keys. A bundle that is accepted has a first certificate. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *pem = xstrndup((const char *)data, size);
    struct pki_cert_info info = {0};
    int has_info = pki_cert_info(pem, &info, NULL);
    if (has_info == 0 && (strlen(info.sha256) != 64 || strlen(info.subject) >= sizeof info.subject))
        abort();
    if (pki_check_bundle(pem, 8, NULL) == 0)
        (void)pki_verify(pem, pem, info.not_before, NULL);
    (void)pki_check_pair(pem, pem, NULL);
    return 0;
}
