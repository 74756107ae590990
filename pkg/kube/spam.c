/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/spam.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void sent_free(struct kube_spam *s, struct kube_sent *e)
{
    HASH_DEL(s->sent, e);
    free(e->key);
    free(e->ns);
    free(e->name);
    free(e);
}

static void bucket_free(struct kube_spam *s, struct kube_bucket *b)
{
    HASH_DEL(s->buckets, b);
    free(b->key);
    free(b);
}

void kube_spam_done(struct kube_spam *s)
{
    while (s->sent)
        sent_free(s, s->sent);
    while (s->buckets)
        bucket_free(s, s->buckets);
}

static char *object_key(const struct kube_event *ev)
{
    return xasprintf("%s\n%s\n%s\n%s", str_or(ev->kind, ""), str_or(ev->ns, ""),
                     str_or(ev->name, ""), str_or(ev->uid, ""));
}

char *kube_spam_key(const struct kube_event *ev)
{
    auto_free char *object = object_key(ev);
    return xasprintf("%s\n%d\n%s\n%.*s", object, ev->warning, str_or(ev->reason, ""),
                     KUBE_EVENT_MESSAGE_MAX, str_or(ev->message, ""));
}

static void refill(struct kube_bucket *b, int64_t now)
{
    int64_t earned = (now - b->filled_ms) / KUBE_EVENT_REFILL_MS;
    if (earned <= 0)
        return;
    b->filled_ms += earned * KUBE_EVENT_REFILL_MS;
    b->tokens = earned > KUBE_EVENT_BURST - b->tokens ? KUBE_EVENT_BURST : b->tokens + (int)earned;
}

/* uthash keeps the order of insertion: what is used is put in anew, so the first is the one unused for longest. */
static bool take_token(struct kube_spam *s, const struct kube_event *ev, int64_t now)
{
    auto_free char *key = object_key(ev);
    struct kube_bucket *b;
    HASH_FIND_STR(s->buckets, key, b);
    if (b) {
        HASH_DEL(s->buckets, b);
    } else {
        if (HASH_COUNT(s->buckets) >= KUBE_EVENT_MEMORY)
            bucket_free(s, s->buckets);
        b = xcalloc(1, sizeof *b);
        b->key = xstrdup(key);
        b->tokens = KUBE_EVENT_BURST;
        b->filled_ms = now;
    }
    HASH_ADD_KEYPTR(hh, s->buckets, b->key, strlen(b->key), b);
    refill(b, now);
    if (!b->tokens)
        return false;
    b->tokens--;
    return true;
}

static struct kube_sent *remember(struct kube_spam *s, const char *key)
{
    if (HASH_COUNT(s->sent) >= KUBE_EVENT_MEMORY)
        sent_free(s, s->sent);
    struct kube_sent *e = xcalloc(1, sizeof *e);
    e->key = xstrdup(key);
    HASH_ADD_KEYPTR(hh, s->sent, e->key, strlen(e->key), e);
    return e;
}

enum kube_spam_verdict kube_spam_judge(struct kube_spam *s, const struct kube_event *ev,
                                       int64_t now, struct kube_sent **ret)
{
    if (!take_token(s, ev, now))
        return KUBE_SPAM_DROP;
    auto_free char *key = kube_spam_key(ev);
    struct kube_sent *e;
    HASH_FIND_STR(s->sent, key, e);
    if (e && now - e->last_ms > KUBE_EVENT_SAME_MS) {
        sent_free(s, e);
        e = NULL;
    }
    bool known = e != NULL;
    if (known) {
        HASH_DEL(s->sent, e);
        HASH_ADD_KEYPTR(hh, s->sent, e->key, strlen(e->key), e);
    } else {
        e = remember(s, key);
    }
    e->count++;
    e->last_ms = now;
    *ret = e;
    return known ? KUBE_SPAM_COUNT : KUBE_SPAM_CREATE;
}

void kube_spam_forget(struct kube_spam *s, const char *key)
{
    struct kube_sent *e;
    HASH_FIND_STR(s->sent, key, e);
    if (e)
        sent_free(s, e);
}
