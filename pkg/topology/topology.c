/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/topology.h"

#include "base/str.h"

bool topo_labels_match(const json_t *labels, const json_t *want)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)want, key, value) {
        if (!json_equal(json_object_get(labels, key), value))
            return false;
    }
    return true;
}

const struct topo_claim *topo_claim_winner(const struct topo_claim *claims, size_t n,
                                           const char *cluster)
{
    const struct topo_claim *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!str_eq(claims[i].cluster, cluster))
            continue;
        int age = best ? str_cmp(claims[i].created, best->created) : -1;
        if (age < 0 || (age == 0 && str_cmp(claims[i].mesh, best->mesh) < 0))
            best = &claims[i];
    }
    return best;
}
