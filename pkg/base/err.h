/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: a fixed-size value that the caller owns, so that reporting a failure never allocates and never leaks.
 *
 * A function that can fail returns int: 0 on success, -1 on failure with *err set. On success *err is not touched.
 * err may be NULL where the caller does not care. The class is what the work queue acts on; only
 * runtime/outcome.c turns a class into an action. Wrap (err_wrap) where a caller knows more than its callee. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_class {
    ERR_NONE,
    ERR_TRANSIENT,    /* connection reset, timeout, 5xx: try again with backoff */
    ERR_THROTTLED,    /* 429, or 503 with Retry-After: try again after retry_after_ms */
    ERR_CONFLICT,     /* 409: read again, decide again */
    ERR_NOT_FOUND,    /* 404 */
    ERR_EXPIRED,      /* 410, or "too large resource version": list again */
    ERR_UNAUTHORIZED, /* 401: credentials are not accepted */
    ERR_FORBIDDEN,    /* 403: a right is missing */
    ERR_INVALID, /* 400, 413, 415, 422, or input of ours that can't be used: wants an edit, retrying is useless */
    ERR_BUG, /* an assumption of ours does not hold */
};

enum { ERR_MSG_MAX = 512 };

struct err {
    enum err_class class;
    int code;                /* HTTP status where there is one, else errno, else 0 */
    unsigned retry_after_ms; /* what the server asked for; 0 = nothing asked */
    char msg[ERR_MSG_MAX];   /* one line, cut when longer; never holds a secret */
};

/* Sets *err (when not NULL) and returns -1, so that a failing function ends with `return err_set(...)`. */
int err_set(struct err *err, enum err_class class, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "fmt: " before the message; class and code stay. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The class as one lower-case word for logs and metrics. */
const char *err_class_name(enum err_class class);

/* The class of an HTTP status of a Kubernetes API server; ERR_NONE for 1xx-3xx. */
enum err_class err_class_of_status(int status);

#endif
