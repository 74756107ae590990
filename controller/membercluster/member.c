/* SPDX-License-Identifier: Apache-2.0 */
#include "membercluster/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "clusterset/clusterset.h"
#include "membercluster/credentials.h"
#include "membercluster/status.h"
#include "json/jx.h"

enum { POLL_MS = 10000, BUSY_MS = 500 };

/* --- state per member --- */

static void on_cluster_changed(void *arg, struct cluster *c)
{
    struct manager *m = arg;
    struct member *mb;
    manager_cluster_changed(m, c);
    HASH_FIND_STR(m->members, c->key, mb);
    uint64_t seen = member_status_seen(c);
    if (!mb || mb->leaving || mb->seen != seen)
        manager_enqueue(m, API_KIND_MEMBER_CLUSTER, c->key, MANAGER_CHANGE_MS);
    bool known = cluster_known(c);
    if (mb && known && !mb->known)
        manager_cluster_known(m, c);
    if (mb) {
        mb->known = known;
        mb->seen = seen;
    }
}

static struct member *member_get(struct manager *m, const struct hub_object *o)
{
    struct member *mb;
    HASH_FIND_STR(m->members, o->key, mb);
    if (mb)
        return mb;
    mb = xcalloc(1, sizeof *mb + strlen(o->key) + 1);
    *mb = (struct member){.manager = m};
    memcpy(mb->key, o->key, strlen(o->key) + 1);
    mb->ns = xstrdup(str_or(jx_str(o->obj, "metadata.namespace"), ""));
    mb->name = xstrdup(jx_str(o->obj, "metadata.name"));
    HASH_ADD_STR(m->members, key, mb);
    struct cluster *c = cluster_new(m->loop, m->clock, mb->ns, mb->name, on_cluster_changed, m);
    c->running = &m->writes_running;
    c->written = manager_written;
    HASH_ADD_STR(m->clusters, key, c);
    return mb;
}

static void member_forget(struct manager *m, const char *key)
{
    struct member *mb;
    struct cluster *c;
    HASH_FIND_STR(m->members, key, mb);
    HASH_FIND_STR(m->clusters, key, c);
    if (c) {
        HASH_DEL(m->clusters, c);
        cluster_free(c);
    }
    if (!mb)
        return;
    HASH_DEL(m->members, mb);
    if (mb->call)
        kube_call_cancel(mb->call);
    member_facts_done(&mb->facts);
    clusterset_forget(mb);
    free(mb->ns);
    free(mb->name);
    free(mb);
}

void member_forget_all(struct manager *m)
{
    while (m->members) {
        auto_free char *key = xstrdup(m->members->key);
        member_forget(m, key);
    }
}

/* --- deletion: the meshes take their things back, then the finalizer goes --- */

/* Objects of any Mesh that are still in the cluster. */
static size_t leftovers(const struct cluster *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            struct kube_view v;
            if (!kube_record_managed(r))
                continue;
            kube_record_view(r, &v);
            n += v.meta.owner_uid != NULL;
        }
    }
    return n;
}

static void say_left_behind(struct hub_object *o)
{
    hub_event(o, true, "LeftBehind",
              "the cluster can't be reached; what Meshwright made there was left behind. When it "
              "is back: kubectl "
              "delete all kinds with label app.kubernetes.io/managed-by=meshwright");
}

/* Out of reach: given up after the grace period; at once when another cluster answers, since no waiting brings the
 * right one back. */
static bool given_up(struct member *mb, const struct cluster *c)
{
    int64_t now = clock_ms(mb->manager->clock);
    if (!mb->leaving_ms)
        mb->leaving_ms = now;
    return c->state == CLUSTER_STRANGER ||
           now - mb->leaving_ms >= (int64_t)mb->manager->options->cleanup_grace_s * 1000;
}

static bool may_go(struct member *mb, const struct cluster *c, bool retain, struct hub_object *o)
{
    bool never_met = !c->uid && !jx_str(o->obj, "status.clusterID");
    if (retain || never_met || (cluster_ready(c) && leftovers(c) == 0 && clusterset_left(mb, o)))
        return true;
    if (cluster_ready(c)) {
        mb->leaving_ms = 0;
        return false;
    }
    if (!given_up(mb, c))
        return false;
    say_left_behind(o);
    return true;
}

static int64_t finalize(struct member *mb, struct hub_object *o,
                        const struct api_member_cluster *cr, struct arena *a)
{
    struct cluster *c = manager_cluster(mb->manager, mb->ns, mb->name);
    if (!hub_has_finalizer(o))
        return 0;
    credentials_refresh(mb, cr);
    bool retain = cr->spec.deletion_policy == API_MEMBER_CLUSTER_DELETION_POLICY_RETAIN;
    if (!retain)
        clusterset_step(mb, o, cr, a);
    if (may_go(mb, c, retain, o)) {
        hub_set_finalizer(o, false);
        return 0;
    }
    manager_enqueue_meshes(mb->manager, mb->ns, 0);
    member_set_status(mb, o, cr, c);
    return POLL_MS / 10;
}

/* --- reconcile --- */

static void report_invalid(struct hub_object *o, const struct clock *clock, const struct err *err)
{
    auto_json *status = member_status_invalid(o, clock, err);
    hub_set_status(o, status);
}

int64_t member_reconcile(struct manager *m, const char *key)
{
    struct hub_object *o = hub_find(&m->hub, API_KIND_MEMBER_CLUSTER, key);
    if (!o) {
        member_forget(m, key);
        return 0;
    }
    if (hub_busy(o))
        return BUSY_MS;
    auto_arena a = ARENA_INIT;
    struct api_member_cluster *cr;
    struct err err = {0};
    if (api_member_cluster_decode(o->obj, &a, &cr, &err) < 0) {
        report_invalid(o, m->clock, &err);
        return 0;
    }
    struct member *mb = member_get(m, o);
    mb->leaving = cr->meta.deleting;
    if (cr->meta.deleting)
        return finalize(mb, o, cr, &a);
    if (!hub_has_finalizer(o)) {
        hub_set_finalizer(o, true);
        return 0;
    }
    credentials_refresh(mb, cr);
    member_facts_refresh(mb);
    int64_t again = clusterset_step(mb, o, cr, &a);
    member_set_status(mb, o, cr, manager_cluster(m, mb->ns, mb->name));
    int64_t poll = mb->reason[0] ? POLL_MS / 2 : POLL_MS;
    return again > 0 && again < poll ? again : poll;
}
