/* SPDX-License-Identifier: Apache-2.0 */
/* The server URL of a kubeconfig (RFC 3986, the part of it that makes sense here). */
#ifndef KUBE_KUBECONFIG_SERVER_H
#define KUBE_KUBECONFIG_SERVER_H

#include <stdbool.h>

/* From whom a URL comes: ours, or from somebody else. */
enum kubeconfig_server_rule {
    KUBECONFIG_SERVER_OWN, /* any */
    KUBECONFIG_SERVER_MEMBER, /* no plain http; no address of this machine, its links or a cloud's metadata service */
    KUBECONFIG_SERVER_MEMBER_LOCAL, /* likewise, but loopback addresses are fine */
};

/* NULL when the URL can be used, else why not. Names are not resolved: what a name points at is the resolver's
 * business. */
const char *kubeconfig_server_problem(const char *url, enum kubeconfig_server_rule rule);

/* Is it a host name or address, as tls-server-name holds? */
bool kubeconfig_is_host(const char *s);

#endif
