/* SPDX-License-Identifier: Apache-2.0 */
/* Two meshes, shop in cluster c1 and bank in cluster c2: bank exports pay/ledger to shop. */
#ifndef CONTROLLER_MESH_TRADE_TEST_H
#define CONTROLLER_MESH_TRADE_TEST_H

#include "mesh/fleet_test.h"
#include "mesh/ties.h"

#define DATA   "testdata/istio/data"
#define ISTIO  "networking.istio.io/v1"
#define SLICES "discovery.k8s.io/v1"

static inline void edit(struct fleet *f, enum api_kind kind, const char *name, const char *path,
                        json_t *value)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    struct hub_object *o = hub_find(&f->m.hub, kind, key);
    jx_set_new(o->obj, path, value);
    jx_set_new(o->obj, "metadata.generation",
               json_integer(jx_int(o->obj, "metadata.generation", 0) + 1));
    f->m.hub.spec_rev++;
    manager_enqueue_meshes(&f->m, "fleet", 0);
    trustbundle_enqueue_all(&f->m, "fleet");
}

static inline void show(struct fleet *f, const char *cluster, json_t *obj)
{
    assert_non_null(obj);
    f->rv++;
    fleet_show(f, manager_cluster(&f->m, "fleet", cluster), obj, false);
    json_decref(obj);
}

static inline void show_namespace(struct fleet *f, const char *cluster, const char *name)
{
    show(f, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
                   "metadata", "name", name, "labels", "istio-injection", "enabled"));
}

static inline void show_service(struct fleet *f, const char *cluster, const char *name)
{
    show(f, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}, s:[{s:s, s:i, s:s}]}}", "apiVersion", "v1",
                   "kind", "Service", "metadata", "name", name, "namespace", "pay", "spec",
                   "selector", "app", name, "ports", "name", "http", "port", 80, "protocol",
                   "TCP"));
}

/* A pod with a service account of its own name, behind the Service. */
static inline void show_pod(struct fleet *f, const char *cluster, const char *service,
                            const char *pod, const char *address, const char *account)
{
    show(f, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind", "Pod",
                   "metadata", "name", pod, "namespace", "pay", "spec", "serviceAccountName",
                   account));
    auto_free char *slice = xasprintf("%s-%s", service, pod);
    show(f, cluster,
         json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:s, s:[{s:[s], s:{s:b}, s:{s:s, s:s, s:s}}],"
                   " s:[{s:s, s:i, s:s}]}",
                   "apiVersion", SLICES, "kind", "EndpointSlice", "metadata", "name", slice,
                   "namespace", "pay", "labels", KUBE_LABEL_SERVICE_NAME, service, "addressType",
                   "IPv4", "endpoints", "addresses", address, "conditions", "ready", 1, "targetRef",
                   "kind", "Pod", "name", pod, "namespace", "pay", "ports", "name", "http", "port",
                   8080, "protocol", "TCP"));
}

static inline size_t count(struct fleet *f, const char *cluster, const char *api_version,
                           const char *kind)
{
    const struct records *all =
        cluster_records(manager_cluster(&f->m, "fleet", cluster), plan_gvr(api_version, kind));
    return all->n;
}

/* What was written last to a path that has this in it, as text; "" when nothing was. */
static inline char *written(struct fleet *f, const char *cluster, const char *part)
{
    const char *where;
    json_t *obj;
    json_object_foreach (f->applied, where, obj) {
        if (str_starts(where, cluster) && strstr(where, part))
            return jx_dump(obj);
    }
    return xstrdup("");
}

static inline bool says(struct fleet *f, const char *cluster, const char *part, const char *text)
{
    auto_free char *obj = written(f, cluster, part);
    return strstr(obj, text) != NULL;
}

#define CONFIG "/namespaces/istio-system/configmaps/istio"

static inline void trust(struct fleet *f)
{
    fleet_hub_object(f, API_KIND_TRUST_BUNDLE, "both",
                     json_pack("{s:[{s:s}, {s:s}]}", "members", "name", "shop", "name", "bank"));
    manager_enqueue_meshes(&f->m, "fleet", 0);
    trustbundle_enqueue_all(&f->m, "fleet");
}

static inline void distrust(struct fleet *f)
{
    struct hub_object *o = hub_find(&f->m.hub, API_KIND_TRUST_BUNDLE, "fleet/both");
    HASH_DEL(f->m.hub.kinds[API_KIND_TRUST_BUNDLE].all, o);
    json_decref(o->obj);
    free(o);
    f->m.hub.spec_rev++;
    manager_enqueue_meshes(&f->m, "fleet", 0);
}

static inline void start(struct fleet *f, const char *banks_network)
{
    fleet_start(f, DATA);
    fleet_add_cluster_on(f, "c1", "n1");
    fleet_add_cluster_on(f, "c2", banks_network);
    fleet_add_mesh_of(f, "shop", json_pack("[{s:s, s:s}]", "name", "c1", "role", "Primary"));
    fleet_add_mesh_of(f, "bank", json_pack("[{s:s, s:s}]", "name", "c2", "role", "Primary"));
    edit(f, API_KIND_MESH, "bank", "spec.exports",
         json_pack("[{s:s, s:s, s:[s]}]", "namespace", "pay", "service", "ledger", "to", "shop"));
    json_object_set_new(f->addresses, "c2", json_string("172.30.102.1"));
    show_namespace(f, "c1", "pay");
    show_namespace(f, "c2", "pay");
    show_service(f, "c2", "ledger");
    show_service(f, "c2", "vault");
    show_pod(f, "c2", "ledger", "ledger-0", "10.2.0.5", "ledger");
    show_pod(f, "c2", "vault", "vault-0", "10.2.0.6", "vault");
}

static inline const char *reason(struct fleet *f, enum api_kind kind, const char *name,
                                 const char *type)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    const json_t *list = jx_get(hub_find(&f->m.hub, kind, key)->obj, "status.conditions");
    return str_or(jx_str(cond_find(list, type), "reason"), "");
}

static inline int version_of(struct fleet *f, const char *cluster, const char *api_version,
                             const char *kind)
{
    struct records *all =
        cluster_records(manager_cluster(&f->m, "fleet", cluster), plan_gvr(api_version, kind));
    size_t at = 0;
    struct kube_view v;
    int64_t n = 0;
    kube_record_view(records_next(all, &at), &v);
    assert_int_equal(str_to_i64(v.meta.rv, 0, INT32_MAX, &n), 0);
    return (int)n;
}

/* Writes from here on. */
static inline int since(struct fleet *f, int64_t ms)
{
    int before = f->writes;
    fleet_run(f, ms);
    return f->writes - before;
}

#endif
