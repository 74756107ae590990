/* SPDX-License-Identifier: Apache-2.0 */
/* Watches against a real API server, also one that dies and comes back. */
#include "kube_fixture.h"

#include <signal.h>

#include "base/str.h"
#include "kube/client_priv.h"
#include "kube/watch_priv.h"

/* --- watches --- */

struct seen {
    int begun, upserts, removes, synced;
    int failures, recoveries;
    char last[64]; /* data.k of the last object */
    const char *wait_for;
    bool done; /* synced for the wanted time, or the wanted value seen */
    int want_synced, want_removes;
    const char *kind;
};

static void seen_begin(void *arg)
{
    ((struct seen *)arg)->begun++;
}

static void seen_upsert(void *arg, const json_t *obj)
{
    struct seen *s = arg;
    s->upserts++;
    assert_non_null(jx_str(obj, "kind"));
    assert_non_null(jx_str(obj, "apiVersion"));
    snprintf(s->last, sizeof s->last, "%s", str_or(jx_str(obj, "data.k"), ""));
    if (s->wait_for && str_eq(s->wait_for, s->last))
        s->done = true;
}

static void seen_remove(void *arg, const json_t *obj)
{
    struct seen *s = arg;
    (void)obj;
    if (++s->removes == s->want_removes)
        s->done = true;
}

static void seen_synced(void *arg)
{
    struct seen *s = arg;
    if (++s->synced == s->want_synced)
        s->done = true;
}

static void seen_state(void *arg, const struct err *err)
{
    struct seen *s = arg;
    if (err)
        s->failures++;
    else
        s->recoveries++;
}

static void seen_record(void *arg, const struct kube_record *r)
{
    struct seen *s = arg;
    s->upserts++;
    snprintf(s->last, sizeof s->last, "%s", kube_record_name(r));
    if (s->wait_for && str_eq(s->wait_for, s->last))
        s->done = true;
}

static void seen_record_gone(void *arg, const struct kube_record *r)
{
    (void)r;
    seen_remove(arg, NULL);
}

static const struct kube_sink seen_sink = {seen_begin, seen_record, seen_record_gone, seen_synced,
                                           seen_state, seen_upsert, seen_remove};

static void wait_for(struct fixture *f, struct seen *s, int ms)
{
    assert_true(run_until(&f->loop, &s->done, ms));
    s->done = false;
}

static void put(struct fixture *f, const char *name, const char *value)
{
    auto_answer a = {0};
    auto_free char *body = configmap(f, name, value);
    apply(f, &configmaps, name, NULL, body, &a);
    if (a.failed)
        fail_msg("%s", a.err.msg);
}

static void del(struct fixture *f, const char *name)
{
    auto_answer a = {0};
    kube_delete(f->client, &configmaps, f->ns, name, NULL, on_answer, &a);
    assert_true(run_until(&f->loop, &a.done, 10000));
}

static void watch_changes(struct fixture *f, bool watch_list)
{
    struct seen s = {.want_synced = 1, .want_removes = 1};
    struct kube_watch_opts opts = {.ns = f->ns,
                                   .trees = true,
                                   .label_selector = "app.kubernetes.io/managed-by=meshwright",
                                   .watch_list = watch_list};
    put(f, "before", "0");
    struct kube_watch *w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    wait_for(f, &s, 10000);
    assert_true(s.upserts >= 1);
    assert_int_equal(s.begun, 1);
    if (watch_list)
        assert_true(w->reflector.watch_list); /* it did not fall back */
    s.wait_for = "added";
    put(f, "watched", "added");
    wait_for(f, &s, 10000);
    s.wait_for = "modified";
    put(f, "watched", "modified");
    wait_for(f, &s, 10000);
    del(f, "watched");
    wait_for(f, &s, 10000);
    assert_int_equal(s.removes, 1);
    assert_int_equal(s.failures, 0);
    kube_watch_stop(w);
    del(f, "before");
}

static void test_watch(void **state)
{
    watch_changes(*state, false);
}

static void test_watch_list(void **state)
{
    watch_changes(*state, true);
}

/* Events larger than any buffer, each followed by silence: nothing of them may stay behind. */
static void test_large_events(void **state)
{
    struct fixture *f = *state;
    struct seen s = {.want_synced = 1};
    struct kube_watch_opts opts = {.ns = f->ns, .trees = true};
    struct kube_watch *w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    wait_for(f, &s, 10000);
    for (size_t size = 5000; size < 900000; size += size / 3 + 777) {
        auto_free char *value = xcalloc(1, size + 1);
        auto_answer a = {0};
        memset(value, 'x', size);
        auto_free char *body = configmap(f, "large", value);
        char seen[sizeof s.last] = {0};
        memset(seen, 'x', sizeof seen - 1);
        s.wait_for = seen;
        s.last[0] = '\0';
        kube_apply(f->client, &configmaps, f->ns, "large", NULL, body, 0, false, on_answer, &a);
        wait_for(f, &s, 5000);
        assert_true(run_until(&f->loop, &a.done, 5000));
        assert_false(a.failed);
    }
    kube_watch_stop(w);
    del(f, "large");
}

static void test_metadata_only(void **state)
{
    struct fixture *f = *state;
    struct seen s = {.wait_for = "m", .want_removes = 1}; /* a list may be older than the write */
    struct kube_watch_opts opts = {.ns = f->ns, .record = KUBE_RECORD_META};
    put(f, "m", "secret");
    struct kube_watch *w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    wait_for(f, &s, 10000);
    del(f, "m");
    wait_for(f, &s, 10000);
    kube_watch_stop(w);
}

/* More objects than a page. */
static void test_pages(void **state)
{
    struct fixture *f = *state;
    enum { N = 1101 };
    static struct answer a[N];
    memset(a, 0, sizeof a);
    for (int i = 0; i < N; i++) {
        auto_free char *name = xasprintf("page-%d", i);
        auto_free char *body = configmap(f, name, "x");
        kube_apply(f->client, &configmaps, f->ns, name, NULL, body, 0, false, on_answer, &a[i]);
    }
    for (int i = 0; i < N; i++) {
        assert_true(run_until(&f->loop, &a[i].done, 60000));
        if (a[i].failed)
            fail_msg("%s", a[i].err.msg);
        answer_done(&a[i]);
    }
    struct seen s = {.want_synced = 1};
    struct kube_watch_opts opts = {.ns = f->ns, .trees = true};
    struct kube_watch *w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    wait_for(f, &s, 20000);
    bool never = false; /* the list may be of the server's cache, which is a little behind */
    for (int i = 0; i < 50 && s.upserts < N; i++)
        run_until(&f->loop, &never, 100);
    assert_true(s.upserts >= N);
    kube_watch_stop(w);
    /* The newest state, as asked for after a version is lost, comes in pages. */
    s = (struct seen){.want_synced = 1};
    w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    kube_stream_cancel(w->stream);
    w->stream = NULL;
    w->reflector.phase = KUBE_REFLECTOR_WAITING;
    w->reflector.version_lost = true;
    kube_watch_wake(w);
    wait_for(f, &s, 20000);
    assert_true(s.upserts >= N);
    assert_int_equal(s.begun, 1);
    kube_watch_stop(w);
    auto_answer gone = {0};
    auto_free char *base = gvr_path(&configmaps, f->ns, NULL);
    struct kube_request q = {.method = "DELETE", .path = base, .accept = KUBE_ACCEPT_METADATA_LIST};
    q.timeout_ms = 60000;
    kube_call(f->client, &q, on_answer, &gone);
    assert_true(run_until(&f->loop, &gone.done, 60000));
    assert_false(gone.failed);
}

static void test_forbidden_watch(void **state)
{
    struct fixture *f = *state;
    if (!f->dir)
        skip();
    auto_kube_config nobody = {0};
    auto_free char *path = xasprintf("%s/nobody.kubeconfig", f->dir);
    load(path, &nobody);
    struct kube_client *c = client_with(f, &nobody);
    struct seen s = {0};
    struct kube_watch_opts opts = {.ns = f->ns, .trees = true};
    kube_watch_start(c, &configmaps, &opts, &seen_sink, &s);
    bool never = false;
    run_until(&f->loop, &never, 3500);
    assert_int_equal(s.failures, 1); /* the class did not change */
    assert_int_equal(s.synced, 0);
    kube_client_free(c);
}

static pid_t apiserver_pid(const struct fixture *f)
{
    auto_free char *path = xasprintf("%s/apiserver.pid", f->dir);
    auto_free char *text = read_file(path);
    int64_t pid = 0;
    text[strcspn(text, "\n")] = '\0';
    assert_int_equal(str_to_i64(text, 2, INT32_MAX, &pid), 0);
    return (pid_t)pid;
}

/* A server that keeps its connections and says nothing: the watch is given up, and goes on when it is back. */
static void test_hung(void **state)
{
    struct fixture *f = *state;
    if (!f->dir)
        skip();
    struct seen s = {.want_synced = 1};
    struct kube_watch_opts opts = {.ns = f->ns, .trees = true};
    http_pool_set_silence(f->client->pools[KUBE_CLASS_WATCH], 300, 300);
    struct kube_watch *w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    wait_for(f, &s, 10000);
    bool never = false;
    run_until(&f->loop, &never, 1500); /* probed, answered, and nothing happens */
    assert_int_equal(w->reflector.phase, KUBE_REFLECTOR_WATCHING);
    pid_t pid = apiserver_pid(f);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    for (int i = 0; i < 50 && w->reflector.phase == KUBE_REFLECTOR_WATCHING; i++)
        run_until(&f->loop, &never, 100);
    enum kube_reflector_phase phase = w->reflector.phase;
    kill(pid, SIGCONT);
    assert_int_not_equal(phase, KUBE_REFLECTOR_WATCHING);
    http_pool_set_silence(f->client->pools[KUBE_CLASS_WATCH], KUBE_PULSE_SILENCE_MS,
                          KUBE_PULSE_TIMEOUT_MS);
    s.wait_for = "alive";
    put(f, "hung", "alive");
    wait_for(f, &s, 20000);
    kube_watch_stop(w);
}

/* The API server dies and comes back: what changed in the meantime and afterwards is seen, without a new list. */
static void test_restart(void **state)
{
    struct fixture *f = *state;
    if (!f->dir)
        skip();
    struct seen s = {.want_synced = 1};
    struct kube_watch_opts opts = {.ns = f->ns, .trees = true};
    struct kube_watch *w = kube_watch_start(f->client, &configmaps, &opts, &seen_sink, &s);
    wait_for(f, &s, 10000);
    apiserver(f, "kill");
    auto_answer down = {0};
    get(f, f->client, "/version", &down);
    assert_int_equal(down.status, 0);
    assert_int_equal(down.err.class, ERR_TRANSIENT);
    bool never = false;
    for (int i = 0; i < 100 && !s.failures; i++)
        run_until(&f->loop, &never, 100);
    assert_int_equal(s.failures, 1);
    apiserver(f, "restart");
    s.wait_for = "later";
    put(f, "restarted", "later");
    kube_watch_wake(w);
    wait_for(f, &s, 40000);
    assert_true(s.recoveries >= 1);
    /* A version from before the server's memory: 410, a new list, and on. */
    s.want_synced = s.synced + 1;
    snprintf(w->reflector.rv, sizeof w->reflector.rv, "1");
    apiserver(f, "restart");
    wait_for(f, &s, 60000);
    s.wait_for = "last";
    put(f, "restarted", "last");
    wait_for(f, &s, 10000);
    kube_watch_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch),        cmocka_unit_test(test_watch_list),
        cmocka_unit_test(test_large_events), cmocka_unit_test(test_metadata_only),
        cmocka_unit_test(test_pages),        cmocka_unit_test(test_forbidden_watch),
        cmocka_unit_test(test_hung),         cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
