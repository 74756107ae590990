/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/report.h"

#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { ADDRESSES_MAX = 16 };

struct gateway_row *gateway_report_row(struct gateway_report *r, const char *name)
{
    for (size_t i = 0; i < r->n_rows; i++)
        if (str_eq(r->rows[i].name, name))
            return &r->rows[i];
    if (r->n_rows == GATEWAY_ROWS_MAX)
        return NULL;
    r->rows[r->n_rows] = (struct gateway_row){.name = name};
    return &r->rows[r->n_rows++];
}

void gateway_row_judge(struct gateway_row *row, struct verdict v)
{
    row->v = verdict_worse(row->v, v);
}

static struct verdict programmed(const struct gateway_report *r)
{
    struct verdict all = {0};
    for (size_t i = 0; i < r->n_rows; i++)
        all = verdict_worse(all, r->rows[i].v);
    if (!all.reason)
        return verdict_early("Waiting", "no cluster was looked at yet");
    return all.status == COND_TRUE ? verdict_yes("Programmed", "every cluster is as wanted") : all;
}

struct verdict gateway_report_summary(const struct gateway_report *r)
{
    struct verdict bad = verdict_worse(verdict_worse(r->accepted, r->resolved), programmed(r));
    return bad.status == COND_TRUE ? verdict_yes("Ready", "the gateway is as wanted") : bad;
}

/* --- JSON --- */

struct stamp {
    int64_t generation, now;
};

static void set(json_t *list, const json_t *old, const char *type, const struct verdict *v,
                const struct stamp *s)
{
    cond_set(list, old, type, v->status, v->reason, v->message, s->generation, s->now);
}

static json_t *conditions(const struct gateway_report *r, const json_t *old, const struct stamp *s)
{
    struct verdict p = programmed(r), all = gateway_report_summary(r);
    json_t *list = json_array();
    set(list, old, "Accepted", &r->accepted, s);
    set(list, old, "ResolvedRefs", &r->resolved, s);
    set(list, old, "Programmed", &p, s);
    set(list, old, "Ready", &all, s);
    if (all.status != COND_TRUE)
        cond_set(list, old, all.stalled ? "Stalled" : "Reconciling", COND_TRUE, all.reason,
                 all.message, s->generation, s->now);
    cond_sort(list);
    return list;
}

static const json_t *old_row(const json_t *old, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach (json_object_get(old, "clusters"), i, row) {
        if (str_eq(jx_str(row, "name"), name))
            return json_object_get(row, "conditions");
    }
    return NULL;
}

static json_t *row_json(const struct gateway_row *row, const json_t *old, const struct stamp *s)
{
    json_t *list = json_array();
    set(list, old_row(old, row->name), "Ready", &row->v, s);
    json_t *j = json_pack("{s:s, s:o}", "name", row->name, "conditions", list);
    json_t *addresses = json_array();
    for (size_t i = 0; i < row->n_addresses && i < ADDRESSES_MAX; i++)
        json_array_append_new(addresses, json_string(row->addresses[i]));
    if (row->n_addresses > 0)
        json_object_set(j, "addresses", addresses);
    json_decref(addresses);
    return j;
}

/* Of all clusters, each once: with spec.addresses they are the same everywhere. */
static void add_summary(const struct gateway_report *r, json_t *status)
{
    const char *first = NULL;
    auto_json *seen = json_object();
    for (size_t i = 0; i < r->n_rows; i++)
        for (size_t k = 0; k < r->rows[i].n_addresses; k++) {
            first = first ? first : r->rows[i].addresses[k];
            json_object_set_new(seen, r->rows[i].addresses[k], json_true());
        }
    size_t n = json_object_size(seen);
    if (!first)
        return;
    auto_free char *text = n > 1 ? xasprintf("%s +%zu", first, n - 1) : xstrdup(first);
    jx_set_str(status, "summary.address", text);
}

json_t *gateway_status(const struct gateway_report *r, const json_t *old, int64_t generation,
                       int64_t now)
{
    struct stamp s = {generation, now};
    json_t *clusters = json_array();
    for (size_t i = 0; i < r->n_rows; i++)
        json_array_append_new(clusters, row_json(&r->rows[i], old, &s));
    json_t *status = json_pack("{s:I, s:o}", "observedGeneration", (json_int_t)generation,
                               "conditions", conditions(r, json_object_get(old, "conditions"), &s));
    if (r->n_rows > 0)
        json_object_set(status, "clusters", clusters);
    json_decref(clusters);
    add_summary(r, status);
    return status;
}
