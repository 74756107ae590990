/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of machines that are refused for good: a machine renews its certificate with the old one, and nothing else
 * ends that. Pure; all strings are borrowed. */
#ifndef TOPOLOGY_REVOKED_H
#define TOPOLOGY_REVOKED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* As many as one Mesh keeps in its status. */
enum { TOPO_REVOKED_MAX = 256 };

/* spiffe://<trust_domain>/ns/<ns>/sa/<account> */
struct topo_identity {
    const char *trust_domain, *ns, *account;
};
struct topo_revoked {
    struct topo_identity id;
    const char *group; /* the WorkloadGroup that it was of */
    const char *since; /* RFC 3339 */
};

/* Whether each part is there, and is nothing that a policy would take for more than itself: "*", "/". */
bool topo_identity_fine(const struct topo_identity *id);
bool topo_identity_same(const struct topo_identity *a, const struct topo_identity *b);

/* The list that follows from the old one: without what a group names that is there, with what ended and nobody names.
 * Those that are on it already come first when there is no room for all; *full says that there was none. Sorted by
 * identity, each once; memory of a. */
size_t topo_revoked_merge(struct arena *a, const struct topo_revoked *old, size_t n_old,
                          const struct topo_revoked *ended, size_t n_ended,
                          const struct topo_identity *named, size_t n_named,
                          struct topo_revoked **ret, bool *full);

#endif
