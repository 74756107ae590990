/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what we need from istiod's metrics page (Prometheus text format). Pure. */
#ifndef CONTROLLER_MESH_ISTIOD_METRICS_H
#define CONTROLLER_MESH_ISTIOD_METRICS_H

#include <stddef.h>

enum { ISTIOD_PEERS_MAX = 64 };

/* Of several replicas together: proxies are added, a peer counts as synced when every replica says so. */
struct istiod_facts {
    int replicas, proxies;
    char synced[ISTIOD_PEERS_MAX][64]; /* sorted as the first replica printed them */
    int n_synced;
};

/* Adds one replica's page to the sum (start with {0}). */
void istiod_facts_add(struct istiod_facts *sum, const char *page, size_t len);

#endif
