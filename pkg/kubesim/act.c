/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from a write: the API server's own controllers (names of custom kinds), and with opts.act the few
 * controllers of a cluster that ours waits for. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

static json_t *whole(const struct sim_collection *at, const struct sim_object *o)
{
    auto_free char *api_version = sim_api_version(at->kind->group, at->kind->version);
    return sim_object_tree(o, at->kind, api_version, SIM_VIEW_WHOLE, o->version);
}

/* Stores tree as an update of the status by manager. */
static struct sim_object *put_status(struct sim_cluster *c, struct sim_collection *at,
                                     struct sim_object *o, json_t *tree, const char *manager,
                                     const char *now)
{
    auto_json *old = whole(at, o);
    struct sim_apply a = {.group = at->kind->group,
                          .version = at->kind->version,
                          .kind = at->kind->kind,
                          .manager = manager,
                          .subresource = "status",
                          .now = now};
    sim_track_update(&a, old, tree);
    return sim_cluster_put(c, at, tree);
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

static void act_on_crd(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o)
{
    auto_json *crd = whole(at, o);
    if (!is_established(crd)) {
        char now[CLOCK_RFC3339_MAX];
        sim_now(now);
        jx_set_new(crd, "status.conditions",
                   json_pack("[o, o]",
                             condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
                             condition("Established", "InitialNamesAccepted",
                                       "the initial names have been accepted", now)));
        jx_set_new(crd, "status.acceptedNames", json_deep_copy(jx_get(crd, "spec.names")));
        put_status(c, at, o, crd, "kube-apiserver", now);
    }
    serve(c, crd);
}

/* --- Deployments, Services --- */

static void act_on_deployment(struct sim_cluster *c, struct sim_collection *at,
                              struct sim_object *o)
{
    auto_json *d = whole(at, o);
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
    sim_istiod_act(c, at, put_status(c, at, o, d, "kube-controller-manager", now));
}

static void act_on_service(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o)
{
    auto_json *s = whole(at, o);
    bool wants = str_eq(jx_str(s, "spec.type"), "LoadBalancer");
    bool has = json_array_size(jx_get(s, "status.loadBalancer.ingress")) > 0;
    if (wants == has)
        return;
    char now[CLOCK_RFC3339_MAX];
    sim_now(now);
    uint32_t n = wants ? ++c->next_port : 0;
    auto_free char *ip = xasprintf("198.18.%u.%u", n / 250 % 250, n % 250 + 1);
    json_object_set_new(s, "status",
                        wants ? json_pack("{s:{s:[{s:s, s:s}]}}", "loadBalancer", "ingress", "ip",
                                          ip, "ipMode", "VIP")
                              : json_pack("{s:{}}", "loadBalancer"));
    put_status(c, at, o, s, "cloud-controller-manager", now);
}

void sim_cluster_act(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o)
{
    const struct sim_kind *k = at->kind;
    if (o->deleting)
        return;
    if (str_eq(k->kind, "CustomResourceDefinition"))
        act_on_crd(c, at, o);
    else if (c->sim->opts.act && str_eq(k->kind, "Deployment") && str_eq(k->group, "apps"))
        act_on_deployment(c, at, o);
    else if (c->sim->opts.act && str_eq(k->kind, "Service") && !*k->group)
        act_on_service(c, at, o);
}
