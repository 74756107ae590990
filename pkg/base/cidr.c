/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void clear_behind(uint8_t *address, unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        address[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
}

int cidr_parse(const char *text, struct cidr *ret)
{
    const char *slash = strchr(text, '/');
    struct cidr c = {.v6 = strchr(text, ':') != NULL};
    int64_t bits;
    if (!slash || slash - text >= INET6_ADDRSTRLEN ||
        str_to_i64(slash + 1, 0, c.v6 ? 128 : 32, &bits) < 0)
        return -1;
    auto_free char *host = xstrndup(text, (size_t)(slash - text));
    if (inet_pton(c.v6 ? AF_INET6 : AF_INET, host, c.address) != 1)
        return -1;
    c.bits = (uint8_t)bits;
    clear_behind(c.address, c.bits);
    *ret = c;
    return 0;
}

void cidr_format(const struct cidr *c, char out[CIDR_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(c->v6 ? AF_INET6 : AF_INET, c->address, host, sizeof host);
    snprintf(out, CIDR_TEXT_MAX, "%s/%u", host, (unsigned)c->bits);
}

static bool same_prefix(const struct cidr *a, const struct cidr *b, unsigned bits)
{
    uint8_t x[16], y[16];
    memcpy(x, a->address, sizeof x);
    memcpy(y, b->address, sizeof y);
    clear_behind(x, bits);
    clear_behind(y, bits);
    return a->v6 == b->v6 && memcmp(x, y, sizeof x) == 0;
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
    return same_prefix(a, b, a->bits < b->bits ? a->bits : b->bits);
}

/* By address, the wider first: what lies within a range follows it. */
static int by_address(const void *pa, const void *pb)
{
    const struct cidr *a = pa, *b = pb;
    if (a->v6 != b->v6)
        return a->v6 - b->v6;
    int c = memcmp(a->address, b->address, sizeof a->address);
    return c ? c : a->bits - b->bits;
}

/* b follows a: together they are one range that is twice as wide. */
static bool halves(const struct cidr *a, const struct cidr *b)
{
    return a->bits > 0 && a->bits == b->bits && same_prefix(a, b, a->bits - 1u);
}

size_t cidr_merge(struct cidr *v, size_t n)
{
    size_t left = 0;
    if (n == 0)
        return 0;
    qsort(v, n, sizeof *v, by_address);
    for (size_t i = 0; i < n; i++) {
        if (left > 0 && cidr_overlaps(&v[left - 1], &v[i]))
            continue; /* sorted: within it */
        v[left++] = v[i];
        while (left > 1 && halves(&v[left - 2], &v[left - 1]))
            v[--left - 1].bits--;
    }
    return left;
}

int cidr_address_family(const char *text)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
}
