/* SPDX-License-Identifier: Apache-2.0 */
/* The rules between fields that rendering relies on, for input that no API server has checked.
 * Where one has, they hold. */
#ifndef API_VALIDATE_H
#define API_VALIDATE_H

#include "api/types.gen.h"
#include "base/err.h"

enum {
    API_NAME_MAX = 40
}; /* of our objects: names become part of label values and Service names */

/* Each returns -1 with ERR_INVALID and the path of the first field that is wrong. */
int api_member_cluster_validate(const struct api_member_cluster *m, struct err *err);
int api_mesh_validate(const struct api_mesh *m, struct err *err);

#endif
