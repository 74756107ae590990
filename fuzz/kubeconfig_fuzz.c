/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kube/kubeconfig_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a member's file may say, whatever it says: TLS to another machine, no files, a token fit for a header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_kube_config c = {0};
    char field[KUBECONFIG_FIELD_MAX];
    struct err err = {0};
    if (kubeconfig_load((const char *)data, size, KUBECONFIG_MEMBER, &c, field, &err) < 0) {
        if (c.server || err.class != ERR_INVALID || strlen(field) >= sizeof field)
            abort();
        return 0;
    }
    if (strncasecmp(c.server, "https://", 8) != 0 || kubeconfig_server_problem(c.server, true) ||
        c.token_file || (!c.token && !c.client_key) || (c.token && strpbrk(c.token, " \r\n")))
        abort();
    (void)kube_config_expiry(&c);
    return 0;
}
