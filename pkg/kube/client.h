/* SPDX-License-Identifier: Apache-2.0 */
/* A client of one API server on a libuv loop. One thread, no blocking call; every callback runs
 * on the loop, never before the function that started it has returned. */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/gvr.h"
#include "kube/kubeconfig.h"

struct kube_client;

/* Takes a copy of *config. */
struct kube_client *kube_client_new(uv_loop_t *loop, const struct clock *clock,
                                    const struct kube_config *config, struct err *err);

/* New credentials for the same server: calls begun from now on use them, on new connections;
 * running ones end as they are. */
int kube_client_set_config(struct kube_client *c, const struct kube_config *config,
                           struct err *err);

/* Cancels every call, stops every watch (no callback runs, their handles are invalid afterwards)
 * and frees; the loop lets go of its handles in its next turns. Leases and events of this client
 * end before it. May be called from a callback. */
void kube_client_free(struct kube_client *c);

const char *kube_client_server(const struct kube_client *c);
const char *kube_client_ca(const struct kube_client *c); /* PEM or NULL */

/* Requests sent so far that changed something (POST, PUT, PATCH, DELETE; not reviews and TokenRequests). */
uint64_t kube_client_writes(const struct kube_client *c);

/* Content types. */
#define KUBE_JSON        "application/json"
#define KUBE_APPLY       "application/apply-patch+yaml"
#define KUBE_MERGE_PATCH "application/merge-patch+json"
#define KUBE_JSON_PATCH  "application/json-patch+json"
/* Answers of only metadata (apiVersion, kind, metadata): small whatever the object. */
#define KUBE_ACCEPT_METADATA      "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#define KUBE_ACCEPT_METADATA_LIST "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#define KUBE_ACCEPT_TEXT          "text/plain, */*"

enum { KUBE_CALL_TIMEOUT_MS = 10000 };

struct kube_request {
    const char *method; /* "GET", "POST", "PATCH", "PUT", "DELETE" */
    const char *path;   /* "/api/v1/namespaces/x/secrets?limit=500": already percent-encoded */
    const char *content_type; /* of the body */
    const char *accept;       /* NULL: application/json */
    const char *body;         /* copied; NULL: none */
    size_t body_len;          /* 0 with body: strlen(body) */
    bool secret_body;         /* wipe our copy of the body and of the answer after use */
    bool raw;                 /* don't parse the answer: give bytes */
    int timeout_ms;           /* until an answer, repeats included; 0: KUBE_CALL_TIMEOUT_MS */
    size_t max_bytes;         /* greatest answer; 0: 16 MiB */
};

struct kube_response {
    int status;      /* HTTP status; 0 when there was no answer */
    int64_t date_s;  /* the server's clock, seconds since 1970; 0 when it does not say */
    json_t *body;    /* borrowed for the callback; NULL when raw, empty or failed */
    const char *raw; /* when raw: the bytes, NUL-terminated, borrowed */
    size_t raw_len;
};

/* err is NULL on success (2xx). Otherwise it has class, code and a message made from the
 * server's Status object (reason and message, cut) and the request ("PATCH /api/...: 409
 * Conflict: ..."). r is valid in both cases. */
typedef void kube_call_cb(void *arg, const struct kube_response *r, const struct err *err);

/* A handle to cancel with; valid until the callback runs. Retries GETs on its own (reset,
 * refused stream, EOF, GOAWAY: up to 3 times, 0.1-1 s apart, all within timeout_ms); writes are
 * retried only when the server surely did not take them (refused stream before headers,
 * connection refused) or on 429/503 with Retry-After (at most 5 times, at most 32 s in all). */
struct kube_call;
struct kube_call *kube_call(struct kube_client *c, const struct kube_request *q, kube_call_cb *cb,
                            void *arg);
/* After this the callback does not run. */
void kube_call_cancel(struct kube_call *call);

/* --- common writes; each a kube_call --- */

#define KUBE_FIELD_MANAGER "meshwright"

/* Server-side apply (force=true, fieldValidation=Strict) with field manager KUBE_FIELD_MANAGER
 * of a JSON text; the answer is metadata only. subresource: NULL or "status". */
struct kube_call *kube_apply(struct kube_client *c, const struct gvr *gvr, const char *ns,
                             const char *name, const char *subresource, const char *body,
                             size_t body_len, bool secret_body, kube_call_cb *cb, void *arg);

/* The same without force: a field that somebody else owns with another value is a conflict (409,
 * its message names the manager and the field), and nothing is written. For objects that are not
 * known to be ours. */
struct kube_call *kube_apply_unforced(struct kube_client *c, const struct gvr *gvr, const char *ns,
                                      const char *name, const char *body, size_t body_len,
                                      bool secret_body, kube_call_cb *cb, void *arg);

/* DELETE with preconditions.uid, propagation Background. uid NULL: no precondition. */
struct kube_call *kube_delete(struct kube_client *c, const struct gvr *gvr, const char *ns,
                              const char *name, const char *uid, kube_call_cb *cb, void *arg);
/* The same with preconditions.resourceVersion (NULL: none): 409 when the object was changed since. */
struct kube_call *kube_delete_version(struct kube_client *c, const struct gvr *gvr, const char *ns,
                                      const char *name, const char *uid, const char *version,
                                      kube_call_cb *cb, void *arg);

/* TokenRequest (authentication.k8s.io/v1) of a service account. audience NULL: the API server's own. On success
 * r->body has status.token and status.expirationTimestamp. */
struct kube_call *kube_token_request(struct kube_client *c, const char *ns,
                                     const char *service_account, const char *audience,
                                     int64_t seconds, kube_call_cb *cb, void *arg);

#endif
