/* SPDX-License-Identifier: Apache-2.0 */
#include "base/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

enum { FIRST_SLOTS = 64, BLOCK = 4096 };

static struct {
    const char **texts; /* by id - 1 */
    uint16_t *slots;    /* ids by hash; 0: free. At most half of them are used */
    size_t n, n_slots, bytes;
    char *block; /* where the next text goes */
    size_t left;
} table;

static size_t slot_of(const char *s, size_t len)
{
    size_t at = (size_t)siphash(siphash_process_key(), s, len) & (table.n_slots - 1);
    while (table.slots[at]) {
        const char *held = table.texts[table.slots[at] - 1];
        if (strlen(held) == len && memcmp(held, s, len) == 0)
            break;
        at = (at + 1) & (table.n_slots - 1);
    }
    return at;
}

static void grow(void)
{
    table.n_slots = table.n_slots ? 2 * table.n_slots : FIRST_SLOTS;
    free(table.slots);
    table.slots = xcalloc(table.n_slots, sizeof *table.slots);
    table.texts = xrealloc(table.texts, table.n_slots / 2 * sizeof *table.texts);
    for (size_t i = 0; i < table.n; i++)
        table.slots[slot_of(table.texts[i], strlen(table.texts[i]))] = (uint16_t)(i + 1);
}

static const char *keep(const char *s, size_t len)
{
    if (table.left < len + 1) {
        table.block = xmalloc(BLOCK);
        table.left = BLOCK;
    }
    char *at = table.block;
    memcpy(at, s, len);
    at[len] = '\0';
    table.block += len + 1;
    table.left -= len + 1;
    table.bytes += len + 1;
    return at;
}

uint16_t intern(const char *s, size_t len)
{
    if (len >= INTERN_TEXT_MAX || memchr(s, '\0', len))
        return 0;
    if (2 * (table.n + 1) > table.n_slots)
        grow();
    size_t at = slot_of(s, len);
    if (table.slots[at] || table.n >= INTERN_MAX || table.bytes + len >= INTERN_BYTES_MAX)
        return table.slots[at];
    table.texts[table.n++] = keep(s, len);
    return table.slots[at] = (uint16_t)table.n;
}

const char *intern_text(uint16_t id)
{
    return table.texts[id - 1];
}
