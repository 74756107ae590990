/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mcs/mcs.h"
#include "json/jx.h"

enum {
    SLICE_MAX = 500, /* endpoints of one EndpointSlice; the API's bound is 1000 */
    HOSTNAME_MAX = 63,
};

#define LABEL_SOURCE  "multicluster.kubernetes.io/source-cluster"
#define LABEL_SERVICE "multicluster.kubernetes.io/service-name"

struct rendering {
    const struct mcs_target *t;
    struct plan *p;
    struct err *err;
};

/* jansson copies nothing that it is given as const. */
static json_t *shared(const json_t *v)
{
    return json_incref((json_t *)(uintptr_t)v);
}

static json_t *object(const char *api_version, const char *kind, const char *ns, const char *name)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", api_version, "kind", kind,
                     "metadata", "name", name, "namespace", ns);
}

static int add(const struct rendering *r, enum plan_wave wave, json_t *body)
{
    return plan_add(r->p, &r->t->owner, wave, body, NULL, r->err) ? 0 : -1;
}

/* --- the derived Service --- */

static void set_affinity(json_t *spec, const struct mcs_service *s)
{
    if (s->headless || str_eq(s->affinity, "None"))
        return;
    jx_set_str(spec, "sessionAffinity", s->affinity);
    if (s->affinity_config)
        json_object_set_new(spec, "sessionAffinityConfig", shared(s->affinity_config));
}

static int add_service(const struct rendering *r, const struct mcs_service *s)
{
    json_t *body = object("v1", "Service", s->ns, s->derived);
    json_t *spec = json_pack("{s:s, s:o}", "type", "ClusterIP", "ports", shared(s->ports));
    json_object_set_new(jx_get(body, "metadata"), "labels",
                        json_pack("{s:s}", LABEL_SERVICE, s->name));
    if (s->headless)
        jx_set_str(spec, "clusterIP", "None");
    set_affinity(spec, s);
    json_object_set_new(body, "spec", spec);
    return add(r, PLAN_DNS, body);
}

/* --- EndpointSlices --- */

static bool is_ipv6(const char *address)
{
    return strchr(address, ':') != NULL;
}

/* Slices of host names are for others to resolve. */
static bool is_address(const char *address)
{
    return is_ipv6(address) || address[strspn(address, "0123456789.")] == '\0';
}

/* An endpoint and what decides to which of our slices it belongs. */
struct row {
    const char *ports; /* as text */
    const json_t *ports_json;
    bool ipv6;
    const struct mcs_endpoint *endpoint;
};

static int by_group(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = x->ipv6 - y->ipv6;
    return c ? c : str_cmp(x->ports, y->ports);
}

static int by_row(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = by_group(a, b);
    return c ? c : str_cmp(x->endpoint->address, y->endpoint->address);
}

static size_t rows_of(struct arena *a, const struct mcs_export *e, struct row **ret)
{
    size_t n = 0, all = 0;
    for (size_t i = 0; i < e->n_slices; i++)
        all += e->slices[i].n;
    struct row *rows = arena_array(a, all + 1, sizeof *rows);
    for (size_t i = 0; i < e->n_slices; i++) {
        char *ports = jx_dump(e->slices[i].ports);
        arena_hold(a, ports, free);
        for (size_t k = 0; k < e->slices[i].n; k++) {
            const struct mcs_endpoint *one = &e->slices[i].endpoints[k];
            if (is_address(one->address))
                rows[n++] = (struct row){ports, e->slices[i].ports, is_ipv6(one->address), one};
        }
    }
    qsort(rows, n, sizeof *rows, by_row);
    *ret = rows;
    return n;
}

static bool same_endpoint(const struct row *a, const struct row *b)
{
    return by_row(a, b) == 0;
}

/* Pods of two clusters may have one host name: <hostname>.<cluster>.<service>... is asked for as this (corefile.c). */
static json_t *endpoint_of(const struct mcs_export *e, const struct mcs_endpoint *one)
{
    auto_free char *hostname = one->hostname ? xasprintf("%s-%s", one->hostname, e->cluster) : NULL;
    bool fits = hostname && strlen(hostname) <= HOSTNAME_MAX;
    return json_pack("{s:[s], s:{s:b}, s:s*}", "addresses", one->address, "conditions", "ready",
                     true, "hostname", fits ? hostname : NULL);
}

static json_t *endpoints_of(const struct mcs_export *e, const struct row *rows, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !same_endpoint(&rows[i - 1], &rows[i]))
            json_array_append_new(list, endpoint_of(e, rows[i].endpoint));
    return list;
}

static int add_slice(const struct rendering *r, const struct mcs_service *s,
                     const struct mcs_export *e, size_t number, const struct row *rows, size_t n)
{
    auto_free char *name = xasprintf("%s.%s.%zu", s->derived, e->cluster, number);
    json_t *body = object("discovery.k8s.io/v1", "EndpointSlice", s->ns, name);
    json_object_set_new(jx_get(body, "metadata"), "labels",
                        json_pack("{s:s, s:s, s:s, s:s}", "kubernetes.io/service-name", s->derived,
                                  LABEL_SERVICE, s->name, LABEL_SOURCE, e->cluster,
                                  "endpointslice.kubernetes.io/managed-by", "meshwright.dev"));
    jx_set_str(body, "addressType", rows->ipv6 ? "IPv6" : "IPv4");
    json_object_set_new(body, "ports", shared(rows->ports_json));
    json_object_set_new(body, "endpoints", endpoints_of(e, rows, n));
    return add(r, PLAN_DNS, body);
}

/* Pods of another network can't be reached by their addresses. */
static int add_slices(const struct rendering *r, const struct mcs_service *s,
                      const struct mcs_export *e)
{
    struct row *rows;
    if (!str_eq(e->network, r->t->network))
        return 0;
    size_t n = rows_of(&r->p->arena, e, &rows), number = 0;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1;
             to < n && to - from < SLICE_MAX && by_group(&rows[from], &rows[to]) == 0;)
            to++;
        if (add_slice(r, s, e, number++, rows + from, to - from) < 0)
            return -1;
    }
    return 0;
}

char *mcs_slice_source(const char *slice)
{
    const char *number = strrchr(slice, '.');
    const char *start = number ? memrchr(slice, '.', (size_t)(number - slice)) : NULL;
    if (!start || !str_starts(slice, MCS_PREFIX))
        return NULL;
    return xstrndup(start + 1, (size_t)(number - start - 1));
}

/* --- ServiceImport --- */

/* An import of a service with an address waits for it: who reads it (istiod, DNS) takes it for whole. */
static int add_import(const struct rendering *r, const struct mcs_service *s)
{
    size_t n = 0;
    const char *const *ips =
        s->headless ? NULL : r->t->cluster_ips(r->t->arg, s->ns, s->derived, &n);
    if (!s->headless && n == 0)
        return 0;
    json_t *spec = json_pack("{s:s, s:o}", "type", s->headless ? "Headless" : "ClusterSetIP",
                             "ports", shared(s->ports));
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(ips[i]));
    if (n > 0)
        json_object_set(spec, "ips", list);
    json_decref(list);
    set_affinity(spec, s);
    json_t *body = object(MCS_API_VERSION, "ServiceImport", s->ns, s->name);
    json_object_set_new(body, "spec", spec);
    return add(r, PLAN_IMPORTS, body);
}

json_t *mcs_import_status(const struct mcs_service *s)
{
    json_t *clusters = json_array();
    for (size_t i = 0; i < s->n_exports; i++)
        json_array_append_new(clusters, json_pack("{s:s}", "cluster", s->exports[i]->cluster));
    return json_pack("{s:o}", "clusters", clusters);
}

/* --- */

static int render_service(const struct rendering *r, const struct mcs_service *s)
{
    if (!r->t->has_namespace(r->t->arg, s->ns))
        return 0;
    if (add_service(r, s) < 0)
        return -1;
    if (r->t->is_taken(r->t->arg, s->ns, s->derived)) /* who applies the plan names it */
        return 0;
    for (size_t i = 0; i < s->n_exports; i++)
        if (add_slices(r, s, s->exports[i]) < 0)
            return -1;
    return add_import(r, s);
}

int mcs_render(const struct mcs_target *t, const struct mcs_set *set, struct plan *p,
               struct err *err)
{
    struct rendering r = {t, p, err};
    for (size_t i = 0; i < set->n_services; i++)
        if (render_service(&r, &set->services[i]) < 0)
            return err_wrap(err, "service %s/%s of the cluster set", set->services[i].ns,
                            set->services[i].name);
    return 0;
}
