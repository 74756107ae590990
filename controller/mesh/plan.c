/* SPDX-License-Identifier: Apache-2.0 */
/* From facts to one plan per member, kept until the facts change. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/mesh.h"
#include "mesh/settings.h"
#include "json/jx.h"

enum { FACTS_MAX = 1048576 };

/* --- facts for DNS entries --- */

static const struct records *kind_records(struct cluster *c, const char *api_version,
                                          const char *kind)
{
    return cluster_records(c, plan_gvr(api_version, kind));
}

static bool spreads(const struct kube_view *s)
{
    return !s->headless && !str_eq(s->type, "ExternalName");
}

/* Names and labels stay with the records, which stay as they are for the pass. */
static void add_service(struct mesh_pass *p, struct topo_cluster *t, const struct kube_record *r)
{
    struct kube_view s;
    kube_record_view(r, &s);
    bool ours = s.meta.managed && s.meta.owner_uid && !s.has_selector;
    const char *ports = ours || !spreads(&s) ? "[]" : kube_record_ports(p->arena, r);
    if (!s.meta.deleting)
        t->services[t->n_services++] =
            (struct topo_service){s.meta.ns, s.meta.name, ports, ours, spreads(&s)};
}

/* Records come in no order; what is decided per namespace is decided once when they stand together. */
static int by_namespace(const void *a, const void *b)
{
    const struct topo_service *x = a, *y = b;
    return x->ns == y->ns ? 0 : str_cmp(x->ns, y->ns);
}

static void add_namespace(struct topo_cluster *t, const struct kube_record *r)
{
    struct kube_view n;
    kube_record_view(r, &n);
    t->namespaces[t->n_namespaces++] =
        (struct topo_namespace){n.meta.name, n.labels, n.terminating};
}

static struct topo_cluster facts_of(struct mesh_pass *p, const struct mesh_member *mm)
{
    struct topo_cluster t = {.name = mm->name};
    const struct records *services =
        mm->cluster ? kind_records(mm->cluster, "v1", "Service") : NULL;
    const struct records *namespaces =
        mm->cluster ? kind_records(mm->cluster, "v1", "Namespace") : NULL;
    if (!services || !namespaces || mm->blocked_reason)
        return t;
    t.services = arena_array(p->arena, services->n + 1, sizeof *t.services);
    t.namespaces = arena_array(p->arena, namespaces->n + 1, sizeof *t.namespaces);
    const struct kube_record *r;
    for (size_t at = 0; (r = records_next(services, &at));)
        add_service(p, &t, r);
    qsort(t.services, t.n_services, sizeof *t.services, by_namespace);
    for (size_t at = 0; (r = records_next(namespaces, &at));)
        add_namespace(&t, r);
    return t;
}

static struct topo_dns_rule dns_rule(const struct mesh_pass *p)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    struct topo_dns_rule rule = {.mode = TOPO_DNS_INJECTED, .revision = p->revision};
    if (s->dns_entries && s->dns_entries->mode == API_MESH_DNS_ENTRIES_MODE_NONE)
        rule.mode = TOPO_DNS_NONE;
    if (s->dns_entries && s->dns_entries->mode == API_MESH_DNS_ENTRIES_MODE_SELECTED)
        rule.mode = TOPO_DNS_SELECTED;
    if (s->dns_entries && s->dns_entries->namespace_selector)
        rule.match_labels = s->dns_entries->namespace_selector->match_labels;
    return rule;
}

static void add_stubs(struct mesh_pass *p, const struct topo_cluster *facts, size_t at,
                      struct istio_target *t)
{
    struct topo_dns_rule rule = dns_rule(p);
    struct topo_entry *entries;
    size_t n = topo_dns(p->arena, &rule, facts, p->n_members, at, &entries);
    struct istio_stub *stubs = arena_array(p->arena, n + 1, sizeof *stubs);
    for (size_t i = 0; i < n; i++) {
        json_t *ports = jx_load(entries[i].ports, strlen(entries[i].ports), NULL);
        if (!ports)
            continue;
        arena_hold(p->arena, ports, (void (*)(void *))json_decref);
        stubs[t->n_stubs++] = (struct istio_stub){entries[i].ns, entries[i].name, ports};
    }
    t->stubs = stubs;
}

/* --- peers --- */

static bool is_peer(const struct mesh_member *mm)
{
    return !mm->blocked_reason && mm->uid && mm->server;
}

static const char *account_uid(struct mesh_pass *p, const struct mesh_member *mm)
{
    const struct records *all =
        mm->cluster ? kind_records(mm->cluster, "v1", "ServiceAccount") : NULL;
    struct kube_view v;
    if (!all || !records_view(all, ISTIO_NAMESPACE, ISTIO_READER_ACCOUNT, &v) || !v.meta.uid)
        return NULL;
    return arena_strdup(p->arena, v.meta.uid);
}

static void add_peers(struct mesh_pass *p, const struct mesh_member *self, struct istio_target *t)
{
    struct istio_peer *peers = arena_array(p->arena, p->n_members + 1, sizeof *peers);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        if (mm != self && is_peer(mm))
            peers[t->n_peers++] = (struct istio_peer){.name = mm->name,
                                                      .uid = mm->uid,
                                                      .account = account_uid(p, mm),
                                                      .server = mm->server,
                                                      .ca = mm->ca};
    }
    t->peers = peers;
}

/* Ours to delete at the end only when it was not there before. */
static bool makes_namespace(const struct mesh_member *mm)
{
    const struct records *all = kind_records(mm->cluster, "v1", "Namespace");
    struct kube_view v;
    return !all || !records_view(all, NULL, ISTIO_NAMESPACE, &v) || v.meta.created;
}

/* --- what a plan is made from, as bytes: as long as they are equal, so is the plan --- */

bool mesh_facts_take(struct mesh_facts *f, struct buf *b)
{
    if (f->data && f->len == b->len && memcmp(f->data, b->data, b->len) == 0)
        return true;
    free(f->data);
    f->len = b->len;
    f->data = buf_take(b);
    f->rev++;
    return false;
}

/* With its NUL, so that no string can look like two. */
static void say(struct buf *b, const char *s)
{
    buf_append(b, s ? s : "", s ? strlen(s) + 1 : 1);
}

static void say_number(struct buf *b, uint64_t n)
{
    buf_append(b, &n, sizeof n);
}

/* A member's CA comes with its credentials, the settings with the Mesh's generation. */
static void note_inputs(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    say(&b, p->cr->meta.uid);
    say_number(&b, (uint64_t)p->cr->meta.generation);
    say(&b, p->trust_domain);
    say(&b, istio_data_version(p->data));
    say(&b, p->mesh->root.info.sha256);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        say(&b, mm->name);
        say(&b, mm->uid);
        say(&b, mm->network);
        say(&b, mm->server);
        say(&b, mm->cluster ? mm->cluster->config_digest : NULL);
        say(&b, account_uid(p, mm));
        say_number(&b, (uint64_t)(is_peer(mm) + 2 * (mm->cluster && makes_namespace(mm))));
        say_number(&b, mm->cluster ? (uint64_t)mm->cluster->minor : 0);
    }
    mesh_facts_take(&p->mesh->inputs, &b);
}

static void note_dns(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    say_number(&b, p->mesh->inputs.rev);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        say_number(&b, mm->cluster && !mm->blocked_reason ? mm->cluster->dns_rev + 1 : 0);
    }
    mesh_facts_take(&p->mesh->dns, &b);
}

static void note_world(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    say_number(&b, p->mesh->inputs.rev);
    say_number(&b, p->mesh->manager->hub.spec_rev);
    say_number(&b, p->mesh->root.pair.key != NULL);
    say(&b, p->unresolved);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        const struct cluster *c = mm->cluster;
        say(&b, mm->blocked_reason);
        say_number(&b, (uint64_t)(mm->installed + 2 * (c && cluster_ready(c)) +
                                  4 * (c && cluster_known(c))));
    }
    mesh_facts_take(&p->mesh->world, &b);
}

/* --- plans --- */

static struct mesh_kept *kept_of(struct mesh *mesh, const char *name)
{
    struct mesh_kept *k;
    HASH_FIND_STR(mesh->kept, name, k);
    if (k)
        return k;
    k = xcalloc(1, sizeof *k + strlen(name) + 1);
    memcpy(k->name, name, strlen(name) + 1);
    HASH_ADD_STR(mesh->kept, name, k);
    return k;
}

static void kept_free(struct mesh *mesh, struct mesh_kept *k)
{
    HASH_DEL(mesh->kept, k);
    kept_drop(&mesh->manager->kept, &k->plan);
    free(k);
}

void mesh_plans_done(struct mesh *mesh)
{
    while (mesh->kept)
        kept_free(mesh, mesh->kept);
    free(mesh->inputs.data);
    free(mesh->dns.data);
    free(mesh->world.data);
    free(mesh->told.data);
    mesh->inputs = mesh->dns = mesh->world = mesh->told = (struct mesh_facts){0};
}

/* Finds what is kept of each member, and lets go of what is kept of others. */
static void match_kept(struct mesh_pass *p)
{
    struct mesh *mesh = p->mesh;
    struct mesh_kept *k, *tmp;
    mesh->passes++;
    for (size_t i = 0; i < p->n_members; i++) {
        p->members[i].kept = kept_of(mesh, p->members[i].name);
        p->members[i].kept->pass = mesh->passes;
    }
    HASH_ITER (hh, mesh->kept, k, tmp) {
        if (k->pass != mesh->passes)
            kept_free(mesh, k);
    }
}

static int target_of(struct mesh_pass *p, struct mesh_member *mm, struct istio_target *t,
                     struct err *err)
{
    *t = (struct istio_target){
        .owner = {p->mesh->name, p->cr->meta.uid},
        .mesh_name = p->mesh->name,
        .trust_domain = p->trust_domain,
        .cluster = mm->name,
        .network = mm->network,
        .kube_minor = mm->cluster->minor,
        .root_sha256 = p->mesh->root.info.sha256,
        .created_namespace = makes_namespace(mm),
        .data = p->data,
    };
    add_peers(p, mm, t);
    return settings_merge(p->arena, p->mesh->manager->options, p->cr, mm->spec, p->data,
                          &t->settings, err);
}

static void hash_stubs(const struct istio_target *t, char out[JX_SHA256_HEX])
{
    auto_json *all = json_array();
    for (size_t i = 0; i < t->n_stubs; i++)
        json_array_append_new(all, json_pack("[s, s, O]", t->stubs[i].ns, t->stubs[i].name,
                                             (json_t *)(uintptr_t)t->stubs[i].ports));
    jx_sha256(all, out);
}

static int render(struct mesh_pass *p, struct mesh_kept *k, const struct istio_target *t,
                  struct err *err)
{
    auto_plan plan;
    plan_init(&plan, k->name);
    if (istio_render(t, &plan, err) < 0 || plan_finish(&plan, err) < 0)
        return -1;
    kept_take(&p->mesh->manager->kept, &plan, &k->plan);
    p->mesh->manager->renders++;
    k->plan_rev++;
    return 0;
}

/* Services change often, and most of them in nothing that a DNS entry has. */
static int renew(struct mesh_pass *p, const struct topo_cluster *facts, size_t at, struct err *err)
{
    struct mesh_member *mm = &p->members[at];
    struct mesh_kept *k = mm->kept;
    struct istio_target t;
    char stubs[JX_SHA256_HEX];
    if (target_of(p, mm, &t, err) < 0)
        return -1;
    add_stubs(p, facts, at, &t);
    hash_stubs(&t, stubs);
    bool same = k->planned && k->inputs_rev == p->mesh->inputs.rev && str_eq(k->stubs, stubs);
    k->planned = false;
    if (!same && render(p, k, &t, err) < 0)
        return -1;
    k->planned = true;
    memcpy(k->stubs, stubs, sizeof k->stubs);
    k->inputs_rev = p->mesh->inputs.rev;
    k->dns_rev = p->mesh->dns.rev;
    return 0;
}

static bool current(const struct mesh *mesh, const struct mesh_kept *k)
{
    return k->planned && k->inputs_rev == mesh->inputs.rev && k->dns_rev == mesh->dns.rev;
}

static struct topo_cluster *all_facts(struct mesh_pass *p)
{
    struct topo_cluster *facts = arena_array(p->arena, p->n_members + 1, sizeof *facts);
    for (size_t i = 0; i < p->n_members; i++)
        facts[i] = facts_of(p, &p->members[i]);
    return facts;
}

/* Nothing new is begun while a member is unresolved; what was begun is kept in order. */
static bool may_work(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return !mm->blocked_reason && mm->cluster && cluster_known(mm->cluster) &&
           (!p->unresolved || mm->installed);
}

void mesh_plan(struct mesh_pass *p)
{
    struct topo_cluster *facts = NULL;
    if (p->stop_reason || p->mesh->root.state != ROOT_READY)
        return;
    match_kept(p);
    note_inputs(p);
    note_dns(p);
    note_world(p);
    for (size_t i = 0; i < p->n_members; i++) {
        struct mesh_member *mm = &p->members[i];
        struct err err = {0};
        if (!may_work(p, mm))
            continue;
        if (!current(p->mesh, mm->kept)) {
            facts = facts ? facts : all_facts(p);
            if (renew(p, facts, i, &err) < 0) {
                p->stop_reason = "Invalid";
                p->stop_stalled = true;
                p->stop_message = arena_printf(p->arena, "cluster %s: %s", mm->name, err.msg);
                return;
            }
        }
        mm->plan = &mm->kept->plan;
        mm->has_plan = true;
    }
}
