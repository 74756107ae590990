/* SPDX-License-Identifier: Apache-2.0 */
/* DNS entries: from Services, Namespaces and EndpointSlices of all members to what each of them lacks. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/mesh.h"
#include "runtime/conditions.h"
#include "json/jx.h"

enum {
    FACTS_MAX = 1048576,
    ENDPOINTS_MS =
        1000, /* pods come and go in bursts; to look at them is to look at every Service */
};

static const char condition_type[] = "DNSEntriesReady";

/* --- facts --- */

/* An EndpointSlice, by the Service that it belongs to. */
struct slice {
    const char *ns, *service;
    const struct kube_record *record;
};

struct mesh_dns {
    struct topo_cluster *clusters; /* in the order of the members */
    struct slices {
        struct slice *sorted; /* NULL: not looked at yet */
        size_t n;
    } * slices;
};

static struct records *kind_records(struct cluster *c, const char *api_version, const char *kind)
{
    return cluster_records(c, plan_gvr(api_version, kind));
}

static enum topo_service_kind kind_of(const struct kube_view *s)
{
    if (str_eq(s->type, "ExternalName"))
        return TOPO_EXTERNAL_NAME;
    return s->headless ? TOPO_HEADLESS : TOPO_CLUSTER_IP;
}

/* Names and labels stay with the records, which stay as they are for the pass. */
static void add_service(struct mesh_pass *p, struct topo_cluster *t, const struct kube_record *r)
{
    struct kube_view s;
    kube_record_view(r, &s);
    if (s.meta.deleting)
        return;
    struct topo_service *out = &t->services[t->n_services++];
    *out = (struct topo_service){.ns = s.meta.ns,
                                 .name = s.meta.name,
                                 .ports = "[]",
                                 .ours = s.meta.managed && s.meta.owner_uid && !s.has_selector,
                                 .kind = kind_of(&s),
                                 .excluded = s.excluded};
    if (out->ours)
        return;
    out->bare = !s.has_selector && out->kind != TOPO_EXTERNAL_NAME;
    out->ports = kube_record_ports(p->arena, r);
    if (out->kind == TOPO_EXTERNAL_NAME)
        out->external_name = kube_record_cluster_ips(p->arena, r);
}

/* Records come in no order; what is decided per namespace is decided once when they stand together. */
static int by_namespace(const void *a, const void *b)
{
    const struct topo_service *x = a, *y = b;
    return x->ns == y->ns ? 0 : str_cmp(x->ns, y->ns);
}

static void add_namespace(struct mesh_pass *p, struct topo_cluster *t, const struct kube_record *r)
{
    struct kube_view n;
    kube_record_view(r, &n);
    t->namespaces[t->n_namespaces++] = (struct topo_namespace){
        .name = n.meta.name,
        .labels = n.labels,
        .terminating = n.terminating,
        .excluded = n.excluded,
        .ours = n.meta.managed && n.meta.created && str_eq(n.meta.owner_uid, p->cr->meta.uid)};
}

/* Of a member that is not worked on, what it has counts on: nobody said that it went. */
static bool counts(const struct mesh_member *mm)
{
    return mm->cluster && !mesh_member_leaves(mm) && (!mm->blocked_reason || mm->installed);
}

static struct topo_cluster facts_of(struct mesh_pass *p, const struct mesh_member *mm)
{
    struct topo_cluster t = {.name = mm->name, .network = mm->network};
    const struct records *services =
        mm->cluster ? kind_records(mm->cluster, "v1", "Service") : NULL;
    const struct records *namespaces =
        mm->cluster ? kind_records(mm->cluster, "v1", "Namespace") : NULL;
    if (!services || !namespaces || !counts(mm))
        return t;
    t.services = arena_array(p->arena, services->n + 1, sizeof *t.services);
    t.namespaces = arena_array(p->arena, namespaces->n + 1, sizeof *t.namespaces);
    const struct kube_record *r;
    for (size_t at = 0; (r = records_next(services, &at));)
        add_service(p, &t, r);
    qsort(t.services, t.n_services, sizeof *t.services, by_namespace);
    for (size_t at = 0; (r = records_next(namespaces, &at));)
        add_namespace(p, &t, r);
    return t;
}

struct mesh_dns *mesh_dns_facts(struct mesh_pass *p)
{
    struct mesh_dns *d = arena_new(p->arena, struct mesh_dns);
    d->clusters = arena_array(p->arena, p->n_members + 1, sizeof *d->clusters);
    d->slices = arena_array(p->arena, p->n_members + 1, sizeof *d->slices);
    for (size_t i = 0; i < p->n_members; i++)
        d->clusters[i] = facts_of(p, &p->members[i]);
    p->mesh->headless = false; /* until an entry is */
    return d;
}

/* --- pods of headless Services --- */

static int by_service(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->service, y->service);
}

static void index_slices(struct mesh_pass *p, struct cluster *c, struct slices *s)
{
    const struct records *all = kind_records(c, "discovery.k8s.io/v1", "EndpointSlice");
    const struct kube_record *r;
    s->sorted = arena_array(p->arena, (all ? all->n : 0) + 1, sizeof *s->sorted);
    for (size_t at = 0; all && (r = records_next(all, &at));) {
        struct kube_view v;
        kube_record_view(r, &v);
        if (v.service && v.meta.ns && !v.meta.managed)
            s->sorted[s->n++] = (struct slice){v.meta.ns, v.service, r};
    }
    qsort(s->sorted, s->n, sizeof *s->sorted, by_service);
}

/* The first slice of a Service; s->n when there is none. */
static size_t first_slice(const struct slices *s, const struct slice *key)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_service(&s->sorted[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int by_address(const void *a, const void *b)
{
    const struct istio_endpoint *x = a, *y = b;
    return str_cmp(x->address, y->address);
}

struct endpoints {
    struct istio_endpoint *all;
    size_t n, room;
};

static void add_endpoints(struct arena *a, struct endpoints *out, const struct kube_record *slice)
{
    size_t n;
    const struct kube_endpoint *e = kube_record_endpoints(a, slice, &n);
    if (out->n + n > out->room) {
        struct istio_endpoint *old = out->all;
        out->room = 2 * (out->n + n);
        out->all = arena_array(a, out->room, sizeof *out->all);
        if (out->n)
            memcpy(out->all, old, out->n * sizeof *old);
    }
    for (size_t i = 0; i < n; i++)
        out->all[out->n++] = (struct istio_endpoint){e[i].address, e[i].hostname};
}

static void drop_twins(struct endpoints *e)
{
    size_t kept = 0;
    qsort(e->all, e->n, sizeof *e->all, by_address);
    for (size_t i = 0; i < e->n; i++)
        if (!kept || !str_eq(e->all[kept - 1].address, e->all[i].address))
            e->all[kept++] = e->all[i];
    e->n = kept;
}

/* Ready pods in all source clusters, sorted: their order there means nothing. */
static void add_pods(struct mesh_pass *p, struct mesh_dns *d, const struct topo_entry *entry,
                     struct istio_stub *stub)
{
    struct endpoints found = {0};
    struct slice key = {.ns = entry->ns, .service = entry->name};
    for (size_t i = 0; i < entry->n_sources; i++) {
        struct slices *s = &d->slices[entry->sources[i]];
        struct cluster *c = p->members[entry->sources[i]].cluster;
        cluster_want(c, plan_gvr("discovery.k8s.io/v1", "EndpointSlice"), CLUSTER_ALL);
        if (!s->sorted)
            index_slices(p, c, s);
        for (size_t k = first_slice(s, &key); k < s->n && by_service(&s->sorted[k], &key) == 0; k++)
            add_endpoints(p->arena, &found, s->sorted[k].record);
    }
    if (found.n)
        drop_twins(&found);
    stub->headless = true;
    stub->endpoints = found.all;
    stub->n_endpoints = found.n;
    p->mesh->headless = true;
}

/* --- entries --- */

static struct topo_dns_rule dns_rule(const struct mesh_pass *p)
{
    const struct api_mesh_dns_entries *d = p->cr->spec.dns_entries;
    struct topo_dns_rule rule = {.mode = TOPO_DNS_INJECTED, .revision = p->revision};
    if (!d)
        return rule;
    if (d->mode == API_MESH_DNS_ENTRIES_MODE_NONE)
        rule.mode = TOPO_DNS_NONE;
    if (d->mode == API_MESH_DNS_ENTRIES_MODE_SELECTED)
        rule.mode = TOPO_DNS_SELECTED;
    if (d->namespace_selector)
        rule.match_labels = d->namespace_selector->match_labels;
    rule.create_namespaces = d->create_namespaces;
    return rule;
}

/* Whether a Service has a cluster IP can't be edited: one of ours that is of the other kind goes, and comes again. */
static bool goes_first(const struct mesh_member *mm, const struct topo_entry *e)
{
    const struct records *all = mm->cluster ? kind_records(mm->cluster, "v1", "Service") : NULL;
    struct kube_view v;
    return e->kind != TOPO_EXTERNAL_NAME && all && records_view(all, e->ns, e->name, &v) &&
           v.meta.managed && !v.has_selector && kind_of(&v) != TOPO_EXTERNAL_NAME &&
           kind_of(&v) != e->kind;
}

static void add_stub(struct mesh_pass *p, struct mesh_dns *d, const struct topo_entry *e,
                     struct istio_target *t, struct istio_stub *out)
{
    json_t *ports = jx_load(e->ports, strlen(e->ports), NULL);
    if (!ports || (e->kind == TOPO_CLUSTER_IP && json_array_size(ports) == 0)) {
        json_decref(ports); /* nothing to reach */
        return;
    }
    arena_hold(p->arena, ports, (void (*)(void *))json_decref);
    *out = (struct istio_stub){
        .ns = e->ns, .name = e->name, .ports = ports, .external_name = e->external_name};
    if (e->kind == TOPO_HEADLESS)
        add_pods(p, d, e, out);
    t->n_stubs++;
}

static void keep_verdict(struct mesh_pass *p, struct mesh_member *mm,
                         const struct topo_dns_result *r)
{
    const char *message, *reason = topo_dns_verdict(p->arena, r, mm->name, &message);
    mesh_dns_forget(mm->kept);
    if (!reason)
        return;
    mm->kept->dns_reason = xstrdup(reason);
    mm->kept->dns_message = xstrdup(message);
}

void mesh_dns_target(struct mesh_pass *p, struct mesh_dns *d, size_t at, struct istio_target *t)
{
    struct topo_dns_rule rule = dns_rule(p);
    struct topo_dns_result r;
    size_t n_imports = 0;
    const struct topo_entry *imports = mesh_exports_entries(p, &p->members[at], &n_imports);
    topo_dns(p->arena, &rule, d->clusters, p->n_members, at, imports, n_imports, &r);
    struct istio_stub *stubs = arena_array(p->arena, r.n + 1, sizeof *stubs);
    for (size_t i = 0; i < r.n; i++)
        if (!goes_first(&p->members[at], &r.entries[i]))
            add_stub(p, d, &r.entries[i], t, &stubs[t->n_stubs]);
    t->stubs = stubs;
    t->namespaces = r.namespaces;
    t->n_namespaces = r.n_namespaces;
    keep_verdict(p, &p->members[at], &r);
}

/* --- what they are, and what they follow from --- */

static json_t *stub_json(const struct istio_stub *s)
{
    json_t *endpoints = json_array();
    for (size_t i = 0; i < s->n_endpoints; i++)
        json_array_append_new(
            endpoints, json_pack("[s, s?]", s->endpoints[i].address, s->endpoints[i].hostname));
    return json_pack("[s, s, O, s?, b, o]", s->ns, s->name, (json_t *)(uintptr_t)s->ports,
                     s->external_name, s->headless, endpoints);
}

void mesh_dns_hash(const struct istio_target *t, char out[JX_SHA256_HEX])
{
    auto_json *all = json_array();
    for (size_t i = 0; i < t->n_stubs; i++)
        json_array_append_new(all, stub_json(&t->stubs[i]));
    for (size_t i = 0; i < t->n_namespaces; i++)
        json_array_append_new(all, json_string(t->namespaces[i]));
    jx_sha256(all, out);
}

/* A revision of all members' pods that is looked at once in a while; 0 when no entry follows from them. */
static uint64_t endpoints_revision(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    int64_t now = clock_ms(mesh->manager->clock);
    uint64_t rev = 1;
    if (!mesh->headless)
        return 0;
    for (size_t i = 0; i < p->n_members; i++)
        rev += p->members[i].cluster ? p->members[i].cluster->endpoint_rev : 0;
    if (rev == mesh->endpoints_rev)
        return rev;
    if (mesh->endpoints_ms && now - mesh->endpoints_ms < ENDPOINTS_MS) {
        pass_again(p, ENDPOINTS_MS - (now - mesh->endpoints_ms));
        return mesh->endpoints_rev;
    }
    mesh->endpoints_ms = now;
    return mesh->endpoints_rev = rev;
}

void mesh_dns_note(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    say_number(&b, (int64_t)p->mesh->inputs.rev);
    say_number(&b, (int64_t)endpoints_revision(p));
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        say_number(&b, counts(mm) ? (int64_t)mm->cluster->dns_rev + 1 : 0);
    }
    mesh_facts_take(&p->mesh->dns, &b);
}

/* --- conditions --- */

void mesh_dns_forget(struct mesh_kept *k)
{
    xfreep(&k->dns_reason);
    xfreep(&k->dns_message);
}

/* What the plan could not do, else what the cluster has in an entry's place. */
static const char *verdict_of(const struct mesh_pass *p, const struct mesh_member *mm,
                              const char **ret_message)
{
    if (!mm->has_plan || !mm->kept)
        return NULL;
    *ret_message = mm->kept->dns_message;
    if (mm->kept->dns_reason)
        return mm->kept->dns_reason;
    if (!mm->foreign || mm->foreign_wave != PLAN_DNS)
        return NULL;
    *ret_message =
        arena_printf(p->arena,
                     "cluster %s: %s belongs to somebody else and stays as it is; next: "
                     "remove it, or label the Service elsewhere " KUBE_LABEL_DNS_ENTRY "=false",
                     mm->name, mm->foreign);
    return "NameTaken";
}

static bool wanted(const struct mesh_pass *p)
{
    return p->n_members > 1 && dns_rule(p).mode != TOPO_DNS_NONE;
}

/* Entries are written last. */
static bool applying(const struct mesh_member *mm)
{
    return mm->pending && mm->wave <= PLAN_DNS;
}

static void add(const struct mesh_pass *p, json_t *list, const json_t *old, bool busy,
                const char *reason, const char *message)
{
    enum cond_status status = reason ? COND_FALSE : busy ? COND_UNKNOWN : COND_TRUE;
    if (!reason)
        message = busy ? "the entries are being made"
                       : "every Service that is selected resolves in every cluster";
    cond_set(list, old, condition_type, status,
             reason ? reason
             : busy ? "Applying"
                    : "AllMade",
             message, p->cr->meta.generation, clock_s(p->mesh->manager->clock));
}

void mesh_dns_member_condition(const struct mesh_pass *p, const struct mesh_member *mm,
                               json_t *list, const json_t *old)
{
    const char *message = NULL, *reason = verdict_of(p, mm, &message);
    if (wanted(p) && mm->has_plan)
        add(p, list, old, applying(mm), reason, message);
}

void mesh_dns_conditions(const struct mesh_pass *p, json_t *list, const json_t *old)
{
    const char *message = NULL, *reason = NULL;
    bool planned = false, busy = false;
    for (size_t i = 0; i < p->n_members && !reason; i++) {
        reason = verdict_of(p, &p->members[i], &message);
        planned |= p->members[i].has_plan;
        busy |= applying(&p->members[i]);
    }
    if (wanted(p) && planned)
        add(p, list, old, busy, reason, message);
}

void mesh_dns_say(const struct mesh_pass *p, struct buf *b)
{
    for (size_t i = 0; i < p->n_members; i++) {
        const char *message = NULL;
        say(b, verdict_of(p, &p->members[i], &message));
        say(b, message);
        say_number(b, p->members[i].has_plan + 2 * applying(&p->members[i]));
    }
}
