/* SPDX-License-Identifier: Apache-2.0 */
/* bench sync | idle DIR WATCHES NAMESPACE | react NAMESPACE: our client; ../README.md says what all peers do. */
#include <curl/curl.h>
#include <dirent.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bench.h"
#include "kube/kubeconfig_file.h"

static const struct collection services = {{"", "v1", "services", "Service", true},
                                           KUBE_RECORD_SERVICE};
static const struct collection slices = {
    {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true},
    KUBE_RECORD_ENDPOINT_SLICE};
static const struct collection maps = {{"", "v1", "configmaps", "ConfigMap", true},
                                       KUBE_RECORD_META};
static const struct collection fleet[] = {
    {{"", "v1", "services", "Service", true}, KUBE_RECORD_SERVICE},
    {{"", "v1", "secrets", "Secret", true}, KUBE_RECORD_META},
    {{"", "v1", "configmaps", "ConfigMap", true}, KUBE_RECORD_META},
    {{"apps", "v1", "deployments", "Deployment", true}, KUBE_RECORD_DEPLOYMENT},
    {{"", "v1", "serviceaccounts", "ServiceAccount", true}, KUBE_RECORD_META},
    {{"", "v1", "namespaces", "Namespace", false}, KUBE_RECORD_NAMESPACE},
};

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static struct kube_client *client_of(struct bench *b, const char *file)
{
    struct err err = {0};
    auto_kube_config config = {0};
    char *text = kubeconfig_read_file(file, &err);
    if (!text || kubeconfig_load(text, strlen(text), KUBECONFIG_OWN, &config, NULL, &err) < 0)
        die(err.msg);
    xfree_secret(text);
    struct kube_client *c = kube_client_new(b->loop, &clock_system, &config, &err);
    if (!c)
        die(err.msg);
    return c;
}

static struct kube_client *own_client(struct bench *b)
{
    const char *file = getenv("KUBECONFIG");
    if (!file)
        die("$KUBECONFIG is not set");
    return client_of(b, file);
}

static void caches_new(struct bench *b, size_t n)
{
    b->caches = xcalloc(n, sizeof *b->caches);
    b->n = n;
}

static void sync_both(struct bench *b)
{
    struct kube_client *c = own_client(b);
    caches_new(b, 2);
    cache_start(&b->caches[0], b, c, &services, NULL, NULL);
    cache_start(&b->caches[1], b, c, &slices, NULL, NULL);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void idle(struct bench *b, const char *dir, size_t watches, const char *ns)
{
    struct dirent **files;
    int n = scandir(dir, &files, visible, alphasort);
    if (n < 1)
        die("no kubeconfigs");
    caches_new(b, (size_t)n * watches);
    for (size_t i = 0; i < (size_t)n; i++) {
        auto_free char *path = xasprintf("%s/%s", dir, files[i]->d_name);
        struct kube_client *c = client_of(b, path);
        for (size_t k = 0; k < watches; k++)
            cache_start(&b->caches[i * watches + k], b, c, &fleet[k], ns, NULL);
        free(files[i]);
    }
    free(files);
}

static void on_written(void *arg, const struct kube_response *r, const struct err *err)
{
    (void)arg, (void)r;
    if (err)
        die(err->msg);
}

static void write_back(struct cache *c, const struct kube_record *r)
{
    struct kube_view view;
    kube_record_view(r, &view);
    static const struct gvr gvr = {"", "v1", "configmaps", "ConfigMap", true};
    auto_free char *path = gvr_path(&gvr, c->ns, "bench-out");
    auto_free char *body = xasprintf("{\"data\":{\"n\":\"%s\"}}", view.meta.rv);
    struct kube_request q = {
        .method = "PATCH", .path = path, .content_type = KUBE_MERGE_PATCH, .body = body};
    kube_call(c->client, &q, on_written, NULL);
}

static void react(struct bench *b, const char *ns)
{
    caches_new(b, 1);
    b->caches[0].changed = write_back;
    cache_start(&b->caches[0], b, own_client(b), &maps, ns, "metadata.name=bench-in");
}

static void on_signal(uv_signal_t *s, int number)
{
    if (number == SIGUSR2)
        malloc_trim(0);
    report(s->data, number == SIGUSR2 ? "freed" : "mark");
}

static bool begin(struct bench *b, int argc, char **argv)
{
    int64_t watches = 0;
    if (argc == 2 && str_eq(argv[1], "sync"))
        sync_both(b);
    else if (argc == 5 && str_eq(argv[1], "idle") &&
             str_to_i64(argv[3], 1, sizeof fleet / sizeof *fleet, &watches) == 0)
        idle(b, argv[2], (size_t)watches, argv[4]);
    else if (argc == 3 && str_eq(argv[1], "react"))
        react(b, argv[2]);
    else
        return false;
    return true;
}

/* The same settings as the controller's. */
static void prepare(void)
{
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int main(int argc, char **argv)
{
    prepare();
    uv_loop_t *loop = uv_default_loop();
    struct bench b = {.loop = loop};
    uv_signal_t mark, freed;
    uv_signal_init(loop, &mark);
    uv_signal_init(loop, &freed);
    mark.data = freed.data = &b;
    uv_signal_start(&mark, on_signal, SIGUSR1);
    uv_signal_start(&freed, on_signal, SIGUSR2);
    if (!begin(&b, argc, argv))
        die("usage: bench sync | idle DIR WATCHES NAMESPACE | react NAMESPACE");
    uv_run(loop, UV_RUN_DEFAULT);
}
