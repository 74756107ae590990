/* SPDX-License-Identifier: Apache-2.0 */
/* Services: pkg/apis/core/v1/defaults.go and pkg/registry/core/service/storage/alloc.go of k8s.io/kubernetes. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/cluster.h"
#include "kubesim/defaults.h"
#include "json/jx.h"

enum { IP_FIRST = 0x0a600001, IPS = 1 << 20, PORT_FIRST = 30000, PORTS = 2768 };

static void missing(json_t *at, const char *key, json_t *v)
{
    if (json_object_get(at, key))
        json_decref(v);
    else
        json_object_set_new(at, key, v);
}

static bool is_type(const json_t *service, const char *type)
{
    return str_eq(jx_str(service, "spec.type"), type);
}

static bool is_exposed(const json_t *service)
{
    return is_type(service, "LoadBalancer") || is_type(service, "NodePort");
}

void sim_decode_service(json_t *service)
{
    json_t *spec = jx_get(service, "spec"), *port;
    size_t i;
    if (!json_is_object(spec))
        return;
    missing(spec, "type", json_string("ClusterIP"));
    missing(spec, "sessionAffinity", json_string("None"));
    if (!is_type(service, "ExternalName"))
        missing(spec, "internalTrafficPolicy", json_string("Cluster"));
    if (is_exposed(service))
        missing(spec, "externalTrafficPolicy", json_string("Cluster"));
    if (is_type(service, "LoadBalancer"))
        missing(spec, "allocateLoadBalancerNodePorts", json_true());
    if (is_type(service, "LoadBalancer"))
        json_array_foreach (jx_get(service, "status.loadBalancer.ingress"), i, port)
            if (jx_str(port, "ip"))
                missing(port, "ipMode", json_string("VIP"));
    json_array_foreach (json_object_get(spec, "ports"), i, port) {
        if (!json_is_object(port))
            continue;
        missing(port, "protocol", json_string("TCP"));
        missing(port, "targetPort", json_incref(json_object_get(port, "port")));
    }
}

static json_t *next_address(struct sim_cluster *c)
{
    uint32_t ip = IP_FIRST + c->next_ip++ % (IPS - 2);
    auto_free char *text =
        xasprintf("%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
    return json_string(text);
}

/* An update that leaves out what was allocated keeps it. */
static void keep_allocated(json_t *spec, const json_t *old)
{
    static const char *const allocated[] = {"clusterIP", "clusterIPs", "ipFamilies",
                                            "ipFamilyPolicy", "healthCheckNodePort"};
    for (size_t i = 0; i < sizeof allocated / sizeof *allocated; i++) {
        json_t *v = jx_get2(old, "spec", allocated[i]);
        if (v && !json_object_get(spec, allocated[i]))
            json_object_set(spec, allocated[i], v);
    }
}

static void give_ports(struct sim_cluster *c, json_t *service, const json_t *old)
{
    size_t i;
    json_t *port;
    bool wants =
        is_exposed(service) && jx_bool(service, "spec.allocateLoadBalancerNodePorts", true);
    json_array_foreach (jx_get(service, "spec.ports"), i, port) {
        json_t *had = json_object_get(json_array_get(jx_get(old, "spec.ports"), i), "nodePort");
        if (!wants || !json_is_object(port) || json_object_get(port, "nodePort"))
            continue;
        if (had)
            json_object_set(port, "nodePort", had);
        else
            json_object_set_new(port, "nodePort",
                                json_integer(PORT_FIRST + c->next_port++ % PORTS));
    }
}

void sim_store_service(struct sim_cluster *c, json_t *service, const json_t *old)
{
    json_t *spec = jx_get(service, "spec");
    if (!json_is_object(spec))
        return;
    if (old)
        keep_allocated(spec, old);
    if (is_type(service, "ExternalName"))
        return;
    const char *ip = jx_str(spec, "clusterIP");
    if (!ip || !*ip)
        json_object_set_new(spec, "clusterIP", next_address(c));
    bool headless = str_eq(jx_str(spec, "clusterIP"), "None");
    bool both = headless && json_object_size(json_object_get(spec, "selector")) == 0;
    json_t *ips = json_array();
    json_array_append(ips, json_object_get(spec, "clusterIP"));
    missing(spec, "clusterIPs", ips);
    missing(spec, "ipFamilies",
            both ? json_pack("[s, s]", "IPv4", "IPv6") : json_pack("[s]", "IPv4"));
    missing(spec, "ipFamilyPolicy", json_string(both ? "RequireDualStack" : "SingleStack"));
    give_ports(c, service, old);
}
