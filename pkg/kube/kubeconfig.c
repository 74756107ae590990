/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/kubeconfig_file.h"
#include "kube/kubeconfig_server.h"
#include "pki/pki.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum { CA_CERTS_MAX = 500, TOKEN_MAX = 65536, NAME_MAX_BYTES = 63 };

static enum kubeconfig_server_rule rule_of(enum kubeconfig_trust trust)
{
    if (trust == KUBECONFIG_OWN)
        return KUBECONFIG_SERVER_OWN;
    return trust == KUBECONFIG_MEMBER_LOCAL ? KUBECONFIG_SERVER_MEMBER_LOCAL
                                            : KUBECONFIG_SERVER_MEMBER;
}

/* Where we are: what a complaint names. */
struct reader {
    enum kubeconfig_trust trust;
    char *field; /* or NULL */
    struct err *err;
};

/* One entry of clusters, users or contexts. */
struct entry {
    char at[96]; /* "users[admin].user" */
    const json_t *body;
};

void kube_config_done(struct kube_config *c)
{
    free(c->server);
    free(c->tls_server_name);
    free(c->ca);
    xfree_secret(c->token);
    free(c->token_file);
    free(c->client_cert);
    xfree_secret(c->client_key);
    free(c->namespace);
    *c = (struct kube_config){0};
}

/* Fails with the field "at.key" (key NULL: at). Names from outside are made fit for a log line. */
static int fail(const struct reader *r, const char *at, const char *key, const char *why)
{
    char field[KUBECONFIG_FIELD_MAX];
    snprintf(field, sizeof field, "%s%s%s", at, *at && key ? "." : "", key ? key : "");
    for (char *p = field; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    if (r->field)
        memcpy(r->field, field, sizeof field);
    return err_set(r->err, ERR_INVALID, 0, "kubeconfig: %s: %s", *field ? field : "document", why);
}

/* An absent, null or empty value says nothing, whatever its key. */
static bool is_set(const json_t *v)
{
    if (json_is_string(v))
        return json_string_length(v) > 0;
    if (json_is_object(v) || json_is_array(v))
        return json_object_size(v) || json_array_size(v);
    return v && !json_is_null(v) && !json_is_false(v);
}

/* A borrowed string, NULL when it is not set; -1 when it is no string. */
static int get_str(const struct reader *r, const struct entry *e, const char *key, const char **ret)
{
    const json_t *v = json_object_get(e->body, key);
    *ret = NULL;
    if (!is_set(v))
        return 0;
    if (!json_is_string(v))
        return fail(r, e->at, key, "must be a string");
    if (strlen(json_string_value(v)) != json_string_length(v))
        return fail(r, e->at, key, "has a zero byte");
    *ret = json_string_value(v);
    return 0;
}

struct refusal {
    const char *key, *why;
};

static const struct refusal cluster_never[] = {
    {"insecure-skip-tls-verify", "an unverified server is not allowed"},
    {"proxy-url", "proxies are not supported"},
    {NULL, NULL},
};
static const struct refusal user_never[] = {
    {"exec", "running programs is not allowed"},
    {"auth-provider", "auth providers are not supported"},
    {"username", "basic authentication is not supported"},
    {"password", "basic authentication is not supported"},
    {"as", "impersonation is not allowed"},
    {"as-uid", "impersonation is not allowed"},
    {"as-groups", "impersonation is not allowed"},
    {"as-user-extra", "impersonation is not allowed"},
    {NULL, NULL},
};
#define FILE_REFUSED "file paths are not allowed, use the -data field"
static const struct refusal cluster_files[] = {{"certificate-authority", FILE_REFUSED},
                                               {NULL, NULL}};
static const struct refusal user_files[] = {
    {"client-certificate", FILE_REFUSED},
    {"client-key", FILE_REFUSED},
    {"tokenFile", "file paths are not allowed, use token"},
    {NULL, NULL},
};

static int refuse(const struct reader *r, const struct entry *e, const struct refusal *table)
{
    for (; table->key; table++)
        if (is_set(json_object_get(e->body, table->key)))
            return fail(r, e->at, table->key, table->why);
    return 0;
}

static int check_cluster(const struct reader *r, const struct entry *e)
{
    const char *server;
    bool member = r->trust != KUBECONFIG_OWN;
    if (refuse(r, e, cluster_never) < 0 || (member && refuse(r, e, cluster_files) < 0) ||
        get_str(r, e, "server", &server) < 0)
        return -1;
    const char *problem =
        server ? kubeconfig_server_problem(server, rule_of(r->trust)) : "is missing";
    return problem ? fail(r, e->at, "server", problem) : 0;
}

static int check_user(const struct reader *r, const struct entry *e)
{
    if (refuse(r, e, user_never) < 0)
        return -1;
    return r->trust != KUBECONFIG_OWN ? refuse(r, e, user_files) : 0;
}

/* The three lists of the document. */
struct section {
    const char *list, *item;
    int (*check)(const struct reader *r, const struct entry *e);
};
static const struct section clusters = {"clusters", "cluster", check_cluster};
static const struct section users = {"users", "user", check_user};
static const struct section contexts = {"contexts", "context", NULL};

static int get_entry(const struct reader *r, const struct section *s, const json_t *list, size_t i,
                     struct entry *ret, const char **ret_name)
{
    const json_t *item = json_array_get(list, i);
    const char *name = json_string_value(json_object_get(item, "name"));
    char at[80];
    if (name)
        snprintf(at, sizeof at, "%s[%.60s]", s->list, name);
    else
        snprintf(at, sizeof at, "%s[%zu]", s->list, i);
    if (!json_is_object(item))
        return fail(r, at, NULL, "must be an object");
    if (!name)
        return fail(r, at, "name", "must be a string");
    const json_t *body = json_object_get(item, s->item);
    if (body && !json_is_null(body) && !json_is_object(body))
        return fail(r, at, s->item, "must be an object");
    ret->body = body;
    snprintf(ret->at, sizeof ret->at, "%s.%s", at, s->item);
    *ret_name = name;
    return 0;
}

static int get_list(const struct reader *r, const json_t *doc, const struct section *s,
                    const json_t **ret)
{
    *ret = json_object_get(doc, s->list);
    if (*ret && !json_is_null(*ret) && !json_is_array(*ret))
        return fail(r, s->list, NULL, "must be a list");
    return 0;
}

/* The entry of that name; from/from_key is who asks for it. */
static int find(const struct reader *r, const json_t *doc, const struct section *s,
                const char *name, const char *from, const char *from_key, struct entry *ret)
{
    const json_t *list;
    int found = 0;
    if (get_list(r, doc, s, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct entry e = {0};
        const char *its_name = NULL;
        if (get_entry(r, s, list, i, &e, &its_name) < 0)
            return -1;
        if (!str_eq(its_name, name))
            continue;
        if (found++)
            return fail(r, e.at, NULL, "two entries have this name");
        *ret = e;
    }
    if (!found)
        return fail(r, from, from_key, "names an entry that does not exist");
    return s->check ? s->check(r, ret) : 0;
}

/* From others everything is looked at, used or not: a file that holds a trap is refused as a whole. */
static int check_all(const struct reader *r, const json_t *doc, const struct section *s)
{
    const json_t *list;
    if (get_list(r, doc, s, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct entry e = {0};
        const char *name;
        if (get_entry(r, s, list, i, &e, &name) < 0 || s->check(r, &e) < 0)
            return -1;
    }
    return 0;
}

/* PEM from the -data field (base64), else from the file that the plain field names, else NULL. */
static int get_pem(const struct reader *r, const struct entry *e, const char *key,
                   const char *data_key, char **ret)
{
    const char *data, *path;
    size_t len = 0;
    if (get_str(r, e, data_key, &data) < 0 || get_str(r, e, key, &path) < 0)
        return -1;
    if (data) {
        char *pem = jx_unb64(data, &len);
        if (!pem || strlen(pem) != len) {
            xfree_secret(pem);
            return fail(r, e->at, data_key, "is not the base64 of a PEM text");
        }
        *ret = pem;
        return 0;
    }
    if (!path)
        return 0;
    if (*path != '/')
        return fail(r, e->at, key, "must be an absolute path");
    struct err cause = {0};
    *ret = kubeconfig_read_file(path, &cause);
    return *ret ? 0 : fail(r, e->at, key, cause.msg);
}

static int take_cluster(const struct reader *r, const struct entry *e, struct kube_config *c)
{
    const char *server, *name;
    struct err cause = {0};
    if (get_str(r, e, "server", &server) < 0 || get_str(r, e, "tls-server-name", &name) < 0)
        return -1;
    if (name && !kubeconfig_is_host(name))
        return fail(r, e->at, "tls-server-name", "is no host name");
    if (get_pem(r, e, "certificate-authority", "certificate-authority-data", &c->ca) < 0)
        return -1;
    if (c->ca && pki_check_bundle(c->ca, CA_CERTS_MAX, &cause) < 0)
        return fail(r, e->at, "certificate-authority-data", cause.msg);
    c->server = xstrdup(server);
    for (size_t n = strlen(server); n && c->server[n - 1] == '/'; n--)
        c->server[n - 1] = '\0';
    c->tls_server_name = xstrdup0(name);
    return 0;
}

/* A token goes into a header line: visible ASCII only. */
static bool is_token(const char *s)
{
    const char *p = s;
    while (*p > 0x20 && *p < 0x7f)
        p++;
    return !*p && p > s && p - s <= TOKEN_MAX;
}

static int take_token(const struct reader *r, const struct entry *e, struct kube_config *c)
{
    const char *token, *path;
    if (get_str(r, e, "token", &token) < 0 || get_str(r, e, "tokenFile", &path) < 0)
        return -1;
    if (token && !is_token(token))
        return fail(r, e->at, "token",
                    "holds a space, a line end or another byte that no token has");
    if (path && *path != '/')
        return fail(r, e->at, "tokenFile", "must be an absolute path");
    c->token = xstrdup0(token);
    c->token_file = xstrdup0(path);
    return 0;
}

static int take_user(const struct reader *r, const struct entry *e, struct kube_config *c)
{
    struct err cause = {0};
    if (take_token(r, e, c) < 0 ||
        get_pem(r, e, "client-certificate", "client-certificate-data", &c->client_cert) < 0 ||
        get_pem(r, e, "client-key", "client-key-data", &c->client_key) < 0)
        return -1;
    if (c->client_cert && !c->client_key)
        return fail(r, e->at, "client-key-data", "is missing beside the certificate");
    if (c->client_key && !c->client_cert)
        return fail(r, e->at, "client-certificate-data", "is missing beside the key");
    if (c->client_cert && pki_check_pair(c->client_cert, c->client_key, &cause) < 0)
        return fail(r, e->at, "client-certificate-data", cause.msg);
    if (!c->client_cert && !c->token && !c->token_file && r->trust != KUBECONFIG_OWN)
        return fail(r, e->at, NULL, "has neither a token nor a client certificate");
    return 0;
}

static bool is_namespace(const char *s)
{
    size_t n = strlen(s);
    return n <= NAME_MAX_BYTES && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int take_context(const struct reader *r, const json_t *doc, struct kube_config *c)
{
    struct entry top = {.body = doc}, context = {0}, cluster = {0}, user = {0};
    const char *current, *cluster_name, *user_name, *namespace;
    if (get_str(r, &top, "current-context", &current) < 0)
        return -1;
    if (!current)
        return fail(r, "", "current-context", "is missing");
    if (find(r, doc, &contexts, current, "", "current-context", &context) < 0 ||
        get_str(r, &context, "cluster", &cluster_name) < 0 ||
        get_str(r, &context, "user", &user_name) < 0 ||
        get_str(r, &context, "namespace", &namespace) < 0)
        return -1;
    if (!cluster_name)
        return fail(r, context.at, "cluster", "is missing");
    if (!user_name && r->trust != KUBECONFIG_OWN)
        return fail(r, context.at, "user", "is missing");
    if (namespace && !is_namespace(namespace))
        return fail(r, context.at, "namespace", "is no name of a namespace");
    c->namespace = xstrdup0(namespace);
    if (find(r, doc, &clusters, cluster_name, context.at, "cluster", &cluster) < 0 ||
        take_cluster(r, &cluster, c) < 0)
        return -1;
    if (!user_name)
        return 0;
    if (find(r, doc, &users, user_name, context.at, "user", &user) < 0)
        return -1;
    return take_user(r, &user, c);
}

/* JSON first where it looks like it: YAML readers refuse JSON that is indented by tabs. */
static json_t *parse(const char *data, size_t len, struct err *err)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", data[i]) && data[i])
        i++;
    json_t *doc = i < len && data[i] == '{' ? jx_load(data, len, NULL) : NULL;
    return doc ? doc : yaml_load(data, len, err);
}

static int check_document(const struct reader *r, const json_t *doc)
{
    const struct entry top = {.body = doc};
    const char *kind, *version;
    if (!json_is_object(doc))
        return fail(r, "", NULL, "must be an object");
    if (get_str(r, &top, "kind", &kind) < 0 || get_str(r, &top, "apiVersion", &version) < 0)
        return -1;
    if (kind && !str_eq(kind, "Config"))
        return fail(r, "", "kind", "must be Config");
    if (version && !str_eq(version, "v1"))
        return fail(r, "", "apiVersion", "must be v1");
    if (r->trust == KUBECONFIG_OWN)
        return 0;
    return check_all(r, doc, &clusters) < 0 ? -1 : check_all(r, doc, &users);
}

int kubeconfig_load(const char *data, size_t len, enum kubeconfig_trust trust,
                    struct kube_config *ret, char field[KUBECONFIG_FIELD_MAX], struct err *err)
{
    const struct reader r = {trust, field, err};
    struct err cause = {0};
    if (field)
        field[0] = '\0';
    if (len > KUBECONFIG_BYTES_MAX)
        return fail(&r, "", NULL, "is too large");
    auto_json *doc = parse(data, len, &cause);
    if (!doc)
        return fail(&r, "", NULL, cause.msg);
    struct kube_config c = {0};
    if (check_document(&r, doc) < 0 || take_context(&r, doc, &c) < 0) {
        kube_config_done(&c);
        return -1;
    }
    *ret = c;
    return 0;
}
