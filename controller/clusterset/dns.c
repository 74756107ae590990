/* SPDX-License-Identifier: Apache-2.0 */
/* clusterset.local in CoreDNS: our lines in its Corefile, which is the user's. Written with the resourceVersion that
 * was read as a precondition, and never owned: no label, no field of server-side apply. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "clusterset/set.h"
#include "json/jx.h"

enum { DNS_AGAIN_MS = 5000 };

static const struct gvr configmaps = {"", "v1", "configmaps", "ConfigMap", true};

static const char *text_of(const struct set_member *s)
{
    return jx_str(s->facts.corefile, "text");
}

bool set_dns_clean(const struct set_member *s)
{
    auto_free char *text = NULL;
    if (!s->facts.read || s->dns_writing)
        return false;
    return !text_of(s) || mcs_corefile_edit(text_of(s), false, &text) != MCS_COREFILE_CHANGED;
}

/* --- writing --- */

/* It lives with the client's answers. */
struct dns_write {
    struct cluster_task task; /* first: the two addresses are one */
    struct manager *manager;
    char member[];
};

static void finish(struct dns_write *w)
{
    struct member *mb;
    HASH_FIND_STR(w->manager->members, w->member, mb);
    if (mb && mb->set) {
        mb->set->dns_writing = false;
        mb->set->facts.of = 0; /* to be read anew, whatever came of it */
    }
    free(w);
}

static void drop(struct cluster_task *t)
{
    finish((struct dns_write *)(void *)t);
}

static void on_written(void *arg, const struct kube_response *r, const struct err *err)
{
    struct dns_write *w = arg;
    struct cluster *c = w->task.cluster;
    (void)r;
    cluster_task_end(&w->task);
    if (err)
        log_debug("Corefile not written", "cluster", c->name, "error", err->msg);
    else if (c->written)
        c->written(c->arg);
    finish(w);
    cluster_touch(c);
}

static void write_corefile(struct set_pass *p, const char *text)
{
    auto_free char *path = gvr_path(&configmaps, SET_DNS_NAMESPACE, SET_DNS_CONFIGMAP);
    auto_free char *url = xasprintf("%s?fieldManager=meshwright-dns", path);
    auto_json *patch = json_pack("{s:{s:s*}, s:{s:s}}", "metadata", "resourceVersion",
                                 jx_str(p->s->facts.corefile, "rv"), "data", "Corefile", text);
    auto_free char *body = jx_dump(patch);
    struct kube_request q = {.method = "PATCH",
                             .path = url,
                             .content_type = KUBE_MERGE_PATCH,
                             .body = body,
                             .accept = KUBE_ACCEPT_METADATA};
    struct dns_write *w = xcalloc(1, sizeof *w + strlen(p->mb->key) + 1);
    memcpy(w->member, p->mb->key, strlen(p->mb->key) + 1);
    w->manager = p->mb->manager;
    p->s->dns_writing = true;
    cluster_task_begin(p->c, &w->task, drop);
    kube_call(p->c->client, &q, on_written, w);
}

/* --- */

static void say(struct set_pass *p, enum cond_status status, const char *reason,
                const char *message)
{
    set_say(p->s, &p->s->dns, status, reason, message);
}

/* What somebody has to do by hand. */
static void say_by_hand(struct set_pass *p, const char *reason, const char *why)
{
    auto_free char *block = mcs_corefile_block(NULL, "    ");
    say(p, COND_FALSE, reason,
        arena_printf(p->arena,
                     "%s; next: put these lines into the server block of CoreDNS that has the "
                     "plugin kubernetes:\n%s",
                     why, block));
}

static void edit(struct set_pass *p, bool present)
{
    auto_free char *text = NULL;
    int64_t now = clock_ms(p->mb->manager->clock);
    switch (mcs_corefile_edit(text_of(p->s), present, &text)) {
    case MCS_COREFILE_SAME:
        say(p, COND_TRUE, "Configured", "CoreDNS answers for clusterset.local");
        return;
    case MCS_COREFILE_UNKNOWN:
        say_by_hand(p, "CorefileUnknown",
                    "the Corefile in ConfigMap kube-system/coredns has no server block for all "
                    "names with the plugin kubernetes, or only a part of our lines");
        return;
    case MCS_COREFILE_CHANGED:
        break;
    }
    say(p, COND_FALSE, "Reconciling", "the Corefile is being changed");
    if (p->s->dns_writing || p->s->facts.reading || !applier_has_room(p->c))
        return;
    if (now < p->s->dns_ms) {
        set_again(p, p->s->dns_ms - now);
        return;
    }
    p->s->dns_ms = now + DNS_AGAIN_MS;
    write_corefile(p, text);
}

void set_dns(struct set_pass *p)
{
    const struct set_facts *f = &p->s->facts;
    if (!f->read)
        return;
    if (text_of(p->s))
        edit(p, p->name != NULL);
    else if (f->dns_forbidden)
        say_by_hand(p, "Forbidden", "ConfigMap kube-system/coredns may not be read");
    else
        say_by_hand(p, "CoreDNSNotFound",
                    "there is no ConfigMap kube-system/coredns with a Corefile");
}
