/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBESIM_DEFAULTS_H
#define KUBESIM_DEFAULTS_H

#include <jansson.h>

struct sim_cluster;

/* Structural defaults and pruning (k8s.io/apiextensions-apiserver, pkg/apiserver/schema). schema NULL: nothing. */
void sim_default_custom(const json_t *schema, json_t *tree);

/* What of a custom resource its schema does not allow: the first of types, missing members, and values outside an
 * enumeration. Rules in CEL, bounds and patterns are not looked at. 0, or -1 with *ret. */
struct sim_schema_error {
    char *field, *message;
    const char *reason; /* FieldValueRequired ... */
};
int sim_schema_check(const json_t *schema, const json_t *tree, struct sim_schema_error *ret);
void sim_schema_error_done(struct sim_schema_error *e);

/* Services: what decoding adds, and what is allocated. old: NULL for a new one. */
void sim_decode_service(json_t *service);
void sim_store_service(struct sim_cluster *c, json_t *service, const json_t *old);

#endif
