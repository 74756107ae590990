/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_file.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"

char *kubeconfig_read_file(const char *path, struct err *err)
{
    size_t len;
    char *text = file_read(path, KUBECONFIG_BYTES_MAX, &len, err);
    if (!text || strlen(text) == len)
        return text;
    err_set(err, ERR_INVALID, 0, "%s: has a zero byte", path);
    explicit_bzero(text, len);
    xfree_secret(text);
    return NULL;
}
