/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of an object and of a collection. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "kubesim/selector.h"
#include "json/jx.h"

struct options {
    json_t *tree; /* DeleteOptions, or NULL */
    bool dry_run;
};

static bool read_options(struct sim_call *c, struct options *ret)
{
    struct err err = {0};
    bool proto = str_starts(c->q->content_type, SIM_PROTO);
    *ret = (struct options){.dry_run = str_eq(sim_query_get(&c->query, "dryRun"), "All")};
    if (!c->q->body_len)
        return true;
    ret->tree = proto ? sim_proto_decode(c->q->body, c->q->body_len, &err)
                      : jx_load(c->q->body, c->q->body_len, &err);
    if (!ret->tree) {
        sim_fail(c, 400, "BadRequest", NULL, "couldn't get version/kind; json parse error: %s",
                 err.msg);
        return false;
    }
    if (str_eq(json_string_value(json_array_get(jx_get(ret->tree, "dryRun"), 0)), "All"))
        ret->dry_run = true;
    return true;
}

static void fail_precondition(struct sim_call *c, const char *what, const char *want,
                              const char *have, const char *more)
{
    sim_fail(c, 409, "Conflict", sim_details(c->name, c->kind->group, c->kind->kind),
             "Operation cannot be fulfilled on %s%s%s \"%s\": the %s in the precondition (%s) does "
             "not match the %s in record (%s). The object might have been %s",
             c->kind->kind, *c->kind->group ? "." : "", c->kind->group, c->name, what, want, what,
             have, more);
}

static bool check_preconditions(struct sim_call *c, const struct sim_object *o,
                                const json_t *options)
{
    const char *uid = jx_str(options, "preconditions.uid");
    const char *rv = jx_str(options, "preconditions.resourceVersion");
    auto_free char *have = sim_object_meta_str(o, "uid");
    char version[24];
    snprintf(version, sizeof version, "%" PRIu64, o->version);
    if (uid && !str_eq(uid, have)) {
        fail_precondition(c, "UID", uid, str_or(have, ""), "deleted and then recreated");
        return false;
    }
    if (rv && !str_eq(rv, version)) {
        fail_precondition(c, "ResourceVersion", rv, version, "modified");
        return false;
    }
    return true;
}

static bool may_go(struct sim_call *c)
{
    bool fixed = str_eq(c->name, "default") || str_eq(c->name, "kube-system") ||
                 str_eq(c->name, "kube-public");
    if (!str_eq(c->kind->plural, "namespaces") || !fixed)
        return true;
    sim_fail(c, 403, "Forbidden", sim_details(c->name, "", "namespaces"),
             "namespaces \"%s\" is forbidden: this namespace may not be deleted", c->name);
    return false;
}

static void answer_gone(struct sim_call *c, const struct sim_object *o)
{
    auto_free char *uid = sim_object_meta_str(o, "uid");
    json_t *details = sim_details(c->name, c->kind->group, c->kind->plural);
    jx_set_str(details, "uid", uid);
    json_t *status = sim_status(200, NULL, details, NULL);
    if (c->accept.proto && sim_proto_has("", "Status")) {
        auto_buf raw = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
        sim_proto_object("", "Status", status, &raw);
        sim_proto_envelope("v1", "Status", raw.data ? raw.data : "", raw.len, &out);
        sim_respond(c->x, 200, SIM_PROTO, out.data, out.len);
        json_decref(status);
        return;
    }
    sim_answer(c, 200, status);
}

static void delete_object(struct sim_call *c, struct sim_object *o, bool dry_run)
{
    uint64_t version = o->version, before = c->cluster->version;
    bool custom_end = str_eq(c->kind->kind, "CustomResourceDefinition");
    sim_object_ref(o);
    struct sim_object *last =
        dry_run ? sim_object_ref(o) : sim_cluster_delete(c->cluster, c->at, o, &version);
    if (!dry_run && c->cluster->version != before)
        c->cluster->stats.writes++;
    else
        c->cluster->stats.noops += !dry_run;
    /* A Service's answer is its last state as it was stored. */
    if (last == o && !o->deleting && c->kind->traits & SIM_RETURNS)
        sim_answer_object(c, 200, last, version);
    else if (last == o && !o->deleting && !custom_end)
        answer_gone(c, last);
    else
        sim_answer_object(c, 200, last, last->version);
    sim_object_drop(last);
    sim_object_drop(o);
}

void sim_delete(struct sim_call *c)
{
    struct options options;
    if (!read_options(c, &options))
        return;
    struct sim_object *o = sim_collection_get(c->at, c->ns, c->name);
    if (!o)
        sim_fail_name(c, c->kind, c->name);
    else if (may_go(c) && check_preconditions(c, o, options.tree))
        delete_object(c, o, options.dry_run);
    json_decref(options.tree);
}

static bool is_in(const struct sim_call *c, const struct sim_object *o)
{
    return !c->ns || (o->ns_len == strlen(c->ns) && memcmp(o->key, c->ns, o->ns_len) == 0);
}

/* The answer is the list as it was. */
static void answer_list(struct sim_call *c, json_t *items)
{
    auto_free char *kind = xstrdup(c->kind->list_kind);
    auto_free char *version = xasprintf("%" PRIu64, c->cluster->version);
    json_t *list = json_pack("{s:s, s:s, s:{s:s}, s:o}", "kind", kind, "apiVersion", c->api_version,
                             "metadata", "resourceVersion", version, "items", items);
    if (c->kind->traits & SIM_CUSTOM)
        jx_set_str(list, "metadata.continue", "");
    sim_answer(c, 200, list);
}

void sim_delete_collection(struct sim_call *c)
{
    struct options options;
    struct sim_selector selector;
    struct err err = {0};
    if (sim_selector_parse(c->kind, sim_query_get(&c->query, "labelSelector"),
                           sim_query_get(&c->query, "fieldSelector"), &selector, &err) < 0) {
        sim_fail_err(c, &err);
        return;
    }
    if (!read_options(c, &options)) {
        sim_selector_done(&selector);
        return;
    }
    size_t n;
    struct sim_object **all = sim_collection_at(c->at, c->cluster->version, &n);
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!is_in(c, all[i]) || !sim_selector_matches(&selector, c->kind, all[i]))
            continue;
        json_array_append_new(items, sim_object_tree(all[i], c->kind, c->api_version, SIM_VIEW_ITEM,
                                                     all[i]->version));
    }
    answer_list(c, items);
    const struct sim_kind *kind = c->kind;
    for (size_t i = 0; i < n && !options.dry_run; i++) {
        uint64_t version;
        if (!is_in(c, all[i]) || !sim_selector_matches(&selector, kind, all[i]))
            continue;
        sim_object_drop(sim_cluster_delete(c->cluster, c->at, all[i], &version));
        c->cluster->stats.writes++;
    }
    sim_snapshot_free(all, n);
    sim_selector_done(&selector);
    json_decref(options.tree);
}
