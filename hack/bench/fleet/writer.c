/* SPDX-License-Identifier: Apache-2.0 */
/* The bare writer: sends the writes that a controller was seen to make, and does nothing else. It knows neither waves nor
 * answers; it is the floor that an install is measured against.
 *
 *   writer LOG CA TOKENFILE SERVER PREFIX CLUSTERS PARALLEL
 *
 * LOG holds the writes to the first clusters, a JSON object per line ({"cluster", "method", "path", "type", "body"}); the
 * other clusters get the same. Each of PARALLEL workers takes one cluster after the other, over a connection of its own,
 * write by write. Prints {"writes", "refused", "seconds"}. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/jx.h"

enum { PARALLEL_MAX = 1024, TOKEN_MAX = 4096, WAIT_MS = 1000 };

struct worker {
    CURL *easy;
    int64_t cluster;
    size_t at;
    struct curl_slist *headers;
};

struct run {
    CURLM *multi;
    json_t *recorded; /* cluster -> array of writes */
    const char *ca, *server, *prefix;
    char *token;
    int64_t clusters, next;
    size_t sources; /* clusters that were recorded */
    uint64_t writes, refused;
};

static void fatal(const char *what)
{
    fprintf(stderr, "writer: %s\n", what);
    exit(1);
}

static void read_log(struct run *r, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    if (!f)
        fatal("the log can't be read");
    r->recorded = json_object();
    while (getline(&line, &room, f) > 0) {
        json_t *w = jx_load(line, strlen(line), NULL);
        const char *cluster = jx_str(w, "cluster");
        if (!cluster)
            fatal("a line of the log is no write");
        if (!json_object_get(r->recorded, cluster))
            json_object_set_new(r->recorded, cluster, json_array());
        json_array_append_new(json_object_get(r->recorded, cluster), w);
    }
    free(line);
    fclose(f);
    r->sources = json_object_size(r->recorded);
    if (!r->sources)
        fatal("the log is empty");
}

static const json_t *writes_of(const struct run *r, int64_t cluster)
{
    auto_free char *name =
        xasprintf("%s%lld", r->prefix, (long long)((cluster - 1) % (int64_t)r->sources + 1));
    return json_object_get(r->recorded, name);
}

static size_t discard(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

static void send_one(struct run *r, struct worker *w, const json_t *write)
{
    auto_free char *url = xasprintf("%s/clusters/%s%lld%s", r->server, r->prefix,
                                    (long long)w->cluster, jx_str(write, "path"));
    auto_free char *bearer = xasprintf("Authorization: Bearer %s", r->token);
    auto_free char *type = xasprintf("Content-Type: %s", jx_str(write, "type"));
    curl_slist_free_all(w->headers);
    w->headers = curl_slist_append(NULL, bearer);
    w->headers = curl_slist_append(w->headers, type);
    w->headers = curl_slist_append(w->headers, "Expect:");
    const json_t *body = json_object_get(write, "body");
    curl_easy_setopt(w->easy, CURLOPT_URL, url);
    curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, w->headers);
    curl_easy_setopt(w->easy, CURLOPT_CUSTOMREQUEST, jx_str(write, "method"));
    curl_easy_setopt(w->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json_string_length(body));
    curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, json_string_value(body));
    curl_multi_add_handle(r->multi, w->easy);
}

/* The worker's next write, of this cluster or of the next one that nobody has taken. False: all are taken. */
static bool go_on(struct run *r, struct worker *w)
{
    const json_t *mine = w->cluster ? writes_of(r, w->cluster) : NULL;
    while (w->at >= json_array_size(mine)) {
        if (r->next > r->clusters)
            return false;
        w->cluster = r->next++;
        w->at = 0;
        mine = writes_of(r, w->cluster);
    }
    send_one(r, w, json_array_get(mine, w->at++));
    return true;
}

static struct worker *worker_new(const struct run *r)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->easy = curl_easy_init();
    curl_easy_setopt(w->easy, CURLOPT_PRIVATE, w);
    curl_easy_setopt(w->easy, CURLOPT_CAINFO, r->ca);
    curl_easy_setopt(w->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(w->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(w->easy, CURLOPT_WRITEFUNCTION, discard);
    return w;
}

static void worker_free(struct worker *w)
{
    curl_easy_cleanup(w->easy);
    curl_slist_free_all(w->headers);
    free(w);
}

static size_t reap(struct run *r)
{
    int left = 0;
    size_t ended = 0;
    CURLMsg *m;
    while ((m = curl_multi_info_read(r->multi, &left))) {
        struct worker *w = NULL;
        long status = 0;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &w);
        curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        curl_multi_remove_handle(r->multi, m->easy_handle);
        r->writes++;
        r->refused += code != CURLE_OK || status > 299;
        if (!go_on(r, w)) {
            worker_free(w);
            ended++;
        }
    }
    return ended;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(struct run *r, int64_t parallel)
{
    size_t alive = 0;
    for (int64_t i = 0; i < parallel; i++) {
        struct worker *w = worker_new(r);
        if (go_on(r, w))
            alive++;
        else
            worker_free(w);
    }
    while (alive) {
        int running;
        if (curl_multi_perform(r->multi, &running) != CURLM_OK)
            fatal("libcurl failed");
        alive -= reap(r);
        if (curl_multi_poll(r->multi, NULL, 0, WAIT_MS, NULL) != CURLM_OK)
            fatal("libcurl failed");
    }
}

int main(int argc, char **argv)
{
    struct run r = {.next = 1};
    int64_t parallel;
    size_t n;
    if (argc != 8 || str_to_i64(argv[6], 1, INT32_MAX, &r.clusters) < 0 ||
        str_to_i64(argv[7], 1, PARALLEL_MAX, &parallel) < 0)
        fatal("usage: writer LOG CA TOKENFILE SERVER PREFIX CLUSTERS PARALLEL");
    read_log(&r, argv[1]);
    r.ca = argv[2];
    r.token = file_read(argv[3], TOKEN_MAX, &n, NULL);
    r.server = argv[4];
    r.prefix = argv[5];
    if (!r.token)
        fatal("the token can't be read");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    r.multi = curl_multi_init();
    double began = now();
    run(&r, parallel);
    printf("{\"writes\": %llu, \"refused\": %llu, \"seconds\": %.2f}\n",
           (unsigned long long)r.writes, (unsigned long long)r.refused, now() - began);
    curl_multi_cleanup(r.multi);
    curl_global_cleanup();
    json_decref(r.recorded);
    xfree_secret(r.token);
    return 0;
}
