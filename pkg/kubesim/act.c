/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a write: the API server's own controllers (names of custom kinds), and with opts.act the few
 * controllers of a cluster that ours waits for. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

/* A copy whose metadata and status can be changed; the rest is shared, since it may be large. */
static json_t *copy_of(const json_t *tree)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)tree);
    json_object_set_new(copy, "metadata", json_copy(json_object_get(tree, "metadata")));
    json_object_set_new(copy, "status", json_deep_copy(json_object_get(tree, "status")));
    return copy;
}

/* Stores tree as an update of the status of old by manager. */
static void put_status(struct sim_cluster *c, struct sim_collection *at, const json_t *old,
                       json_t *tree, const char *manager, const char *now)
{
    struct sim_apply a = {.group = at->kind->group,
                          .version = at->kind->version,
                          .kind = at->kind->kind,
                          .manager = manager,
                          .subresource = "status",
                          .now = now};
    sim_track_update(&a, old, tree);
    sim_cluster_put(c, at, tree);
}

static json_t *condition(const char *type, const char *reason, const char *message, const char *now)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type, "status", "True",
                     "lastTransitionTime", now, "reason", reason, "message", message);
}

/* --- CustomResourceDefinitions --- */

static bool is_established(const json_t *crd)
{
    size_t i;
    const json_t *v;
    json_array_foreach (jx_get(crd, "status.conditions"), i, v)
        if (str_eq(jx_str(v, "type"), "Established"))
            return true;
    return false;
}

/* The members change, the kind stays where collections point to. */
static void replace_kind(struct sim_kind *old, struct sim_kind *k)
{
    struct sim_kind was = *old;
    UT_hash_handle hh = old->hh;
    char *crd = old->crd;
    *old = *k;
    old->hh = hh;
    free(old->crd);
    old->crd = crd;
    old->traits |= was.traits & SIM_DYING;
    *k = was;
    k->crd = NULL;
    sim_kind_free(k);
}

static void serve(struct sim_cluster *c, const json_t *crd)
{
    struct sim_kind *k = sim_kind_of_crd(crd), *old;
    if (!k)
        return;
    HASH_FIND_STR(c->custom, k->crd, old);
    if (old) {
        replace_kind(old, k);
        return;
    }
    HASH_ADD_KEYPTR(hh, c->custom, k->crd, strlen(k->crd), k);
    sim_cluster_collection(c, k);
}

static void act_on_crd(struct sim_cluster *c, struct sim_collection *at, const json_t *old)
{
    auto_json *crd = copy_of(old);
    if (!is_established(crd)) {
        char now[CLOCK_RFC3339_MAX];
        sim_now(now);
        jx_set_new(crd, "status.conditions",
                   json_pack("[o, o]",
                             condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
                             condition("Established", "InitialNamesAccepted",
                                       "the initial names have been accepted", now)));
        jx_set_new(crd, "status.acceptedNames", json_deep_copy(jx_get(crd, "spec.names")));
        put_status(c, at, old, crd, "kube-apiserver", now);
    }
    serve(c, crd);
}

/* --- Deployments, Services, Ingresses --- */

static void act_on_deployment(struct sim_cluster *c, struct sim_collection *at, const json_t *old)
{
    auto_json *d = copy_of(old);
    int64_t generation = jx_int(d, "metadata.generation", 0);
    int64_t replicas = jx_int(d, "spec.replicas", 1);
    if (jx_int(d, "status.observedGeneration", 0) == generation &&
        jx_int(d, "status.availableReplicas", 0) == replicas)
        return;
    char now[CLOCK_RFC3339_MAX];
    sim_now(now);
    json_t *status =
        json_pack("{s:I, s:[o, o]}", "observedGeneration", (json_int_t)generation, "conditions",
                  condition("Available", "MinimumReplicasAvailable",
                            "Deployment has minimum availability.", now),
                  condition("Progressing", "NewReplicaSetAvailable",
                            "ReplicaSet has successfully progressed.", now));
    static const char *const counts[] = {"replicas", "updatedReplicas", "readyReplicas",
                                         "availableReplicas"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts && replicas > 0; i++)
        json_object_set_new(status, counts[i], json_integer(replicas));
    size_t i;
    json_t *v;
    json_array_foreach (json_object_get(status, "conditions"), i, v)
        json_object_set_new(v, "lastUpdateTime", json_string(now));
    json_object_set_new(d, "status", status);
    put_status(c, at, old, d, "kube-controller-manager", now);
    sim_istiod_act(c, d);
}

enum { BALANCERS = 64, OCTET = 250 };

/* Of 100.64.0.0/10: another one for each Service and each Ingress of all clusters, since gateways of several clusters
 * meet in one mesh. */
static char *next_balancer(struct sim_cluster *c)
{
    uint32_t n = c->next_balancer++ % BALANCERS;
    return xasprintf("100.%u.%u.%u", 64 + n, c->number / OCTET % OCTET, c->number % OCTET + 1);
}

/* Gives it an address, or takes it away. */
static void balance(struct sim_cluster *c, struct sim_collection *at, const json_t *old, bool wants)
{
    auto_json *o = copy_of(old);
    if (wants == (json_array_size(jx_get(o, "status.loadBalancer.ingress")) > 0))
        return;
    char now[CLOCK_RFC3339_MAX];
    sim_now(now);
    json_t *balancer = json_object();
    if (wants) {
        bool service = str_eq(at->kind->kind, "Service");
        auto_free char *ip = next_balancer(c);
        json_object_set_new(balancer, "ingress",
                            json_pack("[{s:s, s:s*}]", "ip", ip, "ipMode", service ? "VIP" : NULL));
    }
    json_object_set_new(o, "status", json_pack("{s:o}", "loadBalancer", balancer));
    put_status(c, at, old, o, "cloud-controller-manager", now);
}

void sim_cluster_act(struct sim_cluster *c, struct sim_collection *at, const json_t *tree)
{
    const struct sim_kind *k = at->kind;
    if (jx_str(tree, "metadata.deletionTimestamp"))
        return;
    if (str_eq(k->kind, "CustomResourceDefinition"))
        act_on_crd(c, at, tree);
    else if (c->sim->opts.act && str_eq(k->kind, "Deployment") && str_eq(k->group, "apps"))
        act_on_deployment(c, at, tree);
    else if (c->sim->opts.act && str_eq(k->kind, "Service") && !*k->group)
        balance(c, at, tree, str_eq(jx_str(tree, "spec.type"), "LoadBalancer"));
    else if (c->sim->opts.act && str_eq(k->kind, "Ingress"))
        balance(c, at, tree, true);
}
