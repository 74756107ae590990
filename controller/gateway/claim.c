/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/claim.h"

#include <string.h>

#include "base/str.h"
#include "istio/istio.h"
#include "json/jx.h"

static bool retained(const json_t *gw)
{
    return str_eq(jx_str(gw, "spec.deletionPolicy"), "Retain");
}

static bool leaves(const json_t *gw)
{
    return jx_str(gw, "metadata.deletionTimestamp") != NULL;
}

bool gateway_of_mesh(const struct hub_object *o, const char *ns, const char *mesh)
{
    return str_eq(jx_str(o->obj, "spec.meshRef.name"), mesh) &&
           str_eq(jx_str(o->obj, "metadata.namespace"), ns) &&
           (!leaves(o->obj) || retained(o->obj));
}

bool gateway_for_cluster(const struct hub_object *o, const char *cluster)
{
    const json_t *clusters = jx_get(o->obj, "spec.clusters");
    size_t i;
    json_t *c;
    json_array_foreach (clusters, i, c) {
        if (str_eq(json_string_value(c), cluster))
            return true;
    }
    return json_array_size(clusters) == 0;
}

bool gateway_is_eastwest(const struct hub_object *o)
{
    return str_eq(jx_str(o->obj, "spec.type"), "EastWest");
}

/* An EastWest Gateway that goes leaves nothing behind: what the graph needs is made as without it. */
bool gateway_held(const struct hub_object *o)
{
    return jx_bool(o->obj, "spec.suspend", false) || (leaves(o->obj) && !gateway_is_eastwest(o));
}

/* Creation times are RFC 3339 in UTC: the order of the texts is that of the times. */
const struct hub_object *gateway_eastwest_of(const struct hub *h, const char *ns, const char *mesh,
                                             const char *cluster)
{
    const struct hub_object *best = NULL;
    for (const struct hub_object *o = h->kinds[API_KIND_GATEWAY].all; o; o = o->hh.next)
        if (gateway_is_eastwest(o) && !leaves(o->obj) && gateway_of_mesh(o, ns, mesh) &&
            gateway_for_cluster(o, cluster) && (!best || hub_is_older(o, best)))
            best = o;
    return best;
}

const char *gateway_name_taken(const char *name)
{
    if (str_eq(name, ISTIO_EASTWEST_NAME))
        return "the east-west gateway of the cluster has this name";
    if (str_eq(name, "istiod") || str_starts(name, "istiod-") || str_eq(name, "istio") ||
        str_starts(name, "istio-reader"))
        return "the control plane's own objects have such a name";
    return NULL;
}

bool gateway_made(const char *gateway, const char *object)
{
    size_t n = strlen(gateway);
    return object && strncmp(object, gateway, n) == 0 && (object[n] == '\0' || object[n] == '-');
}
