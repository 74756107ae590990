/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "manager.h"
#include "options.h"
#include "render.h"
#include "version.h"
#include "vm.h"

/* Keys pass through this process: no core dump, no debugger of the same user, no swap-happy arenas. */
static void harden(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

/* What talks to clusters. */
static int run(const struct options *o, int (*command)(const struct options *o))
{
    harden();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rc = command(o);
    curl_global_cleanup();
    return rc;
}

int main(int argc, char **argv)
{
    struct options o;
    options_parse(&o, argc, argv);
    enum log_level level;
    if (log_level_parse(o.log_level, &level) == 0)
        log_set_level(level);
    int rc = 0;
    switch (o.command) {
    case OPTIONS_RUN:
        rc = run(&o, manager_run);
        break;
    case OPTIONS_VM_BUNDLE:
        rc = run(&o, vm_run);
        break;
    case OPTIONS_RENDER:
        rc = render_run(&o);
        break;
    case OPTIONS_VERSION:
        puts("meshwright " MESHWRIGHT_VERSION);
        break;
    }
    options_done(&o);
    return rc;
}
