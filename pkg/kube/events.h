/* SPDX-License-Identifier: Apache-2.0 */
/* Events (core/v1) on our own objects: one per transition of a condition. The same event again within ten minutes is
 * counted on the existing object, not repeated; a burst of 25 per object, then one per five minutes; what the API
 * server refuses is dropped. */
#ifndef KUBE_EVENTS_H
#define KUBE_EVENTS_H

#include "kube/client.h"

struct kube_events;
struct kube_events *kube_events_new(struct kube_client *c, const char *component);
void kube_events_free(
    struct kube_events *e); /* before its client; what is on its way is given up */

struct kube_event {
    const char *api_version, *kind, *ns, *name, *uid; /* the object concerned */
    bool warning;                                     /* Warning, else Normal */
    const char *reason;                               /* CamelCase */
    const char *message;                              /* at most 1,024 bytes are kept */
};
void kube_events_emit(struct kube_events *e, const struct kube_event *ev);

#endif
