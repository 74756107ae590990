/* SPDX-License-Identifier: Apache-2.0 */
/* What is watched in a member: the kinds that every member holds, and those on demand. */
#include "runtime/watches.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/istio.h"
#include "kube/query.h"
#include "json/jx.h"

enum { PATH_MAX_BYTES = 1024 };

/* Labels of a Service are copied to its slices by who makes them: those are not ours. */
#define OURS PLAN_LABEL_MANAGED_BY "=" PLAN_MANAGED_BY
#define OUR_SLICES                                                                                 \
    OURS "," KUBE_LABEL_SLICE_BY " notin (" KUBE_SLICE_CONTROLLER "," KUBE_SLICE_MIRROR ")"

/* --- kinds --- */

/* Of what decisions are made from, more than metadata is read. */
enum kube_record_kind cluster_record_kind(const struct gvr *g)
{
    static const struct {
        const char *group, *kind;
        enum kube_record_kind record;
    } special[] = {
        {"", "Service", KUBE_RECORD_SERVICE},
        {"", "Namespace", KUBE_RECORD_NAMESPACE},
        {"", "Pod", KUBE_RECORD_POD},
        {"apps", "Deployment", KUBE_RECORD_DEPLOYMENT},
        {"discovery.k8s.io", "EndpointSlice", KUBE_RECORD_ENDPOINT_SLICE},
        {"networking.k8s.io", "Ingress", KUBE_RECORD_INGRESS},
        {"networking.istio.io", "WorkloadEntry", KUBE_RECORD_WORKLOAD_ENTRY},
    };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (str_eq(g->kind, special[i].kind) && str_eq(g->group, special[i].group))
            return special[i].record;
    return KUBE_RECORD_META;
}

/* How far a kind that every member holds is watched: whole where others' count as well. */
static enum cluster_scope scope_of(const struct gvr *g)
{
    enum kube_record_kind k = cluster_record_kind(g);
    return k == KUBE_RECORD_SERVICE || k == KUBE_RECORD_NAMESPACE ? CLUSTER_ALL : CLUSTER_OURS;
}

static const char *selector(const struct gvr *g, enum cluster_scope scope)
{
    if (scope == CLUSTER_ALL)
        return NULL;
    return cluster_record_kind(g) == KUBE_RECORD_ENDPOINT_SLICE ? OUR_SLICES : OURS;
}

/* All Secrets that we make in a member are there; those of other namespaces are none of our business. */
static const char *secret_namespace(const struct gvr *g)
{
    return str_eq(g->kind, "Secret") ? ISTIO_NAMESPACE : NULL;
}

/* Of which nothing is ever ours. */
static bool only_read(const struct gvr *g)
{
    enum kube_record_kind k = cluster_record_kind(g);
    return k == KUBE_RECORD_POD || k == KUBE_RECORD_WORKLOAD_ENTRY;
}

/* --- records --- */

static bool is_gateway(const struct kube_record *r)
{
    struct kube_view v;
    if (!kube_record_managed(r))
        return false;
    kube_record_view(r, &v);
    return v.has_selector || v.kind == KUBE_RECORD_INGRESS;
}

/* A record came, changed or went; NULL: the list is complete. */
static void on_records(struct cluster_watch *w, const struct kube_record *r)
{
    enum kube_record_kind k = cluster_record_kind(w->gvr);
    struct cluster *c = w->cluster;
    bool service = k == KUBE_RECORD_SERVICE, slice = k == KUBE_RECORD_ENDPOINT_SLICE;
    c->dns_rev += service || k == KUBE_RECORD_NAMESPACE;
    c->address_rev += (service || k == KUBE_RECORD_INGRESS) && (!r || is_gateway(r));
    c->machine_rev += k == KUBE_RECORD_WORKLOAD_ENTRY;
    c->endpoint_rev += (slice || k == KUBE_RECORD_POD) && w->scope == CLUSTER_ALL;
    cluster_touch(c);
}

static void on_list_begin(void *arg)
{
    struct cluster_watch *w = arg;
    records_list_begin(&w->records);
}

static void set_problem(struct cluster_watch *w, const char *problem)
{
    free(w->problem);
    w->problem = xstrdup0(problem);
}

static void on_crd(struct cluster *c, const char *name);

/* Pods and machines tell of themselves all the time, and slices when one of them did: most of it says nothing to us.
 */
static bool says_nothing(const struct cluster_watch *w, const struct kube_record *r)
{
    enum kube_record_kind k = cluster_record_kind(w->gvr);
    bool talks =
        k == KUBE_RECORD_POD || k == KUBE_RECORD_ENDPOINT_SLICE || k == KUBE_RECORD_WORKLOAD_ENTRY;
    if (!w->records.synced || !talks)
        return false;
    const struct kube_record *held =
        records_find(&w->records, kube_record_ns(r), kube_record_name(r));
    return held && kube_record_same_content(held, r);
}

static void on_upsert(void *arg, const struct kube_record *r)
{
    struct cluster_watch *w = arg;
    bool full = w->records.full, silent = says_nothing(w, r);
    if (records_put(&w->records, r) && w->records.synced && !silent)
        on_records(w, r);
    if (str_eq(w->gvr->kind, "CustomResourceDefinition"))
        on_crd(w->cluster, kube_record_name(r));
    if (!w->records.full || full)
        return;
    log_warn("too many objects", "cluster", w->cluster->name, "kind", w->gvr->kind);
    on_records(w, r);
}

static void on_remove(void *arg, const struct kube_record *r)
{
    struct cluster_watch *w = arg;
    if (records_remove(&w->records, kube_record_ns(r), kube_record_name(r)))
        on_records(w, r);
}

static void on_synced(void *arg)
{
    struct cluster_watch *w = arg;
    records_list_end(&w->records);
    w->absent = false;
    on_records(w, NULL);
    cluster_watches_attend(w->cluster);
}

/* The API server does not know the kind: there is nothing of it. It says so only when it knows all kinds that it has;
 * before, it answers 503. */
static void on_absent(struct cluster_watch *w)
{
    records_list_begin(&w->records);
    records_list_end(&w->records);
    w->absent = true;
    set_problem(w, NULL);
    on_records(w, NULL);
}

static void on_state(void *arg, const struct err *err)
{
    struct cluster_watch *w = arg;
    if (err && err->class == ERR_NOT_FOUND && w->on_demand) {
        on_absent(w);
        return;
    }
    set_problem(w, err ? err->msg : NULL);
    if (err)
        log_debug("watch does not work", "cluster", w->cluster->name, "kind", w->gvr->kind, "error",
                  err->msg);
    cluster_touch(w->cluster);
}

static const struct kube_sink sink = {
    .list_begin = on_list_begin,
    .upsert = on_upsert,
    .remove = on_remove,
    .synced = on_synced,
    .state = on_state,
};

/* --- watches --- */

static void start(struct cluster_watch *w)
{
    enum kube_record_kind kind = cluster_record_kind(w->gvr);
    struct kube_watch_opts opts = {
        .record = kind,
        .bulk =
            w->scope == CLUSTER_ALL && kind != KUBE_RECORD_META && kind != KUBE_RECORD_NAMESPACE,
        .ns = secret_namespace(w->gvr),
        .label_selector = selector(w->gvr, w->scope),
    };
    w->watch = kube_watch_start(w->cluster->client, w->gvr, &opts, &sink, w);
}

static void stop(struct cluster_watch *w)
{
    if (w->watch)
        kube_watch_stop(STEAL(w->watch));
    if (w->call)
        kube_call_cancel(STEAL(w->call));
}

static struct cluster_watch *add(struct cluster *c, const struct gvr *g)
{
    struct cluster_watch *w = &c->watches[c->n_watches++];
    *w = (struct cluster_watch){.cluster = c, .gvr = g, .scope = scope_of(g)};
    return w;
}

void cluster_watches_start(struct cluster *c)
{
    if (c->n_watches > 0)
        return;
    for (const struct gvr *g = plan_kinds; g->kind && c->n_watches < CLUSTER_WATCHES_MAX; g++)
        add(c, g);
    for (const struct gvr *g = plan_kinds_on_demand; g->kind && c->n_watches < CLUSTER_WATCHES_MAX;
         g++) {
        struct cluster_watch *w = add(c, g);
        w->on_demand = true;
        w->scope = CLUSTER_NOTHING;
    }
    for (size_t i = 0; i < c->n_watches; i++)
        if (!c->watches[i].on_demand)
            start(&c->watches[i]);
}

void cluster_watches_stop(struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++) {
        stop(&c->watches[i]);
        records_done(&c->watches[i].records);
        free(c->watches[i].problem);
    }
    c->n_watches = 0;
    c->rev++;
    c->dns_rev++;
    c->address_rev++;
    c->endpoint_rev++;
    c->machine_rev++;
}

void cluster_watches_wake(struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].watch)
            kube_watch_wake(c->watches[i].watch);
}

/* --- kinds on demand --- */

static void nothing_there(struct cluster_watch *w, bool absent)
{
    bool news = !w->records.synced;
    w->records.synced = true;
    w->absent = absent;
    w->again_ms = clock_ms(w->cluster->clock) + WATCH_ABSENT_MAX_MS;
    set_problem(w, NULL);
    if (news)
        on_records(w, NULL);
}

static void not_told(struct cluster_watch *w, const struct err *err)
{
    set_problem(w, err->msg);
    w->again_ms = clock_ms(w->cluster->clock) + WATCH_ASK_AGAIN_MS;
    cluster_touch(w->cluster);
}

static void on_presence(void *arg, const struct kube_response *r, const struct err *err)
{
    struct cluster_watch *w = arg;
    w->call = NULL;
    if (err && err->class != ERR_NOT_FOUND)
        not_told(w, err);
    else if (err)
        nothing_there(w, true);
    else if (json_array_size(jx_get(r->body, "items")) > 0 || jx_str(r->body, "metadata.continue"))
        cluster_want(w->cluster, w->gvr, CLUSTER_OURS);
    else
        nothing_there(w, false);
}

/* Is there anything of ours? */
static void ask(struct cluster_watch *w)
{
    auto_buf path = BUF_INIT(PATH_MAX_BYTES);
    auto_free char *all = gvr_path(w->gvr, NULL, NULL);
    buf_puts(&path, all);
    kube_query_add(&path, "labelSelector", selector(w->gvr, CLUSTER_OURS));
    kube_query_add(&path, "limit", "1");
    struct kube_request q = {
        .method = "GET", .path = path.data, .accept = KUBE_ACCEPT_METADATA_LIST};
    w->call = kube_call(w->cluster->client, &q, on_presence, w);
}

static enum cluster_scope *wanted(const struct cluster_watch *w)
{
    return &w->cluster->wanted[w->gvr - plan_kinds_on_demand];
}

/* A watch of a kind that is not there tries for a while, since it may be on its way, and now and then after that. */
static void attend(struct cluster_watch *w, int64_t now)
{
    if (w->call || (w->watch && !w->absent))
        return;
    if (now < w->again_ms)
        return;
    if (w->watch) {
        stop(w);
        w->again_ms = now + WATCH_ABSENT_MAX_MS;
    } else if (*wanted(w)) {
        w->scope = *wanted(w);
        w->again_ms = now + WATCH_TRY_MS;
        start(w);
    } else if (only_read(w->gvr)) {
        nothing_there(w, false);
    } else if (!w->records.synced || w->absent) {
        ask(w);
    }
}

/* Whoever is new to a cluster reads first what every member holds. */
static bool base_known(const struct cluster *c)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (!c->watches[i].on_demand && !c->watches[i].records.synced)
            return false;
    return true;
}

void cluster_watches_attend(struct cluster *c)
{
    if (c->closing || !base_known(c))
        return;
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].on_demand)
            attend(&c->watches[i], clock_ms(c->clock));
}

/* A CRD came or changed: it may be the one that is waited for. */
static void on_crd(struct cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_watches; i++) {
        struct cluster_watch *w = &c->watches[i];
        size_t n = strlen(w->gvr->plural);
        if (!w->absent || strncmp(name, w->gvr->plural, n) != 0 || name[n] != '.' ||
            !str_eq(name + n + 1, w->gvr->group))
            continue;
        w->again_ms = w->watch ? clock_ms(c->clock) + WATCH_TRY_MS : 0;
        if (w->watch)
            kube_watch_wake(w->watch);
        else if (!c->closing && base_known(c))
            attend(w, clock_ms(c->clock));
    }
}

static struct cluster_watch *watch_of(struct cluster *c, const struct gvr *gvr)
{
    for (size_t i = 0; i < c->n_watches; i++)
        if (c->watches[i].gvr == gvr)
            return &c->watches[i];
    return NULL;
}

/* What is held stays until the new list is complete; what is absent, or was not asked for yet, is found out anew. */
static void widen(struct cluster_watch *w)
{
    stop(w);
    w->again_ms = 0;
    w->absent = false;
    w->records.synced = false;
    if (!w->cluster->closing && base_known(w->cluster))
        attend(w, 0);
    cluster_touch(w->cluster);
}

void cluster_want(struct cluster *c, const struct gvr *gvr, enum cluster_scope scope)
{
    size_t i = 0;
    while (plan_kinds_on_demand[i].kind && gvr != &plan_kinds_on_demand[i])
        i++;
    if (!plan_kinds_on_demand[i].kind || i >= CLUSTER_ON_DEMAND_MAX || c->wanted[i] >= scope)
        return;
    c->wanted[i] = scope;
    struct cluster_watch *w = watch_of(c, gvr);
    if (w && w->scope < scope)
        widen(w);
}

struct records *cluster_records(struct cluster *c, const struct gvr *gvr)
{
    struct cluster_watch *w = watch_of(c, gvr);
    return w ? &w->records : NULL;
}
