/* SPDX-License-Identifier: Apache-2.0 */
#include "membercluster/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cidr.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/query.h"
#include "membercluster/member.h"
#include "plan/plan.h"
#include "json/jx.h"

/* A Node is some 10 kB of JSON, most of it names of images. */
enum {
    NODES_PAGE = 25,
    NODES_PAGES_MAX = 40,
    ANSWER_MAX = 4 * 1048576,
    PATH_MAX_BYTES = 65536,
    READ_RANGES_MAX = NODES_PAGE * NODES_PAGES_MAX * 2,
};

/* One reading: questions one after the other. It lives with the client's answers, and so outlives the member. */
struct facts_reading {
    struct cluster_task task;
    struct manager *manager;
    int step, page;
    struct cidr *ranges; /* of the question that is being answered */
    size_t n_ranges;
    struct member_facts facts; /* what is found */
    char key[];
};

/* --- lists of strings --- */

static void list_free(char **list)
{
    for (char **s = list; *s; s++)
        xfreep(s);
}

static bool list_equal(char *const *a, char *const *b)
{
    for (; *a && str_eq(*a, *b); a++, b++)
        ;
    return !*a && !*b;
}

/* Moves from into to; true when that is a change. */
static bool list_take(char **to, char **from, size_t size)
{
    bool same = list_equal(to, from);
    list_free(to);
    memcpy(to, from, size);
    memset(from, 0, size);
    return !same;
}

void member_facts_done(struct member_facts *f)
{
    list_free(f->pod_ranges);
    list_free(f->service_ranges);
    list_free(f->foreign_istiods);
}

/* --- answers --- */

static void add_ranges(struct facts_reading *r, const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach (list, i, v) {
        const char *text = json_string_value(v);
        if (text && r->n_ranges < READ_RANGES_MAX && cidr_parse(text, &r->ranges[r->n_ranges]) == 0)
            r->n_ranges++;
    }
}

static void take_ranges(struct facts_reading *r, char **out)
{
    char text[CIDR_TEXT_MAX];
    size_t n = cidr_merge(r->ranges, r->n_ranges);
    for (size_t i = 0; i < n && i < FACTS_RANGES_MAX; i++) {
        cidr_format(&r->ranges[i], text);
        out[i] = xstrdup(text);
    }
    r->n_ranges = 0;
}

/* Nodes without ranges: the network plugin has its own ways, and the other pages would say as little. */
static bool take_nodes(struct facts_reading *r, const json_t *answer)
{
    size_t i;
    json_t *node;
    json_array_foreach (json_object_get(answer, "items"), i, node) {
        add_ranges(r, jx_get(node, "spec.podCIDRs"));
    }
    const char *more = jx_str(answer, "metadata.continue");
    if (more && *more && r->n_ranges > 0 && ++r->page < NODES_PAGES_MAX)
        return false;
    take_ranges(r, r->facts.pod_ranges);
    return true;
}

static bool take_services(struct facts_reading *r, const json_t *answer)
{
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(answer, "items"), i, o) {
        add_ranges(r, jx_get(o, "spec.cidrs"));
    }
    take_ranges(r, r->facts.service_ranges);
    return true;
}

static bool take_istiods(struct facts_reading *r, const json_t *answer)
{
    size_t i, n = 0;
    json_t *o;
    json_array_foreach (json_object_get(answer, "items"), i, o) {
        const char *ns = jx_str(o, "metadata.namespace"), *name = jx_str(o, "metadata.name");
        bool ours = str_eq(jx_str2(o, "metadata.labels", PLAN_LABEL_MANAGED_BY), PLAN_MANAGED_BY) &&
                    jx_str2(o, "metadata.labels", PLAN_LABEL_OWNER_UID);
        if (ns && name && !ours && n < FACTS_ISTIODS_MAX)
            r->facts.foreign_istiods[n++] = xasprintf("%s/%s", ns, name);
    }
    return true;
}

static const struct question {
    const char *path, *accept;
    bool (*take)(struct facts_reading *r, const json_t *answer); /* true: the next question */
} questions[] = {
    {"/api/v1/nodes?limit=25", NULL, take_nodes},
    {"/apis/networking.k8s.io/v1/servicecidrs?limit=64", NULL, take_services},
    {"/apis/apps/v1/deployments?labelSelector=app%3Distiod&limit=64", KUBE_ACCEPT_METADATA_LIST,
     take_istiods},
};
enum { QUESTIONS = sizeof questions / sizeof *questions };

/* --- one after the other --- */

static void reading_free(struct facts_reading *r)
{
    member_facts_done(&r->facts);
    free(r->ranges);
    free(r);
}

static struct member *member_of(const struct manager *m, const char *key)
{
    struct member *mb;
    HASH_FIND_STR(m->members, key, mb);
    return mb;
}

static void detach(struct facts_reading *r)
{
    struct member *mb = member_of(r->manager, r->key);
    if (mb && mb->facts.reading == r)
        mb->facts.reading = NULL;
}

static void drop(struct cluster_task *t)
{
    struct facts_reading *r = (struct facts_reading *)(void *)t;
    detach(r);
    reading_free(r);
}

static void finish(struct facts_reading *r)
{
    struct member *mb = member_of(r->manager, r->key);
    struct cluster *c = r->task.cluster;
    cluster_task_end(&r->task);
    bool mine = mb && mb->facts.reading == r;
    detach(r);
    if (mine) {
        struct member_facts *f = &mb->facts;
        bool ranges = list_take(f->pod_ranges, r->facts.pod_ranges, sizeof f->pod_ranges);
        ranges |= list_take(f->service_ranges, r->facts.service_ranges, sizeof f->service_ranges);
        bool changed = ranges || !f->read;
        changed |=
            list_take(f->foreign_istiods, r->facts.foreign_istiods, sizeof f->foreign_istiods);
        f->read = true;
        f->rev += changed;
        r->manager->sites_rev += changed;
        if (changed)
            cluster_touch(c);
        if (ranges) /* meshes of other clusters on this network look at them too */
            manager_enqueue_meshes(r->manager, mb->ns, MANAGER_CHANGE_MS);
    }
    reading_free(r);
}

static void again(struct member *mb)
{
    mb->facts.began_ms += FACTS_AGAIN_MS - FACTS_EVERY_MS;
    manager_enqueue(mb->manager, API_KIND_MEMBER_CLUSTER, mb->key, FACTS_AGAIN_MS);
}

/* The cluster did not answer: what was known stays. */
static void break_off(struct facts_reading *r)
{
    struct member *mb = member_of(r->manager, r->key);
    if (mb && mb->facts.reading == r)
        again(mb);
    cluster_task_end(&r->task);
    detach(r);
    reading_free(r);
}

static void ask(struct facts_reading *r, const char *more);

static bool unanswerable(const struct err *err)
{
    return err->class == ERR_NOT_FOUND || err->class == ERR_FORBIDDEN || err->class == ERR_INVALID;
}

static void on_answer(void *arg, const struct kube_response *a, const struct err *err)
{
    struct facts_reading *r = arg;
    bool next = true;
    if (err && !unanswerable(err)) {
        break_off(r);
        return;
    }
    if (!err)
        next = questions[r->step].take(r, a->body);
    r->n_ranges = err ? 0 : r->n_ranges;
    r->step += next;
    if (r->step == QUESTIONS)
        finish(r);
    else
        ask(r, next ? NULL : jx_str(a->body, "metadata.continue"));
}

static void ask(struct facts_reading *r, const char *more)
{
    const struct question *x = &questions[r->step];
    auto_buf path = BUF_INIT(PATH_MAX_BYTES);
    buf_append(&path, x->path, strlen(x->path));
    if (more)
        kube_query_add(&path, "continue", more);
    struct kube_request q = {
        .method = "GET", .path = path.data, .accept = x->accept, .max_bytes = ANSWER_MAX};
    kube_call(r->task.cluster->client, &q, on_answer, r);
}

void member_facts_refresh(struct member *mb)
{
    struct member_facts *f = &mb->facts;
    struct cluster *c = manager_cluster(mb->manager, mb->ns, mb->name);
    int64_t now = clock_ms(mb->manager->clock);
    if (!c || !c->client || c->state != CLUSTER_REACHABLE || f->reading ||
        (f->began_ms && now - f->began_ms < FACTS_EVERY_MS))
        return;
    struct facts_reading *r = xcalloc(1, sizeof *r + strlen(mb->key) + 1);
    memcpy(r->key, mb->key, strlen(mb->key) + 1);
    r->manager = mb->manager;
    r->ranges = xcalloc(READ_RANGES_MAX, sizeof *r->ranges);
    f->began_ms = now;
    f->reading = r;
    cluster_task_begin(c, &r->task, drop);
    ask(r, NULL);
}

/* --- for others --- */

const struct member_facts *member_facts_of(const struct manager *m, const char *key)
{
    const struct member *mb = member_of(m, key);
    return mb ? &mb->facts : NULL;
}

const char *const *member_ranges(struct arena *a, const char *const *spec, size_t n,
                                 char *const *read)
{
    if (n == 0)
        return read && *read ? (const char *const *)read : NULL;
    const char **list = arena_array(a, n + 1, sizeof *list);
    memcpy(list, spec, n * sizeof *list);
    return list;
}
