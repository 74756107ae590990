/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what records do not hold. One question after the other; an answer that does not come leaves what was known. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "clusterset/set.h"
#include "kube/query.h"
#include "json/jx.h"

enum { PATH_MAX_BYTES = 1024, COREFILE_MAX = 2 * 1048576 };

/* It lives with the client's answers, and so may outlive the member. */
struct set_reading {
    struct cluster_task task; /* first: the two addresses are one */
    struct manager *manager;
    struct set_facts facts; /* what is found */
    json_t *known;          /* services that were read before */
    json_t *wanted;         /* keys of Services that are still to be read */
    char *key;              /* of the Service that is being read */
    char member[];
};

static const struct gvr configmaps = {"", "v1", "configmaps", "ConfigMap", true};

/* --- when --- */

static uint64_t mix(uint64_t h, const struct kube_meta *m)
{
    h = str_hash_more(h, str_or(m->ns, ""));
    h = str_hash_more(h, m->name);
    h = str_hash_more(h, str_or(m->uid, ""));
    return str_hash_more(h, str_or(m->rv, ""));
}

/* A sum: records come in no order. */
static uint64_t records_hash(struct cluster *c)
{
    const struct records *exports = cluster_records(c, set_exports());
    const struct records *imports = cluster_records(c, set_imports());
    const struct records *services = set_records(c, "v1", "Service");
    const struct kube_record *r;
    uint64_t sum = 1;
    for (size_t at = 0; exports && (r = records_next(exports, &at));) {
        struct kube_view e, s;
        kube_record_view(r, &e);
        sum += mix(1, &e.meta);
        if (services && records_view(services, e.meta.ns, e.meta.name, &s))
            sum += mix(2, &s.meta);
    }
    for (size_t at = 0; imports && (r = records_next(imports, &at));) {
        struct kube_view v;
        kube_record_view(r, &v);
        sum += v.meta.managed ? mix(3, &v.meta) : 0;
    }
    return sum;
}

/* --- facts --- */

void set_facts_done(struct set_facts *f)
{
    json_decref(f->exports);
    json_decref(f->imports);
    json_decref(f->services);
    json_decref(f->corefile);
    free(f->problem);
    *f = (struct set_facts){0};
}

static void take(json_t **to, json_t **from)
{
    json_decref(*to);
    *to = STEAL(*from);
}

/* Their statuses decide about nothing. */
static bool same_exports(const json_t *a, json_t *b)
{
    const char *key;
    json_t *o;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach (b, key, o) {
        const json_t *other = json_object_get(a, key);
        if (!other || !str_eq(jx_str(o, "created"), jx_str(other, "created")))
            return false;
    }
    return true;
}

static void take_facts(struct set_facts *to, struct set_facts *from)
{
    bool same = to->read && same_exports(to->exports, from->exports) &&
                json_equal(to->services, from->services);
    take(&to->exports, &from->exports);
    take(&to->imports, &from->imports);
    take(&to->services, &from->services);
    take(&to->corefile, &from->corefile);
    to->dns_forbidden = from->dns_forbidden;
    to->of = from->of;
    to->read = true;
    xfreep(&to->problem);
    to->rev += !same;
}

/* --- answers --- */

static bool status_is_ours(const json_t *o)
{
    size_t i;
    json_t *m;
    json_array_foreach (jx_get(o, "metadata.managedFields"), i, m) {
        if (str_eq(jx_str(m, "manager"), KUBE_FIELD_MANAGER) &&
            str_eq(jx_str(m, "subresource"), "status"))
            return true;
    }
    return false;
}

static char *key_of(const json_t *o)
{
    const char *ns = jx_str(o, "metadata.namespace"), *name = jx_str(o, "metadata.name");
    return ns && name ? xasprintf("%s/%s", ns, name) : NULL;
}

/* What is kept of a ServiceExport or ServiceImport. */
static json_t *index_list(const json_t *list)
{
    json_t *all = json_object();
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(list, "items"), i, o) {
        auto_free char *key = key_of(o);
        if (!key)
            continue;
        json_object_set_new(all, key,
                            json_pack("{s:s*, s:i, s:b, s:O*}", "created",
                                      jx_str(o, "metadata.creationTimestamp"), "generation",
                                      (int)jx_int(o, "metadata.generation", 0), "ours",
                                      status_is_ours(o), "status", json_object_get(o, "status")));
    }
    return all;
}

static void reading_free(struct set_reading *r)
{
    set_facts_done(&r->facts);
    json_decref(r->known);
    json_decref(r->wanted);
    free(r->key);
    free(r);
}

static struct member *member_of(const struct set_reading *r)
{
    struct member *mb;
    HASH_FIND_STR(r->manager->members, r->member, mb);
    return mb && mb->set && mb->set->facts.reading == r ? mb : NULL;
}

static void drop(struct cluster_task *t)
{
    struct set_reading *r = (struct set_reading *)(void *)t;
    struct member *mb = member_of(r);
    if (mb)
        mb->set->facts.reading = NULL;
    reading_free(r);
}

static void end(struct set_reading *r, const struct err *err)
{
    struct member *mb = member_of(r);
    struct cluster *c = r->task.cluster;
    cluster_task_end(&r->task);
    if (mb) {
        struct set_facts *f = &mb->set->facts;
        f->reading = NULL;
        if (err) {
            free(f->problem);
            f->problem = xstrdup(err->msg);
        } else {
            take_facts(f, &r->facts);
        }
        cluster_touch(c);
    }
    reading_free(r);
}

static bool unanswerable(const struct err *err)
{
    return err->class == ERR_NOT_FOUND || err->class == ERR_FORBIDDEN;
}

static void get(struct set_reading *r, const char *path, kube_call_cb *cb)
{
    struct kube_request q = {.method = "GET", .path = path};
    kube_call(r->task.cluster->client, &q, cb, r);
}

/* --- the Corefile, last --- */

static void on_corefile(void *arg, const struct kube_response *a, const struct err *err)
{
    struct set_reading *r = arg;
    const char *text = err ? NULL : jx_str(a->body, "data.Corefile");
    if (err && !unanswerable(err)) {
        end(r, err);
        return;
    }
    r->facts.dns_forbidden = err && err->class == ERR_FORBIDDEN;
    if (text && strlen(text) <= COREFILE_MAX)
        r->facts.corefile = json_pack("{s:s*, s:s}", "rv",
                                      jx_str(a->body, "metadata.resourceVersion"), "text", text);
    end(r, NULL);
}

/* --- Services --- */

static void next_service(struct set_reading *r);

static void on_service(void *arg, const struct kube_response *a, const struct err *err)
{
    struct set_reading *r = arg;
    if (err && err->class != ERR_NOT_FOUND) {
        end(r, err);
        return;
    }
    if (!err)
        json_object_set_new(r->facts.services, r->key,
                            json_pack("{s:s*, s:O*}", "rv",
                                      jx_str(a->body, "metadata.resourceVersion"), "spec",
                                      json_object_get(a->body, "spec")));
    next_service(r);
}

static void next_service(struct set_reading *r)
{
    size_t n = json_array_size(r->wanted);
    if (n == 0) {
        auto_free char *path = gvr_path(&configmaps, SET_DNS_NAMESPACE, SET_DNS_CONFIGMAP);
        get(r, path, on_corefile);
        return;
    }
    free(r->key);
    r->key = xstrdup(json_string_value(json_array_get(r->wanted, n - 1)));
    json_array_remove(r->wanted, n - 1);
    auto_free char *ns = xstrndup(r->key, strcspn(r->key, "/"));
    auto_free char *path = gvr_path(plan_gvr("v1", "Service"), ns, r->key + strlen(ns) + 1);
    get(r, path, on_service);
}

/* Those that are as they were are not read again. */
static void plan_services(struct set_reading *r)
{
    const struct records *all = set_records(r->task.cluster, "v1", "Service");
    const char *key;
    json_t *o;
    r->facts.services = json_object();
    r->wanted = json_array();
    json_object_foreach (r->facts.exports, key, o) {
        auto_free char *ns = xstrndup(key, strcspn(key, "/"));
        struct kube_view v;
        json_t *known = json_object_get(r->known, key);
        if (!all || !records_view(all, ns, key + strlen(ns) + 1, &v))
            continue;
        if (known && v.meta.rv && str_eq(jx_str(known, "rv"), v.meta.rv))
            json_object_set(r->facts.services, key, known);
        else
            json_array_append_new(r->wanted, json_string(key));
    }
}

/* --- lists, first --- */

static void on_imports(void *arg, const struct kube_response *a, const struct err *err)
{
    struct set_reading *r = arg;
    if (err && !unanswerable(err)) {
        end(r, err);
        return;
    }
    r->facts.imports = index_list(err ? NULL : a->body);
    plan_services(r);
    next_service(r);
}

static void on_exports(void *arg, const struct kube_response *a, const struct err *err)
{
    struct set_reading *r = arg;
    if (err && err->class != ERR_NOT_FOUND) {
        end(r, err);
        return;
    }
    r->facts.exports = index_list(err ? NULL : a->body);
    auto_buf path = BUF_INIT(PATH_MAX_BYTES);
    auto_free char *all = gvr_path(set_imports(), NULL, NULL);
    buf_puts(&path, all);
    kube_query_add(&path, "labelSelector", PLAN_LABEL_MANAGED_BY "=" PLAN_MANAGED_BY);
    get(r, path.data, on_imports);
}

static bool is_due(const struct set_facts *f, uint64_t of, int64_t now)
{
    int64_t age = now - f->began_ms;
    if (f->reading)
        return false;
    if (!f->began_ms)
        return true;
    if (f->problem)
        return age >= SET_READ_AGAIN_MS;
    return !f->read || f->of != of || age >= SET_READ_EVERY_MS;
}

void set_read(struct set_pass *p)
{
    struct set_facts *f = &p->s->facts;
    int64_t now = clock_ms(p->mb->manager->clock);
    set_again(p, f->problem ? SET_READ_AGAIN_MS : SET_READ_EVERY_MS);
    if (!cluster_ready(p->c))
        return;
    uint64_t of = records_hash(p->c);
    if (!is_due(f, of, now))
        return;
    struct set_reading *r = xcalloc(1, sizeof *r + strlen(p->mb->key) + 1);
    memcpy(r->member, p->mb->key, strlen(p->mb->key) + 1);
    r->manager = p->mb->manager;
    r->known = json_incref(f->services);
    r->facts.of = of;
    f->began_ms = now;
    f->reading = r;
    cluster_task_begin(p->c, &r->task, drop);
    auto_free char *path = gvr_path(set_exports(), NULL, NULL);
    get(r, path, on_exports);
}
