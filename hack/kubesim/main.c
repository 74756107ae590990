/* SPDX-License-Identifier: Apache-2.0 */
/* kubesim: simulated Kubernetes clusters on one port of loopback, until SIGTERM. See --help. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "kubesim/kubesim.h"
#include "json/jx.h"

struct options {
    int64_t clusters, history, bookmark_ms;
    const char *prefix, *dir;
    const char *log;
    int64_t log_clusters;
    bool hub;
    struct kubesim_opts sim;
};

struct program {
    uv_loop_t loop;
    struct kubesim *sim;
    FILE *log;
    const struct options *options;
    uv_signal_t term, interrupt, usr1;
};

static const char help[] = "usage: kubesim [OPTION]...\n"
                           "  --clusters N      how many (default 1): PREFIX1 ...\n"
                           "  --prefix NAME     default member\n"
                           "  --hub             one more, named hub\n"
                           "  --port P          default: a free one\n"
                           "  --dir DIR         writes DIR/<cluster>.kubeconfig\n"
                           "  --history N       events kept per collection (default 1000)\n"
                           "  --bookmark-ms N   between bookmarks (default 60000)\n"
                           "  --act             Deployments become available, LoadBalancers get an "
                           "address, istiod is in sync\n"
                           "  --log FILE        writes each write to the first clusters as a line "
                           "of JSON, secrets included\n"
                           "  --log-clusters N  how many of them (default 10)\n"
                           "SIGUSR1 prints counts as a line of JSON, SIGTERM and SIGINT end it.\n";

static bool number(const char *text, int64_t max, int64_t *ret)
{
    if (str_to_i64(text, 0, max, ret) == 0)
        return true;
    fprintf(stderr, "kubesim: %s is no number up to %" PRId64 "\n", text, max);
    return false;
}

static bool option(struct options *o, int c)
{
    int64_t port;
    switch (c) {
    case 'n':
        return number(optarg, 100000, &o->clusters);
    case 'p':
        o->prefix = optarg;
        return true;
    case 'u':
        o->hub = true;
        return true;
    case 'P':
        if (!number(optarg, 65535, &port))
            return false;
        o->sim.port = (int)port;
        return true;
    case 'd':
        o->dir = optarg;
        return true;
    case 'H':
        return number(optarg, 1000000, &o->history);
    case 'b':
        return number(optarg, 3600000, &o->bookmark_ms);
    case 'l':
        o->log = optarg;
        return true;
    case 'L':
        return number(optarg, 100000, &o->log_clusters);
    case 'a':
        o->sim.act = true;
        return true;
    default:
        return false;
    }
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"clusters", required_argument, NULL, 'n'},
        {"prefix", required_argument, NULL, 'p'},
        {"hub", no_argument, NULL, 'u'},
        {"port", required_argument, NULL, 'P'},
        {"dir", required_argument, NULL, 'd'},
        {"history", required_argument, NULL, 'H'},
        {"bookmark-ms", required_argument, NULL, 'b'},
        {"act", no_argument, NULL, 'a'},
        {"log", required_argument, NULL, 'l'},
        {"log-clusters", required_argument, NULL, 'L'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    *o = (struct options){.clusters = 1, .prefix = "member", .log_clusters = 10};
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        if (!option(o, c))
            return false;
    }
    o->sim.history = (unsigned)o->history;
    o->sim.bookmark_ms = (int)o->bookmark_ms;
    return optind == argc;
}

static int write_kubeconfig(const struct program *p, const char *dir, const char *cluster)
{
    auto_free char *path = xasprintf("%s/%s.kubeconfig", dir, cluster);
    char *text = kubesim_kubeconfig(p->sim, cluster);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(text);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
    if (fd >= 0 && close(fd) < 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "kubesim: can't write %s\n", path);
    xfree_secret(text);
    return ok ? 0 : -1;
}

static int add(const struct program *p, const struct options *o, const char *name)
{
    struct err err = {0};
    if (kubesim_add_cluster(p->sim, name, &err) < 0) {
        fprintf(stderr, "kubesim: %s\n", err.msg);
        return -1;
    }
    return o->dir ? write_kubeconfig(p, o->dir, name) : 0;
}

static int add_all(const struct program *p, const struct options *o)
{
    if (o->dir)
        mkdir(o->dir, 0700);
    if (o->hub && add(p, o, "hub") < 0)
        return -1;
    for (int64_t i = 1; i <= o->clusters; i++) {
        auto_free char *name = xasprintf("%s%" PRId64, o->prefix, i);
        if (add(p, o, name) < 0)
            return -1;
    }
    return 0;
}

/* Of the first clusters: those whose name is the prefix and a small number. */
static bool is_logged(const struct options *o, const char *cluster)
{
    int64_t n;
    size_t len = strlen(o->prefix);
    return strncmp(cluster, o->prefix, len) == 0 &&
           str_to_i64(cluster + len, 1, o->log_clusters, &n) == 0;
}

static void on_request(void *arg, const struct sim_request *q)
{
    const struct program *p = arg;
    if (str_eq(q->method, "GET") || !is_logged(p->options, q->cluster))
        return;
    auto_json *line = json_pack("{s:s, s:s, s:s++, s:s, s:s#}", "cluster", q->cluster, "method",
                                q->method, "path", q->path, *q->query ? "?" : "", q->query, "type",
                                q->content_type, "body", q->body, (int)q->body_len);
    if (line && json_dumpf(line, p->log, JSON_COMPACT) == 0)
        fputc('\n', p->log);
}

static int open_log(struct program *p, struct options *o)
{
    if (!o->log)
        return 0;
    int fd = open(o->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    p->log = fd < 0 ? NULL : fdopen(fd, "w");
    if (!p->log) {
        fprintf(stderr, "kubesim: can't write %s\n", o->log);
        return -1;
    }
    o->sim.seen = on_request;
    o->sim.seen_arg = p;
    return 0;
}

static void on_end(uv_signal_t *s, int signum)
{
    (void)signum;
    uv_stop(s->loop);
}

static void on_usr1(uv_signal_t *s, int signum)
{
    const struct program *p = s->data;
    struct kubesim_stats n;
    (void)signum;
    kubesim_stats(p->sim, NULL, &n);
    printf("{\"requests\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"noops\":%" PRIu64
           ",\"lists\":%" PRIu64 ",\"watches\":%" PRIu64 ",\"objects\":%" PRIu64 "}\n",
           n.requests, n.writes, n.noops, n.lists, n.watches, n.objects);
    fflush(stdout);
}

static void on_signal(struct program *p, uv_signal_t *s, uv_signal_cb cb, int signum)
{
    uv_signal_init(&p->loop, s);
    s->data = p;
    uv_signal_start(s, cb, signum);
}

static void run(struct program *p)
{
    on_signal(p, &p->term, on_end, SIGTERM);
    on_signal(p, &p->interrupt, on_end, SIGINT);
    on_signal(p, &p->usr1, on_usr1, SIGUSR1);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->interrupt, NULL);
    uv_close((uv_handle_t *)&p->usr1, NULL);
}

static void print_ready(const struct program *p, const struct options *o)
{
    auto_free char *config = kubesim_kubeconfig(p->sim, "");
    const char *server = strstr(config, "https://");
    size_t n = server ? strcspn(server + 8, "/") + 8 : 0;
    printf("kubesim: %" PRId64 " clusters at %.*s\n", o->clusters + o->hub, (int)n, server);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct program p = {0};
    struct options o;
    struct err err = {0};
    if (!parse(argc, argv, &o)) {
        fputs(help, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    p.options = &o;
    if (open_log(&p, &o) < 0)
        return 1;
    uv_loop_init(&p.loop);
    p.sim = kubesim_new(&p.loop, &o.sim, &err);
    if (!p.sim) {
        fprintf(stderr, "kubesim: %s\n", err.msg);
        return 1;
    }
    int r = add_all(&p, &o);
    if (r == 0) {
        print_ready(&p, &o);
        run(&p);
    }
    kubesim_free(p.sim);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    uv_loop_close(&p.loop);
    if (p.log)
        fclose(p.log);
    return r == 0 ? 0 : 1;
}
