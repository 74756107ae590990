/* SPDX-License-Identifier: Apache-2.0 */
/* The decision about one object: does the live one need a write? Pure. */
#ifndef RUNTIME_DIFF_H
#define RUNTIME_DIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/record.h"
#include "plan/plan.h"

enum diff_verdict {
    DIFF_SAME,    /* the intent is there and all its fields are ours */
    DIFF_APPLY,   /* missing, different, or somebody took a field */
    DIFF_FOREIGN, /* it belongs to another Mesh, or is a user's where we never take over: hands off */
};

/* live NULL: not there. renew_at (seconds since 1970) is set to when generated content wants
 * renewal, 0 when never; when that is past, the verdict is DIFF_APPLY. *verified: the ownership of
 * all fields was found good for this state of the live object; set when it is. */
enum diff_verdict diff_object(const struct plan_object *want, const struct kube_view *live,
                              bool *verified, const char *owner_uid, int64_t now_s,
                              int64_t *renew_at);

/* When content with this life is renewed: at 70-80 % of it (spread by a hash of seed), in
 * seconds since 1970. */
int64_t diff_renewal(int64_t issued, int64_t expires, const char *seed);

#endif
