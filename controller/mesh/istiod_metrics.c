/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/istiod_metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { LINE_MAX_BYTES = 1024 };

/* The value of label `name` in a sample line, copied out; false when absent or too long. */
static bool label(const char *line, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    for (const char *at = strstr(line, name); at; at = strstr(at + 1, name)) {
        if ((at[-1] != '{' && at[-1] != ',') || at[n] != '=' || at[n + 1] != '"')
            continue;
        const char *from = at + n + 2;
        size_t len = strcspn(from, "\"\\");
        if (from[len] != '"' || len >= size)
            return false;
        memcpy(out, from, len);
        out[len] = '\0';
        return true;
    }
    return false;
}

static double value(const char *line)
{
    const char *brace = strrchr(line, '}');
    const char *at = brace ? brace + 1 : strchr(line, ' ');
    return at ? strtod(at, NULL) : 0;
}

static bool is_sample(const char *line, const char *metric)
{
    size_t n = strlen(metric);
    return strncmp(line, metric, n) == 0 && (line[n] == '{' || line[n] == ' ');
}

struct names {
    char all[ISTIOD_PEERS_MAX][64];
    int n;
};

/* One replica's page while it is read. */
struct page {
    int proxies;
    struct names synced, closed, timed_out;
};

static void add(struct names *v, const char *cluster)
{
    if (v->n == ISTIOD_PEERS_MAX)
        return;
    memset(v->all[v->n], 0, sizeof v->all[0]);
    memcpy(v->all[v->n++], cluster, strlen(cluster) + 1);
}

static bool in(const struct names *v, const char *cluster)
{
    for (int i = 0; i < v->n; i++)
        if (str_eq(v->all[i], cluster))
            return true;
    return false;
}

static void read_status(struct page *p, const char *line)
{
    char status[32], cluster[64];
    if (value(line) < 1 || !label(line, "status", status, sizeof status) ||
        !label(line, "cluster", cluster, sizeof cluster))
        return;
    if (str_eq(status, "synced"))
        add(&p->synced, cluster);
    if (str_eq(status, "closed"))
        add(&p->closed, cluster);
}

static void read_line(struct page *p, const char *line)
{
    char cluster[64];
    if (is_sample(line, "pilot_xds")) {
        double v = value(line);
        p->proxies += v > 0 && v < 1e6 ? (int)v : 0;
    } else if (is_sample(line, "istiod_remote_cluster_sync_status")) {
        read_status(p, line);
    } else if (is_sample(line, "remote_cluster_sync_timeouts_total") && value(line) >= 1 &&
               label(line, "cluster", cluster, sizeof cluster)) {
        add(&p->timed_out, cluster);
    }
}

/* After a new token istiod swaps its registry of that cluster: the new one has synced, then the old one, which has the
 * same name, reports "closed" over it, and that stays. So "closed" means in sync, unless a synchronisation with that
 * cluster ever timed out: that ends in a swap as well. (A removed cluster has no status at all.) */
static void count_swapped(struct page *p)
{
    for (int i = 0; i < p->closed.n; i++)
        if (!in(&p->timed_out, p->closed.all[i]) && !in(&p->synced, p->closed.all[i]))
            add(&p->synced, p->closed.all[i]);
}

static void intersect(struct istiod_facts *sum, const struct page *p)
{
    int n = 0;
    for (int i = 0; i < sum->n_synced; i++)
        if (in(&p->synced, sum->synced[i]))
            memmove(sum->synced[n++], sum->synced[i], sizeof sum->synced[0]);
    sum->n_synced = n;
}

static void read_page(struct page *p, const char *text, size_t len)
{
    char line[LINE_MAX_BYTES];
    for (const char *at = text, *end = text + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n < sizeof line && n > 0 && *at != '#') {
            memcpy(line, at, n);
            line[n] = '\0';
            read_line(p, line);
        }
        at += n + 1;
    }
    count_swapped(p);
}

void istiod_facts_add(struct istiod_facts *sum, const char *page, size_t len)
{
    struct page p = {0};
    read_page(&p, page, len);
    if (sum->replicas++ == 0) {
        memcpy(sum->synced, p.synced.all, sizeof sum->synced);
        sum->n_synced = p.synced.n;
    } else {
        intersect(sum, &p);
    }
    sum->proxies += p.proxies;
}
