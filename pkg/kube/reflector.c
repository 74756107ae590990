/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/query.h"
#include "kube/retry.h"

enum { LIST_TIMEOUT_MS = 60000 };

void kube_reflector_init(struct kube_reflector *r, bool watch_list, uint64_t seed)
{
    *r = (struct kube_reflector){
        .watch_list = watch_list,
        .random = seed,
        .backoff_ms = KUBE_BACKOFF_MS,
    };
}

static void forget_page(struct kube_reflector *r)
{
    free(r->next_page);
    r->next_page = NULL;
}

void kube_reflector_done(struct kube_reflector *r)
{
    forget_page(r);
}

static bool set_version(char to[KUBE_VERSION_MAX], const char *rv)
{
    if (!rv || !*rv || strlen(rv) >= KUBE_VERSION_MAX)
        return false;
    snprintf(to, KUBE_VERSION_MAX, "%s", rv);
    return true;
}

/* Both are numbers (KEP-5504), and a is the smaller one. */
static bool is_older(const char *a, const char *b)
{
    int64_t x, y;
    return str_to_i64(a, 0, INT64_MAX, &x) == 0 && str_to_i64(b, 0, INT64_MAX, &y) == 0 && x < y;
}

static void report(struct kube_reflector *r, const struct err *err, struct kube_output *out)
{
    enum err_class class = err ? err->class : ERR_NONE;
    if (class == r->reported)
        return;
    r->reported = class;
    out->report = true;
    out->err = err;
}

static void start_watch(struct kube_reflector *r, bool initial, struct kube_output *out)
{
    unsigned span = KUBE_WATCH_MOST_S - KUBE_WATCH_LEAST_S;
    r->phase = KUBE_REFLECTOR_OPENING;
    r->initial = initial;
    r->unordered = !*r->rv || str_eq(r->rv, "0");
    r->timeout_s = KUBE_WATCH_LEAST_S + (unsigned)(kube_random(&r->random) % span);
    out->action = KUBE_ACTION_WATCH;
}

static void start_list(struct kube_reflector *r, struct kube_output *out)
{
    if (r->watch_list && !r->list_once) {
        start_watch(r, true, out);
        return;
    }
    r->phase = KUBE_REFLECTOR_LISTING;
    out->action = KUBE_ACTION_LIST;
}

/* 0.8 s doubled up to 30 s, each time plus up to as much again: clients that lost the same server come back spread. */
static void start_wait(struct kube_reflector *r, bool rewatch, const struct err *err, int64_t now,
                       struct kube_output *out)
{
    if (now - r->backoff_at_ms > KUBE_BACKOFF_RESET_MS)
        r->backoff_ms = KUBE_BACKOFF_MS;
    r->backoff_at_ms = now;
    out->wait_ms = r->backoff_ms + (int64_t)(kube_random(&r->random) % (uint64_t)r->backoff_ms);
    r->backoff_ms *= 2;
    if (r->backoff_ms > KUBE_BACKOFF_MAX_MS)
        r->backoff_ms = KUBE_BACKOFF_MAX_MS;
    if (err && (int64_t)err->retry_after_ms > out->wait_ms)
        out->wait_ms = err->retry_after_ms;
    if (out->wait_ms > KUBE_RETRY_AFTER_MAX_MS)
        out->wait_ms = KUBE_RETRY_AFTER_MAX_MS;
    r->phase = KUBE_REFLECTOR_WAITING;
    r->rewatch = rewatch;
    forget_page(r);
    out->action = KUBE_ACTION_WAIT;
}

static void go(struct kube_reflector *r, struct kube_output *out)
{
    if (r->phase != KUBE_REFLECTOR_IDLE && r->phase != KUBE_REFLECTOR_WAITING)
        return;
    if (r->rewatch)
        start_watch(r, false, out);
    else
        start_list(r, out);
}

static void wake(struct kube_reflector *r, struct kube_output *out)
{
    if (r->phase != KUBE_REFLECTOR_WAITING)
        return;
    r->backoff_ms = KUBE_BACKOFF_MS;
    go(r, out);
}

static void opened(struct kube_reflector *r, int64_t now, struct kube_output *out)
{
    if (r->phase == KUBE_REFLECTOR_LISTING) {
        out->begin = !r->next_page;
        return;
    }
    r->phase = KUBE_REFLECTOR_WATCHING;
    r->opened_ms = now;
    r->events = 0;
    out->begin = r->initial;
    report(r, NULL, out);
}

static void complete(struct kube_reflector *r, struct kube_output *out)
{
    r->full = r->version_lost = r->list_once = false;
    r->synced = out->synced = true;
    report(r, NULL, out);
}

/* All pages of a list show the state of one version: that of the first. */
static void page(struct kube_reflector *r, const struct kube_input *in, int64_t now,
                 struct kube_output *out)
{
    static const struct err nameless = {.class = ERR_BUG, .msg = "a list has no resourceVersion"};
    static const struct err endless = {.class = ERR_INVALID, .msg = "a list has too many pages"};
    bool more = *str_or(in->next_page, "") != '\0', named = true;
    if (!r->next_page) {
        r->pages = 0;
        named = set_version(r->list_rv, in->version);
    }
    if (!named || (more && ++r->pages >= KUBE_PAGES_MAX)) {
        report(r, named ? &endless : &nameless, out);
        start_wait(r, false, NULL, now, out);
        return;
    }
    if (more && !*r->rv && !r->version_lost)
        r->paginated = true;
    forget_page(r);
    if (more) {
        r->next_page = xstrdup(in->next_page);
        out->action = KUBE_ACTION_LIST;
        return;
    }
    set_version(r->rv, r->list_rv);
    complete(r, out);
    start_watch(r, false, out);
}

static void list_failed(struct kube_reflector *r, const struct err *err, int64_t now,
                        struct kube_output *out)
{
    bool expired = err->class == ERR_EXPIRED;
    if (expired && r->next_page) {
        r->full = true;
        forget_page(r);
        start_list(r, out);
    } else if (expired && !r->version_lost) {
        r->version_lost = true;
        start_list(r, out);
    } else {
        report(r, err, out);
        start_wait(r, false, err, now, out);
    }
}

/* The server can't be reached, or has no time: nothing is known of the request. */
static bool is_away(const struct err *err)
{
    return err && (err->class == ERR_THROTTLED || (err->class == ERR_TRANSIENT && !err->code));
}

/* Objects that the server keeps sending before its own end-of-list mark, or that it never marks. */
static void initial_failed(struct kube_reflector *r, const struct err *err, int64_t now,
                           struct kube_output *out)
{
    bool was_open = r->phase == KUBE_REFLECTOR_WATCHING;
    if (err && err->class == ERR_EXPIRED) {
        r->version_lost = true;
        start_wait(r, false, err, now, out);
    } else if ((err && err->class == ERR_INVALID) || (was_open && !err)) {
        r->watch_list = false;
        if (out->cut) /* inside the stream's own data: not the place to start another */
            start_wait(r, false, err, now, out);
        else
            start_list(r, out);
    } else {
        if (err)
            report(r, err, out);
        r->list_once = was_open || !is_away(err);
        start_wait(r, false, err, now, out);
    }
}

static void not_opened(struct kube_reflector *r, const struct err *err, int64_t now,
                       struct kube_output *out)
{
    if (err && err->class != ERR_EXPIRED)
        report(r, err, out);
    start_wait(r, is_away(err), err, now, out);
}

static void watch_ended(struct kube_reflector *r, const struct err *err, int64_t now,
                        struct kube_output *out)
{
    bool brief = now - r->opened_ms < KUBE_WATCH_SHORT_MS;
    r->brief = brief ? r->brief + 1 : 0;
    if (brief && !r->events)
        start_wait(r, false, NULL, now, out);
    else if (brief && (err || r->brief > KUBE_BRIEF_MAX))
        start_wait(r, true, NULL, now, out);
    else
        start_watch(r, false, out);
}

static void ended(struct kube_reflector *r, const struct err *err, int64_t now,
                  struct kube_output *out)
{
    static const struct err cut = {.class = ERR_TRANSIENT, .msg = "the list ended early"};
    if (r->phase == KUBE_REFLECTOR_LISTING)
        list_failed(r, err ? err : &cut, now, out);
    else if (r->initial && r->phase != KUBE_REFLECTOR_WAITING)
        initial_failed(r, err, now, out);
    else if (r->phase == KUBE_REFLECTOR_OPENING)
        not_opened(r, err, now, out);
    else if (r->phase == KUBE_REFLECTOR_WATCHING)
        watch_ended(r, err, now, out);
}

static void error_event(struct kube_reflector *r, const struct err *err, int64_t now,
                        struct kube_output *out)
{
    out->cut = true;
    if (r->initial) {
        initial_failed(r, err, now, out);
        return;
    }
    if (err->class != ERR_EXPIRED)
        report(r, err, out);
    start_wait(r, err->class == ERR_THROTTLED, err, now, out);
}

static void event(struct kube_reflector *r, const struct kube_input *in, int64_t now,
                  struct kube_output *out)
{
    if (r->phase != KUBE_REFLECTOR_WATCHING)
        return;
    if (in->event == KUBE_EVENT_ERROR) {
        error_event(r, in->err, now, out);
        return;
    }
    r->events++;
    out->upsert = in->event == KUBE_EVENT_ADDED || in->event == KUBE_EVENT_MODIFIED;
    out->remove = in->event == KUBE_EVENT_DELETED;
    if (r->initial) {
        /* Until its end mark, the stream's versions are those of single objects, in no order. */
        if (in->event != KUBE_EVENT_BOOKMARK || !in->initial_end)
            return;
        r->initial = r->unordered = false;
        complete(r, out);
        set_version(r->rv, in->version);
        return;
    }
    /* A watch from nowhere begins with what there is, likewise. */
    r->unordered = r->unordered && in->event == KUBE_EVENT_ADDED;
    if (!r->unordered && in->version && !is_older(in->version, r->rv))
        set_version(r->rv, in->version);
}

struct kube_output kube_reflector_step(struct kube_reflector *r, const struct kube_input *in,
                                       int64_t now)
{
    struct kube_output out = {0};
    switch (in->type) {
    case KUBE_INPUT_GO:
        go(r, &out);
        break;
    case KUBE_INPUT_WAKE:
        wake(r, &out);
        break;
    case KUBE_INPUT_OPENED:
        opened(r, now, &out);
        break;
    case KUBE_INPUT_PAGE:
        page(r, in, now, &out);
        break;
    case KUBE_INPUT_EVENT:
        event(r, in, now, &out);
        break;
    case KUBE_INPUT_ENDED:
        ended(r, in->err, now, &out);
        break;
    }
    return out;
}

static void list_query(const struct kube_reflector *r, struct buf *path)
{
    const char *rv = r->version_lost ? "" : *r->rv ? r->rv : "0";
    bool versioned = *rv && !str_eq(rv, "0");
    char limit[16];
    snprintf(limit, sizeof limit, "%d", KUBE_PAGE_SIZE);
    /* With a limit a version means exactly this one; without it, at least this one. */
    if (!r->full && (r->next_page || !versioned || r->paginated))
        kube_query_add(path, "limit", limit);
    if (r->next_page)
        kube_query_add(path, "continue", r->next_page);
    else if (*rv)
        kube_query_add(path, "resourceVersion", rv);
}

static void watch_query(const struct kube_reflector *r, struct buf *path)
{
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%u", r->timeout_s);
    kube_query_add(path, "watch", "true");
    kube_query_add(path, "allowWatchBookmarks", "true");
    kube_query_add(path, "timeoutSeconds", timeout);
    if (r->initial) {
        kube_query_add(path, "sendInitialEvents", "true");
        kube_query_add(path, "resourceVersionMatch", "NotOlderThan");
    }
    if (!r->initial || (*r->rv && !r->version_lost))
        kube_query_add(path, "resourceVersion", r->rv);
}

void kube_reflector_query(const struct kube_reflector *r, struct buf *path)
{
    if (r->phase == KUBE_REFLECTOR_LISTING)
        list_query(r, path);
    else
        watch_query(r, path);
}

int64_t kube_reflector_timeout_ms(const struct kube_reflector *r)
{
    if (r->phase == KUBE_REFLECTOR_LISTING)
        return LIST_TIMEOUT_MS;
    return (int64_t)r->timeout_s * 1000 + KUBE_WATCH_GRACE_MS;
}
