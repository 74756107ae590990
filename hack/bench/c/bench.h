/* SPDX-License-Identifier: Apache-2.0 */
/* Our client as a benchmark: caches of some collections, and what the process has used so far. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/client.h"
#include "kube/watch.h"
#include "runtime/records.h"

struct bench;

/* One collection in memory. */
struct cache {
    struct bench *bench;
    struct records records;
    struct kube_watch *watch;
    void (*changed)(struct cache *c, const struct kube_record *r); /* an event; may be NULL */
    struct kube_client *client;
    const char *ns;
};

/* What is watched, and how it is kept. */
struct collection {
    struct gvr gvr;
    enum kube_record_kind kind;
};

struct bench {
    uv_loop_t *loop;
    struct cache *caches;
    size_t n, pending; /* without a first list yet */
    uint64_t events;   /* after the first list */
};

/* selector: of fields, or NULL. */
void cache_start(struct cache *c, struct bench *b, struct kube_client *client,
                 const struct collection *what, const char *ns, const char *selector);

/* A line of JSON on standard output; at says why. */
void report(const struct bench *b, const char *at);

#endif
