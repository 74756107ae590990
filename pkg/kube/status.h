/* SPDX-License-Identifier: Apache-2.0 */
/* Errors out of what an API server answers (meta/v1 Status) or out of the lack of an answer. */
#ifndef KUBE_STATUS_H
#define KUBE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "http/pool.h"

struct kube_answer {
    const char *method, *path; /* of the request; the query is not shown */
    const struct http_result *http;
    const char *body; /* may be NULL; a Status in JSON or protobuf, or any text */
    size_t len;
    bool secret; /* messages that may quote values are not shown, but the reason is */
};

/* Sets *err and returns -1, or returns 0 when the answer is 2xx. */
int kube_answer_err(const struct kube_answer *a, struct err *err);

#endif
