/* SPDX-License-Identifier: Apache-2.0 */
/* The server URL of a kubeconfig (RFC 3986, the part of it that makes sense here). */
#ifndef KUBE_KUBECONFIG_SERVER_H
#define KUBE_KUBECONFIG_SERVER_H

#include <stdbool.h>

/* NULL when the URL can be used, else why not. untrusted: no plain http and no address of this machine, its links or a
 * cloud's metadata service. Names are not resolved: what a name points at is the resolver's business. */
const char *kubeconfig_server_problem(const char *url, bool untrusted);

/* Is it a host name or address, as tls-server-name holds? */
bool kubeconfig_is_host(const char *s);

#endif
