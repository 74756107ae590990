/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "bench.h"

static void on_list_begin(void *arg)
{
    struct cache *c = arg;
    records_list_begin(&c->records);
}

static void on_upsert(void *arg, const struct kube_record *r)
{
    struct cache *c = arg;
    if (!records_put(&c->records, r) || !c->records.synced)
        return;
    c->bench->events++;
    if (c->changed)
        c->changed(c, r);
}

static void on_remove(void *arg, const struct kube_record *r)
{
    struct cache *c = arg;
    if (records_remove(&c->records, kube_record_ns(r), kube_record_name(r)))
        c->bench->events++;
}

static void on_synced(void *arg)
{
    struct cache *c = arg;
    bool first = !c->records.synced;
    records_list_end(&c->records);
    if (first && --c->bench->pending == 0)
        report(c->bench, "synced");
}

static void on_state(void *arg, const struct err *err)
{
    (void)arg;
    if (err)
        fprintf(stderr, "%s\n", err->msg);
}

void cache_start(struct cache *c, struct bench *b, struct kube_client *client,
                 const struct collection *what, const char *ns, const char *selector)
{
    static const struct kube_sink sink = {
        .list_begin = on_list_begin,
        .upsert = on_upsert,
        .remove = on_remove,
        .synced = on_synced,
        .state = on_state,
    };
    struct kube_watch_opts opts = {
        .ns = what->gvr.namespaced ? ns : NULL,
        .field_selector = selector,
        .record = what->kind,
        .bulk = !ns && !selector,
    };
    c->bench = b;
    c->client = client;
    c->ns = ns;
    b->pending++;
    c->watch = kube_watch_start(client, &what->gvr, &opts, &sink, c);
}
