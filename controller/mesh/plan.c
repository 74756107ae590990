/* SPDX-License-Identifier: Apache-2.0 */
/* From facts to one plan per member. Pure but for the records it reads. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mesh/mesh.h"
#include "mesh/settings.h"
#include "json/jx.h"

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

static int render(struct mesh_pass *p, const struct topo_cluster *facts, size_t at, struct err *err)
{
    struct mesh_member *mm = &p->members[at];
    struct istio_target t = {
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
    if (settings_merge(p->arena, p->mesh->manager->options, p->cr, mm->spec, p->data, &t.settings,
                       err) < 0)
        return -1;
    add_peers(p, mm, &t);
    add_stubs(p, facts, at, &t);
    plan_init(&mm->plan, mm->name);
    arena_hold(p->arena, &mm->plan, (void (*)(void *))plan_done);
    if (istio_render(&t, &mm->plan, err) < 0 || plan_finish(&mm->plan, err) < 0)
        return -1;
    mm->has_plan = true;
    return 0;
}

/* Nothing new is begun while a member is unresolved; what was begun is kept in order. */
static bool may_work(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return !mm->blocked_reason && mm->cluster && cluster_known(mm->cluster) &&
           (!p->unresolved || mm->installed);
}

void mesh_plan(struct mesh_pass *p)
{
    if (p->stop_reason || p->mesh->root.state != ROOT_READY)
        return;
    struct topo_cluster *facts = arena_array(p->arena, p->n_members + 1, sizeof *facts);
    for (size_t i = 0; i < p->n_members; i++)
        facts[i] = facts_of(p, &p->members[i]);
    for (size_t i = 0; i < p->n_members; i++) {
        struct err err = {0};
        if (!may_work(p, &p->members[i]) || render(p, facts, i, &err) == 0)
            continue;
        p->stop_reason = "Invalid";
        p->stop_stalled = true;
        p->stop_message = arena_printf(p->arena, "cluster %s: %s", p->members[i].name, err.msg);
        return;
    }
}
