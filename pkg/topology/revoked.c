/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { NAMESPACE_MAX = 63, NAME_MAX_LEN = 253 };

/* A trust domain, a namespace, a name: what SPIFFE and Kubernetes allow in all three. */
static bool part_fine(const char *s, size_t max)
{
    size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") : 0;
    return n > 0 && s[n] == '\0' && n <= max;
}

bool topo_identity_fine(const struct topo_identity *id)
{
    return part_fine(id->trust_domain, NAME_MAX_LEN) && part_fine(id->ns, NAMESPACE_MAX) &&
           !strchr(id->ns, '.') && part_fine(id->account, NAME_MAX_LEN);
}

static int compare(const struct topo_identity *a, const struct topo_identity *b)
{
    int c = str_cmp(a->trust_domain, b->trust_domain);
    c = c ? c : str_cmp(a->ns, b->ns);
    return c ? c : str_cmp(a->account, b->account);
}

bool topo_identity_same(const struct topo_identity *a, const struct topo_identity *b)
{
    return compare(a, b) == 0;
}

static int by_identity(const void *a, const void *b)
{
    return compare(&((const struct topo_revoked *)a)->id, &((const struct topo_revoked *)b)->id);
}

static bool is_named(const struct topo_identity *named, size_t n, const struct topo_identity *id)
{
    for (size_t i = 0; i < n; i++)
        if (topo_identity_same(&named[i], id))
            return true;
    return false;
}

static bool is_listed(const struct topo_revoked *list, size_t n, const struct topo_identity *id)
{
    for (size_t i = 0; i < n; i++)
        if (topo_identity_same(&list[i].id, id))
            return true;
    return false;
}

size_t topo_revoked_merge(struct arena *a, const struct topo_revoked *old, size_t n_old,
                          const struct topo_revoked *ended, size_t n_ended,
                          const struct topo_identity *named, size_t n_named,
                          struct topo_revoked **ret, bool *full)
{
    struct topo_revoked *list = arena_array(a, TOPO_REVOKED_MAX, sizeof *list);
    size_t n = 0;
    *full = false;
    for (size_t i = 0; i < n_old + n_ended; i++) {
        const struct topo_revoked *r = i < n_old ? &old[i] : &ended[i - n_old];
        if (!topo_identity_fine(&r->id) || is_named(named, n_named, &r->id) ||
            is_listed(list, n, &r->id))
            continue;
        if (n < TOPO_REVOKED_MAX)
            list[n++] = *r;
        else
            *full = true;
    }
    qsort(list, n, sizeof *list, by_identity);
    *ret = list;
    return n;
}
