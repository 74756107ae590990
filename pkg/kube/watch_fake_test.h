/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of watches: a server and a sink that writes down what it is told. */
#ifndef KUBE_WATCH_FAKE_TEST_H
#define KUBE_WATCH_FAKE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include "base/str.h"
#include "http/fake_test.h"
#include "kube/client_priv.h"
#include "kube/watch_priv.h"
#include "json/jx.h"
#include <cmocka.h>

static const struct gvr configmaps = {"", "v1", "configmaps", "ConfigMap", true};

struct fixture {
    uv_loop_t loop;
    struct fake server;
    struct kube_client *client;
    struct kube_watch *watch;
    struct kube_watch_opts opts;
    /* The server */
    const char *lists[4]; /* answers to lists, in turn */
    int list_status, n_lists, n_watches;
    struct fake_conn *open; /* the watch's connection */
    int watch_status;
    char list_path[512], watch_path[512], head[2048];
    struct buf proto;  /* answer to a list in protobuf, when not empty */
    bool refuse_proto; /* with 406 */
    int n_refused;
    /* The sink */
    struct kube_view view; /* of the last record */
    struct buf log;        /* "begin +a +b synced -a" */
    bool synced, removed, changed, failing, stop_in_upsert, free_in_upsert;
    bool probed, hung;
};

/* With NULs inside. */
static inline void send_bytes(struct fake_conn *c, const char *data, size_t len)
{
    struct fake_write *w = xcalloc(1, sizeof *w);
    w->data = xmalloc(len + 1);
    memcpy(w->data, data, len);
    w->req.data = w;
    uv_buf_t b = uv_buf_init(w->data, (unsigned)len);
    uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, fake_written);
}

static inline void reply_proto(struct fake_conn *c, const struct buf *body)
{
    auto_free char *head = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nContent-Type: "
                                     "application/vnd.kubernetes.protobuf\r\n\r\n",
                                     body->len);
    send_bytes(c, head, strlen(head));
    send_bytes(c, body->data, body->len);
}

static inline void begin_watch(struct fixture *f, struct fake_conn *c)
{
    f->open = c;
    if (f->proto.len)
        fake_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: "
                     "application/vnd.kubernetes.protobuf;stream=watch\r\n\r\n");
    else
        fake_begin(c);
}

static inline void handle(void *arg, struct fake_conn *c, const struct fake_request *q)
{
    struct fixture *f = arg;
    snprintf(f->head, sizeof f->head, "%s", q->head);
    if (str_eq(q->path, "/version")) {
        f->probed = true;
        if (!f->hung)
            fake_reply(c, 403, "", "{}");
        return;
    }
    if (f->refuse_proto && strstr(q->head, "protobuf")) {
        fake_reply(c, 406, "", "{\"kind\":\"Status\",\"code\":406}");
        f->n_refused++;
        return;
    }
    if (strstr(q->path, "watch=true")) {
        snprintf(f->watch_path, sizeof f->watch_path, "%s", q->path);
        f->n_watches++;
        if (f->watch_status) {
            fake_reply(c, f->watch_status, "", "{\"kind\":\"Status\",\"code\":400}");
            return;
        }
        begin_watch(f, c);
        return;
    }
    snprintf(f->list_path, sizeof f->list_path, "%s", q->path);
    if (f->proto.len) {
        reply_proto(c, &f->proto);
        return;
    }
    fake_reply(c, f->list_status ? f->list_status : 200, "", f->lists[f->n_lists]);
    if (f->lists[f->n_lists + 1])
        f->n_lists++;
}

static inline void on_begin(void *arg)
{
    buf_puts(&((struct fixture *)arg)->log, "begin ");
}

static inline void added(struct fixture *f, const char *name)
{
    buf_printf(&f->log, "+%s ", name);
    f->changed = true;
    if (f->stop_in_upsert)
        kube_watch_stop(STEAL(f->watch));
    if (f->free_in_upsert)
        kube_client_free(STEAL(f->client));
}

static inline void gone(struct fixture *f, const char *name)
{
    buf_printf(&f->log, "-%s ", name);
    f->removed = true;
}

static inline void on_upsert_tree(void *arg, const json_t *obj)
{
    assert_string_equal(jx_str(obj, "kind"), "ConfigMap");
    assert_string_equal(jx_str(obj, "apiVersion"), "v1");
    added(arg, str_or(jx_str(obj, "metadata.name"), "?"));
}

static inline void on_remove_tree(void *arg, const json_t *obj)
{
    gone(arg, str_or(jx_str(obj, "metadata.name"), "?"));
}

static inline void on_upsert(void *arg, const struct kube_record *r)
{
    struct fixture *f = arg;
    kube_record_view(r, &f->view);
    added(f, kube_record_name(r));
}

static inline void on_remove(void *arg, const struct kube_record *r)
{
    gone(arg, kube_record_name(r));
}

static inline void on_synced(void *arg)
{
    struct fixture *f = arg;
    buf_puts(&f->log, "synced ");
    f->synced = true;
}

static inline void on_state(void *arg, const struct err *err)
{
    struct fixture *f = arg;
    f->failing = err != NULL;
    buf_printf(&f->log, "%s ", err ? err_class_name(err->class) : "works");
}

static const struct kube_sink sink = {on_begin, on_upsert,      on_remove,     on_synced,
                                      on_state, on_upsert_tree, on_remove_tree};

static inline int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    uv_loop_init(&f->loop);
    fake_start(&f->server, &f->loop, handle, f);
    struct kube_config config = {.server = f->server.url};
    f->client = kube_client_new_plain(&f->loop, &clock_system, &config, NULL);
    f->log = BUF_INIT(10000);
    f->proto = BUF_INIT(100000);
    f->opts.trees = true;
    buf_puts(&f->log, "");
    f->lists[0] =
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{\"name\":\"a\"}},"
        "{\"metadata\":{\"name\":\"b\"}}]}";
    *state = f;
    return f->client ? 0 : -1;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->client)
        kube_client_free(f->client);
    fake_stop(&f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    buf_done(&f->log);
    buf_done(&f->proto);
    free(f);
    return r;
}

static inline void start(struct fixture *f)
{
    f->watch = kube_watch_start(f->client, &configmaps, &f->opts, &sink, f);
    assert_string_equal(f->log.data, "");
}

static inline void wait_open(struct fixture *f)
{
    int before = f->n_watches;
    while (!f->open && f->n_watches < before + 2)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_non_null(f->open);
}

static inline void send_added(struct fixture *f)
{
    fake_chunk(f->open,
               "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
               "\"metadata\":{\"name\":\"c\"}}}\n{\"type\":\"DELETED\",\"object\":{}}\n");
    f->changed = false;
}

#endif
