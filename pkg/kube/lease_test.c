/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include "base/str.h"
#include "http/fake_test.h"
#include "kube/client_priv.h"
#include "kube/events.h"
#include "json/jx.h"
#include <cmocka.h>

/* A server with one Lease, and events: just enough of the API. */
struct fixture {
    uv_loop_t loop;
    struct fake server;
    struct kube_client *client;
    struct clock_virtual clock;
    json_t *lease;
    int version, leases_written;
    bool deaf; /* no answers */
    int posts, patches, events_status;
    char event[2048], patch[256], path[512];
    bool acquired, lost, released, patched, posted;
};

static void serve_lease(struct fixture *f, struct fake_conn *c, const struct fake_request *q)
{
    if (str_eq(q->method, "GET")) {
        auto_free char *text = jx_dump(f->lease);
        fake_reply(c, f->lease ? 200 : 404, "", f->lease ? text : "");
        return;
    }
    json_t *body = jx_load(q->body, strlen(q->body), NULL);
    const char *seen = jx_str(body, "metadata.resourceVersion");
    if (f->lease && !str_eq(seen, jx_str(f->lease, "metadata.resourceVersion"))) {
        json_decref(body);
        fake_reply(c, 409, "", "{}");
        return;
    }
    auto_free char *rv = xasprintf("%d", ++f->version);
    jx_set_str(body, "metadata.resourceVersion", rv);
    json_decref(f->lease);
    f->lease = body;
    f->leases_written++;
    auto_free char *text = jx_dump(f->lease);
    fake_reply(c, 200, "", text);
}

static void serve_event(struct fixture *f, struct fake_conn *c, const struct fake_request *q)
{
    bool post = str_eq(q->method, "POST");
    *(post ? &f->posts : &f->patches) += 1;
    *(post ? &f->posted : &f->patched) = true;
    snprintf(post ? f->event : f->patch, post ? sizeof f->event : sizeof f->patch, "%s", q->body);
    snprintf(f->path, sizeof f->path, "%s", q->path);
    fake_reply(c, f->events_status ? f->events_status : 201, "", "{}");
}

static void handle(void *arg, struct fake_conn *c, const struct fake_request *q)
{
    struct fixture *f = arg;
    if (f->deaf)
        return;
    if (strstr(q->path, "/leases"))
        serve_lease(f, c, q);
    else
        serve_event(f, c, q);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct clock_virtual clock = CLOCK_VIRTUAL(1000000, 1700000000);
    f->clock = clock;
    uv_loop_init(&f->loop);
    fake_start(&f->server, &f->loop, handle, f);
    struct kube_config config = {.server = f->server.url};
    f->client = kube_client_new_plain(&f->loop, &f->clock.clock, &config, NULL);
    *state = f;
    return f->client ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kube_client_free(f->client);
    fake_stop(&f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    json_decref(f->lease);
    free(f);
    return r;
}

static void on_acquired(void *arg)
{
    ((struct fixture *)arg)->acquired = true;
}

static void on_lost(void *arg)
{
    ((struct fixture *)arg)->lost = true;
}

static void on_released(void *arg)
{
    ((struct fixture *)arg)->released = true;
}

static void test_acquire_and_release(void **state)
{
    struct fixture *f = *state;
    struct kube_lease *l =
        kube_lease_start(f->client, "n", "leader", "me", on_acquired, on_lost, f);
    assert_true(fake_run(&f->loop, &f->acquired));
    assert_string_equal(jx_str(f->lease, "spec.holderIdentity"), "me");
    kube_lease_release(l, on_released, f);
    assert_false(f->released);
    assert_true(fake_run(&f->loop, &f->released));
    assert_string_equal(jx_str(f->lease, "spec.holderIdentity"), "");
    assert_false(f->lost);
}

static void test_held_by_other(void **state)
{
    struct fixture *f = *state;
    f->lease = json_pack("{s:{s:s}, s:{s:s, s:i}}", "metadata", "resourceVersion", "1", "spec",
                         "holderIdentity", "other", "leaseDurationSeconds", 15);
    struct kube_lease *l =
        kube_lease_start(f->client, "n", "leader", "me", on_acquired, on_lost, f);
    while (!f->server.requests)
        uv_run(&f->loop, UV_RUN_ONCE);
    kube_lease_release(l, on_released, f);
    assert_true(fake_run(&f->loop, &f->released));
    assert_false(f->acquired);
    assert_int_equal(f->leases_written, 0);
}

static void test_release_before_start(void **state)
{
    struct fixture *f = *state;
    struct kube_lease *l =
        kube_lease_start(f->client, "n", "leader", "me", on_acquired, on_lost, f);
    kube_lease_release(l, on_released, f);
    assert_true(fake_run(&f->loop, &f->released));
    assert_int_equal(f->server.requests, 0);
}

/* Nobody answers: the release ends all the same, after 2 s. */
static void test_release_unanswered(void **state)
{
    struct fixture *f = *state;
    struct kube_lease *l =
        kube_lease_start(f->client, "n", "leader", "me", on_acquired, on_lost, f);
    assert_true(fake_run(&f->loop, &f->acquired));
    f->deaf = true;
    kube_lease_release(l, on_released, f);
    assert_true(fake_run(&f->loop, &f->released));
}

static const struct kube_event thing = {
    "meshwright.dev/v1alpha1", "Mesh", "n", "m", "u", true, "Stalled", "no way"};

static void test_events(void **state)
{
    struct fixture *f = *state;
    struct kube_events *e = kube_events_new(f->client, "meshwright");
    kube_events_emit(e, &thing);
    kube_events_emit(e, &thing);
    kube_events_emit(e, &thing);
    assert_true(fake_run(&f->loop, &f->patched));
    assert_int_equal(f->posts, 1);
    assert_int_equal(f->patches, 1); /* what came meanwhile, in one */
    auto_json *o = jx_load(f->event, strlen(f->event), NULL);
    assert_string_equal(jx_str(o, "type"), "Warning");
    assert_string_equal(jx_str(o, "reason"), "Stalled");
    assert_string_equal(jx_str(o, "message"), "no way");
    assert_string_equal(jx_str(o, "involvedObject.uid"), "u");
    assert_string_equal(jx_str(o, "metadata.namespace"), "n");
    assert_true(str_starts(jx_str(o, "metadata.name"), "m."));
    auto_json *p = jx_load(f->patch, strlen(f->patch), NULL);
    assert_int_equal(jx_int(p, "count", 0), 3);
    kube_events_free(e);
}

static void test_event_of_cluster_scope(void **state)
{
    struct fixture *f = *state;
    struct kube_events *e = kube_events_new(f->client, "meshwright");
    struct kube_event ev = thing;
    char message[3002];
    /* An odd letter first: the bound of 1,024 bytes falls into the middle of one of two bytes. */
    message[0] = 'x';
    for (size_t i = 1; i < sizeof message - 1; i += 2)
        memcpy(message + i, "\xc3\xa4", 2);
    message[sizeof message - 1] = '\0';
    ev.ns = NULL;
    ev.message = message;
    kube_events_emit(e, &ev);
    assert_true(fake_run(&f->loop, &f->posted));
    assert_string_equal(f->path, "/api/v1/namespaces/default/events");
    auto_json *o = jx_load(f->event, strlen(f->event), NULL);
    assert_non_null(o);
    assert_int_equal(strlen(jx_str(o, "message")), 1023);
    kube_events_free(e);
}

/* Refused: dropped, and the next time it is a new one. */
static void test_event_refused(void **state)
{
    struct fixture *f = *state;
    struct kube_events *e = kube_events_new(f->client, "meshwright");
    f->events_status = 403;
    kube_events_emit(e, &thing);
    assert_true(fake_run(&f->loop, &f->posted));
    f->posted = false;
    while (f->client->calls)
        uv_run(&f->loop, UV_RUN_ONCE);
    kube_events_emit(e, &thing);
    assert_true(fake_run(&f->loop, &f->posted));
    assert_int_equal(f->posts, 2);
    assert_int_equal(f->patches, 0);
    kube_events_free(e);
}

static void test_events_freed_in_flight(void **state)
{
    struct fixture *f = *state;
    struct kube_events *e = kube_events_new(f->client, "meshwright");
    kube_events_emit(e, &thing);
    kube_events_free(e);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_acquire_and_release),
        T(test_held_by_other),
        T(test_release_before_start),
        T(test_release_unanswered),
        T(test_events),
        T(test_event_of_cluster_scope),
        T(test_event_refused),
        T(test_events_freed_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
