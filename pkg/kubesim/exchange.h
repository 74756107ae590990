/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP as the simulated API servers see it: one request and its answer. Below it are one TLS listener, HTTP/1.1 and
 * HTTP/2 (kubesim/listener.c ...), and the faults of the transport; above it is the API (kubesim/api.c). */
#ifndef KUBESIM_EXCHANGE_H
#define KUBESIM_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"

enum { SIM_BODY_MAX = 3 * 1024 * 1024 }; /* as the API server's limit of a request */

/* --- faults: pure (kubesim/fault.c) --- */

enum sim_fault_kind {
    SIM_FAULT_NONE,
    SIM_FAULT_DELAY,        /* wait ms, then as always */
    SIM_FAULT_DROP,         /* no answer, the connection stays; the request is not carried out */
    SIM_FAULT_RESET_BEFORE, /* connection (HTTP/2: stream) reset, the request is not carried out */
    SIM_FAULT_RESET_AFTER,  /* it is carried out, its answer is lost with the connection */
    SIM_FAULT_TRUNCATE, /* the answer ends after bytes of its body, and the connection (HTTP/2 too) */
    SIM_FAULT_HALF_LINE, /* a watch: the next event is sent by half, then the stream ends */
    /* answer status with a Status object, and Retry-After when retry_after_s > 0; not carried out */
    SIM_FAULT_STATUS,
    /* HTTP/2: GOAWAY, this stream is refused, others finish; HTTP/1.1: closed without an answer; not carried out */
    SIM_FAULT_GOAWAY,
    SIM_FAULT_SILENCE, /* a watch: open, but nothing is ever sent from the next event on */
    /* of a watch, done by the API: */
    SIM_FAULT_DUPLICATE, /* each event twice */
    SIM_FAULT_REORDER,   /* the next two events change places, if they come one after the other */
    SIM_FAULT_EXPIRE,    /* an ERROR event with 410 in place of the next event */
};

struct sim_fault {
    enum sim_fault_kind kind;
    int ms, status, retry_after_s;
    size_t bytes;
};

/* Which requests a fault is for: those that match all that is set; of them the first `skip` ones not, then `times`. */
struct sim_rule {
    const char *cluster; /* NULL: every one */
    const char
        *method; /* "WATCH" for a GET with watch=true, "GET" for one without; NULL: every one */
    const char *path;     /* a part of it; NULL: every one */
    uint64_t index;       /* this request of all those of the listener, from 1 on; 0: any */
    unsigned skip, times; /* times 0: for ever */
    struct sim_fault fault;
};

/* A rule as text, for command lines: words with a space between them, of which only fault has to be there.
 *
 *   cluster=c1 method=PATCH path=/secrets index=17 skip=3 times=1 fault=status:429:2
 *
 *   fault=delay:MS | drop | reset-before | reset-after | truncate:BYTES | half-line | status:CODE[:RETRY_AFTER_SECONDS]
 *         | goaway | silence | duplicate | reorder | expire
 *
 * The strings of *ret are its own: sim_rule_done. An error (ERR_INVALID) names the word. */
int sim_rule_parse(const char *text, struct sim_rule *ret, struct err *err);
void sim_rule_done(struct sim_rule *r);

/* metav1.StatusReason of an HTTP status; NULL when there is none. */
const char *sim_status_reason(int status);

/* --- one request --- */

/* One request with its answer. The API may use it from the handler's call until it has answered (sim_respond,
 * sim_respond_ref, sim_stream_end) or was told that the client has gone, or until sim_listener_free. One that has not
 * been answered stays valid when its client goes: nobody is told, and answering it does nothing. */
struct sim_exchange;

struct sim_request {
    const char *cluster;       /* the name that the connection or the path asked for */
    const char *method, *path; /* path percent-decoded, without prefix and query */
    const char *query;         /* as it came, "" when none */
    const char *accept, *content_type, *authorization; /* "" when absent */
    const char *client_cn; /* common name of the verified client certificate, or NULL */
    const char *body;      /* NUL-terminated */
    size_t body_len;
    bool gzip;              /* is accepted */
    uint64_t index;         /* of all requests of the listener, from 1 on */
    struct sim_fault fault; /* NONE, or one that the API has to do */
};

/* Called when a request is complete; q lives as long as x. Answer at once or later. May free the listener. */
typedef void sim_handler(void *arg, struct sim_exchange *x, const struct sim_request *q);

/* A whole answer. Copies. */
void sim_respond(struct sim_exchange *x, int status, const char *content_type, const void *body,
                 size_t len);
/* One more header of the answer, before it begins. Copies. With a line end in it: left out. */
void sim_header(struct sim_exchange *x, const char *name, const char *value);

/* A large answer without a copy: data stays valid until done is called, once (also when the client goes), maybe before
 * this returns. Both pack what is larger than 128 KiB with gzip when q->gzip, as the API server does. */
void sim_respond_ref(struct sim_exchange *x, int status, const char *content_type, const void *body,
                     size_t len, void (*done)(void *arg), void *arg);

/* A watch: headers, then pieces, then the end. gone is called, once, when the client has closed or the stream was
 * reset, never inside a call about x, not after sim_stream_end. After it x is invalid. */
void sim_stream_begin(struct sim_exchange *x, int status, const char *content_type,
                      void (*gone)(void *arg), void *arg);
/* Copies one event's bytes, or a part of a list. False: the client is too slow (more than SIM_STREAM_BEHIND_MAX waits);
 * the caller ends the stream. */
bool sim_stream_write(struct sim_exchange *x, const void *data, size_t len);
void sim_stream_end(struct sim_exchange *x);

enum { SIM_STREAM_BEHIND_MAX = 64 * 1024 * 1024 };

/* --- the listener --- */

struct sim_listener;
struct sim_listener_opts {
    const char *address; /* "127.0.0.1" */
    int port;            /* 0: a free one */
    /* PEM: the server's, and the CA that client certificates are checked against (asked for, not required). */
    const char *cert, *key, *client_ca;
    sim_handler *handler;
    void *arg;
};
/* A cluster is asked for by the first part of the path, "/clusters/<name>/api/v1/...", or by the TLS server name
 * "<name>.kubesim"; without both it is "". A client's certificate that is not by client_ca is as none. A request that
 * is not understood is answered here with 400, one that is too large with 413. The process ignores SIGPIPE after it. */
struct sim_listener *sim_listener_new(uv_loop_t *loop, const struct sim_listener_opts *o,
                                      struct err *err);
int sim_listener_port(const struct sim_listener *l);
/* Rules are tried in the order they were added; the first that matches counts. Copies. Returns an id. */
unsigned sim_listener_add_rule(struct sim_listener *l, const struct sim_rule *r);
void sim_listener_remove_rule(struct sim_listener *l, unsigned id);
uint64_t sim_listener_requests(const struct sim_listener *l); /* so far */
/* A request from inside the process, answered at once: no connection, no fault, no index. Appends the body of the
 * answer, and returns its status; 0 for a watch, which nobody would read. */
int sim_local(struct sim_listener *l, const struct sim_request *q, struct buf *ret);
uint64_t sim_listener_accepted(const struct sim_listener *l); /* connections so far; and open now */
uint64_t sim_listener_open(const struct sim_listener *l);
/* Closes every connection and calls what is due of gone and done; freed when the loop has closed the handles. NULL is
 * fine. */
void sim_listener_free(struct sim_listener *l);

#endif
