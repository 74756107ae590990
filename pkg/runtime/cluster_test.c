/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds on demand, against servers in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "kubesim/kubesim.h"
#include "runtime/applier.h"
#include "runtime/watches.h"
#include "json/jx.h"

enum { SEEN_MAX = 1 << 20 };

struct fixture {
    uv_loop_t loop;
    struct clock_virtual clock;
    struct kubesim *sim;
    struct cluster *cluster;
    struct buf seen; /* " METHOD path?query" of each request but writes */
};

static void on_seen(void *arg, const struct sim_request *q)
{
    struct fixture *f = arg;
    buf_printf(&f->seen, " %s %s?%s", q->method, q->path, str_or(q->query, ""));
}

static void on_changed(void *arg, struct cluster *c)
{
    (void)arg, (void)c;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err err;
    f->clock = CLOCK_VIRTUAL(1000000, 1700000000);
    f->seen = BUF_INIT(SEEN_MAX);
    uv_loop_init(&f->loop);
    f->sim = kubesim_new(&f->loop, &(struct kubesim_opts){.seen = on_seen, .seen_arg = f}, &err);
    assert_non_null(f->sim);
    assert_int_equal(kubesim_add_cluster(f->sim, "c", &err), 0);
    f->cluster = cluster_new(&f->loop, &f->clock.clock, "ns", "c", on_changed, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cluster_free(f->cluster);
    kubesim_free(f->sim);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    buf_done(&f->seen);
    free(f);
    return 0;
}

static int connect_cluster(struct fixture *f)
{
    auto_kube_config config = {0};
    struct err err;
    char field[KUBECONFIG_FIELD_MAX];
    auto_free char *text = kubesim_kubeconfig(f->sim, "c");
    assert_int_equal(
        kubeconfig_load(text, strlen(text), KUBECONFIG_MEMBER_LOCAL, &config, field, &err), 0);
    return cluster_configure(f->cluster, &config, "digest", NULL, &err);
}

/* Until it holds, or twenty seconds have passed. */
#define UNTIL(f, condition)                                                                        \
    do {                                                                                           \
        uint64_t end_ = uv_hrtime() + UINT64_C(20000000000);                                       \
        while (!(condition) && uv_hrtime() < end_)                                                 \
            turn(f);                                                                               \
        assert_true(condition);                                                                    \
    } while (0)

static void stay_awake(uv_timer_t *t)
{
    (void)t;
}

/* One turn of the loop, of 20 ms at most. */
static void turn(struct fixture *f)
{
    uv_timer_t t;
    uv_timer_init(&f->loop, &t);
    uv_timer_start(&t, stay_awake, 20, 0);
    uv_run(&f->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* How often a text is in what was asked for. */
static int asked(const struct fixture *f, const char *text)
{
    int n = 0;
    for (const char *at = f->seen.data; at && (at = strstr(at, text)); at++)
        n++;
    return n;
}

static void act(struct fixture *f, const char *method, const char *path, const char *body)
{
    int status = 0;
    auto_json *answer = kubesim_do(f->sim, "c", method, path, NULL, body, &status);
    if (status >= 300)
        fail_msg("%s %s: %d", method, path, status);
}

static const struct gvr *kind(const char *api_version, const char *name)
{
    const struct gvr *g = plan_gvr(api_version, name);
    assert_non_null(g);
    return g;
}

static const struct gvr *slices(void)
{
    return kind("discovery.k8s.io/v1", "EndpointSlice");
}

static size_t held(const struct fixture *f, const struct gvr *g)
{
    const struct records *r = cluster_records(f->cluster, g);
    return r ? r->n : 0;
}

#define OURS     "\"app.kubernetes.io/managed-by\":\"meshwright\""
#define AT       "/api/v1/namespaces/default"
#define SLICES   "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
#define GATEWAYS "/apis/networking.istio.io/v1/namespaces/default/gateways"
#define CRDS     "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

static void add_slice(struct fixture *f, const char *name, const char *labels)
{
    auto_free char *body = xasprintf("{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}},"
                                     "\"addressType\":\"IPv4\",\"endpoints\":[]}",
                                     name, labels);
    act(f, "POST", SLICES, body);
}

static void add_crd(struct fixture *f)
{
    act(f, "POST", CRDS,
        "{\"metadata\":{\"name\":\"gateways.networking.istio.io\",\"labels\":{" OURS "}},"
        "\"spec\":{\"group\":\"networking.istio.io\",\"scope\":\"Namespaced\",\"names\":{"
        "\"plural\":\"gateways\",\"singular\":\"gateway\",\"kind\":\"Gateway\"},\"versions\":[{"
        "\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
        "\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}");
}

static void test_tables_fit(void **state)
{
    (void)state;
    size_t base = 0, demand = 0;
    while (plan_kinds[base].kind)
        base++;
    while (plan_kinds_on_demand[demand].kind)
        demand++;
    assert_in_range(demand, 1, CLUSTER_ON_DEMAND_MAX);
    assert_in_range(base + demand, 1, CLUSTER_WATCHES_MAX);
}

/* One question for each kind, after the lists; no watch. Not for Pods and machines, of which none are ours. */
static void test_nothing_of_ours(void **state)
{
    struct fixture *f = *state;
    int base = 0, demand = 0;
    while (plan_kinds[base].kind)
        base++;
    while (plan_kinds_on_demand[demand].kind)
        demand++;
    add_slice(f, "others", "\"a\":\"b\"");
    add_slice(f, "copied",
              OURS ",\"endpointslice.kubernetes.io/managed-by\":"
                   "\"endpointslice-controller.k8s.io\"");
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    assert_true(cluster_ready(f->cluster));
    assert_int_equal(asked(f, "limit=1 ") + str_ends(f->seen.data, "limit=1"), demand - 2);
    assert_int_equal(asked(f, " WATCH ") + asked(f, "watch=true"), base);
    assert_int_equal(asked(f, "/pods"), 0);
    assert_int_equal(asked(f, "/workloadentries"), 0);
    const char *first = strstr(f->seen.data, "limit=1 ");
    assert_null(strstr(first, "limit=500"));
    assert_int_equal(held(f, slices()), 0);
    assert_null(cluster_broken_watch(f->cluster));
}

static void test_something_of_ours(void **state)
{
    struct fixture *f = *state;
    add_slice(f, "ours", OURS ",\"meshwright.dev/owner-uid\":\"u\"");
    add_slice(f, "others", "\"a\":\"b\"");
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    assert_int_equal(held(f, slices()), 1);
    assert_true(cluster_holds(f->cluster, "u"));
    act(f, "DELETE", SLICES "/ours", NULL);
    UNTIL(f, held(f, slices()) == 0);
}

/* What is held never looks as if it were gone while the watch becomes wider. */
static void test_wider(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    add_slice(f, "ours", OURS);
    add_slice(f, "others", "\"a\":\"b\"");
    cluster_want(f->cluster, slices(), CLUSTER_OURS);
    assert_false(cluster_known(f->cluster));
    UNTIL(f, cluster_known(f->cluster));
    assert_int_equal(held(f, slices()), 1);
    uint64_t rev = f->cluster->endpoint_rev;
    cluster_want(f->cluster, slices(), CLUSTER_ALL);
    assert_false(cluster_known(f->cluster));
    while (!cluster_known(f->cluster)) {
        assert_in_range(held(f, slices()), 1, 2);
        turn(f);
    }
    assert_int_equal(held(f, slices()), 2);
    assert_true(f->cluster->endpoint_rev > rev);
    cluster_want(f->cluster, slices(), CLUSTER_OURS);
    cluster_want(f->cluster, slices(), CLUSTER_ALL);
    cluster_want(f->cluster, kind("v1", "Secret"), CLUSTER_ALL);
    assert_true(cluster_known(f->cluster));
}

/* Before the first contact. */
static void test_wanted_early(void **state)
{
    struct fixture *f = *state;
    cluster_want(f->cluster, kind("v1", "Pod"), CLUSTER_ALL);
    act(f, "POST", AT "/pods",
        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"serviceAccountName\":\"a\",\"containers\":[{"
        "\"name\":\"c\",\"image\":\"i\"}]}}");
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    struct kube_view v;
    assert_true(records_view(cluster_records(f->cluster, kind("v1", "Pod")), "default", "p", &v));
    assert_string_equal(v.service_account, "a");
}

/* A kind comes with its CRD, and goes with it. */
static void test_kind_that_comes_and_goes(void **state)
{
    struct fixture *f = *state;
    const struct gvr *g = kind("networking.istio.io/v1", "Gateway");
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    cluster_want(f->cluster, g, CLUSTER_OURS);
    UNTIL(f, cluster_known(f->cluster));
    assert_non_null(cluster_records(f->cluster, g));
    assert_null(cluster_broken_watch(f->cluster));
    add_crd(f);
    act(f, "POST", GATEWAYS, "{\"metadata\":{\"name\":\"g\",\"labels\":{" OURS "}}}");
    UNTIL(f, held(f, g) == 1);
    act(f, "DELETE", CRDS "/gateways.networking.istio.io", NULL);
    UNTIL(f, held(f, g) == 0);
    add_crd(f);
    act(f, "POST", GATEWAYS, "{\"metadata\":{\"name\":\"h\",\"labels\":{" OURS "}}}");
    UNTIL(f, held(f, g) == 1);
    assert_true(cluster_known(f->cluster));
}

/* Nobody wants it, but something of ours is there: of an earlier life, restored from a backup. */
static void test_kind_that_comes_with_ours(void **state)
{
    struct fixture *f = *state;
    const struct gvr *g = kind("networking.istio.io/v1", "Gateway");
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    const struct sim_rule hide = {.method = "WATCH",
                                  .path = "/customresourcedefinitions",
                                  .fault = {.kind = SIM_FAULT_SILENCE}};
    kubesim_add_rule(f->sim, &hide); /* as it is of somebody else's CRDs */
    add_crd(f);
    act(f, "POST", GATEWAYS, "{\"metadata\":{\"name\":\"g\",\"labels\":{" OURS "}}}");
    clock_virtual_advance(&f->clock, WATCH_ABSENT_MAX_MS);
    cluster_watches_attend(f->cluster);
    UNTIL(f, held(f, g) == 1);
}

/* A kind that is not there is not asked for again and again. */
static void test_absent_kind_rests(void **state)
{
    struct fixture *f = *state;
    const struct gvr *g = kind("networking.istio.io/v1", "Gateway");
    assert_int_equal(connect_cluster(f), 0);
    cluster_want(f->cluster, g, CLUSTER_OURS);
    UNTIL(f, cluster_known(f->cluster));
    clock_virtual_advance(&f->clock, WATCH_TRY_MS);
    cluster_watches_attend(f->cluster);
    for (size_t i = 0; i < f->cluster->n_watches; i++)
        if (f->cluster->watches[i].gvr == g)
            assert_null(f->cluster->watches[i].watch);
    assert_true(cluster_known(f->cluster));
    clock_virtual_advance(&f->clock, WATCH_ABSENT_MAX_MS);
    int before = asked(f, "/gateways");
    cluster_watches_attend(f->cluster);
    UNTIL(f, asked(f, "/gateways") > before);
}

/* Without an answer nothing is known. */
static void test_no_answer(void **state)
{
    struct fixture *f = *state;
    struct sim_rule denied = {.path = "/apis/discovery.k8s.io",
                              .fault = {.kind = SIM_FAULT_STATUS, .status = 403}};
    unsigned rule = kubesim_add_rule(f->sim, &denied);
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_broken_watch(f->cluster));
    assert_string_equal(cluster_broken_watch(f->cluster)->gvr->kind, "EndpointSlice");
    assert_false(cluster_known(f->cluster));
    kubesim_remove_rule(f->sim, rule);
    clock_virtual_advance(&f->clock, WATCH_ASK_AGAIN_MS);
    cluster_watches_attend(f->cluster);
    UNTIL(f, cluster_known(f->cluster));
    assert_null(cluster_broken_watch(f->cluster));
}

static void test_revisions(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(connect_cluster(f), 0);
    cluster_want(f->cluster, slices(), CLUSTER_ALL);
    UNTIL(f, cluster_known(f->cluster));
    uint64_t address = f->cluster->address_rev, endpoint = f->cluster->endpoint_rev;
    uint64_t dns = f->cluster->dns_rev;
    act(f, "POST", AT "/services",
        "{\"metadata\":{\"name\":\"users\"},\"spec\":{\"selector\":{\"a\":\"b\"},\"ports\":[{"
        "\"port\":80}]}}");
    act(f, "POST", AT "/services",
        "{\"metadata\":{\"name\":\"entry\",\"labels\":{" OURS "}},\"spec\":{\"ports\":[{"
        "\"port\":80}]}}");
    UNTIL(f, f->cluster->dns_rev == dns + 2);
    assert_int_equal(f->cluster->address_rev, address);
    act(f, "POST", AT "/services",
        "{\"metadata\":{\"name\":\"gateway\",\"labels\":{" OURS "}},\"spec\":{\"selector\":{"
        "\"a\":\"b\"},\"ports\":[{\"port\":80}]}}");
    UNTIL(f, f->cluster->address_rev == address + 1);
    assert_int_equal(f->cluster->endpoint_rev, endpoint);
    add_slice(f, "s", "\"a\":\"b\"");
    UNTIL(f, f->cluster->endpoint_rev == endpoint + 1);
    act(f, "PUT", SLICES "/s",
        "{\"metadata\":{\"name\":\"s\",\"annotations\":{\"x\":\"y\"}},\"addressType\":\"IPv4\","
        "\"endpoints\":[]}");
    add_slice(f, "t", "\"a\":\"b\"");
    UNTIL(f, held(f, slices()) == 2);
    assert_int_equal(f->cluster->endpoint_rev, endpoint + 2);
}

/* Who writes an object of such a kind can't forget to watch it; and equal names of two kinds are two objects. */
static void test_writes_want(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    const struct gvr *istio = kind("networking.istio.io/v1", "Gateway");
    const struct gvr *api = kind("gateway.networking.k8s.io/v1", "Gateway");
    struct op *one = applier_begin(f->cluster, istio, "n", "g");
    assert_false(cluster_known(f->cluster));
    struct op *two = applier_begin(f->cluster, api, "n", "g");
    assert_ptr_not_equal(one, two);
    assert_int_equal(applier_state(f->cluster, istio, "n", "g", NULL), OP_RUNNING);
    UNTIL(f, cluster_known(f->cluster));
}

static enum op_place place(struct fixture *f)
{
    return applier_place(f->cluster, kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
                         NULL, "gateways.networking.istio.io", "u");
}

/* Somebody else's object that serves as well: found out once, and again after a while. */
static void test_place(void **state)
{
    struct fixture *f = *state;
    add_crd(f);
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    assert_int_equal(place(f), OP_PLACE_UNKNOWN);
    assert_true(applier_busy(f->cluster));
    UNTIL(f, place(f) == OP_PLACE_TAKEN);
    assert_false(applier_busy(f->cluster));
    assert_int_equal(applier_next_ms(f->cluster), APPLIER_TAKEN_MS);
    assert_int_equal(asked(f, "/gateways.networking.istio.io"), 1);
    act(f, "DELETE", CRDS "/gateways.networking.istio.io", NULL);
    clock_virtual_advance(&f->clock, APPLIER_TAKEN_MS);
    assert_int_equal(place(f), OP_PLACE_TAKEN); /* as long as it is not known better */
    UNTIL(f, place(f) == OP_PLACE_FREE);
    clock_virtual_advance(&f->clock, APPLIER_FREE_MS);
    assert_int_equal(place(f), OP_PLACE_UNKNOWN);
}

/* It was ours, and its labels were edited out of our view. */
static void test_place_of_our_own(void **state)
{
    struct fixture *f = *state;
    act(f, "POST", CRDS,
        "{\"metadata\":{\"name\":\"gateways.networking.istio.io\",\"labels\":{"
        "\"meshwright.dev/owner-uid\":\"u\"}},\"spec\":{\"group\":\"networking.istio.io\","
        "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"gateways\",\"kind\":\"Gateway\"},"
        "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
        "\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}");
    assert_int_equal(connect_cluster(f), 0);
    UNTIL(f, cluster_known(f->cluster));
    UNTIL(f, place(f) == OP_PLACE_FREE);
    assert_true(f->cluster->ops->known_ours);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_tables_fit),
        T(test_nothing_of_ours),
        T(test_something_of_ours),
        T(test_wider),
        T(test_wanted_early),
        T(test_kind_that_comes_and_goes),
        T(test_kind_that_comes_with_ours),
        T(test_absent_kind_rests),
        T(test_no_answer),
        T(test_revisions),
        T(test_writes_want),
        T(test_place),
        T(test_place_of_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
