/* SPDX-License-Identifier: Apache-2.0 */
/* Where a member's credentials come from, and bringing them to its cluster. */
#ifndef CONTROLLER_MEMBERCLUSTER_CREDENTIALS_H
#define CONTROLLER_MEMBERCLUSTER_CREDENTIALS_H

#include "api/api.h"
#include "member.h"

enum { CREDENTIALS_REREAD_MS = 30000 };

/* Reads the credentials when they were never read, are older than CREDENTIALS_REREAD_MS, or come
 * from elsewhere now, and gives them to the member's cluster. Asynchronous: the member is
 * enqueued again when there is news. */
void credentials_refresh(struct member *mb, const struct api_member_cluster *cr);

#endif
