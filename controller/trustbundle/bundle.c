/* SPDX-License-Identifier: Apache-2.0 */
#include "trustbundle/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "membercluster/status.h"
#include "mesh/mesh.h"
#include "mesh/ties.h"
#include "runtime/conditions.h"
#include "json/jx.h"

enum { BUSY_MS = 500, RESYNC_MS = 300000, SETTLE_POLL_MS = 1000, ROOTS_MAX = 16 };

void trustbundle_enqueue_all(struct manager *m, const char *ns)
{
    for (struct hub_object *o = m->hub.kinds[API_KIND_TRUST_BUNDLE].all; o; o = o->hh.next)
        if (hub_in_namespace(o, ns))
            manager_enqueue(m, API_KIND_TRUST_BUNDLE, o->key, 0);
}

struct verdict {
    enum cond_status status; /* TRUE: all is well */
    const char *reason, *message;
    bool stalled;
};

/* One certificate of a root. */
struct root {
    struct pki_cert_info info;
    json_t *clusters; /* that trust it */
};

struct party {
    const char *name, *domain;
    bool exports, imports, external;
    const struct hub_object *o; /* NULL: no such Mesh, or external */
    struct mesh *mesh;          /* NULL: not worked on yet */
    bool domain_taken;          /* an older Mesh has the same */
    struct root roots[ROOTS_MAX];
    size_t n_roots;
};

struct pass {
    struct manager *m;
    struct hub_object *o;
    const struct api_trust_bundle *cr;
    struct arena *arena;
    const char *ns;
    struct party *members;
    size_t n;
    size_t holding,
        total;           /* clusters that have all roots that they should; that should have some */
    const char *lacking; /* one that has not: a message */
    struct verdict refs;
    bool unsettled; /* not all that will be known soon is known yet */
};

/* --- members --- */

static void fail(struct pass *p, const char *reason, bool stalled, const char *message)
{
    if (p->refs.status == COND_TRUE || (stalled && !p->refs.stalled))
        p->refs = (struct verdict){COND_FALSE, reason, message, stalled};
}

static void read_root(struct pass *p, struct party *b, size_t at, const char *pem)
{
    struct root *r = &b->roots[at];
    struct err err = {0};
    auto_free char *anchor = pki_bound_anchor(pem, b->domain, &err);
    if (!anchor || pki_cert_info(pem, &r->info, &err) < 0) {
        fail(p, "RootUnusable", true,
             arena_printf(p->arena, "root %zu of Mesh %s can't be bound to its trust domain: %s",
                          at + 1, b->name, err.msg));
        return;
    }
    r->clusters = json_array();
    arena_hold(p->arena, r->clusters, (void (*)(void *))json_decref);
    b->n_roots = at + 1;
}

static void read_roots(struct pass *p, struct party *b)
{
    const struct mesh_root *root = b->mesh ? &b->mesh->root : NULL;
    if (!root || root->state != ROOT_READY) {
        p->unsettled |= !root || root->state == ROOT_UNREAD;
        fail(p, "RootNotReady", false,
             arena_printf(p->arena,
                          "the root of Mesh %s is not ready; next: kubectl describe "
                          "meshes.meshwright.dev %s -n %s",
                          b->name, b->name, p->ns));
        return;
    }
    for (size_t i = 0; i < ROOTS_MAX && b->n_roots == i; i++) {
        auto_free char *one = pki_cert_at(root->anchors, i);
        if (!one)
            return;
        read_root(p, b, i, one);
    }
}

static void resolve(struct pass *p, struct party *b)
{
    if (b->external)
        return;
    b->o = ties_mesh(p->m, p->ns, b->name);
    if (!b->o) {
        fail(p, "MeshNotFound", false,
             arena_printf(p->arena,
                          "there is no Mesh %s in namespace %s; next: create it, or take "
                          "it out of spec.members",
                          b->name, p->ns));
        return;
    }
    b->domain = ties_trust_domain(p->arena, b->o->obj);
    b->mesh = ties_state(p->m, p->ns, b->name);
    const struct hub_object *owner = ties_domain_owner(p->m, p->arena, p->ns, b->domain);
    b->domain_taken = owner != b->o;
    if (b->domain_taken)
        fail(p, "SameTrustDomain", true,
             arena_printf(p->arena,
                          "Meshes %s and %s have the same trust domain %s, so nobody could tell "
                          "their identities apart; next: give one of them another "
                          "spec.trust.domain",
                          ties_name(owner), b->name, b->domain));
    else
        read_roots(p, b);
}

static void list_members(struct pass *p)
{
    p->n = p->cr->spec.n_members;
    p->members = arena_array(p->arena, p->n + 1, sizeof *p->members);
    for (size_t i = 0; i < p->n; i++) {
        const struct api_trust_bundle_members *s = &p->cr->spec.members[i];
        p->members[i] = (struct party){
            .name = s->name,
            .exports = s->direction != API_TRUST_BUNDLE_MEMBERS_DIRECTION_IMPORT,
            .imports = s->direction != API_TRUST_BUNDLE_MEMBERS_DIRECTION_EXPORT,
            .external = s->external != NULL,
        };
        resolve(p, &p->members[i]);
    }
}

/* --- who holds what --- */

static bool usable(const struct party *b)
{
    return b->o && !b->domain_taken;
}

/* Marks the roots of `whom` that this cluster trusts. Returns whether it trusts all. */
static bool mark(struct party *whom, const struct mesh_kept *k)
{
    bool all = true;
    for (size_t i = 0; i < whom->n_roots; i++) {
        bool holds = k->trusts && strstr(k->trusts, whom->roots[i].info.sha256);
        if (holds)
            json_array_append_new(whom->roots[i].clusters, json_string(k->name));
        all &= holds;
    }
    return all && whom->n_roots > 0;
}

static void look_at(struct pass *p, const struct party *who, const struct mesh_kept *k)
{
    bool all = true, any = false;
    for (size_t i = 0; i < p->n; i++) {
        struct party *whom = &p->members[i];
        if (whom == who || !usable(whom) || !whom->exports)
            continue;
        any = true;
        all &= mark(whom, k);
    }
    if (!any || k->leaves)
        return;
    p->total++;
    p->holding += all;
    p->unsettled |= !k->trusts;
    if (!all && !p->lacking)
        p->lacking = arena_printf(p->arena, "cluster %s of Mesh %s does not have every root yet",
                                  k->name, who->name);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp((*(struct mesh_kept *const *)a)->name, (*(struct mesh_kept *const *)b)->name);
}

static void look_at_mesh(struct pass *p, const struct party *who)
{
    size_t n = 0;
    if (!usable(who) || !who->imports)
        return;
    struct mesh_kept *kept = who->mesh ? who->mesh->kept : NULL;
    struct mesh_kept **all = arena_array(p->arena, HASH_COUNT(kept) + 1, sizeof *all);
    for (struct mesh_kept *k = kept; k; k = k->hh.next)
        all[n++] = k;
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++)
        look_at(p, who, all[i]);
    if (n > 0)
        return;
    p->unsettled = true;
    p->lacking = arena_printf(p->arena,
                              "Mesh %s is not worked on yet; next: kubectl describe "
                              "meshes.meshwright.dev %s -n %s",
                              who->name, who->name, p->ns);
}

/* --- what is told --- */

static struct verdict accepted(const struct pass *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->members[i].external)
            return (struct verdict){
                COND_FALSE, "NotImplemented",
                arena_printf(p->arena,
                             "member %s: trust domains outside of this hub are not supported by "
                             "this version; the Meshes among the members trust one another",
                             p->members[i].name),
                true};
    if (p->cr->spec.deletion_policy == API_TRUST_BUNDLE_DELETION_POLICY_RETAIN)
        return (struct verdict){COND_TRUE, "RetainIgnored",
                                "deletionPolicy Retain has no effect: trust ends with what gave it",
                                false};
    return (struct verdict){COND_TRUE, "Accepted", "the spec can be acted on", false};
}

static struct verdict distributed(const struct pass *p)
{
    if (p->lacking)
        return (struct verdict){COND_FALSE, "Distributing", p->lacking, false};
    if (p->total == 0)
        return (struct verdict){COND_FALSE, "NobodyTrusts",
                                "no member trusts another one: at least one that is a Mesh must "
                                "not be direction Export, and another not Import",
                                true};
    return (struct verdict){COND_TRUE, "Distributed", "every cluster has every root", false};
}

static void set(const struct pass *p, json_t *list, const char *type, const struct verdict *v)
{
    cond_set(list, jx_get(p->o->obj, "status.conditions"), type, v->status, v->reason, v->message,
             p->cr->meta.generation, clock_s(p->m->clock));
}

static json_t *conditions(const struct pass *p)
{
    const struct verdict v[] = {accepted(p), p->refs, distributed(p)};
    static const char *const types[] = {"Accepted", "ResolvedRefs", "TrustDistributed"};
    static const struct verdict good = {COND_TRUE, "Ready", "every member trusts as the spec says",
                                        false},
                                suspended = {
                                    COND_FALSE, "Suspended",
                                    "spec.suspend is true: what is trusted stays as it is, "
                                    "and is not told of",
                                    false};
    const struct verdict *bad = NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < 3; i++) {
        set(p, list, types[i], &v[i]);
        if (v[i].status != COND_TRUE && (!bad || (v[i].stalled && !bad->stalled)))
            bad = &v[i];
    }
    if (p->cr->spec.suspend)
        bad = &suspended;
    set(p, list, "Ready", bad ? bad : &good);
    if (bad) {
        struct verdict abnormal = {COND_TRUE, bad->reason, bad->message, false};
        set(p, list, bad->stalled ? "Stalled" : "Reconciling", &abnormal);
    }
    cond_sort(list);
    return list;
}

static json_t *root_row(const struct root *r, int64_t *first_end)
{
    char end[CLOCK_RFC3339_MAX];
    clock_format(r->info.not_after, end);
    if (!*first_end || r->info.not_after < *first_end)
        *first_end = r->info.not_after;
    return json_pack("{s:s, s:s, s:s, s:O}", "sha256", r->info.sha256, "subject", r->info.subject,
                     "notAfterTime", end, "clusters", r->clusters);
}

static const json_t *old_domain(const struct pass *p, const char *domain)
{
    size_t i;
    json_t *row;
    json_array_foreach (jx_get(p->o->obj, "status.domains"), i, row) {
        if (str_eq(jx_str(row, "trustDomain"), domain))
            return row;
    }
    return NULL;
}

/* A root that can't be read now is told of as it was. */
static json_t *domain_row(const struct pass *p, const struct party *b, int64_t *first_end)
{
    const json_t *old = b->n_roots == 0 ? old_domain(p, b->domain) : NULL;
    if (old)
        return json_deep_copy(old);
    json_t *roots = json_array();
    for (size_t i = 0; i < b->n_roots; i++)
        json_array_append_new(roots, root_row(&b->roots[i], first_end));
    return json_pack("{s:s, s:o}", "trustDomain", b->domain, "roots", roots);
}

static const char *names(const struct pass *p)
{
    struct buf b = BUF_INIT(4096);
    for (size_t i = 0; i < p->n; i++)
        buf_printf(&b, "%s%s", i ? "," : "", p->members[i].name);
    auto_free char *text = buf_take(&b);
    return arena_strdup(p->arena, text);
}

static json_t *status_of(const struct pass *p)
{
    int64_t first_end = 0;
    json_t *domains = json_array();
    for (size_t i = 0; i < p->n; i++)
        if (usable(&p->members[i]) && p->members[i].exports)
            json_array_append_new(domains, domain_row(p, &p->members[i], &first_end));
    json_t *status =
        json_pack("{s:I, s:o, s:o}", "observedGeneration", (json_int_t)p->cr->meta.generation,
                  "conditions", conditions(p), "domains", domains);
    jx_set_str(status, "summary.members", names(p));
    jx_set_str(status, "summary.distributed",
               arena_printf(p->arena, "%zu/%zu", p->holding, p->total));
    char end[CLOCK_RFC3339_MAX];
    clock_format(first_end, end);
    if (first_end)
        jx_set_str(status, "nextExpiryTime", end);
    return status;
}

/* Shortly after start what was told before is not replaced by "don't know yet". */
static bool early(const struct pass *p)
{
    bool young = false;
    for (size_t i = 0; i < p->n; i++) {
        const struct mesh *mesh = p->members[i].mesh;
        young |=
            p->members[i].o && (!mesh || clock_ms(p->m->clock) - mesh->born_ms < CLUSTER_SETTLE_MS);
    }
    return p->unsettled && young && hub_has_report(p->o);
}

static int64_t report(struct pass *p)
{
    list_members(p);
    for (size_t i = 0; i < p->n; i++)
        look_at_mesh(p, &p->members[i]);
    if (early(p))
        return SETTLE_POLL_MS;
    auto_json *status = status_of(p);
    hub_set_status(p->o, status);
    return RESYNC_MS;
}

int64_t trustbundle_reconcile(struct manager *m, const char *key)
{
    struct hub_object *o = hub_find(&m->hub, API_KIND_TRUST_BUNDLE, key);
    if (!o)
        return 0;
    if (hub_busy(o))
        return BUSY_MS;
    auto_arena a = ARENA_INIT;
    struct api_trust_bundle *cr;
    struct err err = {0};
    if (api_trust_bundle_decode(o->obj, &a, &cr, &err) < 0) {
        auto_json *status = member_status_invalid(o, m->clock, &err);
        hub_set_status(o, status);
        return 0;
    }
    struct pass p = {.m = m, .o = o, .cr = cr, .arena = &a};
    p.ns = str_or(jx_str(o->obj, "metadata.namespace"), "");
    p.refs = (struct verdict){COND_TRUE, "Resolved", "every member is a Mesh with a root", false};
    return cr->meta.deleting ? 0 : report(&p);
}
