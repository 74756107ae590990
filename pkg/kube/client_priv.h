/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/kube: the client as its calls and streams see it. */
#ifndef KUBE_CLIENT_PRIV_H
#define KUBE_CLIENT_PRIV_H

#include "http/pool.h"
#include "kube/client.h"
#include "kube/timer.h"
#include "kube/watch.h"

/* Lines of their own. Over HTTP/2 calls (that read), lists and watches share a connection; writes and leases have
 * theirs, and a bulk list has one over HTTP/1.1, which is a third faster for it. */
enum kube_class {
    KUBE_CLASS_CALL,
    KUBE_CLASS_WRITE,
    KUBE_CLASS_LIST,
    KUBE_CLASS_BULK,
    KUBE_CLASS_WATCH,
    KUBE_CLASS_LEASE,
    KUBE_CLASSES
};

enum {
    KUBE_CALLS_RUNNING = 8, /* at a time */
    KUBE_LISTS_RUNNING = 4, /* likewise */
    KUBE_PULSE_SILENCE_MS = 30000,
    KUBE_PULSE_TIMEOUT_MS = 15000,
    KUBE_TOKEN_REFRESH_MS = 60000,
    KUBE_TOKEN_MAX = 64 * 1024,
    KUBE_ANSWER_MAX = 16 * 1024 * 1024,
    KUBE_ERROR_BODY_MAX = 64 * 1024, /* of the answer to a stream that is an error */
};

/* Whether the connections of the watches still are alive, where HTTP/2 does not find out on its own: a watch may be
 * silent for minutes. After a silence, a small request has to be answered. */
struct kube_pulse {
    struct kube_timer *timer;
    struct http_transfer *probe;
    int64_t heard_ms, sent_ms; /* the last sign of life of a watch; when the probe was sent */
    int silence_ms, timeout_ms;
    unsigned watches; /* that run */
};

struct kube_client {
    uv_loop_t *loop;
    const struct clock *clock;
    struct kube_config config;
    bool plain;
    struct http_pool *pools[KUBE_CLASSES]; /* NULL: not used yet, but for that of the watches */
    char *token;                           /* from the file */
    int64_t token_read_ms;
    bool token_stale; /* refused, or never read */
    uint64_t writes, random;
    struct kube_call *calls;
    struct kube_stream *streams;
    struct kube_watch *watches;
    struct kube_pulse pulse;
};

/* As kube_client_new, but http:// is accepted too: for tests. */
struct kube_client *kube_client_new_plain(uv_loop_t *loop, const struct clock *clock,
                                          const struct kube_config *config, struct err *err);

/* Sends a request with the client's credentials. */
struct http_transfer *kube_client_send(struct kube_client *c, enum kube_class class,
                                       const struct kube_request *q, const struct http_handler *h,
                                       void *arg);
void kube_pulse_init(struct kube_client *c);
void kube_pulse_done(struct kube_client *c);
/* A watch begins, tells something, ends. */
void kube_pulse_begin(struct kube_client *c);
void kube_pulse_heard(struct kube_client *c);
void kube_pulse_end(struct kube_client *c);
/* The connections are about to be replaced. */
void kube_pulse_cancel(struct kube_client *c);

/* A request begun at began_ms (monotonic) was answered with 401: a token from a file is read again. */
void kube_client_unauthorized(struct kube_client *c, int64_t began_ms);

struct kube_call *kube_call_in(struct kube_client *c, enum kube_class class,
                               const struct kube_request *q, kube_call_cb *cb, void *arg);

/* A GET whose answer is handed on as it comes, and not retried. */
struct kube_stream_handler {
    void (*opened)(void *arg, const char *content_type);  /* the answer is 200; may be NULL */
    int (*data)(void *arg, const char *data, size_t len); /* not 0: stop, done gets an error */
    void (*done)(void *arg, const struct err *err);       /* err NULL: the server ended it */
};
struct kube_stream;
struct kube_stream *kube_stream_start(struct kube_client *c, enum kube_class class,
                                      const char *path, const char *accept, int timeout_ms,
                                      const struct kube_stream_handler *h, void *arg);
/* Valid until done; no callback runs after this. */
void kube_stream_cancel(struct kube_stream *s);

#endif
