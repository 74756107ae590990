/* SPDX-License-Identifier: Apache-2.0 */
/* DNS entries: Services that exist only in other clusters. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "topology/topology.h"
#include "json/jx.h"

enum { NAMES_MAX = 5 }; /* in a message */

/* --- selection --- */

static bool system_namespace(const char *name)
{
    static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease",
                                        "istio-system"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static bool injected(const json_t *labels, const char *revision)
{
    const char *injection = json_string_value(json_object_get(labels, "istio-injection"));
    const char *rev = json_string_value(json_object_get(labels, "istio.io/rev"));
    if (injection)
        return str_eq(injection, "enabled") && !*revision;
    return rev && str_eq(rev, *revision ? revision : "default");
}

bool topo_selects(const struct topo_dns_rule *rule, const struct topo_namespace *ns)
{
    if (rule->mode == TOPO_DNS_NONE || ns->terminating || ns->excluded ||
        system_namespace(ns->name))
        return false;
    auto_json *labels = ns->labels ? json_loads(ns->labels, 0, NULL) : json_object();
    if (rule->mode == TOPO_DNS_SELECTED)
        return topo_labels_match(labels, rule->match_labels);
    return injected(labels, str_or(rule->revision, ""));
}

/* --- candidates --- */

struct candidate {
    const struct topo_service *service;
    const char *cluster; /* NULL: of another mesh */
    size_t index;        /* of the cluster */
};

static int by_name(const void *a, const void *b)
{
    const struct topo_service *x = *(const struct topo_service *const *)a;
    const struct topo_service *y = *(const struct topo_service *const *)b;
    int c = str_cmp(x->ns, y->ns);
    return c ? c : str_cmp(x->name, y->name);
}

/* Other meshes come last. */
static int by_name_then_cluster(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int c = by_name(&x->service, &y->service);
    if (c || !x->cluster || !y->cluster)
        return c ? c : !x->cluster - !y->cluster;
    return str_cmp(x->cluster, y->cluster);
}

static const struct topo_namespace *find_namespace(const struct topo_cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n_namespaces; i++)
        if (str_eq(c->namespaces[i].name, name))
            return &c->namespaces[i];
    return NULL;
}

/* Real, selected Services of one source cluster. */
static size_t add_candidates(const struct topo_dns_rule *rule, const struct topo_cluster *c,
                             size_t index, struct candidate *out)
{
    size_t n = 0;
    const char *last = NULL;
    bool selected = false;
    for (size_t i = 0; i < c->n_services; i++) {
        const struct topo_service *s = &c->services[i];
        if (s->ours || s->excluded)
            continue;
        if (!last || !str_eq(last, s->ns)) { /* they stand together by namespace */
            const struct topo_namespace *ns = find_namespace(c, s->ns);
            last = s->ns;
            selected = ns && topo_selects(rule, ns);
        }
        if (selected)
            out[n++] = (struct candidate){s, c->name, index};
    }
    return n;
}

static size_t add_imports(struct arena *a, const struct topo_entry *imports, size_t n,
                          struct candidate *out)
{
    struct topo_service *s = arena_array(a, n + 1, sizeof *s);
    for (size_t i = 0; i < n; i++) {
        s[i] = (struct topo_service){
            .ns = imports[i].ns, .name = imports[i].name, .ports = imports[i].ports};
        out[i] = (struct candidate){.service = &s[i]};
    }
    return n;
}

/* --- several sources of one name --- */

static const char *protocol_of(const json_t *port)
{
    return str_or(jx_str(port, "protocol"), "TCP");
}

static bool same_port(const json_t *x, const json_t *y)
{
    return str_eq(jx_str(x, "name"), jx_str(y, "name")) &&
           jx_int(x, "port", 0) == jx_int(y, "port", 0) && str_eq(protocol_of(x), protocol_of(y)) &&
           str_eq(jx_str(x, "appProtocol"), jx_str(y, "appProtocol"));
}

/* Both can't be in one Service: names are unique, and so is each number of a protocol; several ports need names. */
static bool contradicts(const json_t *x, const json_t *y)
{
    const char *a = jx_str(x, "name"), *b = jx_str(y, "name");
    return !a || !b || str_eq(a, b) ||
           (jx_int(x, "port", 0) == jx_int(y, "port", 0) && str_eq(protocol_of(x), protocol_of(y)));
}

/* Returns false when a port of more can't be added. */
static bool add_ports(json_t *all, const json_t *more)
{
    bool good = true;
    size_t i, k;
    json_t *port, *have;
    json_array_foreach (more, i, port) {
        bool there = false, against = false;
        json_array_foreach (all, k, have) {
            there |= same_port(have, port);
            against |= contradicts(have, port);
        }
        if (!there && !against)
            json_array_append(all, port);
        good &= there || !against;
    }
    return good;
}

static const char *union_ports(struct arena *a, const char *x, const char *y, bool *differ)
{
    auto_json *all = jx_load(x, strlen(x), NULL);
    auto_json *more = jx_load(y, strlen(y), NULL);
    *differ |= !add_ports(all, more);
    char *text = jx_dump(all);
    arena_hold(a, text, free);
    return text;
}

/* --- one cluster's entries --- */

struct making {
    struct arena *a;
    const struct topo_dns_rule *rule;
    const struct topo_cluster *clusters, *here;
    const struct topo_service **own; /* its real Services, sorted */
    size_t n_own;
    struct topo_dns_result *r;
};

static void trouble(struct making *m, enum topo_dns_trouble t, const char *name)
{
    const char *names = m->r->troubles[t].names;
    if (m->r->troubles[t].n++ < NAMES_MAX)
        m->r->troubles[t].names = *names ? arena_printf(m->a, "%s, %s", names, name) : name;
}

static const char *full_name(struct making *m, const struct topo_service *s)
{
    return arena_printf(m->a, "%s/%s", s->ns, s->name);
}

static void index_own(struct making *m)
{
    m->own = arena_array(m->a, m->here->n_services + 1, sizeof *m->own);
    for (size_t i = 0; i < m->here->n_services; i++)
        if (!m->here->services[i].ours)
            m->own[m->n_own++] = &m->here->services[i];
    qsort(m->own, m->n_own, sizeof *m->own, by_name);
}

static const struct topo_service *own_service(const struct making *m, const struct topo_service *s)
{
    if (!m->n_own)
        return NULL;
    const struct topo_service **found = bsearch(&s, m->own, m->n_own, sizeof *m->own, by_name);
    return found ? *found : NULL;
}

/* A Service of the same name with pods behind it is the same service. One without is a user's, and stays; so the name
 * leads elsewhere than the others mean. */
static bool is_taken(const struct topo_service *own, const struct candidate *group, size_t n)
{
    bool taken = false;
    for (size_t i = 0; i < n; i++)
        taken |= !group[i].service->bare && group[i].service->kind != TOPO_EXTERNAL_NAME;
    return taken && (own->bare || own->kind == TOPO_EXTERNAL_NAME);
}

/* The clusters of a group whose pods can be reached from here by their addresses. */
static void find_sources(struct making *m, const struct candidate *group, size_t n,
                         struct topo_entry *e)
{
    size_t *sources = arena_array(m->a, n + 1, sizeof *sources);
    for (size_t i = 0; i < n; i++)
        if (group[i].cluster && group[i].service->kind == TOPO_HEADLESS &&
            str_eq(m->clusters[group[i].index].network, m->here->network))
            sources[e->n_sources++] = group[i].index;
    e->sources = sources;
}

/* What the other sources say of it too. */
static void merge(struct making *m, const struct candidate *group, size_t n, struct topo_entry *e)
{
    bool types = false, ports = false, targets = false;
    for (size_t i = 1; i < n; i++) {
        const struct topo_service *s = group[i].service;
        if (s->kind != e->kind)
            types = true;
        else if (s->kind == TOPO_EXTERNAL_NAME)
            targets |= !str_eq(s->external_name, e->external_name);
        else if (!str_eq(s->ports, e->ports))
            e->ports = union_ports(m->a, e->ports, s->ports, &ports);
    }
    const char *name = types || ports || targets ? full_name(m, group->service) : NULL;
    if (types)
        trouble(m, TOPO_DNS_TYPES_DIFFER, name);
    if (ports)
        trouble(m, TOPO_DNS_PORTS_DIFFER, name);
    if (targets)
        trouble(m, TOPO_DNS_TARGETS_DIFFER, name);
}

/* Sources of one name; true when an entry was made. */
static bool make_entry(struct making *m, const struct candidate *group, size_t n)
{
    const struct topo_service *s = group->service, *own = own_service(m, s);
    if (own) {
        if (is_taken(own, group, n))
            trouble(m, TOPO_DNS_NAME_TAKEN, full_name(m, s));
        return false;
    }
    struct topo_entry e = {.ns = s->ns,
                           .name = s->name,
                           .ports = s->ports,
                           .kind = s->kind,
                           .external_name = s->external_name};
    if (e.kind == TOPO_HEADLESS)
        find_sources(m, group, n, &e);
    if (e.kind == TOPO_HEADLESS && e.n_sources == 0) {
        trouble(m, TOPO_DNS_OTHER_NETWORK, full_name(m, s));
        return false;
    }
    merge(m, group, n, &e);
    m->r->entries[m->r->n++] = e;
    return true;
}

/* Sources of one namespace. */
static void make_entries(struct making *m, const struct candidate *all, size_t n)
{
    const struct topo_namespace *ns = find_namespace(m->here, all->service->ns);
    bool made = false, to_make = !ns || ns->ours;
    if (ns && (ns->terminating || ns->excluded))
        return;
    if (to_make && !m->rule->create_namespaces) {
        trouble(m, TOPO_DNS_NAMESPACE_MISSING, all->service->ns);
        return;
    }
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && str_eq(all[k].service->name, all[i].service->name); k++)
            ;
        made |= make_entry(m, all + i, k - i);
    }
    if (made && to_make)
        m->r->namespaces[m->r->n_namespaces++] = all->service->ns;
}

void topo_dns(struct arena *a, const struct topo_dns_rule *rule,
              const struct topo_cluster *clusters, size_t n, size_t at,
              const struct topo_entry *imports, size_t n_imports, struct topo_dns_result *ret)
{
    struct making m = {.a = a, .rule = rule, .clusters = clusters, .here = &clusters[at], .r = ret};
    size_t room = n_imports, n_all = 0;
    for (size_t i = 0; i < n; i++)
        room += i == at ? 0 : clusters[i].n_services;
    struct candidate *all = arena_array(a, room + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        n_all += i == at ? 0 : add_candidates(rule, &clusters[i], i, all + n_all);
    if (rule->mode != TOPO_DNS_NONE)
        n_all += add_imports(a, imports, n_imports, all + n_all);
    qsort(all, n_all, sizeof *all, by_name_then_cluster);
    *ret =
        (struct topo_dns_result){.entries = arena_array(a, n_all + 1, sizeof *ret->entries),
                                 .namespaces = arena_array(a, n_all + 1, sizeof *ret->namespaces)};
    for (size_t t = 0; t < TOPO_DNS_TROUBLES; t++)
        ret->troubles[t].names = "";
    index_own(&m);
    for (size_t i = 0, k; i < n_all; i = k) {
        for (k = i + 1; k < n_all && str_eq(all[k].service->ns, all[i].service->ns); k++)
            ;
        make_entries(&m, all + i, k - i);
    }
}

/* --- in words --- */

static const struct {
    const char *reason, *before, *after;
} words[TOPO_DNS_TROUBLES] = {
    [TOPO_DNS_NAME_TAKEN] = {"NameTaken", "users' own Services without a selector have the names ",
                             "; they stay; next: remove them there, or label the Services "
                             "elsewhere meshwright.dev/dns-entry=false"},
    [TOPO_DNS_NAMESPACE_MISSING] = {"NamespaceMissing", "there are no namespaces ",
                                    "; next: create them, set spec.dnsEntries.createNamespaces, or "
                                    "label those elsewhere meshwright.dev/dns-entry=false"},
    [TOPO_DNS_TYPES_DIFFER] = {"TypesDiffer", "the other clusters disagree about the type of ",
                               ": the first cluster by name decides; next: make them equal"},
    [TOPO_DNS_PORTS_DIFFER] = {"PortsDiffer",
                               "the other clusters contradict each other in ports of ",
                               ": the first cluster by name decides; next: make them equal"},
    [TOPO_DNS_TARGETS_DIFFER] = {"ExternalNamesDiffer",
                                 "the other clusters disagree about the externalName of ",
                                 ": the first cluster by name decides; next: make them equal"},
    [TOPO_DNS_OTHER_NETWORK] = {"OtherNetwork",
                                "pods of headless Services can't be reached from another network: ",
                                " have no entry; next: give them a Service with a cluster IP too, "
                                "or label them meshwright.dev/dns-entry=false"},
};

const char *topo_dns_verdict(struct arena *a, const struct topo_dns_result *r, const char *cluster,
                             const char **ret_message)
{
    const char *reason = NULL, *message = arena_printf(a, "cluster %s", cluster);
    for (size_t t = 0; t < TOPO_DNS_TROUBLES; t++) {
        size_t n = r->troubles[t].n;
        if (n == 0)
            continue;
        const char *more = n > NAMES_MAX ? arena_printf(a, " and %zu more", n - NAMES_MAX) : "";
        message = arena_printf(a, "%s%s %s%s%s%s", message, reason ? ";" : ":", words[t].before,
                               r->troubles[t].names, more, words[t].after);
        reason = reason ? reason : words[t].reason;
    }
    *ret_message = message;
    return reason;
}
