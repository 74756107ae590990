/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that hold credentials. */
#ifndef KUBE_KUBECONFIG_FILE_H
#define KUBE_KUBECONFIG_FILE_H

#include "base/err.h"

enum { KUBECONFIG_BYTES_MAX = 1048576 };

/* The text of a file, owned (xfree_secret it); NULL with *err when it can't be read, is larger than
 * KUBECONFIG_BYTES_MAX or has a zero byte. */
char *kubeconfig_read_file(const char *path, struct err *err);

#endif
