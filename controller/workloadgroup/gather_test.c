/* SPDX-License-Identifier: Apache-2.0 */
#include "workloadgroup/gather.h"

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

#define GROUP_PATH "/apis/networking.istio.io/v1/namespaces/billing/workloadgroups/vm"
#define MESH_PATH  "/api/v1/namespaces/istio-system/configmaps/istio"
#define ROOT_PATH  "/api/v1/namespaces/billing/configmaps/istio-ca-root-cert"
#define EW_PATH    "/api/v1/namespaces/istio-system/services/istio-eastwestgateway"
#define TOKEN_PATH "/api/v1/namespaces/billing/serviceaccounts/bill/token"

enum { ANSWERS = 5 };

struct answer_row {
    const char *path;
    int status; /* 0: it hangs up; -1: no answer */
    const char *body;
};

struct fixture {
    uv_loop_t loop;
    struct fake server;
    struct kube_client *client;
    struct clock_virtual clock;
    struct answer_row rows[ANSWERS];
    char token_body[512];
    int tokens;
    bool done;
    struct err err;
    char address[256], mesh[256], root[64], token[64], expires[64], cluster[64];
    bool dns, registers, has_group;
};

static void handle(void *arg, struct fake_conn *c, const struct fake_request *q)
{
    struct fixture *f = arg;
    if (str_eq(q->path, TOKEN_PATH)) {
        snprintf(f->token_body, sizeof f->token_body, "%s %s", q->method, q->body);
        f->tokens++;
    }
    for (int i = 0; i < ANSWERS; i++) {
        if (!str_eq(f->rows[i].path, q->path))
            continue;
        if (f->rows[i].status == 0)
            fake_drop(c);
        else if (f->rows[i].status > 0)
            fake_reply(c, f->rows[i].status, "", f->rows[i].body);
        return;
    }
    fake_reply(c, 404, "", "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"none\"}");
}

static const struct answer_row all_well[ANSWERS] = {
    {GROUP_PATH, 200,
     "{\"metadata\":{\"name\":\"vm\",\"namespace\":\"billing\"},\"spec\":{\"template\":{"
     "\"serviceAccount\":\"bill\"}}}"},
    {MESH_PATH, 200, "{\"data\":{\"mesh\":\"trustDomain: x\"}}"},
    {ROOT_PATH, 200, "{\"data\":{\"root-cert.pem\":\"the root\"}}"},
    {EW_PATH, 200,
     "{\"spec\":{\"externalIPs\":[\"9.9.9.9\"]},\"status\":{\"loadBalancer\":{\"ingress\":[{"
     "\"ip\":\"10.1.0.200\"},{\"hostname\":\"lb.example\"},{\"ip\":\"10.1.0.201\"}]}}}"},
    {TOKEN_PATH, 201,
     "{\"status\":{\"token\":\"t0k.e.n\",\"expirationTimestamp\":\"2030-01-01T00:00:00Z\"}}"},
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    uv_loop_init(&f->loop);
    struct clock_virtual clock = CLOCK_VIRTUAL(1000000, 1700000000);
    f->clock = clock;
    memcpy(f->rows, all_well, sizeof all_well);
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
    free(f);
    return r;
}

static void on_facts(void *arg, const struct machine_facts *m, const char *expires,
                     const struct err *err)
{
    struct fixture *f = arg;
    assert_false(f->done);
    f->done = true;
    if (err) {
        assert_null(m);
        f->err = *err;
        return;
    }
    snprintf(f->address, sizeof f->address, "%s", str_or(m->istiod_address, "-"));
    snprintf(f->mesh, sizeof f->mesh, "%s", str_or(m->mesh_yaml, "-"));
    snprintf(f->root, sizeof f->root, "%s", str_or(m->root_pem, "-"));
    snprintf(f->token, sizeof f->token, "%s", str_or(m->token, "-"));
    snprintf(f->expires, sizeof f->expires, "%s", str_or(expires, "-"));
    snprintf(f->cluster, sizeof f->cluster, "%s", m->cluster);
    f->dns = m->capture_dns;
    f->registers = m->auto_register;
    f->has_group = str_eq(jx_str(m->group, "metadata.name"), "vm");
}

static struct gather_request request(struct fixture *f)
{
    return (struct gather_request){.client = f->client,
                                   .namespace = "billing",
                                   .name = "vm",
                                   .cluster = "c1",
                                   .token_s = 1200};
}

static void gather(struct fixture *f, const struct gather_request *q)
{
    assert_non_null(gather_start(q, on_facts, f));
    assert_false(f->done);
    assert_true(fake_run(&f->loop, &f->done));
}

static void test_facts(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    gather(f, &q);
    assert_int_equal(f->err.class, ERR_NONE);
    assert_string_equal(f->address, "10.1.0.200 10.1.0.201");
    assert_string_equal(f->mesh, "trustDomain: x");
    assert_string_equal(f->root, "the root");
    assert_string_equal(f->token, "t0k.e.n");
    assert_string_equal(f->expires, "2030-01-01T00:00:00Z");
    assert_string_equal(f->cluster, "c1");
    assert_true(f->dns && f->registers && f->has_group);
    assert_non_null(strstr(f->token_body, "POST "));
    assert_non_null(strstr(f->token_body, "\"istio-ca\""));
    assert_non_null(strstr(f->token_body, "1200"));
}

static void test_given_address_reads_no_service(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    q.istiod_address = "192.168.1.1";
    q.no_dns_capture = q.no_auto_register = true;
    f->rows[3].path = NULL;
    gather(f, &q);
    assert_int_equal(f->err.class, ERR_NONE);
    assert_string_equal(f->address, "192.168.1.1");
    assert_false(f->dns || f->registers);
}

static void test_revision_and_external_address(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    q.revision = "canary";
    f->rows[1].path = MESH_PATH "-canary";
    f->rows[3].body = "{\"spec\":{\"externalIPs\":[\"not one\",\"2001:db8::1\"]}}";
    gather(f, &q);
    assert_int_equal(f->err.class, ERR_NONE);
    assert_string_equal(f->address, "2001:db8::1");
}

/* One thing is wrong; what is said of it, and no token is asked for. */
static void test_missing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int row, status;
        const char *body, *says;
        enum err_class class;
    } cases[] = {
        {0, 404, "{}", "has no WorkloadGroup billing/vm yet; next:", ERR_NOT_FOUND},
        {1, 404, "{}", "has no ConfigMap istio-system/istio; next:", ERR_NOT_FOUND},
        {2, 404, "{}", "istio-ca-root-cert); next:", ERR_NOT_FOUND},
        {3, 404, "{}", "has no Service istio-system/istio-eastwestgateway", ERR_NOT_FOUND},
        {3, 200, "{}", "has no address yet; next: wait", ERR_NOT_FOUND},
        {3, 200, "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"hostname\":\"lb.example\"}]}}}",
         "only the name lb.example; next: give its IP address", ERR_NOT_FOUND},
        {0, 403, "{}", "reading the WorkloadGroup of cluster c1", ERR_FORBIDDEN},
        {1, 401, "{}", "reading Istio's configuration of cluster c1", ERR_UNAUTHORIZED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gather_request q = request(f);
        memcpy(f->rows, all_well, sizeof all_well);
        f->rows[cases[i].row].status = cases[i].status;
        f->rows[cases[i].row].body = cases[i].body;
        f->done = false;
        f->err = (struct err){0};
        gather(f, &q);
        assert_int_equal(f->err.class, cases[i].class);
        if (!strstr(f->err.msg, cases[i].says))
            fail_msg("'%s' does not say '%s'", f->err.msg, cases[i].says);
    }
    assert_int_equal(f->tokens, 0);
}

static void test_token_refused(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    f->rows[4].status = 403;
    f->rows[4].body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no right\"}";
    gather(f, &q);
    assert_int_equal(f->err.class, ERR_FORBIDDEN);
    assert_non_null(strstr(f->err.msg, "a token of service account billing/bill"));
    assert_non_null(strstr(f->err.msg, "no right"));
}

static void test_answer_without_token(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    f->rows[4].body = "{}";
    gather(f, &q);
    assert_int_equal(f->err.class, ERR_TRANSIENT);
}

static void test_default_account(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    f->rows[0].body = "{\"metadata\":{\"name\":\"vm\",\"namespace\":\"billing\"}}";
    f->rows[4].path = "/api/v1/namespaces/billing/serviceaccounts/default/token";
    gather(f, &q);
    assert_int_equal(f->err.class, ERR_NONE);
}

static void test_too_large(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    auto_free char *body = xmalloc(GATHER_BYTES_MAX + 100);
    memset(body, ' ', GATHER_BYTES_MAX + 99);
    body[0] = '{';
    body[GATHER_BYTES_MAX + 98] = '}';
    body[GATHER_BYTES_MAX + 99] = 0;
    f->rows[1].body = body;
    gather(f, &q);
    assert_int_not_equal(f->err.class, ERR_NONE);
    assert_int_equal(f->tokens, 0);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct gather_request q = request(f);
    f->rows[0].status = -1;
    struct gather *g = gather_start(&q, on_facts, f);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    gather_cancel(g);
    gather_cancel(NULL);
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_false(f->done);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_facts),
        T(test_given_address_reads_no_service),
        T(test_revision_and_external_address),
        T(test_missing),
        T(test_token_refused),
        T(test_answer_without_token),
        T(test_default_account),
        T(test_too_large),
        T(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
