/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the listener: libcurl as its client, on the same thread. */
#ifndef KUBESIM_CLIENT_TEST_H
#define KUBESIM_CLIENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "kubesim/exchange.h"
#include "pki/pki.h"

enum { BODY_MAX = 64 * 1048576, HEAD_MAX = 65536 };

struct fixture {
    uv_loop_t loop;
    CURLM *multi;
    struct sim_listener *listener;
    struct pki_pair root, client;
    struct sim_exchange *held; /* the last that was not answered at once */
    unsigned handled, gone, done;
    char *blob; /* what /big answers */
    char seen[1024];
};

struct get {
    struct fixture *f;
    CURL *curl;
    struct curl_slist *headers;
    struct buf body, head;
    bool done, slow; /* slow: takes nothing */
    CURLcode result;
    long status, version;
};

/* More than the kernel keeps for a connection whose reader stands still and wants little (tcp_wmem: 4 MiB). */
enum { BLOB = 8 * 1048576, LITTLE = 65536 };

static inline int want_little(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    const struct get *g = arg;
    int size = LITTLE;
    if (g->slow)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return CURL_SOCKOPT_OK;
}

static inline size_t got_body(char *data, size_t one, size_t n, void *arg)
{
    struct get *g = arg;
    if (g->slow)
        return CURL_WRITEFUNC_PAUSE;
    buf_append(&g->body, data, one * n);
    return one * n;
}

static inline size_t got_head(char *data, size_t one, size_t n, void *arg)
{
    struct get *g = arg;
    buf_append(&g->head, data, one * n);
    return one * n;
}

static inline void get_header(struct get *g, const char *line)
{
    g->headers = curl_slist_append(g->headers, line);
    curl_easy_setopt(g->curl, CURLOPT_HTTPHEADER, g->headers);
}

/* version 1 or 2. The caller may set more before get_start. */
static inline void get_init(struct fixture *f, struct get *g, int version, const char *path)
{
    *g = (struct get){.f = f, .body.max = BODY_MAX, .head.max = HEAD_MAX};
    auto_free char *url = xasprintf("https://127.0.0.1:%d%s", sim_listener_port(f->listener), path);
    struct curl_blob ca = {f->root.cert, strlen(f->root.cert), CURL_BLOB_COPY};
    CURL *e = g->curl = curl_easy_init();
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PRIVATE, g);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, got_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, g);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, got_head);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, g);
    curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, want_little);
    curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, g);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                     (long)(version == 2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
}

static inline void get_start(struct get *g)
{
    curl_multi_add_handle(g->f->multi, g->curl);
}

static inline void get_finish(struct fixture *f)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(f->multi, &left))) {
        struct get *g = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &g);
        g->done = true;
        g->result = m->data.result;
        curl_easy_getinfo(g->curl, CURLINFO_RESPONSE_CODE, &g->status);
        curl_easy_getinfo(g->curl, CURLINFO_HTTP_VERSION, &g->version);
    }
}

/* One turn of both sides; waits until one of them has something to do. */
static inline void turn(struct fixture *f)
{
    int running = 0;
    struct curl_waitfd w = {.fd = uv_backend_fd(&f->loop), .events = CURL_WAIT_POLLIN};
    curl_multi_perform(f->multi, &running);
    get_finish(f);
    if (!uv_run(&f->loop, UV_RUN_NOWAIT))
        return;
    /* The loop tells the kernel of a new socket only when it runs again: so never wait for long. */
    int timeout = uv_backend_timeout(&f->loop);
    curl_multi_poll(f->multi, &w, 1, timeout < 0 || timeout > 2 ? 2 : timeout, NULL);
}

/* Until it holds, or ten seconds have passed. */
#define UNTIL(f, condition)                                                                        \
    do {                                                                                           \
        uint64_t end_ = uv_hrtime() + UINT64_C(10000000000);                                       \
        while (!(condition) && uv_hrtime() < end_)                                                 \
            turn(f);                                                                               \
        assert_true(condition);                                                                    \
    } while (0)

static inline void get_done(struct get *g)
{
    if (g->curl) {
        curl_multi_remove_handle(g->f->multi, g->curl);
        curl_easy_cleanup(g->curl);
    }
    g->curl = NULL;
    curl_slist_free_all(g->headers);
    buf_done(&g->body);
    buf_done(&g->head);
}

static inline void get_run(struct get *g)
{
    get_start(g);
    UNTIL(g->f, g->done);
}

static inline const char *text_of(const struct buf *b)
{
    return b->data ? b->data : "";
}

/* A watch whose answer has begun. */
static inline void begin_watch(struct fixture *f, struct get *g, int version)
{
    get_init(f, g, version, "/watch");
    get_start(g);
    UNTIL(f, f->held && strstr(text_of(&g->head), "\r\n\r\n"));
}

/* The client forgets its connections. */
static inline void forget(struct fixture *f)
{
    curl_multi_cleanup(f->multi);
    f->multi = curl_multi_init();
}

/* For handlers: the ends of a watch and of a large answer, counted. */
static inline void fixture_gone(void *arg)
{
    struct fixture *f = arg;
    f->gone++;
    f->held = NULL;
}

static inline void fixture_done(void *arg)
{
    struct fixture *f = arg;
    f->done++;
}

static inline int fixture_setup(void **state, sim_handler *handler)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err err;
    uv_loop_init(&f->loop);
    f->multi = curl_multi_init();
    f->blob = xmalloc(BLOB);
    for (size_t i = 0; i < BLOB; i++)
        f->blob[i] = (char)('a' + i / 1000 % 26);
    int64_t now = 1700000000, end = 4000000000;
    if (pki_root_new("kubesim", "root", now, end, &f->root, &err) < 0 ||
        pki_intermediate_new(&f->root, "kubesim", "somebody", "c", now, end, &f->client, &err) < 0)
        return -1;
    struct sim_listener_opts o = {
        .cert = f->root.cert,
        .key = f->root.key,
        .client_ca = f->root.cert,
        .handler = handler,
        .arg = f,
    };
    f->listener = sim_listener_new(&f->loop, &o, &err);
    *state = f;
    return f->listener ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    sim_listener_free(f->listener);
    curl_multi_cleanup(f->multi);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    pki_pair_done(&f->root);
    pki_pair_done(&f->client);
    free(f->blob);
    free(f);
    return r;
}

#endif
