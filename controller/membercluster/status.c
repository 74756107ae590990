/* SPDX-License-Identifier: Apache-2.0 */
#include "membercluster/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "clusterset/clusterset.h"
#include "runtime/conditions.h"
#include "json/jx.h"

enum { KUBE_MINOR_MIN = 30, EXPIRY_SOON_S = 7 * 86400, VERDICTS_MAX = 6 };

struct verdict {
    const char *type;
    enum cond_status status;
    const char *reason;
    char *message; /* owned */
    bool stalled;
};

static struct verdict verdict(const char *type, enum cond_status status, const char *reason,
                              bool stalled, const char *message)
{
    return (struct verdict){type, status, reason, xstrdup(message), stalled};
}

static struct verdict credentials(const struct member *mb, const struct cluster *c)
{
    if (mb->reason[0])
        return verdict("CredentialsValid", COND_FALSE, mb->reason, mb->stalled, mb->problem);
    if (!c->client)
        return verdict("CredentialsValid", COND_UNKNOWN, "Reading", false,
                       "the credentials are being read");
    int64_t now = clock_s(c->clock);
    if (mb->expires && mb->expires <= now)
        return verdict(
            "CredentialsValid", COND_FALSE, "Expired", true,
            "the credentials have expired; next: put new ones into the kubeconfig Secret");
    if (mb->expires && mb->expires - now < EXPIRY_SOON_S)
        return verdict(
            "CredentialsValid", COND_TRUE, "ExpiringSoon", false,
            "the credentials expire within a week; next: put new ones into the kubeconfig Secret");
    return verdict("CredentialsValid", COND_TRUE, "Valid", false, "the credentials can be used");
}

static struct verdict reachable(const struct cluster *c)
{
    switch (c->state) {
    case CLUSTER_REACHABLE:
        if (c->breaker.open)
            return verdict("Reachable", COND_TRUE, "WritesPaused", false,
                           "the API server answers, but fails writes: they are paused, and tried "
                           "one at a time");
        return verdict("Reachable", COND_TRUE, "Answering", false, "the API server answers");
    case CLUSTER_STRANGER:
        return verdict("Reachable", COND_FALSE, "IdentityChanged", true, c->problem.msg);
    case CLUSTER_UNREACHABLE: {
        bool denied = c->problem.class == ERR_UNAUTHORIZED;
        /* Without the transport's own words: they hold times, and a status that changes with each try never rests. */
        const char *why =
            c->problem.code >= 400 ? c->problem.msg : "no connection, or no answer in time";
        auto_free char *msg = xasprintf("%s: %s; its work is deferred until it answers",
                                        c->client ? kube_client_server(c->client) : "cluster", why);
        return verdict("Reachable", COND_FALSE, denied ? "Unauthorized" : "Unreachable", false,
                       msg);
    }
    case CLUSTER_UNKNOWN:
        break;
    }
    return verdict("Reachable", COND_UNKNOWN, "Connecting", false, "not tried yet");
}

static struct verdict permitted(const struct cluster *c)
{
    const struct cluster_watch *w = cluster_broken_watch(c);
    if (w && strstr(w->problem, "403"))
        return verdict("Permitted", COND_FALSE, "PermissionMissing", false, w->problem);
    const struct cluster_watch *full = cluster_full_watch(c);
    if (full) {
        auto_free char *msg = xasprintf("the cluster has more objects of kind %s than Meshwright "
                                        "holds of one cluster; nothing is done in it",
                                        full->gvr->kind);
        return verdict("Permitted", COND_UNKNOWN, "TooManyObjects", false, msg);
    }
    if (!cluster_known(c))
        return verdict("Permitted", COND_UNKNOWN, "Unknown", false, "the cluster was not read yet");
    return verdict("Permitted", COND_TRUE, "Permitted", false,
                   "every kind that is needed can be read");
}

static struct verdict compatible(const struct cluster *c)
{
    if (!c->version)
        return verdict("Compatible", COND_UNKNOWN, "Unknown", false,
                       "the version is not known yet");
    if (c->minor < KUBE_MINOR_MIN) {
        auto_free char *msg = xasprintf("Kubernetes %s is too old; 1.%d is the oldest that works",
                                        c->version, KUBE_MINOR_MIN);
        return verdict("Compatible", COND_FALSE, "VersionUnsupported", true, msg);
    }
    return verdict("Compatible", COND_TRUE, "Supported", false,
                   "the Kubernetes version is supported");
}

/* Of the cluster set, as far as there is something to say. */
static void add_set(struct verdict *v, size_t *n, const struct set_member *s)
{
    if (s->ready.message)
        v[(*n)++] =
            verdict("ClusterSetReady", s->ready.status, s->ready.reason, false, s->ready.message);
    if (s->dns.message)
        v[(*n)++] =
            verdict("ClusterSetDNSReady", s->dns.status, s->dns.reason, false, s->dns.message);
}

/* Names of the meshes that list this cluster or select it by label. */
static json_t *meshes_of(const struct member *mb, const struct hub_object *o)
{
    json_t *names = json_array();
    for (const struct hub_object *mesh = mb->manager->hub.kinds[API_KIND_MESH].all; mesh;
         mesh = mesh->hh.next) {
        if (hub_in_namespace(mesh, mb->ns) && hub_mesh_lists(mesh->obj, mb->name, o))
            json_array_append_new(names, json_string(jx_str(mesh->obj, "metadata.name")));
    }
    return names;
}

static void summarize(json_t *list, const json_t *old, const struct verdict *v, size_t n,
                      int64_t generation, int64_t now)
{
    const struct verdict *bad = NULL;
    for (size_t i = 0; i < n; i++)
        if (v[i].status != COND_TRUE &&
            (!bad || (v[i].status == COND_FALSE && bad->status == COND_UNKNOWN)))
            bad = &v[i];
    if (!bad) {
        cond_set(list, old, "Ready", COND_TRUE, "Ready", "the cluster can be managed", generation,
                 now);
        return;
    }
    enum cond_status ready = bad->status == COND_FALSE ? COND_FALSE : COND_UNKNOWN;
    cond_set(list, old, "Ready", ready, bad->reason, bad->message, generation, now);
    cond_set(list, old, bad->stalled ? "Stalled" : "Reconciling", COND_TRUE, bad->reason,
             bad->message, generation, now);
}

/* The first ones: a status is for people. Before the cluster was read, what was told before. */
static void set_ranges(json_t *status, const char *field, const char *const *ranges,
                       const struct member *mb, const json_t *old)
{
    json_t *list = json_array();
    for (; ranges && *ranges && json_array_size(list) < FACTS_STATUS_MAX; ranges++)
        json_array_append_new(list, json_string(*ranges));
    if (json_array_size(list) > 0)
        json_object_set(status, field, list);
    else if (!mb->facts.read && json_object_get(old, field))
        json_object_set(status, field, json_object_get(old, field));
    json_decref(list);
}

static void fill_facts(json_t *status, const struct member *mb, const struct hub_object *o,
                       const struct api_member_cluster *cr, const struct cluster *c)
{
    jx_set_str(status, "version", c->version ? c->version : jx_str(o->obj, "status.version"));
    jx_set_str(status, "network", cr->spec.network ? cr->spec.network : mb->name);
    if (c->client)
        jx_set_str(status, "server", kube_client_server(c->client));
    jx_set_str(status, "clusterID", c->pinned ? c->pinned : jx_str(o->obj, "status.clusterID"));
    if (mb->expires) {
        char text[CLOCK_RFC3339_MAX];
        clock_format(mb->expires, text);
        jx_set_str(status, "credentialsExpireTime", text);
    }
    auto_arena a = ARENA_INIT;
    const struct api_member_cluster_spec *s = &cr->spec;
    const json_t *old = json_object_get(o->obj, "status");
    set_ranges(status, "podCIDRs",
               member_ranges(&a, s->pod_cid_rs, s->n_pod_cid_rs, mb->facts.pod_ranges), mb, old);
    set_ranges(status, "serviceCIDRs",
               member_ranges(&a, s->service_cid_rs, s->n_service_cid_rs, mb->facts.service_ranges),
               mb, old);
    json_t *meshes = meshes_of(mb, o);
    if (json_array_size(meshes) > 0)
        json_object_set(status, "meshes", meshes);
    json_decref(meshes);
}

static uint64_t mix(uint64_t h, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "/%lld/", (long long)n);
    return str_hash_more(h, text);
}

uint64_t member_status_seen(const struct cluster *c)
{
    const struct cluster_watch *w = cluster_broken_watch(c);
    uint64_t h = str_hash(str_or(c->version, ""));
    h = str_hash_more(h, c->problem.msg);
    h = str_hash_more(h, w ? w->problem : "");
    h = str_hash_more(h, c->client ? kube_client_server(c->client) : "");
    h = mix(h, (int64_t)c->state);
    return mix(h, cluster_known(c) + 2 * c->breaker.open + 4 * (c->pinned != NULL));
}

/* Of all that a status is made from. Not 0. */
static uint64_t made_from(const struct member *mb, const struct hub_object *o,
                          const struct cluster *c)
{
    int64_t left = mb->expires ? mb->expires - clock_s(c->clock) : INT64_MAX;
    uint64_t h = member_status_seen(c);
    h = str_hash_more(h, str_or(jx_str(o->obj, "metadata.resourceVersion"), ""));
    h = str_hash_more(h, mb->reason);
    h = str_hash_more(h, mb->problem);
    h = mix(h, (int64_t)mb->manager->hub.spec_rev);
    h = mix(h, mb->expires);
    h = mix(h, (int64_t)mb->facts.rev);
    h = mix(h, mb->set ? (int64_t)mb->set->rev + 1 : 0);
    return mix(h, (left <= 0) + 2 * (left < EXPIRY_SOON_S)) | 1;
}

void member_set_status(struct member *mb, struct hub_object *o, const struct api_member_cluster *cr,
                       const struct cluster *c)
{
    int64_t now = clock_s(c->clock);
    uint64_t from = made_from(mb, o, c);
    if (!mb->reason[0] && !cluster_settled(c) && hub_has_report(o))
        return;
    if (mb->told == from || clusterset_unread(mb, o, cr))
        return;
    const json_t *old = jx_get(o->obj, "status.conditions");
    struct verdict v[VERDICTS_MAX] = {credentials(mb, c), reachable(c), permitted(c),
                                      compatible(c)};
    size_t n = 4;
    if (cr->spec.cluster_set && mb->set)
        add_set(v, &n, mb->set);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        cond_set(list, old, v[i].type, v[i].status, v[i].reason, v[i].message, cr->meta.generation,
                 now);
    summarize(list, old, v, n, cr->meta.generation, now);
    cond_sort(list);
    for (size_t i = 0; i < n; i++)
        free(v[i].message);
    auto_json *status = json_pack("{s:I, s:o}", "observedGeneration",
                                  (json_int_t)cr->meta.generation, "conditions", list);
    fill_facts(status, mb, o, cr, c);
    clusterset_report(mb, o, cr, status);
    mb->told = json_equal(json_object_get(o->obj, "status"), status) ? from : 0;
    hub_set_status(o, status);
}

json_t *member_status_invalid(const struct hub_object *o, const struct clock *clock,
                              const struct err *err)
{
    int64_t generation = jx_int(o->obj, "metadata.generation", 0), now = clock_s(clock);
    const json_t *old = jx_get(o->obj, "status.conditions");
    json_t *list = json_array();
    cond_set(list, old, "Ready", COND_FALSE, "Invalid", err->msg, generation, now);
    cond_set(list, old, "Stalled", COND_TRUE, "Invalid", err->msg, generation, now);
    cond_sort(list);
    return json_pack("{s:I, s:o}", "observedGeneration", (json_int_t)generation, "conditions",
                     list);
}
