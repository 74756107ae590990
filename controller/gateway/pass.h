/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a Gateway. Its strings and lists live in the arena. */
#ifndef CONTROLLER_GATEWAY_PASS_H
#define CONTROLLER_GATEWAY_PASS_H

#include "api/api.h"
#include "gateway/gateway.h"
#include "gateway/report.h"

struct gateway_pass {
    struct gateway *gateway;
    struct hub_object *object;
    const struct api_gateway *cr;
    struct arena *arena;
    struct gateway_report report;
    size_t leftovers;  /* objects that are still to be deleted */
    bool out_of_reach; /* a cluster that holds or may hold some can't be reached */
    int64_t again_ms;  /* next pass at the latest; 0: none asked */
};

/* "Run again after ms": the shortest wins. */
static inline void gateway_again(struct gateway_pass *p, int64_t ms)
{
    if (ms > 0 && (!p->again_ms || ms < p->again_ms))
        p->again_ms = ms;
}

/* in_mesh.c: reports on a Gateway with meshRef. Returns false when the Mesh has not looked at the specs as they are
 * now: nothing can be said yet. */
bool gateway_in_mesh(struct gateway_pass *p);
/* Lets go of what the Mesh made for it (deletionPolicy Retain), without deleting it; returns how many objects are still
 * to be let go. */
size_t gateway_release(struct gateway_pass *p);

/* outside.c: makes what a Gateway without meshRef asks for, and reports. */
void gateway_outside(struct gateway_pass *p);
/* Deletes all that it made so in the clusters: sets leftovers and out_of_reach. */
void gateway_outside_remove(struct gateway_pass *p);
/* Whether a cluster holds something that it made so. */
bool gateway_outside_holds(const struct gateway *g);
void gateway_outside_done(struct gateway *g);

/* The name of the object as messages have it: "Kind ns/name". */
const char *gateway_object_name(struct arena *a, const struct gvr *g, const char *ns,
                                const char *name);

/* Whether a Service that is no DNS entry of ours has a port: 1, 0 when it has not, -1 when there is no such Service. */
int gateway_service_has(struct arena *a, struct cluster *c, const char *ns, const char *name,
                        int64_t port);

/* Where a Service (or Ingress) of ours is reached: NULL-free list, n 0 when it is not known. */
const char *const *gateway_words(struct arena *a, const char *words, size_t *n);

#endif
