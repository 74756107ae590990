/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine outside Kubernetes needs to join a mesh: the five files of `istioctl x workload entry configure`, byte
 * for byte (where istioctl's order is random, ours is sorted), and install.sh, which puts them in place. Pure: no I/O.
 *
 * | file          | what                                                                                      |
 * |---------------|-------------------------------------------------------------------------------------------|
 * | root-cert.pem | roots by which the machine knows istiod                                                   |
 * | istio-token   | one JWT: the first certificate is asked for with it; a secret                             |
 * | cluster.env   | environment of pilot-agent and its iptables, lines KEY='value' for a shell                |
 * | mesh.yaml     | MeshConfig with `defaultConfig`: the mesh's, with the group's annotations, probe, metadata |
 * | hosts         | lines for /etc/hosts: the east-west gateway under istiod's name; empty when not known     |
 * | install.sh    | installs, checks, refreshes and removes them; the same for every machine                  |
 *
 * Sources: https://istio.io/latest/docs/setup/install/virtual-machine/,
 * https://istio.io/latest/docs/reference/config/networking/workload-group/,
 * https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* All borrowed. What comes from a member cluster is not trusted: it is checked here. */
struct machine_facts {
    /* The live WorkloadGroup (networking.istio.io/v1): metadata with name, namespace, annotations; spec. Its
     * annotation proxy.istio.io/config, and then that of spec.metadata, lie over the mesh's defaultConfig. */
    const json_t *group;
    const char *mesh_yaml; /* key "mesh" of ConfigMap istio or istio-<revision> */
    const char
        *root_pem; /* key root-cert.pem of ConfigMap istio-ca-root-cert of the group's namespace */
    const char *token;           /* secret; audience istio-ca, of the group's service account */
    const char *cluster;         /* the control plane's name for its cluster */
    const char *mesh_id;         /* NULL: defaultConfig.meshId */
    const char *revision;        /* NULL, "" or "default": none */
    const char *istio_namespace; /* NULL: istio-system */
    /* IP addresses of the east-west gateway, separated by a space; NULL or "": not known, and hosts is empty. */
    const char *istiod_address;
    const char *internal_ip,
        *external_ip;   /* of the machine, at most one of them; NULL: it finds out */
    bool capture_dns;   /* the agent answers DNS; istioctl's default is true */
    bool auto_register; /* istiod makes the WorkloadEntry; istioctl's default is false */
};

enum {
    MACHINE_FILES = 6,
    MACHINE_FILE_MAX = 1024 * 1024, /* bytes of one file */
    MACHINE_ADDRESSES_MAX = 16,
};

struct machine_file {
    const char *name; /* static */
    char *data;       /* NUL-terminated, owned by the bundle */
    size_t len;
    bool secret; /* data is wiped */
    int mode;    /* permission bits: only the owner's */
};

struct machine_bundle {
    struct machine_file files[MACHINE_FILES]; /* in the order of the table above */
};

/* Makes all files. On failure -1, ERR_INVALID (the text says which fact is bad and what to do), *ret is not touched;
 * the message never holds a secret. */
int machine_bundle(const struct machine_facts *f, struct machine_bundle *ret, struct err *err);
/* Wipes what is secret, frees all; safe on {0} and twice. */
void machine_bundle_done(struct machine_bundle *b);
#define auto_machine_bundle __attribute__((cleanup(machine_bundle_done))) struct machine_bundle

/* The file of that name, or NULL. */
const struct machine_file *machine_bundle_file(const struct machine_bundle *b, const char *name);

/* The group's service account: spec.template.serviceAccount, else "default". Borrowed. */
const char *machine_service_account(const json_t *group);

/* Name of the ConfigMap that holds the mesh's configuration: "istio" or "istio-<revision>". Owned. */
char *machine_mesh_map(const char *revision);

#endif
