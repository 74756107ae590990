/* SPDX-License-Identifier: Apache-2.0 */
/* From a path and a method to what is to be done; who may ask. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

enum { PARTS_MAX = 12 };

struct path {
    char *text; /* cut in place */
    char *parts[PARTS_MAX];
    size_t n;
};

/* False: too many parts, or an empty one. A slash at the end is fine. */
static bool split(const char *text, struct path *ret)
{
    *ret = (struct path){.text = xstrdup(text)};
    char *s = ret->text;
    if (*s++ != '/')
        return false;
    while (*s) {
        size_t n = strcspn(s, "/");
        if (n == 0 || ret->n == PARTS_MAX)
            return false;
        ret->parts[ret->n++] = s;
        s += n;
        if (*s)
            *s++ = '\0';
    }
    return true;
}

static void fail_path(struct sim_call *c)
{
    sim_answer_text(c, 404, "404 page not found\n");
}

/* --- who asks --- */

static bool is_open(const char *path)
{
    return str_eq(path, "/healthz") || str_eq(path, "/livez") || str_eq(path, "/readyz") ||
           str_eq(path, "/version");
}

static bool may_ask(struct sim_call *c)
{
    static const char bearer[] = "Bearer ";
    const char *a = c->q->authorization;
    if (strncasecmp(a, bearer, strlen(bearer)) != 0)
        return c->q->client_cn || is_open(c->q->path); /* wrong credentials are worse than none */
    a += strlen(bearer);
    return str_eq(a, c->sim->token) || sim_token_valid(c->cluster, a);
}

/* --- resources --- */

static bool group_known(const char *group)
{
    const struct sim_kind *k;
    for (size_t i = 0; (k = sim_builtin(i)); i++)
        if (str_eq(k->group, group))
            return true;
    return false;
}

/* The parts after group and version: [namespaces/<ns>/]<plural>[/<name>[/<subresource>]]. */
static void locate(struct sim_call *c, const char *group, char *const *parts, size_t n)
{
    const char *plural = parts[0];
    bool of_namespace = n == 3 && str_eq(parts[0], "namespaces") &&
                        (str_eq(parts[2], "status") || str_eq(parts[2], "finalize"));
    if (n >= 3 && str_eq(parts[0], "namespaces") && !of_namespace) {
        c->ns = parts[1];
        plural = parts[2];
        parts += 2;
        n -= 2;
    }
    c->kind = n <= 3 ? sim_cluster_kind(c->cluster, group, plural) : NULL;
    c->name = n > 1 ? parts[1] : NULL;
    c->sub = n > 2 ? parts[2] : NULL;
    if (c->kind && !sim_kind_serves(c->kind, c->version, NULL))
        c->kind = NULL;
    bool namespaced = c->kind && c->kind->traits & SIM_NAMESPACED;
    if (c->kind && (namespaced ? c->name && !c->ns : c->ns != NULL))
        c->kind = NULL;
}

static void dispatch_object(struct sim_call *c)
{
    const char *m = c->q->method;
    if (str_eq(m, "GET"))
        sim_get(c);
    else if (str_eq(m, "PUT"))
        sim_put(c);
    else if (str_eq(m, "PATCH"))
        sim_patch(c);
    else if (str_eq(m, "DELETE") && !c->sub)
        sim_delete(c);
    else
        sim_fail_method(c);
}

static void dispatch_collection(struct sim_call *c)
{
    const char *m = c->q->method;
    bool placed = c->ns || !(c->kind->traits & SIM_NAMESPACED);
    if (str_eq(m, "GET") && sim_query_true(&c->query, "watch"))
        sim_watch_begin(c);
    else if (str_eq(m, "GET"))
        sim_list(c);
    else if (str_eq(m, "POST") && placed)
        sim_post(c);
    else if (str_eq(m, "DELETE") && placed && !(c->kind->traits & SIM_NO_COLLECTION))
        sim_delete_collection(c);
    else
        sim_fail_method(c);
}

static void fail_accept(struct sim_call *c)
{
    c->accept = (struct sim_accept){.ok = true};
    sim_fail(c, 406, "NotAcceptable", json_object(),
             "406: Not Acceptable\n\nAvailable representations: application/json, "
             "application/yaml, application/vnd.kubernetes.protobuf, "
             "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch");
}

static void dispatch(struct sim_call *c)
{
    sim_accept_parse(c->q->accept, c->kind, &c->accept);
    if (!c->accept.ok) {
        fail_accept(c);
        return;
    }
    c->at = sim_cluster_collection(c->cluster, c->kind);
    if (c->sub && str_eq(c->sub, "token") && str_eq(c->kind->plural, "serviceaccounts"))
        sim_token_request(c);
    else if (c->sub && !(str_eq(c->sub, "status") && sim_serves_status(c->kind, c->version)))
        sim_fail_route(c);
    else if (c->name)
        dispatch_object(c);
    else
        dispatch_collection(c);
}

static void resource(struct sim_call *c, const char *group, char *const *parts, size_t n)
{
    if (sim_review(c, group, parts[0]) || (!*group && sim_istiod_proxy(c, parts, n)))
        return;
    locate(c, group, parts, n);
    if (c->kind)
        dispatch(c);
    else if (group_known(group))
        sim_fail_route(c);
    else
        fail_path(c);
}

static void route(struct sim_call *c)
{
    struct path p;
    bool fine = split(c->q->path, &p);
    bool core = p.n > 2 && str_eq(p.parts[0], "api"),
         grouped = p.n > 3 && str_eq(p.parts[0], "apis");
    if (!fine) {
        fail_path(c);
    } else if (core || grouped) {
        const char *group = core ? "" : p.parts[1];
        size_t skip = core ? 2 : 3;
        c->version = p.parts[skip - 1];
        c->api_version = sim_api_version(group, c->version);
        resource(c, group, p.parts + skip, p.n - skip);
        free(c->api_version);
    } else if (!str_eq(c->q->method, "GET") || !sim_discover(c, p.parts, p.n)) {
        fail_path(c);
    }
    free(p.text);
}

void sim_api_handle(void *arg, struct sim_exchange *x, const struct sim_request *q)
{
    struct kubesim *s = arg;
    struct sim_call c = {.sim = s, .x = x, .q = q, .cluster = kubesim_cluster(s, q->cluster)};
    if (!c.cluster) {
        fail_path(&c);
        return;
    }
    if (s->opts.seen)
        s->opts.seen(s->opts.seen_arg, q);
    sim_cluster_tidy(c.cluster);
    c.cluster->stats.requests++;
    sim_now(c.now);
    sim_query_parse(q->query, &c.query);
    if (may_ask(&c))
        route(&c);
    else
        sim_fail(&c, 401, "Unauthorized", NULL, "Unauthorized");
    sim_query_done(&c.query);
}
