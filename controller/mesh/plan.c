/* SPDX-License-Identifier: Apache-2.0 */
/* From facts to one plan per member, kept until the facts change. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/gateways.h"
#include "mesh/mesh.h"
#include "mesh/revoked.h"
#include "mesh/settings.h"
#include "json/jx.h"

enum { FACTS_MAX = 1048576 };

static const struct records *kind_records(struct cluster *c, const char *api_version,
                                          const char *kind)
{
    return cluster_records(c, plan_gvr(api_version, kind));
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

/* An istiod reads every other cluster of its mesh, the Remotes of other Primaries included. */
static void add_peers(struct mesh_pass *p, const struct mesh_member *self, struct istio_target *t)
{
    if (self->role == ISTIO_REMOTE)
        return;
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
    if (f->data && f->len == b->len && (b->len == 0 || memcmp(f->data, b->data, b->len) == 0))
        return true;
    free(f->data);
    f->len = b->len;
    f->data = buf_take(b);
    f->rev++;
    return false;
}

/* A member's CA comes with its credentials, the settings with the Mesh's generation. */
static void note_inputs(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    say(&b, p->cr->meta.uid);
    say_number(&b, p->cr->meta.generation);
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
        say_number(&b, (int64_t)(is_peer(mm) + 2 * (mm->cluster && makes_namespace(mm))));
        say_number(&b, mm->cluster ? mm->cluster->minor : 0);
    }
    mesh_networks_note(p, &b);
    mesh_gateways_note(p, &b);
    mesh_trust_note(p, &b);
    mesh_exports_note(p, &b);
    mesh_revoked_note(p, &b);
    mesh_facts_take(&p->mesh->inputs, &b);
}

static void note_world(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    say_number(&b, (int64_t)p->mesh->inputs.rev);
    say_number(&b, (int64_t)p->mesh->manager->hub.spec_rev);
    say_number(&b, p->mesh->root.pair.key != NULL);
    say(&b, p->unresolved);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        const struct cluster *c = mm->cluster;
        say(&b, mm->blocked_reason);
        say_number(&b, mesh_networks_served(p, mm));
        say_number(&b, mesh_member_configured(p, mm));
        say_number(&b, (int64_t)(mm->installed + 2 * (c && cluster_ready(c)) +
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
    mesh_dns_forget(k);
    free(k->trusts);
    free(k->hosts);
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
    free(mesh->trust_seen.data);
    free(mesh->trusts);
    mesh->trusts = NULL;
    mesh_exports_done(mesh);
    mesh->inputs = mesh->dns = mesh->world = mesh->told = (struct mesh_facts){0};
    mesh->trust_seen = (struct mesh_facts){0};
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
        p->members[i].kept->works = false;
        p->members[i].kept->remote = p->members[i].role == ISTIO_REMOTE;
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
        .owner = {p->mesh->name, p->cr->meta.uid, NULL},
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
    mesh_networks_target(p, mm, t);
    mesh_gateways_target(p, mm, t);
    mesh_trust_target(p, mm, t);
    mesh_exports_target(p, mm, t);
    mesh_revoked_target(p, t);
    return settings_merge(p->arena, p->mesh->manager->options, p->cr, mm->spec, p->data,
                          &t->settings, err);
}

static int render(struct mesh_pass *p, struct mesh_kept *k, const struct istio_target *t,
                  struct err *err)
{
    auto_plan plan;
    plan_init(&plan, k->name);
    if (istio_render(t, &plan, err) < 0 || mesh_gateways_plan(p, t, &plan, err) < 0 ||
        plan_finish(&plan, err) < 0)
        return -1;
    kept_take(&p->mesh->manager->kept, &plan, &k->plan);
    p->mesh->manager->renders++;
    k->plan_rev++;
    return 0;
}

/* Services change often, and most of them in nothing that a DNS entry has. */
static int renew(struct mesh_pass *p, struct mesh_dns *facts, size_t at, struct err *err)
{
    struct mesh_member *mm = &p->members[at];
    struct mesh_kept *k = mm->kept;
    struct istio_target t;
    char stubs[JX_SHA256_HEX];
    if (target_of(p, mm, &t, err) < 0)
        return -1;
    mesh_dns_target(p, facts, at, &t);
    mesh_dns_hash(&t, stubs);
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

/* Nothing new is begun while a member is unresolved; what was begun is kept in order. */
static bool may_work(const struct mesh_pass *p, const struct mesh_member *mm)
{
    return !mm->blocked_reason && mm->cluster && cluster_known(mm->cluster) &&
           (!p->unresolved || mm->installed);
}

void mesh_plan(struct mesh_pass *p)
{
    struct mesh_dns *facts = NULL;
    if (p->stop_reason || p->mesh->root.state != ROOT_READY)
        return;
    match_kept(p);
    note_inputs(p);
    mesh_dns_note(p);
    note_world(p);
    for (size_t i = 0; i < p->n_members; i++) {
        struct mesh_member *mm = &p->members[i];
        struct err err = {0};
        if (!may_work(p, mm))
            continue;
        if (!current(p->mesh, mm->kept)) {
            facts = facts ? facts : mesh_dns_facts(p);
            if (renew(p, facts, i, &err) < 0) {
                p->stop_reason = "Invalid";
                p->stop_stalled = true;
                p->stop_message = arena_printf(p->arena, "cluster %s: %s", mm->name, err.msg);
                return;
            }
        }
        mm->plan = &mm->kept->plan;
        mm->has_plan = mm->kept->works = true;
    }
}
