/* SPDX-License-Identifier: Apache-2.0 */
/* Which events are sent, counted on, or dropped: pure decisions, bounded memory. After client-go's tools/record. */
#ifndef KUBE_SPAM_H
#define KUBE_SPAM_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "kube/events.h"

enum {
    KUBE_EVENT_SAME_MS = 600000, /* the same event within this is counted */
    KUBE_EVENT_BURST = 25,       /* per object */
    KUBE_EVENT_REFILL_MS = 300000,
    KUBE_EVENT_MEMORY = 1024, /* events remembered, and objects */
    KUBE_EVENT_MESSAGE_MAX = 1024,
};

/* An event object of ours in the API server. */
struct kube_sent {
    char *key;
    char *ns, *name; /* of the Event */
    int count;
    int64_t last_ms;   /* monotonic: of the last time it happened */
    char first[32];    /* firstTimestamp */
    UT_hash_handle hh; /* in the order of last use */
};

/* Tokens of one object. */
struct kube_bucket {
    char *key;
    int tokens;
    int64_t filled_ms;
    UT_hash_handle hh;
};

struct kube_spam {
    struct kube_sent *sent;
    struct kube_bucket *buckets;
};
void kube_spam_done(struct kube_spam *s);

enum kube_spam_verdict { KUBE_SPAM_CREATE, KUBE_SPAM_COUNT, KUBE_SPAM_DROP };

/* ret: the event's memory (not for DROP), valid until the next call: with its new count; for CREATE the names are still
 * NULL and to be filled in. */
enum kube_spam_verdict kube_spam_judge(struct kube_spam *s, const struct kube_event *ev,
                                       int64_t now_ms, struct kube_sent **ret);
/* The event of that key is not in the API server after all. */
void kube_spam_forget(struct kube_spam *s, const char *key);
/* Owned key of an event. */
char *kube_spam_key(const struct kube_event *ev);

#endif
