/* SPDX-License-Identifier: Apache-2.0 */
#include "kubesim/kubesim.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "kubesim/certs.h"
#include "json/jx.h"

enum { HISTORY = 1000, BOOKMARK_MS = 60000, CA_VALID_S = 10 * 365 * 86400 };

/* --- servers --- */

static char *random_hex(size_t bytes)
{
    unsigned char b[64];
    char *s = xmalloc(2 * bytes + 1);
    RAND_bytes(b, (int)bytes);
    str_hex(b, bytes, s);
    return s;
}

struct kubesim *kubesim_core_new(uv_loop_t *loop, const struct kubesim_opts *o, struct err *err)
{
    struct kubesim *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->opts = *o;
    if (!s->opts.history)
        s->opts.history = HISTORY;
    if (!s->opts.bookmark_ms)
        s->opts.bookmark_ms = BOOKMARK_MS;
    s->token = random_hex(16);
    if (RAND_bytes(s->secret, sizeof s->secret) != 1) {
        err_set(err, ERR_BUG, 0, "no random numbers");
        kubesim_free(s);
        return NULL;
    }
    return s;
}

static int listen_with(struct kubesim *s, const struct pki_pair *ca, struct err *err)
{
    auto_pki_pair server = {0};
    if (sim_server_cert(ca, &server, err) < 0)
        return -1;
    struct sim_listener_opts o = {
        .address = str_or(s->opts.address, "127.0.0.1"),
        .port = s->opts.port,
        .cert = server.cert,
        .key = server.key,
        .client_ca = ca->cert,
        .handler = sim_api_handle,
        .arg = s,
    };
    s->listener = sim_listener_new(s->loop, &o, err);
    return s->listener ? 0 : -1;
}

struct kubesim *kubesim_new(uv_loop_t *loop, const struct kubesim_opts *o, struct err *err)
{
    auto_pki_pair ca = {0};
    int64_t now = clock_s(&clock_system);
    struct kubesim *s = kubesim_core_new(loop, o, err);
    if (!s)
        return NULL;
    if (pki_root_new("kubesim", "kubesim", now - 3600, now + CA_VALID_S, &ca, err) < 0 ||
        listen_with(s, &ca, err) < 0) {
        kubesim_free(s);
        return NULL;
    }
    s->ca = STEAL(ca.cert);
    return s;
}

static void cluster_free(struct sim_cluster *c)
{
    struct sim_collection *at, *next;
    HASH_ITER (hh, c->collections, at, next) {
        sim_watches_end(at);
        HASH_DEL(c->collections, at);
        sim_collection_free(at);
    }
    struct sim_kind *k, *next_kind;
    sim_cluster_tidy(c);
    HASH_ITER (hh, c->custom, k, next_kind) {
        HASH_DEL(c->custom, k);
        sim_kind_free(k);
    }
    free(c->name);
    free(c);
}

void kubesim_free(struct kubesim *s)
{
    if (!s)
        return;
    struct sim_cluster *c, *next;
    HASH_ITER (hh, s->clusters, c, next) {
        HASH_DEL(s->clusters, c);
        cluster_free(c);
    }
    if (s->listener)
        sim_listener_free(s->listener);
    sim_schemas_forget();
    OPENSSL_cleanse(s->secret, sizeof s->secret);
    xfree_secret(s->token);
    free(s->ca);
    free(s);
}

/* --- clusters --- */

struct sim_cluster *kubesim_cluster(const struct kubesim *s, const char *name)
{
    struct sim_cluster *c;
    HASH_FIND_STR(s->clusters, name, c);
    return c;
}

static void add_namespace(struct sim_cluster *c, const char *name)
{
    char uid[SIM_UUID], now[CLOCK_RFC3339_MAX];
    struct sim_collection *at = sim_cluster_builtin(c, "", "namespaces");
    sim_uuid(uid);
    sim_now(now);
    auto_json *tree =
        json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "kind", "Namespace", "apiVersion", "v1",
                  "metadata", "name", name, "uid", uid, "creationTimestamp", now);
    struct sim_apply a = {
        .group = "", .version = "v1", .kind = "Namespace", .manager = "kube-apiserver", .now = now};
    sim_default_decode(c, at->kind, "v1", tree);
    sim_track_update(&a, NULL, tree);
    sim_default_store(c, at->kind, tree, NULL);
    sim_cluster_put(c, at, tree);
}

int kubesim_add_cluster(struct kubesim *s, const char *name, struct err *err)
{
    static const char *const namespaces[] = {"kube-system", "kube-public", "default",
                                             "kube-node-lease"};
    if (!*name || strchr(name, '/'))
        return err_set(err, ERR_INVALID, 0, "\"%s\" is no name for a cluster", name);
    if (kubesim_cluster(s, name))
        return err_set(err, ERR_INVALID, 0, "there is a cluster %s already", name);
    struct sim_cluster *c = xcalloc(1, sizeof *c);
    c->name = xstrdup(name);
    c->sim = s;
    c->version = 1;
    c->number = HASH_COUNT(s->clusters);
    HASH_ADD_KEYPTR(hh, s->clusters, c->name, strlen(c->name), c);
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
        add_namespace(c, namespaces[i]);
    return 0;
}

char *kubesim_kubeconfig(const struct kubesim *s, const char *cluster)
{
    auto_free char *ca = jx_b64(str_or(s->ca, ""), strlen(str_or(s->ca, "")));
    return xasprintf("apiVersion: v1\n"
                     "kind: Config\n"
                     "current-context: %s\n"
                     "contexts:\n"
                     "- name: %s\n"
                     "  context: {cluster: %s, user: admin, namespace: default}\n"
                     "clusters:\n"
                     "- name: %s\n"
                     "  cluster:\n"
                     "    server: https://%s:%d/clusters/%s\n"
                     "    certificate-authority-data: %s\n"
                     "users:\n"
                     "- name: admin\n"
                     "  user:\n"
                     "    token: %s\n",
                     cluster, cluster, cluster, cluster, str_or(s->opts.address, "127.0.0.1"),
                     s->listener ? sim_listener_port(s->listener) : 0, cluster, ca, s->token);
}

json_t *kubesim_do(struct kubesim *s, const char *cluster, const char *method, const char *path,
                   const char *content_type, const char *body, int *status)
{
    auto_buf answer = BUF_INIT(JX_BYTES_MAX);
    auto_free char *bearer = xasprintf("Bearer %s", s->token);
    auto_free char *plain = xstrndup(path, strcspn(path, "?"));
    const char *query = strchr(path, '?');
    struct sim_request q = {
        .cluster = cluster,
        .method = method,
        .path = plain,
        .query = query ? query + 1 : "",
        .accept = SIM_JSON,
        .content_type = str_or(content_type, SIM_JSON),
        .authorization = bearer,
        .body = str_or(body, ""),
        .body_len = strlen(str_or(body, "")),
    };
    struct sim_cluster *c = kubesim_cluster(s, cluster);
    uint64_t requests = c ? c->stats.requests : 0;
    *status = sim_local(s->listener, &q, &answer);
    if (c)
        c->stats.requests = requests;
    return answer.len ? jx_load(answer.data, answer.len, NULL) : NULL;
}

/* --- faults, counts --- */

unsigned kubesim_add_rule(struct kubesim *s, const struct sim_rule *r)
{
    return sim_listener_add_rule(s->listener, r);
}

void kubesim_remove_rule(struct kubesim *s, unsigned id)
{
    sim_listener_remove_rule(s->listener, id);
}

static void add(struct kubesim_stats *to, const struct kubesim_stats *s)
{
    to->requests += s->requests;
    to->writes += s->writes;
    to->noops += s->noops;
    to->lists += s->lists;
    to->watches += s->watches;
    to->objects += s->objects;
}

void kubesim_stats(const struct kubesim *s, const char *cluster, struct kubesim_stats *ret)
{
    *ret = (struct kubesim_stats){0};
    const struct sim_cluster *one = cluster ? kubesim_cluster(s, cluster) : NULL;
    if (one)
        *ret = one->stats;
    for (const struct sim_cluster *c = cluster ? NULL : s->clusters; c; c = c->hh.next)
        add(ret, &c->stats);
}

/* --- the whole state --- */

static void forget_times(json_t *tree)
{
    static const char *const changing[] = {"uid", "resourceVersion", "creationTimestamp",
                                           "deletionTimestamp"};
    json_t *metadata = jx_get(tree, "metadata"), *v;
    size_t i;
    for (i = 0; i < sizeof changing / sizeof *changing; i++)
        json_object_del(metadata, changing[i]);
    json_array_foreach (json_object_get(metadata, "managedFields"), i, v)
        json_object_del(v, "time");
    json_array_foreach (jx_get(tree, "status.conditions"), i, v) {
        json_object_del(v, "lastTransitionTime");
        json_object_del(v, "lastUpdateTime");
    }
}

static int by_kind(const void *a, const void *b)
{
    const struct sim_collection *const *x = a, *const *y = b;
    int r = strcmp((*x)->kind->kind, (*y)->kind->kind);
    return r ? r : strcmp((*x)->kind->group, (*y)->kind->group);
}

json_t *kubesim_dump(const struct kubesim *s, const char *cluster)
{
    const struct sim_cluster *c = kubesim_cluster(s, cluster);
    json_t *all = json_array();
    size_t n = c ? HASH_COUNT(c->collections) : 0, i = 0;
    struct sim_collection **sorted = xcalloc(n, sizeof(struct sim_collection *));
    for (struct sim_collection *at = n ? c->collections : NULL; at; at = at->hh.next)
        sorted[i++] = at;
    qsort(sorted, n, sizeof *sorted, by_kind);
    for (i = 0; i < n; i++) {
        const struct sim_kind *k = sorted[i]->kind;
        auto_free char *api_version = sim_api_version(k->group, k->version);
        for (size_t o = 0; o < sorted[i]->count; o++) {
            json_t *tree =
                sim_object_tree(sorted[i]->objects[o], k, api_version, SIM_VIEW_WHOLE, 0);
            forget_times(tree);
            json_array_append_new(all, tree);
        }
    }
    free(sorted);
    return all;
}
