/* SPDX-License-Identifier: Apache-2.0 */
/* Watches that give records, out of either encoding. */
#include "kube/watch.h"

#include "kube/watch_fake_test.h"
#include "kube/wire_put.h"

static void put_service(struct buf *out, const char *name, const char *version)
{
    struct buf meta = BUF_INIT(1000), spec = BUF_INIT(1000);
    put_str(&meta, 1, name);
    put_str(&meta, 6, version);
    put_str(&spec, 3, "None");
    put_sub(out, 1, &meta);
    put_sub(out, 2, &spec);
}

static void put_list(struct fixture *f, const char *version)
{
    struct buf list = BUF_INIT(10000), meta = BUF_INIT(1000), a = BUF_INIT(1000),
               b = BUF_INIT(1000);
    put_str(&meta, 2, version);
    put_sub(&list, 1, &meta);
    put_service(&a, "a", "5");
    put_service(&b, "b", "6");
    put_sub(&list, 2, &a);
    put_sub(&list, 2, &b);
    put_envelope(&f->proto, "ServiceList", list.data, list.len);
    buf_done(&list);
}

/* As a chunk of HTTP. */
static void send_event(struct fixture *f, const char *type, struct buf *object, const char *kind)
{
    struct buf envelope = BUF_INIT(4000), raw = BUF_INIT(4000), event = BUF_INIT(4000),
               chunk = BUF_INIT(8000);
    put_envelope(&envelope, kind, object->data, object->len);
    put_sub(&raw, 1, &envelope);
    put_str(&event, 1, type);
    put_sub(&event, 2, &raw);
    const char length[] = {0, 0, (char)(event.len >> 8), (char)event.len};
    buf_printf(&chunk, "%zx\r\n", event.len + 4);
    buf_append(&chunk, length, 4);
    buf_append(&chunk, event.data, event.len);
    buf_puts(&chunk, "\r\n");
    send_bytes(f->open, chunk.data, chunk.len);
    buf_done(&event);
    buf_done(&chunk);
    buf_done(object);
}

static void send_service(struct fixture *f, const char *type, const char *name, const char *version)
{
    struct buf object = BUF_INIT(1000);
    put_service(&object, name, version);
    send_event(f, type, &object, "Service");
}

static void start_records(struct fixture *f)
{
    f->opts = (struct kube_watch_opts){.record = KUBE_RECORD_SERVICE};
    start(f);
}

static void test_protobuf(void **state)
{
    struct fixture *f = *state;
    put_list(f, "7");
    start_records(f);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_non_null(
        strstr(f->head, "\r\nAccept: application/vnd.kubernetes.protobuf, application/json\r\n"));
    assert_string_equal(f->log.data, "begin +a +b synced ");
    assert_string_equal(f->view.meta.rv, "6");
    assert_true(f->view.headless);
    assert_null(f->watch->list);
    wait_open(f);
    assert_non_null(strstr(f->head, "\r\nAccept: application/vnd.kubernetes.protobuf;stream=watch, "
                                    "application/json\r\n"));
    assert_true(str_ends(f->watch_path, "&resourceVersion=7"));
    buf_reset(&f->log);
    send_service(f, "MODIFIED", "b", "8");
    send_service(f, "BOOKMARK", "", "9");
    send_service(f, "DELETED", "a", "10");
    assert_true(fake_run(&f->loop, &f->removed));
    assert_string_equal(f->log.data, "+b -a ");
    assert_string_equal(f->view.meta.rv, "8");
    assert_string_equal(f->watch->reflector.rv, "10");
    /* What has no name moves the version all the same. */
    send_service(f, "MODIFIED", "", "11");
    while (!str_eq(f->watch->reflector.rv, "11"))
        uv_run(&f->loop, UV_RUN_ONCE);
    fake_chunk(f->open, "");
    f->open = NULL;
    f->changed = false;
    wait_open(f);
    assert_true(str_ends(f->watch_path, "&resourceVersion=11"));
}

static void test_protobuf_error(void **state)
{
    struct fixture *f = *state;
    struct buf status = BUF_INIT(1000);
    put_list(f, "7");
    start_records(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    put_str(&status, 2, "Failure");
    put_str(&status, 4, "Expired");
    put_num(&status, 6, 410);
    send_event(f, "ERROR", &status, "Status");
    while (f->watch->reflector.phase != KUBE_REFLECTOR_WAITING)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->synced = false;
    kube_watch_wake(f->watch);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "begin +a +b synced begin +a +b synced ");
    assert_string_equal(f->list_path, "/api/v1/configmaps?resourceVersion=7");
}

static void test_records_from_json(void **state)
{
    struct fixture *f = *state;
    start_records(f);
    assert_true(fake_run(&f->loop, &f->synced));
    wait_open(f);
    send_added(f);
    assert_true(fake_run(&f->loop, &f->changed));
    assert_string_equal(f->log.data, "begin +a +b synced +c ");
    assert_null(f->view.meta.rv);
}

static void test_not_acceptable(void **state)
{
    struct fixture *f = *state;
    f->refuse_proto = true;
    start_records(f);
    assert_true(fake_run(&f->loop, &f->synced));
    assert_string_equal(f->log.data, "begin +a +b synced ");
    wait_open(f);
    assert_int_equal(f->n_refused, 1);
    assert_non_null(strstr(f->head, "\r\nAccept: application/json\r\n"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_protobuf),
        T(test_protobuf_error),
        T(test_records_from_json),
        T(test_not_acceptable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
