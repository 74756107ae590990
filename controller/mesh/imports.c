/* SPDX-License-Identifier: Apache-2.0 */
/* Services of other meshes, as they are callable in this one. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mesh/trade.h"
#include "json/jx.h"

/* --- which, and by which names --- */

static enum api_mesh_imports_names names_of(const struct mesh_pass *p, const char *seller)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    for (size_t i = 0; i < s->n_imports; i++)
        if (str_eq(s->imports[i].mesh, seller) && s->imports[i].names)
            return s->imports[i].names;
    return API_MESH_IMPORTS_NAMES_SAME;
}

static void claim(struct mesh_pass *p, const char *reason, const char *message)
{
    trade_claim(&p->mesh->trade.imports, false, reason, message);
}

static int by_name(const struct topo_imported *a, const struct topo_imported *b)
{
    int c = str_cmp(a->ns, b->ns);
    return c ? c : str_cmp(a->name, b->name);
}

static const struct topo_imported *find(const struct trade *t, const char *ns, const char *name)
{
    struct topo_imported probe = {.ns = ns, .name = name};
    for (size_t i = 0; i < t->n_imports; i++)
        if (by_name(&t->imports[i], &probe) == 0)
            return &t->imports[i];
    return NULL;
}

static void add_seller(struct mesh_pass *p, struct partner *s)
{
    enum api_mesh_imports_names names = names_of(p, s->name);
    size_t too_long = 0;
    s->offers = offers_to(mesh_ties(p), p->arena, s->o, p->mesh->name);
    if (names == API_MESH_IMPORTS_NAMES_NONE)
        return;
    s->n_services = topo_imports(p->arena, s->offers.all, s->offers.n,
                                 names == API_MESH_IMPORTS_NAMES_FOREIGN ? s->name : NULL,
                                 &s->services, &too_long);
    if (too_long > 0)
        claim(p, "NameTooLong",
              arena_printf(p->arena,
                           "a service of Mesh %s would get a name longer than 63 characters; "
                           "next: import that mesh with names Same",
                           s->name));
}

/* Of two meshes that export the same name the first counts: who answers must not be a matter of luck. */
static void join(struct mesh_pass *p, struct trade *t)
{
    size_t room = 1;
    for (size_t i = 0; i < t->n_sellers; i++)
        room += t->sellers[i].n_services;
    t->imports = arena_array(p->arena, room, sizeof *t->imports);
    t->seller_of = arena_array(p->arena, room, sizeof(const struct partner *));
    for (size_t i = 0; i < t->n_sellers; i++)
        for (size_t k = 0; k < t->sellers[i].n_services; k++) {
            const struct topo_imported *s = &t->sellers[i].services[k];
            if (find(t, s->ns, s->name)) {
                claim(p, "NameTaken",
                      arena_printf(p->arena,
                                   "service %s/%s of Mesh %s has the name of another import; next: "
                                   "import that mesh with names Foreign",
                                   s->ns, s->name, t->sellers[i].name));
                continue;
            }
            t->seller_of[t->n_imports] = &t->sellers[i];
            t->imports[t->n_imports++] = *s;
        }
}

/* --- Services of this mesh of the same names --- */

static bool imported(const void *arg, const char *ns, const char *name)
{
    return find(arg, ns, name) != NULL;
}

static bool has_local(const struct trade *t, const struct topo_imported *i)
{
    for (size_t k = 0; k < t->local.n; k++)
        if (str_eq(t->local.all[k].ns, i->ns) && str_eq(t->local.all[k].name, i->name))
            return true;
    return false;
}

static bool renamed(const struct topo_imported *i)
{
    return !str_eq(i->name, i->remote_name);
}

/* A foreign name that a Service of this mesh has is never taken over. */
static void drop_taken(struct mesh_pass *p, struct trade *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n_imports; i++) {
        const struct topo_imported *x = &t->imports[i];
        const char *full = arena_printf(p->arena, "%s/%s", x->ns, x->name);
        bool odd = str_eq(t->local.odd, full), taken = odd || (renamed(x) && has_local(t, x));
        if (taken)
            claim(p, "NameTaken",
                  arena_printf(p->arena,
                               "a Service %s of this mesh %s: the import of that name is left out",
                               full, odd ? "is headless or ExternalName" : "has a foreign name"));
        if (taken)
            continue;
        t->seller_of[kept] = t->seller_of[i];
        t->imports[kept++] = *x;
    }
    t->n_imports = kept;
}

void trade_import(struct mesh_pass *p, struct trade *t)
{
    for (size_t i = 0; i < t->n_sellers; i++)
        add_seller(p, &t->sellers[i]);
    join(p, t);
    for (size_t i = 0; t->n_imports > 0 && i < p->n_members; i++) {
        const struct mesh_member *mm = &p->members[i];
        struct site s = {mm->name, mm->network, mm->cluster, false};
        if (mm->blocked_reason)
            continue;
        if (!mm->cluster || !cluster_known(mm->cluster))
            t->local.unsure = true;
        else
            offers_collect(p->arena, &s, imported, t, &t->local);
    }
    offers_add_machines(p->mesh->manager, p->arena, p->object, &t->local);
    topo_offers_sort(t->local.all, t->local.n);
    drop_taken(p, t);
}

/* --- what a Primary gets --- */

static bool on_one_of(const char *const *networks, size_t n, const char *network)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(networks[i], network))
            return true;
    return false;
}

/* Machines of this mesh on a network where it has no cluster. */
static bool machines_elsewhere(const struct mesh_pass *p, const char *const *networks, size_t n)
{
    for (size_t i = 0; i < p->n_members; i++)
        for (const char *const *k = p->graph[i].machines; k && *k; k++)
            if (!on_one_of(networks, n, *k))
                return true;
    return false;
}

/* Such machines are elsewhere, whatever their network is called: no gateway of this mesh leads to it. */
static size_t my_networks(struct mesh_pass *p, const char ***ret)
{
    size_t n = 0;
    const char **all = arena_array(p->arena, p->n_members + 2, sizeof *all);
    for (size_t i = 0; i < p->n_members; i++)
        if (!mesh_member_leaves(&p->members[i]) && p->members[i].network)
            all[n++] = p->members[i].network;
    if (machines_elsewhere(p, all, n))
        all[n++] = "";
    *ret = all;
    return n;
}

/* Who may answer: the seller's accounts, and ours of a Service of that name. */
static void add_identities(struct mesh_pass *p, const struct trade *t, size_t at,
                           struct istio_import *out)
{
    const struct topo_imported *i = &t->imports[at];
    size_t first = 0, n = 0;
    while (first < t->local.n &&
           !(str_eq(t->local.all[first].ns, i->ns) && str_eq(t->local.all[first].name, i->name)))
        first++;
    while (first + n < t->local.n && str_eq(t->local.all[first + n].ns, i->ns) &&
           str_eq(t->local.all[first + n].name, i->name))
        n++;
    const char **theirs, **ours;
    size_t n_theirs =
               topo_identities(p->arena, t->seller_of[at]->domain, i->offers, i->n_offers, &theirs),
           n_ours = topo_identities(p->arena, p->trust_domain, t->local.all + first, n, &ours);
    const char **all = arena_array(p->arena, n_theirs + n_ours + 1, sizeof *all);
    memcpy(all, theirs, n_theirs * sizeof *all);
    memcpy(all + n_theirs, ours, n_ours * sizeof *all);
    out->sans = all;
    out->n_sans = topo_unique(all, n_theirs + n_ours);
}

static void add_endpoints(struct mesh_pass *p, const struct trade *t, size_t at,
                          struct istio_import *out)
{
    const char **networks;
    size_t n_networks = my_networks(p, &networks);
    struct topo_endpoint *from;
    out->n_endpoints = topo_endpoints(p->arena, &t->imports[at], t->seller_of[at]->name, networks,
                                      n_networks, &from);
    struct istio_import_endpoint *all = arena_array(p->arena, out->n_endpoints + 1, sizeof *all);
    for (size_t i = 0; i < out->n_endpoints; i++)
        all[i] = (struct istio_import_endpoint){from[i].address, from[i].network, from[i].ports,
                                                from[i].weight};
    out->endpoints = all;
}

static bool takes(const struct mesh_member *mm, const char *ns)
{
    const struct records *all =
        mm->cluster ? cluster_records(mm->cluster, plan_gvr("v1", "Namespace")) : NULL;
    struct kube_view v;
    return all && records_view(all, NULL, ns, &v) && !v.terminating;
}

static void add_imports(struct mesh_pass *p, const struct trade *t, const struct mesh_member *mm,
                        struct istio_target *target)
{
    struct istio_import *all = arena_array(p->arena, t->n_imports + 1, sizeof *all);
    for (size_t i = 0; i < t->n_imports; i++) {
        const struct topo_imported *x = &t->imports[i];
        if (!takes(mm, x->ns))
            continue;
        struct istio_import *out = &all[target->n_imports++];
        *out = (struct istio_import){
            .ns = x->ns, .name = x->name, .remote_name = x->remote_name, .ports = x->ports};
        add_identities(p, t, i, out);
        add_endpoints(p, t, i, out);
    }
    target->imports = all;
}

/* --- the sellers' gateways --- */

/* Whether something is reached through the gateway of this cluster of a seller. */
static bool used(const struct trade *t, const struct partner *s, const struct site *site,
                 const char *const *networks, size_t n)
{
    for (size_t i = 0; i < t->n_imports; i++) {
        const struct topo_imported *x = &t->imports[i];
        for (size_t k = 0; t->seller_of[i] == s && k < x->n_offers; k++)
            if (str_eq(x->offers[k].cluster, site->cluster) &&
                !topo_direct(site->network, networks, n, renamed(x)))
                return true;
    }
    return false;
}

static bool add_gateway(struct mesh_pass *p, const struct partner *s, const struct site *site,
                        struct istio_network_gateway *out)
{
    struct mesh_eastwest e =
        mesh_eastwest_of(p->mesh->manager, p->arena, p->mesh->ns, s->name, site->cluster);
    *out = (struct istio_network_gateway){
        /* with a dot, which the name of a cluster has not: those of our own clusters are apart */
        .name = arena_printf(p->arena, MESH_NETWORK_GATEWAY "%s.%s", s->name, site->cluster),
        .network = topo_foreign_network(p->arena, s->name, site->network),
        .addresses = e.addresses,
        .n_addresses = e.n_addresses,
        .port = e.port,
    };
    return e.n_addresses > 0;
}

/* Returns one that is needed and not known yet, or NULL. */
static const struct site *add_gateways(struct mesh_pass *p, const struct trade *t,
                                       struct istio_target *target)
{
    const char **networks;
    const struct site *missing = NULL;
    size_t n_networks = my_networks(p, &networks), room = target->n_network_gateways + 1;
    for (size_t i = 0; i < t->n_sellers; i++)
        room += t->sellers[i].n_sites;
    struct istio_network_gateway *all = arena_array(p->arena, room, sizeof *all);
    size_t n = target->n_network_gateways;
    if (n > 0)
        memcpy(all, target->network_gateways, n * sizeof *all);
    for (size_t i = 0; i < t->n_sellers; i++)
        for (size_t k = 0; k < t->sellers[i].n_sites; k++) {
            const struct site *site = &t->sellers[i].sites[k];
            if (!used(t, &t->sellers[i], site, networks, n_networks))
                continue;
            if (add_gateway(p, &t->sellers[i], site, &all[n]))
                n++;
            else
                missing = site;
        }
    target->network_gateways = all;
    target->n_network_gateways = n;
    return missing;
}

void trade_imports_target(struct mesh_pass *p, const struct mesh_member *mm, struct istio_target *t)
{
    const struct trade *trade = trade_of(p);
    if (trade->n_imports == 0)
        return;
    add_imports(p, trade, mm, t);
    add_gateways(p, trade, t);
}

const struct topo_entry *mesh_exports_entries(struct mesh_pass *p, const struct mesh_member *mm,
                                              size_t *ret_n)
{
    *ret_n = 0;
    if (!mesh_tied(p))
        return NULL;
    (void)mm; /* the same in all: which of them lack it is not decided here */
    const struct trade *t = trade_of(p);
    struct topo_entry *all = arena_array(p->arena, t->n_imports + 1, sizeof *all);
    for (size_t i = 0; i < t->n_imports; i++) {
        char *ports = jx_dump(t->imports[i].ports);
        all[(*ret_n)++] = (struct topo_entry){.ns = t->imports[i].ns,
                                              .name = t->imports[i].name,
                                              .ports = arena_strdup(p->arena, ports)};
        free(ports);
    }
    return all;
}

/* --- conditions --- */

static void judge_spec(struct mesh_pass *p, const struct trade *t)
{
    const struct api_mesh_spec *s = &p->cr->spec;
    for (size_t i = 0; i < s->n_imports; i++) {
        const char *from = s->imports[i].mesh;
        bool sells = s->imports[i].names == API_MESH_IMPORTS_NAMES_NONE;
        for (size_t k = 0; k < t->n_sellers; k++)
            sells |= str_eq(t->sellers[k].name, from);
        if (str_eq(from, p->mesh->name) || !ties_mesh(p->mesh->manager, p->mesh->ns, from))
            claim(p, "NoSuchMesh",
                  arena_printf(p->arena, "there is no other Mesh %s in namespace %s to import from",
                               from, p->mesh->ns));
        else if (!sells)
            claim(p, "NotExported",
                  arena_printf(p->arena,
                               "Mesh %s exports nothing to this one, or the two do not trust each "
                               "other; next: see its condition ExportsReady",
                               from));
    }
}

static void judge_namespaces(struct mesh_pass *p, const struct trade *t)
{
    for (size_t i = 0; i < t->n_imports; i++)
        for (size_t k = 0; k < p->n_members; k++) {
            const struct mesh_member *mm = &p->members[k];
            if (mm->role == ISTIO_PRIMARY && !mm->blocked_reason && mm->cluster &&
                cluster_known(mm->cluster) && !takes(mm, t->imports[i].ns))
                claim(p, "NamespaceMissing",
                      arena_printf(p->arena,
                                   "service %s/%s of Mesh %s is not callable in cluster %s: there "
                                   "is no namespace %s; next: create it",
                                   t->imports[i].ns, t->imports[i].name, t->seller_of[i]->name,
                                   mm->name, t->imports[i].ns));
        }
}

void trade_judge_imports(struct mesh_pass *p, const struct trade *t)
{
    struct istio_target probe = {0};
    judge_spec(p, t);
    for (size_t i = 0; i < t->n_sellers; i++)
        if (t->sellers[i].offers.unsure)
            claim(p, "Reading",
                  arena_printf(p->arena,
                               "a cluster of Mesh %s was not read yet: what is imported from it "
                               "stays as it is",
                               t->sellers[i].name));
    const struct site *missing = t->n_imports > 0 ? add_gateways(p, t, &probe) : NULL;
    p->mesh->trade.unreached = missing != NULL;
    if (missing)
        claim(p, "GatewayNotReady",
              arena_printf(p->arena, "the east-west gateway of cluster %s has no address yet",
                           missing->cluster));
    judge_namespaces(p, t);
    if (t->n_sellers + p->cr->spec.n_imports > 0)
        trade_claim(&p->mesh->trade.imports, true, "Ready",
                    "what other meshes export to this one is callable");
}
