/* SPDX-License-Identifier: Apache-2.0 */
/* POST, PUT and PATCH: from the body to the new state. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/write.h"
#include "yaml/yaml.h"
#include "json/jx.h"

#define APPLY     "application/apply-patch+yaml"
#define MERGE     "application/merge-patch+json"
#define JSONPATCH "application/json-patch+json"
#define STRATEGIC "application/strategic-merge-patch+json"

/* The media type without its parameters. */
static bool content_is(const struct sim_call *c, const char *type)
{
    size_t n = strcspn(c->q->content_type, "; ");
    return n == strlen(type) && strncasecmp(c->q->content_type, type, n) == 0;
}

static json_t *fail_body(struct sim_call *c, const struct err *err)
{
    const char *kind = c->kind ? c->kind->kind : "object";
    if (str_eq(c->q->method, "PATCH"))
        sim_fail(c, 400, "BadRequest", NULL, "error decoding patch: %s", err->msg);
    else
        sim_fail(c, 400, "BadRequest", NULL,
                 "the object provided is unrecognized (must be of type %s): couldn't get "
                 "version/kind; json parse error: %s",
                 kind, err->msg);
    return NULL;
}

json_t *sim_body(struct sim_call *c, bool yaml)
{
    const struct sim_request *q = c->q;
    struct err err = {0};
    json_t *tree;
    if (content_is(c, SIM_PROTO))
        tree = sim_proto_decode(q->body, q->body_len, &err);
    else if (yaml || content_is(c, "application/yaml"))
        /* JSON is YAML, but has a faster reader. */
        tree = q->body_len && *q->body == '{' ? jx_load(q->body, q->body_len, NULL) : NULL;
    else if (*q->content_type && !content_is(c, SIM_JSON) && !str_eq(q->method, "PATCH"))
        tree = NULL, err_set(&err, ERR_INVALID, 415, "unsupported");
    else
        tree = jx_load(q->body, q->body_len, &err);
    if (!tree && (yaml || content_is(c, "application/yaml")))
        tree = yaml_load(q->body, q->body_len, &err);
    if (!tree && err.code == 415) {
        sim_fail(c, 415, "UnsupportedMediaType", NULL,
                 "the body of the request was in an unknown format - accepted media types include: "
                 "application/json, application/yaml, application/vnd.kubernetes.protobuf");
        return NULL;
    }
    return tree ? tree : fail_body(c, &err);
}

json_t *sim_body_or_empty(struct sim_call *c)
{
    if (!content_is(c, SIM_PROTO))
        return sim_body(c, false);
    json_t *tree = sim_proto_decode(c->q->body, c->q->body_len, NULL);
    return tree ? tree : json_object();
}

static json_t *object_body(struct sim_call *c, bool yaml)
{
    json_t *tree = sim_body(c, yaml);
    if (!tree || json_is_object(tree))
        return tree;
    json_decref(tree);
    sim_fail(c, 400, "BadRequest", NULL, "the object provided is no object");
    return NULL;
}

static bool check_dry_run(struct sim_call *c, const char *options)
{
    const char *dry = sim_query_get(&c->query, "dryRun");
    c->dry_run = str_eq(dry, "All");
    if (!dry || c->dry_run)
        return true;
    auto_free char *m = xasprintf("Unsupported value: [\"%s\"]: supported values: \"All\"", dry);
    sim_fail_options(c, options, "dryRun", "FieldValueNotSupported", m);
    return false;
}

void sim_post(struct sim_call *c)
{
    if (!check_dry_run(c, "CreateOptions"))
        return;
    auto_json *tree = object_body(c, false);
    if (tree && sim_check_kind(c, tree) && sim_check_place(c, tree))
        sim_create(c, tree, false);
}

static json_t *live_tree(struct sim_call *c, const struct sim_object *live)
{
    return sim_object_tree(live, c->kind, c->api_version, SIM_VIEW_WHOLE, live->version);
}

static bool check_unconditional(struct sim_call *c, const json_t *tree)
{
    const char *rv = jx_str(tree, "metadata.resourceVersion");
    if ((rv && *rv && !str_eq(rv, "0")) || !(c->kind->traits & SIM_CONDITIONAL))
        return true;
    auto_free char *title = sim_kind_qualified(c->kind);
    json_t *details = sim_details(c->name, c->kind->group, c->kind->plural);
    static const char why[] = "Invalid value: 0: must be specified for an update";
    json_object_set_new(details, "causes",
                        json_pack("[{s:s, s:s, s:s}]", "reason", "FieldValueInvalid", "message",
                                  why, "field", "metadata.resourceVersion"));
    sim_fail(c, 422, "Invalid", details, "%s \"%s\" is invalid: metadata.resourceVersion: %s",
             title, c->name, why);
    return false;
}

void sim_put(struct sim_call *c)
{
    if (!check_dry_run(c, "UpdateOptions"))
        return;
    auto_json *tree = object_body(c, false);
    if (!tree || !sim_check_kind(c, tree) || !sim_check_place(c, tree))
        return;
    struct sim_object *live = sim_collection_get(c->at, c->ns, c->name);
    if (!live && (c->kind->traits & SIM_UPSERT) && !c->sub) {
        sim_create(c, tree, false);
        return;
    }
    if (!live) {
        sim_fail_name(c, c->kind, c->name);
        return;
    }
    if (!sim_check_version(c, live, tree) || !check_unconditional(c, tree))
        return;
    auto_json *old = live_tree(c, live);
    sim_update(c, live, old, tree, false);
}

/* --- PATCH --- */

static void fail_apply(struct sim_call *c, const struct err *err, json_t *causes)
{
    if (err->class != ERR_CONFLICT) {
        json_decref(causes);
        sim_fail_err(c, err);
        return;
    }
    auto_free char *message = causes ? sim_conflict_message(causes) : xstrdup(err->msg);
    json_t *details = json_object();
    if (causes)
        json_object_set_new(details, "causes", causes);
    sim_fail(c, 409, "Conflict", details, "%s", message);
}

static bool check_applied(struct sim_call *c, json_t *tree)
{
    const char *kind = jx_str(tree, "kind"), *api_version = jx_str(tree, "apiVersion");
    if (!str_eq(kind, c->kind->kind) || !str_eq(api_version, c->api_version)) {
        const char *slash = api_version ? strchr(api_version, '/') : NULL;
        sim_fail(c, 400, "BadRequest", NULL, "invalid object type: %s%s, Kind=%s", slash ? "" : "/",
                 str_or(api_version, ""), str_or(kind, ""));
        return false;
    }
    if (jx_get(tree, "metadata.managedFields")) {
        sim_fail(c, 400, "BadRequest", NULL, "metadata.managedFields must be nil");
        return false;
    }
    return true;
}

static void create_applied(struct sim_call *c, const json_t *tree, const struct sim_apply *a)
{
    struct err err = {0};
    json_t *causes = NULL;
    const char *uid = jx_str(tree, "metadata.uid");
    auto_json *merged = sim_apply(a, NULL, tree, &causes, &err);
    if (!merged) {
        fail_apply(c, &err, causes);
        return;
    }
    if (!sim_check_place(c, merged))
        return;
    if (c->sub) {
        sim_fail_name(c, c->kind, c->name);
        return;
    }
    if (uid && *uid) {
        auto_free char *why = xasprintf("uid mismatch: the provided object specified uid %s, and "
                                        "no existing object was found",
                                        uid);
        sim_fail_conflict(c, why);
        return;
    }
    sim_create(c, merged, true);
}

static void patch_apply(struct sim_call *c)
{
    const char *manager = sim_query_get(&c->query, "fieldManager");
    struct err err = {0};
    json_t *causes = NULL;
    if (!manager || !*manager) {
        sim_fail_options(c, "PatchOptions", "fieldManager", "FieldValueRequired",
                         "Required value: is required for apply patch");
        return;
    }
    auto_json *tree = object_body(c, true);
    if (!tree || !check_applied(c, tree))
        return;
    struct sim_apply a = sim_apply_of(c, manager);
    struct sim_object *live = sim_collection_get(c->at, c->ns, c->name);
    if (!live) {
        create_applied(c, tree, &a);
        return;
    }
    auto_json *old = live_tree(c, live);
    auto_json *merged = sim_apply(&a, old, tree, &causes, &err);
    if (!merged)
        fail_apply(c, &err, causes);
    else if (sim_check_place(c, tree) && sim_check_version(c, live, tree))
        sim_update(c, live, old, merged, true);
}

/* The patched object, or NULL, answered. */
static json_t *patched(struct sim_call *c, const json_t *old, const json_t *patch)
{
    struct err err = {0};
    struct sim_apply a = sim_apply_of(c, sim_manager(c));
    if (content_is(c, MERGE))
        return sim_merge_patch(old, patch);
    if (content_is(c, STRATEGIC)) {
        json_t *r = sim_strategic_patch(&a, old, patch, &err);
        if (!r)
            sim_fail_err(c, &err);
        return r;
    }
    json_t *r = sim_json_patch(old, patch, &err);
    if (!r)
        sim_fail(c, 422, "Invalid", json_object(),
                 "the server rejected our request due to an error in our request");
    return r;
}

static void patch_other(struct sim_call *c)
{
    if (sim_query_get(&c->query, "force")) {
        sim_fail_options(c, "PatchOptions", "force", "FieldValueForbidden",
                         "Forbidden: may not be specified for non-apply patch");
        return;
    }
    auto_json *patch = sim_body(c, false);
    if (!patch)
        return;
    struct sim_object *live = sim_collection_get(c->at, c->ns, c->name);
    if (!live) {
        sim_fail_name(c, c->kind, c->name);
        return;
    }
    auto_json *old = live_tree(c, live);
    auto_json *tree = patched(c, old, patch);
    if (tree && sim_check_place(c, tree) && sim_check_version(c, live, tree))
        sim_update(c, live, old, tree, false);
}

void sim_patch(struct sim_call *c)
{
    bool custom = c->kind->traits & SIM_CUSTOM;
    if (!check_dry_run(c, "PatchOptions"))
        return;
    if (content_is(c, APPLY))
        patch_apply(c);
    else if (content_is(c, MERGE) || content_is(c, JSONPATCH) ||
             (content_is(c, STRATEGIC) && !custom))
        patch_other(c);
    else if (content_is(c, STRATEGIC))
        sim_fail(c, 415, "UnsupportedMediaType", NULL,
                 "the body of the request was in an unknown format - accepted media types include: "
                 "application/json-patch+json, application/merge-patch+json, "
                 "application/apply-patch+yaml");
    else
        sim_fail(c, 415, "UnsupportedMediaType", json_object(), "415: Unsupported Media Type");
}
