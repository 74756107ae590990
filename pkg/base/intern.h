/* SPDX-License-Identifier: Apache-2.0 */
/* Short strings that very many things share, each held once and named by 16 bits. The table is the process's; a string
 * stays for ever, and since others choose some of them there is a bound: what comes later is not taken. */
#ifndef BASE_INTERN_H
#define BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

enum {
    INTERN_MAX = 60000,         /* strings */
    INTERN_TEXT_MAX = 256,      /* bytes of one */
    INTERN_BYTES_MAX = 2 << 20, /* bytes of all */
};

/* 0: not taken (the bounds; no string has a NUL inside). */
uint16_t intern(const char *s, size_t len);
/* Lives as long as the process. */
const char *intern_text(uint16_t id);

#endif
