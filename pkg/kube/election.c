/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/election.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "kube/retry.h"
#include "json/jx.h"

void kube_election_init(struct kube_election *e, const char *identity, uint64_t seed)
{
    *e = (struct kube_election){.random = seed};
    snprintf(e->identity, sizeof e->identity, "%s", identity);
}

void kube_election_done(struct kube_election *e)
{
    json_decref(e->seen);
    e->seen = NULL;
}

static const char *version(const json_t *lease)
{
    return jx_str(lease, "metadata.resourceVersion");
}

static const char *holder(const json_t *lease)
{
    return str_or(jx_str(lease, "spec.holderIdentity"), "");
}

static void observe(struct kube_election *e, const json_t *lease, int64_t now)
{
    if (!e->seen || !str_eq(version(e->seen), version(lease)))
        e->changed_ms = now;
    json_decref(e->seen);
    e->seen = json_deep_copy(lease);
    e->absent = false;
}

static void forget(struct kube_election *e, bool absent)
{
    json_decref(e->seen);
    e->seen = NULL;
    e->absent = absent;
}

static bool is_ours(const struct kube_election *e)
{
    return e->seen && str_eq(holder(e->seen), e->identity);
}

/* By our own clock since the last change we saw: the clocks of candidates need not agree. */
static bool is_free(const struct kube_election *e, int64_t now)
{
    int64_t duration = jx_int(e->seen, "spec.leaseDurationSeconds", KUBE_LEASE_DURATION_S);
    if (duration < 0 || duration > 3600)
        duration = KUBE_LEASE_DURATION_S;
    return !*holder(e->seen) || now - e->changed_ms >= duration * 1000;
}

static struct kube_election_step wait_more(struct kube_election *e)
{
    int64_t jitter = KUBE_LEASE_RETRY_MS * 12 / 10;
    struct kube_election_step s = {.action = KUBE_ELECTION_WAIT, .wait_ms = KUBE_LEASE_RETRY_MS};
    if (!e->held)
        s.wait_ms += (int64_t)(kube_random(&e->random) % (uint64_t)jitter);
    return s;
}

static struct kube_election_step write_now(struct kube_election *e, int64_t now)
{
    e->written_ms = now;
    return (struct kube_election_step){.action =
                                           e->absent ? KUBE_ELECTION_CREATE : KUBE_ELECTION_UPDATE};
}

bool kube_election_expire(struct kube_election *e, int64_t now)
{
    if (!e->held || now < kube_election_deadline(e))
        return false;
    e->held = false;
    return true;
}

int64_t kube_election_deadline(const struct kube_election *e)
{
    return e->renewed_ms + KUBE_LEASE_RENEW_DEADLINE_MS;
}

struct kube_election_step kube_election_tick(struct kube_election *e, int64_t now)
{
    bool lost = kube_election_expire(e, now);
    struct kube_election_step s = e->held && is_ours(e)
                                      ? write_now(e, now)
                                      : (struct kube_election_step){.action = KUBE_ELECTION_READ};
    s.lost = lost;
    return s;
}

static struct kube_election_step failed(struct kube_election *e, int64_t now)
{
    bool lost = kube_election_expire(e, now);
    struct kube_election_step s = wait_more(e);
    s.lost = lost;
    return s;
}

struct kube_election_step kube_election_read(struct kube_election *e, const json_t *lease,
                                             const struct err *err, int64_t now)
{
    if (err && err->class == ERR_NOT_FOUND) {
        forget(e, true);
        return write_now(e, now);
    }
    if (err || !lease)
        return failed(e, now);
    observe(e, lease, now);
    if (is_ours(e) || is_free(e, now))
        return write_now(e, now);
    /* Somebody else has it. Had we led, we do so no more. */
    bool lost = e->held;
    e->held = false;
    struct kube_election_step s = wait_more(e);
    s.lost = lost;
    return s;
}

struct kube_election_step kube_election_written(struct kube_election *e, const json_t *lease,
                                                const struct err *err, int64_t now)
{
    if (err || !lease) {
        /* Read before the next try: after a conflict, and because a write without an answer may have been done. */
        forget(e, false);
        return failed(e, now);
    }
    observe(e, lease, now);
    if (kube_election_expire(e, now)) { /* the answer came too late to count on it */
        struct kube_election_step late = wait_more(e);
        late.lost = true;
        return late;
    }
    bool acquired = !e->held;
    e->held = true;
    e->renewed_ms = e->written_ms;
    struct kube_election_step s = wait_more(e);
    s.acquired = acquired;
    return s;
}

static void micro_time(int64_t wall_us, char out[CLOCK_RFC3339_MAX + 8])
{
    char seconds[CLOCK_RFC3339_MAX];
    clock_format(wall_us / 1000000, seconds);
    snprintf(out, CLOCK_RFC3339_MAX + 8, "%.*s.%06dZ", (int)strcspn(seconds, "Z"), seconds,
             (int)(wall_us % 1000000));
}

json_t *kube_election_body(const struct kube_election *e, const char *ns, const char *name,
                           int64_t wall_us, bool release)
{
    char now[CLOCK_RFC3339_MAX + 8];
    micro_time(wall_us, now);
    const char *acquired = is_ours(e) ? jx_str(e->seen, "spec.acquireTime") : NULL;
    int64_t transitions = jx_int(e->seen, "spec.leaseTransitions", 0);
    if (e->seen && !is_ours(e))
        transitions++;
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s, s:s, s:I}}", "apiVersion",
                  "coordination.k8s.io/v1", "kind", "Lease", "metadata", "name", name, "namespace",
                  ns, "spec", "holderIdentity", release ? "" : e->identity, "leaseDurationSeconds",
                  release ? 1 : KUBE_LEASE_DURATION_S, "acquireTime", acquired ? acquired : now,
                  "renewTime", now, "leaseTransitions", (json_int_t)transitions);
    if (e->seen)
        jx_set_str(body, "metadata.resourceVersion", version(e->seen));
    return body;
}
