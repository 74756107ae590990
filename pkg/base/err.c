/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_class class, int code, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    char msg[ERR_MSG_MAX];
    vsnprintf(msg, sizeof msg, fmt, ap); /* via a copy: an argument may be err->msg itself */
    va_end(ap);
    *err = (struct err){.class = class, .code = code};
    memcpy(err->msg, msg, sizeof msg);
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    char prefix[ERR_MSG_MAX / 2], msg[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    size_t n = strlen(prefix), room = sizeof msg - n - 3;
    memcpy(msg, prefix, n);
    memcpy(msg + n, ": ", 2);
    size_t m = strnlen(err->msg, room);
    memcpy(msg + n + 2, err->msg, m);
    msg[n + 2 + m] = '\0';
    memcpy(err->msg, msg, n + 2 + m + 1);
    return -1;
}

const char *err_class_name(enum err_class class)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_TRANSIENT] = "transient",
        [ERR_THROTTLED] = "throttled",
        [ERR_CONFLICT] = "conflict",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_EXPIRED] = "expired",
        [ERR_UNAUTHORIZED] = "unauthorized",
        [ERR_FORBIDDEN] = "forbidden",
        [ERR_INVALID] = "invalid",
        [ERR_BUG] = "bug",
    };
    return names[class];
}

enum err_class err_class_of_status(int status)
{
    switch (status) {
    case 401:
        return ERR_UNAUTHORIZED;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 410:
        return ERR_EXPIRED;
    case 429:
        return ERR_THROTTLED;
    case 408:
        return ERR_TRANSIENT;
    default:
        break;
    }
    if (status >= 500)
        return ERR_TRANSIENT;
    return status >= 400 ? ERR_INVALID : ERR_NONE;
}
