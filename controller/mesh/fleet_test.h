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
#include "http/fake_test.h"
#include "kube/client_priv.h"
#include "mesh/mesh.h"
#include "runtime/applier.h"
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
    const char *uid;   /* of what is shown; NULL: its name */
};

static struct cluster *fleet_cluster_of(struct fleet *f, const char *head)
{
    const char *token = strstr(head, "Bearer member/");
    if (!token)
        return NULL;
    token += strlen("Bearer member/");
    auto_free char *name = xstrndup(token, strcspn(token, "\r"));
    return manager_cluster(&f->m, "fleet", name);
}

static struct cluster_watch *fleet_watch(struct cluster *c, const json_t *obj)
{
    const struct gvr *g = plan_gvr(jx_str(obj, "apiVersion"), jx_str(obj, "kind"));
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].gvr == g)
            return &c->watches[i];
    return NULL;
}

static enum kube_record_kind fleet_kind(const struct gvr *g)
{
    if (str_eq(g->kind, "Service"))
        return KUBE_RECORD_SERVICE;
    if (str_eq(g->kind, "Namespace"))
        return KUBE_RECORD_NAMESPACE;
    return str_eq(g->kind, "Deployment") ? KUBE_RECORD_DEPLOYMENT : KUBE_RECORD_META;
}

/* The watch brings an object. */
static void fleet_show(struct fleet *f, struct cluster *c, const json_t *obj, bool ours)
{
    struct cluster_watch *w = fleet_watch(c, obj);
    assert_non_null(w);
    auto_json *o = json_deep_copy(obj);
    auto_free char *rv = xasprintf("%d", f->rv);
    jx_set_str(o, "metadata.resourceVersion", rv);
    jx_set_str(o, "metadata.uid", f->uid ? f->uid : jx_str(obj, "metadata.name"));
    auto_json *status = json_pack("{s:i, s:i, s:i, s:i}", "observedGeneration", 0, "replicas", 1,
                                  "updatedReplicas", 1, "availableReplicas", 1);
    if (str_eq(w->gvr->kind, "Deployment"))
        json_object_set(o, "status", status);
    enum kube_record_kind kind = fleet_kind(w->gvr);
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
    cluster_touch(c);
}

static void fleet_check_order(struct fleet *f, struct cluster *c, const json_t *obj)
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

static bool fleet_refuses(struct fleet *f, const struct cluster *c, const struct fake_request *q)
{
    struct fleet_refusal *r = &f->refusal;
    if (!r->cluster || !str_eq(c->name, r->cluster) || (r->only && !strstr(q->path, r->only)))
        return false;
    bool forced = r->only && strstr(q->path, "force=true");
    r->asked++;
    r->forced += forced;
    return !forced;
}

static void fleet_patch(struct fleet *f, struct fake_conn *conn, const struct fake_request *q)
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
        fleet_check_order(f, c, obj);
        fleet_show(f, c, obj, true);
    } else {
        auto_free char *key = xasprintf("fleet/%s", jx_str(obj, "metadata.name"));
        struct hub_object *o = hub_find(&f->m.hub, API_KIND_MESH, key);
        if (o && json_object_get(obj, "status"))
            json_object_set(o->obj, "status", json_object_get(obj, "status"));
    }
    snprintf(answer, sizeof answer, "{\"metadata\":{\"resourceVersion\":\"%d\"}}", c ? f->rv : 1);
    fake_reply(conn, 200, "", answer);
}

static void fleet_secret(const struct fleet *f, struct fake_conn *conn)
{
    auto_free char *cert = jx_b64(f->root.cert, strlen(f->root.cert));
    auto_free char *key = jx_b64(f->root.key, strlen(f->root.key));
    auto_json *s = json_pack("{s:{s:s}, s:{s:s, s:s}}", "metadata", "name", "ca", "data", "tls.crt",
                             cert, "tls.key", key);
    auto_free char *text = jx_dump(s);
    fake_reply(conn, 200, "", text);
}

/* The watch tells that an object went. */
static void fleet_hide(struct cluster_watch *w, const char *ns, const char *name)
{
    auto_free char *ns_copy = xstrdup0(ns);
    auto_free char *name_copy = xstrdup(name);
    records_remove(&w->records, ns_copy, name_copy);
    enum kube_record_kind kind = fleet_kind(w->gvr);
    w->cluster->dns_rev += kind == KUBE_RECORD_SERVICE || kind == KUBE_RECORD_NAMESPACE;
    cluster_touch(w->cluster);
}

static void fleet_delete(struct fleet *f, struct fake_conn *conn, const struct fake_request *q)
{
    struct cluster *c = fleet_cluster_of(f, q->head);
    for (size_t i = 0; c && i < c->n_watches; i++) {
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            auto_free char *path =
                gvr_path(c->watches[i].gvr, kube_record_ns(r), kube_record_name(r));
            if (!str_eq(path, q->path))
                continue;
            f->writes++;
            fleet_hide(&c->watches[i], kube_record_ns(r), kube_record_name(r));
            fake_reply(conn, 200, "", "{}");
            return;
        }
    }
    fake_reply(conn, 404, "", "{}");
}

static void fleet_read(const struct fleet *f, struct fake_conn *conn)
{
    auto_json *o = json_pack("{s:[], s:{s:{s:s*}}}", "items", "metadata", "labels",
                             PLAN_LABEL_OWNER_UID, f->owner);
    auto_free char *text = jx_dump(o);
    fake_reply(conn, 200, "", text);
}

static void fleet_handle(void *arg, struct fake_conn *conn, const struct fake_request *q)
{
    struct fleet *f = arg;
    if (str_eq(q->method, "PATCH"))
        fleet_patch(f, conn, q);
    else if (str_eq(q->method, "DELETE"))
        fleet_delete(f, conn, q);
    else if (str_ends(q->path, "/token"))
        fake_reply(
            conn, 201, "",
            "{\"status\":{\"token\":\"t\",\"expirationTimestamp\":\"2033-01-01T00:00:00Z\"}}");
    else if (strstr(q->path, "/secrets/"))
        fleet_secret(f, conn);
    else
        fleet_read(f, conn);
}

static struct kube_client *fleet_client(struct fleet *f, const char *token)
{
    struct kube_config config = {.server = f->server.url};
    config.token = xstrdup(token);
    struct kube_client *c = kube_client_new_plain(&f->loop, &f->clock.clock, &config, NULL);
    free(config.token);
    assert_non_null(c);
    return c;
}

static struct hub_object *fleet_hub_object(struct fleet *f, enum api_kind kind, const char *name,
                                           json_t *spec)
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

static void fleet_changed(void *arg, struct cluster *c)
{
    manager_cluster_changed(arg, c);
}

/* A MemberCluster that answers and was read: it holds nothing. */
static struct cluster *fleet_add_cluster(struct fleet *f, const char *name)
{
    struct cluster *c = cluster_new(&f->loop, &f->clock.clock, "fleet", name, fleet_changed, &f->m);
    auto_free char *token = xasprintf("member/%s", name);
    fleet_hub_object(f, API_KIND_MEMBER_CLUSTER, name, json_pack("{s:s}", "network", "n"));
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
    return c;
}

/* A Mesh of n new clusters: "<name>-0", ... */
static void fleet_add_mesh(struct fleet *f, const char *name, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        auto_free char *one = xasprintf("%s-%d", name, i);
        fleet_add_cluster(f, one);
        json_array_append_new(list, json_pack("{s:s}", "name", one));
    }
    auto_free char *key = xasprintf("fleet/%s", name);
    fleet_hub_object(f, API_KIND_MESH, name, json_pack("{s:o}", "clusters", list));
    manager_enqueue(&f->m, API_KIND_MESH, key, 0);
}

static void fleet_start(struct fleet *f, const char *data_dir)
{
    struct err err;
    *f = (struct fleet){.clock = CLOCK_VIRTUAL(1000000, 1700000000)};
    f->maker = kube_record_maker_new();
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
}

static void fleet_hub_changed(void *arg, enum api_kind kind, const char *key)
{
    struct fleet *f = arg;
    manager_enqueue(&f->m, kind, key, 0);
}

static void fleet_pass(struct fleet *f)
{
    const char *full;
    while ((full = queue_get(f->m.queue))) {
        const char *key = strchr(full, '/') + 1;
        auto_free char *prefix = xasprintf("%d/", (int)API_KIND_MESH);
        int64_t again = 0;
        if (str_starts(full, prefix)) {
            again = mesh_reconcile(&f->m, key);
            f->passes++;
        }
        auto_free char *copy = xstrdup(full);
        queue_done(f->m.queue, copy);
        if (again > 0)
            manager_enqueue(&f->m, API_KIND_MESH, copy + strlen(prefix), again);
    }
}

/* Lets ms of the clock pass in small steps, with all that is sent and answered in them. */
static void fleet_run(struct fleet *f, int64_t ms)
{
    f->m.hub.changed = fleet_hub_changed;
    for (int64_t end = f->clock.mono + ms; f->clock.mono < end;) {
        fleet_pass(f);
        for (int i = 0; i < 60; i++)
            uv_run(&f->loop, UV_RUN_NOWAIT);
        clock_virtual_advance(&f->clock, 20);
    }
}

static void fleet_stop(struct fleet *f)
{
    struct cluster *c, *tmp;
    f->m.stopping = true;
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
    kube_record_maker_free(f->maker);
}

#endif
