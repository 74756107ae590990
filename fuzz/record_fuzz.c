/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/jx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_load(const char *text)
{
    auto_json *v = jx_load(text, strlen(text), NULL);
    if (!v)
        abort();
}

/* What can be made can be read, wherever it lies, and its texts are JSON where they say so. */
static void check(const struct kube_record *r)
{
    size_t n = kube_record_size(r);
    auto_arena arena = ARENA_INIT;
    auto_free char *copy = xmalloc(n + 1);
    struct kube_view v;
    memcpy(copy + 1, r, n);
    const struct kube_record *moved = (const struct kube_record *)(const void *)(copy + 1);
    kube_record_view(moved, &v);
    if (!*v.meta.name || strcmp(v.meta.name, kube_record_name(moved)) != 0)
        abort();
    must_load(v.labels);
    must_load(kube_record_ports(&arena, moved));
    kube_record_addresses(&arena, moved);
    kube_record_reached_at(&arena, moved);
    kube_record_cluster_ips(&arena, moved);
    kube_record_pods(&arena, moved);
    kube_record_endpoints(&arena, moved, &n);
    if (kube_record_node_port(moved, 80) < 0)
        abort();
    if (v.meta.rv && kube_record_compare(r, moved) != 0)
        abort();
}

/* The first byte: which kind, and which encoding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct kube_record_maker *m = kube_record_maker_new();
    enum kube_record_kind kind = (enum kube_record_kind)(data[0] / 2 % KUBE_RECORD_KINDS);
    const struct kube_record *r =
        kube_record_make(m, kind, data[0] % 2 ? KUBE_ENCODING_PROTO : KUBE_ENCODING_JSON,
                         (const char *)data + 1, size - 1, NULL);
    if (r)
        check(r);
    kube_record_maker_free(m);
    return 0;
}
