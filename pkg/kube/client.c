/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/retry.h"

#define USER_AGENT "User-Agent: meshwright/0.1.0"

static void config_copy(struct kube_config *to, const struct kube_config *from)
{
    *to = (struct kube_config){
        .server = xstrdup0(from->server),
        .tls_server_name = xstrdup0(from->tls_server_name),
        .ca = xstrdup0(from->ca),
        .token = xstrdup0(from->token),
        .token_file = xstrdup0(from->token_file),
        .client_cert = xstrdup0(from->client_cert),
        .client_key = xstrdup0(from->client_key),
        .namespace = xstrdup0(from->namespace),
    };
}

/* Reads, lists and watches share a connection, so that an idle cluster has one. Writes have one of their own, which is
 * closed when none came for a while: neither waits behind the other's bodies, and the end of one connection is not that
 * of the other. A lease must not wait behind anything. A bulk list goes over HTTP/1.1: an API server cuts
 * HTTP/2 into small records, and compressing costs both sides more than it saves near by. */
static struct http_pool *open_pool(const struct kube_client *c, const struct kube_config *config,
                                   enum kube_class class, const struct http_pool *over,
                                   struct err *err)
{
    static const size_t buffer[KUBE_CLASSES] = {[KUBE_CLASS_CALL] = 16 * 1024,
                                                [KUBE_CLASS_WRITE] = 16 * 1024,
                                                [KUBE_CLASS_BULK] = 256 * 1024,
                                                [KUBE_CLASS_WATCH] = 4 * 1024,
                                                [KUBE_CLASS_LEASE] = 4 * 1024};
    static const size_t running[KUBE_CLASSES] = {[KUBE_CLASS_CALL] = KUBE_CALLS_RUNNING,
                                                 [KUBE_CLASS_WRITE] = KUBE_CALLS_RUNNING,
                                                 [KUBE_CLASS_LIST] = KUBE_LISTS_RUNNING,
                                                 [KUBE_CLASS_BULK] = KUBE_LISTS_RUNNING};
    bool shared = class == KUBE_CLASS_CALL || class == KUBE_CLASS_LIST;
    struct http_pool_opts o = {
        .server = str_or(config->server, ""),
        .tls_server_name = config->tls_server_name,
        .ca = config->ca,
        .cert = config->client_cert,
        .key = config->client_key,
        .over = shared ? over : NULL,
        .http1 = class == KUBE_CLASS_BULK,
        .buffer_size = buffer[class],
        .max_running = running[class],
        .gzip = class == KUBE_CLASS_LIST,
        .plain = c->plain,
    };
    return http_pool_new(c->loop, &o, err);
}

/* The others are opened for their first request, with options that were good for this one. */
static struct http_pool *pool_for(struct kube_client *c, enum kube_class class)
{
    struct err err = {0};
    if (!c->pools[class])
        c->pools[class] = open_pool(c, &c->config, class, c->pools[KUBE_CLASS_WATCH], &err);
    return c->pools[class];
}

static uint64_t seed(void)
{
    uint64_t s = 0;
    if (uv_random(NULL, NULL, &s, sizeof s, 0, NULL) < 0 || !s)
        s = uv_hrtime() | 1;
    return s;
}

static struct kube_client *client_new(uv_loop_t *loop, const struct clock *clock,
                                      const struct kube_config *config, bool plain, struct err *err)
{
    struct kube_client *c = xcalloc(1, sizeof *c);
    c->loop = loop;
    c->clock = clock;
    c->plain = plain;
    c->token_stale = true;
    c->random = seed();
    c->pools[KUBE_CLASS_WATCH] = open_pool(c, config, KUBE_CLASS_WATCH, NULL, err);
    if (!c->pools[KUBE_CLASS_WATCH]) {
        free(c);
        return NULL;
    }
    config_copy(&c->config, config);
    kube_pulse_init(c);
    return c;
}

struct kube_client *kube_client_new(uv_loop_t *loop, const struct clock *clock,
                                    const struct kube_config *config, struct err *err)
{
    return client_new(loop, clock, config, false, err);
}

struct kube_client *kube_client_new_plain(uv_loop_t *loop, const struct clock *clock,
                                          const struct kube_config *config, struct err *err)
{
    return client_new(loop, clock, config, true, err);
}

static bool same_connection(const struct kube_config *a, const struct kube_config *b)
{
    return str_eq(a->server, b->server) && str_eq(a->tls_server_name, b->tls_server_name) &&
           str_eq(a->ca, b->ca) && str_eq(a->client_cert, b->client_cert) &&
           str_eq(a->client_key, b->client_key);
}

static int renew_pools(struct kube_client *c, const struct kube_config *config, struct err *err)
{
    struct http_pool *fresh = open_pool(c, config, KUBE_CLASS_WATCH, NULL, err);
    if (!fresh)
        return -1;
    kube_pulse_cancel(c);
    for (size_t i = 0; i < KUBE_CLASSES; i++) {
        if (c->pools[i])
            http_pool_drain(c->pools[i]);
        c->pools[i] = NULL;
    }
    c->pools[KUBE_CLASS_WATCH] = fresh;
    return 0;
}

int kube_client_set_config(struct kube_client *c, const struct kube_config *config, struct err *err)
{
    /* A token goes with each request: the connections, and the watches on them, may stay. */
    if (!same_connection(&c->config, config) && renew_pools(c, config, err) < 0)
        return -1;
    struct kube_config old = c->config; /* config may be c's own */
    config_copy(&c->config, config);
    kube_config_done(&old);
    xfree_secret(c->token);
    c->token = NULL;
    c->token_stale = true;
    return 0;
}

void kube_client_free(struct kube_client *c)
{
    if (!c)
        return;
    while (c->watches)
        kube_watch_stop(c->watches);
    while (c->streams)
        kube_stream_cancel(c->streams);
    while (c->calls)
        kube_call_cancel(c->calls);
    kube_pulse_done(c);
    for (size_t i = 0; i < KUBE_CLASSES; i++)
        http_pool_free(c->pools[i]);
    kube_config_done(&c->config);
    xfree_secret(c->token);
    free(c);
}

const char *kube_client_server(const struct kube_client *c)
{
    return c->config.server;
}

const char *kube_client_ca(const struct kube_client *c)
{
    return c->config.ca;
}

uint64_t kube_client_writes(const struct kube_client *c)
{
    return c->writes;
}

/* The first word of a file. Owned, or NULL. */
static char *read_token(const char *path)
{
    size_t n;
    char *s = file_read(path, KUBE_TOKEN_MAX, &n, NULL);
    if (!s)
        return NULL;
    while (n && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    if (n && strcspn(s, " \t\r\n") == n)
        return s;
    xfree_secret(s);
    return NULL;
}

static const char *current_token(struct kube_client *c)
{
    if (!c->config.token_file)
        return c->config.token;
    int64_t now = clock_ms(c->clock);
    if (c->token_stale || now - c->token_read_ms >= KUBE_TOKEN_REFRESH_MS) {
        char *fresh = read_token(c->config.token_file);
        if (fresh) { /* else the old one may still be good */
            xfree_secret(c->token);
            c->token = fresh;
        }
        c->token_read_ms = now;
        c->token_stale = false;
    }
    return c->token ? c->token : c->config.token;
}

void kube_client_unauthorized(struct kube_client *c, int64_t began_ms)
{
    if (c->token_read_ms <= began_ms)
        c->token_stale = true;
}

/* Reviews and TokenRequests are POSTs that leave nothing behind. */
static bool changes(const struct kube_request *q)
{
    size_t len = strcspn(q->path, "?");
    bool token = len > 6 && strncmp(q->path + len - 6, "/token", 6) == 0;
    return strcmp(q->method, "GET") != 0 && !token && !strstr(q->path + len, "dryRun=All") &&
           !str_starts(q->path, "/apis/authorization.k8s.io/") &&
           !str_starts(q->path, "/apis/authentication.k8s.io/");
}

struct http_transfer *kube_client_send(struct kube_client *c, enum kube_class class,
                                       const struct kube_request *q, const struct http_handler *h,
                                       void *arg)
{
    const char *token = current_token(c);
    char *bearer = token ? xasprintf("Authorization: Bearer %s", token) : NULL;
    auto_free char *accept = xasprintf("Accept: %s", str_or(q->accept, KUBE_JSON));
    auto_free char *type = xasprintf("Content-Type: %s", str_or(q->content_type, KUBE_JSON));
    const char *headers[] = {USER_AGENT, accept, type, bearer, NULL};
    struct http_request r = {
        .method = q->method,
        .path = q->path,
        .headers = headers,
        .body = q->body,
        .body_len = q->body_len,
        .timeout_ms = q->timeout_ms,
        .patient = class == KUBE_CLASS_WATCH,
    };
    if (changes(q))
        c->writes++;
    if (class == KUBE_CLASS_WRITE) /* what the watches bring is what the next step waits for */
        http_pool_hurry(c->pools[KUBE_CLASS_WATCH]);
    struct http_transfer *t = http_start(pool_for(c, class), &r, h, arg);
    xfree_secret(bearer);
    return t;
}
