/* SPDX-License-Identifier: Apache-2.0 */
#include "applyplan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/diff.h"
#include "runtime/outcome.h"
#include "json/jx.h"

enum { FILE_BYTES_MAX = 4 * 1048576 };

/* --- what is sent --- */

static void send_plain(struct op *op, const struct plan_object *o)
{
    size_t len;
    const char *text = kept_text(o, &len);
    applier_send(op, text, len, false);
}

/* The file's members are spliced in as text: a CRD's schema is large, and nothing here needs its tree. */
static void send_file(struct op *op, const struct plan_object *o)
{
    auto_buf body = BUF_INIT(FILE_BYTES_MAX);
    struct err err = {0};
    auto_free char *file = file_read(o->file, FILE_BYTES_MAX, NULL, &err);
    if (!file) {
        applier_fail(op, &err);
        return;
    }
    auto_json *head = kept_body(o);
    json_object_del(head, "spec");
    auto_free char *text = jx_dump(head);
    const char *rest = file + strspn(file, " \n\t");
    if (*rest != '{') {
        err_set(&err, ERR_INVALID, 0, "%s: not a JSON object", o->file);
        applier_fail(op, &err);
        return;
    }
    buf_append(&body, text, strlen(text) - 1);
    buf_puts(&body, ",");
    buf_puts(&body, rest + 1);
    applier_send(op, body.data, body.len, false);
}

void applyplan_send(struct op *op, const struct plan_object *o)
{
    if (o->content == PLAN_FILE)
        send_file(op, o);
    else
        send_plain(op, o);
}

/* --- one object --- */

/* The object as it is there. */
struct live {
    struct records *all;              /* NULL: the kind is not watched (yet) */
    const struct kube_record *record; /* NULL: it is not there */
    struct kube_view view;
};

static void look(const struct applyplan *x, const struct plan_object *o, struct live *ret)
{
    ret->all = cluster_records(x->cluster, o->gvr);
    ret->record = ret->all ? records_find(ret->all, o->ns, o->name) : NULL;
    if (ret->record)
        kube_record_view(ret->record, &ret->view);
}

static const char *name_of(const struct applyplan *x, const struct plan_object *o)
{
    return arena_printf(x->arena, "%s %s%s%s", o->gvr->kind, str_or(o->ns, ""), o->ns ? "/" : "",
                        o->name);
}

static void again(struct applyplan *x, int64_t ms)
{
    if (ms > 0 && (!x->again_ms || ms < x->again_ms))
        x->again_ms = ms;
}

static bool held(const struct applyplan *x, const struct gvr *g, const char *ns, const char *name)
{
    return x->hold && x->hold(x->hold_arg, g, ns, name);
}

static void note_foreign(struct applyplan *x, const struct plan_object *o)
{
    if (x->n_foreign++ == 0)
        x->foreign = name_of(x, o);
}

static bool gives_way(const struct applyplan *x, const struct kube_view *v)
{
    return x->entries_of && v->meta.managed && str_eq(v->meta.mesh, x->entries_of) &&
           !v->has_selector && plan_wave_of(v->meta.wave) == PLAN_DNS;
}

/* Remembers the check of ownership with the record; the tree of what is wanted is needed only for it. */
static enum diff_verdict judge(const struct applyplan *x, const struct plan_object *o,
                               const struct live *l)
{
    int64_t renew_at;
    if (l->record && !l->view.meta.managed)
        return o->yields ? DIFF_SAME : DIFF_FOREIGN;
    bool before = l->record && records_verified(l->record), verified = before;
    struct plan_object want = *o;
    auto_json *body = l->record && !verified ? kept_body(o) : NULL;
    want.body = body;
    enum diff_verdict v = diff_object(&want, l->record ? &l->view : NULL, &verified, x->owner_uid,
                                      clock_s(x->cluster->clock), &renew_at);
    if (verified && !before)
        records_set_verified(l->all, l->record);
    if (v == DIFF_FOREIGN && l->record && gives_way(x, &l->view))
        return DIFF_APPLY;
    return v == DIFF_FOREIGN && o->yields ? DIFF_SAME : v;
}

static void apply(struct applyplan *x, const struct plan_object *o, bool ours)
{
    struct op *op = applier_begin(x->cluster, o->gvr, o->ns, o->name);
    snprintf(op->intent, sizeof op->intent, "%s", o->intent);
    snprintf(op->owner, sizeof op->owner, "%s", x->owner_uid);
    op->ours = ours || op->known_ours;
    if (x->send && o->content != PLAN_PLAIN && o->content != PLAN_FILE)
        x->send(x->send_arg, op, o);
    else
        applyplan_send(op, o);
}

static const struct op *op_of(const struct applyplan *x, const struct plan_object *o)
{
    for (const struct op *op = x->cluster->ops; op; op = op->hh.next)
        if (op->gvr == o->gvr && str_eq(op->ns, o->ns) && str_eq(op->name, o->name))
            return op;
    return NULL;
}

/* The server refused to change fields of others: the object was there and is not ours, though none of our watches,
 * which see only our labels, shows it. */
static bool refused(const struct applyplan *x, const struct plan_object *o)
{
    const struct op *op = op_of(x, o);
    return op && op->err.class == ERR_CONFLICT && !op->known_ours;
}

static void note_failed(struct applyplan *x, const struct plan_object *o)
{
    const struct op *op = op_of(x, o);
    if (op && !x->failed && op->err.class != ERR_NONE)
        x->failed = arena_printf(x->arena, "%s: %s%s", name_of(x, o), op->err.msg,
                                 outcome_next(op->err.class));
}

enum settled {
    NOT_YET, /* it is being written, or can't be for the moment */
    AS_WANTED,
    LEFT_ALONE, /* held, or somebody else's */
};

static enum settled settle_object(struct applyplan *x, const struct plan_object *o)
{
    struct live l;
    enum op_state state = applier_state(x->cluster, o->gvr, o->ns, o->name, o->intent);
    look(x, o, &l);
    if (l.all && !l.record && o->yields)
        switch (applier_place(x->cluster, o->gvr, o->ns, o->name, x->owner_uid)) {
        case OP_PLACE_TAKEN:
            return AS_WANTED;
        case OP_PLACE_UNKNOWN:
            return NOT_YET;
        case OP_PLACE_FREE:
            break;
        }
    if (state == OP_RUNNING || state == OP_UNSEEN || !l.all)
        return NOT_YET;
    if (l.record && l.view.meta.managed && held(x, o->gvr, o->ns, o->name))
        return LEFT_ALONE;
    enum diff_verdict v = judge(x, o, &l);
    if (v == DIFF_SAME) {
        applier_well(x->cluster, o->gvr, o->ns, o->name);
        return AS_WANTED;
    }
    if (v == DIFF_FOREIGN || (!l.record && state == OP_BACKOFF && refused(x, o))) {
        note_foreign(x, o);
        return LEFT_ALONE;
    }
    note_failed(x, o);
    bool leaving = l.record && l.view.meta.deleting;
    if (state == OP_IDLE && !leaving && applier_has_room(x->cluster))
        apply(x, o, l.record != NULL);
    return NOT_YET;
}

/* --- waves --- */

static bool available(const struct applyplan *x, const struct plan_object *o)
{
    struct live l;
    look(x, o, &l);
    return l.record && l.view.available;
}

static void note_pending(struct applyplan *x, const struct plan_object *o, const char *waiting)
{
    x->wave = o->wave;
    if (x->pending++ == 0)
        x->waiting = waiting;
}

/* Returns false when it is not complete, so that the next must wait. */
static bool run_wave(struct applyplan *x, enum plan_wave wave)
{
    for (size_t i = 0; i < x->plan->n; i++) {
        const struct plan_object *o = x->plan->objects[i];
        if (o->wave != wave)
            continue;
        enum settled now = settle_object(x, o);
        if (now == NOT_YET)
            note_pending(x, o, NULL);
        else if (now == AS_WANTED && o->wait_available && !available(x, o))
            note_pending(x, o, name_of(x, o));
    }
    return x->pending == 0;
}

static void run(struct applyplan *x)
{
    for (enum plan_wave w = 0; w < PLAN_WAVES; w++)
        if (!run_wave(x, w))
            return;
}

/* --- what no plan holds any more --- */

struct pruning {
    struct applyplan *x;
    struct kept_index index;
};

/* The view is set only when it is due. */
static bool due(const struct pruning *p, const struct gvr *g, const struct kube_record *r,
                struct kube_view *ret)
{
    if (!kube_record_managed(r))
        return false;
    kube_record_view(r, ret);
    const struct applyplan *x = p->x;
    return str_eq(ret->meta.owner_uid, x->owner_uid) &&
           !kept_has(&p->index, g, ret->meta.ns, ret->meta.name) &&
           (!x->plan || !held(x, g, ret->meta.ns, ret->meta.name));
}

/* The highest wave that still has something to go; -1 when there is nothing. */
static int highest(const struct pruning *p)
{
    struct applyplan *x = p->x;
    int top = -1;
    for (size_t i = 0; i < x->cluster->n_watches; i++) {
        const struct cluster_watch *w = &x->cluster->watches[i];
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&w->records, &at));) {
            struct kube_view v;
            if (!due(p, w->gvr, r, &v))
                continue;
            int wave = (int)plan_wave_of(v.meta.wave);
            top = wave > top ? wave : top;
            x->leftovers++;
        }
    }
    return top;
}

static void remove_wave(const struct pruning *p, int wave)
{
    struct cluster *c = p->x->cluster;
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct gvr *g = c->watches[i].gvr;
        const struct kube_record *r;
        for (size_t at = 0; (r = records_next(&c->watches[i].records, &at));) {
            struct kube_view v;
            if (!due(p, g, r, &v) || (int)plan_wave_of(v.meta.wave) != wave || v.meta.deleting)
                continue;
            if (applier_state(c, g, v.meta.ns, v.meta.name, NULL) == OP_IDLE && applier_has_room(c))
                applier_remove(c, g, &v);
        }
    }
}

static void prune(struct applyplan *x)
{
    if (!cluster_holds(x->cluster, x->owner_uid))
        return;
    struct pruning p = {x, kept_index(x->arena, x->plan)};
    int wave = highest(&p);
    if (wave >= 0)
        remove_wave(&p, wave);
}

/* --- */

static void want_kinds(const struct applyplan *x)
{
    for (size_t i = 0; x->plan && i < x->plan->n; i++)
        cluster_want(x->cluster, x->plan->objects[i]->gvr, CLUSTER_OURS);
}

void applyplan_step(struct applyplan *x)
{
    want_kinds(x);
    x->ready = cluster_ready(x->cluster);
    if (!x->ready)
        return;
    if (x->plan)
        run(x);
    prune(x);
    again(x, applier_next_ms(x->cluster));
    if (applier_busy(x->cluster)) /* they are dropped when the objects are well for a while */
        again(x, APPLIER_FIGHT_MS + 1);
}

bool applyplan_complete(const struct applyplan *x)
{
    return x->ready && x->pending == 0 && x->leftovers == 0;
}

struct verdict applyplan_verdict(const struct applyplan *x, const char *owner)
{
    const char *c = x->cluster->name;
    if (x->n_foreign > 0)
        return verdict_no("NotOurs",
                          arena_printf(x->arena,
                                       "cluster %s: %s belongs to another owner; next: remove it, "
                                       "or give this %s another name",
                                       c, x->foreign, owner));
    if (x->failed)
        return verdict_no("ApplyFailed", arena_printf(x->arena, "cluster %s: %s", c, x->failed));
    if (x->pending > 0)
        return verdict_no("Applying", arena_printf(x->arena, "cluster %s: applying %s", c,
                                                   plan_wave_name(x->wave)));
    if (x->leftovers > 0)
        return verdict_no(
            "CleaningUp",
            arena_printf(x->arena, "cluster %s: what is no longer wanted is being deleted", c));
    return verdict_yes("Programmed", "the cluster is as wanted");
}
