/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a ceiling. Every buffer says at birth how large it may become, so no input from outside
 * can make the process grow without bound. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NUL-terminated whenever not NULL */
    size_t len, cap;
    size_t max; /* greatest len */
};

#define BUF_INIT(limit) ((struct buf){.max = (limit)})

/* Appending returns 0, or -1 when the ceiling would be passed; then nothing is appended. */
int buf_append(struct buf *b, const void *data, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (n <= len). */
void buf_shift(struct buf *b, size_t n);
void buf_reset(struct buf *b);       /* len = 0, memory kept */
void buf_done(struct buf *b);        /* frees */
void buf_done_secret(struct buf *b); /* wipes, then frees */

/* Gives the bytes away (never NULL); the buffer is empty afterwards. Free with free(). */
char *buf_take(struct buf *b);

#define auto_buf __attribute__((cleanup(buf_done))) struct buf

#endif
