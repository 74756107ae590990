/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/cluster.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

void sim_now(char out[CLOCK_RFC3339_MAX])
{
    clock_format(clock_s(&clock_system), out);
}

void sim_uuid(char out[SIM_UUID])
{
    unsigned char b[16];
    RAND_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    char hex[33];
    str_hex(b, sizeof b, hex);
    snprintf(out, SIM_UUID, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

/* --- kinds --- */

const struct sim_kind *sim_cluster_kind(const struct sim_cluster *c, const char *group,
                                        const char *plural)
{
    const struct sim_kind *builtin = sim_builtin_find(group, plural);
    if (builtin || !c->custom)
        return builtin;
    struct sim_kind *k;
    auto_free char *crd = xasprintf("%s.%s", plural, group);
    HASH_FIND_STR(c->custom, crd, k);
    return k;
}

struct sim_collection *sim_cluster_collection(struct sim_cluster *c, const struct sim_kind *k)
{
    struct sim_collection *at;
    HASH_FIND_PTR(c->collections, &k, at);
    if (at)
        return at;
    at = sim_collection_new(k, c->sim->opts.history, k->traits & SIM_CUSTOM ? c->version : 0);
    HASH_ADD_PTR(c->collections, kind, at);
    return at;
}

struct sim_collection *sim_cluster_builtin(struct sim_cluster *c, const char *group,
                                           const char *plural)
{
    return sim_cluster_collection(c, sim_builtin_find(group, plural));
}

static bool is_crds(const struct sim_collection *at)
{
    return str_eq(at->kind->plural, "customresourcedefinitions");
}

static bool is_namespaces(const struct sim_collection *at)
{
    return str_eq(at->kind->plural, "namespaces") && !*at->kind->group;
}

/* --- changes --- */

struct sim_object *sim_cluster_put(struct sim_cluster *c, struct sim_collection *at,
                                   const json_t *tree)
{
    struct sim_object *o = sim_object_new(tree, ++c->version);
    const struct sim_event *e = sim_collection_put(at, o);
    if (e->type == SIM_ADDED)
        c->stats.objects++;
    sim_watches_notify(c, at, e);
    return o;
}

/* The range of the objects of a namespace. */
static size_t first_of(const struct sim_collection *at, const char *ns)
{
    auto_free char *key = xasprintf("%s/", ns);
    return sim_collection_seek(at, key, NULL);
}

static bool is_of(const struct sim_object *o, const char *ns)
{
    return o->ns_len == strlen(ns) && memcmp(o->key, ns, o->ns_len) == 0;
}

static bool namespace_empty(struct sim_cluster *c, const char *ns)
{
    for (struct sim_collection *at = c->collections; at; at = at->hh.next) {
        size_t i = at->kind->traits & SIM_NAMESPACED ? first_of(at, ns) : at->count;
        if (i < at->count && is_of(at->objects[i], ns))
            return false;
    }
    return true;
}

static bool has_finalizers(const struct sim_object *o)
{
    size_t n;
    const char *list = sim_object_meta(o, "finalizers", &n);
    return list && n > 2;
}

static void end_namespace(struct sim_cluster *c, const char *ns)
{
    struct sim_collection *at = sim_cluster_builtin(c, "", "namespaces");
    struct sim_object *o = sim_collection_get(at, NULL, ns);
    if (o && o->deleting && !has_finalizers(o) && namespace_empty(c, ns))
        sim_cluster_remove(c, at, o);
}

static const char crd_finalizer[] = "customresourcecleanup.apiextensions.k8s.io";

/* The definition goes with its last object. */
static void end_crd(struct sim_cluster *c, struct sim_collection *of)
{
    auto_free char *name = xstrdup(of->kind->crd);
    struct sim_collection *at =
        sim_cluster_builtin(c, "apiextensions.k8s.io", "customresourcedefinitions");
    struct sim_object *o = sim_collection_get(at, NULL, name);
    if (of->count == 0 && o && o->deleting)
        sim_cluster_remove(c, at, o);
}

static void drop_kind(struct sim_cluster *c, const char *crd)
{
    struct sim_kind *k;
    HASH_FIND_STR(c->custom, crd, k);
    if (!k)
        return;
    struct sim_collection *at = sim_cluster_collection(c, k);
    sim_watches_end(at);
    HASH_DEL(c->collections, at);
    HASH_DEL(c->custom, k);
    at->next = c->dropped;
    c->dropped = at;
}

void sim_cluster_tidy(struct sim_cluster *c)
{
    while (c->dropped) {
        struct sim_collection *at = c->dropped;
        struct sim_kind *k = (struct sim_kind *)(uintptr_t)at->kind; /* a custom one: ours */
        c->dropped = at->next;
        c->stats.objects -= at->count;
        sim_collection_free(at);
        sim_kind_free(k);
    }
}

uint64_t sim_cluster_remove(struct sim_cluster *c, struct sim_collection *at, struct sim_object *o)
{
    uint64_t version = ++c->version;
    auto_free char *ns = o->ns_len ? xstrndup(o->key, o->ns_len) : NULL;
    c->stats.objects--;
    sim_object_ref(o);
    sim_watches_notify(c, at, sim_collection_remove(at, o, version));
    if (is_crds(at))
        drop_kind(c, o->key);
    if (c->sim->opts.act)
        sim_istiod_gone(c, at, o);
    sim_object_drop(o);
    if (ns)
        end_namespace(c, ns);
    if (at->kind->traits & SIM_DYING)
        end_crd(c, at);
    return version;
}

static void delete_contents(struct sim_cluster *c, const char *ns)
{
    for (struct sim_collection *at = c->collections, *next; at; at = next) {
        next = at->hh.next;
        if (!(at->kind->traits & SIM_NAMESPACED))
            continue;
        size_t n;
        struct sim_object **all = sim_collection_at(at, c->version, &n);
        for (size_t i = 0; i < n; i++) {
            uint64_t version;
            if (is_of(all[i], ns))
                sim_object_drop(sim_cluster_delete(c, at, all[i], &version));
        }
        sim_snapshot_free(all, n);
    }
}

static json_t *tree_of(const struct sim_collection *at, const struct sim_object *o)
{
    const struct sim_kind *k = at->kind;
    auto_free char *api_version = sim_api_version(k->group, k->version);
    return sim_object_tree(o, k, api_version, SIM_VIEW_WHOLE, o->version);
}

/* Gives an object its deletionTimestamp. */
static struct sim_object *mark(struct sim_cluster *c, struct sim_collection *at,
                               struct sim_object *o)
{
    char now[CLOCK_RFC3339_MAX];
    auto_json *tree = tree_of(at, o);
    sim_now(now);
    jx_set_str(tree, "metadata.deletionTimestamp", now);
    if (is_namespaces(at)) {
        jx_set_str(tree, "status.phase", "Terminating");
    } else if (is_crds(at)) {
        jx_set_new(tree, "metadata.finalizers", json_pack("[s]", crd_finalizer));
        json_t *list = jx_get(tree, "status.conditions");
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "Terminating", "status", "True",
                      "lastTransitionTime", now, "reason", "InstanceDeletionPending", "message",
                      "CustomResourceDefinition marked for deletion; CustomResource deletion "
                      "will begin soon"));
    } else {
        int64_t generation = jx_int(tree, "metadata.generation", 0);
        jx_set_new(tree, "metadata.deletionGracePeriodSeconds", json_integer(0));
        if (generation > 0)
            jx_set_new(tree, "metadata.generation", json_integer(generation + 1));
    }
    return sim_cluster_put(c, at, tree);
}

static void delete_instances(struct sim_cluster *c, const char *crd)
{
    struct sim_kind *k;
    HASH_FIND_STR(c->custom, crd, k);
    if (!k)
        return;
    k->traits |= SIM_DYING;
    struct sim_collection *at = sim_cluster_collection(c, k);
    size_t n;
    struct sim_object **all = sim_collection_at(at, c->version, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t version;
        struct sim_object *o = sim_cluster_delete(c, at, all[i], &version);
        sim_object_drop(o);
    }
    sim_snapshot_free(all, n);
}

/* What contains others is marked, then emptied, then removed (maybe with its last content). */
static struct sim_object *delete_container(struct sim_cluster *c, struct sim_collection *at,
                                           struct sim_object *o, uint64_t *ret_version)
{
    struct sim_object *marked = sim_object_ref(mark(c, at, o));
    *ret_version = marked->version;
    if (is_namespaces(at))
        delete_contents(c, marked->key);
    else
        delete_instances(c, marked->key);
    struct sim_object *still = sim_collection_get(at, NULL, marked->key);
    struct sim_kind *k = NULL;
    if (!is_namespaces(at))
        HASH_FIND_STR(c->custom, marked->key, k);
    bool empty = is_namespaces(at) ? namespace_empty(c, marked->key)
                                   : !k || sim_cluster_collection(c, k)->count == 0;
    if (still && empty && !(is_namespaces(at) && has_finalizers(still)))
        sim_cluster_remove(c, at, still);
    return marked;
}

struct sim_object *sim_cluster_delete(struct sim_cluster *c, struct sim_collection *at,
                                      struct sim_object *o, uint64_t *ret_version)
{
    *ret_version = o->version;
    if (o->deleting)
        return sim_object_ref(o);
    if (is_namespaces(at) || is_crds(at))
        return delete_container(c, at, o, ret_version);
    struct sim_object *last = sim_object_ref(has_finalizers(o) ? mark(c, at, o) : o);
    *ret_version = last->version;
    if (last == o)
        *ret_version = sim_cluster_remove(c, at, o);
    return last;
}

/* --- schemas of custom kinds --- */

/* Parsed when a custom resource is written; few are in use at a time, and clusters share their texts. */
enum { SCHEMAS = 16 };
static struct {
    struct sim_text *text;
    json_t *tree; /* spec.versions */
} schemas[SCHEMAS];
static unsigned next_schema;

void sim_schemas_forget(void)
{
    for (int i = 0; i < SCHEMAS; i++) {
        sim_text_drop(schemas[i].text);
        json_decref(schemas[i].tree);
        schemas[i].text = NULL;
        schemas[i].tree = NULL;
    }
}

static const json_t *versions_of(const struct sim_collection *at, const struct sim_object *crd)
{
    for (int i = 0; i < SCHEMAS; i++)
        if (schemas[i].text && schemas[i].text == crd->rest)
            return schemas[i].tree;
    auto_json *tree = tree_of(at, crd);
    unsigned i = next_schema++ % SCHEMAS;
    sim_text_drop(schemas[i].text);
    json_decref(schemas[i].tree);
    schemas[i].tree = json_incref(jx_get(tree, "spec.versions"));
    crd->rest->refs++;
    schemas[i].text = crd->rest;
    return schemas[i].tree;
}

const json_t *sim_cluster_schema(struct sim_cluster *c, const struct sim_kind *k,
                                 const char *version)
{
    if (!(k->traits & SIM_CUSTOM))
        return NULL;
    struct sim_collection *at =
        sim_cluster_builtin(c, "apiextensions.k8s.io", "customresourcedefinitions");
    struct sim_object *crd = sim_collection_get(at, NULL, k->crd);
    const json_t *versions = crd && crd->rest ? versions_of(at, crd) : NULL, *v;
    size_t i;
    json_array_foreach (versions, i, v)
        if (str_eq(jx_str(v, "name"), version))
            return jx_get(v, "schema.openAPIV3Schema");
    return NULL;
}
