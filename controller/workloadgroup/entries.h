/* SPDX-License-Identifier: Apache-2.0 */
/* The machines of a group as istiod registered them: WorkloadEntries that name the group in an annotation. Pure.
 *
 * An entry is there from when a machine connects until some ten seconds after it left. istiod clears it then; where it
 * could not (it ended at that time), the next one does. What is left for longer, and says of itself that it is not
 * connected to any istiod, is stale. */
#ifndef CONTROLLER_WORKLOADGROUP_ENTRIES_H
#define CONTROLLER_WORKLOADGROUP_ENTRIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/records.h"

enum {
    ENTRIES_TOLD_MAX = 64, /* machines that a status lists */
    ENTRIES_STALE_S = 120, /* istiod's own patience is 10 s, and it looks every 100 s */
};

struct entries {
    json_t *rows; /* of status.machines, by name, the first ENTRIES_TOLD_MAX; owned */
    size_t registered, healthy;
    int64_t stale_at_s; /* when the next entry becomes stale; 0: none will by itself */
};
/* ns, group: the names of Istio's WorkloadGroup. */
void entries_read(const struct records *all, const char *ns, const char *group,
                  struct entries *ret);
void entries_done(struct entries *e);

/* Whether it is of that group: istiod's annotation says so. */
bool entries_is_of(const struct kube_record *r, const char *ns, const char *group,
                   struct kube_view *ret);
/* Whether it gets requests: connected, and healthy as far as anybody asks it. */
bool entries_is_healthy(const struct kube_view *v);
/* Of one of the group: nobody claims it, and it was left long ago. */
bool entries_is_stale(const struct kube_view *v, int64_t now_s);

#endif
