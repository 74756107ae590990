/* SPDX-License-Identifier: Apache-2.0 */
/* Every fault at every request of an install: does it end in the same state as without it?
 *
 *   faults --controller FILE --data DIR --crds FILE [--scenario NAME] [--fault NAME] [--every N] [--from K]
 *          [--parallel P] [--keep]
 *
 * A scenario is a kubesim of its own (a hub and two members), the program meshwright as it is shipped, and one fault at
 * one request, counted from the program's first. First one without a fault runs: its end is the end that all others
 * have to reach. --every N takes each N-th request only. Prints what fails, with the last lines of its log, and
 * "N passed, N failed". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "scenario.h"
#include "json/jx.h"

/* What goes wrong, each at one request. */
static const struct {
    const char *name;
    struct sim_fault fault;
} faults[] = {
    {"delay", {.kind = SIM_FAULT_DELAY, .ms = 1500}},
    {"drop", {.kind = SIM_FAULT_DROP}},
    {"reset-before", {.kind = SIM_FAULT_RESET_BEFORE}},
    {"reset-after", {.kind = SIM_FAULT_RESET_AFTER}},
    {"truncate-1", {.kind = SIM_FAULT_TRUNCATE, .bytes = 1}},
    {"truncate-100", {.kind = SIM_FAULT_TRUNCATE, .bytes = 100}},
    {"half-line", {.kind = SIM_FAULT_HALF_LINE}},
    {"status-401", {.kind = SIM_FAULT_STATUS, .status = 401}},
    {"status-403", {.kind = SIM_FAULT_STATUS, .status = 403}},
    {"status-404", {.kind = SIM_FAULT_STATUS, .status = 404}},
    {"status-409", {.kind = SIM_FAULT_STATUS, .status = 409}},
    {"status-429", {.kind = SIM_FAULT_STATUS, .status = 429, .retry_after_s = 1}},
    {"status-500", {.kind = SIM_FAULT_STATUS, .status = 500}},
    {"status-503", {.kind = SIM_FAULT_STATUS, .status = 503, .retry_after_s = 1}},
    {"goaway", {.kind = SIM_FAULT_GOAWAY}},
    {"duplicate", {.kind = SIM_FAULT_DUPLICATE}},
    {"reorder", {.kind = SIM_FAULT_REORDER}},
    {"expire", {.kind = SIM_FAULT_EXPIRE}},
    {"silence", {.kind = SIM_FAULT_SILENCE}},
};
enum { FAULTS = sizeof faults / sizeof *faults, PARALLEL_MAX = 128 };

struct sweep {
    struct scenario_opts opts;
    uv_loop_t loop;
    const char *fault;          /* only this one, or NULL */
    uint64_t every, from, last; /* requests: each every-th from `from` to `last` */
    size_t parallel, running;
    size_t kind; /* the next one to start */
    uint64_t index;
    char *wanted; /* the end without a fault */
    unsigned passed, failed;
};

static void next(struct sweep *w);

static bool chosen(const struct sweep *w, size_t kind)
{
    if (w->fault)
        return str_eq(w->fault, faults[kind].name);
    /* A watch that stays open and says nothing is given up after its own time, 5 to 10 minutes: only when asked for. */
    return faults[kind].fault.kind != SIM_FAULT_SILENCE;
}

static void on_end(void *arg, struct scenario *s, const struct scenario_end *end)
{
    struct sweep *w = arg;
    w->running--;
    bool same = end->state && str_eq(end->state, w->wanted);
    if (same) {
        w->passed++;
    } else {
        w->failed++;
        printf("FAIL %s: %s\n", scenario_name(s),
               end->problem ? end->problem : "another state than without the fault");
        scenario_print_log(s, 12);
        if (end->state)
            scenario_print_difference(w->wanted, end->state);
    }
    if ((w->passed + w->failed) % 100 == 0)
        printf("%u done, %u failed\n", w->passed + w->failed, w->failed);
    fflush(stdout);
    next(w);
}

static bool step(struct sweep *w)
{
    w->index += w->every;
    if (w->index <= w->last)
        return true;
    w->index = w->from;
    do
        w->kind++;
    while (w->kind < FAULTS && !chosen(w, w->kind));
    return w->kind < FAULTS;
}

static void next(struct sweep *w)
{
    while (w->kind < FAULTS && w->running < w->parallel) {
        struct sim_rule rule = {.index = w->index, .times = 1, .fault = faults[w->kind].fault};
        auto_free char *name =
            xasprintf("%s at request %llu", faults[w->kind].name, (unsigned long long)w->index);
        w->running++;
        scenario_start(&w->loop, &w->opts, name, &rule, on_end, w);
        if (!step(w))
            break;
    }
}

/* The one without a fault says how many requests there are, and how it ends. */
static void on_reference(void *arg, struct scenario *s, const struct scenario_end *end)
{
    struct sweep *w = arg;
    if (!end->state) {
        printf("FAIL without a fault: %s\n", end->problem);
        scenario_print_log(s, 40);
        w->failed++;
        return;
    }
    w->wanted = xstrdup(end->state);
    w->last = end->requests;
    printf("without a fault: %llu requests, %llu writes, %lld ms\n",
           (unsigned long long)end->requests, (unsigned long long)end->writes, (long long)end->ms);
    fflush(stdout);
    w->passed++;
    w->kind = (size_t)-1;
    w->index = w->last;
    if (step(w))
        next(w);
}

static uint64_t number(const char *arg, const char *what)
{
    int64_t v = 0;
    if (str_to_i64(arg, 1, INT32_MAX, &v) < 0) {
        fprintf(stderr, "faults: %s wants a number, not '%s'\n", what, arg);
        exit(2);
    }
    return (uint64_t)v;
}

static bool option(struct sweep *w, const char *name, const char *arg)
{
    if (str_eq(name, "--controller"))
        w->opts.controller = arg;
    else if (str_eq(name, "--data"))
        w->opts.data = arg;
    else if (str_eq(name, "--crds"))
        w->opts.crds = arg;
    else if (str_eq(name, "--scenario"))
        w->opts.resources = scenario_resources(arg);
    else if (str_eq(name, "--fault"))
        w->fault = arg;
    else if (str_eq(name, "--every"))
        w->every = number(arg, name);
    else if (str_eq(name, "--from"))
        w->from = number(arg, name);
    else if (str_eq(name, "--parallel"))
        w->parallel = number(arg, name);
    else
        return false;
    return true;
}

static void options(struct sweep *w, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "--keep"))
            w->opts.keep = true;
        else if (i + 1 < argc && option(w, argv[i], argv[i + 1]))
            i++;
        else {
            fprintf(stderr, "faults: unknown option '%s'\n", argv[i]);
            exit(2);
        }
    }
    if (w->parallel > PARALLEL_MAX)
        w->parallel = PARALLEL_MAX;
    if (!w->opts.resources) {
        fputs("faults: --scenario is install, two-networks, machines or primary-remote\n", stderr);
        exit(2);
    }
    if (!w->opts.controller || !w->opts.data || !w->opts.crds) {
        fputs("faults: --controller FILE, --data DIR and --crds FILE are needed\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct sweep w = {
        .opts.resources = scenario_resources("install"), .every = 1, .from = 1, .parallel = 16};
    options(&w, argc, argv);
    uv_loop_init(&w.loop);
    scenario_start(&w.loop, &w.opts, "no fault", NULL, on_reference, &w);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    uv_loop_close(&w.loop);
    free(w.wanted);
    printf("%u passed, %u failed\n", w.passed, w.failed);
    return w.failed || w.passed < 2;
}
