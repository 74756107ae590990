/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of JSON text that many objects share, held once per process; and reading a member of an object's text without
 * a parse. All text here is what jx_dump writes: compact, keys sorted. */
#ifndef KUBESIM_TEXT_H
#define KUBESIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_text {
    uint32_t refs, len;
    const char *data; /* NUL-terminated */
};

/* Equal bytes give the same sim_text. A reference for the caller; drop it with sim_text_drop (NULL is fine). */
struct sim_text *sim_text_intern(const char *data, size_t len);
void sim_text_drop(struct sim_text *t);
/* How many there are now, and their bytes: for tests and statistics. */
void sim_text_count(size_t *ret_texts, size_t *ret_bytes);

/* The value of a member of a JSON object, or NULL; *ret_len is its length. text may also be the inside of an object,
 * without its braces. Only the outermost members are looked at. */
const char *sim_text_member(const char *text, size_t len, const char *key, size_t *ret_len);

#endif
