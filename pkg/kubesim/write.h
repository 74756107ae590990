/* SPDX-License-Identifier: Apache-2.0 */
/* What every create and update goes through, whatever verb it came by (k8s.io/apiserver, pkg/registry/rest: create.go
 * and update.go). */
#ifndef KUBESIM_WRITE_H
#define KUBESIM_WRITE_H

#include "kubesim/call.h"

/* Answers the request with a new object made of tree (changed in place, borrowed). applied: managedFields are there
 * already. */
void sim_create(struct sim_call *c, json_t *tree, bool applied);

/* Answers with the object changed from live to tree (changed in place, borrowed). */
void sim_update(struct sim_call *c, struct sim_object *live, const json_t *old, json_t *tree,
                bool applied);

/* Checks what create and update have in common of an object from outside: false, and answered. */
bool sim_check_kind(struct sim_call *c, const json_t *tree);
bool sim_check_place(struct sim_call *c, json_t *tree);
/* false, and answered: the object does not have the uid and resourceVersion (where given) of the live one. */
bool sim_check_version(struct sim_call *c, const struct sim_object *live, const json_t *tree);
/* Namespaces exist and do not end. */
bool sim_check_namespace(struct sim_call *c, const char *name);

struct sim_apply sim_apply_of(const struct sim_call *c, const char *manager);
/* The field manager of the request, "unknown" when it names none. */
const char *sim_manager(const struct sim_call *c);

#endif
