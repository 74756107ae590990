/* SPDX-License-Identifier: Apache-2.0 */
/* How many pods a Deployment has, and how many it keeps while nodes are emptied. */
#include "istio/render.h"

int render_scaling(struct render *r, enum plan_wave wave, const char *name, json_t *labels,
                   json_t *selector, int min, int max)
{
    if (max > min && render_add(r, wave, "hpa",
                                json_pack("{s:s, s:O, s:i, s:i}", "name", name, "labels", labels,
                                          "min", min, "max", max)) < 0)
        return -1;
    if (min > 1 && render_add(r, wave, "pdb",
                              json_pack("{s:s, s:O, s:O}", "name", name, "labels", labels,
                                        "selector", selector)) < 0)
        return -1;
    return 0;
}
