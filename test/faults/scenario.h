/* SPDX-License-Identifier: Apache-2.0 */
/* One install against a kubesim of its own: a hub and two members, and meshwright as a child process. */
#ifndef FAULTS_SCENARIO_H
#define FAULTS_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "kubesim/kubesim.h"

struct scenario;

/* The file of a scenario's resources by its name ("install", "two-networks", "machines", "primary-remote"); NULL: there
 * is none of this name. */
const char *scenario_resources(const char *name);

struct scenario_opts {
    const char *controller; /* the program */
    const char *data;       /* its --data */
    const char *crds;       /* our CustomResourceDefinitions, a JSON array */
    const char
        *resources; /* what the user applies: members cluster1 and cluster2, and the Mesh shop */
    bool keep;      /* the folder with kubeconfig and log stays */
};

struct scenario_end {
    const char *problem; /* why there is no end state, or NULL */
    const char *state;   /* all objects of all clusters as text, or NULL; borrowed for the call */
    uint64_t requests, writes;
    int64_t ms;
};

/* s is valid until the callback returns. */
typedef void scenario_cb(void *arg, struct scenario *s, const struct scenario_end *end);

/* rule: NULL for none. The end is when the Mesh, each MemberCluster and each WorkloadGroup is Ready, the DNS entries
 * are there, and nothing has been written for a second (where an answer is dropped: for as long as it is waited for);
 * or when the time is over or the program has ended by itself. */
void scenario_start(uv_loop_t *loop, const struct scenario_opts *o, const char *name,
                    const struct sim_rule *rule, scenario_cb *cb, void *arg);
const char *scenario_name(const struct scenario *s);
/* The last lines of the program's log. */
void scenario_print_log(const struct scenario *s, int lines);
/* The first objects in which two end states differ. */
void scenario_print_difference(const char *wanted, const char *found);

#endif
