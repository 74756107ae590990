/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of Services that have no pods here: a slice is of one family and of bounded length. */
#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "istio/render.h"
#include "json/jx.h"

enum { SLICE_MAX = 1000 }; /* the API server's bound */

const char *render_family(const char *address)
{
    int family = cidr_address_family(address);
    return family == 4 ? "IPv4" : family == 6 ? "IPv6" : NULL;
}

/* The next endpoints of a family, from *at on; an array, empty when there are none left. */
static json_t *take(const struct istio_endpoint *all, size_t n, const char *family, size_t *at)
{
    json_t *out = json_array();
    for (; *at < n && json_array_size(out) < SLICE_MAX; (*at)++) {
        const struct istio_endpoint *e = &all[*at];
        if (!str_eq(render_family(e->address), family))
            continue;
        json_array_append_new(out, json_pack("{s:[s], s:{s:b}, s:s*}", "addresses", e->address,
                                             "conditions", "ready", 1, "hostname", e->hostname));
    }
    return out;
}

static json_t *slice_name(const char *service, const char *family, int part)
{
    const char *suffix = str_eq(family, "IPv6") ? "ipv6" : "ipv4";
    return part == 0 ? json_sprintf("%s-%s", service, suffix)
                     : json_sprintf("%s-%s-%d", service, suffix, part + 1);
}

static int render_family_slices(struct render *r, enum plan_wave wave, const char *ns,
                                const char *service, const char *family,
                                const struct istio_endpoint *all, size_t n, json_t *ports)
{
    size_t at = 0;
    for (int part = 0; at < n; part++) {
        auto_json *some = take(all, n, family, &at);
        if (json_array_size(some) == 0)
            break;
        json_t *vars = json_pack("{s:o, s:s, s:s, s:s, s:O, s:O}", "name",
                                 slice_name(service, family, part), "namespace", ns, "service",
                                 service, "family", family, "endpoints", some, "ports", ports);
        if (render_add(r, wave, "endpoints", vars) < 0)
            return -1;
    }
    return 0;
}

int render_endpoints(struct render *r, enum plan_wave wave, const char *ns, const char *service,
                     const struct istio_endpoint *endpoints, size_t n, json_t *ports)
{
    static const char *const families[] = {"IPv4", "IPv6", NULL};
    for (size_t i = 0; i < n; i++)
        if (!render_family(endpoints[i].address))
            return err_set(r->err, ERR_INVALID, 0,
                           "endpoint \"%s\" of service %s/%s is no IP address",
                           endpoints[i].address, ns, service);
    for (const char *const *f = families; *f; f++)
        if (render_family_slices(r, wave, ns, service, *f, endpoints, n, ports) < 0)
            return -1;
    return 0;
}
