/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of resources that a cluster serves: built-in ones, the same in every cluster, and those of its
 * CustomResourceDefinitions. */
#ifndef KUBESIM_KINDS_H
#define KUBESIM_KINDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

enum sim_trait {
    SIM_NAMESPACED = 1 << 0,
    SIM_STATUS = 1 << 1,      /* has a status subresource */
    SIM_GENERATION = 1 << 2,  /* metadata.generation counts changes of the spec */
    SIM_RETURNS = 1 << 3,     /* DELETE answers with the object, not with a Status */
    SIM_UPSERT = 1 << 4,      /* PUT creates what is not there */
    SIM_CONDITIONAL = 1 << 5, /* PUT needs a resourceVersion */
    SIM_NO_COLLECTION = 1 << 6 /* no DELETECOLLECTION */,
    SIM_CUSTOM = 1 << 7,
    SIM_DNS_LABEL = 1 << 8,      /* names are DNS labels (RFC 1035 or 1123), not subdomains */
    SIM_PATH_NAME = 1 << 9,      /* names are any path segment */
    SIM_DYING = 1 << 10,         /* the CustomResourceDefinition is being deleted */
    SIM_COUNTS_NOTES = 1 << 11,  /* its generation counts changes of annotations, too */
    SIM_COUNTS_LABELS = 1 << 12, /* likewise of labels */
};

struct sim_text;

struct sim_version {
    char *name;
    struct sim_text *columns; /* additionalPrinterColumns as JSON, or NULL */
    bool served, storage, status;
};

struct sim_kind {
    const char *group, *version; /* the version that objects are listed under in discovery first */
    const char *plural, *singular, *kind, *list_kind;
    unsigned traits;
    const char *short_names[4];
    const char *category; /* "all", or NULL */
    /* of a custom kind: */
    struct sim_version *versions;
    size_t nversions;
    char *crd;         /* the name of its CustomResourceDefinition */
    UT_hash_handle hh; /* by crd, which is plural.group */
};

/* The built-in kinds, one after the other; i from 0 on, NULL at the end. */
const struct sim_kind *sim_builtin(size_t i);
const struct sim_kind *sim_builtin_find(const char *group, const char *plural);

/* From a whole CustomResourceDefinition (valid enough to be stored). NULL when it lacks something. */
struct sim_kind *sim_kind_of_crd(const json_t *crd);
void sim_kind_free(struct sim_kind *k);

/* Is this version served? Of a custom kind *ret (may be NULL) is its entry. */
bool sim_kind_serves(const struct sim_kind *k, const char *version, const struct sim_version **ret);
/* Has the kind a status subresource in this version? */
bool sim_serves_status(const struct sim_kind *k, const char *version);
/* "apps/v1", "v1". Owned. */
char *sim_api_version(const char *group, const char *version);
/* "deployments.apps", "services": how errors name a resource. Owned. */
char *sim_kind_qualified(const struct sim_kind *k);
/* "Foo.x.example", "Service": how errors name a kind. Owned. */
char *sim_kind_title(const struct sim_kind *k);

#endif
