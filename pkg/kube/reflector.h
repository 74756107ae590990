/* SPDX-License-Identifier: Apache-2.0 */
/* When to list, when to watch, from which resourceVersion, and how long to wait: the decisions of a reflector as a
 * state machine without I/O. kube/watch.c carries them out. After client-go, tools/cache/reflector.go. */
#ifndef KUBE_REFLECTOR_H
#define KUBE_REFLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    KUBE_PAGE_SIZE = 500,
    KUBE_WATCH_LEAST_S = 300, /* timeoutSeconds is drawn from [300, 600) */
    KUBE_WATCH_MOST_S = 600,
    KUBE_WATCH_GRACE_MS = 5000, /* a watch that outlives its own timeout by this is dead */
    KUBE_WATCH_SHORT_MS = 1000, /* a watch that lived less and told nothing */
    KUBE_BACKOFF_MS = 800,
    KUBE_BACKOFF_MAX_MS = 30000,
    KUBE_BACKOFF_RESET_MS = 120000,
    KUBE_RETRY_AFTER_MAX_MS = 60000, /* what a server may ask for */
    KUBE_BRIEF_MAX = 4,     /* short watches in a row before a pause, though they told something */
    KUBE_PAGES_MAX = 20000, /* of one list */
    KUBE_VERSION_MAX = 64,  /* bytes of a resourceVersion, NUL included */
};

enum kube_reflector_phase {
    KUBE_REFLECTOR_IDLE,
    KUBE_REFLECTOR_LISTING,
    KUBE_REFLECTOR_OPENING,  /* a watch is asked for */
    KUBE_REFLECTOR_WATCHING, /* and is open */
    KUBE_REFLECTOR_WAITING,
};

struct kube_reflector {
    enum kube_reflector_phase phase;
    bool watch_list;           /* may be tried */
    bool list_once;            /* but it failed: this time a list */
    bool initial;              /* the watch sends the initial events at present */
    bool unordered;            /* the watch's versions say nothing yet */
    bool synced;               /* at least once */
    bool paginated;            /* the server cut the first list: it has no watch cache */
    bool full;                 /* list without limit: the continue token expired */
    bool version_lost;         /* list the newest state: the server does not know our version */
    bool rewatch;              /* after waiting, watch; else list */
    char rv[KUBE_VERSION_MAX]; /* last seen, "" at first */
    char list_rv[KUBE_VERSION_MAX]; /* of the list that is being read */
    char *next_page;                /* continue token, owned */
    unsigned timeout_s;
    int64_t opened_ms;
    unsigned events;
    unsigned brief; /* short watches in a row */
    unsigned pages; /* of the list that is being read */
    int64_t backoff_ms, backoff_at_ms;
    uint64_t random;
    enum err_class reported;
};

/* seed: not 0. */
void kube_reflector_init(struct kube_reflector *r, bool watch_list, uint64_t seed);
void kube_reflector_done(struct kube_reflector *r);

enum kube_input_type {
    KUBE_INPUT_GO,     /* at first, and when the wait is over */
    KUBE_INPUT_WAKE,   /* wait no longer */
    KUBE_INPUT_OPENED, /* the list or watch is answered with 200 */
    KUBE_INPUT_PAGE,   /* a page of the list is complete: version, next_page */
    KUBE_INPUT_EVENT,  /* of the watch: event, version, initial_end or err */
    KUBE_INPUT_ENDED,  /* the list or watch ended: err, or NULL when the server closed the watch */
};

enum kube_event_type {
    KUBE_EVENT_ADDED,
    KUBE_EVENT_MODIFIED,
    KUBE_EVENT_DELETED,
    KUBE_EVENT_BOOKMARK,
    KUBE_EVENT_ERROR,
};

struct kube_input {
    enum kube_input_type type;
    enum kube_event_type event;
    const char *version;   /* may be NULL: unknown */
    const char *next_page; /* NULL or "": the last one */
    bool initial_end;      /* the bookmark that ends the initial events */
    const struct err *err;
};

enum kube_action {
    KUBE_ACTION_NONE,
    KUBE_ACTION_LIST,  /* ask for a list, see kube_reflector_query */
    KUBE_ACTION_WATCH, /* open a watch, likewise */
    KUBE_ACTION_WAIT,  /* wait_ms, then GO */
};

/* To be carried out in this order. */
struct kube_output {
    bool cut;            /* give the running request up */
    bool begin;          /* tell the sink: a list begins */
    bool upsert, remove; /* give it the event's object */
    bool synced;         /* tell it: the list is complete */
    bool report;         /* tell it the state: err, or NULL */
    const struct err *err;
    enum kube_action action;
    int64_t wait_ms;
};

struct kube_output kube_reflector_step(struct kube_reflector *r, const struct kube_input *in,
                                       int64_t now_ms);

/* Appends the query of the request that the last action asked for. */
void kube_reflector_query(const struct kube_reflector *r, struct buf *path);
/* How long that request may take. */
int64_t kube_reflector_timeout_ms(const struct kube_reflector *r);

#endif
