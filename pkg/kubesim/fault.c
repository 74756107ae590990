/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/fault.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct sim_rule_entry {
    unsigned id;
    char *cluster, *method, *path; /* what rule points at */
    struct sim_rule rule;
    uint64_t met; /* requests that matched all that is set */
};

static void entry_done(struct sim_rule_entry *e)
{
    free(e->cluster);
    free(e->method);
    free(e->path);
}

void sim_rules_done(struct sim_rules *rs)
{
    for (size_t i = 0; i < rs->n; i++)
        entry_done(&rs->list[i]);
    free(rs->list);
    *rs = (struct sim_rules){0};
}

unsigned sim_rules_add(struct sim_rules *rs, const struct sim_rule *r)
{
    if (rs->n == rs->cap) {
        rs->cap = rs->cap ? rs->cap * 2 : 8;
        rs->list = xrealloc(rs->list, rs->cap * sizeof *rs->list);
    }
    struct sim_rule_entry *e = &rs->list[rs->n++];
    *e = (struct sim_rule_entry){
        .id = ++rs->last_id,
        .cluster = xstrdup0(r->cluster),
        .method = xstrdup0(r->method),
        .path = xstrdup0(r->path),
        .rule = *r,
    };
    e->rule.cluster = e->cluster;
    e->rule.method = e->method;
    e->rule.path = e->path;
    return e->id;
}

void sim_rules_remove(struct sim_rules *rs, unsigned id)
{
    for (size_t i = 0; i < rs->n; i++) {
        if (rs->list[i].id != id)
            continue;
        entry_done(&rs->list[i]);
        rs->n--;
        memmove(rs->list + i, rs->list + i + 1, (rs->n - i) * sizeof *rs->list);
        return;
    }
}

bool sim_is_watch(const struct sim_request *q)
{
    if (strcmp(q->method, "GET") != 0)
        return false;
    for (const char *p = q->query; *p; p += strcspn(p, "&"), p += *p == '&') {
        if (!str_starts(p, "watch=") && !str_starts(p, "watch&") && strcmp(p, "watch") != 0)
            continue;
        size_t n = strcspn(p, "&");
        return !(n == 11 && memcmp(p, "watch=false", 11) == 0) &&
               !(n == 7 && memcmp(p, "watch=0", 7) == 0);
    }
    return false;
}

static bool meets(const struct sim_rule *r, const struct sim_request *q, const char *method)
{
    return (!r->cluster || strcmp(r->cluster, q->cluster) == 0) &&
           (!r->method || strcmp(r->method, method) == 0) &&
           (!r->path || strstr(q->path, r->path)) && (!r->index || r->index == q->index);
}

struct sim_fault sim_rules_match(struct sim_rules *rs, const struct sim_request *q)
{
    const char *method = rs->n && sim_is_watch(q) ? "WATCH" : q->method;
    for (size_t i = 0; i < rs->n; i++) {
        struct sim_rule_entry *e = &rs->list[i];
        const struct sim_rule *r = &e->rule;
        if (!meets(r, q, method))
            continue;
        uint64_t nth = ++e->met;
        if (nth > r->skip && (!r->times || nth - r->skip <= r->times))
            return r->fault;
    }
    return (struct sim_fault){0};
}
