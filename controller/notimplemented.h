/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds that are accepted by the API server and not reconciled yet: they say so instead of staying silent. */
#ifndef CONTROLLER_NOTIMPLEMENTED_H
#define CONTROLLER_NOTIMPLEMENTED_H

#include "manager.h"

int64_t notimplemented_reconcile(struct manager *m, enum api_kind kind, const char *key);

#endif
