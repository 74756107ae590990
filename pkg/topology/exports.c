/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/exports.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { LABEL_MAX = 63, HASH_LEN = 10 };

/* --- offers --- */

static void *grown(struct arena *a, const void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return NULL;
    *cap = *cap ? *cap * 2 : 8;
    void *more = arena_array(a, *cap, size);
    if (n > 0)
        memcpy(more, old, n * size);
    return more;
}

void topo_offer_add_machine(struct arena *a, struct topo_offer *o, const char *address,
                            json_t *ports, const char *network)
{
    void *more =
        grown(a, o->backends, o->n_backends, &o->backends_cap, sizeof(struct topo_backend));
    o->backends = more ? more : o->backends;
    o->backends[o->n_backends++] = (struct topo_backend){address, ports, network};
}

void topo_offer_add_backend(struct arena *a, struct topo_offer *o, const char *address,
                            json_t *ports)
{
    topo_offer_add_machine(a, o, address, ports, /* network= */ NULL);
}

void topo_offer_add_account(struct arena *a, struct topo_offer *o, const char *account)
{
    void *more = grown(a, o->accounts, o->n_accounts, &o->accounts_cap, sizeof(const char *));
    o->accounts = more ? more : o->accounts;
    o->accounts[o->n_accounts++] = account;
}

bool topo_offer_selects(const json_t *selector, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)selector, key, value) {
        if (!json_equal(value, json_object_get(labels, key)))
            return false;
    }
    return json_object_size(selector) > 0;
}

static int by_address(const void *a, const void *b)
{
    return str_cmp(((const struct topo_backend *)a)->address,
                   ((const struct topo_backend *)b)->address);
}

static int by_name(const struct topo_offer *a, const struct topo_offer *b)
{
    int c = str_cmp(a->ns, b->ns);
    return c ? c : str_cmp(a->name, b->name);
}

static int by_name_then_cluster(const void *a, const void *b)
{
    const struct topo_offer *x = a, *y = b;
    int c = by_name(x, y);
    return c ? c : str_cmp(x->cluster, y->cluster);
}

size_t topo_unique(const char **list, size_t n)
{
    size_t kept = 0;
    if (n > 0)
        qsort(list, n, sizeof *list, str_cmp_ptr);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    return kept;
}

static void sort_backends(struct topo_offer *o)
{
    size_t kept = 0;
    if (o->n_backends == 0)
        return;
    qsort(o->backends, o->n_backends, sizeof *o->backends, by_address);
    for (size_t i = 0; i < o->n_backends; i++)
        if (kept == 0 || by_address(&o->backends[kept - 1], &o->backends[i]) != 0)
            o->backends[kept++] = o->backends[i];
    o->n_backends = kept;
}

void topo_offers_sort(struct topo_offer *all, size_t n)
{
    if (n > 0)
        qsort(all, n, sizeof *all, by_name_then_cluster);
    for (size_t i = 0; i < n; i++) {
        sort_backends(&all[i]);
        all[i].n_accounts = topo_unique(all[i].accounts, all[i].n_accounts);
    }
}

/* --- imports --- */

/* ServiceEntry wants a name for each port; a Service with one port need not have one. */
static json_t *named_ports(struct arena *a, const char *text)
{
    json_t *ports = jx_load(text, strlen(text), NULL), *port;
    size_t i;
    if (!ports)
        ports = json_array();
    arena_hold(a, ports, (void (*)(void *))json_decref);
    json_array_foreach (ports, i, port) {
        const char *name = jx_str(port, "name");
        if (!name || !*name)
            json_object_set_new(
                port, "name",
                json_string(arena_printf(a, "port-%d", (int)jx_int(port, "port", 0))));
    }
    return ports;
}

size_t topo_imports(struct arena *a, const struct topo_offer *offers, size_t n, const char *suffix,
                    struct topo_imported **ret, size_t *ret_long)
{
    struct topo_imported *all = arena_array(a, n + 1, sizeof *all);
    size_t n_all = 0;
    *ret_long = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && by_name(&offers[i], &offers[end]) == 0;)
            end++;
        const char *name =
            suffix ? arena_printf(a, "%s-%s", offers[i].name, suffix) : offers[i].name;
        if (strlen(name) > LABEL_MAX) {
            ++*ret_long;
            continue;
        }
        all[n_all++] =
            (struct topo_imported){offers[i].ns, name,    offers[i].name,
                                   &offers[i],   end - i, named_ports(a, offers[i].ports)};
    }
    *ret = all;
    return n_all;
}

bool topo_direct(const char *network, const char *const *networks, size_t n, bool renamed)
{
    bool shared = false, others = false;
    for (size_t i = 0; i < n; i++) {
        shared |= str_eq(networks[i], network);
        others |= !str_eq(networks[i], network);
    }
    return shared && !(renamed && others);
}

static void add_behind_gateway(struct topo_endpoint *all, size_t *n, const char *network,
                               unsigned weight)
{
    for (size_t i = 0; i < *n; i++)
        if (!all[i].address && str_eq(all[i].network, network)) {
            all[i].weight += weight;
            return;
        }
    all[(*n)++] = (struct topo_endpoint){.network = network, .weight = weight};
}

size_t topo_endpoints(struct arena *a, const struct topo_imported *i, const char *mesh,
                      const char *const *networks, size_t n, struct topo_endpoint **ret)
{
    size_t room = 1, n_all = 0;
    for (size_t k = 0; k < i->n_offers; k++)
        room += i->offers[k].n_backends + 1;
    struct topo_endpoint *all = arena_array(a, room, sizeof *all);
    bool renamed = !str_eq(i->name, i->remote_name);
    for (size_t k = 0; k < i->n_offers; k++) {
        const struct topo_offer *o = &i->offers[k];
        bool direct = topo_direct(o->network, networks, n, renamed);
        if (!direct && o->n_backends > 0)
            add_behind_gateway(all, &n_all, topo_foreign_network(a, mesh, o->network),
                               (unsigned)o->n_backends);
        for (size_t b = 0; direct && b < o->n_backends; b++)
            all[n_all++] = (struct topo_endpoint){o->backends[b].address,
                                                  str_or(o->backends[b].network, o->network),
                                                  o->backends[b].ports, 0};
    }
    *ret = all;
    return n_all;
}

size_t topo_identities(struct arena *a, const char *trust_domain, const struct topo_offer *offers,
                       size_t n, const char ***ret)
{
    size_t room = 1, n_all = 0;
    for (size_t i = 0; i < n; i++)
        room += offers[i].n_accounts;
    const char **all = arena_array(a, room, sizeof *all);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < offers[i].n_accounts; k++)
            all[n_all++] = arena_printf(a, "spiffe://%s/ns/%s/sa/%s", trust_domain, offers[i].ns,
                                        offers[i].accounts[k]);
    if (n_all == 0 && n > 0)
        all[n_all++] = arena_printf(a, "spiffe://%s/ns/%s/sa/-", trust_domain, offers[0].ns);
    *ret = all;
    return topo_unique(all, n_all);
}

/* --- names --- */

const char *topo_foreign_network(struct arena *a, const char *mesh, const char *network)
{
    char *name = arena_printf(a, "%s.%s", mesh, network);
    char hash[JX_SHA256_HEX];
    if (strlen(name) <= LABEL_MAX)
        return name;
    jx_sha256_bytes(name, strlen(name), hash);
    size_t keep = LABEL_MAX - HASH_LEN - 1;
    while (keep > 0 && (name[keep - 1] == '.' || name[keep - 1] == '-'))
        keep--;
    return arena_printf(a, "%.*s-%.*s", (int)keep, name, (int)HASH_LEN, hash);
}

const char *topo_host(struct arena *a, const char *ns, const char *name)
{
    return arena_printf(a, "%s.%s.svc.cluster.local", name, ns);
}

size_t topo_snis(struct arena *a, const struct topo_imported *i, const char ***ret)
{
    const char **all = arena_array(a, json_array_size(i->ports) + 1, sizeof *all);
    size_t n = 0, at;
    json_t *port;
    json_array_foreach (i->ports, at, port)
        all[n++] = arena_printf(a, "outbound_.%d_._.%s.%s.svc.cluster.local",
                                (int)jx_int(port, "port", 0), i->remote_name, i->ns);
    *ret = all;
    return n;
}
