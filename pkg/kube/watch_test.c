/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watch.h"

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
    /* The sink */
    struct kube_view view; /* of the last record */
    struct buf log;        /* "begin +a +b synced -a" */
    bool synced, removed, changed, failing, stop_in_upsert, free_in_upsert;
    bool probed, hung;
};

static void handle(void *arg, struct fake_conn *c, const struct fake_request *q)
{
    struct fixture *f = arg;
    snprintf(f->head, sizeof f->head, "%s", q->head);
    if (str_eq(q->path, "/version")) {
        f->probed = true;
        if (!f->hung)
            fake_reply(c, 403, "", "{}");
        return;
    }
    if (strstr(q->path, "watch=true")) {
        snprintf(f->watch_path, sizeof f->watch_path, "%s", q->path);
        f->n_watches++;
        if (f->watch_status) {
            fake_reply(c, f->watch_status, "", "{\"kind\":\"Status\",\"code\":400}");
            return;
        }
        f->open = c;
        fake_begin(c);
        return;
    }
    snprintf(f->list_path, sizeof f->list_path, "%s", q->path);
    fake_reply(c, f->list_status ? f->list_status : 200, "", f->lists[f->n_lists]);
    if (f->lists[f->n_lists + 1])
        f->n_lists++;
}

static void on_begin(void *arg)
{
    buf_puts(&((struct fixture *)arg)->log, "begin ");
}

static void added(struct fixture *f, const char *name)
{
    buf_printf(&f->log, "+%s ", name);
    f->changed = true;
    if (f->stop_in_upsert)
        kube_watch_stop(STEAL(f->watch));
    if (f->free_in_upsert)
        kube_client_free(STEAL(f->client));
}

static void gone(struct fixture *f, const char *name)
{
    buf_printf(&f->log, "-%s ", name);
    f->removed = true;
}

static void on_upsert_tree(void *arg, const json_t *obj)
{
    assert_string_equal(jx_str(obj, "kind"), "ConfigMap");
    assert_string_equal(jx_str(obj, "apiVersion"), "v1");
    added(arg, str_or(jx_str(obj, "metadata.name"), "?"));
}

static void on_remove_tree(void *arg, const json_t *obj)
{
    gone(arg, str_or(jx_str(obj, "metadata.name"), "?"));
}

static void on_upsert(void *arg, const struct kube_record *r)
{
    struct fixture *f = arg;
    kube_record_view(r, &f->view);
    added(f, kube_record_name(r));
}

static void on_remove(void *arg, const struct kube_record *r)
{
    gone(arg, kube_record_name(r));
}

static void on_synced(void *arg)
{
    struct fixture *f = arg;
    buf_puts(&f->log, "synced ");
    f->synced = true;
}

static void on_state(void *arg, const struct err *err)
{
    struct fixture *f = arg;
    f->failing = err != NULL;
    buf_printf(&f->log, "%s ", err ? err_class_name(err->class) : "works");
}

static const struct kube_sink sink = {on_begin, on_upsert,      on_remove,     on_synced,
                                      on_state, on_upsert_tree, on_remove_tree};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    uv_loop_init(&f->loop);
    fake_start(&f->server, &f->loop, handle, f);
    struct kube_config config = {.server = f->server.url};
    f->client = kube_client_new_plain(&f->loop, &clock_system, "test", &config, NULL);
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

static int teardown(void **state)
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

static void start(struct fixture *f)
{
    f->watch = kube_watch_start(f->client, &configmaps, &f->opts, &sink, f);
    assert_string_equal(f->log.data, "");
}

static void wait_open(struct fixture *f)
{
    int before = f->n_watches;
    while (!f->open && f->n_watches < before + 2)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_non_null(f->open);
}

static void test_list_then_watch(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_false(kube_watch_synced(f->watch));
    assert_true(fake_run(&f->loop, &f->synced));
    assert_true(kube_watch_synced(f->watch));
    assert_string_equal(f->log.data, "begin +a +b synced ");
    assert_string_equal(f->list_path, "/api/v1/configmaps?limit=500&resourceVersion=0");
    wait_open(f);
    assert_true(str_ends(f->watch_path, "&resourceVersion=7"));
    buf_reset(&f->log);
    /* Frames need not fit the pieces; what is no event is skipped. */
    fake_chunk(f->open,
               "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",");
    fake_chunk(f->open, "\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"8\"}}}\nnonsense\n");
    fake_chunk(f->open, "{\"type\":\"WHAT\",\"object\":{}}\n{\"type\":\"ADDED\"}\n");
    fake_chunk(f->open,
               "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n"
               "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\","
               "\"resourceVersion\":\"10\"}}}\n");
    assert_true(fake_run(&f->loop, &f->removed));
    assert_string_equal(f->log.data, "+c -a ");
    /* The server ends it: from the last version on. */
    fake_chunk(f->open, "");
    f->open = NULL;
    wait_open(f);
    assert_true(str_ends(f->watch_path, "&resourceVersion=10"));
    kube_watch_stop(f->watch);
}

static void test_selectors(void **state)
{
    struct fixture *f = *state;
    f->opts = (struct kube_watch_opts){.ns = "n",
                                       .label_selector = "a=b,c!=d",
                                       .field_selector = "metadata.name=x",
                                       .record = KUBE_RECORD_META};
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->list_path,
                        "/api/v1/namespaces/n/configmaps?labelSelector=a%3Db%2Cc%21%3Dd&"
                        "fieldSelector=metadata.name%3Dx&limit=500&resourceVersion=0");
    wait_open(f);
    assert_non_null(strstr(
        f->head, "\r\nAccept: application/vnd.kubernetes.protobuf;stream=watch;"
                 "as=PartialObjectMetadata;g=meta.k8s.io;v=v1, " KUBE_ACCEPT_METADATA "\r\n"));
    kube_watch_stop(f->watch);
}

static void test_pages(void **state)
{
    struct fixture *f = *state;
    f->lists[0] = "{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"more\"},\"items\":"
                  "[{\"metadata\":{\"name\":\"a\"}}]}";
    f->lists[1] =
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{\"name\":\"b\"}}]}";
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "begin +a +b synced ");
    assert_string_equal(f->list_path, "/api/v1/configmaps?limit=500&continue=more");
}

static void test_broken_list(void **state)
{
    static const char *const broken[] = {"{\"items\":[{\"metadata\":", "<html>", "{\"items\":[]}",
                                         ""};
    struct fixture *f = *state;
    for (size_t i = 0; i < 4; i++) {
        f->lists[0] = broken[i];
        f->failing = false;
        start(f);
        assert_true(fake_run(&f->loop, &f->failing));
        assert_false(kube_watch_synced(f->watch));
        kube_watch_stop(f->watch);
        buf_reset(&f->log);
    }
}

static void test_forbidden_then_works(void **state)
{
    struct fixture *f = *state;
    f->list_status = 403;
    start(f);
    assert_true(fake_run(&f->loop, &f->failing));
    assert_string_equal(f->log.data, "forbidden ");
    f->list_status = 0;
    kube_watch_wake(f->watch);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "forbidden begin +a +b synced works ");
}

static void test_expired(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    f->synced = false;
    fake_chunk(f->open,
               "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":"
               "\"Expired\"}}\n{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":"
               "\"never\"}}}\n");
    f->open = NULL;
    while (f->watch->reflector.phase != KUBE_REFLECTOR_WAITING)
        uv_run(&f->loop, UV_RUN_ONCE);
    kube_watch_wake(f->watch);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "begin +a +b synced begin +a +b synced ");
    assert_string_equal(f->list_path, "/api/v1/configmaps?resourceVersion=7");
}

static void test_watch_list(void **state)
{
    struct fixture *f = *state;
    f->opts.watch_list = true;
    start(f);
    wait_open(f);
    fake_chunk(f->open,
               "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
               "\"metadata\":{\"name\":\"a\"}}}\n"
               "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\","
               "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n");
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "begin +a synced ");
    assert_int_equal(f->n_lists, 0);
    assert_string_equal(f->list_path, "");
}

static void test_watch_list_refused(void **state)
{
    struct fixture *f = *state;
    f->opts.watch_list = true;
    f->watch_status = 400;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "begin +a +b synced ");
}

static void test_lost(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    fake_chunk(f->open,
               "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n");
    while (!str_eq(f->watch->reflector.rv, "9"))
        uv_run(&f->loop, UV_RUN_ONCE);
    fake_drop(f->open);
    f->open = NULL;
    while (f->watch->reflector.phase != KUBE_REFLECTOR_WAITING)
        uv_run(&f->loop, UV_RUN_ONCE);
    kube_watch_wake(f->watch);
    wait_open(f);
    assert_true(str_ends(f->watch_path, "&resourceVersion=9"));
}

static void start_pulse(struct fixture *f)
{
    f->client->pulse.silence_ms = 50;
    f->client->pulse.timeout_ms = 200;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
}

/* The connection swallows everything: found by us, and the watch goes on over another. */
static void test_silent_and_dead(void **state)
{
    struct fixture *f = *state;
    f->hung = true;
    start_pulse(f);
    f->open = NULL;
    assert_true(fake_run(&f->loop, &f->probed));
    f->client->pulse.silence_ms = 60000;
    while (!f->open)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->n_watches, 2);
}

static void test_silent_and_alive(void **state)
{
    struct fixture *f = *state;
    start_pulse(f);
    for (int i = 0; i < 3; i++) {
        f->probed = false;
        assert_true(fake_run(&f->loop, &f->probed));
    }
    assert_int_equal(f->n_watches, 1);
    kube_watch_stop(f->watch);
    assert_int_equal(f->client->pulse.watches, 0);
}

static void test_stop_in_list(void **state)
{
    struct fixture *f = *state;
    f->stop_in_upsert = true;
    start(f);
    assert_true(fake_run(&f->loop, &f->changed));
    assert_string_equal(f->log.data, "begin +a ");
}

static void send_added(struct fixture *f)
{
    fake_chunk(f->open,
               "{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
               "\"metadata\":{\"name\":\"c\"}}}\n{\"type\":\"DELETED\",\"object\":{}}\n");
    f->changed = false;
}

static void test_stop_in_watch(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    f->stop_in_upsert = true;
    send_added(f);
    assert_true(fake_run(&f->loop, &f->changed));
    assert_string_equal(f->log.data, "begin +a +b synced +c ");
}

static void test_free_client_in_watch(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    f->free_in_upsert = true;
    send_added(f);
    assert_true(fake_run(&f->loop, &f->changed));
    assert_string_equal(f->log.data, "begin +a +b synced +c ");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_list_then_watch),
        T(test_selectors),
        T(test_pages),
        T(test_broken_list),
        T(test_forbidden_then_works),
        T(test_expired),
        T(test_watch_list),
        T(test_watch_list_refused),
        T(test_lost),
        T(test_silent_and_dead),
        T(test_silent_and_alive),
        T(test_stop_in_list),
        T(test_stop_in_watch),
        T(test_free_client_in_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
