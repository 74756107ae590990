/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/str.h"
#include "clusterset/clusterset.h"
#include "gateway/gateway.h"
#include "membercluster/member.h"
#include "mesh/mesh.h"
#include "metrics.h"
#include "trustbundle/bundle.h"
#include "workloadgroup/group.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum {
    EXIT_CRASH_TEST = 137,
    IDLE_MS = 2000,
    GIVE_BACK_FIRST_MS = 5000,
    GIVE_BACK_LAST_MS = 600000,
    KEYS_PER_TURN = 32
};

/* --- queue --- */

static void wake_soon(struct manager *m);

/* A Mesh and a MemberCluster are groups of their own: whatever changes in a cluster puts in its own key and those of
 * its meshes, each of which waits once. So a noisy cluster costs the others one turn of its own and one of each of its
 * meshes per round. Of the other kinds a namespace may hold many: they share a turn. */
static void enqueue(struct manager *m, enum api_kind kind, const char *key, int64_t delay_ms,
                    enum queue_priority priority)
{
    if (m->stopping)
        return;
    auto_free char *full = xasprintf("%d/%s", (int)kind, key);
    bool alone = kind == API_KIND_MESH || kind == API_KIND_MEMBER_CLUSTER;
    auto_free char *group = alone ? NULL : xstrndup(full, (size_t)(strrchr(full, '/') - full));
    queue_add(m->queue, alone ? full : group, full, delay_ms, priority);
    wake_soon(m);
}

void manager_enqueue(struct manager *m, enum api_kind kind, const char *key, int64_t delay_ms)
{
    enqueue(m, kind, key, delay_ms, QUEUE_NORMAL);
}

void manager_enqueue_meshes(struct manager *m, const char *ns, int64_t delay_ms)
{
    for (struct hub_object *o = m->hub.kinds[API_KIND_MESH].all; o; o = o->hh.next)
        if (hub_in_namespace(o, ns))
            manager_enqueue(m, API_KIND_MESH, o->key, delay_ms);
}

/* --- who wants to hear of a cluster --- */

struct waiter {
    enum api_kind kind;
    char *key;
};

struct await {
    struct waiter *waiters;
    size_t n;
    UT_hash_handle hh;
    char cluster[];
};

static struct await *await_of(const struct manager *m, const char *cluster_key)
{
    struct await *a;
    HASH_FIND_STR(m->awaits, cluster_key, a);
    return a;
}

void manager_await_kind(struct manager *m, const char *cluster_key, enum api_kind kind,
                        const char *key)
{
    struct await *a = await_of(m, cluster_key);
    if (!a) {
        a = xcalloc(1, sizeof *a + strlen(cluster_key) + 1);
        memcpy(a->cluster, cluster_key, strlen(cluster_key) + 1);
        HASH_ADD_STR(m->awaits, cluster, a);
    }
    for (size_t i = 0; i < a->n; i++)
        if (a->waiters[i].kind == kind && str_eq(a->waiters[i].key, key))
            return;
    a->waiters = xrealloc(a->waiters, (a->n + 1) * sizeof *a->waiters);
    a->waiters[a->n++] = (struct waiter){kind, xstrdup(key)};
}

void manager_await(struct manager *m, const char *cluster_key, const char *mesh_key)
{
    manager_await_kind(m, cluster_key, API_KIND_MESH, mesh_key);
}

static void answer(struct manager *m, struct await *a, int64_t delay_ms)
{
    HASH_DEL(m->awaits, a);
    for (size_t i = 0; i < a->n; i++) {
        manager_enqueue(m, a->waiters[i].kind, a->waiters[i].key, delay_ms);
        free(a->waiters[i].key);
    }
    free(a->waiters);
    free(a);
}

void manager_cluster_changed(struct manager *m, const struct cluster *c)
{
    struct await *a = await_of(m, c->key);
    if (a)
        answer(m, a, MANAGER_CHANGE_MS);
}

void manager_cluster_known(struct manager *m, struct cluster *c)
{
    static const enum api_kind owners[] = {API_KIND_MESH, API_KIND_GATEWAY, API_KIND_WORKLOAD_GROUP,
                                           API_KIND_MEMBER_CLUSTER};
    m->known_rev++;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        for (const struct hub_object *o = m->hub.kinds[owners[i]].all; o; o = o->hh.next)
            if (cluster_holds(c, str_or(jx_str(o->obj, "metadata.uid"), "")))
                manager_enqueue(m, owners[i], o->key, MANAGER_CHANGE_MS);
}

/* A MemberCluster came, went or was edited: for those who have it and those who want it now. */
static void on_member_edited(struct manager *m, const char *key)
{
    struct await *a = await_of(m, key);
    const struct hub_object *c = hub_find(&m->hub, API_KIND_MEMBER_CLUSTER, key);
    size_t n = strcspn(key, "/") + 1;
    if (a)
        answer(m, a, 0);
    for (struct hub_object *o = c ? m->hub.kinds[API_KIND_MESH].all : NULL; o; o = o->hh.next)
        if (strncmp(o->key, key, n) == 0 && hub_mesh_lists(o->obj, key + n, c))
            manager_enqueue(m, API_KIND_MESH, o->key, 0);
}

static void forget_awaits(struct manager *m)
{
    struct await *a, *tmp;
    HASH_ITER (hh, m->awaits, a, tmp) {
        answer(m, a, 0);
    }
}

/* --- Istio's data --- */

enum { DATA_MAX = 16 };

struct data_entry {
    struct istio_data *data;
    UT_hash_handle hh;
    char version[];
};

static void forget_data(struct manager *m)
{
    struct data_entry *e, *tmp;
    HASH_ITER (hh, m->data, e, tmp) {
        HASH_DEL(m->data, e);
        istio_data_free(e->data);
        free(e);
    }
}

struct istio_data *manager_istio_data(struct manager *m, const char *version, struct err *err)
{
    struct data_entry *e;
    const char *key = str_or(version, "");
    HASH_FIND_STR(m->data, key, e);
    if (e)
        return e->data;
    if (HASH_COUNT(m->data) >= DATA_MAX) /* many spellings of the few that are carried */
        forget_data(m);
    struct istio_data *data = istio_data_load(m->options->data_dir, version, err);
    if (!data)
        return NULL;
    e = xcalloc(1, sizeof *e + strlen(key) + 1);
    e->data = data;
    memcpy(e->version, key, strlen(key) + 1);
    HASH_ADD_STR(m->data, version, e);
    return data;
}

void manager_forget(struct manager *m)
{
    forget_awaits(m);
    forget_data(m);
}

/* Gateways and WorkloadGroups look at their Mesh, at one another, and at the MemberClusters. */
static void wake_parts(struct manager *m, enum api_kind part, enum api_kind kind, const char *key,
                       bool edited)
{
    size_t n = strcspn(key, "/") + 1;
    for (const struct hub_object *o = m->hub.kinds[part].all; o; o = o->hh.next) {
        bool of_mesh =
            kind == API_KIND_MESH && str_eq(jx_str(o->obj, "spec.meshRef.name"), key + n);
        if (strncmp(o->key, key, n) == 0 && (edited || of_mesh))
            manager_enqueue(m, part, o->key, 0);
    }
}

static int64_t reconcile(struct manager *m, enum api_kind kind, const char *key)
{
    m->reconciles++;
    switch (kind) {
    case API_KIND_MEMBER_CLUSTER:
        return member_reconcile(m, key);
    case API_KIND_MESH:
        return mesh_reconcile(m, key);
    case API_KIND_TRUST_BUNDLE:
        return trustbundle_reconcile(m, key);
    case API_KIND_GATEWAY:
        return gateway_reconcile(m, key);
    case API_KIND_WORKLOAD_GROUP:
        return workloadgroup_reconcile(m, key);
    case API_KIND_COUNT:
        break;
    }
    return 0;
}

/* Runs what is due now; each key says when it wants to run again (ms, 0: only when something changes). */
static void drain(uv_timer_t *t)
{
    struct manager *m = t->data;
    const char *full;
    if (m->stopping || !m->leading || !hub_synced(&m->hub))
        return;
    /* A bounded turn, so that answers are read between two rounds of the same keys. */
    for (int i = 0; i < KEYS_PER_TURN && (full = queue_get(m->queue)); i++) {
        int64_t kind = -1;
        auto_free char *number = xstrndup(full, strcspn(full, "/"));
        const char *key = full + strlen(number) + 1;
        int64_t again = 0;
        if (str_to_i64(number, 0, API_KIND_COUNT - 1, &kind) == 0)
            again = reconcile(m, (enum api_kind)kind, key);
        auto_free char *copy = xstrdup(full);
        queue_done(m->queue, copy);
        if (again > 0)
            manager_enqueue(m, (enum api_kind)kind, copy + strlen(number) + 1, again);
    }
    wake_soon(m);
}

/* Lists, reconciles and above all the start leave memory behind that is not needed any more. Often at first, then ever
 * more seldom: what is in steady use settles. */
static void give_back(struct manager *m)
{
    int64_t now = clock_ms(m->clock);
    if (now < m->give_back_ms)
        return;
    m->give_back_wait_ms = m->give_back_wait_ms ? m->give_back_wait_ms * 2 : GIVE_BACK_FIRST_MS;
    if (m->give_back_wait_ms > GIVE_BACK_LAST_MS)
        m->give_back_wait_ms = GIVE_BACK_LAST_MS;
    m->give_back_ms = now + m->give_back_wait_ms;
    pages_give_back();
}

static void wake_soon(struct manager *m)
{
    int64_t ms = queue_next_ms(m->queue);
    if (ms < 0 || m->stopping || !m->leading || !hub_synced(&m->hub))
        return;
    if (ms >= IDLE_MS)
        give_back(m);
    uv_timer_start(&m->wake, drain, (uint64_t)ms, 0);
}

/* --- what others tell --- */

static void on_hub_change(void *arg, enum api_kind kind, const char *key)
{
    struct manager *m = arg;
    if (!*key) { /* a collection is complete */
        wake_soon(m);
        return;
    }
    enqueue(m, kind, key, 0, hub_synced(&m->hub) ? QUEUE_NORMAL : QUEUE_LOW);
    bool edited = m->spec_seen != m->hub.spec_rev;
    m->spec_seen = m->hub.spec_rev;
    if (edited && kind == API_KIND_MEMBER_CLUSTER) {
        on_member_edited(m, key);
        clusterset_edited(m, key);
    }
    wake_parts(m, API_KIND_GATEWAY, kind, key, edited);
    wake_parts(m, API_KIND_WORKLOAD_GROUP, kind, key, edited);
    /* A Mesh may claim or free clusters of others, and others may trust it; the rest changes what theirs hold. */
    if (edited && kind != API_KIND_MEMBER_CLUSTER) {
        auto_free char *ns = xstrndup(key, strcspn(key, "/"));
        manager_enqueue_meshes(m, ns, 0);
        trustbundle_enqueue_all(m, ns);
    }
}

void manager_written(void *manager)
{
    struct manager *m = manager;
    m->writes++;
    if (m->options->crash_after_writes > 0 && m->writes == (uint64_t)m->options->crash_after_writes)
        _exit(EXIT_CRASH_TEST);
}

struct cluster *manager_cluster(const struct manager *m, const char *ns, const char *name)
{
    struct cluster *c;
    auto_free char *key = xasprintf("%s/%s", ns, name);
    HASH_FIND_STR(m->clusters, key, c);
    return c;
}

/* --- start and stop --- */

static void start_hub(struct manager *m)
{
    m->hub.changed = on_hub_change;
    m->hub.written = manager_written;
    m->hub.arg = m;
    hub_start(&m->hub, m->hub_client, m->clock, m->options->namespace);
}

static void on_acquired(void *arg)
{
    struct manager *m = arg;
    log_info("leading");
    m->leading = true;
    start_hub(m);
}

static void on_lost(void *arg)
{
    struct manager *m = arg;
    log_error("the lease is lost: another replica may write now, so this one ends");
    m->exit_code = 1;
    _exit(1); /* at once: a write in hand must not be sent */
}

static void start_lease(struct manager *m)
{
    char host[256] = "meshwright";
    gethostname(host, sizeof host - 1);
    auto_free char *identity = xasprintf("%s_%d", str_or(getenv("POD_NAME"), host), (int)getpid());
    m->lease = kube_lease_start(m->hub_client, m->options->lease_namespace, "meshwright", identity,
                                on_acquired, on_lost, m);
}

static void close_all(struct manager *m)
{
    gateway_forget_all(m);
    workloadgroup_forget_all(m);
    mesh_forget_all(m);
    member_forget_all(m);
    manager_forget(m);
    hub_stop(&m->hub);
    if (m->serve)
        serve_stop(m->serve);
    kube_client_free(m->hub_client);
    uv_close((uv_handle_t *)&m->wake, NULL);
    uv_close((uv_handle_t *)&m->sigterm, NULL);
    uv_close((uv_handle_t *)&m->sigint, NULL);
}

static void on_released(void *arg)
{
    close_all(arg);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct manager *m = s->data;
    (void)number;
    if (m->stopping)
        _exit(1); /* asked twice */
    log_info("stopping");
    m->stopping = true;
    uv_timer_stop(&m->wake);
    if (m->lease)
        kube_lease_release(m->lease, on_released, m);
    else
        close_all(m);
}

static bool is_healthy(void *arg)
{
    (void)arg;
    return true; /* the loop answers, which is what there is to know */
}

static bool is_ready(void *arg)
{
    const struct manager *m = arg;
    return !m->leading || hub_synced(&m->hub);
}

static void write_metrics(void *arg, struct buf *out)
{
    metrics_write(arg, out);
}

static int start_serve(struct manager *m, struct err *err)
{
    struct serve_hooks hooks = {is_healthy, is_ready, write_metrics, m};
    if (str_eq(m->options->bind, "0"))
        return 0;
    m->serve = serve_start(m->loop, m->options->bind, &hooks, err);
    return m->serve ? 0 : -1;
}

static int read_kubeconfig(const char *path, struct kube_config *ret, struct err *err)
{
    size_t len;
    char *text = file_read(path, YAML_BYTES_MAX, &len, err);
    if (!text)
        return -1;
    int rc = kubeconfig_load(text, len, KUBECONFIG_OWN, ret, NULL, err);
    xfree_secret(text);
    return rc;
}

static int load_hub_config(struct manager *m, struct err *err)
{
    if (m->options->kubeconfig)
        return read_kubeconfig(m->options->kubeconfig, &m->hub_config, err);
    return kube_config_in_cluster("", &m->hub_config, err);
}

static int start(struct manager *m, struct err *err)
{
    if (load_hub_config(m, err) < 0)
        return err_wrap(err, "how to reach the hub (use --kubeconfig outside a cluster)");
    m->hub_client = kube_client_new(m->loop, m->clock, &m->hub_config, err);
    if (!m->hub_client || start_serve(m, err) < 0)
        return -1;
    if (m->options->leader_elect)
        start_lease(m);
    else
        on_acquired(m);
    return 0;
}

static void init(struct manager *m, const struct options *o, uv_loop_t *loop)
{
    *m = (struct manager){.options = o, .loop = loop, .clock = &clock_system};
    m->queue = queue_new(m->clock);
    uv_timer_init(loop, &m->wake);
    uv_signal_init(loop, &m->sigterm);
    uv_signal_init(loop, &m->sigint);
    m->wake.data = m->sigterm.data = m->sigint.data = m;
    uv_signal_start(&m->sigterm, on_signal, SIGTERM);
    uv_signal_start(&m->sigint, on_signal, SIGINT);
}

int manager_run(const struct options *o)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct manager m;
    struct err err = {0};
    init(&m, o, &loop);
    if (start(&m, &err) < 0) {
        log_error("cannot start", "error", err.msg);
        return 1;
    }
    log_info("started", "hub", kube_client_server(m.hub_client), "namespace", o->namespace);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    queue_free(m.queue);
    kube_config_done(&m.hub_config);
    log_info("stopped");
    return m.exit_code;
}
