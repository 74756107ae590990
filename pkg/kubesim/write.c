/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/write.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/defaults.h"
#include "json/jx.h"

/* --- checks --- */

bool sim_check_kind(struct sim_call *c, const json_t *tree)
{
    const char *kind = jx_str(tree, "kind"), *api_version = jx_str(tree, "apiVersion");
    const char *want = c->kind->kind;
    if ((!kind || str_eq(kind, want)) && (!api_version || str_eq(api_version, c->api_version)))
        return true;
    if (c->kind->traits & SIM_CUSTOM) {
        sim_fail(c, 400, "BadRequest", NULL,
                 "the API version in the data (%s) does not match the expected API version (%s)",
                 str_or(api_version, ""), c->api_version);
        return false;
    }
    sim_fail(c, 400, "BadRequest", NULL,
             "%s in version \"%s\" cannot be handled as a %s: converting (%s.%s) to (%s.%s): "
             "unknown conversion",
             str_or(kind, want), c->version, want, c->version, str_or(kind, want),
             *c->kind->group ? c->kind->group : "core", want);
    return false;
}

/* Name and namespace: what the path says, where the object does not say another. */
bool sim_check_place(struct sim_call *c, json_t *tree)
{
    json_t *metadata = jx_get(tree, "metadata");
    if (!json_is_object(metadata)) {
        jx_set_new(tree, "metadata", json_object());
        metadata = jx_get(tree, "metadata");
    }
    const char *name = jx_str(metadata, "name"), *ns = jx_str(metadata, "namespace");
    if (c->name && name && *name && !str_eq(name, c->name)) {
        sim_fail(c, 400, "BadRequest", NULL,
                 "the name of the object (%s) does not match the name on the URL (%s)", name,
                 c->name);
        return false;
    }
    if (ns && *ns && !str_eq(ns, str_or(c->ns, ""))) {
        sim_fail(c, 400, "BadRequest", NULL,
                 "the namespace of the provided object does not match the namespace sent on the "
                 "request");
        return false;
    }
    jx_set_str(metadata, "name", c->name);
    if (c->ns)
        jx_set_str(metadata, "namespace", c->ns);
    else
        json_object_del(metadata, "namespace");
    return true;
}

bool sim_check_version(struct sim_call *c, const struct sim_object *live, const json_t *tree)
{
    const char *rv = jx_str(tree, "metadata.resourceVersion"), *uid = jx_str(tree, "metadata.uid");
    auto_free char *have = sim_object_meta_str(live, "uid");
    int64_t n = 0;
    if (uid && *uid && !str_eq(uid, have)) {
        if (str_eq(c->q->method, "PUT")) {
            auto_free char *why = xasprintf(
                "StorageError: invalid object, Code: 4, Key: /registry/%s/%s, ResourceVersion: 0, "
                "AdditionalErrorMsg: Precondition failed: UID in precondition: %s, UID in object "
                "meta: %s",
                c->kind->plural, live->key, uid, have);
            sim_fail_conflict(c, why);
        } else {
            auto_free char *m = xasprintf("Invalid value: \"%s\": field is immutable", uid);
            sim_fail_field(c, c->name, "metadata.uid", "FieldValueInvalid", m);
        }
        return false;
    }
    if (rv && *rv && str_to_i64(rv, 0, INT64_MAX, &n) == 0 && n > 0 &&
        (uint64_t)n != live->version) {
        sim_fail_conflict(c, NULL);
        return false;
    }
    return true;
}

bool sim_check_namespace(struct sim_call *c, const char *name)
{
    if (!c->ns)
        return true;
    struct sim_collection *at = sim_cluster_builtin(c->cluster, "", "namespaces");
    const struct sim_object *ns = sim_collection_get(at, NULL, c->ns);
    if (!ns) {
        sim_fail_name(c, at->kind, c->ns);
        return false;
    }
    if (!ns->deleting)
        return true;
    auto_free char *resource = sim_kind_qualified(c->kind);
    auto_free char *cause = xasprintf("namespace %s is being terminated", c->ns);
    json_t *details = sim_details(name, c->kind->group, c->kind->plural);
    json_object_set_new(details, "causes",
                        json_pack("[{s:s, s:s, s:s}]", "reason", "NamespaceTerminating", "message",
                                  cause, "field", "metadata.namespace"));
    sim_fail(c, 403, "Forbidden", details,
             "%s \"%s\" is forbidden: unable to create new content in namespace %s because it is "
             "being terminated",
             resource, name, c->ns);
    return false;
}

/* --- names --- */

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(const char *s, size_t n)
{
    if (n == 0 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower_alnum(s[i]) && s[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(const char *s)
{
    for (size_t n;; s += n + 1) {
        n = strcspn(s, ".");
        if (!is_label(s, n))
            return false;
        if (!s[n])
            return true;
    }
}

static const char subdomain_rule[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
static const char label_rule[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

static const char *name_problem(const struct sim_kind *k, const char *name)
{
    size_t n = strlen(name);
    if (k->traits & SIM_PATH_NAME)
        return strchr(name, '/') ? "may not contain '/'" : NULL;
    if (k->traits & SIM_DNS_LABEL)
        return n > 63 ? "must be no more than 63 bytes" : !is_label(name, n) ? label_rule : NULL;
    return n > 253 ? "must be no more than 253 bytes" : !is_subdomain(name) ? subdomain_rule : NULL;
}

static bool check_name(struct sim_call *c, const char *name)
{
    const char *problem = name_problem(c->kind, name);
    if (!problem)
        return true;
    auto_free char *m = xasprintf("Invalid value: \"%s\": %s", name, problem);
    sim_fail_field(c, name, "metadata.name", "FieldValueInvalid", m);
    return false;
}

/* The name, made from generateName where there is none. */
static bool give_name(struct sim_call *c, json_t *tree)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    const char *prefix = jx_str(tree, "metadata.generateName");
    const char *name = jx_str(tree, "metadata.name");
    if (name && *name)
        return check_name(c, name);
    if (!prefix || !*prefix) {
        sim_fail_field(c, "", "metadata.name", "FieldValueRequired",
                       "Required value: name or generateName is required");
        return false;
    }
    unsigned char random[5];
    char suffix[6] = "";
    RAND_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        suffix[i] = alphabet[random[i] % (sizeof alphabet - 1)];
    auto_free char *made = xasprintf("%.58s%s", prefix, suffix);
    jx_set_str(tree, "metadata.name", made);
    return check_name(c, made);
}

/* --- create --- */

struct sim_apply sim_apply_of(const struct sim_call *c, const char *manager)
{
    return (struct sim_apply){
        .group = c->kind->group,
        .version = c->version,
        .kind = c->kind->kind,
        .schema = sim_cluster_schema(c->cluster, c->kind, c->version),
        .manager = manager,
        .subresource = c->sub,
        .has_status = sim_serves_status(c->kind, c->version),
        .force = sim_query_true(&c->query, "force"),
        .now = c->now,
    };
}

/* Without fieldManager it would be the client's name, which no transport tells here. */
const char *sim_manager(const struct sim_call *c)
{
    const char *m = sim_query_get(&c->query, "fieldManager");
    return m && *m ? m : "unknown";
}

static void clear_metadata(json_t *tree)
{
    static const char *const given[] = {"uid",
                                        "creationTimestamp",
                                        "deletionTimestamp",
                                        "generation",
                                        "resourceVersion",
                                        "selfLink",
                                        "deletionGracePeriodSeconds"};
    json_t *metadata = jx_get(tree, "metadata");
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        json_object_del(metadata, given[i]);
}

static bool too_deep(const json_t *v, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    if (!json_is_object(v) && !json_is_array(v))
        return false;
    if (depth >= JX_DEPTH_MAX)
        return true;
    json_object_foreach ((json_t *)(uintptr_t)v, key, member)
        if (too_deep(member, depth + 1))
            return true;
    json_array_foreach (v, i, member)
        if (too_deep(member, depth + 1))
            return true;
    return false;
}

/* What is stored must be read again, managedFields included, which are as deep as what they name. */
static bool check_depth(struct sim_call *c, const json_t *tree)
{
    if (!too_deep(tree, 0))
        return true;
    sim_fail(c, 422, "Invalid", NULL, "the object is nested too deep");
    return false;
}

static void answer_created(struct sim_call *c, int status, const json_t *tree)
{
    if (c->dry_run) {
        struct sim_object *o = sim_object_new(tree, 0);
        sim_answer_object(c, status, o, 0);
        sim_object_drop(o);
        return;
    }
    struct sim_object *o = sim_object_ref(sim_cluster_put(c->cluster, c->at, tree));
    c->cluster->stats.writes++;
    sim_answer_object(c, status, o, o->version);
    /* The kind, too, may be another one afterwards. */
    sim_cluster_act(c->cluster, c->at, tree);
    sim_object_drop(o);
}

static bool check_new(struct sim_call *c, json_t *tree)
{
    const char *rv = jx_str(tree, "metadata.resourceVersion");
    if (rv && *rv && !str_eq(rv, "0")) {
        sim_fail(c, 500, NULL, NULL, "resourceVersion should not be set on objects to be created");
        return false;
    }
    const char *name = str_or(jx_str(tree, "metadata.name"), "");
    if (!sim_check_namespace(c, name) || !give_name(c, tree))
        return false;
    if (c->kind->traits & SIM_DYING) {
        sim_fail(c, 405, "MethodNotAllowed", json_object(),
                 "create not allowed while custom resource definition is terminating");
        return false;
    }
    name = jx_str(tree, "metadata.name");
    if (!sim_collection_get(c->at, c->ns, name))
        return true;
    auto_free char *resource = sim_kind_qualified(c->kind);
    sim_fail(c, 409, "AlreadyExists", sim_details(name, c->kind->group, c->kind->plural),
             "%s \"%s\" already exists", resource, name);
    return false;
}

/* What a custom kind's schema says about it. */
static bool check_schema(struct sim_call *c, const json_t *tree)
{
    struct sim_schema_error e = {0};
    if (sim_schema_check(sim_cluster_schema(c->cluster, c->kind, c->version), tree, &e) == 0)
        return true;
    sim_fail_field(c, str_or(jx_str(tree, "metadata.name"), ""), e.field, e.reason, e.message);
    sim_schema_error_done(&e);
    return false;
}

void sim_create(struct sim_call *c, json_t *tree, bool applied)
{
    char uid[SIM_UUID];
    if (!check_new(c, tree))
        return;
    clear_metadata(tree);
    sim_default_decode(c->cluster, c->kind, c->version, tree);
    if (!check_schema(c, tree))
        return;
    if (!applied) {
        struct sim_apply a = sim_apply_of(c, sim_manager(c));
        sim_keep_apart(&a, NULL, tree);
        json_object_del(jx_get(tree, "metadata"), "managedFields");
        sim_track_update(&a, NULL, tree);
    }
    sim_default_store(c->cluster, c->kind, tree, NULL);
    sim_uuid(uid);
    jx_set_str(tree, "metadata.uid", uid);
    jx_set_str(tree, "metadata.creationTimestamp", c->now);
    if (c->kind->traits & SIM_GENERATION)
        jx_set_new(tree, "metadata.generation", json_integer(1));
    if (check_depth(c, tree))
        answer_created(c, 201, tree);
}

/* --- update --- */

static void keep(json_t *tree, const json_t *old, const char *key)
{
    json_t *v = json_object_get(old, key);
    if (v)
        json_object_set(tree, key, v);
    else
        json_object_del(tree, key);
}

/* What no client can change. */
static void keep_metadata(json_t *tree, const json_t *old)
{
    static const char *const kept[] = {"name",
                                       "namespace",
                                       "uid",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "generation",
                                       "deletionGracePeriodSeconds",
                                       "resourceVersion"};
    json_t *to = jx_get(tree, "metadata"), *from = jx_get(old, "metadata");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        keep(to, from, kept[i]);
}

static bool same_fields(const json_t *a, const json_t *b)
{
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        auto_json *x = json_copy(json_array_get(a, i)), *y = json_copy(json_array_get(b, i));
        json_object_del(x, "time");
        json_object_del(y, "time");
        if (!json_equal(x, y))
            return false;
    }
    return true;
}

/* Equal members of two objects, but for those named (up to two). */
static bool same_but(const json_t *a, const json_t *b, const char *skip, const char *skip2)
{
    const char *key;
    json_t *v;
    const json_t *pair[] = {a, b};
    for (int i = 0; i < 2; i++)
        json_object_foreach ((json_t *)(uintptr_t)pair[i], key, v) {
            bool skipped = str_eq(key, skip) || str_eq(key, skip2);
            if (!skipped && !json_equal(v, json_object_get(pair[!i], key)))
                return false;
        }
    return true;
}

static bool same(const json_t *a, const json_t *b)
{
    const json_t *am = jx_get(a, "metadata"), *bm = jx_get(b, "metadata");
    return same_but(a, b, "metadata", NULL) &&
           same_but(am, bm, "managedFields", "resourceVersion") &&
           same_fields(json_object_get(am, "managedFields"), json_object_get(bm, "managedFields"));
}

static bool differ(const json_t *a, const json_t *b, const char *path)
{
    const json_t *x = jx_get(a, path), *y = jx_get(b, path);
    return (x || y) && !json_equal(x, y);
}

static void count_generation(struct sim_call *c, json_t *tree, const json_t *old)
{
    bool has_status = sim_serves_status(c->kind, c->version);
    bool counted = c->kind->traits & SIM_GENERATION;
    bool noted =
        ((c->kind->traits & SIM_COUNTS_NOTES) && differ(tree, old, "metadata.annotations")) ||
        ((c->kind->traits & SIM_COUNTS_LABELS) && differ(tree, old, "metadata.labels"));
    if (counted && (noted || !same_but(tree, old, "metadata", has_status ? "status" : NULL)))
        jx_set_new(tree, "metadata.generation",
                   json_integer(jx_int(old, "metadata.generation", 0) + 1));
}

static bool in_list(const json_t *list, const json_t *v)
{
    size_t i;
    const json_t *at;
    json_array_foreach (list, i, at)
        if (json_equal(at, v))
            return true;
    return false;
}

/* Nothing may be put in the way of an end. */
static bool check_finalizers(struct sim_call *c, const json_t *tree, const json_t *old)
{
    if (!jx_str(old, "metadata.deletionTimestamp"))
        return true;
    auto_buf added = BUF_INIT(4096);
    size_t i;
    const json_t *v;
    json_array_foreach (jx_get(tree, "metadata.finalizers"), i, v)
        if (!in_list(jx_get(old, "metadata.finalizers"), v))
            buf_printf(&added, "%s\"%s\"", added.len ? ", " : "", str_or(json_string_value(v), ""));
    if (!added.len)
        return true;
    auto_free char *m = xasprintf("Forbidden: no new finalizers can be added if the object is "
                                  "being deleted, found new finalizers []string{%s}",
                                  added.data);
    sim_fail_field(c, c->name, "metadata.finalizers", "FieldValueForbidden", m);
    return false;
}

static void store(struct sim_call *c, struct sim_object *live, const json_t *tree)
{
    bool ends = live->deleting && json_array_size(jx_get(tree, "metadata.finalizers")) == 0 &&
                !str_eq(c->kind->kind, "CustomResourceDefinition") &&
                !str_eq(c->kind->kind, "Namespace");
    c->cluster->stats.writes += !c->dry_run;
    if (c->dry_run || ends) {
        struct sim_object *o = sim_object_new(tree, live->version);
        sim_answer_object(c, 200, o, live->version);
        sim_object_drop(o);
        if (!c->dry_run)
            sim_cluster_remove(c->cluster, c->at, live);
        return;
    }
    struct sim_object *o = sim_object_ref(sim_cluster_put(c->cluster, c->at, tree));
    sim_answer_object(c, 200, o, o->version);
    sim_cluster_act(c->cluster, c->at, tree);
    sim_object_drop(o);
}

void sim_update(struct sim_call *c, struct sim_object *live, const json_t *old, json_t *tree,
                bool applied)
{
    keep_metadata(tree, old);
    sim_default_decode(c->cluster, c->kind, c->version, tree);
    if (!check_schema(c, tree) || !check_finalizers(c, tree, old))
        return;
    if (!applied) {
        struct sim_apply a = sim_apply_of(c, sim_manager(c));
        sim_keep_apart(&a, old, tree);
        keep(jx_get(tree, "metadata"), jx_get(old, "metadata"), "managedFields");
        sim_track_update(&a, old, tree);
    }
    sim_default_store(c->cluster, c->kind, tree, old);
    count_generation(c, tree, old);
    if (!check_depth(c, tree))
        return;
    if (same(tree, old)) {
        c->cluster->stats.noops += !c->dry_run;
        sim_answer_object(c, 200, live, live->version);
        return;
    }
    store(c, live, tree);
}
