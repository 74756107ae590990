/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the API while it is worked on: what it asks for, and the ways to answer. Nothing of it outlives the
 * handler; watches copy what they need. */
#ifndef KUBESIM_CALL_H
#define KUBESIM_CALL_H

#include "kubesim/apply.h"
#include "kubesim/cluster.h"
#include "kubesim/exchange.h"

enum { SIM_PARAMS_MAX = 32 };

struct sim_query {
    char *text; /* decoded in place */
    struct {
        const char *key, *value;
    } params[SIM_PARAMS_MAX];
    size_t n;
};
/* Parameters after the first SIM_PARAMS_MAX are dropped. */
void sim_query_parse(const char *text, struct sim_query *ret);
void sim_query_done(struct sim_query *q);
const char *sim_query_get(const struct sim_query *q, const char *key); /* NULL when absent */
bool sim_query_true(const struct sim_query *q, const char *key);       /* "1", "true" ... */

enum sim_as { SIM_AS_OBJECT, SIM_AS_PARTIAL, SIM_AS_PARTIAL_LIST, SIM_AS_TABLE };

struct sim_accept {
    bool ok; /* something of it can be had */
    bool proto;
    enum sim_as as;
};
/* Of an Accept header, for a kind (NULL: no resource). */
void sim_accept_parse(const char *header, const struct sim_kind *k, struct sim_accept *ret);

struct sim_call {
    struct kubesim *sim;
    struct sim_cluster *cluster;
    struct sim_exchange *x;
    const struct sim_request *q;
    struct sim_query query;
    struct sim_accept accept;
    char now[CLOCK_RFC3339_MAX];
    /* of a resource: */
    const struct sim_kind *kind;
    struct sim_collection *at;
    char *version, *api_version; /* that the path names */
    char *ns, *name, *sub;       /* NULL when absent */
    bool dry_run;
};

#define SIM_JSON  "application/json"
#define SIM_PROTO "application/vnd.kubernetes.protobuf"

/* --- answers: each ends the request --- */

/* Steals body. */
void sim_answer(struct sim_call *c, int status, json_t *body);
void sim_answer_text(struct sim_call *c, int status, const char *text);
/* An object in the form that was asked for; version: the resourceVersion to show, 0 for none. */
void sim_answer_object(struct sim_call *c, int status, struct sim_object *o, uint64_t version);
/* Bytes of a list in JSON or in protobuf (without envelope); takes the buffer. kind: "ServiceList". */
void sim_answer_list(struct sim_call *c, const char *kind, const char *api_version,
                     struct buf *body);

/* A Status with reason (NULL: none); steals details. */
void sim_fail(struct sim_call *c, int code, const char *reason, json_t *details, const char *fmt,
              ...) __attribute__((format(printf, 5, 6)));
void sim_fail_err(struct sim_call *c, const struct err *err);
void sim_fail_route(struct sim_call *c);  /* 404 of a path */
void sim_fail_method(struct sim_call *c); /* 405 */
void sim_fail_name(struct sim_call *c, const struct sim_kind *k, const char *name); /* 404 */
void sim_fail_conflict(struct sim_call *c,
                       const char *why); /* 409 of the named object; NULL: modified */
void sim_fail_too_large(struct sim_call *c, const char *version); /* 504 */
void sim_fail_expired(struct sim_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* 410 */
/* 422: one field is wrong. reason: FieldValueInvalid ...; title NULL: the kind's, "Foo.x.example". */
void sim_fail_field(struct sim_call *c, const char *name, const char *field, const char *reason,
                    const char *message);
void sim_fail_options(struct sim_call *c, const char *kind, const char *field, const char *reason,
                      const char *message);
/* details of a Status: name and kind (resource) and group. */
json_t *sim_details(const char *name, const char *group, const char *kind);
/* A Status as a tree. Steals details. */
json_t *sim_status(int code, const char *reason, json_t *details, const char *message);

/* --- tables (table.c) --- */

/* A Table without rows; and one row of an object. */
json_t *sim_table_new(uint64_t version, const char *next_page, bool definitions);
void sim_table_add(json_t *table, const struct sim_object *o, uint64_t version);

/* --- the work --- */

void sim_api_handle(void *arg, struct sim_exchange *x, const struct sim_request *q);
void sim_get(struct sim_call *c);
void sim_list(struct sim_call *c);
void sim_watch_begin(struct sim_call *c);
void sim_post(struct sim_call *c);
void sim_put(struct sim_call *c);
void sim_patch(struct sim_call *c);
void sim_delete(struct sim_call *c);
void sim_delete_collection(struct sim_call *c);
void sim_token_request(struct sim_call *c);
bool sim_token_valid(struct sim_cluster *c, const char *token);
/* What needs no resource: discovery, versions, health, OpenAPI, reviews. False: no such path. */
bool sim_discover(struct sim_call *c, char *const *parts, size_t n);
bool sim_openapi(struct sim_call *c, char *const *parts, size_t n);
/* istiod.c */
bool sim_istiod_proxy(struct sim_call *c, char *const *parts, size_t n);
bool sim_review(struct sim_call *c, const char *group, const char *resource);

/* The body as a tree; NULL: answered already. yaml: YAML is fine too. */
json_t *sim_body(struct sim_call *c, bool yaml);
/* The same of a kind whose protobuf nobody reads here: an empty object then. */
json_t *sim_body_or_empty(struct sim_call *c);

/* --- watches (watch.c) --- */

void sim_watches_notify(struct sim_cluster *c, struct sim_collection *at,
                        const struct sim_event *e);
void sim_watches_end(struct sim_collection *at);

/* --- defaults (defaults.c) --- */

/* What decoding adds, before managedFields are made. old: NULL for a new object. */
void sim_default_decode(struct sim_cluster *c, const struct sim_kind *k, const char *version,
                        json_t *tree);
/* What storing adds: what no client owns. */
void sim_default_store(struct sim_cluster *c, const struct sim_kind *k, json_t *tree,
                       const json_t *old);

#endif
