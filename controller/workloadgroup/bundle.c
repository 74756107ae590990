/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "machine/machine.h"
#include "runtime/backoff.h"
#include "secret.h"
#include "workloadgroup/gather.h"
#include "workloadgroup/pass.h"

enum { RETRY_MIN_MS = 2000, RETRY_MAX_MS = 60000, REREAD_MS = 60000, ADDRESSES_BYTES = 4096 };

static const struct gvr secrets = {"", "v1", "secrets", "Secret", true};

/* --- what is on its way --- */

static void stop(struct workloadgroup_bundle *b)
{
    if (b->call)
        kube_call_cancel(STEAL(b->call));
    if (b->gather) {
        cluster_task_end(&b->task);
        gather_cancel(STEAL(b->gather));
    }
}

void workloadgroup_bundle_done(struct workloadgroup_bundle *b)
{
    stop(b);
    free(b->secret);
    free(b->gone);
    *b = (struct workloadgroup_bundle){0};
}

static void tell(const struct workloadgroup_bundle *b)
{
    manager_enqueue(b->group->manager, API_KIND_WORKLOAD_GROUP, b->group->key, 0);
}

/* How an attempt ended. What is in the hub is not known any more when it was not well. */
static void ended(struct workloadgroup_bundle *b, const struct err *err)
{
    static const struct backoff backoff = {RETRY_MIN_MS, RETRY_MAX_MS};
    b->err = err ? *err : (struct err){0};
    b->stale |= err != NULL;
    b->retry_ms = clock_ms(b->group->manager->clock) +
                  backoff_after(&backoff, &b->failures, err, b->group->key);
    tell(b);
}

/* --- what is in the hub --- */

static int64_t time_of(const json_t *body, const char *annotation)
{
    int64_t at = 0;
    const char *text = jx_str2(body, "metadata.annotations", annotation);
    return text && clock_parse(text, &at) == 0 ? at : 0;
}

static void take(struct workloadgroup_bundle *b, const json_t *body)
{
    const char *owner = jx_str2(body, "metadata.labels", PLAN_LABEL_OWNER_UID);
    const char *by = jx_str2(body, "metadata.labels", PLAN_LABEL_MANAGED_BY);
    b->there = body != NULL;
    b->ours = str_eq(by, PLAN_MANAGED_BY) && str_eq(owner, b->group->uid);
    b->issued_s = time_of(body, PLAN_ANNOTATION_ISSUED);
    b->expires_s = time_of(body, PLAN_ANNOTATION_EXPIRES);
    snprintf(b->uid, sizeof b->uid, "%s", str_or(jx_str(body, "metadata.uid"), ""));
    snprintf(b->intent, sizeof b->intent, "%s",
             str_or(jx_str2(body, "metadata.annotations", PLAN_ANNOTATION_INTENT), ""));
}

static void on_read(void *arg, const struct kube_response *r, const struct err *err)
{
    struct workloadgroup_bundle *b = arg;
    b->call = NULL;
    if (err && err->class != ERR_NOT_FOUND) {
        ended(b, err);
        return;
    }
    take(b, err ? NULL : r->body);
    b->known = true;
    b->stale = false;
    ended(b, NULL);
}

static void read_secret(struct workloadgroup_bundle *b)
{
    auto_free char *path = gvr_path(&secrets, b->group->ns, b->secret);
    struct kube_request q = {.method = "GET", .path = path, .accept = KUBE_ACCEPT_METADATA};
    b->call = kube_call(b->group->manager->hub_client, &q, on_read, b);
}

static void on_deleted(void *arg, const struct kube_response *r, const struct err *err)
{
    struct workloadgroup_bundle *b = arg;
    (void)r;
    b->call = NULL;
    if (!err)
        manager_written(b->group->manager);
    if (!err || err->class == ERR_NOT_FOUND)
        b->there = false;
    ended(b, b->there ? err : NULL);
}

static void delete_secret(struct workloadgroup_bundle *b)
{
    b->call = kube_delete(b->group->manager->hub_client, &secrets, b->group->ns, b->secret, b->uid,
                          on_deleted, b);
}

/* --- making it --- */

static void on_written(void *arg, const struct kube_response *r, const struct err *err)
{
    struct workloadgroup_bundle *b = arg;
    (void)r;
    b->call = NULL;
    if (!err) {
        manager_written(b->group->manager);
        b->there = b->ours = true;
        b->issued_s = b->next_issued_s;
        b->expires_s = b->next_expires_s;
        memcpy(b->intent, b->next_intent, sizeof b->intent);
    }
    ended(b, err);
}

static json_t *body_of(const struct workloadgroup_bundle *b)
{
    const struct workloadgroup *g = b->group;
    const struct gvr *kind = &api_gvrs[API_KIND_WORKLOAD_GROUP];
    auto_free char *api_version = gvr_api_version(kind);
    json_t *owner = json_pack("{s:s, s:s, s:s, s:s}", "apiVersion", api_version, "kind", kind->kind,
                              "name", g->name, "uid", g->uid);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:{s:s, s:s, s:s}, s:{s:s}, s:[o]}}", "apiVersion",
                  "v1", "kind", "Secret", "type", "Opaque", "metadata", "name", b->secret,
                  "namespace", g->ns, "labels", PLAN_LABEL_MANAGED_BY, PLAN_MANAGED_BY,
                  PLAN_LABEL_GROUP, g->name, PLAN_LABEL_OWNER_UID, g->uid, "annotations",
                  PLAN_ANNOTATION_INTENT, b->next_intent, "ownerReferences", owner);
    secret_set_times(body, b->next_issued_s, b->next_expires_s);
    return body;
}

/* Without force unless it is ours: whatever came in the meantime is not taken over. */
static void write_secret(struct workloadgroup_bundle *b, const struct machine_bundle *files)
{
    struct kube_client *hub = b->group->manager->hub_client;
    auto_json *body = body_of(b);
    for (size_t i = 0; i < MACHINE_FILES; i++)
        secret_set_data(body, files->files[i].name, files->files[i].data, files->files[i].len);
    char *text = jx_dump(body);
    b->call = b->ours ? kube_apply(hub, &secrets, b->group->ns, b->secret, NULL, text, strlen(text),
                                   true, on_written, b)
                      : kube_apply_unforced(hub, &secrets, b->group->ns, b->secret, text,
                                            strlen(text), true, on_written, b);
    xfree_secret(text);
    secret_wipe(body);
}

static void on_gathered(void *arg, const struct machine_facts *facts, const char *token_expires,
                        const struct err *err)
{
    struct workloadgroup_bundle *b = arg;
    auto_machine_bundle files = {0};
    struct err bad = {0};
    cluster_task_end(&b->task);
    b->gather = NULL;
    if (!err && machine_bundle(facts, &files, &bad) < 0)
        err = &bad;
    if (err) {
        ended(b, err);
        return;
    }
    int64_t expires;
    if (token_expires && clock_parse(token_expires, &expires) == 0)
        b->next_expires_s = expires;
    b->next_issued_s = clock_s(b->group->manager->clock);
    write_secret(b, &files);
}

/* The client of the cluster ended: it is begun anew with the next one. */
static void drop(struct cluster_task *t)
{
    struct workloadgroup_bundle *b = (struct workloadgroup_bundle *)(void *)t;
    gather_drop(STEAL(b->gather));
}

/* IP addresses at which istiod is reached, with blanks between; NULL: the gateway's Service says. */
static char *addresses(const struct workloadgroup_pass *p)
{
    struct mesh_eastwest e = mesh_machines_istiod(workloadgroup_manager(p), p->arena, p->group->ns,
                                                  p->cr->spec.mesh_ref->name, p->place.cluster);
    struct buf b = BUF_INIT(ADDRESSES_BYTES);
    for (size_t i = 0; i < e.n_addresses; i++)
        if (cidr_address_family(e.addresses[i]))
            buf_printf(&b, "%s%s", b.len ? " " : "", e.addresses[i]);
    return b.len ? buf_take(&b) : NULL;
}

static void gather_facts(struct workloadgroup_pass *p, struct cluster *c)
{
    struct workloadgroup_bundle *b = &p->group->bundle;
    auto_free char *at = addresses(p);
    struct gather_request q = {
        .client = c->client,
        .namespace = p->ns,
        .name = p->group->name,
        .cluster = c->name,
        .revision = workloadgroup_revision(p),
        .istiod_address = at,
        .token_s = p->cr->spec.token_ttl_seconds,
    };
    b->next_expires_s = clock_s(workloadgroup_manager(p)->clock) + q.token_s;
    cluster_task_begin(c, &b->task, drop);
    b->gather = gather_start(&q, on_gathered, b);
}

/* What it follows from: Istio's WorkloadGroup as it is wanted, where, and how long a token lives. */
static void intent_of(const struct workloadgroup_pass *p, struct cluster *c, char *ret)
{
    const struct kept_plan *plan = &workloadgroup_site(p->group, c->name)->plan;
    auto_free char *at = addresses(p);
    auto_json *all =
        json_pack("{s:s, s:s*, s:s*, s:I}", "cluster", c->name, "at", at, "revision",
                  workloadgroup_revision(p), "ttl", (json_int_t)p->cr->spec.token_ttl_seconds);
    for (size_t i = 0; i < plan->n; i++)
        if (plan->objects[i]->gvr == workloadgroup_kind())
            json_object_set_new(all, "group", json_string(plan->objects[i]->intent));
    jx_sha256(all, ret);
}

/* --- when --- */

static struct verdict found(const struct workloadgroup_pass *p,
                            const struct workloadgroup_bundle *b)
{
    int64_t now = clock_s(workloadgroup_manager(p)->clock);
    bool good = b->there && b->ours && now < b->expires_s && b->intent[0];
    if (b->there && !b->ours)
        return verdict_no("NotOurs",
                          arena_printf(p->arena,
                                       "Secret %s/%s is not this group's and is left as it is; "
                                       "next: delete it, or name another one in spec.bundleSecret",
                                       p->group->ns, b->secret));
    if (b->err.class != ERR_NONE && (!good || b->failures > 2))
        return verdict_no("BundleFailed", arena_strdup(p->arena, b->err.msg));
    if (good)
        return verdict_yes("Ready", "the Secret holds a bundle with a token that is good");
    return verdict_early("Making", "the Secret with the bundle is being made");
}

static int64_t renew_at(const struct workloadgroup_bundle *b)
{
    return b->issued_s + (b->expires_s - b->issued_s) / 2;
}

/* The Secret that is wanted is known. */
static void keep(struct workloadgroup_pass *p, struct cluster *c)
{
    struct workloadgroup_bundle *b = &p->group->bundle;
    int64_t now = clock_s(workloadgroup_manager(p)->clock);
    intent_of(p, c, b->next_intent);
    bool fresh = b->there && str_eq(b->intent, b->next_intent) && now < renew_at(b);
    if (!fresh)
        gather_facts(p, c);
    else
        workloadgroup_again(p, (renew_at(b) - now) * 1000);
}

static void step(struct workloadgroup_pass *p, struct cluster *c, bool wanted)
{
    struct workloadgroup_bundle *b = &p->group->bundle;
    int64_t now = clock_ms(workloadgroup_manager(p)->clock);
    if (b->call || b->gather || p->cr->spec.suspend)
        return;
    if (now < b->retry_ms)
        workloadgroup_again(p, b->retry_ms - now);
    else if (!b->known || b->stale)
        read_secret(b);
    else if (b->there && !b->ours) { /* it may go */
        b->stale = true;
        b->retry_ms = now + REREAD_MS;
        workloadgroup_again(p, REREAD_MS);
    } else if (!wanted && b->there)
        delete_secret(b);
    else if (wanted && c)
        keep(p, c);
}

static const char *told(const struct workloadgroup_pass *p)
{
    return jx_str(p->object->obj, "status.bundle.secret");
}

/* A former Secret goes before another one comes. */
static void choose(struct workloadgroup_pass *p, const char *wanted)
{
    struct workloadgroup_bundle *b = &p->group->bundle;
    bool is_gone = b->known && !b->stale && !(b->there && b->ours);
    if (b->secret && !str_eq(b->secret, wanted) && is_gone) {
        free(b->gone);
        b->gone = xstrdup(b->secret);
    }
    bool former = told(p) && !str_eq(told(p), wanted) && !str_eq(told(p), b->gone);
    const char *name = former ? told(p) : wanted;
    if (str_eq(b->secret, name))
        return;
    char *gone = STEAL(b->gone);
    workloadgroup_bundle_done(b);
    b->gone = gone;
    b->secret = xstrdup0(name);
}

static void report(struct workloadgroup_pass *p, bool wanted)
{
    const struct workloadgroup_bundle *b = &p->group->bundle;
    if (wanted)
        p->report.bundle = found(p, b);
    if (b->known && b->there && b->ours) {
        char *expires = arena_alloc(p->arena, CLOCK_RFC3339_MAX);
        clock_format(b->expires_s, expires);
        p->report.secret = b->secret;
        p->report.token_expires = expires;
    } else if (!b->known && str_eq(told(p), b->secret)) {
        p->report.secret = told(p);
        p->report.token_expires = jx_str(p->object->obj, "status.bundle.tokenExpires");
    }
}

void workloadgroup_bundle_step(struct workloadgroup_pass *p, struct cluster *c)
{
    struct workloadgroup_bundle *b = &p->group->bundle;
    const struct api_workload_group_bundle_secret *spec = p->cr->spec.bundle_secret;
    const char *wanted = spec ? spec->name : NULL;
    choose(p, wanted);
    if (!b->secret)
        return;
    b->group = p->group;
    step(p, c, str_eq(b->secret, wanted));
    report(p, str_eq(b->secret, wanted));
}
