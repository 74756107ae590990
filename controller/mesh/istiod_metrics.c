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

static void read_line(struct istiod_facts *f, const char *line)
{
    char status[32], cluster[64];
    if (is_sample(line, "pilot_xds")) {
        double v = value(line);
        f->proxies += v > 0 && v < 1e6 ? (int)v : 0;
    } else if (is_sample(line, "istiod_remote_cluster_sync_status") && value(line) >= 1 &&
               label(line, "status", status, sizeof status) && str_eq(status, "synced") &&
               label(line, "cluster", cluster, sizeof cluster) && f->n_synced < ISTIOD_PEERS_MAX) {
        memset(f->synced[f->n_synced], 0, sizeof f->synced[0]);
        memcpy(f->synced[f->n_synced++], cluster, strlen(cluster) + 1);
    }
}

static bool has(const struct istiod_facts *f, const char *peer)
{
    for (int i = 0; i < f->n_synced; i++)
        if (str_eq(f->synced[i], peer))
            return true;
    return false;
}

static void intersect(struct istiod_facts *sum, const struct istiod_facts *one)
{
    int n = 0;
    for (int i = 0; i < sum->n_synced; i++)
        if (has(one, sum->synced[i]))
            memmove(sum->synced[n++], sum->synced[i], sizeof sum->synced[0]);
    sum->n_synced = n;
}

void istiod_facts_add(struct istiod_facts *sum, const char *page, size_t len)
{
    struct istiod_facts one = {0};
    char line[LINE_MAX_BYTES];
    for (const char *at = page, *end = page + len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n < sizeof line && n > 0 && *at != '#') {
            memcpy(line, at, n);
            line[n] = '\0';
            read_line(&one, line);
        }
        at += n + 1;
    }
    if (sum->replicas == 0)
        *sum = one;
    else
        intersect(sum, &one);
    if (sum->replicas > 0)
        sum->proxies += one.proxies;
    sum->replicas++;
}
