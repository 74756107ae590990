/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the renderer share; not for other packages. */
#ifndef ISTIO_RENDER_H
#define ISTIO_RENDER_H

#include "istio/istio.h"

struct render {
    const struct istio_target *t;
    struct plan *p;
    struct err *err;
    const char *rev;                  /* value of istio.io/rev: "default" or the revision */
    const char *suffix;               /* "" or "-<revision>" */
    const char *istiod;               /* "istiod<suffix>" */
    const char *injector, *validator; /* names of the webhook configurations */
    int min, max;                     /* replicas, min >= 1, max >= min */
};

/* The documents of a manifest, filled; steals vars. New reference, NULL with r->err set. */
json_t *render_docs(struct render *r, const char *manifest, json_t *vars);
/* The first document alone. */
json_t *render_doc(struct render *r, const char *manifest, json_t *vars);
/* Adds every document of a manifest to the plan; steals vars. */
int render_add(struct render *r, enum plan_wave wave, const char *manifest, json_t *vars);
/* Adds the one document of a manifest; steals vars and inputs. NULL with r->err set. */
struct plan_object *render_add_one(struct render *r, enum plan_wave wave, const char *manifest,
                                   json_t *vars, json_t *inputs);

int render_config(struct render *r);        /* ConfigMaps of the mesh and of the injector */
int render_control_plane(struct render *r); /* Service, Deployment, HPA, PDB */
int render_webhooks(struct render *r);
int render_crds(struct render *r); /* from the carried data */
int render_remote_access(struct render *r);
int render_dns(struct render *r);

#endif
