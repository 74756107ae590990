/* SPDX-License-Identifier: Apache-2.0 */
/* The ProxyConfig of a machine. */
#ifndef MACHINE_CONFIG_H
#define MACHINE_CONFIG_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "machine/machine.h"

/* defaultConfig of the mesh, the group's annotations over it, its probe, and what proxyMetadata says of the machine; in
 * the form in which it is written, and with an object "proxyMetadata". istiod_host: of a revision, else NULL. New
 * reference; NULL with *err. */
json_t *machine_proxy_config(const struct machine_facts *f, const char *istiod_host,
                             struct err *err);

/* The text of mesh.yaml. 0, or -1 (ERR_INVALID) when it is too large. */
int machine_mesh_yaml(json_t *config, struct buf *b, struct err *err);

/* The numbers of spec.template.ports, ascending; new reference to an array, empty when there is none. */
json_t *machine_port_numbers(const json_t *group);

#endif
