/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/watch.h"

#include "kube/watch_fake_test.h"

static void test_list_then_watch(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
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
        assert_false(f->synced);
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

static void start_pulse(struct fixture *f, int timeout_ms)
{
    f->client->pulse.silence_ms = 50;
    f->client->pulse.timeout_ms = timeout_ms;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
}

/* The connection swallows everything: found by us, and the watch goes on over another. */
static void test_silent_and_dead(void **state)
{
    struct fixture *f = *state;
    f->hung = true;
    start_pulse(f, 200);
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
    start_pulse(f, 20000);
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

static void test_list_is_bounded(void **state)
{
    struct fixture *f = *state;
    start(f);
    f->watch->list_bytes = KUBE_LIST_BYTES_MAX;
    assert_true(fake_run(&f->loop, &f->failing));
    assert_string_equal(f->log.data, "begin invalid ");
    assert_int_equal(f->watch->reflector.phase, KUBE_REFLECTOR_WAITING);
}

static void test_another_kind_is_skipped(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    fake_chunk(f->open, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Other\",\"metadata\":{\"name\":"
                        "\"o\",\"resourceVersion\":\"8\"}}}\n");
    send_added(f);
    assert_true(fake_run(&f->loop, &f->changed));
    assert_string_equal(f->log.data, "begin +a +b synced +c -? ");
    assert_string_equal(f->watch->reflector.rv, "8");
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
        T(test_list_is_bounded),
        T(test_another_kind_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
