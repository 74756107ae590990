/* SPDX-License-Identifier: Apache-2.0 */
#include "notimplemented.h"

#include "base/mem.h"
#include "runtime/conditions.h"
#include "json/jx.h"

enum { BUSY_MS = 500 };

int64_t notimplemented_reconcile(struct manager *m, enum api_kind kind, const char *key)
{
    struct hub_object *o = hub_find(&m->hub, kind, key);
    if (!o)
        return 0;
    if (hub_busy(o))
        return BUSY_MS;
    int64_t generation = jx_int(o->obj, "metadata.generation", 0), now = clock_s(m->clock);
    const json_t *old = jx_get(o->obj, "status.conditions");
    auto_free char *message = xasprintf(
        "this version of Meshwright does not act on kind %s yet; nothing was changed anywhere",
        api_gvrs[kind].kind);
    json_t *list = json_array();
    cond_set(list, old, "Accepted", COND_FALSE, "NotImplemented", message, generation, now);
    cond_set(list, old, "Ready", COND_FALSE, "NotImplemented", message, generation, now);
    cond_set(list, old, "Stalled", COND_TRUE, "NotImplemented", message, generation, now);
    cond_sort(list);
    auto_json *status =
        json_pack("{s:I, s:o}", "observedGeneration", (json_int_t)generation, "conditions", list);
    hub_set_status(o, status);
    return 0;
}
