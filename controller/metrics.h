/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_METRICS_H
#define CONTROLLER_METRICS_H

#include "base/buf.h"

struct manager;

/* Appends the text of /metrics. */
void metrics_write(const struct manager *m, struct buf *out);

#endif
