/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/entries.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/str.h"

/* As in the schema of the status: what a machine says of itself can be of any length. */
enum { ADDRESS_MAX = 300, NETWORK_MAX = 63 };

bool entries_is_of(const struct kube_record *r, const char *ns, const char *group,
                   struct kube_view *ret)
{
    if (!str_eq(kube_record_ns(r), ns))
        return false;
    kube_record_view(r, ret);
    return str_eq(ret->group, group);
}

/* When it left, 0: it did not, or nobody knows. */
static int64_t left_at(const struct kube_view *v)
{
    int64_t at = 0;
    if (v->connected || !v->disconnected || clock_parse(v->disconnected, &at) < 0)
        return 0;
    return at;
}

bool entries_is_stale(const struct kube_view *v, int64_t now_s)
{
    int64_t left = left_at(v);
    return left && !v->meta.deleting && now_s - left >= ENTRIES_STALE_S;
}

static const char *health(const struct kube_view *v)
{
    if (!v->connected)
        return "Disconnected";
    if (!v->probed)
        return v->unhealthy ? "Unhealthy" : "Healthy";
    return v->healthy ? "Healthy" : v->unhealthy ? "Unhealthy" : "Unknown";
}

bool entries_is_healthy(const struct kube_view *v)
{
    return str_eq(health(v), "Healthy");
}

static void set_short(json_t *row, const char *key, const char *text, size_t max)
{
    if (text && *text && strlen(text) <= max)
        json_object_set_new(row, key, json_string(text));
}

static json_t *row_of(const struct kube_view *v)
{
    char since[CLOCK_RFC3339_MAX];
    int64_t at;
    json_t *row = json_pack("{s:s, s:s}", "name", v->meta.name, "health", health(v));
    set_short(row, "address", v->address, ADDRESS_MAX);
    set_short(row, "network", v->network, NETWORK_MAX);
    if (v->connected && clock_parse(v->connected, &at) == 0) {
        clock_format(at, since);
        json_object_set_new(row, "connectedSince", json_string(since));
    }
    return row;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(kube_record_name(*(const struct kube_record *const *)a),
                  kube_record_name(*(const struct kube_record *const *)b));
}

static void count(struct entries *e, const struct kube_view *v)
{
    int64_t left = left_at(v);
    e->registered++;
    e->healthy += entries_is_healthy(v);
    if (left && (!e->stale_at_s || left + ENTRIES_STALE_S < e->stale_at_s))
        e->stale_at_s = left + ENTRIES_STALE_S;
}

void entries_read(const struct records *all, const char *ns, const char *group, struct entries *ret)
{
    auto_arena arena = ARENA_INIT;
    const struct kube_record **mine = arena_array(&arena, all->n + 1, sizeof *mine), *r;
    struct kube_view v;
    size_t n = 0;
    *ret = (struct entries){.rows = json_array()};
    for (size_t at = 0; (r = records_next(all, &at));)
        if (entries_is_of(r, ns, group, &v) && !v.meta.deleting) {
            count(ret, &v);
            mine[n++] = r;
        }
    qsort(mine, n, sizeof *mine, by_name);
    for (size_t i = 0; i < n && i < ENTRIES_TOLD_MAX; i++) {
        kube_record_view(mine[i], &v);
        json_array_append_new(ret->rows, row_of(&v));
    }
}

void entries_done(struct entries *e)
{
    json_decref(e->rows);
    *e = (struct entries){0};
}
