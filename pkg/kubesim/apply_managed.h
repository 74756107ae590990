/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.managedFields as a list of managers. Source: apimachinery, util/managedfields. */
#ifndef KUBESIM_APPLY_MANAGED_H
#define KUBESIM_APPLY_MANAGED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kubesim/fields.h"

struct sim_manager {
    char *name, *api_version;
    char *subresource; /* NULL or "status" */
    char *time;        /* NULL: none */
    bool apply;        /* operation Apply, else Update */
    struct sim_fields set;
};
struct sim_managers {
    struct sim_manager *v;
    size_t n, cap;
};

void sim_managers_done(struct sim_managers *m);
#define auto_managers __attribute__((cleanup(sim_managers_done))) struct sim_managers

/* Of the object, NULL or without managedFields: none. Entries that cannot be read make it none, as on the server. */
struct sim_managers sim_managers_of(const json_t *obj);
/* Puts them into the object in the server's order; without any the member is removed. */
void sim_managers_write(struct sim_managers *m, json_t *obj);

/* The one that is the same manager (apiVersion counts for Update only), made when absent; or NULL when absent.
 * A pointer is valid until another one is made. */
struct sim_manager *sim_managers_find(struct sim_managers *m, const struct sim_manager *like);
struct sim_manager *sim_managers_at(struct sim_managers *m, const struct sim_manager *like);
/* Drops those that own nothing. */
void sim_managers_tidy(struct sim_managers *m);
/* Puts the oldest of more than ten updaters together as "ancient-changes". */
void sim_managers_cap(struct sim_managers *m);

#endif
