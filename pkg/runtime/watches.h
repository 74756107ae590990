/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of pkg/runtime: the watches of a cluster. */
#ifndef RUNTIME_WATCHES_H
#define RUNTIME_WATCHES_H

#include "runtime/cluster.h"

enum {
    WATCH_ASK_AGAIN_MS = 4000, /* after a question that was not answered */
    WATCH_TRY_MS = 60000,      /* so long a kind that is not there is asked for again and again */
    WATCH_ABSENT_MAX_MS = 300000, /* and this long after that once more */
};

/* Those that every member has; does nothing when they run. */
void cluster_watches_start(struct cluster *c);
void cluster_watches_stop(struct cluster *c);
/* The cluster is known to be back: no waiting. */
void cluster_watches_wake(struct cluster *c);
/* What is due of the kinds on demand: now and then, while the cluster answers. */
void cluster_watches_attend(struct cluster *c);

#endif
