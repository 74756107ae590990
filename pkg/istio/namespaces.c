/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces for DNS entries, where a cluster lacks them. */
#include "istio/render.h"

int render_entry_namespaces(struct render *r)
{
    for (size_t i = 0; i < r->t->n_namespaces; i++)
        if (render_add(r, PLAN_NAMESPACE, "entry-namespace",
                       json_pack("{s:s}", "name", r->t->namespaces[i])) < 0)
            return -1;
    return 0;
}
