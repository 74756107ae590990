/* SPDX-License-Identifier: Apache-2.0 */
/* The hub cluster: our custom resources as they are there, and all writes to them. */
#ifndef CONTROLLER_HUB_H
#define CONTROLLER_HUB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "api/api.h"
#include "base/clock.h"
#include "kube/client.h"
#include "kube/events.h"
#include "kube/watch.h"

#define HUB_FINALIZER "meshwright.dev/cleanup"

struct hub;

/* One custom resource. */
struct hub_object {
    struct hub *hub;
    enum api_kind kind;
    json_t *obj; /* without managedFields; frozen */
    bool listed;
    bool writing;     /* a write is on its way */
    char awaited[32]; /* resourceVersion of our last write, until the watch has shown it; "" */
    int64_t awaited_until_ms;
    int failures;          /* of writes, in a row */
    int64_t hold_until_ms; /* after a failure: no write before */
    UT_hash_handle hh;
    char key[]; /* "namespace/name" */
};

struct hub_collection {
    struct hub *hub;
    enum api_kind kind;
    struct kube_watch *watch;
    struct hub_object *all;
    bool synced;
    bool broken; /* its watch does not work at the moment */
};

struct hub {
    struct kube_client *client;
    const struct clock *clock;
    struct kube_events *events;
    struct hub_collection kinds[API_KIND_COUNT];
    /* An object came, changed or went. */
    void (*changed)(void *arg, enum api_kind kind, const char *key);
    void (*written)(void *arg);
    /* Raised when an object came, went, or changed in more than its status: what other objects' reconcilers look at. */
    uint64_t spec_rev;
    void *arg;
    bool closing;
};

/* Starts to watch the five kinds in ns (NULL: everywhere). The client stays the caller's. */
void hub_start(struct hub *h, struct kube_client *client, const struct clock *clock,
               const char *ns);
void hub_stop(struct hub *h);
bool hub_synced(const struct hub *h);
/* Borrowed; NULL when absent. */
struct hub_object *hub_find(const struct hub *h, enum api_kind kind, const char *key);

bool hub_in_namespace(const struct hub_object *o, const char *ns);
/* Whether a resource (its object) is being deleted. */
bool hub_is_going(const json_t *obj);
/* By creationTimestamp, then by name: which of two that claim the same thing, in one namespace, has it. */
bool hub_is_older(const struct hub_object *a, const struct hub_object *b);
/* Whether a Mesh names this MemberCluster or selects it by its labels. member NULL: there is none of that name. */
bool hub_mesh_lists(const json_t *mesh, const char *name, const struct hub_object *member);

/* True while the last write of ours is not yet in the view: decide later. */
bool hub_busy(const struct hub_object *o);

/* Writes the status (server-side apply) when it differs from the one in the view, and Events for the transitions of its
 * conditions. status is borrowed. */
void hub_set_status(struct hub_object *o, const json_t *status);

/* The status in the view is of this generation; and says Ready=True. */
bool hub_has_report(const struct hub_object *o);
bool hub_was_ready(const struct hub_object *o);

/* The status of an object that is being deleted: Ready=False and Reconciling, reason Deleting. what: "what the mesh
 * made"; out_of_reach: a cluster that may hold some of it can't be reached. */
void hub_say_leaving(struct hub_object *o, const char *what, bool out_of_reach);

bool hub_has_finalizer(const struct hub_object *o);
/* Adds or removes our finalizer, guarded by the resourceVersion. */
void hub_set_finalizer(struct hub_object *o, bool present);

void hub_event(struct hub_object *o, bool warning, const char *reason, const char *message);

#endif
