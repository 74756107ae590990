/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "normal.h"
#include "yaml/yaml.h"
#include "json/jx.h"

enum {
    POLL_MS = 100,
    QUIET_MS = 1000, /* without a write: it is over */
    DROP_QUIET_MS =
        12500, /* a write that is not answered is tried again after ten seconds and a moment */
    LONGEST_MS = 200000, /* a refused write is tried again after a minute */
    SILENCE_MS = 700000, /* a silent watch is given up after ten minutes at most */
    FILE_BYTES_MAX = 4 * 1048576,
    PATH_BYTES = 512,
};

struct scenario {
    uv_loop_t *loop;
    struct scenario_opts opts;
    char *name;
    struct kubesim *sim;
    char dir[64];
    uv_process_t child;
    uv_timer_t timer;
    uint64_t began, changed; /* when the child started; when a write was last seen, ms */
    uint64_t writes;
    int64_t longest_ms, quiet_ms;
    struct scenario_end end;
    char *state;
    char problem[256];
    unsigned open; /* handles */
    bool exited, over;
    scenario_cb *cb;
    void *arg;
};

static const char *const members[] = {"cluster1", "cluster2"};
enum { MEMBERS = sizeof members / sizeof *members };

static void fatal(const char *what, const char *why)
{
    fprintf(stderr, "faults: %s: %s\n", what, why);
    exit(2);
}

/* --- what the user brings --- */

const char *scenario_resources(const char *name)
{
    static const char *const all[][2] = {
        {"install", "samples/2b-one-mesh-several-primaries.yaml"},
        {"two-networks", "test/faults/two-networks.yaml"},
        {"machines", "test/faults/machines.yaml"},
        {"primary-remote", "samples/2-one-mesh-primary-remote.yaml"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (str_eq(all[i][0], name))
            return all[i][1];
    return NULL;
}

static json_t *request(struct kubesim *sim, const char *cluster, const char *method,
                       const char *path, const json_t *body)
{
    int status = 0;
    auto_free char *text = body ? jx_dump(body) : NULL;
    json_t *answer = kubesim_do(sim, cluster, method, path, "application/json", text, &status);
    if (status < 200 || status > 299)
        fatal(path, str_or(jx_str(answer, "message"), "no answer"));
    return answer;
}

static void create(struct kubesim *sim, const char *cluster, const char *path, json_t *body)
{
    json_decref(request(sim, cluster, "POST", path, body));
    json_decref(body);
}

static void create_file(struct kubesim *sim, const char *file, const char *const paths[][2])
{
    struct err err = {0};
    size_t n, i;
    auto_free char *text = file_read(file, FILE_BYTES_MAX, &n, &err);
    auto_json *all = text ? yaml_load_all(text, n, &err) : NULL;
    if (!all)
        fatal(file, err.msg);
    json_t *obj;
    const json_t *list = json_is_array(json_array_get(all, 0)) ? json_array_get(all, 0) : all;
    json_array_foreach (list, i, obj) {
        for (size_t k = 0; paths[k][0]; k++)
            if (str_eq(paths[k][0], jx_str(obj, "kind")))
                create(sim, "hub", paths[k][1], json_incref(obj));
    }
}

#define OURS "/apis/meshwright.dev/v1alpha1/namespaces/fleet/"

static const char *const paths[][2] = {
    {"CustomResourceDefinition", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"},
    {"MemberCluster", OURS "memberclusters"},
    {"Mesh", OURS "meshes"},
    {"WorkloadGroup", OURS "meshworkloadgroups"},
    {NULL, NULL},
};

static void add_member(struct kubesim *sim, const char *name)
{
    struct err err = {0};
    if (kubesim_add_cluster(sim, name, &err) < 0)
        fatal(name, err.msg);
    auto_free char *config = kubesim_kubeconfig(sim, name);
    auto_free char *value = jx_b64(config, strlen(config));
    auto_free char *secret = xasprintf("%s-kubeconfig", name);
    create(sim, "hub", "/api/v1/namespaces/fleet/secrets",
           json_pack("{s:s, s:s, s:{s:s}, s:{s:s}}", "apiVersion", "v1", "kind", "Secret",
                     "metadata", "name", secret, "data", "value", value));
    create(sim, name, "/api/v1/namespaces",
           json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
                     "metadata", "name", "demo", "labels", "istio-injection", "enabled"));
    auto_free char *service = xasprintf("only-in-%s", name);
    create(sim, name, "/api/v1/namespaces/demo/services",
           json_pack("{s:s, s:s, s:{s:s}, s:{s:{s:s}, s:[{s:s, s:i}]}}", "apiVersion", "v1", "kind",
                     "Service", "metadata", "name", service, "spec", "selector", "app", "x",
                     "ports", "name", "http", "port", 80));
}

static void prepare(struct scenario *s)
{
    struct err err = {0};
    struct kubesim_opts o = {.act = true};
    s->sim = kubesim_new(s->loop, &o, &err);
    if (!s->sim || kubesim_add_cluster(s->sim, "hub", &err) < 0)
        fatal("kubesim", err.msg);
    create_file(s->sim, s->opts.crds, paths);
    create(s->sim, "hub", "/api/v1/namespaces",
           json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace", "metadata",
                     "name", "fleet"));
    for (size_t i = 0; i < MEMBERS; i++)
        add_member(s->sim, members[i]);
    create_file(s->sim, s->opts.resources, paths);
}

/* --- the program --- */

static void closed(uv_handle_t *h)
{
    struct scenario *s = h->data;
    if (--s->open > 0)
        return;
    s->cb(s->arg, s, &s->end);
    if (!s->opts.keep) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/hub.kubeconfig", s->dir);
        unlink(path);
        snprintf(path, sizeof path, "%s/log", s->dir);
        unlink(path);
        rmdir(s->dir);
    }
    kubesim_free(s->sim);
    free(s->state);
    free(s->name);
    free(s);
}

static void on_exit_child(uv_process_t *child, int64_t code, int signal)
{
    struct scenario *s = child->data;
    s->exited = true;
    if (!s->over || code != 0)
        snprintf(s->problem, sizeof s->problem, "meshwright ended: exit %" PRId64 ", signal %d",
                 code, signal);
    if (*s->problem) {
        s->end.problem = s->problem;
        s->end.state = NULL;
    }
    s->over = true;
    uv_close((uv_handle_t *)child, closed);
    uv_close((uv_handle_t *)&s->timer, closed);
}

static void spawn(struct scenario *s)
{
    char config[PATH_BYTES], log[PATH_BYTES];
    snprintf(config, sizeof config, "%s/hub.kubeconfig", s->dir);
    snprintf(log, sizeof log, "%s/log", s->dir);
    auto_free char *text = kubesim_kubeconfig(s->sim, "hub");
    int fd = open(config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fatal(config, "can't be written");
    close(fd);
    fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const char *args[] = {s->opts.controller,
                          "run",
                          "--kubeconfig",
                          config,
                          "--namespace",
                          "fleet",
                          "--data",
                          s->opts.data,
                          "--allow-local-members",
                          "--metrics-bind-address",
                          "0",
                          NULL};
    uv_stdio_container_t io[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
    };
    uv_process_options_t o = {
        .file = s->opts.controller,
        .args = (char **)(uintptr_t)args,
        .stdio_count = 3,
        .stdio = io,
        .exit_cb = on_exit_child,
    };
    int rc = uv_spawn(s->loop, &s->child, &o);
    if (rc < 0)
        fatal(s->opts.controller, uv_strerror(rc));
    close(fd);
}

/* --- how it goes --- */

/* Of a resource of ours. */
static bool is_ready(const json_t *mesh)
{
    size_t i;
    json_t *c;
    if (jx_int(mesh, "status.observedGeneration", -1) != jx_int(mesh, "metadata.generation", 0))
        return false;
    json_array_foreach (jx_get(mesh, "status.conditions"), i, c) {
        if (str_eq(jx_str(c, "type"), "Ready"))
            return str_eq(jx_str(c, "status"), "True");
    }
    return false;
}

/* Each member has its own service and an entry for each of the others'. */
static bool entries_there(struct scenario *s)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        auto_json *list =
            request(s->sim, members[i], "GET", "/api/v1/namespaces/demo/services", NULL);
        if (json_array_size(jx_get(list, "items")) != MEMBERS)
            return false;
    }
    return true;
}

static bool all_ready(struct scenario *s, const char *path)
{
    size_t i;
    json_t *one;
    auto_json *list = request(s->sim, "hub", "GET", path, NULL);
    json_array_foreach (jx_get(list, "items"), i, one) {
        if (!is_ready(one))
            return false;
    }
    return true;
}

static char *state_of(struct kubesim *sim)
{
    auto_json *all = json_object();
    json_object_set_new(all, "hub", kubesim_dump(sim, "hub"));
    for (size_t i = 0; i < MEMBERS; i++)
        json_object_set_new(all, members[i], kubesim_dump(sim, members[i]));
    const char *key;
    json_t *objects;
    json_object_foreach (all, key, objects)
        normalise(objects);
    return jx_dump(all);
}

static void finish(struct scenario *s)
{
    s->over = true;
    uv_timer_stop(&s->timer);
    uv_process_kill(&s->child, SIGTERM);
}

static void on_timer(uv_timer_t *timer)
{
    struct scenario *s = timer->data;
    uint64_t now = uv_now(s->loop);
    struct kubesim_stats stats;
    kubesim_stats(s->sim, NULL, &stats);
    if (stats.writes != s->writes) {
        s->writes = stats.writes;
        s->changed = now;
    }
    if ((int64_t)(now - s->began) > s->longest_ms) {
        snprintf(s->problem, sizeof s->problem, "not Ready and quiet after %d s",
                 (int)(s->longest_ms / 1000));
        finish(s);
        return;
    }
    if (now - s->changed < (uint64_t)s->quiet_ms)
        return;
    auto_json *mesh = request(s->sim, "hub", "GET", OURS "meshes/shop", NULL);
    if (!is_ready(mesh) || !entries_there(s) || !all_ready(s, OURS "memberclusters") ||
        !all_ready(s, OURS "meshworkloadgroups"))
        return;
    s->state = state_of(s->sim);
    s->end = (struct scenario_end){.state = s->state,
                                   .requests = stats.requests,
                                   .writes = stats.writes,
                                   .ms = (int64_t)(s->changed - s->began)};
    finish(s);
}

void scenario_start(uv_loop_t *loop, const struct scenario_opts *o, const char *name,
                    const struct sim_rule *rule, scenario_cb *cb, void *arg)
{
    struct scenario *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->opts = *o;
    s->name = xstrdup(name);
    s->cb = cb;
    s->arg = arg;
    s->open = 2;
    s->longest_ms = rule && rule->fault.kind == SIM_FAULT_SILENCE ? SILENCE_MS : LONGEST_MS;
    s->quiet_ms = rule && rule->fault.kind == SIM_FAULT_DROP ? DROP_QUIET_MS : QUIET_MS;
    snprintf(s->dir, sizeof s->dir, "/tmp/meshwright-faults.XXXXXX");
    if (!mkdtemp(s->dir))
        fatal(s->dir, "can't be made");
    prepare(s);
    if (rule)
        kubesim_add_rule(s->sim, rule);
    uv_update_time(loop);
    s->began = s->changed = uv_now(loop);
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    s->child.data = s;
    spawn(s);
    uv_timer_start(&s->timer, on_timer, POLL_MS, POLL_MS);
}

const char *scenario_name(const struct scenario *s)
{
    return s->name;
}

/* --- for people --- */

void scenario_print_log(const struct scenario *s, int lines)
{
    char path[PATH_BYTES];
    size_t n;
    snprintf(path, sizeof path, "%s/log", s->dir);
    auto_free char *text = file_read(path, FILE_BYTES_MAX, &n, NULL);
    if (!text || !n)
        return;
    const char *at = text + n - 1;
    while (at > text && (at[-1] != '\n' || --lines > 0))
        at--;
    printf("%s\n", at);
}

void scenario_print_difference(const char *wanted, const char *found)
{
    enum { AROUND = 200 };
    size_t at = 0;
    while (wanted[at] && wanted[at] == found[at])
        at++;
    if (!wanted[at] && !found[at])
        return;
    size_t from = at > AROUND ? at - AROUND : 0;
    printf("  wanted: ...%.*s\n  found:  ...%.*s\n", 2 * AROUND, wanted + from, 2 * AROUND,
           found + from);
}
