/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "kube/client_priv.h"
#include "kube/election.h"
#include "kube/retry.h"
#include "kube/timer.h"
#include "json/jx.h"

enum { REQUEST_TIMEOUT_MS = KUBE_LEASE_RENEW_DEADLINE_MS / 2, RELEASE_TIMEOUT_MS = 2000 };

static const struct gvr leases = {"coordination.k8s.io", "v1", "leases", "Lease", true};

struct kube_lease {
    struct kube_client *client;
    char *ns, *name;
    struct kube_election election;
    struct kube_timer *timer;    /* next tick */
    struct kube_timer *deadline; /* of leadership, or of the release */
    struct kube_call *call;
    bool writing;   /* the call is a write */
    bool releasing; /* told to give up */
    void (*acquired)(void *arg);
    void (*lost)(void *arg);
    void *arg;
    void (*done)(void *arg);
    void *done_arg;
};

static void lease_free(struct kube_lease *l)
{
    kube_timer_free(l->timer);
    kube_timer_free(l->deadline);
    kube_election_done(&l->election);
    free(l->ns);
    free(l->name);
    free(l);
}

static int64_t now_ms(const struct kube_lease *l)
{
    return clock_ms(l->client->clock);
}

/* A release from inside the callback frees only later, from a timer. */
static void tell(const struct kube_lease *l, void (*cb)(void *arg))
{
    if (!l->releasing)
        cb(l->arg);
}

static void follow(struct kube_lease *l, struct kube_election_step s);

static void on_answer(void *arg, const struct kube_response *r, const struct err *err)
{
    struct kube_lease *l = arg;
    l->call = NULL;
    follow(l, l->writing ? kube_election_written(&l->election, r->body, err, now_ms(l))
                         : kube_election_read(&l->election, r->body, err, now_ms(l)));
}

static void lease_send(struct kube_lease *l, const char *method, bool named, const char *body,
                       kube_call_cb *cb)
{
    auto_free char *path = gvr_path(&leases, l->ns, named ? l->name : NULL);
    struct kube_request q = {
        .method = method, .path = path, .body = body, .timeout_ms = REQUEST_TIMEOUT_MS};
    l->writing = body != NULL;
    l->call = kube_call_in(l->client, KUBE_CLASS_LEASE, &q, cb, l);
}

/* Lease times have microseconds. They inform; nobody decides by them. */
static int64_t wall_us(const struct kube_lease *l)
{
    struct timespec t = {0};
    if (l->client->clock != &clock_system || clock_gettime(CLOCK_REALTIME, &t) < 0)
        return clock_s(l->client->clock) * 1000000;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static char *body_of(const struct kube_lease *l, bool release)
{
    auto_json *body = kube_election_body(&l->election, l->ns, l->name, wall_us(l), release);
    return jx_dump(body);
}

static void act(struct kube_lease *l, struct kube_election_step s)
{
    auto_free char *body = NULL;
    switch (s.action) {
    case KUBE_ELECTION_WAIT:
        kube_timer_start(l->timer, s.wait_ms);
        return;
    case KUBE_ELECTION_READ:
        lease_send(l, "GET", true, NULL, on_answer);
        return;
    case KUBE_ELECTION_CREATE:
        body = body_of(l, false);
        lease_send(l, "POST", false, body, on_answer);
        return;
    case KUBE_ELECTION_UPDATE:
        body = body_of(l, false);
        lease_send(l, "PUT", true, body, on_answer);
        return;
    }
}

static void follow(struct kube_lease *l, struct kube_election_step s)
{
    if (s.lost)
        tell(l, l->lost);
    if (s.acquired)
        tell(l, l->acquired);
    if (l->releasing)
        return;
    if (l->election.held)
        kube_timer_start(l->deadline, kube_election_deadline(&l->election) - now_ms(l));
    else
        kube_timer_stop(l->deadline);
    act(l, s);
}

static void on_tick(void *arg)
{
    struct kube_lease *l = arg;
    follow(l, kube_election_tick(&l->election, now_ms(l)));
}

/* The release is answered, or is not waited for any longer. */
static void released(struct kube_lease *l)
{
    void (*done)(void *arg) = l->done;
    void *arg = l->done_arg;
    if (l->call)
        kube_call_cancel(l->call);
    lease_free(l);
    if (done)
        done(arg);
}

static void on_deadline(void *arg)
{
    struct kube_lease *l = arg;
    if (l->releasing)
        released(l);
    else if (kube_election_expire(&l->election, now_ms(l)))
        tell(l, l->lost);
    else if (l->election.held)
        kube_timer_start(l->deadline, kube_election_deadline(&l->election) - now_ms(l));
}

struct kube_lease *kube_lease_start(struct kube_client *c, const char *ns, const char *name,
                                    const char *identity, void (*acquired)(void *arg),
                                    void (*lost)(void *arg), void *arg)
{
    struct kube_lease *l = xcalloc(1, sizeof *l);
    l->client = c;
    l->ns = xstrdup(ns);
    l->name = xstrdup(name);
    l->acquired = acquired;
    l->lost = lost;
    l->arg = arg;
    l->timer = kube_timer_new(c->loop, on_tick, l);
    l->deadline = kube_timer_new(c->loop, on_deadline, l);
    kube_election_init(&l->election, identity, kube_random(&c->random));
    kube_timer_start(l->timer, 0);
    return l;
}

static void on_released(void *arg, const struct kube_response *r, const struct err *err)
{
    struct kube_lease *l = arg;
    (void)r;
    (void)err;
    l->call = NULL;
    released(l);
}

void kube_lease_release(struct kube_lease *l, void (*done)(void *arg), void *arg)
{
    l->releasing = true;
    l->done = done;
    l->done_arg = arg;
    if (l->call)
        kube_call_cancel(l->call);
    l->call = NULL;
    kube_timer_stop(l->timer);
    bool give = l->election.held && l->election.seen;
    if (give) {
        auto_free char *body = body_of(l, true);
        lease_send(l, "PUT", true, body, on_released);
    }
    kube_timer_start(l->deadline, give ? RELEASE_TIMEOUT_MS : 0);
}
