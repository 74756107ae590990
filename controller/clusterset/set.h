/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of controller/clusterset. */
#ifndef CONTROLLER_CLUSTERSET_SET_H
#define CONTROLLER_CLUSTERSET_SET_H

#include "applyplan.h"
#include "clusterset/clusterset.h"
#include "membercluster/member.h"

enum { SET_READ_EVERY_MS = 60000, SET_READ_AGAIN_MS = 5000 };

#define SET_DNS_NAMESPACE "kube-system"
#define SET_DNS_CONFIGMAP "coredns"

/* One pass of one MemberCluster. */
struct set_pass {
    struct member *mb;
    struct set_member *s;
    struct hub_object *o;
    const struct api_member_cluster *cr;
    struct cluster *c;
    struct arena *arena;
    const char *name; /* of the set; NULL: it is left */
    int64_t again_ms;
};

void set_again(struct set_pass *p, int64_t ms);
/* Sets a condition; message NULL: nothing is to be said. */
void set_say(struct set_member *s, struct set_condition *c, enum cond_status status,
             const char *reason, const char *message);

const struct gvr *set_exports(void);
const struct gvr *set_imports(void);
const struct gvr *set_slices(void);
struct records *set_records(struct cluster *c, const char *api_version, const char *kind);

/* read.c */
void set_read(struct set_pass *p);
void set_facts_done(struct set_facts *f);

/* gather.c: a plan from what is known of all clusters of the set. */
int set_plan(struct set_pass *p, struct err *err);
/* Held back: what follows from clusters that are not known now. */
bool set_hold(void *set_pass, const struct gvr *g, const char *ns, const char *name);

/* say.c: statuses of ServiceExports and ServiceImports. */
/* The conditions Valid, Conflict and Reachable of an export; owned. */
json_t *set_export_conditions(struct set_pass *p, const struct mcs_export *e,
                              const struct mcs_verdict *v, const char *far);
void set_say_all(struct set_pass *p);
bool set_said_nothing(const struct set_member *s);

/* dns.c */
void set_dns(struct set_pass *p);
bool set_dns_clean(const struct set_member *s);

#endif
