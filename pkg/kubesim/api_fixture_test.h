/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the API: one simulated cluster "c" behind real HTTP; clients are libcurl on threads of their own. */
#ifndef KUBESIM_API_FIXTURE_TEST_H
#define KUBESIM_API_FIXTURE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/call.h"
#include "json/jx.h"

#define APPLY_PATCH "application/apply-patch+yaml"
#define MERGE_PATCH "application/merge-patch+json"
#define NS          "/api/v1/namespaces"

struct api {
    uv_loop_t loop;
    struct kubesim *sim;
    struct sim_cluster *cluster;
};

/* A request, and its answer. lines: of a watch, it ends after so many. */
struct ask {
    struct api *f;
    const char *method, *path, *body, *content_type, *accept, *token;
    unsigned lines;
    uv_thread_t thread;
    uv_async_t woken;
    struct buf text;
    long status;
    bool done;
};

static inline size_t ask_data(char *data, size_t one, size_t n, void *arg)
{
    struct ask *a = arg;
    buf_append(&a->text, data, one * n);
    unsigned lines = 0;
    for (size_t i = 0; i < a->text.len; i++)
        lines += a->text.data[i] == '\n';
    return a->lines && lines >= a->lines ? 0 : one * n;
}

static inline struct curl_slist *ask_headers(const struct ask *a)
{
    auto_free char *token =
        xasprintf("Authorization: Bearer %s", str_or(a->token, a->f->sim->token));
    auto_free char *type = xasprintf("Content-Type: %s", str_or(a->content_type, SIM_JSON));
    auto_free char *accept = xasprintf("Accept: %s", str_or(a->accept, SIM_JSON));
    struct curl_slist *h = curl_slist_append(NULL, token);
    h = curl_slist_append(h, type);
    return curl_slist_append(h, accept);
}

static inline void ask_run(void *arg)
{
    struct ask *a = arg;
    CURL *e = curl_easy_init();
    struct curl_slist *headers = ask_headers(a);
    auto_free char *url = xasprintf("https://127.0.0.1:%d/clusters/c%s",
                                    sim_listener_port(a->f->sim->listener), a->path);
    struct curl_blob ca = {a->f->sim->ca, strlen(a->f->sim->ca), CURL_BLOB_COPY};
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, a->method);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, ask_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, a);
    if (a->body)
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, a->body);
    curl_easy_perform(e);
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(e);
    uv_async_send(&a->woken);
}

static inline void ask_woken(uv_async_t *w)
{
    struct ask *a = w->data;
    a->done = true;
    uv_close((uv_handle_t *)w, NULL);
}

static inline void ask_start(struct api *f, struct ask *a)
{
    a->f = f;
    a->text = BUF_INIT(1 << 24);
    uv_async_init(&f->loop, &a->woken, ask_woken);
    a->woken.data = a;
    assert_int_equal(uv_thread_create(&a->thread, ask_run, a), 0);
}

static inline void ask_wait(struct ask *a)
{
    while (!a->done)
        uv_run(&a->f->loop, UV_RUN_ONCE);
    uv_thread_join(&a->thread);
    uv_run(&a->f->loop, UV_RUN_NOWAIT);
}

static inline void ask_done(struct ask *a)
{
    buf_done(&a->text);
}
#define auto_ask __attribute__((cleanup(ask_done))) struct ask

/* The answer as JSON, checked to have this status. */
static inline json_t *ask(struct api *f, long status, const char *method, const char *path,
                          const char *content_type, const char *body)
{
    auto_ask a = {.method = method, .path = path, .body = body, .content_type = content_type};
    ask_start(f, &a);
    ask_wait(&a);
    if (a.status != status)
        fail_msg("%s %s: %ld %s", method, path, a.status, str_or(a.text.data, ""));
    json_t *v = jx_load(str_or(a.text.data, ""), a.text.len, NULL);
    return v ? v : json_null();
}

static inline void do_ask(struct api *f, long status, const char *method, const char *path,
                          const char *content_type, const char *body)
{
    json_decref(ask(f, status, method, path, content_type, body));
}

static inline json_t *get(struct api *f, long status, const char *path)
{
    return ask(f, status, "GET", path, NULL, NULL);
}

/* The same from inside the process: no connection. */
static inline json_t *local(struct api *f, int status, const char *method, const char *path,
                            const char *body)
{
    int got;
    json_t *v = kubesim_do(f->sim, "c", method, path, NULL, body, &got);
    if (got != status)
        fail_msg("%s %s: %d", method, path, got);
    return v;
}

static inline void do_local(struct api *f, int status, const char *method, const char *path,
                            const char *body)
{
    json_decref(local(f, status, method, path, body));
}

static inline void check_str(const json_t *v, const char *path, const char *want)
{
    const char *s = jx_str(v, path);
    if (!str_eq(s, want)) {
        auto_free char *text = jx_dump(v);
        fail_msg("%s is %s, not %s: %s", path, str_or(s, "absent"), str_or(want, "absent"), text);
    }
}

static inline int api_setup_with(void **state, const struct kubesim_opts *o)
{
    struct api *f = xcalloc(1, sizeof *f);
    struct err err = {0};
    *state = f;
    uv_loop_init(&f->loop);
    f->sim = kubesim_new(&f->loop, o, &err);
    if (!f->sim || kubesim_add_cluster(f->sim, "c", &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    f->cluster = kubesim_cluster(f->sim, "c");
    return 0;
}

static inline int api_setup(void **state)
{
    return api_setup_with(state, &(struct kubesim_opts){.history = 20, .bookmark_ms = 20});
}

static inline int api_teardown(void **state)
{
    struct api *f = *state;
    size_t texts, bytes;
    kubesim_free(f->sim);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    free(f);
    sim_text_count(&texts, &bytes);
    return r || texts;
}

#endif
