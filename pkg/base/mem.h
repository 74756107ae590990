/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that never returns NULL: out of memory ends the process with a message, since a controller that restarts
 * is safer than one that goes on with half a decision. The only module that calls malloc and friends. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, nonnull));
char *xasprintf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Like xstrdup, but NULL in gives NULL out. */
char *xstrdup0(const char *s);

/* Frees *p and sets it to NULL. Takes the address of any pointer. */
void xfreep(void *p);

/* Overwrites a secret string, then frees it. NULL is fine. */
void xfree_secret(char *s);

#define auto_free __attribute__((cleanup(xfreep)))

/* Gives the pointer away: yields its value and leaves NULL behind, so that an auto_free variable does not free it. */
#define STEAL(p)                                                                                   \
    __extension__({                                                                                \
        __typeof__(p) stolen_ = (p);                                                               \
        (p) = NULL;                                                                                \
        stolen_;                                                                                   \
    })

#endif
