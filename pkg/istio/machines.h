/* SPDX-License-Identifier: Apache-2.0 */
/* Renders what one cluster holds for a group of machines: Istio's WorkloadGroup, from which istiod makes an entry for
 * each machine that connects (https://istio.io/latest/docs/reference/config/networking/workload-group/), the identity
 * of the machines, and a Service over them. Pure. */
#ifndef ISTIO_MACHINES_H
#define ISTIO_MACHINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "plan/plan.h"

#define ISTIO_NETWORKING "networking.istio.io/v1"

struct istio_machine_port {
    const char *name;
    int port, target;     /* of the Service, of the machines */
    const char *protocol; /* HTTP, HTTP2, GRPC, TCP, TLS */
};

/* What each agent asks its own machine; istiod takes one that fails out of the endpoints. */
struct istio_machine_probe {
    const char *path; /* NULL: a TCP connection */
    int port, period_s;
};

/* Strings and JSON are borrowed. */
struct istio_machines {
    struct plan_owner owner;
    const char *mesh;     /* name of the Mesh */
    const char *revision; /* of its control plane, "": default */
    const char *name, *ns, *account, *network;
    const char *locality; /* or NULL */
    int weight;           /* 0: not said */
    const json_t *labels; /* of the workloads, not empty */
    const struct istio_machine_port *ports;
    size_t n_ports;
    const struct istio_machine_probe *probe; /* or NULL */
    const json_t *proxy_config;              /* ProxyConfig, an object, or NULL */
    const char *service;                     /* its name, or NULL: none */
    bool makes_namespace;                    /* it is not there, or is the owner's */
};

/* Adds the objects: Namespace, ServiceAccount (yields to one that is there), Service, WorkloadGroup, in this order of
 * waves, so that the machines' registration is the first that goes. */
int istio_render_machines(const struct istio_machines *m, struct plan *p, struct err *err);

#endif
