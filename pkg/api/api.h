/* SPDX-License-Identifier: Apache-2.0 */
/* Our custom resources as C structs. Per kind (api_member_cluster, api_mesh, api_gateway, api_workload_group,
 * api_trust_bundle) types.gen.h has the structs, the enums, and
 *
 *     int api_<kind>_decode(const json_t *obj, struct arena *a, struct api_<kind> **ret, struct err *err);
 *
 * which applies the defaults of the CRD and checks types, enums and bounds. Patterns and CEL rules are
 * the API server's business; validate.h repeats the few that matter where no API server was asked.
 * Unknown fields are ignored, as an older program must do with a newer API. */
#ifndef API_API_H
#define API_API_H

#include "api/meta.h"
#include "api/types.gen.h"
#include "api/validate.h"

#endif
