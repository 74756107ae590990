/* SPDX-License-Identifier: Apache-2.0 */
/* For tests against a real API server: KUBECONFIG, and beside that file what hack/apiserver keeps there. */
#ifndef KUBE_FIXTURE_H
#define KUBE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "json/jx.h"

static const struct gvr configmaps = {"", "v1", "configmaps", "ConfigMap", true};
static const struct gvr namespaces = {"", "v1", "namespaces", "Namespace", false};

struct fixture {
    uv_loop_t loop;
    struct kube_config config;
    struct kube_client *client;
    char ns[32];
    char *dir; /* of hack/apiserver, or NULL */
};

/* --- the loop, and one call at a time --- */

struct answer {
    bool done;
    int status;
    bool failed;
    struct err err;
    json_t *body;
};

static inline void on_deadline(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

static inline bool run_until(uv_loop_t *loop, const bool *done, int ms)
{
    bool late = false;
    uv_timer_t t;
    uv_timer_init(loop, &t);
    t.data = &late;
    uv_timer_start(&t, on_deadline, (uint64_t)ms, 0);
    while (!*done && !late)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return *done;
}

static inline void on_answer(void *arg, const struct kube_response *r, const struct err *err)
{
    struct answer *a = arg;
    a->done = true;
    a->status = r->status;
    a->failed = err != NULL;
    if (err)
        a->err = *err;
    a->body = json_deep_copy(r->body);
}

static inline void answer_done(struct answer *a)
{
    json_decref(a->body);
}
#define auto_answer __attribute__((cleanup(answer_done))) struct answer

static inline void call(struct fixture *f, struct kube_client *c, const struct kube_request *q,
                        struct answer *a)
{
    kube_call(c, q, on_answer, a);
    assert_false(a->done);
    assert_true(run_until(&f->loop, &a->done, 20000));
}

static inline void get(struct fixture *f, struct kube_client *c, const char *path, struct answer *a)
{
    struct kube_request q = {.method = "GET", .path = path};
    call(f, c, &q, a);
}

static inline void apply(struct fixture *f, const struct gvr *g, const char *name, const char *sub,
                         const char *body, struct answer *a)
{
    kube_apply(f->client, g, g->namespaced ? f->ns : NULL, name, sub, body, 0, true, on_answer, a);
    assert_true(run_until(&f->loop, &a->done, 20000));
}

static inline char *configmap(const struct fixture *f, const char *name, const char *value)
{
    return xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
                     "\"namespace\":\"%s\",\"labels\":{\"app.kubernetes.io/managed-by\":"
                     "\"meshwright\"}},\"data\":{\"k\":\"%s\"}}",
                     name, f->ns, value);
}

static inline char *read_file(const char *path)
{
    struct buf b = BUF_INIT(1 << 20);
    FILE *file = fopen(path, "re");
    char chunk[4096];
    size_t n;
    if (!file)
        return NULL;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_append(&b, chunk, n);
    fclose(file);
    return buf_take(&b);
}

/* what: of hack/apiserver. */
static inline void apiserver(const struct fixture *f, const char *what)
{
    extern char **environ;
    char command[] = "hack/apiserver";
    auto_free char *verb = xstrdup(what);
    auto_free char *dir = xstrdup(f->dir);
    char *argv[] = {command, verb, dir, NULL};
    pid_t pid;
    int status = -1;
    assert_int_equal(posix_spawn(&pid, command, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static inline struct kube_client *client_with(struct fixture *f, const struct kube_config *config)
{
    struct err err = {0};
    struct kube_client *c = kube_client_new(&f->loop, &clock_system, config, &err);
    if (!c)
        fail_msg("%s", err.msg);
    return c;
}

static inline void load(const char *path, struct kube_config *ret)
{
    struct err err = {0};
    auto_free char *text = read_file(path);
    assert_non_null(text);
    if (kubeconfig_load(text, strlen(text), KUBECONFIG_OWN, ret, NULL, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline int setup(void **state)
{
    const char *path = getenv("KUBECONFIG");
    if (!path) {
        print_error("KUBECONFIG is not set\n");
        return -1;
    }
    struct fixture *f = xcalloc(1, sizeof *f);
    *state = f;
    uv_loop_init(&f->loop);
    load(path, &f->config);
    f->client = client_with(f, &f->config);
    auto_free char *copy = xstrdup(path);
    auto_free char *ports = xasprintf("%s/ports", dirname(copy));
    if (access(ports, R_OK) == 0)
        f->dir = xstrdup(copy);
    snprintf(f->ns, sizeof f->ns, "kt-%d", (int)getpid());
    auto_free char *body = xasprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", f->ns);
    auto_answer a = {0};
    apply(f, &namespaces, f->ns, NULL, body, &a);
    if (a.failed)
        print_error("%s\n", a.err.msg);
    return a.failed ? -1 : 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    kube_client_free(f->client);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    kube_config_done(&f->config);
    free(f->dir);
    free(f);
    return r;
}

#endif
