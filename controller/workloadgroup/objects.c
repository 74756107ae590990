/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/objects.h"

#include "base/str.h"
#include "istio/machines.h"
#include "mesh/machines.h"

static const struct istio_machine_port *ports(struct arena *a,
                                              const struct api_workload_group_spec *s)
{
    struct istio_machine_port *list = arena_array(a, s->n_ports + 1, sizeof *list);
    for (size_t i = 0; i < s->n_ports; i++) {
        const struct api_workload_group_ports *o = &s->ports[i];
        list[i] = (struct istio_machine_port){o->name, (int)o->port,
                                              (int)(o->target_port ? o->target_port : o->port),
                                              api_workload_group_ports_protocol_name(o->protocol)};
    }
    return list;
}

static const struct istio_machine_probe *probe(struct arena *a,
                                               const struct api_workload_group_probe *o)
{
    struct istio_machine_probe *to = o ? arena_new(a, struct istio_machine_probe) : NULL;
    if (to)
        *to = (struct istio_machine_probe){o->path, (int)o->port, (int)o->period_seconds};
    return to;
}

int workloadgroup_objects(struct arena *a, const struct api_workload_group *cr,
                          const struct workloadgroup_place *at, struct plan *plan, struct err *err)
{
    const struct api_workload_group_spec *s = &cr->spec;
    struct istio_machines m = {
        .owner = {cr->meta.name, cr->meta.uid, PLAN_LABEL_GROUP},
        .mesh = s->mesh_ref->name,
        .revision = str_or(at->revision, ""),
        .name = cr->meta.name,
        .ns = str_or(s->namespace, cr->meta.name),
        .account = str_or(s->service_account, cr->meta.name),
        .network = at->network,
        .locality = s->locality,
        .weight = (int)s->weight,
        .labels = machines_labels(a, s->labels, cr->meta.name),
        .ports = ports(a, s),
        .n_ports = s->n_ports,
        .probe = probe(a, s->probe),
        .proxy_config = s->proxy_config,
        .service = s->service ? str_or(s->service->name, cr->meta.name) : NULL,
        .makes_namespace = at->makes_namespace,
    };
    return istio_render_machines(&m, plan, err);
}
