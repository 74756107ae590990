/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a hub and member clusters in this process. One HTTP server answers for all of them; what is written to a
 * member comes back as a record at once, as a watch would bring it. */
#ifndef CONTROLLER_MESH_FLEET_TEST_H
#define CONTROLLER_MESH_FLEET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "gateway/gateway.h"
#include "http/fake_test.h"
#include "kube/client_priv.h"
#include "mesh/mesh.h"
#include "runtime/applier.h"
#include "runtime/conditions.h"
#include "trustbundle/bundle.h"
#include "workloadgroup/group.h"
#include "json/jx.h"

struct fleet {
    uv_loop_t loop;
    struct fake server;
    struct clock_virtual clock;
    struct options options;
    struct manager m;
    struct pki_pair root;
    struct kube_record_maker *maker;
    int rv;
    size_t most_together;
    int writes, most_in_flight; /* to members; of one cluster, when one of its writes was asked */
    int waves_out_of_order;
    size_t passes;
    /* Writes to this cluster (NULL: none) of paths that hold `only` (NULL: all) are refused so. */
    struct fleet_refusal {
        const char *cluster, *only;
        int status;
        const char *headers;
        int asked, forced; /* how often; of them with force, which is never refused */
    } refusal;
    const char *owner; /* of what is read by itself */
    /* What a member answers to a GET; NULL, or answers NULL: an empty list. */
    const char *(*answer)(struct fleet *f, const struct cluster *c, const char *path);
    const char *uid;            /* of what is shown; NULL: its name */
    json_t *addresses;          /* of load balancers, by cluster; absent: none is given */
    json_t *balanced;           /* the last Service with one, by cluster */
    json_t *deleted;            /* "<cluster> <path>", in the order of the requests */
    json_t *released;           /* likewise */
    json_t *applied;            /* what was written last, by "<cluster> <path>" */
    struct pki_pair banks_root; /* of the Mesh "bank"; all others have `root` */
    json_t *answers;            /* of what is read or asked for, by path; null: it is not there */
    bool istiod; /* istiod answers, and is in sync with every cluster whose secret it has */
};

static inline struct cluster *fleet_cluster_of(struct fleet *f, const char *head)
{
    const char *token = strstr(head, "Bearer member/");
    if (!token)
        return NULL;
    token += strlen("Bearer member/");
    auto_free char *name = xstrndup(token, strcspn(token, "\r"));
    return manager_cluster(&f->m, "fleet", name);
}

static inline struct cluster_watch *fleet_watch(struct cluster *c, const json_t *obj)
{
    const struct gvr *g = plan_gvr(jx_str(obj, "apiVersion"), jx_str(obj, "kind"));
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].gvr == g)
            return &c->watches[i];
    return NULL;
}

/* The cluster's load balancer. */
static inline void fleet_balance(struct fleet *f, const struct cluster *c, json_t *obj)
{
    const char *ip = jx_str(f->addresses, c->name);
    if (!str_eq(jx_str(obj, "spec.type"), "LoadBalancer"))
        return;
    json_object_set_new(f->balanced, c->name, json_deep_copy(obj));
    if (ip)
        jx_set_new(obj, "status.loadBalancer.ingress", json_pack("[{s:s}]", "ip", ip));
}

/* The watch brings an object. */
static inline void fleet_show(struct fleet *f, struct cluster *c, const json_t *obj, bool ours)
{
    struct cluster_watch *w = fleet_watch(c, obj);
    assert_non_null(w);
    auto_json *o = json_deep_copy(obj);
    auto_free char *rv = xasprintf("%d", f->rv);
    jx_set_str(o, "metadata.resourceVersion", rv);
    jx_set_str(o, "metadata.uid", f->uid ? f->uid : jx_str(obj, "metadata.name"));
    fleet_balance(f, c, o);
    auto_json *status = json_pack("{s:i, s:i, s:i, s:i}", "observedGeneration", 0, "replicas", 1,
                                  "updatedReplicas", 1, "availableReplicas", 1);
    if (str_eq(w->gvr->kind, "Deployment"))
        json_object_set(o, "status", status);
    enum kube_record_kind kind = cluster_record_kind(w->gvr);
    auto_free char *text = jx_dump(o);
    struct err err = {0};
    const struct kube_record *k =
        kube_record_make(f->maker, kind, KUBE_ENCODING_JSON, text, strlen(text), &err);
    assert_non_null(k);
    records_put(&w->records, k);
    k = records_find(&w->records, kube_record_ns(k), kube_record_name(k));
    if (ours)
        records_set_verified(&w->records, k);
    c->dns_rev += kind == KUBE_RECORD_SERVICE || kind == KUBE_RECORD_NAMESPACE;
    c->machine_rev += kind == KUBE_RECORD_WORKLOAD_ENTRY;
    c->endpoint_rev += kind == KUBE_RECORD_ENDPOINT_SLICE || kind == KUBE_RECORD_POD;
    cluster_touch(c);
}

/* The load balancer gives (another) address. */
static inline void fleet_set_address(struct fleet *f, const char *cluster, const char *ip)
{
    struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    json_object_set_new(f->addresses, cluster, json_string(ip));
    auto_json *service = json_incref(json_object_get(f->balanced, cluster));
    if (!service)
        return;
    f->rv++;
    fleet_show(f, c, service, true);
}

static inline void fleet_check_order(struct fleet *f, struct cluster *c, const json_t *obj)
{
    enum plan_wave wave = plan_wave_of(jx_str2(obj, "metadata.labels", PLAN_LABEL_WAVE));
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            struct kube_view v;
            kube_record_view(r, &v);
            f->waves_out_of_order += v.meta.managed && plan_wave_of(v.meta.wave) > wave;
        }
    }
}

static inline bool fleet_refuses(struct fleet *f, const struct cluster *c,
                                 const struct fake_request *q)
{
    struct fleet_refusal *r = &f->refusal;
    if (!r->cluster || !str_eq(c->name, r->cluster) || (r->only && !strstr(q->path, r->only)))
        return false;
    bool forced = r->only && strstr(q->path, "force=true");
    r->asked++;
    r->forced += forced;
    return !forced;
}

/* The resource that a path of the hub names: by its plural, which is a folder of the path. */
static inline struct hub_object *fleet_named(struct fleet *f, enum api_kind kind, const char *path)
{
    auto_free char *folder = xasprintf("/%s/", api_gvrs[kind].plural);
    const char *name = strstr(path, folder);
    if (!name)
        return NULL;
    name += strlen(folder);
    auto_free char *key = xasprintf("fleet/%.*s", (int)strcspn(name, "/?"), name);
    return hub_find(&f->m.hub, kind, key);
}

static inline struct hub_object *fleet_hub_named(struct fleet *f, const char *path)
{
    struct hub_object *o = NULL;
    for (int kind = 0; !o && kind < API_KIND_COUNT; kind++)
        o = fleet_named(f, (enum api_kind)kind, path);
    return o;
}

/* The watch tells that an object went. */
static inline void fleet_hide(struct cluster_watch *w, const char *ns, const char *name)
{
    auto_free char *ns_copy = xstrdup0(ns);
    auto_free char *name_copy = xstrdup(name);
    records_remove(&w->records, ns_copy, name_copy);
    enum kube_record_kind kind = cluster_record_kind(w->gvr);
    w->cluster->dns_rev += kind == KUBE_RECORD_SERVICE || kind == KUBE_RECORD_NAMESPACE;
    w->cluster->machine_rev += kind == KUBE_RECORD_WORKLOAD_ENTRY;
    w->cluster->endpoint_rev += kind == KUBE_RECORD_ENDPOINT_SLICE || kind == KUBE_RECORD_POD;
    cluster_touch(w->cluster);
}

/* The object of a path; whether it was there. */
static inline bool fleet_hide_path(struct cluster *c, const char *path)
{
    auto_free char *plain = xstrndup(path, strcspn(path, "?"));
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            auto_free char *one =
                gvr_path(c->watches[i].gvr, kube_record_ns(r), kube_record_name(r));
            if (!str_eq(one, plain))
                continue;
            fleet_hide(&c->watches[i], kube_record_ns(r), kube_record_name(r));
            return true;
        }
    }
    return false;
}

static inline void fleet_patch(struct fleet *f, struct fake_conn *conn,
                               const struct fake_request *q)
{
    struct cluster *c = fleet_cluster_of(f, q->head);
    auto_json *obj = jx_load(q->body, strlen(q->body), NULL);
    char answer[128];
    assert_non_null(obj);
    f->rv++;
    if (c) {
        f->writes++;
        f->most_together =
            f->m.writes_running > f->most_together ? f->m.writes_running : f->most_together;
        f->most_in_flight = (int)c->n_ops > f->most_in_flight ? (int)c->n_ops : f->most_in_flight;
        if (fleet_refuses(f, c, q)) {
            fake_reply(conn, f->refusal.status, str_or(f->refusal.headers, ""), "{}");
            return;
        }
        if (json_is_array(obj)) { /* our labels go: no watch of ours shows it any more */
            json_array_append_new(
                f->released, json_sprintf("%s %.*s", c->name, (int)strcspn(q->path, "?"), q->path));
            fleet_hide_path(c, q->path);
            fake_reply(conn, 200, "", "{}");
            return;
        }
        fleet_check_order(f, c, obj);
        auto_free char *where = xasprintf("%s %.*s", c->name, (int)strcspn(q->path, "?"), q->path);
        json_object_set(f->applied, where, obj);
        fleet_show(f, c, obj, true);
    } else {
        struct hub_object *o = fleet_hub_named(f, q->path);
        auto_free char *where = xasprintf("hub %.*s", (int)strcspn(q->path, "?"), q->path);
        json_object_set(f->applied, where, obj);
        if (o && jx_get(obj, "metadata.finalizers"))
            jx_set_new(o->obj, "metadata.finalizers",
                       json_deep_copy(jx_get(obj, "metadata.finalizers")));
        if (o && json_object_get(obj, "status"))
            json_object_set(o->obj, "status", json_object_get(obj, "status"));
    }
    snprintf(answer, sizeof answer, "{\"metadata\":{\"resourceVersion\":\"%d\"}}", c ? f->rv : 1);
    fake_reply(conn, 200, "", answer);
}

static inline void fleet_secret(const struct fleet *f, struct fake_conn *conn, const char *path)
{
    const struct pki_pair *root = strstr(path, "/bank-ca") ? &f->banks_root : &f->root;
    auto_free char *cert = jx_b64(root->cert, strlen(root->cert));
    auto_free char *key = jx_b64(root->key, strlen(root->key));
    auto_json *s = json_pack("{s:{s:s}, s:{s:s, s:s}}", "metadata", "name", "ca", "data", "tls.crt",
                             cert, "tls.key", key);
    auto_free char *text = jx_dump(s);
    fake_reply(conn, 200, "", text);
}

static inline void fleet_delete(struct fleet *f, struct fake_conn *conn,
                                const struct fake_request *q)
{
    struct cluster *c = fleet_cluster_of(f, q->head);
    if (!c)
        json_array_append_new(f->deleted, json_sprintf("hub %s", q->path));
    if (!c || !fleet_hide_path(c, q->path)) {
        fake_reply(conn, 404, "", "{}");
        return;
    }
    f->writes++;
    json_array_append_new(f->deleted, json_sprintf("%s %s", c->name, q->path));
    fake_reply(conn, 200, "", "{}");
}

static inline void fleet_answer(struct fake_conn *conn, const json_t *answer)
{
    if (json_is_null(answer)) {
        fake_reply(conn, 404, "", "{}");
        return;
    }
    auto_free char *text = jx_dump(answer);
    fake_reply(conn, 200, "", text);
}

static inline void fleet_read(struct fleet *f, struct fake_conn *conn, const struct fake_request *q)
{
    struct cluster *c = f->answer ? fleet_cluster_of(f, q->head) : NULL;
    const char *answer = c ? f->answer(f, c, q->path) : NULL;
    if (answer) {
        fake_reply(conn, 200, "", answer);
        return;
    }
    auto_json *o = json_pack("{s:[], s:{s:{s:s*}}}", "items", "metadata", "labels",
                             PLAN_LABEL_OWNER_UID, f->owner);
    auto_free char *text = jx_dump(o);
    fake_reply(conn, 200, "", text);
}

static inline void fleet_pods(struct fake_conn *conn)
{
    fake_reply(conn, 200, "",
               "{\"items\":[{\"metadata\":{\"name\":\"istiod-0\"},\"status\":{\"conditions\":[{"
               "\"type\":\"Ready\",\"status\":\"True\"}]}}]}");
}

static inline void fleet_metrics(struct fleet *f, struct fake_conn *conn,
                                 const struct fake_request *q)
{
    static const char prefix[] = "istio-remote-secret-";
    struct cluster *c = fleet_cluster_of(f, q->head);
    const struct records *all = cluster_records(c, plan_gvr("v1", "Secret"));
    auto_buf text = BUF_INIT(65536);
    const struct kube_record *r;
    buf_puts(&text, "pilot_xds{version=\"1\"} 2\n");
    for (size_t at = 0; (r = records_next(all, &at));)
        if (str_starts(kube_record_name(r), prefix))
            (void)buf_printf(
                &text, "istiod_remote_cluster_sync_status{cluster=\"%s\",status=\"synced\"} 1\n",
                kube_record_name(r) + sizeof prefix - 1);
    fake_reply(conn, 200, "Content-Type: text/plain\r\n", text.data);
}

static inline void fleet_handle(void *arg, struct fake_conn *conn, const struct fake_request *q)
{
    struct fleet *f = arg;
    if (str_eq(q->method, "PATCH"))
        fleet_patch(f, conn, q);
    else if (str_eq(q->method, "DELETE"))
        fleet_delete(f, conn, q);
    else if (json_object_get(f->answers, q->path))
        fleet_answer(conn, json_object_get(f->answers, q->path));
    else if (str_ends(q->path, "/token"))
        fake_reply(
            conn, 201, "",
            "{\"status\":{\"token\":\"t\",\"expirationTimestamp\":\"2033-01-01T00:00:00Z\"}}");
    else if (f->istiod && strstr(q->path, "/proxy/metrics"))
        fleet_metrics(f, conn, q);
    else if (f->istiod && strstr(q->path, "/pods?"))
        fleet_pods(conn);
    else if (strstr(q->path, "/secrets/"))
        fleet_secret(f, conn, q->path);
    else
        fleet_read(f, conn, q);
}

static inline struct kube_client *fleet_client(struct fleet *f, const char *token)
{
    struct kube_config config = {.server = f->server.url};
    config.token = xstrdup(token);
    struct kube_client *c = kube_client_new_plain(&f->loop, &f->clock.clock, &config, NULL);
    free(config.token);
    assert_non_null(c);
    return c;
}

static inline struct hub_object *fleet_hub_object(struct fleet *f, enum api_kind kind,
                                                  const char *name, json_t *spec)
{
    struct hub_object *o = xcalloc(1, sizeof *o + 300);
    o->hub = &f->m.hub;
    o->kind = kind;
    o->obj = json_pack("{s:{s:s, s:s, s:s, s:s, s:i, s:s, s:[s]}, s:o}", "metadata", "name", name,
                       "namespace", "fleet", "uid", name, "resourceVersion", "1", "generation", 1,
                       "creationTimestamp", "2024-01-01T00:00:00Z", "finalizers", HUB_FINALIZER,
                       "spec", spec);
    assert_non_null(o->obj);
    snprintf(o->key, 300, "fleet/%s", name);
    HASH_ADD_STR(f->m.hub.kinds[kind].all, key, o);
    f->m.hub.spec_rev++;
    return o;
}

static inline void fleet_changed(void *arg, struct cluster *c)
{
    manager_cluster_changed(arg, c);
}

/* Another client for a cluster, as with new credentials: what was on its way ends without an answer. */
static inline void fleet_new_client(struct fleet *f, struct cluster *c)
{
    auto_free char *token = xasprintf("member/%s", c->name);
    applier_cancel(c);
    kube_client_free(c->client);
    c->client = fleet_client(f, token);
    while (c->tasks) {
        struct cluster_task *t = c->tasks;
        cluster_task_end(t);
        t->drop(t);
    }
}

/* A MemberCluster that answers and was read: it holds nothing. */
static inline struct cluster *fleet_add_cluster_on(struct fleet *f, const char *name,
                                                   const char *network)
{
    struct cluster *c = cluster_new(&f->loop, &f->clock.clock, "fleet", name, fleet_changed, &f->m);
    auto_free char *token = xasprintf("member/%s", name);
    fleet_hub_object(f, API_KIND_MEMBER_CLUSTER, name, json_pack("{s:s}", "network", network));
    HASH_ADD_STR(f->m.clusters, key, c);
    c->running = &f->m.writes_running;
    c->client = fleet_client(f, token);
    c->state = CLUSTER_REACHABLE;
    c->uid = xstrdup(name);
    c->minor = 37;
    for (const struct gvr *g = plan_kinds; g->kind; g++) {
        struct cluster_watch *w = &c->watches[c->n_watches++];
        *w = (struct cluster_watch){.cluster = c, .gvr = g};
        w->records.synced = true;
    }
    for (const struct gvr *g = plan_kinds_on_demand; g->kind; g++) {
        struct cluster_watch *w = &c->watches[c->n_watches++];
        *w =
            (struct cluster_watch){.cluster = c, .gvr = g, .on_demand = true, .scope = CLUSTER_ALL};
        w->records.synced = true;
    }
    return c;
}

static inline struct cluster *fleet_add_cluster(struct fleet *f, const char *name)
{
    return fleet_add_cluster_on(f, name, "n");
}

/* A Mesh of clusters that are there. */
static inline void fleet_add_mesh_of(struct fleet *f, const char *name, json_t *clusters)
{
    auto_free char *key = xasprintf("fleet/%s", name);
    fleet_hub_object(f, API_KIND_MESH, name, json_pack("{s:o}", "clusters", clusters));
    manager_enqueue(&f->m, API_KIND_MESH, key, 0);
}

/* A Mesh of n new clusters: "<name>-0", ... */
static inline void fleet_add_mesh(struct fleet *f, const char *name, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        auto_free char *one = xasprintf("%s-%d", name, i);
        fleet_add_cluster(f, one);
        json_array_append_new(list, json_pack("{s:s}", "name", one));
    }
    fleet_add_mesh_of(f, name, list);
}

static inline void fleet_start(struct fleet *f, const char *data_dir)
{
    struct err err;
    *f = (struct fleet){.clock = CLOCK_VIRTUAL(1000000, 1700000000)};
    f->maker = kube_record_maker_new();
    f->addresses = json_object();
    f->balanced = json_object();
    f->deleted = json_array();
    f->released = json_array();
    f->applied = json_object();
    f->answers = json_object();
    uv_loop_init(&f->loop);
    fake_start(&f->server, &f->loop, fleet_handle, f);
    f->options =
        (struct options){.data_dir = data_dir, .hub = "docker.io/istio", .namespace = "fleet"};
    f->m = (struct manager){.options = &f->options, .loop = &f->loop, .clock = &f->clock.clock};
    f->m.queue = queue_new(&f->clock.clock);
    f->m.hub_client = fleet_client(f, "hub");
    f->m.hub.client = f->m.hub_client;
    f->m.hub.clock = &f->clock.clock;
    f->m.hub.events = kube_events_new(f->m.hub_client, "test");
    f->m.hub.changed = NULL;
    for (int i = 0; i < API_KIND_COUNT; i++)
        f->m.hub.kinds[i] = (struct hub_collection){.hub = &f->m.hub, .kind = (enum api_kind)i};
    f->m.hub.arg = f;
    assert_int_equal(pki_root_new("o", "root", 1600000000, 1999999999, &f->root, &err), 0);
    assert_int_equal(pki_root_new("bank", "root", 1600000000, 1999999999, &f->banks_root, &err), 0);
}

static inline void fleet_hub_changed(void *arg, enum api_kind kind, const char *key)
{
    struct fleet *f = arg;
    manager_enqueue(&f->m, kind, key, 0);
}

static inline void fleet_pass(struct fleet *f)
{
    const char *full;
    while ((full = queue_get(f->m.queue))) {
        const char *key = strchr(full, '/') + 1;
        int64_t number = -1, again = 0;
        auto_free char *prefix = xstrndup(full, strcspn(full, "/"));
        assert_int_equal(str_to_i64(prefix, 0, API_KIND_COUNT - 1, &number), 0);
        enum api_kind kind = (enum api_kind)number;
        if (kind == API_KIND_GATEWAY)
            again = gateway_reconcile(&f->m, key);
        if (kind == API_KIND_WORKLOAD_GROUP)
            again = workloadgroup_reconcile(&f->m, key);
        if (kind == API_KIND_TRUST_BUNDLE)
            again = trustbundle_reconcile(&f->m, key);
        if (kind == API_KIND_MESH) {
            again = mesh_reconcile(&f->m, key);
            f->passes++;
        }
        auto_free char *copy = xstrdup(full);
        queue_done(f->m.queue, copy);
        if (again > 0)
            manager_enqueue(&f->m, kind, strchr(copy, '/') + 1, again);
    }
}

/* Lets ms of the clock pass in small steps, with all that is sent and answered in them. */
static inline void fleet_run(struct fleet *f, int64_t ms)
{
    f->m.hub.changed = fleet_hub_changed;
    for (int64_t end = f->clock.mono + ms; f->clock.mono < end;) {
        fleet_pass(f);
        for (int i = 0; i < 60; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        clock_virtual_advance(&f->clock, 20);
    }
}

/* Somebody edits the spec of the Mesh "shop". */
static inline void fleet_edit(struct fleet *f, const char *path, json_t *value)
{
    struct hub_object *o = hub_find(&f->m.hub, API_KIND_MESH, "fleet/shop");
    jx_set_new(o->obj, path, value);
    int64_t generation = jx_int(o->obj, "metadata.generation", 0);
    jx_set_new(o->obj, "metadata.generation", json_integer(generation + 1));
    f->m.hub.spec_rev++;
    manager_enqueue(&f->m, API_KIND_MESH, "fleet/shop", 0);
}

static inline const json_t *fleet_status(struct fleet *f)
{
    return json_object_get(hub_find(&f->m.hub, API_KIND_MESH, "fleet/shop")->obj, "status");
}

/* Why a condition of the Mesh "shop" is as it is. */
static inline const char *fleet_reason(struct fleet *f, const char *type)
{
    return str_or(jx_str(cond_find(jx_get(fleet_status(f), "conditions"), type), "reason"), "");
}

/* The same of one of its members. */
static inline const char *fleet_member_reason(struct fleet *f, const char *cluster,
                                              const char *type)
{
    size_t i;
    json_t *row;
    json_array_foreach (jx_get(fleet_status(f), "clusters"), i, row) {
        if (str_eq(jx_str(row, "name"), cluster))
            return str_or(jx_str(cond_find(json_object_get(row, "conditions"), type), "reason"),
                          "");
    }
    return "";
}

static inline const struct kube_record *fleet_find(struct fleet *f, const char *cluster,
                                                   const char *api_version, const char *kind,
                                                   const char *ns, const char *name)
{
    struct cluster *c = manager_cluster(&f->m, "fleet", cluster);
    const struct records *all = cluster_records(c, plan_gvr(api_version, kind));
    return all ? records_find(all, ns, name) : NULL;
}

static inline void fleet_stop(struct fleet *f)
{
    struct cluster *c, *tmp;
    f->m.stopping = true;
    gateway_forget_all(&f->m);
    workloadgroup_forget_all(&f->m);
    mesh_forget_all(&f->m);
    HASH_ITER (hh, f->m.clusters, c, tmp) {
        HASH_DEL(f->m.clusters, c);
        while (c->n_watches > 0)
            records_done(&c->watches[--c->n_watches].records);
        cluster_free(c);
    }
    manager_forget(&f->m);
    hub_stop(&f->m.hub);
    kube_client_free(f->m.hub_client);
    fake_stop(&f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    queue_free(f->m.queue);
    pki_pair_done(&f->root);
    pki_pair_done(&f->banks_root);
    json_decref(f->applied);
    kube_record_maker_free(f->maker);
    json_decref(f->addresses);
    json_decref(f->balanced);
    json_decref(f->deleted);
    json_decref(f->released);
    json_decref(f->answers);
}

#endif
