/* SPDX-License-Identifier: Apache-2.0 */
#include "base/siphash.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

const struct siphash_key *siphash_process_key(void)
{
    static struct siphash_key key;
    static bool made;
    if (!made && getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key)
        key.k0 = (uint64_t)time(NULL) ^ (uintptr_t)&key;
    made = true;
    return &key;
}

static uint64_t rotate(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
}

static uint64_t little(const unsigned char *p, size_t n)
{
    uint64_t m = 0;
    for (size_t i = 0; i < n; i++)
        m |= (uint64_t)p[i] << (8 * i);
    return m;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
    uint64_t v[4] = {key->k0 ^ 0x736f6d6570736575ULL, key->k1 ^ 0x646f72616e646f6dULL,
                     key->k0 ^ 0x6c7967656e657261ULL, key->k1 ^ 0x7465646279746573ULL};
    const unsigned char *p = data;
    size_t left = len;
    for (; left >= 8; left -= 8, p += 8)
        sip_word(v, little(p, 8));
    sip_word(v, little(p, left) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
