/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of one cluster: operator's defaults < Mesh < the cluster's overrides. Pure. */
#ifndef CONTROLLER_MESH_SETTINGS_H
#define CONTROLLER_MESH_SETTINGS_H

#include "api/api.h"
#include "base/arena.h"
#include "base/err.h"
#include "istio/istio.h"
#include "options.h"

/* entry NULL: the cluster has no overrides. Strings are borrowed or from a. */
int settings_merge(struct arena *a, const struct options *o, const struct api_mesh *cr,
                   const struct api_mesh_clusters *entry, const struct istio_data *data,
                   struct istio_settings *ret, struct err *err);

#endif
