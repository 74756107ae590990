/* SPDX-License-Identifier: Apache-2.0 */
/* Services that this mesh lets others call: what its guard admits, what its gateways let through. And the facts that
 * this and the imports follow from. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesh/facts.h"
#include "mesh/machines.h"
#include "mesh/trade.h"
#include "runtime/conditions.h"
#include "json/jx.h"

enum { FACTS_MAX = 8 * 1048576, SOON_MS = 1000 };

/* --- who trades with this mesh --- */

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct partner *)a)->name, ((const struct partner *)b)->name);
}

static struct partner partner_of(struct mesh_pass *p, const struct hub_object *o)
{
    struct partner x = {.o = o, .name = ties_name(o)};
    x.domain = ties_trust_domain(p->arena, o->obj);
    x.n_sites = ties_sites(p->mesh->manager, p->arena, o->obj, &x.sites);
    x.n_machines = mesh_machines_networks(p->mesh->manager, p->arena, o, &x.machines);
    return x;
}

static void add_partners(struct mesh_pass *p, struct trade *t, const struct hub_object *o,
                         const struct topo_export *mine, size_t n_mine)
{
    const struct ties *ties = mesh_ties(p);
    const char *me = p->mesh->name, *name = ties_name(o);
    struct topo_export *theirs;
    if (str_eq(me, name) || ties_mesh(ties->manager, ties->ns, name) != o)
        return;
    if (offers_named(mine, n_mine, name) && topo_may_call(ties->trusts, ties->n_trusts, name, me))
        t->buyers[t->n_buyers++] = partner_of(p, o);
    size_t n = jx_get(o->obj, "spec.exports") ? offers_exports(p->arena, o->obj, &theirs) : 0;
    if (n > 0 && offers_named(theirs, n, me) &&
        topo_may_call(ties->trusts, ties->n_trusts, me, name))
        t->sellers[t->n_sellers++] = partner_of(p, o);
}

struct trade *trade_partners(struct mesh_pass *p)
{
    if (p->trade)
        return p->trade;
    struct trade *t = p->trade = arena_new(p->arena, struct trade);
    const struct hub_object *all = p->mesh->manager->hub.kinds[API_KIND_MESH].all;
    size_t room = HASH_COUNT(all) + 1;
    struct topo_export *mine;
    size_t n_mine = offers_exports(p->arena, p->object->obj, &mine);
    if (!mesh_tied(p))
        return t;
    t->buyers = arena_array(p->arena, room, sizeof *t->buyers);
    t->sellers = arena_array(p->arena, room, sizeof *t->sellers);
    for (const struct hub_object *o = all; o; o = o->hh.next)
        add_partners(p, t, o, mine, n_mine);
    qsort(t->buyers, t->n_buyers, sizeof *t->buyers, by_name);
    qsort(t->sellers, t->n_sellers, sizeof *t->sellers, by_name);
    return t;
}

struct trade *trade_of(struct mesh_pass *p)
{
    struct trade *t = trade_partners(p);
    size_t too_long;
    if (t->made)
        return t;
    t->made = true;
    for (size_t i = 0; i < t->n_buyers; i++) {
        struct partner *b = &t->buyers[i];
        b->offers = offers_to(mesh_ties(p), p->arena, p->object, b->name);
        b->n_services =
            topo_imports(p->arena, b->offers.all, b->offers.n, NULL, &b->services, &too_long);
    }
    trade_import(p, t);
    return t;
}

/* --- the east-west gateway --- */

/* By namespaces, which stay when a Service is made anew: a gateway that goes takes its address with it. */
static bool has_namespace(const struct mesh_member *mm, const char *ns)
{
    const struct records *all =
        mm->cluster ? cluster_records(mm->cluster, plan_gvr("v1", "Namespace")) : NULL;
    return all && records_find(all, NULL, ns);
}

static bool exports_from(struct mesh_pass *p, const struct mesh_member *mm, const char *to)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    for (size_t i = 0; i < s->n_exports; i++)
        for (size_t k = 0; k < s->exports[i].n_to; k++)
            if (str_eq(s->exports[i].to[k], to) && has_namespace(mm, s->exports[i].namespace))
                return true;
    return false;
}

static bool elsewhere(const struct partner *b, const char *network)
{
    for (size_t i = 0; i < b->n_sites; i++)
        if (!b->sites[i].leaves && !str_eq(b->sites[i].network, network))
            return true;
    for (size_t i = 0; i < b->n_machines; i++)
        if (!str_eq(b->machines[i], network))
            return true;
    return false;
}

bool mesh_exports_across(struct mesh_pass *p, const struct mesh_member *mm)
{
    if (p->cr->spec.n_exports == 0)
        return false;
    const struct trade *t = trade_partners(p);
    for (size_t i = 0; i < t->n_buyers; i++)
        if (elsewhere(&t->buyers[i], mm->network) && exports_from(p, mm, t->buyers[i].name))
            return true;
    return false;
}

/* Also those of the other clusters on its network: their pods are behind this gateway as well. */
static bool on_network(const struct topo_imported *i, const char *network)
{
    for (size_t k = 0; k < i->n_offers; k++)
        if (str_eq(i->offers[k].network, network))
            return true;
    return false;
}

static char *hosts_of(struct mesh_pass *p, const struct mesh_member *mm)
{
    const struct trade *t = trade_of(p);
    struct buf b = BUF_INIT(FACTS_MAX);
    size_t room = 1, n = 0;
    for (size_t i = 0; i < t->n_buyers; i++)
        room += t->buyers[i].n_services;
    const char **all = arena_array(p->arena, room, sizeof *all);
    for (size_t i = 0; i < t->n_buyers; i++) {
        const struct partner *buyer = &t->buyers[i];
        for (size_t k = 0; k < buyer->n_services && elsewhere(buyer, mm->network); k++)
            if (on_network(&buyer->services[k], mm->network))
                all[n++] = topo_host(p->arena, buyer->services[k].ns, buyer->services[k].name);
    }
    n = topo_unique(all, n);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s ", all[i]);
    return buf_take(&b);
}

/* --- the guard --- */

/* The clusters whose proxies get the policies of this Primary. */
static bool serves(const struct mesh_pass *p, const struct mesh_member *primary,
                   const char *cluster)
{
    const struct mesh_member *mm = mesh_member_find(p, cluster);
    return mm == primary ||
           (mm && mm->role == ISTIO_REMOTE && mm->primary == (size_t)(primary - p->members));
}

static bool has_on_network(const struct partner *b, const char *network)
{
    for (size_t i = 0; i < b->n_machines; i++)
        if (str_eq(b->machines[i], network))
            return true;
    return ties_on_network(b->sites, b->n_sites, network);
}

/* Who is on one network with us needs no gateway, so the server name is only its word. */
static bool comes_directly(const struct mesh_pass *p, const struct mesh_member *primary,
                           const struct partner *b)
{
    for (size_t i = 0; i < p->n_members; i++)
        if (serves(p, primary, p->members[i].name) && has_on_network(b, p->members[i].network))
            return true;
    return false;
}

static size_t admitted_addresses(struct mesh_pass *p, const struct mesh_member *mm,
                                 const struct partner *b, const char ***ret)
{
    size_t room = 1, n = 0;
    for (size_t i = 0; i < b->offers.n; i++)
        room += b->offers.all[i].n_backends;
    const char **all = arena_array(p->arena, room, sizeof *all);
    for (size_t i = 0; i < b->offers.n; i++) {
        const struct topo_offer *o = &b->offers.all[i];
        for (size_t k = 0; serves(p, mm, o->cluster) && k < o->n_backends; k++)
            all[n++] = o->backends[k].address;
    }
    *ret = all;
    return topo_unique(all, n);
}

static size_t admitted_names(struct mesh_pass *p, const struct partner *b, const char ***ret)
{
    size_t room = 1, n = 0;
    for (size_t i = 0; i < b->n_services; i++)
        room += json_array_size(b->services[i].ports);
    const char **all = arena_array(p->arena, room, sizeof *all);
    for (size_t i = 0; i < b->n_services; i++) {
        const char **snis;
        size_t more = topo_snis(p->arena, &b->services[i], &snis);
        for (size_t k = 0; k < more; k++)
            all[n++] = snis[k];
    }
    *ret = all;
    return topo_unique(all, n);
}

static int by_domain(const void *a, const void *b)
{
    return str_cmp(((const struct istio_admitted *)a)->trust_domain,
                   ((const struct istio_admitted *)b)->trust_domain);
}

static void add_admitted(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    const struct trade *trade = trade_of(p);
    struct istio_admitted *all = arena_array(p->arena, trade->n_buyers + 1, sizeof *all);
    for (size_t i = 0; i < trade->n_buyers; i++) {
        const struct partner *b = &trade->buyers[i];
        struct istio_admitted x = {.trust_domain = b->domain};
        const char **list;
        if (comes_directly(p, mm, b)) {
            x.n_addresses = admitted_addresses(p, mm, b, &list);
            x.addresses = list;
        } else {
            x.n_snis = admitted_names(p, b, &list);
            x.snis = list;
        }
        if (x.n_snis + x.n_addresses > 0)
            all[t->n_admitted++] = x;
    }
    qsort(all, t->n_admitted, sizeof *all, by_domain);
    t->admitted = all;
}

void mesh_exports_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    if (mm->role != ISTIO_PRIMARY || !mesh_tied(p))
        return;
    add_admitted(p, mm, t);
    trade_imports_target(p, mm, t);
}

/* --- conditions --- */

void trade_claim(struct mesh_claim *c, bool good, const char *reason, const char *message)
{
    if (c->said)
        return;
    c->said = true;
    c->good = good;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    c->message = xstrdup(message);
}

static void drop_claim(struct mesh_claim *c)
{
    free(c->message);
    *c = (struct mesh_claim){0};
}

static const struct partner *find_buyer(const struct trade *t, const char *name)
{
    for (size_t i = 0; i < t->n_buyers; i++)
        if (str_eq(t->buyers[i].name, name))
            return &t->buyers[i];
    return NULL;
}

static void judge_trust(struct mesh_pass *p, const char *to)
{
    const struct ties *t = mesh_ties(p);
    const char *me = p->mesh->name;
    struct mesh_claim *c = &p->mesh->trade.exports;
    bool one = topo_trusts(t->trusts, t->n_trusts, me, to),
         other = topo_trusts(t->trusts, t->n_trusts, to, me);
    const char *why =
        one || other
            ? arena_printf(p->arena,
                           "Mesh %s does not trust Mesh %s; next: give both direction Both in "
                           "their TrustBundle",
                           one ? to : me, one ? me : to)
            : arena_printf(
                  p->arena,
                  "no TrustBundle has both Mesh %s and Mesh %s as members that can trust "
                  "each other; next: create one with spec.members [{name: %s}, {name: %s}]",
                  me, to, me, to);
    trade_claim(c, false, "NotTrusted", why);
}

static bool offered(const struct offers *o, const struct api_mesh_exports *e)
{
    for (size_t i = 0; i < o->n; i++)
        if (str_eq(o->all[i].ns, e->namespace) &&
            (!e->service || str_eq(e->service, "*") || str_eq(o->all[i].name, e->service)))
            return true;
    return false;
}

static void judge_export(struct mesh_pass *p, const struct trade *t,
                         const struct api_mesh_exports *e, const char *to)
{
    struct mesh_claim *c = &p->mesh->trade.exports;
    const struct partner *b = find_buyer(t, to);
    const char *service = str_or(e->service, "*");
    if (str_eq(to, p->mesh->name) || !ties_mesh(p->mesh->manager, p->mesh->ns, to))
        trade_claim(c, false, "NoSuchMesh",
                    arena_printf(p->arena, "there is no other Mesh %s in namespace %s to export to",
                                 to, p->mesh->ns));
    else if (!b)
        judge_trust(p, to);
    else if (b->offers.odd)
        trade_claim(c, false, "NotExportable",
                    arena_printf(p->arena,
                                 "Service %s is headless or of type ExternalName: such ones are "
                                 "not exported",
                                 b->offers.odd));
    else if (!offered(&b->offers, e) && !b->offers.unsure)
        trade_claim(c, false, "NoService",
                    arena_printf(p->arena,
                                 "no cluster of the mesh has a Service %s in namespace %s", service,
                                 e->namespace));
}

static void judge_exports(struct mesh_pass *p, const struct trade *t)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    struct mesh_claim *c = &p->mesh->trade.exports;
    bool unsure = false;
    for (size_t i = 0; i < s->n_exports; i++)
        for (size_t k = 0; k < s->exports[i].n_to; k++)
            judge_export(p, t, &s->exports[i], s->exports[i].to[k]);
    for (size_t i = 0; i < t->n_buyers; i++)
        unsure |= t->buyers[i].offers.unsure;
    if (unsure)
        trade_claim(c, false, "Reading", "a cluster was not read yet");
    if (s->n_exports > 0)
        trade_claim(c, true, "Ready", "the other meshes may call what is exported to them");
}

static void add_claim(const struct mesh_pass *p, json_t *list, const json_t *old, const char *type,
                      const struct mesh_claim *c)
{
    if (c->said)
        cond_set(list, old, type, c->good ? COND_TRUE : COND_FALSE, c->reason, c->message,
                 p->cr->meta.generation, clock_s(p->mesh->manager->clock));
}

void mesh_exports_conditions(const struct mesh_pass *p, json_t *list, const json_t *old)
{
    add_claim(p, list, old, "ExportsReady", &p->mesh->trade.exports);
    add_claim(p, list, old, "ImportsReady", &p->mesh->trade.imports);
}

void mesh_exports_say(const struct mesh_pass *p, struct buf *b)
{
    const struct mesh_claim *all[] = {&p->mesh->trade.exports, &p->mesh->trade.imports};
    for (size_t i = 0; i < 2; i++) {
        say_number(b, all[i]->said + 2 * all[i]->good);
        say(b, all[i]->reason);
        say(b, all[i]->message);
    }
}

/* --- what all this follows from --- */

static void say_site(struct mesh_pass *p, const struct site *s, struct buf *b)
{
    auto_free char *key = xasprintf("%s/%s", p->mesh->ns, s->cluster);
    manager_await(p->mesh->manager, key, p->mesh->key);
    say(b, s->cluster);
    say(b, s->network);
    if (!s->c)
        return;
    say_number(b, cluster_known(s->c) + 2 * s->leaves + 4 * cluster_settled(s->c));
    say_number(b, (int64_t)s->c->dns_rev);
    say_number(b, (int64_t)s->c->endpoint_rev);
    say_number(b, (int64_t)s->c->machine_rev);
    say_number(b, (int64_t)s->c->address_rev);
}

/* In how many of its clusters it is installed. */
static int64_t installed(const struct partner *x)
{
    int64_t n = 0;
    for (size_t i = 0; i < x->n_sites; i++)
        n += x->sites[i].c &&
             cluster_holds(x->sites[i].c, str_or(jx_str(x->o->obj, "metadata.uid"), ""));
    return n;
}

static void say_list(struct buf *b, const char *const *list, size_t n)
{
    say_number(b, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        say(b, list[i]);
}

static void say_partner(struct mesh_pass *p, const struct partner *x, struct buf *b)
{
    say(b, x->name);
    say_number(b, installed(x));
    for (size_t i = 0; i < x->n_sites; i++)
        say_site(p, &x->sites[i], b);
}

static void say_json(struct buf *b, const json_t *v)
{
    auto_free char *text = v ? jx_dump(v) : NULL;
    say(b, text);
}

static void say_import(struct buf *b, const struct istio_import *i)
{
    say(b, i->ns);
    say(b, i->name);
    say(b, i->remote_name);
    say_json(b, i->ports);
    say_list(b, i->sans, i->n_sans);
    for (size_t k = 0; k < i->n_endpoints; k++) {
        say(b, i->endpoints[k].address);
        say(b, i->endpoints[k].network);
        say_json(b, i->endpoints[k].ports);
        say_number(b, i->endpoints[k].weight);
    }
}

static void say_target(struct buf *b, const struct istio_target *t)
{
    for (size_t i = 0; i < t->n_admitted; i++) {
        say(b, t->admitted[i].trust_domain);
        say_list(b, t->admitted[i].snis, t->admitted[i].n_snis);
        say_list(b, t->admitted[i].addresses, t->admitted[i].n_addresses);
    }
    for (size_t i = 0; i < t->n_imports; i++)
        say_import(b, &t->imports[i]);
    for (size_t i = 0; i < t->n_network_gateways; i++) {
        say(b, t->network_gateways[i].name);
        say(b, t->network_gateways[i].network);
        say_number(b, t->network_gateways[i].port);
        say_list(b, t->network_gateways[i].addresses, t->network_gateways[i].n_addresses);
    }
}

/* Of all that plans have of it, so that what changed without effect on them renders nothing. */
static void make_digest(struct mesh_pass *p)
{
    auto_buf b = BUF_INIT(FACTS_MAX);
    const struct trade *t = trade_of(p);
    for (size_t i = 0; i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        struct istio_target target = {0};
        mesh_exports_target(p, mm, &target);
        say_target(&b, &target);
        free(mm->kept->hosts);
        mm->kept->hosts = hosts_of(p, mm);
        say(&b, mm->kept->hosts);
    }
    for (size_t i = 0; i < t->n_imports; i++) {
        say(&b, t->imports[i].name);
        say_json(&b, t->imports[i].ports);
    }
    jx_sha256_bytes(b.data ? b.data : "", b.len, p->mesh->trade.digest);
}

static void take_stock(struct mesh_pass *p)
{
    struct mesh_trade *kept = &p->mesh->trade;
    drop_claim(&kept->exports);
    drop_claim(&kept->imports);
    const struct trade *t = trade_of(p);
    kept->unsure = t->local.unsure;
    kept->soon = false;
    for (size_t i = 0; i < t->n_buyers; i++)
        kept->soon |= t->buyers[i].offers.soon;
    for (size_t i = 0; i < t->n_sellers; i++)
        kept->unsure |= t->sellers[i].offers.unsure;
    judge_exports(p, t);
    trade_judge_imports(p, t);
    make_digest(p);
}

/* Looks anew when something changed that it follows from. */
static void refresh(struct mesh_pass *p)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    auto_buf b = BUF_INIT(FACTS_MAX);
    if (p->traded)
        return;
    p->traded = true;
    if (!mesh_tied(p) && s->n_exports + s->n_imports == 0 && !p->mesh->trade.digest[0])
        return;
    const struct trade *t = trade_partners(p);
    say_number(&b, (int64_t)p->mesh->manager->hub.spec_rev);
    for (size_t i = 0; i < t->n_buyers; i++)
        say(&b, t->buyers[i].name);
    for (size_t i = 0; i < t->n_sellers; i++)
        say_partner(p, &t->sellers[i], &b);
    for (size_t i = 0; t->n_buyers + t->n_sellers > 0 && i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        struct site mine = {mm->name, mm->network, mm->cluster, mm->blocked_reason != NULL};
        say_site(p, &mine, &b);
        say_number(&b, (int64_t)mm->role + mm->installed * 2);
        say_number(&b, mm->kept->hosts != NULL);
    }
    if (!mesh_facts_take(&p->mesh->trade.seen, &b))
        take_stock(p);
}

size_t mesh_exported_hosts(struct mesh_pass *p, const struct mesh_member *mm,
                           const char *const **ret)
{
    refresh(p);
    char *rest = arena_strdup(p->arena, str_or(mm->kept->hosts, "")), *word;
    const char **all = arena_array(p->arena, strlen(rest) / 2 + 1, sizeof *all);
    size_t n = 0;
    while ((word = strsep(&rest, " ")))
        if (*word)
            all[n++] = word;
    *ret = all;
    return n;
}

void mesh_exports_note(struct mesh_pass *p, struct buf *b)
{
    refresh(p);
    say(b, p->mesh->trade.digest);
    say_number(b, p->mesh->trade.unsure + 2 * p->mesh->trade.soon + 4 * p->mesh->trade.unreached);
    if (p->mesh->trade.soon)
        pass_again(p, SOON_MS);
}

bool mesh_exports_hold(const struct mesh_pass *p, enum plan_wave wave)
{
    /* for a moment only: who is not admitted any more must not wait for long */
    if (wave == PLAN_GUARD || wave == PLAN_EXPOSURE)
        return p->mesh->trade.soon;
    bool networks = wave == PLAN_NETWORKS || wave == PLAN_CRDS; /* their own kinds come with them */
    return (p->mesh->trade.unsure && (networks || wave == PLAN_IMPORTS || wave == PLAN_DNS)) ||
           (p->mesh->trade.unreached && networks);
}

void mesh_exports_done(struct mesh *mesh)
{
    drop_claim(&mesh->trade.exports);
    drop_claim(&mesh->trade.imports);
    free(mesh->trade.seen.data);
    mesh->trade = (struct mesh_trade){0};
}
