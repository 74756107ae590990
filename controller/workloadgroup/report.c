/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/report.h"

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

struct verdict workloadgroup_summary(const struct workloadgroup_report *r)
{
    struct verdict bad = verdict_worse(verdict_worse(r->accepted, r->resolved), r->programmed);
    if (r->bundle.reason)
        bad = verdict_worse(bad, r->bundle);
    return bad.status == COND_TRUE ? verdict_yes("Ready", "machines can join") : bad;
}

struct stamp {
    int64_t generation, now;
};

static void set(json_t *list, const json_t *old, const char *type, const struct verdict *v,
                const struct stamp *s)
{
    if (v->reason)
        cond_set(list, old, type, v->status, v->reason, v->message, s->generation, s->now);
}

static json_t *conditions(const struct workloadgroup_report *r, const json_t *old,
                          const struct stamp *s)
{
    struct verdict all = workloadgroup_summary(r);
    json_t *list = json_array();
    set(list, old, "Accepted", &r->accepted, s);
    set(list, old, "ResolvedRefs", &r->resolved, s);
    set(list, old, "Programmed", &r->programmed, s);
    set(list, old, "BundleReady", &r->bundle, s);
    set(list, old, "Ready", &all, s);
    if (all.status != COND_TRUE)
        cond_set(list, old, all.stalled ? "Stalled" : "Reconciling", COND_TRUE, all.reason,
                 all.message, s->generation, s->now);
    cond_sort(list);
    return list;
}

static void copy(json_t *status, const json_t *old, const char *key)
{
    json_t *v = json_object_get(old, key);
    if (v)
        json_object_set(status, key, v);
}

static void add_machines(const struct workloadgroup_report *r, const json_t *old, json_t *status)
{
    if (!r->machines) {
        copy(status, old, "machines");
        copy(status, old, "summary");
        return;
    }
    auto_free char *text = xasprintf("%zu/%zu", r->healthy, r->registered);
    jx_set_str(status, "summary.workloads", text);
    if (json_array_size(r->machines) > 0)
        json_object_set(status, "machines", (json_t *)(uintptr_t)r->machines);
}

json_t *workloadgroup_status(const struct workloadgroup_report *r, const json_t *old,
                             int64_t generation, int64_t now_s)
{
    struct stamp s = {generation, now_s};
    json_t *status = json_pack("{s:I, s:o}", "observedGeneration", (json_int_t)generation,
                               "conditions", conditions(r, json_object_get(old, "conditions"), &s));
    jx_set_str(status, "cluster", r->cluster);
    jx_set_str(status, "namespace", r->ns);
    jx_set_str(status, "serviceAccount", r->account);
    jx_set_str(status, "istiodAddress", r->istiod_address);
    if (r->account_made)
        json_object_set_new(status, "accountMade", json_true());
    if (r->secret) {
        jx_set_str(status, "bundle.secret", r->secret);
        jx_set_str(status, "bundle.tokenExpires", r->token_expires);
    }
    add_machines(r, old, status);
    return status;
}

static json_t *without_machines(const json_t *status)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)status);
    json_object_del(copy, "machines");
    json_object_del(copy, "summary");
    return copy;
}

bool workloadgroup_status_same(const json_t *a, const json_t *b)
{
    auto_json *x = without_machines(a), *y = without_machines(b);
    return x && y && json_equal(x, y);
}

json_t *workloadgroup_status_leaving(const json_t *old, bool account_made, const char *message,
                                     int64_t generation, int64_t now_s)
{
    struct stamp s = {generation, now_s};
    const json_t *before = json_object_get(old, "conditions");
    struct verdict v = verdict_no("Deleting", message);
    json_t *list = json_array();
    set(list, before, "Ready", &v, &s);
    v.status = COND_TRUE;
    set(list, before, "Reconciling", &v, &s);
    cond_sort(list);
    json_t *status =
        json_pack("{s:I, s:o}", "observedGeneration", (json_int_t)generation, "conditions", list);
    copy(status, old, "cluster");
    copy(status, old, "namespace");
    copy(status, old, "serviceAccount");
    if (account_made || jx_bool(old, "accountMade", false))
        json_object_set_new(status, "accountMade", json_true());
    return status;
}
