/* SPDX-License-Identifier: Apache-2.0 */
/* All writes to a member cluster, a bounded number at a time, and none but a probe while it fails them
 * (runtime/breaker.h). One write per object at a time; a written object stays busy
 * until our own watch has shown the write (or 10 s have passed), so no decision is ever made on
 * a view older than our own last write. */
#ifndef RUNTIME_APPLIER_H
#define RUNTIME_APPLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/cluster.h"

enum {
    /* Per cluster. A write costs an API server about 2.5 ms of CPU and takes it 5 to 10 ms with etcd: eight keep two
     * to four cores busy, which is what a small control plane has; more would only wait there, in front of others. */
    APPLIER_IN_FLIGHT_MAX = 8,
    /* Of all clusters together: then each keeps one, so that those that hang hold up nobody. What is in flight is in
     * memory, and waits in the servers' lines: a thousand clusters with eight each took 300 MB and ten seconds. */
    APPLIER_TOGETHER_MAX = 256,
    APPLIER_SEEN_MS = 10000,    /* wait for our watch at most so long */
    APPLIER_RUNNING_MS = 60000, /* a write without an answer counts as failed */
    APPLIER_FIGHT_MS = 30000,   /* applied again within this time ... */
    APPLIER_FIGHT_TIMES =
        4, /* ... so many times in a row for the same intent: somebody contests the object, back off */
    APPLIER_BACKOFF_MIN_MS = 500,
    APPLIER_BACKOFF_MAX_MS = 60000,
    APPLIER_TAKEN_MS = 300000, /* how long somebody else's object is taken to be there still */
    APPLIER_FREE_MS = 10000,   /* and a place to be free */
};

enum op_state {
    OP_IDLE,    /* nothing on its way */
    OP_RUNNING, /* sent, or being prepared */
    OP_UNSEEN,  /* answered, our watch has not shown it yet */
    OP_BACKOFF, /* failed or contested: wait until until_ms */
};

enum op_verb { OP_APPLY, OP_DELETE, OP_RELEASE };

/* Whose the place of an object is that would leave it to somebody else's (plan_object.yields). */
enum op_place { OP_PLACE_UNKNOWN, OP_PLACE_FREE, OP_PLACE_TAKEN };

struct op {
    struct cluster *cluster;
    const struct gvr *gvr;
    char *ns, *name;
    enum op_verb verb;
    enum op_state state;
    int64_t until_ms;
    char rv[32];          /* OP_UNSEEN after apply: of the answer */
    int failures, streak; /* in a row */
    int64_t applied_ms;   /* last success */
    bool contested;
    bool probe; /* the one write that is let through while others are stopped */
    char
        owner[64]; /* UID of the Mesh for which it is applied; set, as ours, by who begins the op */
    char applied[RECORD_INTENT_MAX]; /* the intent of the last success */
    char intent[RECORD_INTENT_MAX];  /* what it applies; "" for deletions */
    bool ours;
    bool
        known_ours; /* seen after a conflict: ours, though its labels were edited out of our view */
    char failed_rv
        [32]; /* resourceVersion of the object when the write failed: another is worth another try */
    enum op_place place;
    int64_t place_ms; /* when that was found out */
    struct err err;   /* of the last failure; class ERR_NONE when none */
    struct kube_call *call;
    json_t *sweep; /* array of paths still to be deleted before the object itself */
    char *uid;     /* for after the sweep */
    UT_hash_handle hh;
    char key[]; /* "Kind.group/namespace/name" */
};

/* The state now, looking at the records and, when given, at the intent: a wait after a failure ends when there is
 * something else to apply. OP_IDLE when there is no op. */
enum op_state applier_state(struct cluster *c, const struct gvr *gvr, const char *ns,
                            const char *name, const char *intent);
/* Whether one more write may begin. */
bool applier_has_room(const struct cluster *c);

/* Marks the object busy (OP_RUNNING) and returns its op, for writes whose content takes time to make. */
struct op *applier_begin(struct cluster *c, const struct gvr *gvr, const char *ns,
                         const char *name);
/* The op of a key while it is still running, or NULL: for callbacks that come late. */
struct op *applier_running(struct cluster *c, const char *op_key);
/* Whether somebody else's object, which none of our watches shows, has the place. Asks, when it is not known or was
 * found out long ago, and says what was true before, while that takes. owner: UID of the Mesh. */
enum op_place applier_place(struct cluster *c, const struct gvr *gvr, const char *ns,
                            const char *name, const char *owner);
/* Whether anything is on its way, or waits; not so where places are taken, which stays so. */
bool applier_busy(const struct cluster *c);
/* Sends the server-side apply of an op: forced where the live object is ours (op->ours), else
 * without force, so that no field is taken from anybody. */
void applier_send(struct op *op, const char *body, size_t len, bool secret);
/* It can't be sent: the reason lies on our side, or in another cluster. */
void applier_fail(struct op *op, const struct err *err);

/* Takes away what no plan holds any more, each kind in its way: one of those below. A Service for a DNS entry that got
 * a selector, and a Namespace that was there before, are the user's: they are let go. */
void applier_remove(struct cluster *c, const struct gvr *gvr, const struct kube_view *live);
/* Deletes with the UID as precondition. */
void applier_delete(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name,
                    const char *uid);
/* The same, with its resourceVersion too: what somebody changes in the meantime stays. */
void applier_delete_unchanged(struct cluster *c, const struct gvr *gvr,
                              const struct kube_view *live);
/* Lets go of an object without deleting it: our labels, annotations and managedFields entry go,
 * every value stays. */
void applier_release(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name);
/* Deletes a CustomResourceDefinition when no resource of it is left in the cluster, releases it otherwise. */
void applier_delete_crd(struct cluster *c, const struct gvr *gvr, const char *name);

/* Deletes istio-system, after the ConfigMaps that istiod spread over all namespaces (istio-ca-
 * root-cert, istio-ca-crl). */
void applier_delete_istio_namespace(struct cluster *c, const struct gvr *gvr, const char *name,
                                    const char *uid);

/* Deletes a namespace that was made for DNS entries when nobody put anything into it, releases it otherwise: its kinds
 * are asked for one by one. */
void applier_delete_entry_namespace(struct cluster *c, const struct gvr *gvr, const char *name,
                                    const char *uid);

/* The object is as wanted: what failed before is forgotten, and after a while the op too. */
void applier_well(struct cluster *c, const struct gvr *gvr, const char *ns, const char *name);

/* The op to tell the user about: the failed or contested one that failed most, of those for the owner of this UID, or
 * for nobody in particular; NULL when all is well. */
const struct op *applier_worst(const struct cluster *c, const char *owner);
/* When the next op leaves OP_BACKOFF or OP_UNSEEN, in ms from now; -1 when none. */
int64_t applier_next_ms(const struct cluster *c);
/* Cancels what is on its way and forgets all. */
void applier_cancel(struct cluster *c);

#endif
