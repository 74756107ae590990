/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <unistd.h>

#include "base/str.h"
#include "http/fake_test.h"
#include "kube/client_priv.h"
#include "json/jx.h"

struct fixture {
    uv_loop_t loop;
    struct fake server;
    struct kube_client *client;
    struct clock_virtual clock;
    /* What the server answers, in turn; the last one again and again. status 0: it hangs up; -1: no answer. */
    struct {
        int status;
        const char *headers, *body;
    } script[8];
    int at;
    char method[16], path[512], head[4096], body[1024];
};

static void handle(void *arg, struct fake_conn *c, const struct fake_request *q)
{
    struct fixture *f = arg;
    int at = f->at;
    snprintf(f->method, sizeof f->method, "%s", q->method);
    snprintf(f->path, sizeof f->path, "%s", q->path);
    snprintf(f->head, sizeof f->head, "%s", q->head);
    snprintf(f->body, sizeof f->body, "%s", q->body);
    if (at < 7 && f->script[at + 1].headers)
        f->at++;
    if (f->script[at].status == 0)
        fake_drop(c);
    else if (f->script[at].status > 0)
        fake_reply(c, f->script[at].status, f->script[at].headers, f->script[at].body);
}

struct answer {
    bool done;
    int status;
    struct err err;
    char text[256]; /* of the body, or raw */
    void (*then)(struct answer *a);
    struct fixture *f;
};

static void on_answer(void *arg, const struct kube_response *r, const struct err *err)
{
    struct answer *a = arg;
    auto_free char *body = r->body ? jx_dump(r->body) : NULL;
    a->done = true;
    a->status = r->status;
    if (err)
        a->err = *err;
    snprintf(a->text, sizeof a->text, "%s", body ? body : str_or(r->raw, ""));
    if (a->then)
        a->then(a);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    uv_loop_init(&f->loop);
    struct clock_virtual clock = CLOCK_VIRTUAL(1000000, 1700000000);
    f->clock = clock;
    fake_start(&f->server, &f->loop, handle, f);
    struct kube_config config = {.server = f->server.url};
    config.token = xstrdup("t0ken");
    f->client = kube_client_new_plain(&f->loop, &f->clock.clock, &config, NULL);
    free(config.token);
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
    free(f);
    return r;
}

#define SCRIPT(f, i, s, h, b)                                                                      \
    do {                                                                                           \
        (f)->script[i].status = (s);                                                               \
        (f)->script[i].headers = (h);                                                              \
        (f)->script[i].body = (b);                                                                 \
    } while (0)

static void call(struct fixture *f, const struct kube_request *q, struct answer *a)
{
    kube_call(f->client, q, on_answer, a);
    assert_false(a->done);
    assert_true(fake_run(&f->loop, &a->done));
}

static const struct kube_request get_x = {.method = "GET", .path = "/x?limit=1"};
static const struct kube_request put_x = {.method = "PUT", .path = "/x", .body = "{}"};

static void test_get(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    SCRIPT(f, 0, 200, "", "{\"b\":1,\"a\":2}");
    call(f, &get_x, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.err.class, ERR_NONE);
    assert_string_equal(a.text, "{\"a\":2,\"b\":1}");
    assert_non_null(strstr(f->head, "\r\nAuthorization: Bearer t0ken\r\n"));
    assert_non_null(strstr(f->head, "\r\nUser-Agent: meshwright/0.1.0\r\n"));
    assert_non_null(strstr(f->head, "\r\nAccept: application/json\r\n"));
    assert_int_equal(kube_client_writes(f->client), 0);
    assert_string_equal(kube_client_server(f->client), f->server.url);
    assert_null(kube_client_ca(f->client));
}

static void test_raw_and_empty(void **state)
{
    struct fixture *f = *state;
    struct answer raw = {0}, empty = {0}, broken = {0};
    struct kube_request q = {
        .method = "GET", .path = "/metrics", .raw = true, .accept = KUBE_ACCEPT_TEXT};
    SCRIPT(f, 0, 200, "", "a 1\n");
    SCRIPT(f, 1, 200, "", "");
    SCRIPT(f, 2, 200, "", "<html>");
    call(f, &q, &raw);
    assert_string_equal(raw.text, "a 1\n");
    call(f, &get_x, &empty);
    assert_int_equal(empty.err.class, ERR_NONE);
    call(f, &get_x, &broken);
    assert_int_equal(broken.err.class, ERR_TRANSIENT);
    assert_true(str_starts(broken.err.msg, "GET /x: "));
}

static void test_too_large(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    struct kube_request q = {.method = "GET", .path = "/x?y", .max_bytes = 4};
    SCRIPT(f, 0, 200, "", "{\"a\":1}");
    call(f, &q, &a);
    assert_int_equal(a.err.class, ERR_INVALID);
    assert_string_equal(a.err.msg, "GET /x: the answer is larger than 4 bytes");
    assert_int_equal(f->server.requests, 1);
}

static void test_reads_are_repeated(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    SCRIPT(f, 0, 0, "", "");
    SCRIPT(f, 1, 0, "", "");
    SCRIPT(f, 2, 200, "", "{}");
    call(f, &get_x, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(f->server.requests, 3);
}

/* An address that refuses at once holds a call no longer than one that is silent. */
static void test_repeats_take_no_longer(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    struct kube_request brief = get_x;
    brief.timeout_ms = 90;
    SCRIPT(f, 0, 0, "", "");
    call(f, &brief, &a);
    assert_int_equal(a.err.class, ERR_TRANSIENT);
    assert_int_equal(f->server.requests, 1);
}

static void test_writes_are_not(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    SCRIPT(f, 0, 0, "", "");
    call(f, &put_x, &a);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.err.class, ERR_TRANSIENT);
    assert_int_equal(f->server.requests, 1);
}

static void test_throttled(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0}, plain = {0};
    SCRIPT(f, 0, 429, "Retry-After: 1\r\n", "");
    SCRIPT(f, 1, 200, "", "{}");
    SCRIPT(f, 2, 429, "", "");
    call(f, &put_x, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(f->server.requests, 2);
    assert_int_equal(kube_client_writes(f->client), 2);
    call(f, &put_x, &plain); /* the server does not say when */
    assert_int_equal(plain.err.class, ERR_THROTTLED);
}

static void test_error(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    SCRIPT(f, 0, 409, "", "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"changed\"}");
    call(f, &put_x, &a);
    assert_int_equal(a.status, 409);
    assert_int_equal(a.err.class, ERR_CONFLICT);
    assert_string_equal(a.err.msg, "PUT /x: 409 Conflict: changed");
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct answer sent = {0}, waiting = {0}, last = {0};
    SCRIPT(f, 0, 429, "Retry-After: 30\r\n", "");
    SCRIPT(f, 1, 200, "", "{}");
    struct kube_call *k = kube_call(f->client, &get_x, on_answer, &sent);
    kube_call_cancel(k);
    k = kube_call(f->client, &get_x, on_answer, &waiting);
    while (f->server.requests < 1)
        uv_run(&f->loop, UV_RUN_ONCE);
    call(f, &get_x, &last);
    kube_call_cancel(k); /* while it waits for its next try */
    assert_false(sent.done);
    assert_false(waiting.done);
}

static void free_client(struct answer *a)
{
    kube_client_free(a->f->client);
    a->f->client = NULL;
}

static void test_free_in_callback(void **state)
{
    struct fixture *f = *state;
    struct answer a = {.f = f, .then = free_client}, other = {0};
    SCRIPT(f, 0, 200, "", "{}");
    SCRIPT(f, 1, -1, "", "");
    kube_call(f->client, &get_x, on_answer, &a);
    kube_call(f->client, &get_x, on_answer, &other);
    assert_true(fake_run(&f->loop, &a.done));
    assert_false(other.done);
}

static void test_apply(void **state)
{
    static const struct gvr crd = {"a.b", "v1", "things", "Thing", true};
    struct fixture *f = *state;
    struct answer a = {0}, b = {0};
    SCRIPT(f, 0, 200, "", "{}");
    kube_apply(f->client, &crd, "n", "x", NULL, "{\"k\":1}", 0, false, on_answer, &a);
    assert_true(fake_run(&f->loop, &a.done));
    assert_string_equal(f->method, "PATCH");
    assert_string_equal(f->path, "/apis/a.b/v1/namespaces/n/things/x?fieldManager=meshwright&"
                                 "fieldValidation=Strict&force=true");
    assert_string_equal(f->body, "{\"k\":1}");
    assert_non_null(strstr(f->head, "\r\nContent-Type: application/apply-patch+yaml\r\n"));
    assert_non_null(strstr(f->head, "\r\nAccept: " KUBE_ACCEPT_METADATA "\r\n"));
    kube_apply(f->client, &crd, "n", "x", "status", "{}", 0, true, on_answer, &b);
    assert_true(fake_run(&f->loop, &b.done));
    assert_true(str_starts(f->path, "/apis/a.b/v1/namespaces/n/things/x/status?"));
    assert_int_equal(kube_client_writes(f->client), 2);
    struct answer c = {0};
    kube_apply_unforced(f->client, &crd, "n", "x", "{}", 0, false, on_answer, &c);
    assert_true(fake_run(&f->loop, &c.done));
    assert_string_equal(f->path, "/apis/a.b/v1/namespaces/n/things/x?fieldManager=meshwright&"
                                 "fieldValidation=Strict");
}

static void test_delete(void **state)
{
    static const struct gvr ns = {"", "v1", "namespaces", "Namespace", false};
    struct fixture *f = *state;
    struct answer a = {0}, b = {0}, c = {0};
    SCRIPT(f, 0, 200, "", "{}");
    kube_delete(f->client, &ns, NULL, "x", "u-1", on_answer, &a);
    assert_true(fake_run(&f->loop, &a.done));
    assert_string_equal(f->method, "DELETE");
    assert_string_equal(f->path, "/api/v1/namespaces/x");
    assert_string_equal(f->body,
                        "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":"
                        "{\"uid\":\"u-1\"},\"propagationPolicy\":\"Background\"}");
    kube_delete(f->client, &ns, NULL, "x", NULL, on_answer, &b);
    assert_true(fake_run(&f->loop, &b.done));
    assert_null(strstr(f->body, "preconditions"));
    kube_delete_version(f->client, &ns, NULL, "x", "u-1", "42", on_answer, &c);
    assert_true(fake_run(&f->loop, &c.done));
    assert_non_null(
        strstr(f->body, "\"preconditions\":{\"resourceVersion\":\"42\",\"uid\":\"u-1\"}"));
}

static void test_token_request(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0}, b = {0};
    SCRIPT(f, 0, 201, "", "{\"status\":{\"token\":\"abc\"}}");
    kube_token_request(f->client, "n", "sa", NULL, 3600, on_answer, &a);
    assert_true(fake_run(&f->loop, &a.done));
    assert_string_equal(f->path, "/api/v1/namespaces/n/serviceaccounts/sa/token");
    assert_string_equal(a.text, "{\"status\":{\"token\":\"abc\"}}");
    assert_null(strstr(f->body, "audiences"));
    kube_token_request(f->client, "n", "sa", "istio-ca", 3600, on_answer, &b);
    assert_true(fake_run(&f->loop, &b.done));
    assert_non_null(strstr(f->body, "\"audiences\":[\"istio-ca\"]"));
    assert_int_equal(kube_client_writes(f->client), 0);
}

static void test_what_counts_as_write(void **state)
{
    static const char *const reads[] = {
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/api/v1/namespaces/n/serviceaccounts/token/token",
        "/api/v1/namespaces?dryRun=All",
    };
    struct fixture *f = *state;
    SCRIPT(f, 0, 201, "", "{}");
    for (size_t i = 0; i < 4; i++) {
        struct answer a = {0};
        struct kube_request q = {.method = "POST", .path = reads[i], .body = "{}"};
        call(f, &q, &a);
    }
    assert_int_equal(kube_client_writes(f->client), 0);
    struct answer a = {0};
    struct kube_request q = {.method = "POST", .path = "/api/v1/namespaces", .body = "{}"};
    call(f, &q, &a);
    assert_int_equal(kube_client_writes(f->client), 1);
}

static void write_token(int fd, const char *token)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, token, strlen(token), 0), (ssize_t)strlen(token));
}

static void assert_bearer(struct fixture *f, const char *token)
{
    struct answer a = {0};
    auto_free char *want = xasprintf("\r\nAuthorization: Bearer %s\r\n", token);
    call(f, &get_x, &a);
    assert_non_null(strstr(f->head, want));
}

static void test_token_file(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/meshwright-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct kube_config config = {.server = f->server.url, .token_file = path};
    write_token(fd, "one\n");
    assert_int_equal(kube_client_set_config(f->client, &config, NULL), 0);
    SCRIPT(f, 0, 200, "", "{}");
    assert_bearer(f, "one");
    write_token(fd, "two");
    clock_virtual_advance(&f->clock, 59999);
    assert_bearer(f, "one");
    clock_virtual_advance(&f->clock, 1);
    assert_bearer(f, "two");
    /* Not a token, or no file: the old one may still be good. */
    write_token(fd, "two words");
    clock_virtual_advance(&f->clock, 60000);
    assert_bearer(f, "two");
    /* A 401 has it read again, by the next request. */
    write_token(fd, "three");
    SCRIPT(f, 0, 401, "", "");
    assert_bearer(f, "two");
    SCRIPT(f, 0, 200, "", "{}");
    assert_bearer(f, "three");
    unlink(path);
    close(fd);
    clock_virtual_advance(&f->clock, 60000);
    assert_bearer(f, "three");
}

static void test_set_config(void **state)
{
    struct fixture *f = *state;
    struct answer before = {0}, after = {0}, other = {0};
    struct err err = {0};
    struct kube_config bad = {.server = f->client->config.ca};
    SCRIPT(f, 0, 200, "", "{}");
    assert_int_equal(kube_client_set_config(f->client, &bad, &err), -1);
    assert_int_equal(err.class, ERR_INVALID);
    kube_call(f->client, &get_x, on_answer, &before);
    struct kube_config config = {.server = f->server.url};
    config.token = xstrdup("new");
    assert_int_equal(kube_client_set_config(f->client, &config, NULL), 0);
    free(config.token);
    assert_true(fake_run(&f->loop, &before.done));
    assert_int_equal(before.status, 200);
    assert_non_null(strstr(f->head, "Bearer t0ken\r\n"));
    call(f, &get_x, &after);
    assert_non_null(strstr(f->head, "Bearer new\r\n"));
    assert_int_equal(f->server.accepted, 1); /* only the token is another one */
    config = (struct kube_config){.server = f->server.url, .ca = f->client->config.server};
    assert_int_equal(kube_client_set_config(f->client, &config, NULL), 0);
    call(f, &get_x, &other);
    assert_int_equal(f->server.accepted, 2);
    assert_int_equal(kube_client_set_config(f->client, &f->client->config, NULL), 0);
}

static void test_plain_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kube_config config = {.server = f->server.url};
    struct err err = {0};
    assert_null(kube_client_new(&f->loop, &f->clock.clock, &config, &err));
    assert_int_equal(err.class, ERR_INVALID);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get),
        T(test_raw_and_empty),
        T(test_too_large),
        T(test_reads_are_repeated),
        T(test_repeats_take_no_longer),
        T(test_writes_are_not),
        T(test_throttled),
        T(test_error),
        T(test_cancel),
        T(test_free_in_callback),
        T(test_apply),
        T(test_delete),
        T(test_token_request),
        T(test_what_counts_as_write),
        T(test_token_file),
        T(test_set_config),
        T(test_plain_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
