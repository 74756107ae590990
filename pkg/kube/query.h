/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of request paths. */
#ifndef KUBE_QUERY_H
#define KUBE_QUERY_H

#include "base/buf.h"

/* Appends "?key=value" or "&key=value", the value percent-encoded. */
void kube_query_add(struct buf *path, const char *key, const char *value);

#endif
