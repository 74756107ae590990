/* SPDX-License-Identifier: Apache-2.0 */
/* A request's target taken apart. Pure. */
#ifndef KUBESIM_TARGET_H
#define KUBESIM_TARGET_H

struct sim_target {
    const char *cluster; /* "": the path names none */
    const char *path;    /* begins with '/', decoded, without /clusters/<name> */
    const char *query;   /* as it came, "" when none */
};
/* Takes text apart in place; ret points into it. -1 when it is no absolute path, or has a bad or a NUL escape. */
int sim_target_split(char *text, struct sim_target *ret);

/* The cluster of a TLS server name "<name>.kubesim", owned, or NULL when it is no such name. */
char *sim_target_of_server_name(const char *name);

#endif
