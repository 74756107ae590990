/* SPDX-License-Identifier: Apache-2.0 */
/* One install against a kubesim of its own: a hub and two members, and meshwright as a child process. */
#ifndef FAULTS_SCENARIO_H
#define FAULTS_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "kubesim/kubesim.h"

struct scenario;

struct scenario_opts {
    const char *controller; /* the program */
    const char *data;       /* its --data */
    const char *crds;       /* our CustomResourceDefinitions, a JSON array */
    bool keep;              /* the folder with kubeconfig and log stays */
};

struct scenario_end {
    const char *problem; /* why there is no end state, or NULL */
    const char *state;   /* all objects of all clusters as text, or NULL; borrowed for the call */
    uint64_t requests, writes;
    int64_t ms;
};

/* s is valid until the callback returns. */
typedef void scenario_cb(void *arg, struct scenario *s, const struct scenario_end *end);

/* rule: NULL for none. The end is when the Mesh is Ready, its DNS entries are there, and nothing has been written for a
 * second; or when the time is over or the program has ended by itself. */
void scenario_start(uv_loop_t *loop, const struct scenario_opts *o, const char *name,
                    const struct sim_rule *rule, scenario_cb *cb, void *arg);
const char *scenario_name(const struct scenario *s);
/* The last lines of the program's log. */
void scenario_print_log(const struct scenario *s, int lines);
/* The first objects in which two end states differ. */
void scenario_print_difference(const char *wanted, const char *found);

#endif
