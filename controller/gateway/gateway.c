/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "gateway/pass.h"
#include "gateway/tls.h"
#include "membercluster/status.h"

enum {
    BUSY_MS = 500,
    RESYNC_MS = 300000,
    POLL_MS = 1000,
};

/* --- state per gateway --- */

static struct gateway *gateway_get(struct manager *m, const struct hub_object *o)
{
    struct gateway *g;
    HASH_FIND_STR(m->gateways, o->key, g);
    if (g)
        return g;
    g = xcalloc(1, sizeof *g + strlen(o->key) + 1);
    *g = (struct gateway){.manager = m};
    memcpy(g->key, o->key, strlen(o->key) + 1);
    g->ns = xstrdup(str_or(jx_str(o->obj, "metadata.namespace"), ""));
    g->name = xstrdup(jx_str(o->obj, "metadata.name"));
    g->uid = xstrdup(str_or(jx_str(o->obj, "metadata.uid"), ""));
    g->born_ms = clock_ms(m->clock);
    HASH_ADD_STR(m->gateways, key, g);
    return g;
}

static void gateway_free(struct manager *m, struct gateway *g)
{
    HASH_DEL(m->gateways, g);
    gateway_tls_done(&g->tls);
    gateway_outside_done(g);
    free(g->ns);
    free(g->name);
    free(g->uid);
    free(g);
}

void gateway_forget_all(struct manager *m)
{
    while (m->gateways)
        gateway_free(m, m->gateways);
}

/* --- the server certificate --- */

static struct verdict certificate(const struct gateway_pass *p)
{
    const struct gateway_tls *t = &p->gateway->tls;
    int64_t now = clock_s(p->gateway->manager->clock);
    if (!t->answered)
        return verdict_early("Reading", "the Secret of the server certificate is being read");
    if (t->err.class != ERR_NONE) {
        const char *last = t->sha256[0] ? "; the clusters keep the last one" : "";
        const char *reason = t->err.class == ERR_NOT_FOUND ? "SecretNotFound"
                             : t->err.class == ERR_INVALID ? "SecretInvalid"
                                                           : "SecretUnreadable";
        return verdict_no(reason, arena_printf(p->arena, "%s%s", t->err.msg, last));
    }
    if (t->not_after <= now)
        return verdict_no("CertificateExpired",
                          arena_printf(p->arena,
                                       "the certificate in Secret %s/%s has expired; next: put a "
                                       "new one there",
                                       p->gateway->ns, t->secret));
    return verdict_yes("Resolved", "everything that the spec names is there");
}

static void look_at_certificate(struct gateway_pass *p)
{
    const struct api_gateway_tls_secret_ref *ref = p->cr->spec.tls_secret_ref;
    gateway_again(p, gateway_tls_refresh(p->gateway, ref ? ref->name : NULL));
    if (ref)
        p->report.resolved = certificate(p);
}

/* --- status --- */

static void report(struct gateway_pass *p)
{
    struct verdict all = gateway_report_summary(&p->report);
    int64_t now = clock_ms(p->gateway->manager->clock);
    bool young = now - p->gateway->born_ms < CLUSTER_SETTLE_MS;
    if (all.early && young && hub_has_report(p->object)) {
        gateway_again(p, POLL_MS);
        return;
    }
    int64_t left;
    bool momentary =
        verdict_is_momentary(&all, hub_was_ready(p->object), now, &p->gateway->unready_ms, &left);
    gateway_again(p, left);
    if (momentary)
        return;
    auto_json *status = gateway_status(&p->report, json_object_get(p->object->obj, "status"),
                                       p->cr->meta.generation, clock_s(p->gateway->manager->clock));
    hub_set_status(p->object, status);
}

/* --- work --- */

static bool in_mesh(const struct gateway_pass *p)
{
    return p->cr->spec.mesh_ref != NULL;
}

static void work(struct gateway_pass *p)
{
    p->report.accepted = verdict_yes("Accepted", "the gateway can be made");
    p->report.resolved = verdict_yes("Resolved", "everything that the spec names is there");
    look_at_certificate(p);
    if (p->cr->spec.suspend)
        p->report.resolved =
            verdict_no("Suspended", "spec.suspend is true: live objects stay as they are");
    if (!in_mesh(p))
        gateway_outside(p);
    else if (!gateway_in_mesh(p))
        return;
    if (in_mesh(p) && gateway_outside_holds(p->gateway)) /* it had no meshRef before */
        gateway_outside_remove(p);
    report(p);
    gateway_again(p, RESYNC_MS);
}

/* What a Mesh makes for a Gateway goes with the Mesh's next plan; what is made without one, or is to stay, wants to be
 * found again. */
static bool wants_finalizer(const struct gateway_pass *p)
{
    return !in_mesh(p) || p->cr->spec.deletion_policy == API_GATEWAY_DELETION_POLICY_RETAIN ||
           gateway_outside_holds(p->gateway);
}

/* --- deletion --- */

static bool grace_over(struct gateway_pass *p)
{
    struct gateway *g = p->gateway;
    int64_t now = clock_ms(g->manager->clock);
    if (!g->leaving_ms)
        g->leaving_ms = now;
    return now - g->leaving_ms >= (int64_t)g->manager->options->cleanup_grace_s * 1000;
}

static void finalize(struct gateway_pass *p)
{
    bool retain = p->cr->spec.deletion_policy == API_GATEWAY_DELETION_POLICY_RETAIN;
    if (!hub_has_finalizer(p->object))
        return;
    if (retain && in_mesh(p))
        p->leftovers = gateway_release(p);
    else if (!retain)
        gateway_outside_remove(p);
    gateway_again(p, POLL_MS);
    bool given_up = p->out_of_reach && p->leftovers == 0 && grace_over(p);
    if (p->leftovers > 0 || (p->out_of_reach && !given_up)) {
        hub_say_leaving(p->object, "what the gateway made", p->out_of_reach);
        return;
    }
    if (given_up)
        hub_event(
            p->object, true, "LeftBehind",
            "a cluster can't be reached; what the gateway made there was left behind. When it "
            "is back, delete what has the label " PLAN_LABEL_GATEWAY " of this gateway");
    hub_set_finalizer(p->object, false);
}

/* --- reconcile --- */

static int64_t pass(struct gateway *g, struct hub_object *o, const struct api_gateway *cr,
                    struct arena *a)
{
    struct gateway_pass *p = arena_new(a, struct gateway_pass);
    *p = (struct gateway_pass){.gateway = g, .object = o, .cr = cr, .arena = a};
    if (cr->meta.deleting)
        finalize(p);
    else if (wants_finalizer(p) != hub_has_finalizer(o))
        hub_set_finalizer(o, wants_finalizer(p)); /* before anything is made */
    else
        work(p);
    return p->again_ms;
}

int64_t gateway_reconcile(struct manager *m, const char *key)
{
    struct hub_object *o = hub_find(&m->hub, API_KIND_GATEWAY, key);
    struct gateway *g;
    HASH_FIND_STR(m->gateways, key, g);
    if (g && (!o || !str_eq(g->uid, jx_str(o->obj, "metadata.uid"))))
        gateway_free(m, g);
    if (!o)
        return 0;
    if (hub_busy(o))
        return BUSY_MS;
    auto_arena a = ARENA_INIT;
    struct api_gateway *cr;
    struct err err = {0};
    if (api_gateway_decode(o->obj, &a, &cr, &err) < 0) {
        auto_json *status = member_status_invalid(o, m->clock, &err);
        hub_set_status(o, status);
        return 0;
    }
    return pass(gateway_get(m, o), o, cr, &a);
}
