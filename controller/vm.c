/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/kubeconfig_file.h"
#include "vm_bundle.h"
#include "vm_write.h"

struct run {
    const struct options *o;
    struct kube_config hub;
    bool failed;
};

/* Where kubectl would look. Owned; NULL: in the cluster. */
static char *kubeconfig_path(const struct options *o)
{
    const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (o->kubeconfig)
        return xstrdup(o->kubeconfig);
    if (env && *env)
        return xstrndup(env, strcspn(env, ":"));
    char *usual = xasprintf("%s/.kube/config", str_or(home, ""));
    if (home && access(usual, R_OK) == 0)
        return usual;
    free(usual);
    return NULL;
}

static int load_hub(const struct options *o, struct kube_config *ret, struct err *err)
{
    auto_free char *path = kubeconfig_path(o);
    if (!path && kube_config_in_cluster("", ret, err) < 0)
        return err_wrap(err, "how to reach the hub (use --kubeconfig outside a cluster)");
    if (!path)
        return 0;
    char *text = kubeconfig_read_file(path, err);
    int rc = text ? kubeconfig_load(text, strlen(text), KUBECONFIG_OWN, ret, NULL, err) : -1;
    xfree_secret(text);
    return rc < 0 ? err_wrap(err, "kubeconfig %s of the hub", path) : 0;
}

static bool to_stdout(const struct options *o)
{
    return str_eq(o->vm.output, "-");
}

static int write_out(const struct options *o, const struct machine_bundle *b, struct err *err)
{
    if (to_stdout(o))
        return vm_write_tar(b, o->vm.name, clock_s(&clock_system), STDOUT_FILENO, err);
    return vm_write_folder(b, o->vm.output, err);
}

static void say(struct run *run, const struct err *err)
{
    fprintf(stderr, "meshwright vm: %s\n", err->msg);
    run->failed = true;
}

static void on_bundle(void *arg, const struct machine_bundle *b, const char *what,
                      const struct err *err)
{
    struct run *run = arg;
    struct err why = {0};
    if (err || write_out(run->o, b, &why) < 0) {
        say(run, err ? err : &why);
        return;
    }
    fprintf(stderr, "meshwright vm: %s\n", what);
    if (!to_stdout(run->o))
        fprintf(stderr,
                "meshwright vm: next: copy %s to each machine, and run install.sh there as root; "
                "the token in it is a secret\n",
                run->o->vm.output);
}

static int run_loop(struct run *run, struct err *err)
{
    uv_loop_t loop;
    const char *ns = str_or(run->o->namespace, str_or(run->hub.namespace, "default"));
    uv_loop_init(&loop);
    int rc = vm_bundle_start(&loop, run->o, &run->hub, ns, on_bundle, run, err);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}

int vm_run(const struct options *o)
{
    struct run run = {.o = o};
    struct err err = {0};
    if (to_stdout(o) && isatty(STDOUT_FILENO))
        err_set(&err, ERR_INVALID, 0,
                "an archive with a secret is nothing for a terminal: use -o DIR, or -o - | ssh "
                "MACHINE tar x");
    else if (load_hub(o, &run.hub, &err) == 0)
        run_loop(&run, &err);
    if (err.class)
        say(&run, &err);
    kube_config_done(&run.hub);
    return run.failed ? 1 : 0;
}
