/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of meshwright (glibc argp). */
#ifndef CONTROLLER_OPTIONS_H
#define CONTROLLER_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

enum options_command { OPTIONS_RUN, OPTIONS_RENDER, OPTIONS_VERSION, OPTIONS_VM_BUNDLE };

/* meshwright vm bundle NAME */
struct options_vm {
    const char *name;               /* NAME: of the WorkloadGroup in the hub */
    const char *output;             /* -o DIR, or "-": a tar archive to standard output */
    const char *cluster_kubeconfig; /* --cluster-kubeconfig FILE; NULL: that of the MemberCluster */
    const char *istiod_address;     /* --istiod-address IP; NULL: of the east-west gateway */
    const char *internal_ip, *external_ip;
    int token_s; /* --token-ttl SECONDS; 0: what the WorkloadGroup says */
    bool no_dns_capture, no_auto_register;
};

struct options {
    enum options_command command;
    const char *kubeconfig; /* --kubeconfig FILE: the hub's; NULL: in cluster */
    const char
        *namespace; /* --namespace NS: where our resources live; NULL: $POD_NAMESPACE, else all namespaces */
    bool leader_elect; /* --leader-elect */
    bool
        allow_local_members; /* --allow-local-members: else a member's kubeconfig may not name this machine */
    const char *
        lease_namespace; /* --lease-namespace; NULL: $POD_NAMESPACE, else namespace, else "default" */
    const char *bind;    /* --metrics-bind-address ADDR, default ":8081"; "0" = off */
    const char *data_dir; /* --data DIR, default /usr/share/meshwright/istio-data */
    const char *hub,
        *tag;           /* --istio-hub (default docker.io/istio), --istio-tag (NULL: the version) */
    json_t *istiod_env; /* --istiod-env NAME=VALUE ...: object, owned */
    const char *log_level;      /* --log-level, default info */
    const char *render_dir;     /* render -f DIR */
    const char *render_cluster; /* render --cluster NAME: only this one; NULL: all */
    /* --crash-after-writes K: _exit(137) right after the K-th write was answered, for tests; 0: off */
    int crash_after_writes;
    int cleanup_grace_s; /* --cleanup-grace SECONDS, default 300 */
    struct options_vm vm;
};

/* Parses argv ("meshwright [run] OPTIONS", "meshwright render -f DIR",
 * "meshwright vm bundle NAME -o DIR", "meshwright version") and fills in the defaults, those from
 * the environment too: afterwards namespace NULL means all namespaces (for vm: the kubeconfig's),
 * and lease_namespace is never NULL. Strings are borrowed from argv and the
 * environment. Exits the process for --help (0) and for usage errors (64), as argp does. */
void options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);

#endif
