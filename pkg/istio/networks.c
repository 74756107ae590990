/* SPDX-License-Identifier: Apache-2.0 */
/* Where other networks are reached: an object for each peer, so that a cluster that leaves takes its gateway out of
 * every proxy with it. istiod reads them only in its own cluster. */
#include "istio/render.h"
#include "json/jx.h"

static json_t *addresses(const struct istio_network_gateway *g)
{
    json_t *out = json_array();
    for (size_t i = 0; i < g->n_addresses; i++)
        json_array_append_new(out,
                              json_pack("{s:s, s:s}", "type",
                                        render_family(g->addresses[i]) ? "IPAddress" : "Hostname",
                                        "value", g->addresses[i]));
    return out;
}

static int render_network_gateway(struct render *r, const struct istio_network_gateway *g)
{
    if (g->n_addresses == 0) /* not known yet; the kind itself is there by then */
        return 0;
    return render_add(r, PLAN_NETWORKS, "network-gateway",
                      json_pack("{s:s, s:s, s:o, s:i}", "name", g->name, "network", g->network,
                                "addresses", addresses(g), "port",
                                g->port ? g->port : ISTIO_MTLS_PORT));
}

int render_networks(struct render *r)
{
    if (render_is_remote(r))
        return 0;
    for (size_t i = 0; i < r->t->n_network_gateways; i++)
        if (render_network_gateway(r, &r->t->network_gateways[i]) < 0)
            return -1;
    return 0;
}
