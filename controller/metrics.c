/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include "manager.h"
#include "version.h"

void metrics_write(const struct manager *m, struct buf *out)
{
    metric_head(out, "meshwright_build_info", "gauge", "Version of this controller; always 1.");
    metric_value(out, "meshwright_build_info", 1, "version", MESHWRIGHT_VERSION, (char *)NULL);
    metric_head(out, "meshwright_cluster_up", "gauge",
                "1 when the member cluster answers and is who it should be.");
    for (const struct cluster *c = m->clusters; c; c = c->hh.next)
        metric_value(out, "meshwright_cluster_up", c->state == CLUSTER_REACHABLE, "namespace",
                     c->ns, "cluster", c->name, (char *)NULL);
    metric_head(out, "meshwright_cluster_writes_paused", "gauge",
                "1 while writes to the member cluster are stopped because it fails them.");
    for (const struct cluster *c = m->clusters; c; c = c->hh.next)
        metric_value(out, "meshwright_cluster_writes_paused", c->breaker.open, "namespace", c->ns,
                     "cluster", c->name, (char *)NULL);
    metric_head(out, "meshwright_writes_total", "counter",
                "Writes answered with success, leases and events apart.");
    metric_value(out, "meshwright_writes_total", (double)m->writes, (char *)NULL);
    metric_head(out, "meshwright_reconciles_total", "counter", "Reconciles begun.");
    metric_value(out, "meshwright_reconciles_total", (double)m->reconciles, (char *)NULL);
    metric_head(out, "meshwright_renders_total", "counter", "Plans rendered for a member cluster.");
    metric_value(out, "meshwright_renders_total", (double)m->renders, (char *)NULL);
    metric_head(out, "workqueue_depth", "gauge", "Keys that wait.");
    metric_value(out, "workqueue_depth", (double)queue_len(m->queue), "name", "meshwright",
                 (char *)NULL);
    metric_head(out, "workqueue_adds_total", "counter", "Keys added.");
    metric_value(out, "workqueue_adds_total", (double)queue_adds(m->queue), "name", "meshwright",
                 (char *)NULL);
    metric_head(out, "leader_election_master_status", "gauge", "1 when this replica leads.");
    metric_value(out, "leader_election_master_status", m->leading, "name", "meshwright",
                 (char *)NULL);
}
