/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (Aumasson, Bernstein): a hash for tables whose keys others choose; without the key nobody can make many
 * of them fall into one place. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

/* The key of this process: random, made at the first call. */
const struct siphash_key *siphash_process_key(void);
uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
