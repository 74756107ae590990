/* SPDX-License-Identifier: Apache-2.0 */
/* From what a pass found to status: conditions per member and for the whole, and the strings of the printer columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/gateways.h"
#include "mesh/mesh.h"
#include "mesh/revoked.h"
#include "runtime/applier.h"
#include "runtime/conditions.h"
#include "runtime/outcome.h"
#include "json/jx.h"

enum { SETTLE_POLL_MS = 1000, MOMENT_MS = 2000 };

struct verdict {
    enum cond_status status;
    const char *reason, *message;
};

enum { V_REFS, V_CONTROL_PLANE, V_TRUST, V_GATEWAYS, V_ENDPOINTS, V_COUNT };

static const char *const types[V_COUNT] = {"ResolvedRefs", "ControlPlaneReady", "TrustDistributed",
                                           "GatewaysReady", "EndpointsDiscovered"};
/* In members: whether the cluster itself can be worked on, then the same concerns. */
static const char *const member_types[V_COUNT] = {
    "Reachable", "ControlPlaneReady", "TrustDistributed", "GatewaysReady", "EndpointsDiscovered"};

static struct verdict yes(const char *reason, const char *message)
{
    return (struct verdict){COND_TRUE, reason, message};
}

static struct verdict no(const char *reason, const char *message)
{
    return (struct verdict){COND_FALSE, reason, message};
}

static struct verdict unknown(const char *reason, const char *message)
{
    return (struct verdict){COND_UNKNOWN, reason, message};
}

/* --- members --- */

static struct verdict member_reachable(const struct mesh_pass *p, const struct mesh_member *mm)
{
    if (mm->blocked_reason)
        return no(mm->blocked_reason, mm->blocked_message);
    if (!mm->cluster || !cluster_ready(mm->cluster))
        return no(
            "ClusterUnreachable",
            arena_printf(p->arena,
                         "cluster %s: not connected, its work is deferred; next: kubectl describe "
                         "membercluster %s -n %s",
                         mm->name, mm->name, p->mesh->ns));
    return yes("Answering", "the API server answers");
}

/* Without the server's own words: they name another object each time, and a status that changes with each try never
 * rests. */
static struct verdict paused(const struct mesh_pass *p, const struct mesh_member *mm)
{
    int code = mm->cluster->breaker.code;
    const char *why =
        code ? arena_printf(p->arena, "HTTP %d", code) : "no connection, or no answer in time";
    return no("WritesPaused",
              arena_printf(p->arena,
                           "cluster %s: its API server fails writes (%s): they are paused, and "
                           "tried one at a time; next: look at its API server and webhooks",
                           mm->name, why));
}

static struct verdict waiting(const struct mesh_pass *p, const struct mesh_member *mm)
{
    const struct mesh_member *primary = mesh_primary_of(p, mm);
    const char *of = primary ? primary->name : "";
    if (mm->waiting == MESH_WAIT_ADDRESS)
        return no("GatewayAddressPending",
                  arena_printf(p->arena,
                               "cluster %s: waiting for the address of the east-west gateway of "
                               "cluster %s; next: see the condition GatewaysReady of that cluster",
                               mm->name, of));
    if (mm->waiting == MESH_WAIT_PRIMARY)
        return no("PrimaryNotReady",
                  arena_printf(p->arena,
                               "cluster %s: waiting for istiod of cluster %s to be in sync with it",
                               mm->name, of));
    if (mm->waiting == MESH_WAIT_GATEWAY)
        return no("GatewayNotAvailable",
                  arena_printf(p->arena,
                               "cluster %s: waiting for the east-west gateway of another network "
                               "to become available; next: see the condition GatewaysReady of the "
                               "clusters there",
                               mm->name));
    return no(
        "IstiodNotReady",
        arena_printf(p->arena, "cluster %s: waiting for istiod to become available", mm->name));
}

/* What keeps a wave: a write that fails, somebody else's object, or simply work. */
static struct verdict working_on(const struct mesh_pass *p, const struct mesh_member *mm,
                                 enum plan_wave wave)
{
    const struct op *op = applier_worst(mm->cluster, p->cr->meta.uid);
    if (mm->foreign && mm->wave != PLAN_DNS)
        return no("NotOurs",
                  arena_printf(p->arena,
                               "cluster %s: %s belongs to another owner; next: remove it, or take "
                               "this cluster out of the mesh",
                               mm->name, mm->foreign));
    if (op && op->contested)
        return no("Contested",
                  arena_printf(p->arena,
                               "cluster %s: another controller keeps changing %s; next: look at "
                               "its metadata.managedFields",
                               mm->name, op->key));
    if (mm->cluster->breaker.open)
        return paused(p, mm);
    if (op && op->failures > 2)
        return no("ApplyFailed", arena_printf(p->arena, "cluster %s: %s: %s%s", mm->name, op->key,
                                              op->err.msg, outcome_next(op->err.class)));
    if (mm->waiting != MESH_WAIT_NONE)
        return waiting(p, mm);
    return no("Installing",
              arena_printf(p->arena, "cluster %s: applying %s", mm->name, plan_wave_name(wave)));
}

static struct verdict working(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return working_on(p, mm, mm->wave);
}

/* Whether its own plan can't be judged; *ret is what to say then. */
static bool not_seen(const struct mesh_pass *p, const struct mesh_member *mm, struct verdict *ret)
{
    if (mm->has_plan && cluster_ready(mm->cluster))
        return false;
    *ret = mm->installed
               ? unknown("Deferred", "the cluster can't be looked at now")
               : no("Installing", arena_printf(p->arena, "cluster %s: not begun yet", mm->name));
    return true;
}

/* An istiod that runs goes on while something of an earlier wave is mended. */
static bool waits_for_istiod(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return mm->pending && mm->wave <= PLAN_WEBHOOKS &&
           !mesh_deployment_available(mm->cluster, mesh_istiod_name(p));
}

/* A Remote's control plane is its Primary's, and the way to it. */
static struct verdict remote_control_plane(const struct mesh_pass *p, const struct mesh_member *mm)
{
    const struct mesh_member *primary = mesh_primary_of(p, mm);
    if (!primary->has_plan || !cluster_ready(primary->cluster))
        return unknown("PrimaryUnreachable",
                       arena_printf(p->arena,
                                    "cluster %s: its Primary, cluster %s, can't be looked at now; "
                                    "running traffic goes on",
                                    mm->name, primary->name));
    if (waits_for_istiod(p, primary))
        return no("PrimaryNotReady", arena_printf(p->arena,
                                                  "cluster %s: istiod of its Primary, cluster %s, "
                                                  "is not ready; next: see that cluster's row",
                                                  mm->name, primary->name));
    return yes("Available", "istiod of its Primary is available and every object is as wanted");
}

static struct verdict member_control_plane(const struct mesh_pass *p, const struct mesh_member *mm)
{
    struct verdict v;
    if (not_seen(p, mm, &v))
        return v;
    if (mm->pending && mm->wave <= PLAN_WEBHOOKS)
        return working(p, mm);
    return mm->role == ISTIO_REMOTE
               ? remote_control_plane(p, mm)
               : yes("Available", "istiod is available and every object is as wanted");
}

static bool lacks_intermediate(const struct mesh_member *mm)
{
    const struct records *all = cluster_records(mm->cluster, plan_gvr("v1", "Secret"));
    bool there = all && records_find(all, ISTIO_NAMESPACE, "cacerts");
    return mm->pending && (mm->wave == PLAN_CA || (mm->wave < PLAN_CA && !there));
}

static struct verdict member_trust(const struct mesh_pass *p, const struct mesh_member *mm)
{
    struct verdict v;
    if (not_seen(p, mm, &v))
        return v;
    if (mm->role == ISTIO_REMOTE)
        return yes("Distributed",
                   "its Primary signs for it with an intermediate of the mesh's root");
    if (lacks_intermediate(mm))
        return no("Installing",
                  arena_printf(p->arena, "cluster %s: its intermediate is being made", mm->name));
    return yes("Distributed", "the cluster signs with an intermediate of the mesh's root");
}

/* Without a reason: it needs none. */
static struct verdict member_gateways(const struct mesh_pass *p, const struct mesh_member *mm)
{
    struct verdict v;
    bool needed = mesh_gateway_needed(&mm->need);
    if (!needed && !mm->aside)
        return (struct verdict){COND_TRUE, NULL, NULL};
    if (not_seen(p, mm, &v))
        return v;
    if (mm->pending && mm->wave <= PLAN_GATEWAYS)
        return working(p, mm);
    if (mm->aside)
        return working_on(p, mm, PLAN_GATEWAYS);
    if (mm->eastwest.n_addresses == 0)
        return no("GatewayAddressPending",
                  arena_printf(p->arena,
                               "cluster %s: Service %s/%s has no address yet; next: give the "
                               "cluster a load balancer, or write a Gateway of type EastWest with "
                               "another kind of Service or with addresses",
                               mm->name, ISTIO_NAMESPACE, ISTIO_EASTWEST_NAME));
    if (!mesh_deployment_available(mm->cluster, ISTIO_EASTWEST_NAME))
        return no("GatewayNotAvailable",
                  arena_printf(p->arena,
                               "cluster %s: the east-west gateway is not available; next: kubectl "
                               "describe deployment %s -n %s",
                               mm->name, ISTIO_EASTWEST_NAME, ISTIO_NAMESPACE));
    return yes("Available", "the east-west gateway is available and has an address");
}

/* Whose istiod serves its proxies. */
static const struct mesh_member *server_of(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return mm->role == ISTIO_REMOTE ? mesh_primary_of(p, mm) : mm;
}

static struct verdict in_sync(const struct mesh_pass *p, const struct mesh_member *server,
                              const struct mesh_member *mm)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *peer = &p->members[i];
        if (peer != server && (server == mm || peer == mm) && !mesh_member_leaves(peer) &&
            !istiod_view_synced(server->view, peer->name))
            return no("RemoteSecretNotSynced",
                      arena_printf(p->arena, "cluster %s: istiod is not in sync with cluster %s",
                                   server->name, peer->name));
    }
    if (!server->view || !server->view->known)
        return unknown("Reading", "istiod was not asked yet");
    return yes("Synced", server == mm ? "every istiod replica is in sync with every other cluster"
                                      : "every istiod replica of its Primary is in sync with it");
}

static struct verdict member_endpoints(const struct mesh_pass *p, const struct mesh_member *mm)
{
    const struct mesh_member *server = server_of(p, mm);
    if (!mm->has_plan || !cluster_ready(mm->cluster) || !server->has_plan ||
        !cluster_ready(server->cluster))
        return unknown("Deferred", "the cluster can't be looked at now");
    if (waits_for_istiod(p, mm))
        return no("WaitingForControlPlane",
                  arena_printf(p->arena, "cluster %s: istiod is not ready", mm->name));
    if (mm->pending)
        return working(p, mm);
    return in_sync(p, server, mm);
}

static void judge_member(const struct mesh_pass *p, const struct mesh_member *mm,
                         struct verdict v[V_COUNT])
{
    v[V_REFS] = member_reachable(p, mm);
    v[V_CONTROL_PLANE] = member_control_plane(p, mm);
    v[V_TRUST] = member_trust(p, mm);
    v[V_GATEWAYS] = member_gateways(p, mm);
    v[V_ENDPOINTS] = member_endpoints(p, mm);
}

static const struct verdict *first_bad(const struct verdict *v, size_t n)
{
    const struct verdict *bad = NULL;
    for (size_t i = 0; i < n; i++)
        if (v[i].status != COND_TRUE &&
            (!bad || (bad->status == COND_UNKNOWN && v[i].status == COND_FALSE)))
            bad = &v[i];
    return bad;
}

static const json_t *old_row(const struct mesh_pass *p, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach (jx_get(p->object->obj, "status.clusters"), i, row) {
        if (str_eq(jx_str(row, "name"), name))
            return json_object_get(row, "conditions");
    }
    return NULL;
}

static void add_verdicts(json_t *list, const json_t *old, const char *const *names,
                         const struct verdict v[V_COUNT], int64_t generation, int64_t now)
{
    for (size_t i = 0; i < V_COUNT; i++)
        if (v[i].reason)
            cond_set(list, old, names[i], v[i].status, v[i].reason, v[i].message, generation, now);
}

static json_t *member_row(const struct mesh_pass *p, const struct mesh_member *mm,
                          const struct verdict v[V_COUNT])
{
    const json_t *old = old_row(p, mm->name);
    int64_t generation = p->cr->meta.generation, now = clock_s(p->mesh->manager->clock);
    json_t *list = json_array();
    add_verdicts(list, old, member_types, v, generation, now);
    const struct verdict *bad = first_bad(v, V_COUNT);
    cond_set(list, old, "Ready", bad ? bad->status : COND_TRUE, bad ? bad->reason : "Ready",
             bad ? bad->message : "the cluster takes part in the mesh", generation, now);
    mesh_dns_member_condition(p, mm, list, old);
    cond_sort(list);
    json_t *row = json_pack("{s:s, s:s, s:s, s:o}", "name", mm->name, "role",
                            mm->role == ISTIO_REMOTE ? "Remote" : "Primary", "revision",
                            *p->revision ? p->revision : "default", "conditions", list);
    jx_set_str(row, "network", mm->network);
    if (mm->view && mm->view->known)
        json_object_set_new(row, "proxies", json_integer(mm->view->proxies));
    return row;
}

/* --- the whole --- */

static struct verdict mesh_refs(const struct mesh_pass *p)
{
    if (p->stop_reason)
        return no(p->stop_reason, p->stop_message);
    if (p->unresolved)
        return no(p->unresolved_reason, p->unresolved);
    return yes("Resolved", "every cluster that the spec names can be used");
}

static struct verdict mesh_trust(const struct mesh_pass *p, struct verdict members)
{
    const struct mesh_root *r = &p->mesh->root;
    if (r->state == ROOT_FAILED)
        return no("RootNotReady", arena_printf(p->arena, "%s", r->err.msg));
    if (r->state == ROOT_UNREAD)
        return p->stop_reason ? unknown("Waiting", "not begun")
                              : no("RootNotReady", "the root is being made");
    if (p->trust_unsure)
        return no("PeerRootNotReady",
                  "the root of a mesh that is trusted can't be read: the configuration stays as it "
                  "is; next: look at the TrustBundles of this mesh");
    return members;
}

/* The worst of one concern over all members; whoever leaves does not count. */
static struct verdict worst_of(const struct mesh_pass *p, struct verdict (*rows)[V_COUNT],
                               int which, const char *good)
{
    struct verdict all = yes("Ready", good);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct verdict *v = &rows[i][which];
        bool leaves = mesh_member_leaves(&p->members[i]);
        if (!leaves && v->status != COND_TRUE &&
            (all.status == COND_TRUE || all.status == COND_UNKNOWN))
            all = *v;
    }
    return all;
}

/* Without a reason: no member needs one. */
static struct verdict mesh_gateways(const struct mesh_pass *p, struct verdict (*rows)[V_COUNT])
{
    for (size_t i = 0; i < p->n_members; i++)
        if (rows[i][V_GATEWAYS].reason)
            return worst_of(p, rows, V_GATEWAYS,
                            "every east-west gateway is available and has an address");
    return (struct verdict){COND_TRUE, NULL, NULL};
}

static bool stalled(const struct mesh_pass *p)
{
    return p->stop_reason ? p->stop_stalled : p->unresolved && p->unresolved_stalled;
}

static json_t *conditions(const struct mesh_pass *p, struct verdict (*rows)[V_COUNT])
{
    const json_t *old = jx_get(p->object->obj, "status.conditions");
    int64_t generation = p->cr->meta.generation, now = clock_s(p->mesh->manager->clock);
    struct verdict v[V_COUNT + 1] = {
        [V_REFS] = mesh_refs(p),
        [V_CONTROL_PLANE] =
            worst_of(p, rows, V_CONTROL_PLANE, "istiod is available in every cluster"),
        [V_TRUST] =
            mesh_trust(p, worst_of(p, rows, V_TRUST, "every cluster signs under the mesh's root")),
        [V_GATEWAYS] = mesh_gateways(p, rows),
        [V_ENDPOINTS] = worst_of(p, rows, V_ENDPOINTS, "every istiod sees every other cluster"),
        [V_COUNT] = worst_of(p, rows, V_REFS, "every cluster answers"),
    };
    if (p->leftovers && v[V_REFS].status == COND_TRUE)
        v[V_COUNT] = no("CleaningUp", "objects that are no longer wanted are being deleted");
    json_t *list = json_array();
    add_verdicts(list, old, types, v, generation, now);
    mesh_exports_conditions(p, list, old);
    mesh_dns_conditions(p, list, old);
    struct verdict order[] = {v[V_REFS],          v[V_COUNT],    v[V_TRUST],
                              v[V_CONTROL_PLANE], v[V_GATEWAYS], v[V_ENDPOINTS]};
    const struct verdict *bad = first_bad(order, sizeof order / sizeof *order);
    cond_set(list, old, "Ready",
             bad ? (bad->status == COND_FALSE ? COND_FALSE : COND_UNKNOWN) : COND_TRUE,
             bad ? bad->reason : "Ready", bad ? bad->message : "the mesh is as wanted", generation,
             now);
    if (bad)
        cond_set(list, old, stalled(p) ? "Stalled" : "Reconciling", COND_TRUE, bad->reason,
                 bad->message, generation, now);
    cond_sort(list);
    return list;
}

static void add_summary(const struct mesh_pass *p, struct verdict (*rows)[V_COUNT], json_t *status)
{
    size_t ready = 0, total = 0;
    int proxies = 0;
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        if (mesh_member_leaves(mm))
            continue;
        total++;
        ready += !first_bad(rows[i], V_COUNT);
        proxies += mm->view && mm->view->known ? mm->view->proxies : 0;
    }
    auto_free char *clusters = xasprintf("%zu/%zu", ready, total),
                   *count = xasprintf("%d", proxies);
    jx_set_str(status, "summary.clusters", clusters);
    jx_set_str(status, "summary.proxies", count);
    jx_set_new(status, "summary.networks", json_integer((json_int_t)p->n_networks));
}

static bool nothing_forbids(const struct mesh_pass *p)
{
    return !p->stop_reason && !p->unresolved && p->mesh->root.state != ROOT_FAILED;
}

/* Shortly after start, with nothing wrong but that not all was looked at yet. */
static bool unsettled(const struct mesh_pass *p)
{
    bool young = clock_ms(p->mesh->manager->clock) - p->mesh->born_ms < CLUSTER_SETTLE_MS;
    if (p->unread && young)
        return true;
    if (!nothing_forbids(p))
        return false;
    /* Other meshes' clusters and roots count too: what is exchanged with them was not looked at without. */
    bool early = p->mesh->trade.unsure || p->mesh->trade.soon || p->trust_unsure;
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        if (mm->has_plan && mm->pending)
            return false;
        bool asked = !mm->istiod_available || !mm->view || mm->view->known;
        early |=
            !mm->cluster || !cluster_settled(mm->cluster) || (!asked && cluster_ready(mm->cluster));
    }
    return young && (early || p->mesh->root.state == ROOT_UNREAD);
}

/* A drift that is repaired within a moment, or a Deployment whose controller has not looked at an annotation yet, is no
 * news: the mesh stays Ready for that moment, and nothing is written. */
static bool momentary(struct mesh_pass *p, bool ready)
{
    struct mesh *mesh = p->mesh;
    int64_t now = clock_ms(mesh->manager->clock);
    if (ready || !hub_was_ready(p->object) || !nothing_forbids(p)) {
        mesh->unready_ms = 0;
        return false;
    }
    if (!mesh->unready_ms)
        mesh->unready_ms = now;
    int64_t left = MOMENT_MS - (now - mesh->unready_ms);
    pass_again(p, left);
    return left > 0;
}

static json_t *status_of(struct mesh_pass *p, struct verdict (*rows)[V_COUNT])
{
    json_t *clusters = json_array();
    for (size_t i = 0; i < p->n_members; i++)
        json_array_append_new(clusters, member_row(p, &p->members[i], rows[i]));
    json_t *status =
        json_pack("{s:I, s:o, s:o}", "observedGeneration", (json_int_t)p->cr->meta.generation,
                  "conditions", conditions(p, rows), "clusters", clusters);
    jx_set_str(status, "trustDomain", p->trust_domain);
    if (p->data)
        jx_set_str(status, "version", istio_data_version(p->data));
    jx_set_str(status, "rootSHA256", /* the last one known: others may still trust it */
               p->mesh->root.state == ROOT_READY ? p->mesh->root.info.sha256
                                                 : jx_str(p->object->obj, "status.rootSHA256"));
    mesh_revoked_status(p, status);
    add_summary(p, rows, status);
    return status;
}

/* --- what was told before --- */

static void say_member(struct buf *b, const struct mesh_member *mm, const struct verdict v[V_COUNT])
{
    say(b, mm->name);
    say(b, mm->network);
    say_number(b, (int64_t)mm->role);
    say_number(b, mm->view && mm->view->known ? mm->view->proxies : -1);
    for (size_t i = 0; i < V_COUNT; i++) {
        say_number(b, (int64_t)v[i].status);
        say(b, v[i].reason);
        say(b, v[i].message);
    }
}

/* All that a status is made from: when it is as it was, and the status that was made then is the one in the hub, there
 * is nothing to make. Returns whether it is. */
static bool told(struct mesh_pass *p, struct verdict (*rows)[V_COUNT])
{
    enum { TOLD_MAX = 1048576 };
    const struct mesh_root *r = &p->mesh->root;
    auto_buf b = BUF_INIT(TOLD_MAX);
    say(&b, jx_str(p->object->obj, "metadata.resourceVersion"));
    say_number(&b, p->cr->meta.generation);
    say(&b, p->stop_reason);
    say(&b, p->stop_message);
    say(&b, p->unresolved);
    say(&b, p->unresolved_reason);
    say(&b, p->data ? istio_data_version(p->data) : NULL);
    say_number(&b, (int64_t)r->state + 4 * (p->leftovers > 0));
    say_number(&b, (int64_t)p->n_networks);
    say(&b, r->info.sha256);
    say(&b, r->err.msg);
    mesh_exports_say(p, &b);
    mesh_revoked_say(p, &b);
    say_number(&b, p->trust_unsure);
    for (size_t i = 0; i < p->n_members; i++)
        say_member(&b, &p->members[i], rows[i]);
    mesh_dns_say(p, &b);
    return mesh_facts_take(&p->mesh->told, &b);
}

void mesh_report(struct mesh_pass *p)
{
    if (unsettled(p) && hub_has_report(p->object)) {
        pass_again(p, SETTLE_POLL_MS);
        return;
    }
    struct verdict(*rows)[V_COUNT] = arena_array(p->arena, p->n_members + 1, sizeof *rows);
    for (size_t i = 0; i < p->n_members; i++)
        judge_member(p, &p->members[i], rows[i]);
    if (told(p, rows) && p->mesh->told_all) {
        p->mesh->unready_ms = 0;
        return;
    }
    auto_json *status = status_of(p, rows);
    p->mesh->told_all = json_equal(json_object_get(p->object->obj, "status"), status);
    if (!momentary(p, cond_is_true(json_object_get(status, "conditions"), "Ready")))
        hub_set_status(p->object, status);
}
